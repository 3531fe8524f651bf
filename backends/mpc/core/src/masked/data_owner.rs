//! The data owner before the online phase.

use std::sync::Arc;

use super::gates::Sizes;
use super::keys::{BufferPool, Portion};
use super::masks::{Role, input_mask};
use super::online::Online;
use super::preprocessing::{Randomness, linear_mask, parameter_counts, quadratic_shares};
use super::setup_seed::{ALL_GATES, HEADER_BYTES, Header, SetupSeed};
use crate::circuit::{Circuit, Gate};
use crate::linear::LinearMap;
use crate::message::{Reader, Writer};
use crate::oracle::concatenated;
use crate::random::Seed;
use crate::{Error, ring};
use veilbench_ring::wiped::Wiped;

/// The data owner of one session.
pub struct DataOwner {
    circuit: Arc<Circuit>,
    seed: Seed,
    parameters: Arc<Vec<MaskedParameters>>,
    header: Header,
    batches: u64,
    pool: BufferPool,
}

/// A gate's masked parameters, ready for products.
pub(crate) enum MaskedParameters {
    None,
    Linear(Box<LinearMap>),
    Quadratic { a: Vec<u64>, b: Vec<u64> },
}

/// The model owner's message of the setup phase.
pub(crate) fn masked_parameters(
    circuit: &Circuit,
    header: &Header,
    message: &[u8],
) -> Result<Vec<MaskedParameters>, Error> {
    let mut reader = Reader::new(Role::DataOwner.peer(), circuit.ring(), message);
    let counts = parameter_counts(circuit);
    let elements = counts.iter().sum::<usize>();
    reader.expect(HEADER_BYTES + elements * circuit.ring().bytes(), "masked parameters")?;
    header.check(ALL_GATES, &mut reader)?;
    let mut parameters = Vec::with_capacity(circuit.gates.len());
    for (gate, count) in circuit.gates.iter().zip(counts) {
        let mut masked = reader.elements(count, "masked parameters")?;
        parameters.push(match gate {
            Gate::Linear { shape } => MaskedParameters::Linear(Box::new(LinearMap::new(*shape, masked))),
            Gate::Quadratic { channels, .. } => {
                let b = masked.split_off(*channels);
                MaskedParameters::Quadratic { a: masked, b }
            }
            _ => MaskedParameters::None,
        });
    }
    reader.finish()?;
    Ok(parameters)
}

/// A batch of images in fixed point.
pub(crate) fn encode_images(circuit: &Circuit, count: usize, images: &[f32]) -> Result<Vec<u64>, Error> {
    let expected = count * circuit.inputs;
    if images.len() != expected {
        return Err(Error::Shape { what: "the images", expected, actual: images.len() });
    }
    let format = circuit.format();
    let fraction_bits = format.activation_bits;
    let encode = |(index, &value): (usize, &f32)| {
        Some(f64::from(value))
            .filter(|value| value.abs() <= format.input_magnitude)
            .and_then(|value| ring::encode(value, fraction_bits))
            .ok_or(Error::NotRepresentable { what: "input value", index, fraction_bits })
    };
    images.iter().enumerate().map(encode).collect()
}

impl DataOwner {
    /// Joins with the dealer's setup seed and the model owner's masked parameters.
    ///
    /// # Errors
    /// [`Error::Length`] if the latter do not fit the circuit, [`Error::WrongRandomness`] if they are of another session or
    /// circuit.
    pub fn new(circuit: Arc<Circuit>, setup_seed: SetupSeed, masked: &[u8]) -> Result<Self, Error> {
        let SetupSeed { session, seed } = setup_seed;
        let header = Header::of_setup(session, &circuit);
        let parameters = Arc::new(masked_parameters(&circuit, &header, masked)?);
        Ok(Self { circuit, seed, parameters, header, batches: 0, pool: BufferPool::default() })
    }

    /// Expands the randomness of the next batch; the message goes to the model owner.
    pub fn prepare(&mut self, images: usize) -> (DataOwnerBatch, Vec<u8>) {
        self.reserve(images).expand()
    }

    /// Takes the next batch's place in the order of batches. [`Reservation::expand`] does the work, on any thread.
    pub fn reserve(&mut self, images: usize) -> Reservation {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        Reservation {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            seed: self.seed.derive(header.batch),
            header,
            pool: self.pool.clone(),
        }
    }
}

/// What a batch that refused a message expects.
pub(crate) const ANOTHER_BATCH: &str = "another batch: this one refused a message";

/// The place of one batch, whose randomness is yet to be expanded.
pub struct Reservation {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<MaskedParameters>>,
    seed: Seed,
    header: Header,
    pool: BufferPool,
}

impl Reservation {
    /// The batch's randomness; the message goes to the model owner.
    pub fn expand(self) -> (DataOwnerBatch, Vec<u8>) {
        let Self { circuit, parameters, seed, header, pool } = self;
        let (ring, images) = (circuit.ring(), header.images);
        let mut writer = Writer::new(ring);
        header.write(ALL_GATES, &mut writer);
        let input = Wiped::from(input_mask(&circuit, &seed, images));
        let mut held = input.clone();
        let mut kept: Vec<Wiped<u64>> = Vec::new();
        let mut gates = Vec::with_capacity(circuit.gates.len());
        for (index, (gate, parameters)) in circuit.gates.iter().zip(parameters.iter()).enumerate() {
            let mut randomness = Randomness::of_data_owner(Sizes::of(gate, &circuit, images), index, &seed);
            match (gate, parameters) {
                (Gate::Linear { .. }, MaskedParameters::Linear(map)) => {
                    let count = images * gate.outputs();
                    let mut difference = linear_mask(Role::DataOwner, index, &seed, count);
                    ring::sub_assign(&mut difference, &map.apply(&held));
                    writer.elements(difference.into_iter());
                }
                (Gate::Quadratic { .. }, MaskedParameters::Quadratic { a, b }) => {
                    let inputs = images * gate.inputs();
                    randomness.values = quadratic_shares(gate, a, b, inputs, &randomness.values).into();
                }
                (Gate::Keep { .. }, _) => kept.push(held.clone()),
                (Gate::Recall { kept: number, .. }, _) => held.clone_from(&kept[*number]),
                (Gate::Concat { kept: number, units, .. }, _) => {
                    held = concatenated(*units, &kept[*number], &held).into();
                }
                (Gate::Output { open: false, .. }, _) => *randomness.held = held.to_vec(),
                _ => {}
            }
            if !randomness.held.is_empty() {
                held.clone_from(&randomness.held);
            }
            gates.push(randomness);
        }
        (DataOwnerBatch { circuit, header, input, gates, dealt: 0, pool, refused: false }, writer.take())
    }
}

/// The data owner's randomness for one batch. Starting the online phase consumes it.
///
/// ```compile_fail,E0382
/// fn twice(batch: veilbench_mpc::masked::DataOwnerBatch) {
///     let _ = batch.start(&[0.0]);
///     let _ = batch.start(&[1.0]);
/// }
/// ```
pub struct DataOwnerBatch {
    circuit: Arc<Circuit>,
    header: Header,
    input: Wiped<u64>,
    gates: Vec<Randomness>,
    /// Gates of which all has come.
    dealt: usize,
    pool: BufferPool,
    /// A message was: what is here is incomplete for good.
    refused: bool,
}

impl DataOwnerBatch {
    /// The gate the dealer's next message is for, if one is to come.
    fn next_dealt(&self) -> Option<(usize, Sizes)> {
        let gates = self.circuit.gates.iter().enumerate().skip(self.dealt);
        gates
            .map(|(index, gate)| (index, Sizes::of(gate, &self.circuit, self.header.images)))
            .find(|(_, sizes)| sizes.keys > 0)
    }

    /// True while the dealer has more to send.
    pub fn awaits_dealer(&self) -> bool {
        self.next_dealt().is_some()
    }

    /// Takes the dealer's next message.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::WrongRandomness`], or [`Error::OutOfOrder`] if none was due or one was refused before.
    pub fn receive_from_dealer(&mut self, message: &[u8]) -> Result<(), Error> {
        let refused = std::mem::replace(&mut self.refused, true);
        if refused {
            return Err(Error::OutOfOrder { call: "receive_from_dealer", expected: ANOTHER_BATCH });
        }
        self.take_keys(message)?;
        self.refused = false;
        Ok(())
    }

    fn take_keys(&mut self, message: &[u8]) -> Result<(), Error> {
        let Some((index, sizes)) = self.next_dealt() else {
            return Err(Error::OutOfOrder { call: "receive_from_dealer", expected: "no more corrections" });
        };
        let here = &mut self.gates[index].keys;
        if let Some(portion) = Portion::after(here.len(), sizes.keys) {
            let mut keys = self.pool.take();
            portion.read(message, &self.header, index, self.circuit.ring(), &mut keys)?;
            here.push(keys);
        }
        if Portion::after(here.len(), sizes.keys).is_none() {
            self.dealt = index + 1;
        }
        Ok(())
    }

    /// Masks the images, one after the other; the message goes to the model owner.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batch has another size, [`Error::NotRepresentable`] if a value exceeds
    /// the magnitude the circuit was compiled for, [`Error::OutOfOrder`] if a message of the dealer is missing.
    pub fn start(self, images: &[f32]) -> Result<(Online, Vec<u8>), Error> {
        if self.refused {
            return Err(Error::OutOfOrder { call: "start", expected: ANOTHER_BATCH });
        }
        if self.awaits_dealer() {
            return Err(Error::OutOfOrder { call: "start", expected: "messages of the offline phase" });
        }
        let mut masked = encode_images(&self.circuit, self.header.images, images)?;
        ring::add_assign(&mut masked, &self.input);
        let mut writer = Writer::new(self.circuit.ring());
        writer.elements(masked.into_iter());
        let online = Online::of_data_owner(self.circuit, self.header, self.gates, self.pool);
        Ok((online, writer.take()))
    }
}
