//! Vectors of numbers to plaintext polynomials and back.

pub(crate) mod embedding;
pub(crate) mod pairs;
pub(crate) mod subring;

use crate::context::Context;
use crate::encoding::embedding::ComplexVector;
use crate::error::{Error, Result};
use crate::parameters::ParameterId;
use std::fmt;
use std::mem::take;
use veilbench_ring::{Coefficients, Ntt, Polynomial};
use zeroize::Zeroizing;

/// The bits of a coefficient that go into its low part when it does not fit one word-sized reduction.
const LOW_BITS: i32 = 49;

/// Coefficients below this magnitude are reduced in one step.
const SMALL_COEFFICIENT: f64 = (1u64 << 50) as f64;

/// Coefficients from here on are refused: their two parts would no longer fit.
const LARGEST_COEFFICIENT: f64 = SMALL_COEFFICIENT * SMALL_COEFFICIENT / 4.0;

/// Below this doubles hold every integer.
const LARGEST_EXACT: f64 = (1u64 << 53) as f64;

/// Fresh noise beyond this many standard deviations is not reckoned with.
const ENCRYPTION_DEVIATIONS: f64 = 12.0;

/// Adding and subtracting this rounds a number below `2^51` to the nearest integer and leaves it in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The parts of all slots, and the coefficients they are made of.
struct Decoded {
    real: Vec<f64>,
    imaginary: Vec<f64>,
    coefficients: Zeroizing<Vec<f64>>,
}

/// An encoded vector: a polynomial that stands for its slot values times the scale.
///
/// It is wiped when dropped: a decrypted one still carries the noise, and with its ciphertext that gives the
/// secret key away.
#[derive(Clone)]
pub struct Plaintext {
    pub(crate) polynomial: Polynomial<Ntt>,
    pub(crate) scale: f64,
    pub(crate) parameters: ParameterId,
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.polynomial.zeroize();
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plaintext")
            .field("level", &self.level())
            .field("log2_scale", &self.scale.log2())
            .finish_non_exhaustive()
    }
}

impl Plaintext {
    /// The level: one less than the number of primes.
    pub fn level(&self) -> usize {
        self.polynomial.limbs() - 1
    }

    /// The factor between slot values and the polynomial's values.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}

impl Context {
    /// Encodes real values into the first slots; the other slots are zero.
    ///
    /// # Errors
    /// [`Error::TooManyValues`], [`Error::NotFinite`], [`Error::Level`], [`Error::Scale`], and
    /// [`Error::Overflow`] if a coefficient would exceed half the modulus of the level.
    pub fn encode(&self, values: &[f64], scale: f64, level: usize) -> Result<Plaintext> {
        self.encode_complex(values, &[], scale, level)
    }

    /// Encodes complex values; `imaginary` may be empty for real ones.
    ///
    /// # Errors
    /// As [`Context::encode`], and [`Error::ComplexParts`] if the parts have different lengths.
    pub fn encode_complex(
        &self,
        real: &[f64],
        imaginary: &[f64],
        scale: f64,
        level: usize,
    ) -> Result<Plaintext> {
        let polynomial = self.encode_polynomial(real, imaginary, scale, level)?;
        Ok(Plaintext { polynomial, scale, parameters: self.parameters().id() })
    }

    /// As [`Context::encode`], and coefficients beyond half the modulus of the level wrap: for what is added to a ciphertext whose values
    /// are within it only after that.
    ///
    /// # Errors
    /// As [`Context::encode`], with [`Error::Overflow`] for coefficients from `2^53` on, which doubles do not hold exactly.
    pub fn encode_wrapping(&self, values: &[f64], scale: f64, level: usize) -> Result<Plaintext> {
        let coefficients = self.scaled_coefficients(values, &[], scale, level)?;
        let polynomial = self.round(&coefficients, level, LARGEST_EXACT)?.into_ntt(self.ring());
        Ok(Plaintext { polynomial, scale, parameters: self.parameters().id() })
    }

    /// What [`Context::encode_complex`] wraps.
    pub(crate) fn encode_polynomial(
        &self,
        real: &[f64],
        imaginary: &[f64],
        scale: f64,
        level: usize,
    ) -> Result<Polynomial<Ntt>> {
        let coefficients = self.scaled_coefficients(real, imaginary, scale, level)?;
        Ok(self.round(&coefficients, level, self.largest_coefficient(level))?.into_ntt(self.ring()))
    }

    /// The real parts of all slots.
    ///
    /// # Errors
    /// As [`Context::decode_complex`].
    pub fn decode(&self, plaintext: &Plaintext) -> Result<Vec<f64>> {
        let (real, imaginary) = self.decode_complex(plaintext)?;
        drop(Zeroizing::new(imaginary));
        Ok(real)
    }

    /// The real and imaginary parts of all slots.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`], and [`Error::Undecodable`] if a value would not be finite.
    pub fn decode_complex(&self, plaintext: &Plaintext) -> Result<(Vec<f64>, Vec<f64>)> {
        self.check_parameters(plaintext.parameters)?;
        let coefficients = self.lift(plaintext.polynomial.clone().into_coefficients(self.ring()));
        self.embed(&coefficients, plaintext.scale)
    }

    /// The real parts of all slots, and the coefficients they are made of, each within half of
    /// [`Context::period`].
    ///
    /// # Errors
    /// As [`Context::decode_complex`].
    pub fn decode_with_coefficients(&self, plaintext: &Plaintext) -> Result<(Vec<f64>, Zeroizing<Vec<f64>>)> {
        let Decoded { real, imaginary, coefficients } = self.decode_all(plaintext)?;
        drop(Zeroizing::new(imaginary));
        Ok((real, coefficients))
    }

    fn decode_all(&self, plaintext: &Plaintext) -> Result<Decoded> {
        self.check_parameters(plaintext.parameters)?;
        let mut coefficients = self.lift(plaintext.polynomial.clone().into_coefficients(self.ring()));
        let (real, imaginary) = self.embed(&coefficients, plaintext.scale)?;
        coefficients.iter_mut().for_each(|coefficient| *coefficient /= plaintext.scale);
        Ok(Decoded { real, imaginary, coefficients })
    }

    /// What the coefficients of a level are known modulo, at a scale: a value whose coefficients leave half of it to
    /// either side decodes to another one.
    pub fn period(&self, level: usize, scale: f64) -> f64 {
        self.parameters().level_bits(level).exp2() / scale
    }

    /// Slot values of coefficients at a scale.
    fn embed(&self, coefficients: &[f64], scale: f64) -> Result<(Vec<f64>, Vec<f64>)> {
        let (low, high) = coefficients.split_at(self.parameters().slots());
        let mut values = ComplexVector { real: low.to_vec(), imaginary: high.to_vec() };
        self.tables().embedding.to_slots(&mut values);
        for part in values.real.iter_mut().chain(&mut values.imaginary) {
            *part /= scale;
        }
        if !values.real.iter().chain(&values.imaginary).all(|part| part.is_finite()) {
            return Err(Error::Undecodable);
        }
        Ok((take(&mut values.real), take(&mut values.imaginary)))
    }

    fn scaled_coefficients(
        &self,
        real: &[f64],
        imaginary: &[f64],
        scale: f64,
        level: usize,
    ) -> Result<ComplexVector> {
        let slots = self.parameters().slots();
        self.check_level(level)?;
        self.check_scale(scale, level)?;
        if real.len() > slots {
            return Err(Error::TooManyValues { values: real.len(), slots });
        }
        if !imaginary.is_empty() && imaginary.len() != real.len() {
            return Err(Error::ComplexParts { real: real.len(), imaginary: imaginary.len() });
        }
        for part in [real, imaginary] {
            if let Some(index) = part.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite { index });
            }
        }
        let mut values = ComplexVector::zero(slots);
        values.real[..real.len()].copy_from_slice(real);
        values.imaginary[..imaginary.len()].copy_from_slice(imaginary);
        self.tables().embedding.to_coefficients(&mut values);
        for part in values.real.iter_mut().chain(&mut values.imaginary) {
            *part *= scale;
        }
        Ok(values)
    }

    /// Below this a coefficient of a level still has room for the noise of its encryption.
    pub(crate) fn largest_coefficient(&self, level: usize) -> f64 {
        let margin = ENCRYPTION_DEVIATIONS * self.public_fresh_noise();
        2f64.powf(self.parameters().level_bits(level) - 1.0) - margin
    }

    /// Rounds coefficients below a limit and reduces them modulo the primes of a level.
    fn round(
        &self,
        coefficients: &ComplexVector,
        level: usize,
        limit: f64,
    ) -> Result<Polynomial<Coefficients>> {
        let parts = || coefficients.real.iter().chain(&coefficients.imaginary);
        // A NaN can only come of infinities in the transform.
        let largest = parts()
            .fold(0.0, |largest: f64, c| if c.is_nan() { f64::INFINITY } else { largest.max(c.abs()) });
        if largest >= LARGEST_COEFFICIENT || largest >= limit {
            return Err(Error::Overflow { bits: bit_length(largest), level });
        }
        let (ring, limbs) = (self.ring(), level + 1);
        if largest < SMALL_COEFFICIENT - 1.0 {
            let rounded: Zeroizing<Vec<i64>> = Zeroizing::new(parts().map(|&c| round_small(c)).collect());
            return Ok(Polynomial::from_signed(ring, &rounded, limbs));
        }
        let unit = 2f64.powi(LOW_BITS);
        let split = |c: f64| {
            let (whole, high) = (c.round(), (c / unit).round());
            (high as i64, (whole - high * unit) as i64)
        };
        let (high, low): (Vec<i64>, Vec<i64>) = parts().map(|&c| split(c)).unzip();
        let (high, low) = (Zeroizing::new(high), Zeroizing::new(low));
        let mut polynomial = Polynomial::from_signed(ring, &high, limbs);
        let factors: Vec<_> = ring.moduli().iter().map(|m| m.factor((1 << LOW_BITS) % m.value())).collect();
        polynomial.scale(ring, &factors);
        let mut low = Polynomial::from_signed(ring, &low, limbs);
        polynomial.add_assign(ring, &low);
        low.zeroize();
        Ok(polynomial)
    }

    /// The centred coefficients as doubles, by a balanced mixed-radix representation: the digits of a small
    /// number are zero from some place on, so that the sum loses nothing but its last bits.
    pub(crate) fn lift(&self, mut polynomial: Polynomial<Coefficients>) -> Zeroizing<Vec<f64>> {
        let (ring, kernels) = (self.ring(), self.ring().kernels());
        let limbs = polynomial.limbs();
        let mut shifted = Zeroizing::new(vec![0; ring.degree()]);
        for row in 1..limbs {
            for (digit, division) in self.tables().divisions[..row].iter().enumerate() {
                division.conversion.convert(ring, &[polynomial.limb(digit)], row, &mut shifted);
                let factor = division.inverses[row];
                kernels.subtract_scale(ring.modulus(row), polynomial.limb_mut(row), &shifted, factor);
            }
        }
        let mut values = Zeroizing::new(vec![0.0; ring.degree()]);
        for row in (0..limbs).rev() {
            let p = ring.modulus(row).value();
            for (value, &digit) in values.iter_mut().zip(polynomial.limb(row)) {
                // Without a branch: the digits may belong to a secret message.
                let upper_half = i64::from(digit > p / 2);
                *value = *value * p as f64 + (digit as i64 - p as i64 * upper_half) as f64;
            }
        }
        polynomial.zeroize();
        values
    }
}

/// Bits of the magnitude of a coefficient that was refused.
pub(crate) fn bit_length(coefficient: f64) -> u32 {
    coefficient.abs().min(f64::MAX).log2().ceil().max(0.0) as u32
}

fn round_small(value: f64) -> i64 {
    (value + ROUNDER).to_bits() as i64 - ROUNDER.to_bits() as i64
}
