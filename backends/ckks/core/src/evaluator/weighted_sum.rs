//! One sum of ciphertexts times plain numbers.

use super::{Evaluator, same_level, same_scale};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use arrayvec::ArrayVec;
use veilbench_ring::kernels::LAZY_TERMS;
use veilbench_ring::{Ntt, Polynomial};

impl Evaluator {
    /// `sum of weights[i] * ciphertexts[i]`, the weights encoded at `scale`: what a layer costs when every slot
    /// is another image. The scales multiply; products are reduced a dozen at a time.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no ciphertexts or not as many weights, [`Error::LevelMismatch`] or
    /// [`Error::ScaleMismatch`] if the ciphertexts differ, and as [`Evaluator::multiply_scalar`].
    pub fn weighted_sum(
        &self,
        ciphertexts: &[&Ciphertext],
        weights: &[f64],
        scale: f64,
    ) -> Result<Ciphertext> {
        let (Some(first), true) = (ciphertexts.first(), ciphertexts.len() == weights.len()) else {
            return Err(Error::Shape {
                reason: format!("{} ciphertexts and {} weights", ciphertexts.len(), weights.len()),
            });
        };
        let integers = self.scaled_weights(ciphertexts, first, weights, scale)?;
        let (ring, kernels) = (self.context.ring(), self.context.ring().kernels());
        let mut parts = [(); 2].map(|()| Polynomial::<Ntt>::unspecified(ring, first.limbs()));
        let mut partial = self.context.tables().scratch.take(ring.degree());
        for index in 0..first.limbs() {
            let m = ring.modulus(index);
            let weights: Vec<u64> = integers.iter().map(|&integer| m.montgomery(m.signed(integer))).collect();
            for (part, sum) in parts.iter_mut().enumerate() {
                let sum = sum.limb_mut(index);
                let chunks = ciphertexts.chunks(LAZY_TERMS).zip(weights.chunks(LAZY_TERMS));
                for (chunk, (ciphertexts, weights)) in chunks.enumerate() {
                    let rows: ArrayVec<&[u64], LAZY_TERMS> =
                        ciphertexts.iter().map(|c| c.parts[part].limb(index)).collect();
                    if chunk == 0 {
                        kernels.combine(m, &rows, weights, sum);
                    } else {
                        kernels.combine(m, &rows, weights, &mut partial);
                        kernels.add_assign(m, sum, &partial);
                    }
                }
            }
        }
        let mut sum = first.like(parts);
        sum.scale *= scale;
        Ok(sum)
    }

    /// The weights at `scale`, as integers, for ciphertexts that have the level and scale of the `first`.
    pub(super) fn scaled_weights(
        &self,
        ciphertexts: &[&Ciphertext],
        first: &Ciphertext,
        weights: &[f64],
        scale: f64,
    ) -> Result<Vec<i128>> {
        for ciphertext in ciphertexts {
            self.check(ciphertext)?;
            same_level(first.level(), ciphertext.level())?;
            same_scale(first.scale, ciphertext.scale)?;
        }
        self.context.check_scale(first.scale * scale, first.level())?;
        weights.iter().map(|&weight| self.scaled_integer(weight, scale, first.level())).collect()
    }
}
