//! Results in a ring of half the degree, under a secret of its own: half the bytes of a [folded](crate::FoldedCiphertext) ciphertext.
//!
//! Gentry, Halevi, Peikert, Smart, "Field switching in BGV-style homomorphic encryption", 2013. A key switch takes a ciphertext from `s`
//! to `t = s'(X^2)`, with `s'` of degree `N / 2`. The even coefficients of `c0 + c1 t` are those of `c0` and, since `t` has none but even
//! powers, the product of the even coefficients of `c1` with `s'` in the ring of degree `N / 2`; those of a folded
//! vector are among them.
//!
//! # Security
//! The key encrypts `P s` under `t` modulo `q0 P`, with `q0` the first data prime and `P` the special ones. Its even and its odd coefficients
//! are an encryption each under `s'` in the smaller ring, of uniform masks and errors of their own, so that it hides `s` as ring learning with
//! errors in degree `N / 2` does: `q0 P` must be within the table there ([`Parameters::has_half_secrets`](crate::Parameters::has_half_secrets)). Nothing encrypts `s'`.

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluator::{Evaluator, same_level, switch};
use crate::folded::{decoded, powers};
use crate::keys::{DigitLength, KeyId, SecretKey, SeededSwitchingKey, SwitchingKey};
use crate::parameters::ParameterId;
use std::fmt;
use veilbench_ring::kernels::Transforms;
use veilbench_ring::random::Randomness;
use veilbench_ring::{Ntt, Polynomial, sampling};
use zeroize::Zeroizing;

/// A uniform ternary secret of half the degree, for results alone. It is wiped when dropped and prints as its id alone.
pub struct HalfSecret {
    context: Context,
    transforms: Transforms,
    coefficients: Zeroizing<Vec<i64>>,
    /// Its values at the roots modulo the first prime.
    values: Zeroizing<Vec<u64>>,
    id: KeyId,
}

/// A key that takes results to a [`HalfSecret`], as it is sent: half of it is a seed. It is public.
pub struct SeededHalvingKey {
    pub(crate) switching: SeededSwitchingKey,
    pub(crate) from: KeyId,
    pub(crate) to: KeyId,
    pub(crate) parameters: ParameterId,
}

/// The same, ready for use.
pub struct HalvingKey {
    switching: SwitchingKey,
    from: KeyId,
    to: KeyId,
    parameters: ParameterId,
}

/// The mean of the rotations of a ciphertext at level 0 by all multiples of a period, under a [`HalfSecret`].
#[derive(Clone)]
pub struct HalvedCiphertext {
    /// The coefficients of `c0` that the mean has.
    pub(crate) body: Vec<u64>,
    /// Those of `c1` in the smaller ring.
    pub(crate) mask: Vec<u64>,
    pub(crate) scale: f64,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

impl fmt::Debug for HalfSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HalfSecret").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for SeededHalvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededHalvingKey")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HalvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HalvingKey").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

impl fmt::Debug for HalvedCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HalvedCiphertext")
            .field("period", &self.period())
            .field("log2_scale", &self.scale.log2())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl HalfSecret {
    /// Samples a secret.
    ///
    /// # Errors
    /// [`Error::Insecure`] if the key to it would have less than 128 bits.
    pub fn generate(context: &Context, random: &mut Randomness) -> Result<Self> {
        context.parameters().check_half_secrets()?;
        Self::sample(context, random)
    }

    /// Without the check.
    pub(crate) fn sample(context: &Context, random: &mut Randomness) -> Result<Self> {
        let ring = context.ring();
        let degree = ring.degree() / 2;
        let m = ring.modulus(0);
        let transforms = Transforms::new(ring.kernels(), degree, m)
            .ok_or(Error::TooFewPrimes { degree, bits: m.bits() })?;
        let coefficients = sampling::ternary(random, degree);
        let mut values = Zeroizing::new(vec![0; degree]);
        ring.kernels().reduce_signed(m, &coefficients, &mut values);
        transforms.forward(&mut values);
        let id = KeyId(random.array());
        random.erase_past();
        Ok(Self { context: context.clone(), transforms, coefficients, values, id })
    }

    /// The public name of this secret.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// `s'(X^2)`, over all primes. The caller wipes it.
    pub(crate) fn in_large_ring(&self) -> Polynomial<Ntt> {
        let ring = self.context.ring();
        let mut spread = Zeroizing::new(vec![0; ring.degree()]);
        spread.iter_mut().step_by(2).zip(self.coefficients.iter()).for_each(|(out, &own)| *out = own);
        Polynomial::from_signed(ring, &spread, ring.moduli().len()).into_ntt(ring)
    }

    /// Makes the key that takes results under a secret key to this one.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn halving_key(&self, secret: &SecretKey, random: &mut Randomness) -> Result<SeededHalvingKey> {
        let context = secret.context();
        context.check_parameters(self.context.parameters().id())?;
        let mut target = self.in_large_ring();
        let keys = [secret.polynomial(), &target];
        let switching = SeededSwitchingKey::generate(secret, keys, 1, DigitLength::Short, random);
        target.zeroize();
        random.erase_past();
        Ok(SeededHalvingKey {
            switching,
            from: secret.id(),
            to: self.id,
            parameters: context.parameters().id(),
        })
    }

    /// The slots of one period, decrypted and decoded: what [`SecretKey::decrypt`] says of decryptions holds.
    ///
    /// # Errors
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`], and [`Error::Undecodable`] if a value would not be finite.
    pub fn decrypt(&self, halved: &HalvedCiphertext) -> Result<Vec<f64>> {
        self.context.check_parameters(halved.parameters)?;
        self.id.check(halved.key)?;
        let ring = self.context.ring();
        let m = ring.modulus(0);
        let mut product = Zeroizing::new(halved.mask.clone());
        self.transforms.forward(&mut product);
        ring.kernels().multiply_assign(m, &mut product, &self.values);
        self.transforms.inverse(&mut product, m.factor(m.invert(self.values.len() as u64)));
        decoded(&self.context, &product, &halved.body, halved.scale)
    }
}

impl SeededHalvingKey {
    /// The secret key whose ciphertexts it takes.
    pub fn from(&self) -> KeyId {
        self.from
    }

    /// Expands the seed.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn expand(self, context: &Context) -> Result<HalvingKey> {
        context.check_parameters(self.parameters)?;
        let switching = self.switching.expand(context);
        Ok(HalvingKey { switching, from: self.from, to: self.to, parameters: self.parameters })
    }
}

impl HalvedCiphertext {
    /// After how many slots the vector repeats.
    pub fn period(&self) -> usize {
        self.body.len() / 2
    }

    /// The factor between slot values and what is encrypted.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The secret this belongs to.
    pub fn key(&self) -> KeyId {
        self.key
    }
}

impl Context {
    /// Whether the smaller ring has vectors of a period.
    pub(crate) fn check_halved_period(&self, period: usize) -> Result<()> {
        self.check_period(period)?;
        let slots = self.parameters().slots() / 2;
        if period <= slots {
            return Ok(());
        }
        Err(Error::Shape { reason: format!("a period of {period} in {slots} slots of the smaller ring") })
    }
}

impl Evaluator {
    /// As [`Evaluator::fold`], in the smaller ring.
    ///
    /// # Errors
    /// As [`Evaluator::fold`], with [`Error::Shape`] also for a period of all slots.
    pub fn halve(
        &self,
        ciphertext: &Ciphertext,
        period: usize,
        key: &HalvingKey,
    ) -> Result<HalvedCiphertext> {
        let context = self.context();
        self.check(ciphertext)?;
        key.from.check(ciphertext.key)?;
        context.check_parameters(key.parameters)?;
        same_level(ciphertext.level(), 0)?;
        context.check_halved_period(period)?;
        let ring = context.ring();
        let [c0, c1] = &ciphertext.parts;
        let mut parts = [c0.clone(), Polynomial::zero(ring, 1)];
        switch(context, c1, &key.switching).add_quotient(&mut parts);
        let [body, mask] = parts.each_mut().map(|part| {
            let row = part.limb_mut(0);
            ring.inverse(0, row);
            &*row
        });
        Ok(HalvedCiphertext {
            body: powers(body, period).collect(),
            mask: mask.iter().copied().step_by(2).collect(),
            scale: ciphertext.scale,
            key: key.to,
            parameters: ciphertext.parameters,
        })
    }
}
