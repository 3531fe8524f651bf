//! The data owner before the online phase.

use std::sync::Arc;

use super::online::{Online, Parameters};
use super::sizes::sizes;
use crate::circuit::Circuit;
use crate::masked::data_owner::{MaskedParameters, encode_images, masked_parameters};
use crate::masked::masks::input_mask;
use crate::masked::preprocessing::Randomness;
use crate::masked::setup_seed::{Header, SetupSeed};
use crate::random::Seed;
use crate::{Error, ring};

/// The data owner of one session.
pub struct DataOwner {
    circuit: Arc<Circuit>,
    seed: Seed,
    parameters: Arc<Vec<Parameters>>,
    batches: u64,
}

impl DataOwner {
    /// Joins with the dealer's setup seed and the model owner's masked parameters.
    ///
    /// # Errors
    /// [`Error::Length`] if the latter do not fit the circuit, [`Error::WrongRandomness`] if they are of another session or
    /// circuit.
    pub fn new(circuit: Arc<Circuit>, setup_seed: SetupSeed, message: &[u8]) -> Result<Self, Error> {
        let SetupSeed { session, seed } = setup_seed;
        let header = Header::of_setup(session, &circuit);
        let parameters =
            masked_parameters(&circuit, &header, message)?.into_iter().map(|masked| match masked {
                MaskedParameters::None => Parameters::None,
                MaskedParameters::Linear(masked) => Parameters::Linear { masked, own: None },
                MaskedParameters::Quadratic { a, b } => Parameters::Quadratic { masked: [a, b], own: None },
            });
        let parameters = Arc::new(parameters.collect());
        Ok(Self { circuit, seed, parameters, batches: 0 })
    }

    /// Takes the next batch's place in the order of batches.
    pub fn reserve(&mut self, images: usize) -> Reservation {
        let seed = self.seed.derive(self.batches);
        self.batches += 1;
        Reservation {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            seed,
            images,
        }
    }
}

/// The place of one batch, whose randomness is yet to be expanded.
pub struct Reservation {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<Parameters>>,
    seed: Seed,
    images: usize,
}

impl Reservation {
    /// The batch's randomness. There is no message to the model owner: it is empty.
    pub fn expand(self) -> (DataOwnerBatch, Vec<u8>) {
        let Self { circuit, parameters, seed, images } = self;
        let gates = circuit.gates.iter().enumerate();
        let randomness =
            gates.map(|(index, gate)| Randomness::of_data_owner(sizes(gate, &circuit, images), index, &seed));
        let gates = randomness.collect();
        let input = input_mask(&circuit, &seed, images);
        (DataOwnerBatch { circuit, parameters, images, input, gates }, Vec::new())
    }
}

/// The data owner's randomness for one batch. Starting the online phase consumes it.
pub struct DataOwnerBatch {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<Parameters>>,
    images: usize,
    input: Vec<u64>,
    gates: Vec<Randomness>,
}

impl DataOwnerBatch {
    /// The dealer has nothing for the data owner but its seed.
    pub fn awaits_dealer(&self) -> bool {
        false
    }

    /// Nothing is due.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`], always.
    pub fn receive_from_dealer(&mut self, _: &[u8]) -> Result<(), Error> {
        Err(Error::OutOfOrder { call: "receive_from_dealer", expected: "no corrections" })
    }

    /// Shares the images, one after the other; the message goes to the model owner.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batch has another size, [`Error::NotRepresentable`] if a value exceeds
    /// the magnitude the circuit was compiled for.
    pub fn start(self, images: &[f32]) -> Result<(Online, Vec<u8>), Error> {
        let mut given = encode_images(&self.circuit, self.images, images)?;
        ring::sub_assign(&mut given, &self.input);
        Online::of_data_owner(self.circuit, self.images, self.gates, self.parameters, self.input, &given)
    }
}
