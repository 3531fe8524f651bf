//! Secret keys, and what is encrypted and decrypted with them.

use super::KeyId;
use crate::ciphertext::{Ciphertext, SeededCiphertext};
use crate::context::Context;
use crate::encoding::Plaintext;
use crate::error::Result;
use std::fmt;
use veilbench_ring::random::{Randomness, expand_uniform};
use veilbench_ring::sampling;
use veilbench_ring::{Ntt, Polynomial};
use zeroize::Zeroizing;

/// A uniform ternary secret. It is wiped when dropped and prints as its id alone.
pub struct SecretKey {
    context: Context,
    /// Over all primes, the special ones included.
    polynomial: Polynomial<Ntt>,
    id: KeyId,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.polynomial.zeroize();
    }
}

impl SecretKey {
    /// Samples a key.
    pub fn generate(context: &Context, random: &mut Randomness) -> Self {
        let ring = context.ring();
        let coefficients = sampling::ternary(random, ring.degree());
        let polynomial = Polynomial::from_signed(ring, &coefficients, ring.moduli().len()).into_ntt(ring);
        let id = KeyId(random.array());
        random.erase_past();
        Self { context: context.clone(), polynomial, id }
    }

    /// The public name of this key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The context the key was made for.
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn polynomial(&self) -> &Polynomial<Ntt> {
        &self.polynomial
    }

    /// Encrypts with fresh randomness. Half of the ciphertext is a seed, so it takes half the bytes of a
    /// public-key ciphertext and carries less noise.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters).
    pub fn encrypt(&self, plaintext: &Plaintext, random: &mut Randomness) -> Result<SeededCiphertext> {
        self.context.check_parameters(plaintext.parameters)?;
        let ring = self.context.ring();
        let limbs = plaintext.polynomial.limbs();
        let seed = random.array();
        let error = sampling::error(random, ring.degree());
        random.erase_past();
        let mut body = Polynomial::from_signed(ring, &error, limbs).into_ntt(ring);
        body.add_assign(ring, &plaintext.polynomial);
        body.for_each_expanded_row(|index, row| {
            let m = ring.modulus(index);
            // Holds products with the secret, so it is wiped.
            let mut mask = Zeroizing::new(vec![0; ring.degree()]);
            expand_uniform(m, &seed, index as u64, &mut mask);
            ring.kernels().multiply_assign(m, &mut mask, self.polynomial.limb(index));
            ring.kernels().subtract_assign(m, row, &mask);
        });
        Ok(SeededCiphertext {
            body,
            seed,
            scale: plaintext.scale,
            key: self.id,
            parameters: self.context.parameters().id(),
        })
    }

    /// Decrypts; the result still carries the noise.
    ///
    /// Approximate decryptions reveal the key: whoever has the ciphertext and all that it decodes to solves a
    /// linear equation for it (Li and Micciancio, "On the security of homomorphic encryption on approximate
    /// numbers", 2021). Do not hand them out.
    ///
    /// # Errors
    /// [`Error::ForeignKey`](crate::Error::ForeignKey) if the ciphertext belongs to another key,
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters) if to other parameters.
    pub fn decrypt(&self, ciphertext: &Ciphertext) -> Result<Plaintext> {
        self.context.check_parameters(ciphertext.parameters)?;
        self.id.check(ciphertext.key)?;
        let ring = self.context.ring();
        let mut polynomial = ciphertext.parts[0].clone();
        polynomial.multiply_add(ring, &ciphertext.parts[1], &self.polynomial);
        Ok(Plaintext { polynomial, scale: ciphertext.scale, parameters: ciphertext.parameters })
    }
}
