//! Whether decoded results are the results.
//!
//! Nothing wraps on the way. Sums, products and key switches are exact in the ring modulo the primes that are left, and a
//! rescaling divides what the ciphertext is modulo all of them, which is the same for every representative: a value may
//! exceed the modulus of its level and be right at the next. A representative is chosen once, when a result is decoded at
//! level 0, coefficient by coefficient: where one leaves half of the last prime to either side, it is off by a multiple of
//! that prime, and with it the results of *all* slots, since every coefficient is a mean over them. What is checked is
//! therefore only that decoding.
//!
//! **Logits.** Once no coefficient wrapped, a logit beyond [`LIMIT`] is known for what it is, and its image is named.
//!
//! **An image in every slot.** The server computes one result more, the *guard*: `sum rho_j y_j` of the results `y_j`, with
//! `rho_j` uniform in -1/2 to 1/2. The owner of the key compares its coefficients with those of the same sum of what it
//! decoded, modulo the prime. If a coefficient of `y_j` wrapped `k_j` times, the two differ by the fraction of
//! `sum rho_j k_j` times the prime, and as `rho_j k_j` modulo 1 is uniform for any whole `k_j` but 0, a wrap passes with the
//! probability `2 * tolerance / period`, however far beyond the modulus it is. The `rho_j` follow from the random name of
//! the session's key: images chosen before it have no better chance.
//!
//! **An image across the slots.** Slots of a result that hold no value are zero. A wrap adds the conjugates of a
//! nonzero algebraic integer to the `p` slots of a period; their product is at least 1 in magnitude. If all of the `r`
//! spare ones were within the tolerance, one of the others would be beyond `(period / tolerance)^(r / (p - r))` times the
//! period. [`enough_spare`] keeps `r` at a quarter of `p` at least, so that this is the cube root, some tens of periods: the
//! wrap shows as a result beyond [`LIMIT`], unless the value itself is as many periods out of range and happens to cancel it.
//! This holds for images that were not made against it. It is no proof against others: spare slots are at fixed places, and
//! a network and an image crafted together could have results that wrap and pass.
//!
//! Neither check sees a logit that is within its range but inexact, because values inside the network were far out of
//! theirs and cancelled: errors grow in proportion to them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use veilbench_ckks::KeyId;
use zeroize::Zeroizing;

use crate::circuits::map::{AffineMap, DenseBlock};

/// The largest result that is accepted, in units: half of the last prime, and twice what a margin beyond the calibrated
/// range allows for.
pub(crate) const LIMIT: f64 = 2.0;

/// By how many of its predicted deviations a check may be off. The largest of some ten million has been seen within six of
/// them, and values out of their range have errors that are larger in proportion.
const DEVIATIONS: f64 = 32.0;

/// How far a guard may be from the sum of `results` results, in units, given the deviations of the errors of either.
pub(crate) fn tolerance(guard: f64, result: f64, results: usize) -> f64 {
    // A multiplier has a variance of 1/12.
    DEVIATIONS * guard.hypot(result * (results as f64 / 12.0).sqrt())
}

/// How far a slot that should be zero may be from it.
pub(crate) fn spare_tolerance(result: f64) -> f64 {
    DEVIATIONS * result
}

/// Whether this many of the slots of a result being zero tells that it did not wrap.
pub(crate) fn enough_spare(spare: usize, slots: usize) -> bool {
    4 * spare >= slots
}

/// Results that so many slots have room for beside enough spare ones.
pub(crate) fn most_results(slots: usize) -> usize {
    slots - slots.div_ceil(4)
}

/// Outputs a last layer has room for if it has `outputs`: half as many again, so that a third of the slots is spare.
pub(crate) fn with_spare(outputs: usize) -> usize {
    outputs + outputs.div_ceil(2)
}

/// The multipliers of a guard.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    multipliers: Vec<f64>,
    /// By multiples of what coefficients are off that wrapped, in units.
    period: f64,
}

impl Guard {
    /// The guard of a session for this many results of one of its rounds, whose coefficients are known modulo the period.
    pub(crate) fn new(key: KeyId, round: usize, results: usize, period: f64) -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&key.bytes());
        seed[16..24].copy_from_slice(&(round as u64).to_le_bytes());
        let mut random = ChaCha20Rng::from_seed(seed);
        Self { multipliers: (0..results).map(|_| random.random_range(-0.5..0.5)).collect(), period }
    }

    /// Any guard for this many results: where only the structure counts.
    pub(crate) fn structure(results: usize) -> Self {
        Self { multipliers: vec![1.0; results], period: 1.0 }
    }

    /// What it is for these results.
    #[cfg(test)]
    pub(crate) fn sum(&self, results: &[f64]) -> f64 {
        self.multipliers.iter().zip(results).map(|(multiplier, result)| multiplier * result).sum()
    }

    /// A value modulo the period, nearest to zero.
    fn centred(&self, value: f64) -> f64 {
        value - self.period * (value / self.period).round()
    }

    /// Adds the guard to the outputs of a map, as the last, with its bias modulo the period.
    pub(crate) fn append(&self, map: &mut AffineMap) {
        let output = map.outputs() as u32;
        let (mut row, mut read) = (vec![0.0; map.inputs], vec![false; map.inputs]);
        for block in &map.blocks {
            for (&own, weights) in
                block.outputs.iter().zip(block.weights.chunks_exact(block.inputs.len().max(1)))
            {
                for (&input, weight) in block.inputs.iter().zip(weights) {
                    row[input as usize] += self.multipliers[own as usize] * weight;
                    read[input as usize] = true;
                }
            }
        }
        // Of many results it may exceed the last prime.
        let bias = self.multipliers.iter().zip(&map.bias).map(|(multiplier, bias)| multiplier * bias).sum();
        map.bias.push(self.centred(bias));
        if let [whole] = &mut map.blocks[..] {
            whole.outputs.push(output);
            whole.weights.extend(whole.inputs.iter().map(|&input| row[input as usize]));
            return;
        }
        let inputs: Vec<u32> = (0..map.inputs as u32).filter(|&input| read[input as usize]).collect();
        let weights = inputs.iter().map(|&input| row[input as usize]).collect();
        map.blocks.push(DenseBlock { inputs, outputs: vec![output], weights });
    }
}

/// The coefficients of a guard less those of the sum of the results, as they are decoded one after another.
pub(crate) struct Difference<'a> {
    guard: &'a Guard,
    coefficients: Zeroizing<Vec<f64>>,
}

impl<'a> Difference<'a> {
    pub(crate) fn new(guard: &'a Guard, degree: usize) -> Self {
        Self { guard, coefficients: Zeroizing::new(vec![0.0; degree]) }
    }

    /// Takes the coefficients of a result, or of the guard, which comes after the last of them.
    pub(crate) fn take(&mut self, index: usize, coefficients: &[f64]) {
        let factor = self.guard.multipliers.get(index).map_or(1.0, |multiplier| -multiplier);
        for (sum, coefficient) in self.coefficients.iter_mut().zip(coefficients) {
            *sum += factor * coefficient;
        }
    }

    /// The largest of them in magnitude, modulo the period.
    pub(crate) fn largest(&self) -> f64 {
        self.coefficients.iter().map(|&value| self.guard.centred(value).abs()).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests;
