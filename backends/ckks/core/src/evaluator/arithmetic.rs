//! Sums, differences and products with plain numbers.

use super::{Evaluator, same_level, same_scale};
use crate::ciphertext::Ciphertext;
use crate::encoding::{Plaintext, bit_length};
use crate::error::{Error, Result};
use veilbench_ring::Polynomial;

impl Evaluator {
    /// `left + right`.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`], [`Error::ScaleMismatch`], [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn add(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext> {
        let mut sum = left.clone();
        self.add_assign(&mut sum, right)?;
        Ok(sum)
    }

    /// `sum += right`.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn add_assign(&self, sum: &mut Ciphertext, right: &Ciphertext) -> Result<()> {
        self.check_pair(sum, right)?;
        same_scale(sum.scale, right.scale)?;
        for (sum, part) in sum.parts.iter_mut().zip(&right.parts) {
            sum.add_assign(self.context.ring(), part);
        }
        Ok(())
    }

    /// `left - right`.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn subtract(&self, left: &Ciphertext, right: &Ciphertext) -> Result<Ciphertext> {
        self.check_pair(left, right)?;
        same_scale(left.scale, right.scale)?;
        let mut difference = left.clone();
        for (difference, part) in difference.parts.iter_mut().zip(&right.parts) {
            difference.subtract_assign(self.context.ring(), part);
        }
        Ok(difference)
    }

    /// `-ciphertext`.
    ///
    /// # Errors
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn negate(&self, ciphertext: &Ciphertext) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        let mut negative = ciphertext.clone();
        for part in &mut negative.parts {
            part.negate(self.context.ring());
        }
        Ok(negative)
    }

    /// `ciphertext + plaintext`.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn add_plain(&self, ciphertext: &Ciphertext, plaintext: &Plaintext) -> Result<Ciphertext> {
        let mut sum = ciphertext.clone();
        self.add_plain_assign(&mut sum, plaintext)?;
        Ok(sum)
    }

    /// `sum += plaintext`.
    ///
    /// # Errors
    /// As [`Evaluator::add`].
    pub fn add_plain_assign(&self, sum: &mut Ciphertext, plaintext: &Plaintext) -> Result<()> {
        self.check(sum)?;
        self.context.check_parameters(plaintext.parameters)?;
        same_level(sum.level(), plaintext.level())?;
        same_scale(sum.scale, plaintext.scale)?;
        sum.parts[0].add_assign(self.context.ring(), &plaintext.polynomial);
        Ok(())
    }

    /// Adds one real number to every slot.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::Overflow`], [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn add_scalar(&self, ciphertext: &Ciphertext, scalar: f64) -> Result<Ciphertext> {
        let mut sum = ciphertext.clone();
        self.add_scalar_assign(&mut sum, scalar)?;
        Ok(sum)
    }

    /// Adds one real number to every slot of `sum`.
    ///
    /// # Errors
    /// As [`Evaluator::add_scalar`].
    pub fn add_scalar_assign(&self, sum: &mut Ciphertext, scalar: f64) -> Result<()> {
        self.check(sum)?;
        let integer = self.scaled_integer(scalar, sum.scale, sum.level())?;
        let ring = self.context.ring();
        for (row, m) in sum.parts[0].rows_mut().zip(ring.moduli()) {
            ring.kernels().add_constant(m, row, m.signed(integer));
        }
        Ok(())
    }

    /// `ciphertext * plaintext`, slot by slot; the scales multiply.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`], [`Error::Scale`] if the product of the scales does not fit the level,
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn multiply_plain(&self, ciphertext: &Ciphertext, plaintext: &Plaintext) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        self.context.check_parameters(plaintext.parameters)?;
        same_level(ciphertext.level(), plaintext.level())?;
        let mut product = ciphertext.clone();
        product.scale *= plaintext.scale;
        self.context.check_scale(product.scale, product.level())?;
        for part in &mut product.parts {
            part.multiply_assign(self.context.ring(), &plaintext.polynomial);
        }
        Ok(product)
    }

    /// Multiplies every slot by one real number, encoded at `scale`; the scales multiply.
    ///
    /// # Errors
    /// [`Error::Scale`], [`Error::NotFinite`], [`Error::Overflow`], [`Error::ForeignKey`],
    /// [`Error::ForeignParameters`].
    pub fn multiply_scalar(&self, ciphertext: &Ciphertext, scalar: f64, scale: f64) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        let mut product = ciphertext.clone();
        product.scale *= scale;
        self.context.check_scale(product.scale, product.level())?;
        let integer = self.scaled_integer(scalar, scale, product.level())?;
        let ring = self.context.ring();
        let factors: Vec<_> =
            ring.moduli()[..product.limbs()].iter().map(|m| m.factor(m.signed(integer))).collect();
        for part in &mut product.parts {
            part.scale(ring, &factors);
        }
        Ok(product)
    }

    /// `i * ciphertext`: exact, and at the same scale, since `X^(N/2)` has the value `i` in every slot.
    ///
    /// # Errors
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn multiply_by_i(&self, ciphertext: &Ciphertext) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        let ring = self.context.ring();
        let mut unit = vec![0; ring.degree()];
        unit[ring.degree() / 2] = 1;
        let unit = Polynomial::from_signed(ring, &unit, ciphertext.limbs()).into_ntt(ring);
        let mut product = ciphertext.clone();
        for part in &mut product.parts {
            part.multiply_assign(ring, &unit);
        }
        Ok(product)
    }

    /// The integer a constant polynomial stands for `scalar` with.
    pub(super) fn scaled_integer(&self, scalar: f64, scale: f64, level: usize) -> Result<i128> {
        if !scalar.is_finite() {
            return Err(Error::NotFinite { index: 0 });
        }
        let scaled = (scalar * scale).round();
        if scaled.abs() >= 120f64.exp2() || scaled.abs() >= self.context.largest_coefficient(level) {
            return Err(Error::Overflow { bits: bit_length(scaled), level });
        }
        Ok(scaled as i128)
    }
}
