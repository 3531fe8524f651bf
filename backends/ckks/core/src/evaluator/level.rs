//! Rescaling, and dropping levels.

use super::Evaluator;
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use veilbench_ring::{Ntt, Polynomial};

impl Evaluator {
    /// Divides by the last prime of the level, which lowers level and scale.
    ///
    /// # Errors
    /// [`Error::NoLevelLeft`] at level 0, [`Error::Scale`] if nothing would be left of the scale,
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn rescale(&self, ciphertext: &Ciphertext) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        if ciphertext.level() == 0 {
            return Err(Error::NoLevelLeft);
        }
        let prime = self.context.parameters().data_primes()[ciphertext.level()];
        let scale = ciphertext.scale / prime as f64;
        self.context.check_scale(scale, ciphertext.level() - 1)?;
        let mut rescaled = ciphertext.like(ciphertext.parts.each_ref().map(|part| self.divide_by_last(part)));
        rescaled.scale = scale;
        Ok(rescaled)
    }

    /// Drops primes until `level` is reached. The values and the scale stay.
    ///
    /// # Errors
    /// [`Error::Level`] if the ciphertext is below that level, [`Error::Scale`] if its scale would not fit,
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn drop_to_level(&self, ciphertext: &Ciphertext, level: usize) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        if level > ciphertext.level() {
            return Err(Error::Level { level, max: ciphertext.level() });
        }
        self.context.check_scale(ciphertext.scale, level)?;
        Ok(ciphertext.like(ciphertext.parts.each_ref().map(|part| part.prefix(level + 1))))
    }

    fn divide_by_last(&self, part: &Polynomial<Ntt>) -> Polynomial<Ntt> {
        let ring = self.context.ring();
        let last = part.limbs() - 1;
        let division = &self.context.tables().divisions[last];
        let mut remainder = self.context.tables().scratch.take(ring.degree());
        remainder.copy_from_slice(part.limb(last));
        division.conversion.prepare(ring, 0, &mut remainder);
        let mut quotient = part.prefix(last);
        quotient.for_each_row(|index, row| {
            let mut converted = self.context.tables().scratch.take(ring.degree());
            division.conversion.convert(ring, &[&remainder], index, &mut converted);
            ring.forward(index, &mut converted);
            ring.kernels().subtract_scale(ring.modulus(index), row, &converted, division.inverses[index]);
        });
        quotient
    }
}
