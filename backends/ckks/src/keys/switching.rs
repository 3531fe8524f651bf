use super::SecretKey;
use crate::context::Context;
use crate::random::{Randomness, Seed, expand_uniform};
use crate::ring::{Ntt, Polynomial};
use crate::sampling;
use zeroize::Zeroizing;

/// A key that takes a product with one secret to a ciphertext under another, as it is sent: the uniform half
/// is its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeededSwitchingKey {
    pub(crate) seed: Seed,
    /// One for each digit, over all primes.
    pub(crate) bodies: Vec<Polynomial<Ntt>>,
}

/// The same, ready for use: both halves of every digit in Montgomery form.
#[derive(Debug)]
pub(crate) struct SwitchingKey {
    pub(crate) bodies: Vec<Polynomial<Ntt>>,
    pub(crate) masks: Vec<Polynomial<Ntt>>,
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
        // Holds products with the secret, so it is wiped.
        let mut row_mask = Zeroizing::new(vec![0; ring.degree()]);
        let bodies = (0..parameters.digits())
            .map(|digit| {
                let error = sampling::error(random, ring.degree());
                let mut body = Polynomial::from_signed(ring, &error, ring.moduli().len()).into_ntt(ring);
                let primes = digit * parameters.digit_primes()..(digit + 1) * parameters.digit_primes();
                for (index, row) in body.rows_mut().enumerate() {
                    let (m, kernels) = (ring.modulus(index), ring.kernels());
                    expand_uniform(m, &seed, stream(digit, index), &mut row_mask);
                    kernels.multiply_assign(m, &mut row_mask, target.limb(index));
                    kernels.subtract_assign(m, row, &row_mask);
                    if index < ring.data() && primes.contains(&index) {
                        let special = m.product(parameters.special_primes().iter().copied());
                        kernels.scale_add(m, row, source.limb(index), m.factor(special));
                    }
                }
                body
            })
            .collect();
        Self { seed, bodies }
    }

    pub(crate) fn expand(mut self, context: &Context) -> SwitchingKey {
        let ring = context.ring();
        let radices: Vec<_> = ring.moduli().iter().map(|m| m.radix()).collect();
        let masks = (0..self.bodies.len())
            .map(|digit| {
                let mut mask = Polynomial::zero(ring, ring.moduli().len());
                for (index, row) in mask.rows_mut().enumerate() {
                    expand_uniform(ring.modulus(index), &self.seed, stream(digit, index), row);
                }
                mask.scale(ring, &radices);
                mask
            })
            .collect();
        for body in &mut self.bodies {
            body.scale(ring, &radices);
        }
        SwitchingKey { bodies: self.bodies, masks }
    }
}
