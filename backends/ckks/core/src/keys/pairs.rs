//! Keys for squares of pairs, beside those for products and for the conjugation.

use super::{DigitLength, SecretKey, SeededSwitchingKey, SwitchingKey};
use crate::context::Context;
use veilbench_ring::random::Randomness;
use veilbench_ring::{Automorphism, GaloisElement, Polynomial};

/// What a circuit squares of [pairs](crate::Context::encode_pairs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSquares {
    /// The highest level of what is squared.
    pub level: usize,
    /// Whether more squares than one are summed.
    pub sums: bool,
}

/// The keys that sums of squares take, as they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeededPairKeys {
    /// From the product of the secret and its conjugate to the secret.
    pub(crate) mixed: SeededSwitchingKey,
    /// From minus the square of the secret to its conjugate.
    pub(crate) negated_square: SeededSwitchingKey,
}

/// The same, ready for use.
#[derive(Debug)]
pub(crate) struct PairKeys {
    pub(crate) mixed: SwitchingKey,
    pub(crate) negated_square: SwitchingKey,
}

impl SeededPairKeys {
    /// For ciphertexts over the first `limbs` data primes or fewer.
    pub(super) fn generate(secret: &SecretKey, limbs: usize, random: &mut Randomness) -> Self {
        let ring = secret.context().ring();
        let polynomial = secret.polynomial();
        let conjugation = Automorphism::new(ring.degree(), GaloisElement::conjugation(ring.degree()));
        let mut conjugate = Polynomial::unspecified(ring, ring.moduli().len());
        for (source, row) in polynomial.rows().zip(conjugate.rows_mut()) {
            ring.kernels().permute(conjugation.blocks(), source, row);
        }
        let mut product = conjugate.clone();
        product.multiply_assign(ring, polynomial);
        let key = |keys, random: &mut Randomness| {
            SeededSwitchingKey::generate(secret, keys, limbs, DigitLength::Short, random)
        };
        let mixed = key([&product, polynomial], random);
        let mut square = polynomial.clone();
        square.multiply_assign(ring, polynomial);
        square.negate(ring);
        let negated_square = key([&square, &conjugate], random);
        for own in [&mut conjugate, &mut product, &mut square] {
            own.zeroize();
        }
        Self { mixed, negated_square }
    }

    pub(super) fn each(&self) -> [&SeededSwitchingKey; 2] {
        [&self.mixed, &self.negated_square]
    }

    pub(super) fn expand(&self, context: &Context) -> PairKeys {
        PairKeys { mixed: self.mixed.expand(context), negated_square: self.negated_square.expand(context) }
    }
}

impl PairKeys {
    pub(super) fn each(&self) -> [&SwitchingKey; 2] {
        [&self.mixed, &self.negated_square]
    }
}
