//! Rotations and the conjugation, one by one or several of one ciphertext.

use super::Evaluator;
use super::key_switch::{Decomposition, switch};
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::keys::GaloisKey;
use std::fmt;
use veilbench_ring::GaloisElement;

/// A ciphertext whose decomposition is done: every rotation of it costs about half.
///
/// Halevi and Shoup, "Faster homomorphic linear transformations in HElib" (2018), section 4.
pub struct Hoisted<'a> {
    evaluator: &'a Evaluator,
    ciphertext: &'a Ciphertext,
    decomposition: Decomposition<'a>,
}

impl fmt::Debug for Hoisted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hoisted").field("ciphertext", self.ciphertext).finish_non_exhaustive()
    }
}

impl Evaluator {
    /// Rotates the slots left by `steps`, right if that is negative: slot `i` becomes what slot `i + steps` was.
    ///
    /// # Errors
    /// [`Error::NoGaloisKey`](crate::Error::NoGaloisKey) if that rotation was not requested,
    /// [`Error::KeyLevel`](crate::Error::KeyLevel) if it was for lower levels only,
    /// [`Error::ForeignKey`](crate::Error::ForeignKey),
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters).
    pub fn rotate(&self, ciphertext: &Ciphertext, steps: i64) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        if self.is_identity(steps) {
            return Ok(ciphertext.clone());
        }
        let key = self.keys.rotation(self.context.ring().degree(), steps, ciphertext.level())?;
        Ok(self.apply(ciphertext, key))
    }

    /// As [`Evaluator::rotate`], of a product that is not rescaled yet: with the key of [long digits](crate::LongDigits) if there is one for the level,
    /// whose noise is small beside the scale of a product and not beside that of other ciphertexts.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn rotate_product(&self, ciphertext: &Ciphertext, steps: i64) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        if self.is_identity(steps) {
            return Ok(ciphertext.clone());
        }
        let key = self.keys.rotation_of_product(self.context.ring().degree(), steps, ciphertext.level())?;
        Ok(self.apply(ciphertext, key))
    }

    /// Conjugates every slot.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn conjugate(&self, ciphertext: &Ciphertext) -> Result<Ciphertext> {
        self.check(ciphertext)?;
        let key = self.keys.conjugation(self.context.ring().degree(), ciphertext.level())?;
        Ok(self.apply(ciphertext, key))
    }

    /// Does the part of a rotation that does not depend on the steps.
    ///
    /// # Errors
    /// [`Error::ForeignKey`](crate::Error::ForeignKey),
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters).
    pub fn hoist<'a>(&'a self, ciphertext: &'a Ciphertext) -> Result<Hoisted<'a>> {
        self.check(ciphertext)?;
        let decomposition = Decomposition::new(&self.context, &ciphertext.parts[1]);
        Ok(Hoisted { evaluator: self, ciphertext, decomposition })
    }

    pub(crate) fn is_identity(&self, steps: i64) -> bool {
        GaloisElement::rotation(self.context.ring().degree(), steps) == GaloisElement(1)
    }

    fn apply(&self, ciphertext: &Ciphertext, key: &GaloisKey) -> Ciphertext {
        let [c0, c1] = &ciphertext.parts;
        let switched = switch(&self.context, c1, &key.switching);
        ciphertext.like(switched.rotated_quotient(c0, &key.automorphism))
    }
}

impl Hoisted<'_> {
    /// As [`Evaluator::rotate`].
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn rotate(&self, steps: i64) -> Result<Ciphertext> {
        if self.evaluator.is_identity(steps) {
            return Ok(self.ciphertext.clone());
        }
        let degree = self.evaluator.context.ring().degree();
        let key = self.evaluator.keys.rotation(degree, steps, self.ciphertext.level())?;
        let switched = self.decomposition.switch(&key.switching, || format!("rotation by {steps}"))?;
        let parts = switched.rotated_quotient(&self.ciphertext.parts[0], &key.automorphism);
        Ok(self.ciphertext.like(parts))
    }
}
