//! The rings `Z_q[X] / (X^N + 1)` over word-sized primes that the CKKS core and the two-party protocol compute in.
//!
//! # Concepts
//! [`Ring`] holds a degree, any primes that are 1 modulo twice of it, and their transforms; [`Polynomial`] has a row of residues per prime,
//! as coefficients or as values ([`Ntt`]), which its type tells apart. [`kernels`] does all arithmetic on rows, with the instructions that the
//! processor has; [`modulus`] is the same for single residues. [`sampling`] and [`random`] draw secrets, errors and uniform
//! rows; [`primes`] and [`security`] choose the ring. [`wiped`], [`scratch`] and [`parallel`] are memory and threads.
//!
//! ```
//! use veilbench_ring::{Polynomial, Ring, kernels::Kernels, primes};
//!
//! let ring = Ring::new(4096, &primes::find(4096, &[50, 50])?, Kernels::detect())?;
//! let [a, b] = [3, -5].map(|constant| {
//!     let mut coefficients = vec![0; 4096];
//!     coefficients[4095] = constant;
//!     Polynomial::from_signed(&ring, &coefficients, 2).into_ntt(&ring)
//! });
//! let mut product = a;
//! product.multiply_assign(&ring, &b);
//! // 3 X^4095 times -5 X^4095 is 15 X^4094, as X^4096 is -1.
//! assert_eq!(product.into_coefficients(&ring).limb(0)[4094], 15);
//! # Ok::<(), veilbench_ring::Error>(())
//! ```
//!
//! # Safety contract
//! Residues decide no branch and no address in the kernels, in the samplers and in transforms with AVX-512 IFMA; on other processors transforms are
//! those of `tfhe-ntt`, which makes no such promise but has no table look-ups or divisions in its loops. The arithmetic of single residues
//! ([`modulus`]) divides words: it is for public numbers, or where its caller says so. `unsafe` stands in the vector kernels alone; each has a portable twin
//! and tests that hold one to the other, value for value.
//!
//! # Non-goals
//! Encryption schemes, composite moduli, primes longer than 50 bits, rings that are not of degree 2^k.

pub mod kernels;
pub mod modulus;
pub mod parallel;
pub mod primes;
pub mod random;
pub mod sampling;
pub mod scratch;
pub mod security;
pub mod wiped;

mod error;
mod ring;

pub use error::Error;
pub use ring::{
    Automorphism, BaseConversion, Coefficients, Domain, GaloisElement, MAX_DEGREE, MIN_DEGREE, Ntt,
    Polynomial, Ring, zeroed,
};
