use super::{KeyId, SecretKey};
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::Plaintext;
use crate::error::Result;
use crate::parameters::ParameterId;
use crate::random::{Randomness, Seed, expand_uniform};
use crate::ring::{Ntt, Polynomial, Ring};
use crate::sampling;

/// A key anyone may encrypt with: an encryption of zero under the secret key, over the data primes.
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
    /// Makes a public key of a secret key.
    pub fn generate(secret: &SecretKey, random: &mut Randomness) -> Self {
        let context = secret.context();
        let ring = context.ring();
        let seed = random.array();
        let error = sampling::error(random, ring.degree());
        random.erase_past();
        let mut body = Polynomial::from_signed(ring, &error, ring.data()).into_ntt(ring);
        let mask = expand_mask(ring, &seed, ring.data());
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

    /// Encrypts with fresh randomness.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters).
    pub fn encrypt(
        &self,
        context: &Context,
        plaintext: &Plaintext,
        random: &mut Randomness,
    ) -> Result<Ciphertext> {
        context.check_parameters(self.parameters)?;
        context.check_parameters(plaintext.parameters)?;
        let (ring, limbs) = (context.ring(), plaintext.polynomial.limbs());
        let ephemeral = sampling::ternary(random, ring.degree());
        let mut ephemeral = Polynomial::from_signed(ring, &ephemeral, limbs).into_ntt(ring);
        let mut parts = [(); 2].map(|()| {
            let error = sampling::error(random, ring.degree());
            Polynomial::from_signed(ring, &error, limbs).into_ntt(ring)
        });
        random.erase_past();
        parts[0].add_assign(ring, &plaintext.polynomial);
        parts[0].multiply_add(ring, &ephemeral, &self.body);
        parts[1].multiply_add(ring, &ephemeral, &self.mask);
        ephemeral.zeroize();
        Ok(Ciphertext { parts, scale: plaintext.scale, key: self.key, parameters: self.parameters })
    }
}

/// The public uniform polynomial of a seed over the first `limbs` primes: stream `i` of the seed is limb `i`.
pub(crate) fn expand_mask(ring: &Ring, seed: &Seed, limbs: usize) -> Polynomial<Ntt> {
    let mut mask = Polynomial::unspecified(ring, limbs);
    mask.for_each_expanded_row(|index, row| expand_uniform(ring.modulus(index), seed, index as u64, row));
    mask
}
