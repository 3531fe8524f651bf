//! Approximate arithmetic on encrypted vectors: full-RNS CKKS with hybrid key switching, and linear algebra on it.
//!
//! # Concepts
//! [`Parameters`] fix the ring `Z[X] / (X^N + 1)` and a chain of primes; [`Context`] holds everything computed
//! from them. A vector of up to `N / 2` numbers is *encoded* at a *scale* into a [`Plaintext`] and encrypted
//! into a [`Ciphertext`] at a *level*: how many primes it still has to spare. Products multiply the scales;
//! [`Evaluator::rescale`] divides by the last prime, which brings scale and level down. Additions and rotations
//! are free of that. Products and rotations need [`EvaluationKeys`], generated for exactly what a
//! [`KeyRequest`] lists.
//!
//! ```
//! use std::sync::Arc;
//! use veilbench_ckks::*;
//!
//! # fn main() -> Result<()> {
//! let parameters = Parameters::new(&ParameterRequest {
//!     degree: 8192,
//!     data_prime_bits: &[50, 40, 40],
//!     special_prime_bits: &[50],
//!     digits: 3,
//! })?;
//! let context = Context::new(parameters);
//! let mut random = Randomness::from_system()?;
//!
//! // The owner of the data.
//! let secret = SecretKey::generate(&context, &mut random);
//! let request = KeyRequest { relinearisation: true, rotations: [1].into(), ..KeyRequest::default() };
//! let key_bytes = SeededEvaluationKeys::generate(&secret, &request, &mut random).to_bytes(&context)?;
//! let plaintext = context.encode(&[0.5, -0.25, 3.0], 2f64.powi(40), 2)?;
//! let question = secret.encrypt(&plaintext, &mut random)?.to_bytes(&context)?;
//!
//! // Whoever computes sees bytes.
//! let keys = SeededEvaluationKeys::from_bytes(&context, &key_bytes)?.expand(&context)?;
//! let evaluator = Evaluator::new(&context, Arc::new(keys))?;
//! let x = SeededCiphertext::from_bytes(&context, &question)?.expand(&context)?;
//! let squares = evaluator.rescale(&evaluator.square(&x)?)?;
//! let sums = evaluator.add(&squares, &evaluator.rotate(&squares, 1)?)?;
//! let answer = evaluator.drop_to_level(&sums, 0)?.to_bytes(&context)?;
//!
//! // The owner again.
//! let values = context.decode(&secret.decrypt(&Ciphertext::from_bytes(&context, &answer)?)?)?;
//! assert!((values[0] - 0.3125).abs() < 1e-5);
//! # Ok(())
//! # }
//! ```
//!
//! # Threat model
//! Ciphertexts and evaluation keys hide values from whoever computes on them, who is trusted to compute what was
//! asked (semi-honest): nothing here proves that it did. Security rests on ring learning with errors at 128 bits
//! against classical attacks, by the table of [`max_modulus_bits`]; less is refused by every constructor and
//! decoder whose name does not say `insecure`. Evaluation keys encrypt functions of the very key they are under,
//! which is assumed to be safe (circular security, as everywhere in this field): of the key `s` and its conjugate `s'`, the square `s^2` and
//! the automorphic images of `s` under `s`, and for sums of squares of [pairs](Context::encode_pairs) `s s'` under `s` and `-s^2` under `s'`. A key to a [`HalfSecret`] encrypts `s` under another secret, within the table for half
//! the degree, and nothing encrypts that one. All of it assumes chosen-plaintext attackers. Decryptions of CKKS carry
//! noise that depends on the key: all slots of one of them, decoded at full precision, and its ciphertext give the
//! whole key by solving a linear equation (the attack of Li and Micciancio, 2021). The owner of the key must not
//! show them to whoever may have seen the ciphertext. Values that are to be shown are decoded by [`Context::decode_for_release`]: with noise
//! ([`Flooding`]) for as many as will be shown under the key and for an error that its owner can vouch for.
//!
//! What depends on a secret (sampling, encryption, decryption and the encoding of small values) takes no branch
//! and no address from it. Transforms with AVX-512 IFMA keep to that too; on other processors they are those of
//! `tfhe-ntt`, which makes no such promise but has no table look-ups or divisions in its loops. The embedding computes in
//! doubles, whose operations processors may time by
//! value (subnormal numbers). Keys, errors, generators and plaintexts are wiped when dropped; decoded
//! vectors are the caller's. Levels, scales, sizes, the key id and whether a coefficient exceeds 50 bits are public.
//!
//! # Safety contract
//! There is no `unsafe` here: the vector kernels are those of `veilbench-ring`.
//!
//! # Non-goals
//! Bootstrapping, exact schemes (BFV, BGV), threshold keys, circuit privacy (the noise of a result may tell its decryptor
//! more about the circuit than the values do; [`PublicKey::rerandomise`] hides what the ciphertext itself would tell),
//! verifiable computation, and primes longer than 50 bits.

mod chain;
mod ciphertext;
mod context;
mod diagnostics;
mod encoding;
mod error;
mod evaluator;
mod folded;
mod halved;
mod keys;
mod linear;
mod parameters;
mod release;
mod wire;

pub use ciphertext::{Ciphertext, SeededCiphertext};
pub use context::{Context, packed_bytes};
pub use diagnostics::precision_bits;
pub use encoding::Plaintext;
pub use encoding::pairs::DecodedPairs;
pub use error::{Error, Result};
pub use evaluator::{
    Chebyshev, Evaluator, Hoisted, MAX_CHEBYSHEV_DEGREE, WeightedBlock, chebyshev_depth, chebyshev_products,
};
pub use folded::FoldedCiphertext;
pub use halved::{HalfSecret, HalvedCiphertext, HalvingKey, SeededHalvingKey};
pub use keys::{
    EvaluationKeys, KeyId, KeyLevels, KeyRequest, LongDigits, PairSquares, PublicKey, SecretKey,
    SeededEvaluationKeys,
};
pub use linear::chain_outline::ChainOutline;
pub use linear::outline::TransformOutline;
pub use linear::streamed_transform::{StreamedTransform, Subrings};
pub use linear::transform::{Diagonals, Transform};
pub use parameters::{ParameterId, ParameterRequest, Parameters, SECURITY_BITS, max_modulus_bits};
pub use release::Flooding;
pub use veilbench_ring::kernels::Instructions;
pub use veilbench_ring::random::Randomness;
pub use veilbench_ring::sampling::ERROR_DEVIATION;
