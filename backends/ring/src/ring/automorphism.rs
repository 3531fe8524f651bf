//! Automorphisms of the ring, as permutations of values.

use crate::kernels::{BLOCK, PermutedBlock};

/// The exponent `g` of an automorphism `X -> X^g`: odd, below `2N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GaloisElement(pub u32);

impl GaloisElement {
    /// Rotates the slots left by `steps` modulo their number, so right for negative steps.
    pub fn rotation(degree: usize, steps: i64) -> Self {
        let slots = degree as i64 / 2;
        let mask = 2 * degree as u64 - 1;
        let (mut square, mut element) = (5, 1);
        let mut exponent = steps.rem_euclid(slots);
        while exponent > 0 {
            if exponent & 1 == 1 {
                element = (element * square) & mask;
            }
            square = (square * square) & mask;
            exponent >>= 1;
        }
        Self(element as u32)
    }

    /// Conjugates every slot.
    pub fn conjugation(degree: usize) -> Self {
        Self(2 * degree as u32 - 1)
    }

    /// The element of the inverse automorphism.
    pub fn inverse(self, degree: usize) -> Self {
        let mask = 2 * degree as u32 - 1;
        let mut inverse = self.0;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u32.wrapping_sub(self.0.wrapping_mul(inverse)));
        }
        Self(inverse & mask)
    }
}

/// An automorphism as a permutation of NTT values.
///
/// Position `i` holds the value at the root with exponent `2 rev(i) + 1`. The high bits of `i`, reversed, are
/// the low bits of that exponent, and those decide the low bits of its product with `g` alone: aligned blocks
/// go to aligned blocks.
#[derive(Clone, Debug)]
pub struct Automorphism {
    blocks: Vec<PermutedBlock>,
}

impl Automorphism {
    /// The permutation for an exponent.
    pub fn new(degree: usize, element: GaloisElement) -> Self {
        let bits = degree.trailing_zeros();
        let reverse = |i: usize| i.reverse_bits() >> (usize::BITS - bits);
        let source = |i: usize| {
            let exponent = (2 * reverse(i) + 1) * element.0 as usize % (2 * degree);
            reverse(exponent / 2)
        };
        let block = |block: usize| {
            let sources: [usize; BLOCK] = std::array::from_fn(|lane| source(block * BLOCK + lane));
            PermutedBlock {
                source: (sources[0] / BLOCK) as u32,
                lanes: u64::from_le_bytes(sources.map(|source| (source % BLOCK) as u8)),
            }
        };
        Self { blocks: (0..degree / BLOCK).map(block).collect() }
    }

    /// What [`Kernels::permute`](crate::kernels::Kernels::permute) reads.
    pub fn blocks(&self) -> &[PermutedBlock] {
        &self.blocks
    }
}
