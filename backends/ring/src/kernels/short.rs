//! Weighted sums modulo primes of at most 32 bits: one multiplication of words and one addition a product.

use crate::modulus::Modulus;

/// The most sources of [`Kernels::short_sums`](super::Kernels::short_sums): what keeps its second reduction below
/// any prime of the parameters.
pub const SHORT_TERMS: usize = 64;

const WORD_BITS: u32 = 32;
pub(super) const WORD_MASK: u64 = (1 << WORD_BITS) - 1;

/// A prime of 8 to 32 bits, with Montgomery's radix `2^32` applied twice: weights are `weight * 2^64 mod p`.
#[derive(Clone, Copy, Debug)]
pub struct ShortModulus {
    pub(super) value: u64,
    /// `p^-1 mod 2^32`.
    pub(super) inverse: u64,
    /// Products of two residues whose sum is below `2^64`.
    pub(super) run: usize,
}

impl ShortModulus {
    /// `None` if the prime is too long, or shorter than any that parameters have.
    pub fn new(m: &Modulus) -> Option<Self> {
        let largest = m.value() - 1;
        let run = u64::MAX.checked_div(largest.checked_mul(largest)?)?.min(SHORT_TERMS as u64);
        let short = (8..=WORD_BITS).contains(&m.bits());
        short.then(|| Self { value: m.value(), inverse: m.radix_inverse() & WORD_MASK, run: run as usize })
    }

    /// A residue as a weight.
    pub fn prepare(&self, weight: u64) -> u64 {
        ((u128::from(weight) << (2 * WORD_BITS)) % u128::from(self.value)) as u64
    }

    /// `(low + 2^32 high) / 2^64` modulo the prime; `high` is below `2^39`.
    pub(super) fn reduce(&self, low: u64, high: u64) -> u64 {
        let once = (low >> WORD_BITS) + high + self.value - self.carried(low);
        let (twice, carried) = (once >> WORD_BITS, self.carried(once));
        if twice < carried { twice + self.value - carried } else { twice - carried }
    }

    /// What the multiple of the prime that ends in the last word of `sum` has above that word.
    fn carried(&self, sum: u64) -> u64 {
        ((((sum & WORD_MASK) * self.inverse) & WORD_MASK) * self.value) >> WORD_BITS
    }
}
