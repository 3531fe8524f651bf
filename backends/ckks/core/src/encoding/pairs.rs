//! Two real numbers in a slot.
//!
//! The *pair* `(x, y)` is the complex number `(x + y) / 2 + i (y - x) / 2`, which is `(1 - i) / 2` times `x + i y`: neither part exceeds
//! the larger of the two numbers. Sums and real factors act on both numbers alike, and a real constant is the pair of itself twice.
//! The pair of the squares follows from `z` and its conjugate with whole factors
//! ([`Evaluator::sum_of_pair_squares`](crate::Evaluator::sum_of_pair_squares)), where squares of the parts of `x + i y` would take
//! multiplications by `i` and halves.

use super::{Decoded, Plaintext};
use crate::context::Context;
use crate::error::{Error, Result};
use std::fmt;
use zeroize::Zeroizing;

/// What a plaintext of pairs decodes to.
pub struct DecodedPairs {
    /// The first and the second numbers of all slots.
    pub numbers: [Vec<f64>; 2],
    /// The coefficients that the slots are made of.
    pub coefficients: Zeroizing<Vec<f64>>,
}

impl fmt::Debug for DecodedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedPairs").field("slots", &self.numbers[0].len()).finish_non_exhaustive()
    }
}

impl Context {
    /// Encodes two real numbers into each of the first slots; the other slots are zero.
    ///
    /// # Errors
    /// As [`Context::encode`], and [`Error::ComplexParts`] if there are not as many first as second numbers.
    pub fn encode_pairs(&self, first: &[f64], second: &[f64], scale: f64, level: usize) -> Result<Plaintext> {
        if first.len() != second.len() {
            return Err(Error::ComplexParts { real: first.len(), imaginary: second.len() });
        }
        let part = |of: fn(f64, f64) -> f64| {
            Zeroizing::new(first.iter().zip(second).map(|(&x, &y)| of(x, y)).collect::<Vec<f64>>())
        };
        let (mean, half_difference) = (part(|x, y| x.midpoint(y)), part(|x, y| y.midpoint(-x)));
        self.encode_complex(&mean, &half_difference, scale, level)
    }

    /// Both numbers of all slots, and the coefficients the slots are made of, each within half of [`Context::period`].
    ///
    /// # Errors
    /// As [`Context::decode_complex`].
    pub fn decode_pairs_with_coefficients(&self, plaintext: &Plaintext) -> Result<DecodedPairs> {
        let Decoded { real: mut first, imaginary: mut second, coefficients } = self.decode_all(plaintext)?;
        for (first, second) in first.iter_mut().zip(&mut second) {
            let (mean, half_difference) = (*first, *second);
            (*first, *second) = (mean - half_difference, mean + half_difference);
        }
        Ok(DecodedPairs { numbers: [first, second], coefficients })
    }
}
