use super::SecretKey;
use crate::context::Context;
use crate::kernels::BLOCK;
use crate::parallel;
use crate::random::{Randomness, Seed, expand_uniform};
use crate::ring::{Ntt, Polynomial, zeroed};
use crate::sampling;
use aligned_vec::AVec;
use zeroize::Zeroizing;

/// A key that takes a product with one secret to a ciphertext under another, as it is sent: the uniform half
/// is its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeededSwitchingKey {
    pub(crate) seed: Seed,
    /// One for each digit, over all primes.
    pub(crate) bodies: Vec<Polynomial<Ntt>>,
}

/// The same, ready for use: for each prime, both halves of all digits in Montgomery form, in the order in which
/// [`Kernels::dot_stream`](crate::kernels::Kernels::dot_stream) reads them.
#[derive(Debug)]
pub(crate) struct SwitchingKey {
    pub(crate) rows: Vec<AVec<u64>>,
    pub(crate) digits: usize,
}

/// The stream of a seed that holds a row of a switching key.
fn stream(digit: usize, index: usize) -> u64 {
    (digit as u64) << 32 | index as u64
}

impl SeededSwitchingKey {
    /// Encrypts `P * source` restricted to the primes of each digit, under `target`: hybrid key switching as in
    /// Han and Ki, "Better bootstrapping for approximate homomorphic encryption" (2020), section 3.
    ///
    /// `source` and `target` are over all primes.
    pub(crate) fn generate(
        secret: &SecretKey,
        source: &Polynomial<Ntt>,
        target: &Polynomial<Ntt>,
        random: &mut Randomness,
    ) -> Self {
        let context = secret.context();
        let (ring, parameters) = (context.ring(), context.parameters());
        let seed = random.array();
        let bodies = (0..parameters.digits())
            .map(|digit| {
                let error = sampling::error(random, ring.degree());
                let mut body = Polynomial::from_signed(ring, &error, ring.moduli().len()).into_ntt(ring);
                let primes = digit * parameters.digit_primes()..(digit + 1) * parameters.digit_primes();
                body.for_each_expanded_row(|index, row| {
                    let (m, kernels) = (ring.modulus(index), ring.kernels());
                    // Holds products with the secret, so it is wiped.
                    let mut row_mask = Zeroizing::new(vec![0; ring.degree()]);
                    expand_uniform(m, &seed, stream(digit, index), &mut row_mask);
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
        Self { seed, bodies }
    }

    pub(crate) fn expand(&self, context: &Context) -> SwitchingKey {
        let ring = context.ring();
        let digits = self.bodies.len();
        let mut rows: Vec<AVec<u64>> =
            ring.moduli().iter().map(|_| zeroed(2 * digits * ring.degree())).collect();
        let words = rows.len() * 2 * digits * ring.degree();
        parallel::for_each(words, rows.iter_mut().enumerate(), |(index, row)| {
            let m = ring.modulus(index);
            let mut half = context.tables().scratch.take(ring.degree());
            for (digit, body) in self.bodies.iter().enumerate() {
                for second in [false, true] {
                    if second {
                        expand_uniform(m, &self.seed, stream(digit, index), &mut half);
                    } else {
                        half.copy_from_slice(body.limb(index));
                    }
                    ring.kernels().scale_assign(m, &mut half, m.radix());
                    let blocks = row.as_chunks_mut::<BLOCK>().0.iter_mut();
                    let places = blocks.skip(2 * digit + usize::from(second)).step_by(2 * digits);
                    for (place, block) in places.zip(half.as_chunks::<BLOCK>().0) {
                        *place = *block;
                    }
                }
            }
        });
        SwitchingKey { rows, digits }
    }
}
