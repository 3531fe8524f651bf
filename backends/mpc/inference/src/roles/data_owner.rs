//! The data owner: images in, logits out.

use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::session::{self, DataOwnerBatch, Peer, Protocol, Reservation, SetupSeed, Step};
use veilbench_networks::{Shape, Tensor};

use super::layers::TimedExchange;
use crate::lowering::Lowered;
use crate::planning::batches::{BatchSplit, Progress, map};
use crate::{DEALER, MODEL_OWNER, core, exactly, from_peer, window_header};
use veilbench_api::{Error, Link, Party, Recorder, RoleContext};

pub(crate) struct DataOwner<P: Protocol> {
    core: session::DataOwner<P>,
    circuit: Arc<Circuit>,
    dealer: Link,
    server: Link,
    cut: BatchSplit,
    threads: usize,
    batch: usize,
    input: Shape,
    classes: usize,
    layers: Vec<String>,
    progress: Progress,
    /// Randomness of the window that comes next.
    ready: Vec<DataOwnerBatch<P>>,
    recorder: Recorder,
}

impl<P: Protocol> DataOwner<P> {
    pub(crate) fn join(
        role: &mut RoleContext,
        lowered: &Lowered,
        circuit: Arc<Circuit>,
        cut: BatchSplit,
    ) -> Result<Self, Error> {
        let (mut dealer, mut server) = (role.links.take(DEALER)?, role.links.take(MODEL_OWNER)?);
        let recorder = role.recorder.clone();
        let setup_seed = recorder.span("wait", || dealer.receive())?;
        let setup_seed = SetupSeed::from_bytes(&exactly(DEALER, &setup_seed)?);
        let parameters = recorder.span("wait", || server.receive())?;
        let core = recorder
            .span("prepare-weights", || {
                session::DataOwner::new(Arc::clone(&circuit), setup_seed, &parameters)
            })
            .map_err(from_peer(MODEL_OWNER))?;
        Ok(Self {
            core,
            circuit,
            dealer,
            server,
            cut,
            threads: role.job.threads.max(1),
            batch: role.job.batch,
            input: role.architecture.input,
            classes: role.architecture.classes(),
            layers: lowered.names(),
            progress: Progress::default(),
            ready: Vec::new(),
            recorder,
        })
    }

    /// The link to a role, with the name of that.
    fn peer(&mut self, peer: Peer) -> (&'static str, &mut Link) {
        match peer {
            Peer::Dealer => (DEALER, &mut self.dealer),
            Peer::DataOwner | Peer::ModelOwner => (MODEL_OWNER, &mut self.server),
        }
    }

    /// Expands the randomness of a window and helps the model owner to its part.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        let announced = recorder.span("wait", || self.dealer.receive())?;
        if announced != window_header(&window) {
            let reason = format!("link to {DEALER}: it deals for another batch than images {window:?}");
            return Err(Error::Protocol(reason));
        }
        let messages: Vec<_> = self.cut.messages(window).collect();
        for group in messages.chunks(self.threads) {
            let reservations = group.iter().map(|images| self.core.reserve(images.len())).collect();
            for (mut batch, message) in recorder.span("expand", || map(reservations, Reservation::expand)) {
                while let Some(peer) = batch.awaits() {
                    let (from, link) = self.peer(peer);
                    let message = recorder.span("wait", || link.receive())?;
                    recorder.span("expand", || batch.receive(peer, &message)).map_err(from_peer(from))?;
                }
                if let Some(message) = message {
                    recorder.span("send", || self.server.send(&message))?;
                }
                self.ready.push(batch);
            }
        }
        Ok(())
    }

    /// Runs a window: all messages of one round before those of the next, so that rounds do not grow with the batch.
    /// The images that are out of range are added to `refused`; they have no logits.
    fn run(
        &mut self,
        images: &Tensor,
        window: Range<usize>,
        refused: &mut Vec<usize>,
    ) -> Result<Vec<f32>, Error> {
        let recorder = self.recorder.clone();
        let pixels = self.input.len();
        let cut = self.cut;
        let mut messages = cut.messages(window.clone());
        let batches: Vec<_> = cut.messages(window).zip(std::mem::take(&mut self.ready)).collect();
        let mut talks = Vec::with_capacity(batches.len());
        let mut batches = batches.into_iter();
        loop {
            let group: Vec<_> = batches.by_ref().take(self.threads).collect();
            if group.is_empty() {
                break;
            }
            let started = recorder.span("mask", || {
                map(group, |(at, batch)| batch.start(&images.data()[at.start * pixels..at.end * pixels]))
            });
            for start in started {
                let (online, message) = start.map_err(|error| Error::Input(error.to_string()))?;
                let talk = TimedExchange::<P>::new(online, self.layers.len());
                recorder.span("send", || self.server.send(&message))?;
                talk.pause();
                talks.push(talk);
            }
        }
        let mut logits = Vec::with_capacity(images.images() * self.classes);
        while !talks.is_empty() {
            let mut next = Vec::with_capacity(talks.len());
            let mut waiting = talks.into_iter();
            loop {
                let mut group = Vec::with_capacity(self.threads);
                for talk in waiting.by_ref().take(self.threads) {
                    talk.resume();
                    group.push((talk, recorder.span("wait", || self.server.receive())?));
                }
                if group.is_empty() {
                    break;
                }
                let mut turns = recorder.span("evaluate", || map(group, TimedExchange::receive));
                // The messages of a group follow each other in its order, and then those that follow them.
                while turns.iter().any(|(_, turn)| matches!(turn, Ok(Step::Wait))) {
                    let mut more = Vec::with_capacity(turns.len());
                    for (talk, turn) in turns {
                        let Step::Wait = turn.map_err(from_peer(MODEL_OWNER))? else {
                            return Err(Error::protocol("messages of one batch are of different networks"));
                        };
                        more.push((talk, recorder.span("wait", || self.server.receive())?));
                    }
                    turns = recorder.span("evaluate", || map(more, TimedExchange::receive));
                }
                let mut sent = Vec::with_capacity(turns.len());
                for (talk, turn) in turns {
                    if let Err(core::Error::OutOfRange { images }) = &turn {
                        let first = messages.next().map_or(0, |message| message.start);
                        refused.extend(images.iter().map(|image| first + image));
                        continue;
                    }
                    match turn.map_err(from_peer(MODEL_OWNER))? {
                        Step::Send(message) => {
                            recorder.span("send", || self.server.send(&message))?;
                            sent.push(talk);
                        }
                        Step::Logits(values) => {
                            messages.next();
                            talk.finish(&self.layers, &recorder);
                            logits.extend(values.iter().map(|&logit| self.circuit.decode(logit) as f32));
                        }
                        Step::Last(_) | Step::Wait => {
                            return Err(Error::protocol("the data owner's part ended before the logits"));
                        }
                    }
                }
                // The data owner has nothing to send but answers.
                let proceeded = recorder.span("evaluate", || map(sent, TimedExchange::proceed));
                next.extend(proceeded.into_iter().map(|(talk, _)| talk));
            }
            talks = next;
        }
        Ok(logits)
    }
}

impl<P: Protocol> DataOwner<P> {
    /// Values beyond the magnitude that the format is for are refused before anything is sent.
    fn refuse_pixels(&self, images: &Tensor) -> Result<(), Error> {
        let most = self.circuit.format().input_magnitude;
        let beyond = |image: &[f32]| image.iter().any(|value| f64::from(value.abs()) > most);
        let pictures = images.data().chunks_exact(self.input.len()).enumerate();
        let refused: Vec<usize> = pictures.filter(|(_, image)| beyond(image)).map(|(at, _)| at).collect();
        if refused.is_empty() {
            return Ok(());
        }
        Err(out_of_range(
            refused,
            &format!("they have values beyond the {most} that the input's range allows"),
        ))
    }
}

fn out_of_range(images: Vec<usize>, reason: &str) -> Error {
    let reason = format!(
        "images {images:?} of the batch: {reason}; leave them out, or calibrate the network on images like them"
    );
    Error::OutOfRange { images, reason }
}

impl<P: Protocol> Party for DataOwner<P> {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        self.ready.clear();
        let first = self.cut.windows(images).next().unwrap_or(0..0);
        self.prepare(first)
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        let prepared = self.progress.take()?;
        if images.images() != prepared {
            let given = images.images();
            return Err(Error::Input(format!(
                "a batch of {given} images was given where {prepared} were prepared"
            )));
        }
        self.refuse_pixels(images)?;
        let (mut logits, mut refused) = (Vec::with_capacity(prepared * self.classes), Vec::new());
        for (index, window) in self.cut.windows(prepared).enumerate() {
            if index > 0 {
                self.prepare(window.clone())?;
            }
            logits.extend(self.run(images, window, &mut refused)?);
        }
        if !refused.is_empty() {
            return Err(out_of_range(
                refused,
                "they drive activations beyond what the calibrated ranges leave room for",
            ));
        }
        Tensor::new(prepared, Shape::Flat(self.classes), logits)
            .map(Some)
            .ok_or_else(|| Error::protocol("logits of another number than images and classes"))
    }
}
