//! Products and squares of ciphertexts.

use super::Evaluator;
use super::key_switch::switch;
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use veilbench_ring::parallel;
use veilbench_ring::{Ntt, Polynomial};

impl Evaluator {
    /// `left * right`, slot by slot, relinearised; the scales multiply.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`](crate::Error::LevelMismatch),
    /// [`Error::Scale`](crate::Error::Scale) if the product of the scales does not fit the level,
    /// [`Error::NoRelinearisationKey`](crate::Error::NoRelinearisationKey), [`Error::KeyLevel`](crate::Error::KeyLevel),
    /// [`Error::ForeignKey`](crate::Error::ForeignKey),
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters).
    pub fn multiply(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext> {
        self.check_pair(left, right)?;
        let scale = left.scale * right.scale;
        let (ring, kernels) = (self.context.ring(), self.context.ring().kernels());
        self.relinearised(left, scale, |index, out| {
            let operands = [left, right].map(|operand| operand.parts.each_ref().map(|part| part.limb(index)));
            kernels.tensor(ring.modulus(index), operands[0], operands[1], out);
        })
    }

    /// The square of every slot, a little faster than [`Evaluator::multiply`].
    ///
    /// # Errors
    /// As [`Evaluator::multiply`].
    pub fn square(&self, ciphertext: &Ciphertext) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        let (ring, kernels) = (self.context.ring(), self.context.ring().kernels());
        self.relinearised(ciphertext, ciphertext.scale * ciphertext.scale, |index, out| {
            let parts = ciphertext.parts.each_ref().map(|part| part.limb(index));
            kernels.square(ring.modulus(index), parts, out);
        })
    }

    /// Builds a product limb by limb with `tensor` and takes its third part back to two.
    pub(super) fn relinearised(
        &self,
        like: &Ciphertext,
        scale: f64,
        tensor: impl Fn(usize, [&mut [u64]; 3]) + Sync + Send,
    ) -> Result<Ciphertext> {
        let key = self.keys.relinearisation(like.level())?;
        self.context.check_scale(scale, like.level())?;
        let mut parts = [(); 3].map(|()| Polynomial::<Ntt>::unspecified(self.context.ring(), like.limbs()));
        let words = 3 * like.limbs() * self.context.ring().degree();
        let [d0, d1, d2] = parts.each_mut().map(|part| part.rows_mut());
        parallel::for_each(words, d0.zip(d1).zip(d2).enumerate(), |(index, ((d0, d1), d2))| {
            tensor(index, [d0, d1, d2]);
        });
        let [d0, d1, d2] = parts;
        let mut product = like.like([d0, d1]);
        product.scale = scale;
        switch(&self.context, &d2, key).add_quotient(&mut product.parts);
        Ok(product)
    }
}
