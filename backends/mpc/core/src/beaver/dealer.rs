//! The dealer: triples, squares, shared bits.

use std::sync::Arc;

use super::comparison::{self, Layout};
use super::sizes::sizes;
use crate::Error;
use crate::circuit::{Circuit, Gate};
use crate::masked::Corrections;
use crate::masked::checks::deal_guard;
use crate::masked::dealer::{ParameterMasks, prepared_masks};
use crate::masked::gates::Sizes;
use crate::masked::masks::{Purpose, stream};
use crate::masked::preprocessing::{corrections, opening_masks};
use crate::masked::selection::{Truncation, deal_truncation};
use crate::masked::session::SessionSecrets;
use crate::masked::setup_seed::{Header, SetupSeeds};
use crate::message::Writer;
use crate::random::Seed;
use crate::ring;

/// The dealer of one session.
pub struct Dealer {
    circuit: Arc<Circuit>,
    data_owner: Seed,
    model_owner: Seed,
    secret: Seed,
    parameters: Arc<Vec<ParameterMasks>>,
    header: Header,
    batches: u64,
}

impl Dealer {
    /// A session with fresh seeds, and a setup seed for each party.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn new(circuit: Arc<Circuit>) -> Result<(Self, SetupSeeds), Error> {
        Ok(Self::with_insecure_seeds(circuit, SessionSecrets::draw()?))
    }

    /// A session whose name and randomness are fixed, as that of
    /// [`masked::Dealer`](crate::masked::Dealer::with_insecure_seeds): for tests.
    pub fn with_insecure_seeds(circuit: Arc<Circuit>, seeds: [Seed; 4]) -> (Self, SetupSeeds) {
        let SessionSecrets { session, data_owner, model_owner, secret } = SessionSecrets::new(seeds);
        let seeds = SetupSeeds::new(session, &data_owner, &model_owner);
        let header = Header::of_setup(session, &circuit);
        let parameters = Arc::new(prepared_masks(&circuit, &model_owner));
        (Self { circuit, data_owner, model_owner, secret, parameters, header, batches: 0 }, seeds)
    }

    /// Deals for the next batch. The parties must prepare their batches in the same order.
    pub fn batch(&mut self, images: usize) -> DealerBatch {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        DealerBatch {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            data_owner: self.data_owner.derive(header.batch),
            model_owner: self.model_owner.derive(header.batch),
            secret: self.secret.derive(header.batch),
            header,
            gate: 0,
        }
    }
}

/// The dealer's messages of one batch, gate by gate.
pub struct DealerBatch {
    circuit: Arc<Circuit>,
    parameters: Arc<Vec<ParameterMasks>>,
    data_owner: Seed,
    model_owner: Seed,
    secret: Seed,
    header: Header,
    gate: usize,
}

impl Iterator for DealerBatch {
    type Item = Corrections;

    fn next(&mut self) -> Option<Corrections> {
        let circuit = Arc::clone(&self.circuit);
        while let Some(gate) = circuit.gates.get(self.gate) {
            let (index, sizes) = (self.gate, sizes(gate, &circuit, self.header.images));
            self.gate += 1;
            if sizes.corrected() {
                let (bits, values) = self.deal(gate, index, sizes);
                let (bits, values) = corrections(sizes, index, &self.data_owner, bits, values);
                let mut writer = Writer::new(circuit.ring());
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
    /// Bits and values to be shared for a gate.
    fn deal(&self, gate: &Gate, index: usize, sizes: Sizes) -> (Vec<u64>, Vec<u64>) {
        let ring = self.circuit.ring();
        let mut opening = opening_masks(sizes, index, &self.data_owner);
        ring::add_assign(&mut opening, &opening_masks(sizes, index, &self.model_owner));
        match (gate, &self.parameters[index]) {
            (Gate::Linear { .. }, ParameterMasks::Linear(map)) => (Vec::new(), map.apply(&opening)),
            (Gate::Relu { .. } | Gate::Max { .. }, _) => {
                let shift = if let Gate::Relu { shift, .. } = gate { *shift } else { 0 };
                let count = sizes.compared;
                let (opening, sums) = opening.split_at(3 * count);
                let masks: Vec<u64> = opening[..count].iter().map(|mask| ring.reduce(*mask)).collect();
                let factors = opening[count..2 * count].iter().zip(&opening[2 * count..]);
                let mut secret = stream(&self.secret, index, Purpose::Secret);
                let sign_masks = secret.words(count.div_ceil(64));
                let bits = comparison::deal(Layout::new(ring, count), &masks, &sign_masks, &mut secret);
                let mut values = deal_truncation(Truncation::new(ring, shift), &masks);
                values.extend((0..count).map(|lane| sign_masks[lane / 64] >> (lane % 64) & 1));
                values.extend(factors.map(|(a, b)| a.wrapping_mul(*b)));
                values.extend(gate.guard().iter().flat_map(|guard| deal_guard(*guard, ring, sums)));
                (bits, values)
            }
            (
                Gate::Quadratic { channels, positions, shift, square_shift, .. },
                ParameterMasks::Quadratic { alpha, beta },
            ) => {
                let inputs = self.header.images * gate.inputs();
                let results = self.header.images * gate.outputs();
                let (opening, sums) = opening.split_at(3 * inputs + results);
                let part = |at: usize| &opening[at * inputs..][..inputs];
                let channel = |lane: usize| lane / positions % channels;
                let masked = |part: &[u64], by: &[u64]| -> Vec<u64> {
                    part.iter().enumerate().map(|(lane, mask)| mask.wrapping_mul(by[channel(lane)])).collect()
                };
                let mut values = deal_truncation(Truncation::new(ring, *shift), part(0));
                values.extend(part(1).iter().map(|mask| mask.wrapping_mul(*mask)));
                values.extend(masked(part(2), alpha));
                values.extend(masked(part(1), beta));
                values.extend(deal_truncation(Truncation::new(ring, *square_shift), &opening[3 * inputs..]));
                values.extend(gate.guard().iter().flat_map(|guard| deal_guard(*guard, ring, sums)));
                (Vec::new(), values)
            }
            (Gate::Truncate { shift, .. }, _) => {
                (Vec::new(), deal_truncation(Truncation::new(ring, *shift), &opening))
            }
            _ => (Vec::new(), Vec::new()),
        }
    }
}
