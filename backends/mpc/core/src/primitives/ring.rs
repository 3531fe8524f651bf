//! The ring Z/2^L, fixed-point numbers in it, and its elements as bytes.

pub mod linear;
pub mod product;

use std::ops::RangeInclusive;

use crate::Error;

/// The ring Z/2^L. Elements are kept in the low bits of a `u64`; the high bits
/// are arbitrary, because every operation used here commutes with the reduction.
///
/// A narrower ring sends fewer bytes and compares fewer bits, and bounds the accumulators: every value
/// that is opened must satisfy `|y| < 2^(L-2)` ([`Ring::limit`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    bits: u32,
}

/// Bits that a ring may have.
const BITS: RangeInclusive<u32> = 16..=64;

impl Ring {
    /// The ring Z/2^64.
    pub const FULL: Ring = Ring { bits: 64 };

    /// A ring whose elements take so many bytes, 2 to 8.
    ///
    /// # Errors
    /// [`Error::Ring`] for any other size.
    pub fn new(bytes: u32) -> Result<Self, Error> {
        if (2..=8).contains(&bytes) { Ok(Self { bits: 8 * bytes }) } else { Err(Error::Ring { bytes }) }
    }

    /// A ring of so many bits, 16 to 64.
    ///
    /// # Errors
    /// [`Error::RingBits`] for any other number.
    pub fn of_bits(bits: u32) -> Result<Self, Error> {
        if BITS.contains(&bits) { Ok(Self { bits }) } else { Err(Error::RingBits { bits }) }
    }

    /// The ring of so many bits, or of the nearest number of them that a ring can have.
    pub(crate) fn nearest(bits: u32) -> Self {
        Self { bits: bits.clamp(*BITS.start(), *BITS.end()) }
    }

    /// The narrowest ring of whole bytes that is no narrower.
    #[must_use]
    pub fn in_whole_bytes(self) -> Self {
        Self { bits: self.bits.next_multiple_of(8) }
    }

    /// Whole bytes of one element.
    pub fn bytes(self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// L: bits of one element.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// Bytes of so many elements on the wire, bit by bit side by side.
    pub fn packed(self, count: usize) -> usize {
        packed(self.bits, count)
    }

    /// Values that are opened stay below this in magnitude: 2^(L-2).
    pub fn limit(self) -> u64 {
        1 << (self.bits() - 2)
    }

    /// The representative in `0..2^L`.
    pub fn reduce(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - self.bits()))
    }

    /// The representative in `-2^(L-1)..2^(L-1)`.
    pub fn signed(self, value: u64) -> i64 {
        let unused = 64 - self.bits();
        ((value << unused) as i64) >> unused
    }

    /// 2^`exponent` in the ring, which is 0 if `exponent >= L`.
    pub fn power(self, exponent: u32) -> u64 {
        1u64.checked_shl(exponent).unwrap_or(0)
    }
}

/// Bytes of so many numbers of so many bits each, side by side.
pub(crate) fn packed(bits: u32, count: usize) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// `value` with so many fractional bits, rounded to nearest; `None` if it is not finite or needs more than 62 bits.
pub fn encode(value: f64, fraction_bits: u32) -> Option<u64> {
    let scaled = (value * (fraction_bits as f64).exp2()).round();
    (scaled.abs() < 62f64.exp2()).then_some(scaled as i64 as u64)
}

/// The number a ring element stands for.
pub fn decode(ring: Ring, value: u64, fraction_bits: u32) -> f64 {
    ring.signed(value) as f64 * (-(fraction_bits as f64)).exp2()
}

/// Element-wise `a += b`.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign(a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len(), "vectors of different length");
    for (a, b) in a.iter_mut().zip(b) {
        *a = a.wrapping_add(*b);
    }
}

/// Element-wise `a -= b`.
///
/// # Panics
/// If the lengths differ.
pub fn sub_assign(a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len(), "vectors of different length");
    for (a, b) in a.iter_mut().zip(b) {
        *a = a.wrapping_sub(*b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rings_of_odd_sizes_do_not_exist() {
        assert!(Ring::new(1).is_err() && Ring::new(9).is_err());
        assert!(Ring::of_bits(15).is_err() && Ring::of_bits(65).is_err());
        assert_eq!(Ring::of_bits(48).unwrap(), Ring::new(6).unwrap());
        assert_eq!(Ring::new(8).unwrap(), Ring::FULL);
    }

    #[test]
    fn infinities_and_numbers_beyond_the_ring_are_refused() {
        for value in [f64::NAN, f64::INFINITY, 1e30] {
            assert!(encode(value, 16).is_none());
        }
    }

    proptest! {
        #[test]
        fn fixed_point_survives_every_ring(value in -30.0f64..30.0, bytes in 3u32..=8) {
            let ring = Ring::new(bytes).unwrap();
            let back = decode(ring, ring.reduce(encode(value, 16).unwrap()), 16);
            prop_assert!((back - value).abs() <= 2f64.powi(-17));
        }

        #[test]
        fn reduction_keeps_the_sign(value in any::<i32>(), bytes in 5u32..=8) {
            let ring = Ring::new(bytes).unwrap();
            prop_assert_eq!(ring.signed(ring.reduce(value as i64 as u64)), value as i64);
        }
    }
}
