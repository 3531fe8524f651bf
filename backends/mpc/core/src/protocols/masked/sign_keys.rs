//! Signs by a comparison function of one bit, opened under a mask as with the tree.
//!
//! Of `y^ = y + r` and the bits that are left of `r` the sign is `msb(y^) ^ msb(r) ^ [y^ < r]`, both without their top bit. The dealer shares
//! `msb(r) ^ m` with a bit `m` of its own, the keys give shares of the rest, and both parties open `sign ^ m`.

use crate::dcf::{BitComparison, Corrections, Side};
use crate::session::randomness::keys::portions;
use crate::session::randomness::masks::Role;

fn below_top(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The signs of masks of so many bits and a sign, under the bits of `results`, 64 to a word.
pub(crate) fn masked_signs(bits: u32, masks: &[u64], results: &[u64]) -> Vec<u64> {
    let words = masks.chunks(64).zip(results).map(|(masks, results)| {
        masks
            .iter()
            .enumerate()
            .fold(0, |word, (lane, mask)| word | (mask >> bits ^ results >> lane & 1) << lane)
    });
    words.collect()
}

/// The corrections of the keys of the masks numbered from `start` on, in place of what `keys` holds.
pub(crate) fn deal(
    bits: u32,
    masks: &[u64],
    roots: [&[u128]; 2],
    salt: u128,
    start: usize,
    keys: &mut Corrections,
) {
    let thresholds: Vec<u64> = masks.iter().map(|mask| mask & below_top(bits)).collect();
    BitComparison::new(bits, salt).from_key(start).generate_into(keys, &thresholds, roots);
}

/// A party's shares of `sign ^ m` of values of so many bits and a sign, 64 to a word, from its shares of `msb(r) ^ m`.
pub(crate) fn sign_shares(
    bits: u32,
    role: Role,
    public: &[u64],
    roots: &[u128],
    keys: &[Corrections],
    shares: &[u64],
    salt: u128,
) -> Vec<u64> {
    let side = match role {
        Role::DataOwner => Side::First,
        Role::ModelOwner => Side::Second,
    };
    let inputs: Vec<u64> = public.iter().map(|value| value & below_top(bits)).collect();
    let mut signs = vec![0; inputs.len().div_ceil(64)];
    assert_eq!(portions(inputs.len()).count(), keys.len(), "a portion of keys for every portion of inputs");
    for (at, keys) in portions(inputs.len()).zip(keys) {
        let function = BitComparison::new(bits, salt).from_key(at.start);
        let words = at.start / 64..at.end.div_ceil(64);
        function.evaluate_into(&mut signs[words], side, &inputs[at.clone()], &roots[at], keys);
    }
    for ((sign, public), share) in signs.iter_mut().zip(public.chunks(64)).zip(shares) {
        let tops =
            public.iter().enumerate().fold(0, |word, (lane, value)| word | (value >> bits & 1) << lane);
        *sign ^= share ^ role.public(tops);
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcf::roots;
    use crate::masked::selection::{SELECTION_WORDS, deal_selection, select};
    use crate::random::Seed;
    use crate::ring::{Ring, add_assign, sub_assign};
    use crate::session::truncation::Truncation;

    /// Deals for `masks`, compares what `shift` leaves at both parties, selects by the signs that they open, and opens.
    fn opened(ring: Ring, shift: u32, values: &[i64], masks: &[u64]) -> Vec<i64> {
        let (bits, truncation) = (ring.bits() - shift - 1, Truncation::new(ring, shift));
        let mut stream = Seed::from_bytes([8; 16]).stream(0);
        let results = stream.words(masks.len().div_ceil(64));
        let left: Vec<u64> = masks.iter().map(|mask| mask >> shift).collect();
        let sides = [0; 2].map(|_| roots(&mut stream, masks.len()));
        let keys: Vec<Corrections> = portions(masks.len())
            .map(|at| {
                let (start, mut keys) = (at.start, Corrections::default());
                let roots = [&sides[0][at.clone()], &sides[1][at.clone()]];
                deal(bits, &left[at], roots, 9, start, &mut keys);
                keys
            })
            .collect();
        let mut of_model_owner = masked_signs(bits, &left, &results);
        let of_data_owner = stream.words(of_model_owner.len());
        of_model_owner.iter_mut().zip(&of_data_owner).for_each(|(sign, share)| *sign ^= share);
        let mut dealt = deal_selection(truncation, masks, &results, SELECTION_WORDS * masks.len());
        let of_selection = stream.words(dealt.len());
        sub_assign(&mut dealt, &of_selection);
        // Both parties know the bits that are left, and nobody reads the others.
        let public = values.iter().zip(masks).map(|(value, mask)| {
            let masked = ring.reduce((*value as u64).wrapping_add(*mask));
            masked >> shift << shift
        });
        let public: Vec<u64> = public.collect();
        let compared: Vec<u64> = public.iter().map(|value| value >> shift).collect();
        let share = |role, roots, shares: &[u64]| sign_shares(bits, role, &compared, roots, &keys, shares, 9);
        let mut signs = share(Role::DataOwner, &sides[0], &of_data_owner);
        let others = share(Role::ModelOwner, &sides[1], &of_model_owner);
        signs.iter_mut().zip(others).for_each(|(sign, other)| *sign ^= other);
        let mut sum = select(truncation, Role::DataOwner, &public, &signs, &of_selection);
        add_assign(&mut sum, &select(truncation, Role::ModelOwner, &public, &signs, &dealt));
        sum.into_iter().map(|value| ring.signed(value)).collect()
    }

    /// The truncated value, rounded as the mask says, or 0.
    fn due(ring: Ring, shift: u32, value: i64, mask: u64) -> i64 {
        let truncation = Truncation::new(ring, shift);
        let (known, wraps) = truncation.split((value as u64).wrapping_add(mask));
        let truncated = known.wrapping_add(truncation.offsets(mask)[usize::from(wraps)]);
        let rounded = ring.signed(truncated);
        assert!((0..=i64::from(shift > 0)).contains(&(rounded - (value >> shift))));
        if value < 0 { 0 } else { rounded }
    }

    fn is_relu(ring: Ring, shift: u32, values: &[i64], masks: &[u64]) {
        for (at, result) in opened(ring, shift, values, masks).into_iter().enumerate() {
            let due = due(ring, shift, values[at], masks[at]);
            assert_eq!(result, due, "{shift} of {} bits, y = {}, r = {}", ring.bits(), values[at], masks[at]);
        }
    }

    #[test]
    fn what_is_left_of_extremes_under_extreme_masks_is_rectified_in_every_ring() {
        for bits in 16..=64 {
            let ring = Ring::of_bits(bits).unwrap();
            let (quarter, half, all) = (ring.limit(), 2 * ring.limit(), ring.reduce(u64::MAX));
            let around = |at: u64| [at.wrapping_sub(1), at, at.wrapping_add(1)].map(|mask| ring.reduce(mask));
            let masks = [0, quarter / 2, quarter, half, half + quarter, all].map(around).concat();
            let limit = quarter as i64;
            let values = [0, 1, -1, 2, -2, limit - 1, 1 - limit, limit / 2, -limit / 2];
            for shift in [0, 1, 7, bits - 3] {
                let pairs = values.iter().flat_map(|value| masks.iter().map(|mask| (*value, *mask)));
                let (values, masks): (Vec<i64>, Vec<u64>) = pairs.unzip();
                is_relu(ring, shift, &values, &masks);
            }
        }
    }

    #[test]
    fn what_is_left_of_every_value_of_small_rings_is_rectified_under_random_masks() {
        let mut stream = Seed::from_bytes([9; 16]).stream(0);
        for bits in [16, 17] {
            let ring = Ring::of_bits(bits).unwrap();
            let limit = ring.limit() as i64;
            let values: Vec<i64> = (1 - limit..limit).collect();
            for shift in [0, 3, 5, 9, 14] {
                let masks: Vec<u64> =
                    stream.words(values.len()).into_iter().map(|mask| ring.reduce(mask)).collect();
                is_relu(ring, shift.min(bits - 3), &values, &masks);
            }
        }
    }
}
