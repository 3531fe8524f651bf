//! The data owner of a protocol with a dealer.

use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::session::{self, DataOwnerBatch, Peer, Protocol, Reservation, SetupSeed};
use veilbench_networks::Tensor;

use super::dealer_link::DealerLink;
use super::exchange::{End, TimedExchange, Window};
use crate::lowering::Lowered;
use crate::planning::batches::{BatchSplit, map};
use crate::roles::{DataOwnerSide, Refused};
use crate::{DEALER, MODEL_OWNER, exactly, from_peer, window_header};
use veilbench_api::{Error, Link, Recorder, RoleContext};

pub(crate) struct DataOwner<P: Protocol> {
    core: session::DataOwner<P>,
    circuit: Arc<Circuit>,
    dealer: DealerLink,
    server: Link,
    cut: BatchSplit,
    threads: usize,
    pixels: usize,
    classes: usize,
    layers: Vec<String>,
    /// Randomness of the window that comes next.
    ready: Vec<DataOwnerBatch<P>>,
    recorder: Recorder,
}

impl<P: Protocol> DataOwner<P> {
    pub(crate) fn join(
        role: &mut RoleContext,
        protocol: &str,
        lowered: &Lowered,
        circuit: Arc<Circuit>,
        cut: BatchSplit,
    ) -> Result<Self, Error> {
        let (mut dealer, mut server) = (DealerLink::of_owner(role, protocol)?, role.links.take(MODEL_OWNER)?);
        let recorder = role.recorder.clone();
        let setup_seed = dealer.receive(&recorder)?;
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
            pixels: role.architecture.input.len(),
            classes: role.architecture.classes(),
            layers: lowered.names(),
            ready: Vec::new(),
            recorder,
        })
    }

    /// The next message of a peer, with the peer's name.
    fn receive(&mut self, peer: Peer) -> Result<(&'static str, Vec<u8>), Error> {
        Ok(match peer {
            Peer::Dealer => (DEALER, self.dealer.receive(&self.recorder)?),
            Peer::DataOwner | Peer::ModelOwner => {
                (MODEL_OWNER, self.recorder.span("wait", || self.server.receive())?)
            }
        })
    }
}

impl<P: Protocol> DataOwnerSide for DataOwner<P> {
    fn input_magnitude(&self) -> f64 {
        self.circuit.format().input_magnitude
    }

    /// Expands the randomness of a window and helps the model owner to its part.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        self.ready.clear();
        let announced = self.dealer.receive(&recorder)?;
        if announced != window_header(&window) {
            let reason = format!("link to {DEALER}: it deals for another batch than images {window:?}");
            return Err(Error::Protocol(reason));
        }
        let messages: Vec<_> = self.cut.messages(window).collect();
        for group in messages.chunks(self.threads) {
            let reservations = group.iter().map(|images| self.core.reserve(images.len())).collect();
            for (mut batch, ahead) in recorder.span("expand", || map(reservations, Reservation::expand)) {
                while let Some(peer) = batch.awaits() {
                    let (from, message) = self.receive(peer)?;
                    recorder.span("expand", || batch.receive(peer, &message)).map_err(from_peer(from))?;
                }
                for message in ahead {
                    recorder.span("send", || self.server.send(&message))?;
                }
                self.ready.push(batch);
            }
        }
        Ok(())
    }

    /// Values beyond the magnitude that the format is for, and what is no number, are refused before anything is sent.
    fn check(&self, images: &Tensor) -> Result<(), Error> {
        let most = self.input_magnitude();
        let fits = |image: &[f32]| image.iter().all(|value| f64::from(value.abs()) <= most);
        let pictures = images.data().chunks_exact(self.pixels).enumerate();
        let pixels = pictures.filter(|(_, image)| !fits(image)).map(|(at, _)| at).collect();
        Refused { pixels, ..Refused::default() }.into_result(most)
    }

    fn run(
        &mut self,
        pixels: &[f32],
        window: Range<usize>,
        refused: &mut Refused,
    ) -> Result<Vec<f32>, Error> {
        let (recorder, first) = (self.recorder.clone(), window.start);
        let of_images =
            |at: Range<usize>| &pixels[(at.start - first) * self.pixels..(at.end - first) * self.pixels];
        let mut exchange = Window {
            link: &mut self.server,
            peer: MODEL_OWNER,
            threads: self.threads,
            layers: &self.layers,
            recorder: &recorder,
        };
        let mut batches = self.cut.messages(window.clone()).zip(std::mem::take(&mut self.ready));
        let mut parts = Vec::new();
        loop {
            let group: Vec<_> = batches.by_ref().take(self.threads).collect();
            if group.is_empty() {
                break;
            }
            let started =
                recorder.span("mask", || map(group, |(images, batch)| batch.start(of_images(images))));
            for start in started {
                let (online, message) = start.map_err(|error| Error::Input(error.to_string()))?;
                let part = TimedExchange::<P>::new(online, self.layers.len());
                exchange.send(&message)?;
                part.pause();
                parts.push(part);
            }
        }
        let mut logits = Vec::with_capacity(window.len() * self.classes);
        let ends = exchange.run(parts)?;
        for (message, end) in self.cut.messages(window).zip(ends) {
            match end {
                End::Logits(values) => {
                    logits.extend(values.iter().map(|&logit| self.circuit.decode(logit) as f32));
                }
                End::Refused(images) => {
                    refused.activations.extend(images.iter().map(|image| message.start + image));
                }
                End::Sent => {
                    return Err(Error::protocol("the data owner's part ended before the logits"));
                }
            }
        }
        Ok(logits)
    }
}
