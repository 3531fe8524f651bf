//! The ring over all primes, and which of them are data primes.

use crate::parameters::Parameters;
use std::ops::Deref;
use veilbench_ring::Ring;
use veilbench_ring::kernels::Kernels;

/// The ring over the data primes and the special primes after them.
#[derive(Debug)]
pub(crate) struct Chain {
    ring: Ring,
    data: usize,
}

impl Chain {
    pub(crate) fn new(parameters: &Parameters, kernels: Kernels) -> Self {
        let primes = [parameters.data_primes(), parameters.special_primes()].concat();
        let ring = Ring::new(parameters.degree(), &primes, kernels).expect("parameters hold checked primes");
        Self { ring, data: parameters.data_primes().len() }
    }

    /// How many of the moduli are data primes.
    pub(crate) fn data(&self) -> usize {
        self.data
    }

    pub(crate) fn special(&self) -> usize {
        self.ring.moduli().len() - self.data
    }

    /// The modulus of row `row` in a polynomial over the first `limbs` data primes followed by the special ones.
    pub(crate) fn extended_index(&self, limbs: usize, row: usize) -> usize {
        if row < limbs { row } else { self.data + row - limbs }
    }
}

impl Deref for Chain {
    type Target = Ring;

    fn deref(&self) -> &Ring {
        &self.ring
    }
}
