//! The model owner of a protocol with a dealer.

use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::model::Model;
use veilbench_mpc::session::{self, ModelOwnerBatch, Peer, Protocol, SetupSeed};

use super::dealer_link::DealerLink;
use super::exchange::{End, TimedExchange, Window};
use crate::lowering::Lowered;
use crate::planning::batches::BatchSplit;
use crate::roles::ModelOwnerSide;
use crate::{DATA_OWNER, DEALER, exactly, from_peer};
use veilbench_api::{Error, Link, Recorder, RoleContext};

pub(crate) struct ModelOwner<P: Protocol> {
    core: session::ModelOwner<P>,
    client: Link,
    dealer: DealerLink,
    cut: BatchSplit,
    threads: usize,
    layers: Vec<String>,
    /// Randomness of the window that comes next.
    ready: Vec<ModelOwnerBatch<P>>,
    recorder: Recorder,
}

impl<P: Protocol> ModelOwner<P> {
    pub(crate) fn join(
        role: &mut RoleContext,
        protocol: &str,
        lowered: &Lowered,
        circuit: Arc<Circuit>,
        cut: BatchSplit,
    ) -> Result<Self, Error> {
        let (mut client, mut dealer) = (role.links.take(DATA_OWNER)?, DealerLink::of_owner(role, protocol)?);
        let recorder = role.recorder.clone();
        let network = role.take_network()?;
        let setup_seed = dealer.receive(&recorder)?;
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
                (DATA_OWNER, self.recorder.span("wait", || self.client.receive())?)
            }
        })
    }
}

impl<P: Protocol> ModelOwnerSide for ModelOwner<P> {
    /// Takes in the randomness of a window.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        self.ready.clear();
        for images in self.cut.messages(window) {
            let mut batch = self.core.prepare(images.len());
            while let Some(peer) = batch.awaits() {
                let (from, message) = self.receive(peer)?;
                recorder.span("expand", || batch.receive(peer, &message)).map_err(from_peer(from))?;
            }
            self.ready.push(batch);
        }
        Ok(())
    }

    /// Runs a window, in the data owner's order.
    fn run(&mut self) -> Result<(), Error> {
        let part = |online| TimedExchange::<P>::new(online, self.layers.len());
        let ready = std::mem::take(&mut self.ready).into_iter();
        let parts = ready.map(|batch| batch.start().map(part)).collect::<Result<Vec<_>, _>>();
        let mut exchange = Window {
            link: &mut self.client,
            peer: DATA_OWNER,
            threads: self.threads,
            layers: &self.layers,
            recorder: &self.recorder,
        };
        let ends = exchange.run(parts.map_err(Error::engine("starting a batch"))?)?;
        if ends.iter().all(|end| matches!(end, End::Sent)) {
            return Ok(());
        }
        Err(Error::protocol("the model owner was to learn the logits"))
    }
}
