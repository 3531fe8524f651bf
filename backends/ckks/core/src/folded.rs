//! Ciphertexts of which only sums of rotations can be read: the results of a dense layer, in half the bytes.
//!
//! The sum of all rotations of a vector by multiples of a period `P` repeats after `P` slots, and so is a polynomial in
//! `Y = X^(N / 2P)` (Gentry, Halevi, Peikert, Smart, "Field switching in BGV-style homomorphic encryption", 2013). The mean of these
//! rotations has the coefficients of the vector's own polynomial at the powers of `Y`, and zeros elsewhere: `2 P` coefficients, which
//! are linear in `2 P` coefficients of `c0` and in all of `c1`. What is sent is those and no others, so that no rotation has to be
//! computed, and of `c0 + c1 s` the receiver has those coefficients alone. `c1` comes from what was computed with: it hides that only after
//! [`PublicKey::rerandomise`](crate::PublicKey::rerandomise), as that of any other result.

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::embedding::{ComplexVector, Embedding};
use crate::error::{Error, Result};
use crate::evaluator::{Evaluator, same_level};
use crate::keys::{KeyId, SecretKey};
use crate::parameters::ParameterId;
use std::fmt;
use std::mem::take;
use veilbench_ring::{Ntt, Polynomial};
use zeroize::Zeroizing;

/// The mean of the rotations of a ciphertext at level 0 by all multiples of a period.
#[derive(Clone)]
pub struct FoldedCiphertext {
    /// The coefficients of `c0` that the mean has, one for each power of `Y`.
    pub(crate) body: Vec<u64>,
    pub(crate) mask: Polynomial<Ntt>,
    pub(crate) scale: f64,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

impl fmt::Debug for FoldedCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoldedCiphertext")
            .field("period", &self.period())
            .field("log2_scale", &self.scale.log2())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl FoldedCiphertext {
    /// After how many slots the vector repeats.
    pub fn period(&self) -> usize {
        self.body.len() / 2
    }

    /// The factor between slot values and what is encrypted.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The secret key this belongs to.
    pub fn key(&self) -> KeyId {
        self.key
    }
}

impl Context {
    /// Whether there are vectors of a period: a power of two from 4 to the slots.
    pub(crate) fn check_period(&self, period: usize) -> Result<()> {
        let slots = self.parameters().slots();
        if period.is_power_of_two() && (FoldedCiphertext::LEAST_PERIOD..=slots).contains(&period) {
            return Ok(());
        }
        Err(Error::Shape { reason: format!("a period of {period} in {slots} slots") })
    }
}

impl FoldedCiphertext {
    /// The shortest period: its coefficients fill a packed block.
    pub const LEAST_PERIOD: usize = 4;
}

impl Evaluator {
    /// The mean of the rotations by all multiples of a period: of the sum, multiply by their number before the last rescaling.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] above level 0, [`Error::Shape`] for no power of two from [`FoldedCiphertext::LEAST_PERIOD`] to the
    /// slots, [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn fold(&self, ciphertext: &Ciphertext, period: usize) -> Result<FoldedCiphertext> {
        self.check(ciphertext)?;
        same_level(ciphertext.level(), 0)?;
        self.context().check_period(period)?;
        let [c0, c1] = &ciphertext.parts;
        let ring = self.context().ring();
        let mut coefficients = c0.limb(0).to_vec();
        ring.inverse(0, &mut coefficients);
        Ok(FoldedCiphertext {
            body: powers(&coefficients, period).collect(),
            mask: c1.clone(),
            scale: ciphertext.scale,
            key: ciphertext.key,
            parameters: ciphertext.parameters,
        })
    }
}

/// The coefficients at the powers of `Y`.
pub(crate) fn powers(coefficients: &[u64], period: usize) -> impl Iterator<Item = u64> {
    coefficients.iter().copied().step_by(coefficients.len() / (2 * period))
}

impl SecretKey {
    /// The slots of one period, decrypted and decoded: what [`SecretKey::decrypt`] says of decryptions holds.
    ///
    /// # Errors
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`], and [`Error::Undecodable`] if a value would not be finite.
    pub fn decrypt_folded(&self, folded: &FoldedCiphertext) -> Result<Vec<f64>> {
        let context = self.context();
        context.check_parameters(folded.parameters)?;
        self.id().check(folded.key)?;
        let ring = context.ring();
        let m = ring.modulus(0);
        let mut product = Zeroizing::new(folded.mask.limb(0).to_vec());
        ring.kernels().multiply_assign(m, &mut product, self.polynomial().limb(0));
        ring.inverse(0, &mut product);
        decoded(context, &product, &folded.body, folded.scale)
    }
}

/// The slots of one period of what is a product with a secret, coefficient by coefficient, and a body.
pub(crate) fn decoded(context: &Context, product: &[u64], body: &[u64], scale: f64) -> Result<Vec<f64>> {
    let (ring, period) = (context.ring(), body.len() / 2);
    let m = ring.modulus(0);
    let mut phase = Zeroizing::new(powers(product, period).collect::<Vec<_>>());
    ring.kernels().add_assign(m, &mut phase, body);
    // Without a branch: they belong to a secret message.
    let centred = |&value: &u64| (value as i64 - m.value() as i64 * i64::from(value > m.value() / 2)) as f64;
    let (low, high) = phase.split_at(period);
    let [real, imaginary] = [low, high].map(|part| part.iter().map(centred).collect());
    let mut values = ComplexVector { real, imaginary };
    Embedding::new(period).to_slots(&mut values);
    values.real.iter_mut().for_each(|value| *value /= scale);
    if !values.real.iter().all(|value| value.is_finite()) {
        return Err(Error::Undecodable);
    }
    Ok(take(&mut values.real))
}
