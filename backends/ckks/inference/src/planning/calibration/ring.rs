//! Transforms and products with keys, by ring.

use std::sync::Arc;

use veilbench_ckks::{
    Ciphertext, Context, Evaluator, KeyRequest, ParameterRequest, Parameters, Randomness, Result, SecretKey,
    SeededEvaluationKeys,
};

use super::{RingRates, rate, reference, time};

/// Keys that are used in turn take as much as this, which no cache holds, if there are no more than [`MOST_ROTATIONS`]: those of a circuit
/// come from memory.
const KEY_BYTES: usize = 192 << 20;
const MOST_ROTATIONS: usize = 48;

/// Parameters as plans choose them.
#[derive(Clone, Copy)]
pub(super) struct Set {
    degree: usize,
    /// Primes of 31 bits, besides a first that is longer.
    primes: usize,
    special_prime_bits: &'static [u32],
    digits: usize,
}

const fn set(degree: usize, primes: usize, special_prime_bits: &'static [u32], digits: usize) -> Set {
    Set { degree, primes, special_prime_bits, digits }
}

pub(super) const SETS: [Set; 5] = [
    set(4096, 1, &[31], 2),
    set(8192, 3, &[46], 4),
    set(16_384, 6, &[46; 2], 4),
    set(32_768, 12, &[46; 3], 5),
    set(65_536, 14, &[46; 4], 3),
];

/// Those that sums and encryption are measured with, and products of weights.
pub(super) const SMALL: Set = SETS[1];
pub(super) const MIDDLE: Set = SETS[2];

/// An owner of keys and ciphertexts at the highest level.
pub(super) struct Bench {
    pub(super) context: Context,
    pub(super) secret: SecretKey,
    pub(super) random: Randomness,
    pub(super) evaluator: Evaluator,
    rotations: Vec<i64>,
    set: Set,
}

impl Bench {
    pub(super) fn new(set: Set) -> Result<Self> {
        let base = if set.degree == 4096 { 31 } else { 38 };
        let data: Vec<u32> = std::iter::once(base).chain([31].repeat(set.primes)).collect();
        let request = ParameterRequest {
            degree: set.degree,
            data_prime_bits: &data,
            special_prime_bits: set.special_prime_bits,
            digits: set.digits,
        };
        let context = Context::new(Parameters::new(&request)?);
        let mut random = Randomness::from_system()?;
        let secret = SecretKey::generate(&context, &mut random);
        let limbs = set.primes + 1 + set.special_prime_bits.len();
        let key_bytes = 2 * set.digits * limbs * set.degree * size_of::<u64>();
        let rotations = (1..).take((KEY_BYTES / key_bytes).clamp(1, MOST_ROTATIONS));
        let rotations: Vec<i64> = rotations.collect();
        let request = KeyRequest {
            relinearisation: true,
            rotations: rotations.iter().copied().collect(),
            ..KeyRequest::default()
        };
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random).expand(&context)?;
        let evaluator = Evaluator::new(&context, Arc::new(keys))?;
        Ok(Self { context, secret, random, evaluator, rotations, set })
    }

    pub(super) fn degree(&self) -> f64 {
        self.set.degree as f64
    }

    /// The highest level.
    pub(super) fn level(&self) -> usize {
        self.set.primes
    }

    pub(super) fn scale(&self) -> f64 {
        31f64.exp2()
    }

    /// Limbs of a polynomial modulo all primes.
    pub(super) fn extended(&self) -> f64 {
        (self.level() + 1 + self.set.special_prime_bits.len()) as f64
    }

    pub(super) fn digits(&self) -> f64 {
        self.set.digits as f64
    }

    pub(super) fn slots(&self) -> Vec<f64> {
        (0..self.set.degree / 2).map(|slot| (slot as f64 * 0.37).sin()).collect()
    }

    pub(super) fn ciphertext(&mut self) -> Result<Ciphertext> {
        let plaintext = self.context.encode(&self.slots(), self.scale(), self.level())?;
        self.secret.encrypt(&plaintext, &mut self.random)?.expand(&self.context)
    }

    /// Key switches cut a polynomial into digits, multiply them with a key and divide by the special primes.
    pub(super) fn ring_rates(mut self) -> Result<RingRates> {
        let x = self.ciphertext()?;
        let hoist = time(|_| self.evaluator.hoist(&x).map(drop))?;
        let hoisted = self.evaluator.hoist(&x)?;
        let rotate = time(|turn| hoisted.rotate(self.rotations[turn % self.rotations.len()]))?;
        let rescale = time(|_| self.evaluator.rescale(&x))?;
        let (digits, extended, degree) = (self.digits(), self.extended(), self.degree());
        let transforms = digits * extended + 2.0 * (self.level() + 1) as f64;
        let transform = (hoist + rescale) / transforms / degree;
        let products = rotate / degree - 2.0 * extended * transform;
        let known = reference().of_ring(self.set.degree);
        Ok(RingRates {
            degree: self.set.degree,
            transform: rate(transform, known.0),
            key_product: rate(products / (2.0 * digits * extended), known.1),
        })
    }
}
