//! The model owner before the online phase.

use std::sync::Arc;

use super::online::{Online, Own, Parameters};
use super::sizes::sizes;
use crate::circuit::{Circuit, Gate};
use crate::linear::LinearMap;
use crate::masked::data_owner::ANOTHER_BATCH;
use crate::masked::gates::Sizes;
use crate::masked::preprocessing::{Randomness, parameter_masks};
use crate::masked::setup_seed::{ALL_GATES, HEADER_BYTES, Header, SetupSeed};
use crate::message::{Reader, Writer};
use crate::model::{GateParameters, Model};
use crate::oracle::analyse;
use crate::random::Seed;
use crate::{Error, ring};

/// The model owner of one session.
pub struct ModelOwner {
    circuit: Arc<Circuit>,
    seed: Seed,
    parameters: Arc<Vec<Parameters>>,
    header: Header,
    batches: u64,
}

impl ModelOwner {
    /// Joins with the dealer's setup seed and its model. The message, all parameters masked, goes to the data owner.
    ///
    /// # Errors
    /// [`Error::Overflow`] if the weights could drive a value out of the ring's range, [`Error::OtherCircuit`] if they
    /// were encoded for another circuit.
    pub fn new(circuit: Arc<Circuit>, setup_seed: SetupSeed, model: Model) -> Result<(Self, Vec<u8>), Error> {
        let SetupSeed { session, seed } = setup_seed;
        let header = Header::of_setup(session, &circuit);
        analyse(&circuit, &model)?;
        let mut writer = Writer::new(circuit.ring());
        header.write(ALL_GATES, &mut writer);
        let mut parameters = Vec::with_capacity(circuit.gates.len());
        let masks = parameter_masks(&circuit, &seed);
        for ((gate, secret), mask) in circuit.gates.iter().zip(model.gates).zip(masks) {
            let mut masked = mask.clone();
            parameters.push(match (gate, secret) {
                (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                    ring::add_assign(&mut masked, &weights);
                    writer.elements(masked.iter().copied());
                    let own = Own { mask: LinearMap::new(*shape, mask), bias };
                    let masked = Box::new(LinearMap::new(*shape, masked));
                    Parameters::Linear { masked, own: Some(Box::new(own)) }
                }
                (Gate::Quadratic { channels, .. }, GateParameters::Quadratic { a, b, c }) => {
                    ring::add_assign(&mut masked[..*channels], &a);
                    ring::add_assign(&mut masked[*channels..], &b);
                    writer.elements(masked.iter().copied());
                    let halves = |mut all: Vec<u64>| {
                        let second = all.split_off(*channels);
                        [all, second]
                    };
                    let [alpha, beta] = halves(mask);
                    Parameters::Quadratic { masked: halves(masked), own: Some([alpha, beta, c]) }
                }
                _ => Parameters::None,
            });
        }
        Ok((Self { circuit, seed, parameters: Arc::new(parameters), header, batches: 0 }, writer.take()))
    }

    /// Begins the next batch, which completes as the messages of the dealer come.
    pub fn prepare(&mut self, images: usize) -> ModelOwnerBatch {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        ModelOwnerBatch {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            seed: self.seed.derive(header.batch),
            header,
            gates: self.circuit.gates.iter().map(|_| Randomness::default()).collect(),
            dealt: 0,
            refused: false,
        }
    }
}

/// The model owner's randomness for one batch. Starting the online phase consumes it.
pub struct ModelOwnerBatch {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<Parameters>>,
    seed: Seed,
    header: Header,
    gates: Vec<Randomness>,
    dealt: usize,
    /// A message was: what is here is incomplete for good.
    refused: bool,
}

impl ModelOwnerBatch {
    /// The gate the dealer's next message is for, if one is to come.
    fn next_dealt(&self) -> Option<(usize, Sizes)> {
        let gates = self.circuit.gates.iter().enumerate().skip(self.dealt);
        gates
            .map(|(index, gate)| (index, sizes(gate, &self.circuit, self.header.images)))
            .find(|(_, sizes)| sizes.corrected())
    }

    /// True while the dealer has more to send.
    pub fn awaits_dealer(&self) -> bool {
        self.next_dealt().is_some()
    }

    /// The data owner has nothing to send before the online phase.
    pub fn awaits_data_owner(&self) -> bool {
        false
    }

    /// Nothing is due.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`], always.
    pub fn receive_from_data_owner(&mut self, _: &[u8]) -> Result<(), Error> {
        Err(Error::OutOfOrder { call: "receive_from_data_owner", expected: "the online phase" })
    }

    /// Takes the dealer's next message.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::WrongRandomness`], or [`Error::OutOfOrder`] if none was due or one was refused before.
    pub fn receive_from_dealer(&mut self, message: &[u8]) -> Result<(), Error> {
        if self.refused {
            return Err(Error::OutOfOrder { call: "receive_from_dealer", expected: ANOTHER_BATCH });
        }
        let taken = self.take_corrections(message);
        self.refused = taken.is_err();
        taken
    }

    fn take_corrections(&mut self, message: &[u8]) -> Result<(), Error> {
        let Some((index, sizes)) = self.next_dealt() else {
            return Err(Error::OutOfOrder { call: "receive_from_dealer", expected: "no more corrections" });
        };
        let ring = self.circuit.ring();
        let mut reader = Reader::new("dealer", ring, message);
        let bytes = 8 * sizes.bits + ring.bytes() * sizes.values;
        reader.expect(HEADER_BYTES + bytes, "corrections")?;
        self.header.check(index, &mut reader)?;
        let randomness = Randomness::of_model_owner(sizes, index, &self.seed, &mut reader)?;
        reader.finish()?;
        self.gates[index] = randomness;
        self.dealt = index + 1;
        Ok(())
    }

    /// The online phase, which the data owner's message begins.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if a message of the dealer is missing.
    pub fn start(self) -> Result<Online, Error> {
        if self.refused {
            return Err(Error::OutOfOrder { call: "start", expected: ANOTHER_BATCH });
        }
        if self.awaits_dealer() {
            return Err(Error::OutOfOrder { call: "start", expected: "messages of the offline phase" });
        }
        Ok(Online::of_model_owner(self.circuit, self.header.images, self.gates, self.parameters))
    }
}
