//! Keys from one secret to another, sent as seeds and used expanded.

use super::SecretKey;
use crate::context::Context;
use crate::error::{Error, Result};
use aligned_vec::AVec;
use veilbench_ring::kernels::{BLOCK, pack};
use veilbench_ring::modulus::Modulus;
use veilbench_ring::parallel;
use veilbench_ring::random::{Randomness, Seed, expand_uniform};
use veilbench_ring::sampling;
use veilbench_ring::{Ntt, Polynomial, zeroed};
use zeroize::Zeroizing;

/// A key that takes a product with one secret to a ciphertext under another, as it is sent: the uniform half
/// is its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeededSwitchingKey {
    pub(crate) seed: Seed,
    /// How many data primes it is over: those of ciphertexts it is for.
    pub(crate) limbs: usize,
    /// Into which digits it cuts them.
    pub(crate) length: DigitLength,
    /// One for each digit, over these data primes and the special primes.
    pub(crate) bodies: Vec<Polynomial<Ntt>>,
}

/// The same, ready for use: for each prime, both halves of all digits in Montgomery form, in the order and the
/// [width](veilbench_ring::kernels::Kernels::stream_width) in which
/// [`Kernels::dot_stream`](veilbench_ring::kernels::Kernels::dot_stream) reads them.
#[derive(Debug)]
pub(crate) struct SwitchingKey {
    pub(crate) rows: Vec<AVec<u64>>,
    pub(crate) digits: usize,
    pub(crate) length: DigitLength,
    limbs: usize,
}

/// How many primes a digit of a key switch has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DigitLength {
    /// As many as the [parameters](crate::Parameters::digit_primes) say: no longer than the special primes, so that a key switch adds
    /// little more than a rounding.
    #[default]
    Short,
    /// Twice as many: see [`LongDigits`](crate::LongDigits).
    Long,
}

impl DigitLength {
    /// Long digits if they are wanted and there are any.
    pub(crate) fn new(context: &Context, is_long: bool) -> Self {
        if is_long && context.parameters().has_long_digits() { Self::Long } else { Self::Short }
    }

    /// Primes of a digit.
    pub(crate) fn primes(self, context: &Context) -> usize {
        let primes = context.parameters().digit_primes();
        match self {
            Self::Short => primes,
            Self::Long => 2 * primes,
        }
    }

    /// How many digits `limbs` data primes fall into.
    pub(crate) fn digits(self, context: &Context, limbs: usize) -> usize {
        limbs.div_ceil(self.primes(context))
    }
}

impl SwitchingKey {
    /// Whether ciphertexts at a level can be switched; `operation` is what for.
    pub(crate) fn check_level(&self, level: usize, operation: impl FnOnce() -> String) -> Result<()> {
        if level < self.limbs {
            return Ok(());
        }
        Err(Error::KeyLevel { operation: operation(), level, max: self.limbs - 1 })
    }
}

/// Expands the uniform half of a row of a switching key: every digit and prime has a stream of the seed.
pub(super) fn expand_row(m: &Modulus, seed: &Seed, digit: usize, index: usize, row: &mut [u64]) {
    expand_uniform(m, seed, (digit as u64) << 32 | index as u64, row);
}

impl SeededSwitchingKey {
    /// Encrypts `P * source` restricted to the primes of each digit, under `target`: hybrid key switching as in
    /// Han and Ki, "Better bootstrapping for approximate homomorphic encryption" (2020), section 3. The key is for
    /// ciphertexts over the first `limbs` data primes or fewer.
    ///
    /// `source` and `target` are over all primes.
    pub(crate) fn generate(
        secret: &SecretKey,
        [source, target]: [&Polynomial<Ntt>; 2],
        limbs: usize,
        length: DigitLength,
        random: &mut Randomness,
    ) -> Self {
        let context = secret.context();
        let (ring, parameters) = (context.ring(), context.parameters());
        let seed = random.array();
        let of_digit = length.primes(context);
        let bodies = (0..length.digits(context, limbs))
            .map(|digit| {
                let error = sampling::error(random, ring.degree());
                let mut body = Polynomial::<Ntt>::unspecified(ring, limbs + ring.special());
                let primes = digit * of_digit..(digit + 1) * of_digit;
                body.for_each_expanded_row(|place, row| {
                    let index = ring.extended_index(limbs, place);
                    let (m, kernels) = (ring.modulus(index), ring.kernels());
                    kernels.reduce_signed(m, &error, row);
                    ring.forward(index, row);
                    // Holds products with the secret, so it is wiped.
                    let mut row_mask = Zeroizing::new(vec![0; ring.degree()]);
                    expand_row(m, &seed, digit, index, &mut row_mask);
                    kernels.multiply_assign(m, &mut row_mask, target.limb(index));
                    kernels.subtract_assign(m, row, &row_mask);
                    if index < ring.data() && primes.contains(&index) {
                        let special = m.product(parameters.special_primes().iter().copied());
                        kernels.scale_add(m, row, source.limb(index), m.factor(special));
                    }
                });
                body
            })
            .collect();
        Self { seed, limbs, length, bodies }
    }

    pub(crate) fn expand(&self, context: &Context) -> SwitchingKey {
        let ring = context.ring();
        let digits = self.bodies.len();
        let limbs = self.limbs;
        let mut rows: Vec<AVec<u64>> = (0..ring.moduli().len())
            .map(|index| {
                let needed = index < limbs || index >= ring.data();
                let width = ring.kernels().stream_width(ring.modulus(index).bits());
                zeroed(if needed { 2 * digits * ring.degree() / BLOCK * width } else { 0 })
            })
            .collect();
        let words = (limbs + ring.special()) * 2 * digits * ring.degree();
        let needed = rows.iter_mut().enumerate().filter(|(_, row)| !row.is_empty());
        let places: Vec<_> = needed.enumerate().collect();
        parallel::for_each(words, places, |(place, (index, row))| {
            let m = ring.modulus(index);
            let width = ring.kernels().stream_width(m.bits());
            let mut half = context.tables().scratch.take(ring.degree());
            for (digit, body) in self.bodies.iter().enumerate() {
                for second in [false, true] {
                    if second {
                        expand_row(m, &self.seed, digit, index, &mut half);
                    } else {
                        half.copy_from_slice(body.limb(place));
                    }
                    ring.kernels().scale_assign(m, &mut half, m.radix());
                    let blocks = row.chunks_exact_mut(width);
                    let places = blocks.skip(2 * digit + usize::from(second)).step_by(2 * digits);
                    for (place, block) in places.zip(half.as_chunks::<BLOCK>().0) {
                        pack(block, 8 * width, place);
                    }
                }
            }
        });
        SwitchingKey { rows, digits, length: self.length, limbs }
    }
}
