//! The dealer: seeds for both parties, corrections for the model owner. It sees no message of either.

use std::sync::Arc;

use super::checks::deal_guard;
use super::comparison::{self, Layout};
use super::functional;
use super::gates::{Sizes, assemble, differences};
use super::keys::Portion;
use super::masks::{Purpose, Role, input_mask, stream};
use super::preprocessing::{corrections, held_masks, key_roots, linear_mask, opening_masks, parameter_masks};
use super::selection::{Truncation, deal_selection, deal_truncation};
use super::session::SessionSecrets;
use super::setup_seed::{HEADER_BYTES, Header, SetupSeeds};
use crate::circuit::{Circuit, Gate, SignProtocol};
use crate::dcf;
use crate::linear::LinearMap;
use crate::message::Writer;
use crate::oracle::{add_shifted, concatenated, spread};
use crate::random::Seed;
use crate::{Error, ring};
use veilbench_ring::wiped::Wiped;

/// The dealer of one session.
pub struct Dealer {
    circuit: Arc<Circuit>,
    data_owner: Seed,
    model_owner: Seed,
    secret: Seed,
    /// Of each gate, the masks of the parameters, ready for products.
    parameters: Arc<Vec<ParameterMasks>>,
    header: Header,
    batches: u64,
}

/// Masks of a gate's parameters, ready for products.
pub(crate) enum ParameterMasks {
    None,
    Linear(Box<LinearMap>),
    Quadratic { alpha: Vec<u64>, beta: Vec<u64> },
}

/// The masks that the model owner's seed gives its parameters.
pub(crate) fn prepared_masks(circuit: &Circuit, model_owner: &Seed) -> Vec<ParameterMasks> {
    let masks = parameter_masks(circuit, model_owner);
    let prepare = |(gate, mut masks): (&Gate, Vec<u64>)| match gate {
        Gate::Linear { shape } => ParameterMasks::Linear(Box::new(LinearMap::new(*shape, masks))),
        Gate::Quadratic { channels, .. } => {
            let beta = masks.split_off(*channels);
            ParameterMasks::Quadratic { alpha: masks, beta }
        }
        _ => ParameterMasks::None,
    };
    circuit.gates.iter().zip(masks).map(prepare).collect()
}

impl Dealer {
    /// A session with fresh seeds, and a setup seed for each party.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn new(circuit: Arc<Circuit>) -> Result<(Self, SetupSeeds), Error> {
        Ok(Self::with_insecure_seeds(circuit, SessionSecrets::draw()?))
    }

    /// A session whose name and randomness are fixed: for the name, the data owner, the model owner and the dealer's secrets.
    /// Whoever knows them knows everything, and two sessions with the same ones mask with the same masks: for tests.
    pub fn with_insecure_seeds(circuit: Arc<Circuit>, seeds: [Seed; 4]) -> (Self, SetupSeeds) {
        let SessionSecrets { session, data_owner, model_owner, secret } = SessionSecrets::new(seeds);
        let seeds = SetupSeeds::new(session, &data_owner, &model_owner);
        let parameters = Arc::new(prepared_masks(&circuit, &model_owner));
        let header = Header::of_setup(session, &circuit);
        (Self { circuit, data_owner, model_owner, secret, parameters, header, batches: 0 }, seeds)
    }

    /// Deals for the next batch. The parties must prepare their batches in the same order.
    pub fn batch(&mut self, images: usize) -> DealerBatch {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        let data_owner = self.data_owner.derive(header.batch);
        let mask = input_mask(&self.circuit, &data_owner, images);
        DealerBatch {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            model_owner: self.model_owner.derive(header.batch),
            secret: self.secret.derive(header.batch),
            data_owner,
            header,
            mask,
            kept: Vec::new(),
            gate: 0,
            keys: None,
            portion: dcf::Corrections::default(),
        }
    }
}

/// A message of the dealer. Of each gate the shares come first, and then portions of comparison keys, none with
/// [`SignProtocol::Tree`](crate::circuit::SignProtocol).
pub enum Corrections {
    /// Shares, to the model owner alone.
    Shares(Vec<u8>),
    /// Comparison keys, the same to both.
    Keys(Vec<u8>),
}

impl Corrections {
    /// To the model owner.
    pub fn to_model_owner(&self) -> &[u8] {
        match self {
            Corrections::Shares(message) | Corrections::Keys(message) => message,
        }
    }

    /// To the data owner.
    pub fn to_data_owner(&self) -> Option<&[u8]> {
        match self {
            Corrections::Shares(_) => None,
            Corrections::Keys(message) => Some(message),
        }
    }
}

/// The dealer's messages of one batch, gate by gate and portion by portion: stream them.
pub struct DealerBatch {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<ParameterMasks>>,
    data_owner: Seed,
    model_owner: Seed,
    secret: Seed,
    header: Header,
    /// Of the wire before `gate`.
    mask: Vec<u64>,
    /// Of the wires that were kept.
    kept: Vec<Wiped<u64>>,
    gate: usize,
    /// Of the gate before `gate`, what is left to be made.
    keys: Option<Keys>,
    /// The portion made last.
    portion: dcf::Corrections,
}

/// Comparison keys of one gate, so many portions of which are made.
struct Keys {
    truncation: Truncation,
    masks: Wiped<u64>,
    roots: [Wiped<u128>; 2],
    salt: u128,
    made: usize,
}

/// What the dealer knows of one gate: bits and values to be shared, and of what keys are to be made.
#[derive(Default)]
struct Dealt {
    bits: Vec<u64>,
    values: Vec<u64>,
    keys: Option<Keys>,
}

impl Dealt {
    fn of_values(values: Vec<u64>) -> Self {
        Self { values, ..Self::default() }
    }
}

impl Iterator for DealerBatch {
    type Item = Corrections;

    fn next(&mut self) -> Option<Corrections> {
        if let Some(keys) = self.next_keys() {
            return Some(Corrections::Keys(keys));
        }
        let circuit = Arc::clone(&self.circuit);
        while let Some(gate) = circuit.gates.get(self.gate) {
            let sizes = Sizes::of(gate, &circuit, self.header.images);
            let Dealt { bits, values, keys } = self.deal(gate, sizes);
            let index = self.gate;
            self.gate += 1;
            self.keys = keys;
            if sizes.corrected() {
                let (bits, values) = corrections(sizes, index, &self.data_owner, bits, values);
                let bytes = 8 * bits.len() + circuit.ring().bytes() * values.len();
                let mut writer = Writer::with_capacity(circuit.ring(), HEADER_BYTES + bytes);
                self.header.write(index, &mut writer);
                writer.words(&bits);
                writer.elements(values.into_iter());
                return Some(Corrections::Shares(writer.take()));
            }
        }
        None
    }
}

impl DealerBatch {
    /// The next portion of the keys that are due.
    fn next_keys(&mut self) -> Option<Vec<u8>> {
        let keys = self.keys.as_mut()?;
        let Some(portion) = Portion::after(keys.made, keys.masks.len()) else {
            self.keys = None;
            return None;
        };
        keys.made += 1;
        let (ring, range) = (self.circuit.ring(), portion.range());
        let roots = [&keys.roots[0][range.clone()], &keys.roots[1][range.clone()]];
        let (start, masks) = (range.start, &keys.masks[range]);
        functional::deal(keys.truncation, ring, masks, roots, keys.salt, start, &mut self.portion);
        Some(portion.write(&self.header, self.gate - 1, ring, &self.portion))
    }

    /// What is to be shared for the gate; moves the mask to its output.
    fn deal(&mut self, gate: &Gate, sizes: Sizes) -> Dealt {
        let (ring, index) = (self.circuit.ring(), self.gate);
        let mask = std::mem::take(&mut self.mask);
        let opening = |batch: &Self| {
            let mut opening = opening_masks(sizes, index, &batch.data_owner);
            ring::add_assign(&mut opening, &opening_masks(sizes, index, &batch.model_owner));
            opening
        };
        match gate {
            Gate::Linear { shape } => {
                let count = shape.outputs() * self.header.images;
                let mut next = linear_mask(Role::DataOwner, index, &self.data_owner, count);
                let of_model_owner = linear_mask(Role::ModelOwner, index, &self.model_owner, count);
                ring::add_assign(&mut next, &of_model_owner);
                if let ParameterMasks::Linear(map) = &self.parameters[index] {
                    ring::sub_assign(&mut next, &map.apply(&mask));
                }
                self.mask = next.into_iter().map(|value| ring.reduce(value)).collect();
                Dealt::default()
            }
            Gate::Sum(pool) => {
                self.mask = pool.sum(&mask).into_iter().map(|value| ring.reduce(value)).collect();
                Dealt::default()
            }
            Gate::Spread { positions, offsets, .. } => {
                // All copies are under the mask of the value.
                self.mask = spread(*positions, &vec![0; offsets.len()], &mask);
                Dealt::default()
            }
            Gate::Max { inputs, slots } => {
                let (difference, second) = differences(*inputs, slots, &mask);
                let difference: Vec<u64> = difference.into_iter().map(|value| ring.reduce(value)).collect();
                let mut dealt = self.deal_relu(Truncation::new(ring, 0), sizes, &difference);
                dealt.values.extend(second.iter().map(|mask| mask.wrapping_neg()));
                let larger: Vec<u64> = opening(self).into_iter().map(|value| ring.reduce(value)).collect();
                self.mask = assemble(*inputs, slots, &mask, &larger);
                dealt
            }
            Gate::Relu { shift, guard, .. } => {
                self.mask = held_masks(sizes, index, &self.data_owner);
                let mut dealt = self.deal_relu(Truncation::new(ring, *shift), sizes, &mask);
                dealt.values.extend(guard.iter().flat_map(|guard| deal_guard(*guard, ring, &opening(self))));
                dealt
            }
            Gate::Quadratic { shift, square_shift, channels, positions, guard, .. } => {
                let mut values = self.deal_quadratic(
                    &deal_truncation(Truncation::new(ring, *shift), &mask),
                    *channels,
                    *positions,
                );
                let opening = opening(self);
                let (results, sums) = opening.split_at(sizes.held);
                values.extend(deal_truncation(Truncation::new(ring, *square_shift), results));
                values.extend(guard.iter().flat_map(|guard| deal_guard(*guard, ring, sums)));
                self.mask = held_masks(sizes, index, &self.data_owner);
                Dealt::of_values(values)
            }
            Gate::Truncate { shift, .. } => {
                self.mask = held_masks(sizes, index, &self.data_owner);
                Dealt::of_values(deal_truncation(Truncation::new(ring, *shift), &mask))
            }
            Gate::Keep { .. } => {
                self.kept.push(mask.clone().into());
                self.mask = mask;
                Dealt::default()
            }
            Gate::Recall { kept, .. } => {
                self.mask.clone_from(&self.kept[*kept]);
                Dealt::default()
            }
            Gate::Add { kept, shift, .. } => {
                let mut sum = mask;
                add_shifted(&mut sum, &self.kept[*kept], *shift);
                self.mask = sum.into_iter().map(|value| ring.reduce(value)).collect();
                Dealt::default()
            }
            Gate::Concat { kept, units, .. } => {
                self.mask = concatenated(*units, &self.kept[*kept], &mask);
                Dealt::default()
            }
            Gate::Output { open: true, .. } => {
                let shift = self.circuit.output_shift;
                Dealt::of_values(mask.into_iter().map(|mask| ring.reduce(mask) >> shift).collect())
            }
            Gate::Output { open: false, .. } => Dealt::default(),
        }
    }

    /// For the signs of values under reduced `masks`, and the selection by them.
    fn deal_relu(&self, truncation: Truncation, sizes: Sizes, masks: &[u64]) -> Dealt {
        let ring = self.circuit.ring();
        match self.circuit.format.signs {
            SignProtocol::Tree => {
                let mut secret = stream(&self.secret, self.gate, Purpose::Secret);
                let results = secret.words(masks.len().div_ceil(64));
                let layout = Layout::new(ring, masks.len());
                let bits = comparison::deal(layout, masks, &results, &mut secret);
                Dealt { bits, ..Dealt::of_values(deal_selection(truncation, masks, &results)) }
            }
            SignProtocol::Function => {
                let signs = functional::mask_signs(ring, masks);
                let roots = [&self.data_owner, &self.model_owner];
                let keys = Keys {
                    truncation,
                    masks: masks.to_vec().into(),
                    roots: roots.map(|seed| key_roots(sizes, self.gate, seed).into()),
                    salt: self.header.salt(self.gate),
                    made: 0,
                };
                Dealt { keys: Some(keys), ..Dealt::of_values(deal_selection(truncation, masks, &signs)) }
            }
        }
    }

    fn deal_quadratic(&self, offsets: &[u64], channels: usize, positions: usize) -> Vec<u64> {
        let ParameterMasks::Quadratic { alpha, beta } = &self.parameters[self.gate] else {
            return Vec::new();
        };
        let inputs = offsets.len() / 2;
        let channel = |at: usize| at % inputs / positions % channels;
        let squares = offsets.iter().map(|offset| offset.wrapping_mul(*offset));
        let mut values = offsets.to_vec();
        values.extend(squares);
        values
            .extend(offsets.iter().enumerate().map(|(at, offset)| alpha[channel(at)].wrapping_mul(*offset)));
        values.extend(offsets.iter().enumerate().map(|(at, offset)| {
            let slope = alpha[channel(at)].wrapping_mul(*offset).wrapping_add(beta[channel(at)]);
            slope.wrapping_mul(*offset)
        }));
        values
    }
}
