//! The model owner before the online phase.

use std::sync::Arc;

use super::online::{Known, Online};
use super::preparation::{Preparation, Supply, ensure_width};
use super::randomness::keys::BufferPool;
use super::randomness::masks::Role;
use super::randomness::setup_seed::{ALL_GATES, HEADER_BYTES, Header, SetupSeed};
use super::randomness::{Randomness, parameter_masks};
use super::sizes::Sizes;
use super::{Peer, Protocol};
use crate::circuit::Circuit;
use crate::circuit::parameters::GateParameters;
use crate::model::Model;
use crate::oracle::analyse;
use crate::random::Seed;
use crate::session::message::{Reader, Writer};
use crate::{Error, ring};

/// The model owner of one session.
pub struct ModelOwner<P: Preparation> {
    circuit: Arc<Circuit>,
    seed: Seed,
    parameters: Arc<Vec<P::Own>>,
    header: Header,
    batches: u64,
    pool: BufferPool,
}

impl<P: Protocol> ModelOwner<P> {
    /// Joins with the dealer's setup seed and its model. The message, all parameters masked, goes to the data owner.
    ///
    /// # Errors
    /// [`Error::Overflow`] if the weights could drive a value out of the ring's range, [`Error::OtherCircuit`] if they
    /// were encoded for another circuit.
    pub fn new(circuit: Arc<Circuit>, setup_seed: SetupSeed, model: Model) -> Result<(Self, Vec<u8>), Error> {
        let SetupSeed { session, seed } = setup_seed;
        let header = Header::of_setup(session, &circuit);
        ensure_width::<P>(&circuit)?;
        analyse(&circuit, &model)?;
        let mut writer = Writer::new(circuit.ring());
        header.write(ALL_GATES, &mut writer);
        let mut parameters = Vec::with_capacity(circuit.gates.len());
        let masks = parameter_masks(&circuit, &seed);
        let gates = circuit.gates.iter().enumerate();
        for (((index, gate), secret), mut masked) in gates.zip(model.gates).zip(masks) {
            match &secret {
                GateParameters::None => {}
                GateParameters::Linear { weights, .. } => ring::add_assign(&mut masked, weights),
                GateParameters::Quadratic { a, b, .. } => {
                    let (masked_a, masked_b) = masked.split_at_mut(a.len());
                    ring::add_assign(masked_a, a);
                    ring::add_assign(masked_b, b);
                }
            }
            writer.numbers(circuit.ring_of_parameters(index).bits(), masked.iter().copied());
            parameters.push(P::own(gate, secret, masked));
        }
        let (parameters, pool) = (Arc::new(parameters), BufferPool::default());
        Ok((Self { circuit, seed, parameters, header, batches: 0, pool }, writer.take()))
    }

    /// Begins the next batch, which completes as the messages that it [awaits](ModelOwnerBatch::awaits) come.
    pub fn prepare(&mut self, images: usize) -> ModelOwnerBatch<P> {
        self.reserve(images).prepare_until(usize::MAX)
    }

    /// Takes the next batch's place in the order of batches, for one that comes a window of gates after the other.
    pub fn reserve(&mut self, images: usize) -> ModelOwnerReservation<P> {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        ModelOwnerReservation {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            seed: self.seed.derive(header.batch),
            header,
            pool: self.pool.clone(),
            begun: 0,
        }
    }
}

/// The place of one batch, of which windows of gates are prepared one after the other.
pub struct ModelOwnerReservation<P: Preparation> {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<P::Own>>,
    seed: Seed,
    header: Header,
    pool: BufferPool,
    /// Gates whose windows were begun.
    begun: usize,
}

impl<P: Protocol> ModelOwnerReservation<P> {
    /// Begins the window of the gates before that of an index, without those of windows before. The first window starts the online phase,
    /// later ones [follow](ModelOwnerBatch::follow).
    pub fn prepare_until(&mut self, end: usize) -> ModelOwnerBatch<P> {
        let window = self.begun..end.clamp(self.begun, self.circuit.gates.len());
        self.begun = window.end;
        let gates = window.clone().map(|_| Randomness::default()).collect();
        let circuit = Arc::clone(&self.circuit);
        ModelOwnerBatch {
            supply: Supply::new(circuit, self.header, window.start, gates, self.pool.clone()),
            parameters: Arc::clone(&self.parameters),
            seed: self.seed.clone(),
            has_shares: false,
            taken_ahead: 0,
        }
    }
}

/// The model owner's randomness for one batch, or for a window of its gates. Starting the online phase consumes it.
///
/// ```compile_fail,E0382
/// # use veilbench_mpc::{masked::Masked, session::ModelOwnerBatch};
/// fn twice(batch: ModelOwnerBatch<Masked>) {
///     let _ = batch.start();
///     let _ = batch.start();
/// }
/// ```
pub struct ModelOwnerBatch<P: Preparation> {
    pub(crate) supply: Supply,
    pub(crate) parameters: Arc<Vec<P::Own>>,
    pub(crate) seed: Seed,
    /// Shares of the gate after those that are dealt have come.
    has_shares: bool,
    /// Messages that the data owner sends ahead of the images and that have come.
    taken_ahead: usize,
}

impl<P: Protocol> ModelOwnerBatch<P> {
    /// Who has more to send before the online phase, or before the online phase comes to these gates. What the data owner sends ahead may
    /// also come before what a dealer sends.
    pub fn awaits(&self) -> Option<Peer> {
        if self.supply.next_dealt::<P>(Sizes::corrected).is_some() {
            return Some(Peer::Dealer);
        }
        self.is_more_ahead().then_some(Peer::DataOwner)
    }

    /// Whether the data owner sends more ahead of the images.
    fn is_more_ahead(&self) -> bool {
        let Supply { circuit, header, .. } = &self.supply;
        self.taken_ahead < P::ahead(circuit, self.supply.window(), header.images).len()
    }

    /// Takes the next message of a peer.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::WrongRandomness`], or [`Error::OutOfOrder`] if none was due or one was refused before.
    pub fn receive(&mut self, from: Peer, message: &[u8]) -> Result<(), Error> {
        self.supply.doubt()?;
        match from {
            Peer::Dealer => self.take_corrections(message)?,
            Peer::DataOwner if self.is_more_ahead() => {
                P::take_ahead(self, self.taken_ahead, message)?;
                self.taken_ahead += 1;
            }
            _ => return Err(Error::OutOfOrder { call: "receive", expected: "the online phase" }),
        }
        self.supply.accepted();
        Ok(())
    }

    fn take_corrections(&mut self, message: &[u8]) -> Result<(), Error> {
        let Some((index, sizes)) = self.supply.next_dealt::<P>(Sizes::corrected) else {
            return Err(Error::OutOfOrder { call: "receive", expected: "no more corrections" });
        };
        if self.has_shares {
            self.has_shares = self.supply.take_keys(index, sizes, message)?;
            return Ok(());
        }
        let Supply { circuit, header, .. } = &self.supply;
        let ring = circuit.ring_of_shares(index);
        let mut reader = Reader::new("dealer", ring, message);
        let bytes = 8 * sizes.bits + ring.packed(sizes.values);
        reader.expect(HEADER_BYTES + bytes, "corrections")?;
        header.check(index, &mut reader)?;
        let mut randomness = Randomness::of_model_owner(sizes, index, &self.seed, ring, &mut reader)?;
        reader.finish()?;
        P::corrected(&circuit.gates[index], &self.parameters[index], &mut randomness, header.images);
        let at = index - self.supply.first;
        self.supply.gates[at] = randomness;
        self.has_shares = self.supply.await_keys(index, sizes);
        Ok(())
    }

    /// The online phase, which the data owner's message begins.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if a message of the offline phase is missing.
    pub fn start(self) -> Result<Online<P>, Error> {
        let awaits_more = self.awaits().is_some();
        Ok(Online::new(self.supply.whole("start", 0, awaits_more)?, Known::ModelOwner(self.parameters)))
    }

    /// Hands the randomness of a later window of gates to the online phase that the first one started.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if a message is missing, if it is for another batch, or for other gates than those that follow what the online
    /// phase has.
    pub fn follow(self, online: &mut Online<P>) -> Result<(), Error> {
        let awaits_more = self.awaits().is_some();
        online.extend(Role::ModelOwner, self.supply, awaits_more)
    }
}
