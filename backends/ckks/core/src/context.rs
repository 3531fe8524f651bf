//! Parameters with the tables that are computed from them once.

use crate::chain::Chain;
use crate::encoding::embedding::Embedding;
use crate::error::{Error, Result};
use crate::parameters::{ParameterId, Parameters};
use std::fmt;
use std::sync::Arc;
use veilbench_ring::kernels::{Instructions, Kernels};
use veilbench_ring::modulus::Factor;
use veilbench_ring::scratch::ScratchPool;
use veilbench_ring::{BaseConversion, Ring};

/// Parameters with everything computed from them once. Clones share it.
#[derive(Clone)]
pub struct Context {
    tables: Arc<Tables>,
}

/// Precomputed tables of a parameter set.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) parameters: Parameters,
    pub(crate) ring: Chain,
    pub(crate) embedding: Embedding,
    /// Division by each data prime.
    pub(crate) divisions: Vec<Division>,
    pub(crate) digits: DigitTables,
    /// Of long digits; none where there are no such.
    pub(crate) long_digits: DigitTables,
    /// Division by the product of the special primes.
    pub(crate) special_division: Division,
    pub(crate) scratch: ScratchPool,
}

/// `[j][k]` takes digit `j` cut to its first `k + 1` primes to the other primes.
type DigitTables = Vec<Vec<BaseConversion>>;

/// Those of digits of so many primes.
fn digit_tables(ring: &Ring, data: usize, of_digit: usize) -> DigitTables {
    let cut = |start: usize| {
        let primes = of_digit.min(data - start);
        (1..=primes).map(|primes| BaseConversion::new(ring, start..start + primes)).collect()
    };
    (0..data).step_by(of_digit).map(cut).collect()
}

/// What it takes to divide by a product of primes and round: the conversion of the remainder to the other
/// primes, and the inverse of the product modulo each of them.
#[derive(Debug)]
pub(crate) struct Division {
    pub(crate) conversion: BaseConversion,
    pub(crate) inverses: Vec<Factor>,
}

impl Division {
    fn new(ring: &Ring, by: std::ops::Range<usize>) -> Self {
        let inverses = ring
            .moduli()
            .iter()
            .enumerate()
            .map(|(index, m)| {
                if by.contains(&index) {
                    return Factor::default();
                }
                m.factor(m.invert(m.product(by.clone().map(|divisor| ring.modulus(divisor).value()))))
            })
            .collect();
        Self { conversion: BaseConversion::new(ring, by), inverses }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("parameters", &self.tables.parameters)
            .field("kernels", &self.tables.ring.kernels().instructions().name())
            .finish()
    }
}

/// Bytes that a residue modulo a prime of so many bits takes in memory, on this processor, in keys and in the weights of a
/// [`Transform`](crate::Transform).
pub fn packed_bytes(prime_bits: u32) -> usize {
    Kernels::detect().stream_width(prime_bits)
}

impl Context {
    /// Computes the tables, for the fastest instructions this processor has.
    pub fn new(parameters: Parameters) -> Self {
        Self::with_kernels(parameters, Kernels::detect())
    }

    /// As [`Context::new`] with the element-wise kernels in portable code: the same results, slower.
    pub fn new_portable(parameters: Parameters) -> Self {
        Self::with_kernels(parameters, Kernels::portable())
    }

    /// As [`Context::new`] with the kernels in these instructions, the same results whichever they are; `None` if the
    /// processor does not have them. Transforms are ours with AVX-512 IFMA, else those of `tfhe-ntt`, which chooses
    /// its instructions itself.
    pub fn with_instructions(parameters: Parameters, instructions: Instructions) -> Option<Self> {
        Some(Self::with_kernels(parameters, Kernels::new(instructions)?))
    }

    fn with_kernels(parameters: Parameters, kernels: Kernels) -> Self {
        let ring = Chain::new(&parameters, kernels);
        let data = ring.data();
        let of_digit = parameters.digit_primes();
        let long_digits = match parameters.has_long_digits() {
            true => digit_tables(&ring, data, 2 * of_digit),
            false => DigitTables::new(),
        };
        let tables = Tables {
            embedding: Embedding::new(parameters.slots()),
            divisions: (0..data).map(|index| Division::new(&ring, index..index + 1)).collect(),
            digits: digit_tables(&ring, data, of_digit),
            long_digits,
            special_division: Division::new(&ring, data..data + ring.special()),
            scratch: ScratchPool::default(),
            parameters,
            ring,
        };
        Self { tables: Arc::new(tables) }
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.tables.parameters
    }

    /// The instructions the kernels use: for reports.
    pub fn kernels(&self) -> &'static str {
        self.tables.ring.kernels().instructions().name()
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(crate) fn ring(&self) -> &Chain {
        &self.tables.ring
    }

    pub(crate) fn check_parameters(&self, found: ParameterId) -> Result<()> {
        let expected = self.parameters().id();
        if found == expected { Ok(()) } else { Err(Error::ForeignParameters { expected, found }) }
    }

    pub(crate) fn check_level(&self, level: usize) -> Result<()> {
        let max = self.parameters().max_level();
        if level <= max { Ok(()) } else { Err(Error::Level { level, max }) }
    }

    /// A scale is at least 1 and leaves room for the sign within the modulus of its level.
    pub(crate) fn check_scale(&self, scale: f64, level: usize) -> Result<()> {
        let modulus_bits = self.parameters().level_bits(level);
        let log2_scale = scale.log2();
        if scale.is_finite() && scale >= 1.0 && log2_scale < modulus_bits - 1.0 {
            return Ok(());
        }
        Err(Error::Scale { log2_scale, level, modulus_bits })
    }
}
