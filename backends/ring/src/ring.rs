//! The ring `Z_m[X] / (X^N + 1)` for every one of some primes `m`.

mod automorphism;
mod conversion;
mod polynomial;
#[cfg(test)]
mod tests;

pub use automorphism::{Automorphism, GaloisElement};
pub use conversion::BaseConversion;
pub use polynomial::{Coefficients, Domain, Ntt, Polynomial};

use crate::Error;
use crate::kernels::{Kernels, Transforms};
use crate::modulus::{Factor, MAX_PRIME_BITS, Modulus};
use crate::primes::is_prime;
use crate::scratch::ScratchPool;
use aligned_vec::AVec;
use std::sync::Arc;

/// The smallest degree, which is for tests.
pub const MIN_DEGREE: usize = 16;
/// The largest degree.
pub const MAX_DEGREE: usize = 65_536;

/// Refuses degrees that are no power of two, too small or too large.
pub(crate) fn check_degree(degree: usize) -> Result<(), Error> {
    if degree.is_power_of_two() && (MIN_DEGREE..=MAX_DEGREE).contains(&degree) {
        return Ok(());
    }
    Err(Error::Degree { degree, min: MIN_DEGREE, max: MAX_DEGREE })
}

/// A zeroed row or rows of residues, aligned to cache lines.
pub fn zeroed(length: usize) -> AVec<u64> {
    let mut row = AVec::with_capacity(64, length);
    row.resize(length, 0);
    row
}

/// A degree and moduli, with their transforms.
#[derive(Debug)]
pub struct Ring {
    degree: usize,
    moduli: Vec<Modulus>,
    transforms: Vec<Transforms>,
    inverse_degree: Vec<Factor>,
    kernels: Kernels,
    zero_row: AVec<u64>,
    polynomials: Arc<ScratchPool>,
}

impl Ring {
    /// The ring of these primes, in their order.
    ///
    /// # Errors
    /// [`Error::Degree`] unless the degree is a power of two from 16 to 65,536; [`Error::Prime`] unless all are distinct primes, 1 modulo twice
    /// the degree, of at most 50 bits.
    pub fn new(degree: usize, primes: &[u64], kernels: Kernels) -> Result<Self, Error> {
        check_degree(degree)?;
        let step = 2 * degree as u64;
        let mut moduli = Vec::with_capacity(primes.len());
        let mut transforms = Vec::with_capacity(primes.len());
        for (index, &value) in primes.iter().enumerate() {
            let refused = Error::Prime { value, max_bits: MAX_PRIME_BITS, step };
            if value >> MAX_PRIME_BITS != 0 || !is_prime(value) || primes[..index].contains(&value) {
                return Err(refused);
            }
            let modulus = Modulus::new(value);
            transforms.push(Transforms::new(kernels, degree, &modulus).ok_or(refused)?);
            moduli.push(modulus);
        }
        Ok(Self {
            degree,
            inverse_degree: moduli.iter().map(|m| m.factor(m.invert(degree as u64 % m.value()))).collect(),
            moduli,
            transforms,
            kernels,
            zero_row: zeroed(degree),
            polynomials: Arc::default(),
        })
    }

    /// The degree `N`.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// A row of zeros.
    pub fn zero_row(&self) -> &[u64] {
        &self.zero_row
    }

    /// Where polynomials have their memory from.
    pub fn polynomials(&self) -> &Arc<ScratchPool> {
        &self.polynomials
    }

    /// The moduli, in their order.
    pub fn moduli(&self) -> &[Modulus] {
        &self.moduli
    }

    /// A modulus, by its number.
    pub fn modulus(&self, index: usize) -> &Modulus {
        &self.moduli[index]
    }

    /// How rows are computed with.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// `1 / N` modulo a prime, which [`Ring::inverse_scaled`] leaves out.
    pub fn inverse_degree(&self, index: usize) -> Factor {
        self.inverse_degree[index]
    }

    /// Takes a row of reduced coefficients to values.
    pub fn forward(&self, index: usize, limb: &mut [u64]) {
        self.transforms[index].forward(limb);
    }

    /// The inverse transform times `N` and a factor: for callers who multiply by a constant anyway.
    pub fn inverse_scaled(&self, index: usize, limb: &mut [u64], factor: Factor) {
        self.transforms[index].inverse(limb, factor);
    }

    /// Takes a row of values to reduced coefficients.
    pub fn inverse(&self, index: usize, limb: &mut [u64]) {
        self.inverse_scaled(index, limb, self.inverse_degree[index]);
    }
}
