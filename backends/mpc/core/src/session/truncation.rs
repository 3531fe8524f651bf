//! Truncation of a masked value, without a message.
//!
//! Let `y^ = y + r mod 2^L` with `|y| < 2^(L-2)`, and `v = y + 2^(L-2)`, so `0 <= v < 2^(L-1)`. The parties know
//! `u = y^ + 2^(L-2) mod 2^L`, and over the integers `u + w 2^L = v + r` with `w` in {0, 1}.
//!
//! *The wrap is known.* If `r < 2^(L-1)` then `v + r < 2^L`, so `w = 0`. If `r >= 2^(L-1)` then
//! `2^(L-1) <= v + r < 2^L + 2^(L-1)`: without a wrap `u` is in the upper half, with one in the lower.
//! So `w = msb(r) (1 - msb(u))` always, and `msb(u)` is public.
//!
//! *The error is a carry.* `floor((v + r) / 2^f) = (v >> f) + (r >> f) + e` with `e` in {0, 1}, and the left side
//! is `(u >> f) + w 2^(L-f)`. As `2^(L-2)` is a multiple of `2^f`, `(v >> f) - 2^(L-2-f) = floor(y / 2^f)`. Hence
//! `(u >> f) - 2^(L-2-f) - (r >> f) + w 2^(L-f) = floor(y / 2^f) + e`: off by at most one, never by a wrap.
//!
//! It is `A + K` with `A = (u >> f) - 2^(L-2-f)` public and `K` one of two values of the dealer's, chosen by
//! `msb(u)`: `-(r >> f)` or that plus `msb(r) 2^(L-f)`.

use super::randomness::masks::Role;
use crate::ring::Ring;

/// The public half of a truncation by so many bits.
#[derive(Clone, Copy)]
pub(crate) struct Truncation {
    ring: Ring,
    shift: u32,
}

impl Truncation {
    /// `shift` must be at most L-2, or 0.
    pub(crate) fn new(ring: Ring, shift: u32) -> Self {
        Self { ring, shift }
    }

    /// `A`, and whether `K` is the second of the dealer's values.
    pub(crate) fn split(self, public: u64) -> (u64, bool) {
        let offset = self.ring.limit();
        let lifted = self.ring.reduce(public.wrapping_add(offset));
        let wraps = lifted >> (self.ring.bits() - 1) == 0;
        ((lifted >> self.shift).wrapping_sub(offset >> self.shift), wraps)
    }

    /// The dealer's two values of `K` for the mask `r`.
    pub(crate) fn offsets(self, mask: u64) -> [u64; 2] {
        let mask = self.ring.reduce(mask);
        let without = (mask >> self.shift).wrapping_neg();
        let sign = mask >> (self.ring.bits() - 1);
        [without, without.wrapping_add(sign.wrapping_mul(self.wrap()))]
    }

    /// The dealer's first values of all masks, and then their second ones.
    pub(crate) fn extend_with_offsets(self, masks: &[u64], words: &mut Vec<u64>) {
        for which in 0..2 {
            words.extend(masks.iter().map(|&mask| self.offsets(mask)[which]));
        }
    }

    /// What a wrap of the ring is after truncation: the difference of the dealer's two values where the mask's sign is set.
    pub(crate) fn wrap(self) -> u64 {
        self.ring.power(self.ring.bits() - self.shift)
    }

    /// For every public value whether the ring wraps, 64 to a word.
    pub(crate) fn wraps(self, public: &[u64]) -> Vec<u64> {
        let word = |values: &[u64]| {
            let bits = values.iter().enumerate().map(|(lane, value)| u64::from(self.split(*value).1) << lane);
            bits.fold(0, |word, bit| word | bit)
        };
        public.chunks(64).map(word).collect()
    }

    /// The model owner's shares of the truncated values, for which it need not know more than where the ring wraps.
    pub(crate) fn chosen(self, offsets: &[u64], wraps: &[u64]) -> Vec<u64> {
        let (without, with) = offsets.split_at(offsets.len() / 2);
        let wraps = |lane: usize| wraps[lane / 64] >> (lane % 64) & 1 == 1;
        (0..without.len()).map(|lane| if wraps(lane) { with[lane] } else { without[lane] }).collect()
    }

    /// Shares of the truncated values from shares of both `K`, all first ones first.
    pub(crate) fn shares(self, role: Role, public: &[u64], offsets: &[u64]) -> Vec<u64> {
        let (without, with) = offsets.split_at(public.len());
        let pairs = without.iter().zip(with);
        let share = |(&value, (without, with)): (&u64, (&u64, &u64))| {
            let (known, wraps) = self.split(value);
            role.public(known).wrapping_add(if wraps { *with } else { *without })
        };
        public.iter().zip(pairs).map(share).collect()
    }
}

/// What the dealer shares for a truncation: both `K` of all masks.
pub(crate) fn deal_truncation(truncation: Truncation, masks: &[u64]) -> Vec<u64> {
    let mut offsets = Vec::with_capacity(2 * masks.len());
    truncation.extend_with_offsets(masks, &mut offsets);
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    fn error(ring: Ring, shift: u32, y: u64, mask: u64) -> i64 {
        let truncation = Truncation::new(ring, shift);
        let (known, wraps) = truncation.split(y.wrapping_add(mask));
        let result = known.wrapping_add(truncation.offsets(mask)[usize::from(wraps)]);
        ring.signed(result.wrapping_sub((ring.signed(y) >> shift) as u64))
    }

    #[test]
    fn truncation_of_ten_million_values_errs_by_a_carry_and_never_by_a_wrap() {
        let (mut seen, shift) = ([0u64; 2], 16);
        let mut stream = Seed::from_bytes([4; 16]).stream(0);
        for _ in 0..10_000 {
            let words = stream.words(2_000);
            for (index, pair) in words.as_chunks::<2>().0.iter().enumerate() {
                let y = ((pair[0] as i64) >> (2 + index % 62)) as u64;
                let error = error(Ring::FULL, shift, y, pair[1]);
                assert!(error == 0 || error == 1, "y = {y}, r = {}: off by {error}", pair[1]);
                seen[error as usize] += 1;
            }
        }
        assert!(seen[0] > 1_000_000 && seen[1] > 1_000_000, "{seen:?}");
    }

    #[test]
    fn truncation_is_right_at_the_extremes_of_every_ring() {
        for bytes in 2..=8 {
            let ring = Ring::new(bytes).unwrap();
            let limit = ring.limit() as i64;
            let values = [0, 1, -1, limit - 1, 1 - limit, limit / 2, -limit / 2, 2, -2];
            let half = 1u64 << (ring.bits() - 1);
            let masks = [0, 1, half - 1, half, half + 1, ring.reduce(u64::MAX), half / 2, half + half / 2];
            for shift in [0, 1, 7, ring.bits() - 2] {
                for (y, mask) in values.iter().flat_map(|y| masks.map(|mask| (*y as u64, mask))) {
                    let error = error(ring, shift, y, mask);
                    assert!((0..=i64::from(shift > 0)).contains(&error), "y = {y}, r = {mask}, {shift}");
                }
            }
        }
    }
}
