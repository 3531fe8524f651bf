//! The ring `Z_m[X] / (X^N + 1)` for every prime `m` of the chain.

mod automorphism;
mod conversion;
mod polynomial;
#[cfg(test)]
mod tests;

pub(crate) use automorphism::{Automorphism, GaloisElement};
pub(crate) use conversion::BaseConversion;
pub(crate) use polynomial::{Coefficients, Ntt, Polynomial};

use crate::kernels::{Kernels, Transforms};
use crate::modulus::{Factor, Modulus};
use crate::parameters::Parameters;
use crate::scratch::ScratchPool;
use aligned_vec::AVec;
use std::sync::Arc;

/// A zeroed row or rows of residues, aligned to cache lines.
pub(crate) fn zeroed(length: usize) -> AVec<u64> {
    let mut row = AVec::with_capacity(64, length);
    row.resize(length, 0);
    row
}

/// The moduli, data primes first and special primes after them, with their transforms.
#[derive(Debug)]
pub(crate) struct Ring {
    degree: usize,
    data: usize,
    moduli: Vec<Modulus>,
    transforms: Vec<Transforms>,
    inverse_degree: Vec<Factor>,
    kernels: Kernels,
    zero_row: AVec<u64>,
    polynomials: Arc<ScratchPool>,
}

impl Ring {
    pub(crate) fn new(parameters: &Parameters, kernels: Kernels) -> Self {
        let degree = parameters.degree();
        let primes = parameters.data_primes().iter().chain(parameters.special_primes());
        let moduli: Vec<Modulus> = primes.map(|&prime| Modulus::new(prime)).collect();
        let transforms = |m: &Modulus| {
            Transforms::new(kernels, degree, m).expect("checked primes are 1 modulo twice the degree")
        };
        Self {
            degree,
            data: parameters.data_primes().len(),
            transforms: moduli.iter().map(transforms).collect(),
            inverse_degree: moduli.iter().map(|m| m.factor(m.invert(degree as u64 % m.value()))).collect(),
            moduli,
            kernels,
            zero_row: zeroed(degree),
            polynomials: Arc::default(),
        }
    }

    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    /// A row of zeros.
    pub(crate) fn zero_row(&self) -> &[u64] {
        &self.zero_row
    }

    /// Where polynomials have their memory from.
    pub(crate) fn polynomials(&self) -> &Arc<ScratchPool> {
        &self.polynomials
    }

    /// How many of the moduli are data primes.
    pub(crate) fn data(&self) -> usize {
        self.data
    }

    pub(crate) fn special(&self) -> usize {
        self.moduli.len() - self.data
    }

    pub(crate) fn moduli(&self) -> &[Modulus] {
        &self.moduli
    }

    pub(crate) fn modulus(&self, index: usize) -> &Modulus {
        &self.moduli[index]
    }

    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// `1 / N` modulo a prime, which [`Ring::inverse_scaled`] leaves out.
    pub(crate) fn inverse_degree(&self, index: usize) -> Factor {
        self.inverse_degree[index]
    }

    pub(crate) fn forward(&self, index: usize, limb: &mut [u64]) {
        self.transforms[index].forward(limb);
    }

    /// The inverse transform times `N` and a factor: for callers who multiply by a constant anyway.
    pub(crate) fn inverse_scaled(&self, index: usize, limb: &mut [u64], factor: Factor) {
        self.transforms[index].inverse(limb, factor);
    }

    pub(crate) fn inverse(&self, index: usize, limb: &mut [u64]) {
        self.inverse_scaled(index, limb, self.inverse_degree[index]);
    }

    /// The modulus of row `row` in a polynomial over the first `limbs` data primes followed by the special ones.
    pub(crate) fn extended_index(&self, limbs: usize, row: usize) -> usize {
        if row < limbs { row } else { self.data + row - limbs }
    }
}
