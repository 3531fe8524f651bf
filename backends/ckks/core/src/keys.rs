//! Secret, public and evaluation keys.

mod evaluation;
mod pairs;
mod public;
mod secret;
mod switching;

pub use evaluation::{EvaluationKeys, KeyLevels, KeyRequest, LongDigits, SeededEvaluationKeys};
pub use pairs::PairSquares;
pub use public::PublicKey;
pub use secret::SecretKey;

pub(crate) use evaluation::{GaloisKey, PAIR_SUMS, SeededGaloisKey};
pub(crate) use pairs::{PairKeys, SeededPairKeys};
pub(crate) use public::expand_mask;
pub(crate) use switching::{DigitLength, SeededSwitchingKey, SwitchingKey};

use crate::error::{Error, Result};
use std::fmt;

/// A random name of a secret key, carried by all that belongs to it. It says nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) [u8; 16]);

impl KeyId {
    /// The name itself: fresh with every key, known to all who hold anything that belongs to it.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    pub(crate) fn check(self, found: Self) -> Result<()> {
        if self == found { Ok(()) } else { Err(Error::ForeignKey { expected: self, found }) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests;
