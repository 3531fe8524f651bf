//! Public keys, and what is encrypted and re-randomised with them.

use super::{KeyId, SecretKey};
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::Plaintext;
use crate::error::{Error, Result};
use crate::parameters::ParameterId;
use veilbench_ring::random::{Randomness, Seed, expand_uniform};
use veilbench_ring::sampling;
use veilbench_ring::{Ntt, Polynomial, Ring};

/// A key anyone may encrypt with: an encryption of zero under the secret key, over the data primes up to a level.
///
/// Its uniform half is named by a seed and expanded with ChaCha20, so that not even its owner can choose it.
#[derive(Clone)]
pub struct PublicKey {
    pub(crate) body: Polynomial<Ntt>,
    pub(crate) mask: Polynomial<Ntt>,
    pub(crate) seed: Seed,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Makes a public key of a secret key, for every level.
    pub fn generate(secret: &SecretKey, random: &mut Randomness) -> Self {
        Self::generate_for_level(secret, secret.context().parameters().max_level(), random)
    }

    /// Makes a public key for ciphertexts at a level and below; a level above the highest counts as the highest.
    pub fn generate_for_level(secret: &SecretKey, level: usize, random: &mut Randomness) -> Self {
        let context = secret.context();
        let ring = context.ring();
        let limbs = level.min(context.parameters().max_level()) + 1;
        let seed = random.array();
        let error = sampling::error(random, ring.degree());
        random.erase_past();
        let mut body = Polynomial::from_signed(ring, &error, limbs).into_ntt(ring);
        let mask = expand_mask(ring, &seed, limbs);
        let mut product = mask.clone();
        product.multiply_assign(ring, secret.polynomial());
        body.subtract_assign(ring, &product);
        product.zeroize();
        Self { body, mask, seed, key: secret.id(), parameters: context.parameters().id() }
    }

    /// The secret key this belongs to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The highest level it encrypts at.
    pub fn max_level(&self) -> usize {
        self.body.limbs() - 1
    }

    /// Encrypts with fresh randomness.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`], and [`Error::Level`] if the key is for lower levels.
    pub fn encrypt(
        &self,
        context: &Context,
        plaintext: &Plaintext,
        random: &mut Randomness,
    ) -> Result<Ciphertext> {
        context.check_parameters(plaintext.parameters)?;
        let mut parts = self.zero(context, plaintext.level(), random)?;
        parts[0].add_assign(context.ring(), &plaintext.polynomial);
        Ok(Ciphertext { parts, scale: plaintext.scale, key: self.key, parameters: self.parameters })
    }

    /// Adds a fresh encryption of zero: the same values and another `c1`, which says nothing about how the
    /// ciphertext came about. What it decrypts to differs by the noise of a public-key encryption alone: noise that
    /// was there before is not hidden.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`], [`Error::ForeignKey`], and [`Error::Level`] if the key is for lower levels.
    pub fn rerandomise(
        &self,
        context: &Context,
        ciphertext: &mut Ciphertext,
        random: &mut Randomness,
    ) -> Result<()> {
        context.check_parameters(ciphertext.parameters)?;
        self.key.check(ciphertext.key)?;
        let mut zero = self.zero(context, ciphertext.level(), random)?;
        for (part, fresh) in ciphertext.parts.iter_mut().zip(&mut zero) {
            part.add_assign(context.ring(), fresh);
            fresh.zeroize();
        }
        Ok(())
    }

    /// An encryption of zero at a level.
    fn zero(&self, context: &Context, level: usize, random: &mut Randomness) -> Result<[Polynomial<Ntt>; 2]> {
        context.check_parameters(self.parameters)?;
        if level > self.max_level() {
            return Err(Error::Level { level, max: self.max_level() });
        }
        let (ring, limbs) = (context.ring(), level + 1);
        let ephemeral = sampling::ternary(random, ring.degree());
        let mut ephemeral = Polynomial::from_signed(ring, &ephemeral, limbs).into_ntt(ring);
        let mut parts = [(); 2].map(|()| {
            let error = sampling::error(random, ring.degree());
            Polynomial::from_signed(ring, &error, limbs).into_ntt(ring)
        });
        random.erase_past();
        parts[0].multiply_add(ring, &ephemeral, &self.body);
        parts[1].multiply_add(ring, &ephemeral, &self.mask);
        ephemeral.zeroize();
        Ok(parts)
    }
}

/// The public uniform polynomial of a seed over the first `limbs` primes: stream `i` of the seed is limb `i`.
pub(crate) fn expand_mask(ring: &Ring, seed: &Seed, limbs: usize) -> Polynomial<Ntt> {
    let mut mask = Polynomial::unspecified(ring, limbs);
    mask.for_each_expanded_row(|index, row| expand_uniform(ring.modulus(index), seed, index as u64, row));
    mask
}
