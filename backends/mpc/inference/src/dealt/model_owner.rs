//! The model owner of a protocol with a dealer.

use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::model::Model;
use veilbench_mpc::session::{
    self, ModelOwnerBatch, ModelOwnerReservation, Online, Peer, Protocol, SetupSeed,
};

use super::dealer_link::DealerLink;
use super::exchange::{End, Refill, TimedExchange, Window};
use super::gates::Gates;
use crate::lowering::Lowered;
use crate::planning::batches::BatchSplit;
use crate::roles::ModelOwnerSide;
use crate::{DATA_OWNER, DEALER, exactly, from_peer};
use veilbench_api::{Error, Link, Recorder, RoleContext};

pub(crate) struct ModelOwner<P: Protocol> {
    core: session::ModelOwner<P>,
    client: Link,
    source: Source<P>,
    cut: BatchSplit,
    threads: usize,
    layers: Vec<String>,
    /// Randomness of the window that comes next, of its first gates where they are cut.
    ready: Vec<ModelOwnerBatch<P>>,
    recorder: Recorder,
}

/// Where randomness comes from: the dealer, and the data owner.
struct Source<P: Protocol> {
    dealer: DealerLink,
    gates: Gates,
    /// The window of images under way.
    reserved: Vec<ModelOwnerReservation<P>>,
    recorder: Recorder,
}

impl<P: Protocol> Source<P> {
    /// Takes in the randomness of some gates of the window under way.
    fn take_in(&mut self, gates: &Range<usize>, client: &mut Link) -> Result<Vec<ModelOwnerBatch<P>>, Error> {
        let recorder = &self.recorder;
        let mut ready = Vec::with_capacity(self.reserved.len());
        for reservation in &mut self.reserved {
            let mut batch = reservation.prepare_until(gates.end);
            while let Some(peer) = batch.awaits() {
                let (from, message) = match peer {
                    Peer::Dealer => (DEALER, self.dealer.receive(recorder)?),
                    Peer::DataOwner | Peer::ModelOwner => {
                        (DATA_OWNER, recorder.span("wait", || client.receive())?)
                    }
                };
                recorder.span("expand", || batch.receive(peer, &message)).map_err(from_peer(from))?;
            }
            ready.push(batch);
        }
        Ok(ready)
    }
}

impl<P: Protocol> Refill<P> for Source<P> {
    fn before_receiving(
        &mut self,
        link: &mut Link,
        online: &mut Online<P>,
        message: usize,
    ) -> Result<(), Error> {
        let Some(gates) = self.gates.advance_to(message) else { return Ok(()) };
        for batch in self.take_in(&gates, link)? {
            batch.follow(online).map_err(Error::engine("going on with more gates"))?;
        }
        Ok(())
    }
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
        let gates = Gates::new::<P>(&circuit, cut);
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
        let source = Source { dealer, gates, reserved: Vec::new(), recorder: recorder.clone() };
        Ok(Self {
            core,
            client,
            source,
            cut,
            threads: role.job.threads.max(1),
            layers: lowered.names(),
            ready: Vec::new(),
            recorder,
        })
    }
}

impl<P: Protocol> ModelOwnerSide for ModelOwner<P> {
    /// Takes in the randomness of a window, of its first gates where they are cut.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        self.ready.clear();
        self.source.reserved =
            self.cut.messages(window).map(|images| self.core.reserve(images.len())).collect();
        self.source.gates.restart();
        if let Some(gates) = self.source.gates.advance() {
            self.ready = self.source.take_in(&gates, &mut self.client)?;
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
        let parts = parts.map_err(Error::engine("starting a batch"))?;
        let ends = exchange.run(parts, &mut self.source)?;
        if ends.iter().all(|end| matches!(end, End::Sent)) {
            return Ok(());
        }
        Err(Error::protocol("the model owner was to learn the logits"))
    }
}
