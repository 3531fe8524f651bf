//! What noise to expect, and what noise there is.

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::Plaintext;
use crate::error::Result;
use crate::evaluator::same_level;
use crate::keys::{DigitLength, SecretKey};
use veilbench_ring::sampling::ERROR_DEVIATION;

/// The variance of what rounding to integers discards.
const ROUNDING_VARIANCE: f64 = 1.0 / 12.0;

/// The variance of a coefficient of the secret.
const SECRET_VARIANCE: f64 = 2.0 / 3.0;

/// How many standard deviations a slot may be off by before it counts as wrong. What was rounded reaches a slot
/// as a product with the secret, two near Gaussians of which both vary by slot: beyond `t` deviations of the
/// complex product lies a share of `exp(-2 t)`, at 12 of them one slot in `2^35`.
const SLOT_DEVIATIONS: f64 = 12.0 * std::f64::consts::SQRT_2;

/// Standard deviations of the noise of single coefficients, by the central-limit estimates of Costache, Curtis,
/// Hales, Murphy, Ogilvie and Player, "On the precision loss in approximate homomorphic encryption" (2023).
/// Independent noises add as `hypot`.
impl Context {
    /// Deviation of the noise of a symmetric ciphertext, the rounding of its encoding included.
    pub fn fresh_noise(&self) -> f64 {
        ERROR_DEVIATION.hypot(ROUNDING_VARIANCE.sqrt())
    }

    /// Deviation of the noise of a public-key ciphertext.
    pub fn public_fresh_noise(&self) -> f64 {
        let degree = self.parameters().degree() as f64;
        let variance = ERROR_DEVIATION.powi(2) * (1.0 + 2.0 * degree * SECRET_VARIANCE);
        (variance + ROUNDING_VARIANCE).sqrt()
    }

    /// Added by rounding both parts of a ciphertext: by every rescaling, and within every key switch.
    pub fn rounding_noise(&self) -> f64 {
        let degree = self.parameters().degree() as f64;
        (ROUNDING_VARIANCE * (1.0 + degree * SECRET_VARIANCE)).sqrt()
    }

    /// Added by a rotation, conjugation or relinearisation at a level.
    pub fn key_switch_noise(&self, level: usize) -> f64 {
        self.switch_noise(level, DigitLength::Short)
    }

    /// The same with a key of [long digits](crate::LongDigits).
    pub fn long_key_switch_noise(&self, level: usize) -> f64 {
        self.switch_noise(level, DigitLength::new(self, true))
    }

    fn switch_noise(&self, level: usize, length: DigitLength) -> f64 {
        let parameters = self.parameters();
        let product = |primes: &[u64]| primes.iter().map(|&prime| prime as f64).product::<f64>();
        let limbs = (level + 1).min(parameters.data_primes().len());
        let special = product(parameters.special_primes());
        let digits = parameters.data_primes()[..limbs].chunks(length.primes(self));
        let variance: f64 = digits.map(|digit| (product(digit) / special).powi(2) * ROUNDING_VARIANCE).sum();
        let degree = parameters.degree() as f64;
        (ERROR_DEVIATION * (variance * degree).sqrt()).hypot(self.rounding_noise())
    }

    /// The largest error of a slot that coefficient noise of this deviation explains, at a scale.
    pub fn slot_error(&self, noise: f64, scale: f64) -> f64 {
        SLOT_DEVIATIONS * noise * (self.parameters().degree() as f64 / 2.0).sqrt() / scale
    }
}

impl SecretKey {
    /// The standard deviation of the coefficients of what a ciphertext holds beside `expected`: a diagnostic
    /// for the owner of the key, not to be shown to anyone else.
    ///
    /// # Errors
    /// As [`SecretKey::decrypt`], and [`Error::LevelMismatch`](crate::Error::LevelMismatch).
    pub fn measure_noise(&self, ciphertext: &Ciphertext, expected: &Plaintext) -> Result<f64> {
        let mut difference = self.decrypt(ciphertext)?;
        self.context().check_parameters(expected.parameters)?;
        same_level(difference.level(), expected.level())?;
        let ring = self.context().ring();
        difference.polynomial.subtract_assign(ring, &expected.polynomial);
        let noise = self.context().lift(difference.polynomial.clone().into_coefficients(ring));
        Ok((noise.iter().map(|n| n * n).sum::<f64>() / noise.len() as f64).sqrt())
    }
}

/// The bits that agree between values of magnitude about 1 and what they should be: `-log2` of the largest
/// difference; the shorter slice decides how many are compared.
pub fn precision_bits(actual: &[f64], expected: &[f64]) -> f64 {
    let differences = actual.iter().zip(expected).map(|(a, e)| (a - e).abs());
    -differences.fold(0.0, |worst: f64, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) }).log2()
}
