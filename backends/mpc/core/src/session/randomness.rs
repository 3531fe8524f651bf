//! What a party has of each gate before the online phase. Consumed by it: no value is cloned or used twice, and all are wiped.

pub(crate) mod keys;
pub(crate) mod masks;
pub(crate) mod secrets;
pub(crate) mod setup_seed;

use super::sizes::Sizes;
use crate::Error;
use crate::circuit::{Circuit, Gate};
use crate::dcf::{Corrections, roots};
use crate::random::Seed;
use crate::ring::Ring;
use crate::session::message::Reader;
use masks::{Purpose, stream};
use veilbench_ring::wiped::Wiped;

/// One party's randomness for one gate and one batch.
#[derive(Default)]
pub struct Randomness {
    /// Exclusive-or shares.
    pub(crate) bits: Wiped<u64>,
    /// Additive shares.
    pub(crate) values: Wiped<u64>,
    /// Roots of comparison keys.
    pub(crate) roots: Wiped<u128>,
    /// Corrections of comparison keys, in the portions in which they come.
    pub(crate) keys: Vec<Corrections>,
    /// This party's part of the masks of what is opened.
    pub(crate) opening: Wiped<u64>,
    /// The data owner's masks of the held wire that the gate writes (for an output: reads).
    pub(crate) held: Wiped<u64>,
    /// At the model owner, what turns a linear layer's product into its masked output.
    pub(crate) offset: Wiped<u64>,
}

/// The data owner's shares, from its seed alone.
pub(crate) fn data_owner_shares(sizes: Sizes, gate: usize, seed: &Seed) -> (Vec<u64>, Vec<u64>) {
    let [mut bits, mut values] = [sizes.bits, sizes.values].map(|count| vec![0; count]);
    combine_with_shares(gate, seed, &mut bits, &mut values, u64::wrapping_add);
    (bits, values)
}

/// Combines words with the data owner's shares: bits by exclusive or, values as told.
fn combine_with_shares(
    gate: usize,
    seed: &Seed,
    bits: &mut [u64],
    values: &mut [u64],
    combined: impl Fn(u64, u64) -> u64,
) {
    stream(seed, gate, Purpose::Bits).combine(bits, |word, share| word ^ share);
    stream(seed, gate, Purpose::Values).combine(values, combined);
}

/// A party's part of the masks of what a gate opens.
pub(crate) fn opening_masks(sizes: Sizes, gate: usize, seed: &Seed) -> Vec<u64> {
    stream(seed, gate, Purpose::Opening).words(sizes.opening)
}

/// The data owner's masks of the held wire a gate writes.
pub(crate) fn held_masks(sizes: Sizes, gate: usize, seed: &Seed) -> Vec<u64> {
    stream(seed, gate, Purpose::Held).words(sizes.held)
}

/// The roots of a party's comparison keys.
pub(crate) fn key_roots(sizes: Sizes, gate: usize, seed: &Seed) -> Vec<u128> {
    roots(&mut stream(seed, gate, Purpose::Roots), sizes.keys)
}

/// Splits a message of all parameters, masked or masks, into those of each gate: weights, or `a` then `b`.
pub(crate) fn parameter_counts(circuit: &Circuit) -> Vec<usize> {
    let count = |gate: &Gate| match gate {
        Gate::Linear { shape } => shape.weights(),
        Gate::Quadratic { channels, .. } => 2 * channels,
        _ => 0,
    };
    circuit.gates.iter().map(count).collect()
}

/// Bytes of all parameters, masked.
pub(crate) fn parameter_bytes(circuit: &Circuit) -> usize {
    let counts = parameter_counts(circuit).into_iter().enumerate();
    counts.map(|(index, count)| circuit.ring_of_parameters(index).packed(count)).sum()
}

/// The model owner's masks of its parameters, gate by gate: known to it and the dealer.
pub(crate) fn parameter_masks(circuit: &Circuit, seed: &Seed) -> Vec<Vec<u64>> {
    parameter_counts(circuit)
        .into_iter()
        .enumerate()
        .map(|(gate, count)| stream(seed, gate, Purpose::Parameters).words(count))
        .collect()
}

/// The dealer's corrections: what the values are, less the data owner's shares.
pub(crate) fn corrections(
    sizes: Sizes,
    gate: usize,
    seed: &Seed,
    mut bits: Vec<u64>,
    mut values: Vec<u64>,
) -> (Vec<u64>, Vec<u64>) {
    assert_eq!((bits.len(), values.len()), (sizes.bits, sizes.values), "as much as is due is dealt");
    combine_with_shares(gate, seed, &mut bits, &mut values, u64::wrapping_sub);
    (bits, values)
}

impl Randomness {
    /// The data owner's, from its seed.
    pub(crate) fn of_data_owner(sizes: Sizes, gate: usize, seed: &Seed) -> Self {
        let (bits, values) = data_owner_shares(sizes, gate, seed);
        Self {
            bits: bits.into(),
            values: values.into(),
            roots: key_roots(sizes, gate, seed).into(),
            opening: opening_masks(sizes, gate, seed).into(),
            held: held_masks(sizes, gate, seed).into(),
            ..Self::default()
        }
    }

    /// The model owner's, from its seed and the dealer's message.
    pub(crate) fn of_model_owner(
        sizes: Sizes,
        gate: usize,
        seed: &Seed,
        ring: Ring,
        reader: &mut Reader<'_>,
    ) -> Result<Self, Error> {
        let bits = reader.words(sizes.bits, "comparison tables")?;
        let values = reader.numbers(ring.bits(), sizes.values, "shares")?;
        let roots = key_roots(sizes, gate, seed).into();
        let opening = opening_masks(sizes, gate, seed).into();
        Ok(Self { bits: bits.into(), values: values.into(), roots, opening, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn roots_differ_between_keys_gates_batches_and_parties() {
        let sizes = Sizes { keys: 20, ..Sizes::default() };
        let mut seen = HashSet::new();
        for party in [1, 2] {
            for batch in 0..3 {
                let seed = Seed::from_bytes([party; 16]).derive(batch);
                seen.extend((0..3).flat_map(|gate| key_roots(sizes, gate, &seed)));
            }
        }
        assert_eq!(seen.len(), 2 * 3 * 3 * 20);
    }
}
