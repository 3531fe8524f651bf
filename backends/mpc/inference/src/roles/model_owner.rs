//! The model owner: holds the weights, learns nothing.

use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::model::Model;
use veilbench_mpc::session::{self, ModelOwnerBatch, Peer, Protocol, SetupSeed, Step};
use veilbench_networks::Tensor;

use super::layers::TimedExchange;
use crate::lowering::Lowered;
use crate::planning::batches::{BatchSplit, Progress, map};
use crate::{DATA_OWNER, DEALER, exactly, from_peer};
use veilbench_api::{Error, Link, Party, Recorder, RoleContext};

pub(crate) struct ModelOwner<P: Protocol> {
    core: session::ModelOwner<P>,
    client: Link,
    dealer: Link,
    cut: BatchSplit,
    threads: usize,
    batch: usize,
    layers: Vec<String>,
    progress: Progress,
    /// Randomness of the window that comes next.
    ready: Vec<ModelOwnerBatch<P>>,
    recorder: Recorder,
}

impl<P: Protocol> ModelOwner<P> {
    pub(crate) fn join(
        role: &mut RoleContext,
        lowered: &Lowered,
        circuit: Arc<Circuit>,
        cut: BatchSplit,
    ) -> Result<Self, Error> {
        let (mut client, mut dealer) = (role.links.take(DATA_OWNER)?, role.links.take(DEALER)?);
        let recorder = role.recorder.clone();
        let network = role.take_network()?;
        let setup_seed = recorder.span("wait", || dealer.receive())?;
        let setup_seed = SetupSeed::from_bytes(&exactly(DEALER, &setup_seed)?);
        let (core, masked) = recorder
            .span("prepare-weights", || {
                let model = Model::encode(&circuit, &lowered.parameters(network))?;
                session::ModelOwner::new(circuit, setup_seed, model)
            })
            .map_err(|error| lowered.refusal(error))?;
        recorder.span("send", || client.send(&masked))?;
        Ok(Self {
            core,
            client,
            dealer,
            cut,
            threads: role.job.threads.max(1),
            batch: role.job.batch,
            layers: lowered.names(),
            progress: Progress::default(),
            ready: Vec::new(),
            recorder,
        })
    }

    /// Takes in the randomness of a window.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        for images in self.cut.messages(window) {
            let mut batch = self.core.prepare(images.len());
            while let Some(peer) = batch.awaits() {
                let (from, link) = match peer {
                    Peer::Dealer => (DEALER, &mut self.dealer),
                    Peer::DataOwner | Peer::ModelOwner => (DATA_OWNER, &mut self.client),
                };
                let message = recorder.span("wait", || link.receive())?;
                recorder.span("expand", || batch.receive(peer, &message)).map_err(from_peer(from))?;
            }
            self.ready.push(batch);
        }
        Ok(())
    }

    /// Runs a window, in the data owner's order.
    fn run(&mut self) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        let talk = |online| TimedExchange::<P>::new(online, self.layers.len());
        let ready = std::mem::take(&mut self.ready).into_iter();
        let starts = ready.map(|batch| batch.start().map(talk));
        let mut talks = starts.collect::<Result<Vec<_>, _>>().map_err(Error::engine("starting a batch"))?;
        while !talks.is_empty() {
            let mut next = Vec::with_capacity(talks.len());
            let mut waiting = talks.into_iter();
            loop {
                let mut group = Vec::with_capacity(self.threads);
                for talk in waiting.by_ref().take(self.threads) {
                    talk.resume();
                    group.push((talk, recorder.span("wait", || self.client.receive())?));
                }
                if group.is_empty() {
                    break;
                }
                let turns = recorder.span("evaluate", || map(group, TimedExchange::receive));
                let mut sent = Vec::with_capacity(turns.len());
                for (talk, turn) in turns {
                    let (message, last) = match turn.map_err(from_peer(DATA_OWNER))? {
                        Step::Send(message) => (message, false),
                        Step::Last(message) => (message, true),
                        Step::Wait => return Err(Error::protocol("the data owner was to send twice")),
                        Step::Logits(_) => {
                            return Err(Error::protocol("the model owner was to learn the logits"));
                        }
                    };
                    recorder.span("send", || self.client.send(&message))?;
                    if last {
                        talk.finish(&self.layers, &recorder);
                    } else {
                        sent.push(talk);
                    }
                }
                for (talk, message) in recorder.span("evaluate", || map(sent, TimedExchange::proceed)) {
                    if let Some(message) = message {
                        recorder.span("send", || self.client.send(&message))?;
                    }
                    next.push(talk);
                }
            }
            talks = next;
        }
        Ok(())
    }
}

impl<P: Protocol> Party for ModelOwner<P> {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        self.ready.clear();
        let first = self.cut.windows(images).next().unwrap_or(0..0);
        self.prepare(first)
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.progress.take()?;
        for (index, window) in self.cut.windows(images).enumerate() {
            if index > 0 {
                self.prepare(window)?;
            }
            self.run()?;
        }
        Ok(None)
    }
}
