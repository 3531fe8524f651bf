//! Decrypted values that may be shown: noise that hides what a decryption tells of the key.

use crate::context::Context;
use crate::encoding::Plaintext;
use crate::error::{Error, Result};
use std::ops::Range;
use veilbench_ring::random::Randomness;
use veilbench_ring::sampling::{WIDE_DEVIATION, wide_gaussian};
use zeroize::Zeroizing;

/// Square of the constant in the deviation of [`Flooding`].
const QUERIES_FACTOR: f64 = 12.0;

/// Steps of the grid that cutting two values to it can move them apart.
const GRID_STEPS: f64 = 2.0;

/// Largest deviation of the flooding noise, in errors: the grid is then half an error at most.
const LARGEST_RATIO: f64 = WIDE_DEVIATION / 4.0;

/// Largest value, in steps of the grid, to which noise is added without overflow.
const LARGEST_VALUE: f64 = (1u64 << 62) as f64;

/// Gaussian noise for decrypted values that others may see, the one who computed them included.
///
/// A decrypted value is what was computed, `m`, and an error `e` that is linear in the key: whoever knows `m`, the ciphertext and enough
/// errors solves for the key ([`Context::decode`] has no protection against that). A flooded value is
/// `g (trunc((m + e) / g) + z)` instead, `z` from the discrete Gaussian of deviation [`WIDE_DEVIATION`] and `g` such that `g z`
/// has the [deviation](Flooding::deviation) `w`. Without the key one could show `g (trunc(m / g) + z)`. How far these two are apart bounds what
/// the first tells beyond `m`:
///
/// - The truncated values differ by an integer of `|e| / g + 2` steps at most. A discrete Gaussian and itself moved by `d`
///   steps have the Kullback-Leibler divergence `d^2 / (2 (w / g)^2)`: for a value `(|e| + 2 g)^2 / (2 w^2)`.
/// - Divergences of values shown one after another add up, also if what is asked next depends on what was shown before. Let `E^2` be
///   the mean of `(|e| + 2 g)^2`. Then `n` values have `n E^2 / (2 w^2)`, which `w = sqrt(12 n) 2^(s/2) E` makes `2^-s / 24`.
/// - By Pinsker's inequality whoever sees all of them tells the two apart with an advantage of `2^(-s/2) / sqrt(48)` at most:
///   `2^-17.8` for `s = 30`, `2^-22.8` for `s = 40`.
///
/// That is the Gaussian mechanism of Li, Micciancio, Schultz and Sorrell, "Securing approximate homomorphic encryption using differential
/// privacy" (CRYPTO 2022): `s` bits of statistical security against chosen-plaintext attackers who see decryptions (IND-CPA-D), beside the
/// computational security of the scheme, where bits of a game that asks to tell two worlds apart count the square of an advantage. Its
/// premise is a bound on errors that holds for whatever is computed: an `error` that was estimated for other circuits or inputs than
/// those that are used is none (Guo, Nabokov, Suvanto and Johansson, "Key recovery attacks on approximate homomorphic encryption with
/// non-worst-case noise flooding countermeasures", 2024). A function of flooded values, a label or a rounded number, may be shown as they may;
/// one of values that were not flooded may not. The sampler adds less than `2^-47` for each value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flooding {
    deviation: f64,
}

impl Flooding {
    /// The noise for `values` numbers in all that are shown under one key, whose errors have a root mean square of at most
    /// `error` each, with `bits` of statistical security.
    ///
    /// # Errors
    /// [`Error::Flooding`] for an error that is not finite and above zero, no values, or more values and bits than the sampler is wide
    /// enough for: about 58 bits, less one for each bit of the number of values.
    pub fn new(bits: u32, values: usize, error: f64) -> Result<Self> {
        let refused = |reason: String| Err(Error::Flooding { reason });
        if !(error.is_finite() && error > 0.0) {
            return refused(format!(
                "an error of {error} is none: state the largest root mean square of errors"
            ));
        }
        if values == 0 {
            return refused("nothing is shown: state how many values are, under one key".into());
        }
        let ratio = (QUERIES_FACTOR * values as f64).sqrt() * (f64::from(bits) / 2.0).exp2();
        if ratio > LARGEST_RATIO {
            return refused(format!(
                "{bits} bits for {values} values take noise of 2^{:.1} errors, of 2^{:.1} at most: ask for fewer",
                ratio.log2(),
                LARGEST_RATIO.log2()
            ));
        }
        // The steps of the grid count as errors, and are a share of what they add to.
        let deviation = ratio * error / (1.0 - ratio * GRID_STEPS / WIDE_DEVIATION);
        Ok(Self { deviation })
    }

    /// Standard deviation of what is added to a value.
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// Values with fresh noise each. They count among those that are shown under their key even if they are the same as before.
    ///
    /// # Errors
    /// [`Error::Undecodable`] for values that are not finite, or so large that doubles hold nothing of the noise.
    pub fn release(&self, values: &[f64], random: &mut Randomness) -> Result<Vec<f64>> {
        let steps = WIDE_DEVIATION / self.deviation;
        if !values.iter().all(|value| (value * steps).abs() < LARGEST_VALUE) {
            return Err(Error::Undecodable);
        }
        let noise = wide_gaussian(random, values.len());
        random.erase_past();
        let flooded = values.iter().zip(noise.iter()).map(|(value, noise)| (value * steps) as i64 + noise);
        Ok(flooded.map(|flooded| flooded as f64 / steps).collect())
    }
}

impl Context {
    /// The real parts of some slots, flooded.
    ///
    /// Other slots, and the plaintext, must not be shown: see [`Flooding`].
    ///
    /// # Errors
    /// As [`Context::decode`] and [`Flooding::release`], and [`Error::TooManyValues`] for slots that are not there.
    pub fn decode_for_release(
        &self,
        plaintext: &Plaintext,
        slots: Range<usize>,
        flooding: &Flooding,
        random: &mut Randomness,
    ) -> Result<Vec<f64>> {
        let decoded = Zeroizing::new(self.decode(plaintext)?);
        let values = slots.len();
        let shown =
            decoded.get(slots).ok_or(Error::TooManyValues { values, slots: self.parameters().slots() })?;
        flooding.release(shown, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> Randomness {
        Randomness::insecure_from_seed([5; 32])
    }

    /// What is added to a value, in deviations.
    fn added(flooding: &Flooding, value: f64, count: usize) -> Vec<f64> {
        let released = flooding.release(&vec![value; count], &mut random()).unwrap();
        released.iter().map(|own| (own - value) / flooding.deviation()).collect()
    }

    #[test]
    fn the_deviation_is_that_of_the_theorem() {
        for (bits, values, ratio) in [(30, 1, 113_511.681), (30, 2560, 5_743_287.0), (40, 100, 36_323_738.0)]
        {
            let flooding = Flooding::new(bits, values, 1e-9).unwrap();
            let own = flooding.deviation() / 1e-9;
            // The grid adds up to a share of it.
            assert!(own >= ratio && own < 1.01 * ratio, "{bits}, {values}: {own}");
            let divergence = values as f64 * 1e-18 / (2.0 * flooding.deviation().powi(2));
            assert!(divergence <= 0.5f64.powi(bits as i32) / 24.0 * 1.000_001, "{divergence:e}");
        }
    }

    #[test]
    fn noise_is_of_the_stated_deviation_and_new_for_every_value() {
        const COUNT: usize = 1 << 13;
        let flooding = Flooding::new(30, 100, 2e-10).unwrap();
        for value in [0.0, 0.75, -1.5] {
            let noise = added(&flooding, value, COUNT);
            let spread = (COUNT as f64).sqrt();
            let mean = noise.iter().sum::<f64>() / COUNT as f64;
            let square = noise.iter().map(|own| own * own).sum::<f64>() / COUNT as f64;
            assert!(mean.abs() < 5.0 / spread, "{mean}");
            assert!((square - 1.0).abs() < 5.0 * 2f64.sqrt() / spread, "{square}");
            let neighbours: f64 = noise.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / COUNT as f64;
            assert!(neighbours.abs() < 5.0 / spread, "{neighbours}");
            let mut sorted = noise;
            sorted.sort_by(f64::total_cmp);
            assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
        }
        let mut random = random();
        let [once, again] = [(); 2].map(|()| flooding.release(&[0.5; 16], &mut random).unwrap());
        assert!(once.iter().zip(&again).all(|(once, again)| once != again));
    }

    #[test]
    fn values_that_differ_by_less_than_a_step_are_released_alike() {
        let flooding = Flooding::new(30, 100, 2e-10).unwrap();
        let step = flooding.deviation() / WIDE_DEVIATION;
        let values = [0.3 * step, 0.9 * step, 5.0 * step, 5.9 * step];
        let [zero, also, five, almost] =
            values.map(|value| flooding.release(&[value + 1000.0 * step], &mut random()).unwrap()[0]);
        assert_eq!(zero.to_bits(), also.to_bits());
        assert_eq!(five.to_bits(), almost.to_bits());
        assert!(((five - zero) / step - 5.0).abs() < 1e-3);
    }

    #[test]
    fn what_cannot_be_hidden_is_refused() {
        for (bits, values, error) in [
            (30, 0, 1e-9),
            (30, 1, 0.0),
            (30, 1, f64::NAN),
            (30, 1, -1.0),
            (60, 1, 1e-9),
            (40, 1 << 20, 1e-9),
        ] {
            let refused = Flooding::new(bits, values, error).unwrap_err();
            assert!(matches!(refused, Error::Flooding { .. }), "{refused}");
        }
        let flooding = Flooding::new(30, 1, 1e-12).unwrap();
        for value in [f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(flooding.release(&[0.0, value], &mut random()), Err(Error::Undecodable));
        }
    }
}
