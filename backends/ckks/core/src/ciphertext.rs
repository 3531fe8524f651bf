//! Encrypted vectors, as they are computed with and as they are sent.

use crate::context::Context;
use crate::error::Result;
use crate::keys::{KeyId, expand_mask};
use crate::parameters::ParameterId;
use std::fmt;
use veilbench_ring::random::Seed;
use veilbench_ring::{Ntt, Polynomial};

/// An encrypted vector: `c0 + c1 s` is a plaintext polynomial and noise.
#[derive(Clone)]
pub struct Ciphertext {
    pub(crate) parts: [Polynomial<Ntt>; 2],
    pub(crate) scale: f64,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

/// A fresh symmetric ciphertext as it is sent: the uniform half is its seed.
#[derive(Clone)]
pub struct SeededCiphertext {
    pub(crate) body: Polynomial<Ntt>,
    pub(crate) seed: Seed,
    pub(crate) scale: f64,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ciphertext")
            .field("level", &self.level())
            .field("log2_scale", &self.scale.log2())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SeededCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededCiphertext")
            .field("level", &(self.body.limbs() - 1))
            .field("log2_scale", &self.scale.log2())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Ciphertext {
    /// The level: how often this can still be rescaled.
    pub fn level(&self) -> usize {
        self.limbs() - 1
    }

    /// The factor between slot values and what is encrypted.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The secret key this belongs to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    pub(crate) fn limbs(&self) -> usize {
        self.parts[0].limbs()
    }

    /// A ciphertext with the scale, key and parameters of this one.
    pub(crate) fn like(&self, parts: [Polynomial<Ntt>; 2]) -> Self {
        Self { parts, scale: self.scale, key: self.key, parameters: self.parameters }
    }
}

impl SeededCiphertext {
    /// The secret key this belongs to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Expands the seed.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`](crate::Error::ForeignParameters).
    pub fn expand(self, context: &Context) -> Result<Ciphertext> {
        context.check_parameters(self.parameters)?;
        let mask = expand_mask(context.ring(), &self.seed, self.body.limbs());
        Ok(Ciphertext {
            parts: [self.body, mask],
            scale: self.scale,
            key: self.key,
            parameters: self.parameters,
        })
    }
}
