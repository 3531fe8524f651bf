//! RNS-CKKS homomorphic encryption and encrypted linear algebra.

mod error;
mod kernels;
mod modulus;
mod parameters;
mod ring;

pub use error::{Error, Result};
pub use parameters::{ParameterId, ParameterRequest, Parameters, SECURITY_BITS, max_modulus_bits};

/// .
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 16]);
impl std::fmt::Display for KeyId { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{:?}", self.0) } }
