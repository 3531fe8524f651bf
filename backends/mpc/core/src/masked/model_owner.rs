//! The model owner before the online phase.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::data_owner::ANOTHER_BATCH;
use super::gates::Sizes;
use super::keys::{BufferPool, Portion};
use super::masks::Role;
use super::online::Online;
use super::preprocessing::{Randomness, linear_mask, parameter_masks, quadratic_shares};
use super::setup_seed::{ALL_GATES, HEADER_BYTES, Header, SetupSeed};
use crate::circuit::{Circuit, Gate};
use crate::linear::LinearMap;
use crate::message::{Reader, Writer};
use crate::model::{GateParameters, Model};
use crate::oracle::{add_per_channel, analyse};
use crate::random::Seed;
use crate::{Error, ring};

/// The model owner of one session.
pub struct ModelOwner {
    circuit: Arc<Circuit>,
    seed: Seed,
    parameters: Arc<Vec<Parameters>>,
    header: Header,
    batches: u64,
    pool: BufferPool,
}

/// A gate's parameters, ready for use.
pub(crate) enum Parameters {
    None,
    Linear { map: LinearMap, bias: Vec<u64> },
    Quadratic(Quadratic),
}

pub(crate) struct Quadratic {
    pub(crate) a: Vec<u64>,
    pub(crate) b: Vec<u64>,
    pub(crate) c: Vec<u64>,
    masked_a: Vec<u64>,
    masked_b: Vec<u64>,
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
        for ((gate, secret), mut masked) in circuit.gates.iter().zip(model.gates).zip(masks) {
            parameters.push(match (gate, secret) {
                (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                    ring::add_assign(&mut masked, &weights);
                    writer.elements(masked.into_iter());
                    Parameters::Linear { map: LinearMap::new(*shape, weights), bias }
                }
                (Gate::Quadratic { channels, .. }, GateParameters::Quadratic { a, b, c }) => {
                    ring::add_assign(&mut masked[..*channels], &a);
                    ring::add_assign(&mut masked[*channels..], &b);
                    writer.elements(masked.iter().copied());
                    let masked_b = masked.split_off(*channels);
                    Parameters::Quadratic(Quadratic { a, b, c, masked_a: masked, masked_b })
                }
                _ => Parameters::None,
            });
        }
        let (parameters, pool) = (Arc::new(parameters), BufferPool::default());
        Ok((Self { circuit, seed, parameters, header, batches: 0, pool }, writer.take()))
    }

    /// Begins the next batch, which completes as the messages of the dealer and of the data owner come.
    pub fn prepare(&mut self, images: usize) -> ModelOwnerBatch {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        let gates = self.circuit.gates.iter().map(|_| Randomness::default()).collect();
        ModelOwnerBatch {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            seed: self.seed.derive(header.batch),
            header,
            gates,
            dealt: 0,
            has_shares: false,
            pool: self.pool.clone(),
            has_differences: false,
            refused: false,
        }
    }
}

/// The model owner's randomness for one batch. Starting the online phase consumes it.
///
/// ```compile_fail,E0382
/// fn twice(batch: veilbench_mpc::masked::ModelOwnerBatch) {
///     let _ = batch.start();
///     let _ = batch.start();
/// }
/// ```
pub struct ModelOwnerBatch {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<Parameters>>,
    seed: Seed,
    header: Header,
    gates: Vec<Randomness>,
    /// Gates of which all has come.
    dealt: usize,
    /// Of the gate after those, the shares have come.
    has_shares: bool,
    pool: BufferPool,
    has_differences: bool,
    /// A message was: what is here is incomplete for good.
    refused: bool,
}

impl ModelOwnerBatch {
    /// The gate the dealer's next message is for, if one is to come.
    fn next_dealt(&self) -> Option<(usize, Sizes)> {
        let gates = self.circuit.gates.iter().enumerate().skip(self.dealt);
        gates
            .map(|(index, gate)| (index, Sizes::of(gate, &self.circuit, self.header.images)))
            .find(|(_, sizes)| sizes.corrected())
    }

    /// True while the dealer has more to send.
    pub fn awaits_dealer(&self) -> bool {
        self.next_dealt().is_some()
    }

    /// True until the data owner's message of the offline phase is there.
    pub fn awaits_data_owner(&self) -> bool {
        !self.has_differences
    }

    /// Takes the dealer's next message.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::WrongRandomness`], or [`Error::OutOfOrder`] if none was due or one was refused before.
    pub fn receive_from_dealer(&mut self, message: &[u8]) -> Result<(), Error> {
        self.unless_refused("receive_from_dealer", |batch| batch.take_corrections(message))
    }

    /// A message that is refused is the last one.
    fn unless_refused(
        &mut self,
        call: &'static str,
        take: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.refused {
            return Err(Error::OutOfOrder { call, expected: ANOTHER_BATCH });
        }
        let taken = take(self);
        self.refused = taken.is_err();
        taken
    }

    fn take_corrections(&mut self, message: &[u8]) -> Result<(), Error> {
        let Some((index, sizes)) = self.next_dealt() else {
            return Err(Error::OutOfOrder { call: "receive_from_dealer", expected: "no more corrections" });
        };
        if std::mem::take(&mut self.has_shares) {
            self.take_keys(index, sizes, message)?;
            return Ok(());
        }
        let ring = self.circuit.ring();
        let mut reader = Reader::new("dealer", ring, message);
        let bytes = 8 * sizes.bits + ring.bytes() * sizes.values;
        reader.expect(HEADER_BYTES + bytes, "corrections")?;
        self.header.check(index, &mut reader)?;
        let mut randomness = Randomness::of_model_owner(sizes, index, &self.seed, &mut reader)?;
        reader.finish()?;
        let gate = &self.circuit.gates[index];
        if let Parameters::Quadratic(parameters) = &self.parameters[index] {
            let inputs = self.header.images * gate.inputs();
            let Quadratic { masked_a, masked_b, .. } = parameters;
            randomness.values = quadratic_shares(gate, masked_a, masked_b, inputs, &randomness.values).into();
        }
        self.gates[index] = randomness;
        self.await_keys(index, sizes);
        Ok(())
    }

    fn take_keys(&mut self, gate: usize, sizes: Sizes, message: &[u8]) -> Result<(), Error> {
        let here = &mut self.gates[gate].keys;
        if let Some(portion) = Portion::after(here.len(), sizes.keys) {
            let mut keys = self.pool.take();
            portion.read(message, &self.header, gate, self.circuit.ring(), &mut keys)?;
            here.push(keys);
        }
        self.await_keys(gate, sizes);
        Ok(())
    }

    /// Goes on to the next portion of the gate's keys, or to the next gate.
    fn await_keys(&mut self, gate: usize, sizes: Sizes) {
        self.has_shares = Portion::after(self.gates[gate].keys.len(), sizes.keys).is_some();
        self.dealt = if self.has_shares { gate } else { gate + 1 };
    }

    /// Takes the data owner's message of the offline phase.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::WrongRandomness`], or [`Error::OutOfOrder`] if it came already or a message was refused.
    pub fn receive_from_data_owner(&mut self, message: &[u8]) -> Result<(), Error> {
        self.unless_refused("receive_from_data_owner", |batch| batch.take_differences(message))
    }

    fn take_differences(&mut self, message: &[u8]) -> Result<(), Error> {
        if self.has_differences {
            return Err(Error::OutOfOrder { call: "receive_from_data_owner", expected: "the online phase" });
        }
        let mut reader = Reader::new(Role::ModelOwner.peer(), self.circuit.ring(), message);
        let linear = self.circuit.gates.iter().filter(|gate| matches!(gate, Gate::Linear { .. }));
        let elements = self.header.images * linear.map(Gate::outputs).sum::<usize>();
        reader.expect(HEADER_BYTES + elements * self.circuit.ring().bytes(), "masked products")?;
        self.header.check(ALL_GATES, &mut reader)?;
        for (index, (gate, parameters)) in self.circuit.gates.iter().zip(self.parameters.iter()).enumerate() {
            let (Gate::Linear { shape }, Parameters::Linear { bias, .. }) = (gate, parameters) else {
                continue;
            };
            let count = self.header.images * shape.outputs();
            let mut offset = reader.elements(count, "masked products")?;
            let mask = Zeroizing::new(linear_mask(Role::ModelOwner, index, &self.seed, count));
            ring::add_assign(&mut offset, &mask);
            add_per_channel(&mut offset, bias, shape.outputs() / shape.channels());
            self.gates[index].offset = offset.into();
        }
        reader.finish()?;
        self.has_differences = true;
        Ok(())
    }

    /// The online phase, which the data owner's message begins.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if a message of the offline phase is missing.
    pub fn start(self) -> Result<Online, Error> {
        if self.refused {
            return Err(Error::OutOfOrder { call: "start", expected: ANOTHER_BATCH });
        }
        if self.awaits_dealer() || !self.has_differences {
            return Err(Error::OutOfOrder { call: "start", expected: "messages of the offline phase" });
        }
        Ok(Online::of_model_owner(self.circuit, self.header, self.gates, self.pool, self.parameters))
    }
}
