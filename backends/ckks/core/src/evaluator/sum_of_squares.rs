//! Sums of squares with one relinearisation.

use super::{Evaluator, same_level, same_scale};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};

impl Evaluator {
    /// The sum of the squares of some ciphertexts, relinearised once: a quadratic activation and the sum pool after
    /// it for little more than one [`Evaluator::square`].
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no ciphertexts, [`Error::LevelMismatch`] or [`Error::ScaleMismatch`] if they
    /// differ, and as [`Evaluator::multiply`].
    pub fn sum_of_squares(&self, ciphertexts: &[&Ciphertext]) -> Result<Ciphertext> {
        let (first, rest) = self.squared(ciphertexts)?;
        let (ring, kernels) = (self.context.ring(), self.context.ring().kernels());
        self.relinearised(first, first.scale * first.scale, |index, mut out| {
            let m = ring.modulus(index);
            kernels.square(
                m,
                first.parts.each_ref().map(|part| part.limb(index)),
                out.each_mut().map(|out| &mut **out),
            );
            let mut square = [(); 3].map(|()| self.context.tables().scratch.take(ring.degree()));
            for next in rest {
                let parts = next.parts.each_ref().map(|part| part.limb(index));
                kernels.square(m, parts, square.each_mut().map(|row| &mut row[..]));
                for (sum, row) in out.iter_mut().zip(&square) {
                    kernels.add_assign(m, sum, row);
                }
            }
        })
    }

    /// The first of the terms of a sum of squares, and the rest.
    pub(super) fn squared<'c>(
        &self,
        ciphertexts: &'c [&'c Ciphertext],
    ) -> Result<(&'c Ciphertext, &'c [&'c Ciphertext])> {
        let Some((first, rest)) = ciphertexts.split_first() else {
            return Err(Error::Shape { reason: "a sum of no squares".into() });
        };
        for ciphertext in ciphertexts {
            self.check(ciphertext)?;
            same_level(first.level(), ciphertext.level())?;
            same_scale(first.scale, ciphertext.scale)?;
        }
        Ok((first, rest))
    }
}
