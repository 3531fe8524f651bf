//! RNS-CKKS homomorphic encryption and encrypted linear algebra.

mod ciphertext;
mod context;
mod diagnostics;
mod embedding;
mod encoding;
mod error;
mod evaluator;
mod kernels;
mod keys;
mod matrix;
mod modulus;
mod parameters;
mod polynomial_evaluation;
mod random;
mod ring;
mod sampling;
mod scratch;
mod wire;

pub use ciphertext::{Ciphertext, SeededCiphertext};
pub use context::Context;
pub use diagnostics::precision_bits;
pub use encoding::Plaintext;
pub use error::{Error, Result};
pub use evaluator::{Evaluator, Hoisted};
pub use keys::{EvaluationKeys, KeyId, KeyRequest, PublicKey, SecretKey, SeededEvaluationKeys};
pub use matrix::Matrix;
pub use parameters::{ParameterId, ParameterRequest, Parameters, SECURITY_BITS, max_modulus_bits};
pub use polynomial_evaluation::polynomial_depth;
pub use random::Randomness;
