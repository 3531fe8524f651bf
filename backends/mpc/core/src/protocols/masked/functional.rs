//! Signs by the distributed comparison function: no message online.
//!
//! With `p = msb(y^)` public, `q = msb(r)` and `c = [y^ mod 2^(L-1) < r mod 2^(L-1)]`, the sign is
//! `p ^ q ^ c`. So `1 - sign` is `(1 - q) + C` if `p = 0` and `q - C` if `p = 1`, where
//! `C = (2q - 1) c` is the function's output. With payload `(2q - 1) (1, K_0)` it also gives shares of `C K_0`, and the
//! selection `(1 - sign)(A + K)` of [`selection`](super::selection) is linear in what the parties have, with `q` for the bit `m`,
//! once they have shares of `C K_1` as well.
//!
//! # The other offset
//! `K_1 = K_0 + q 2^(L-f)` is needed if `y^ + 2^(L-2) mod 2^L < 2^(L-1)`, so for `y^` in two intervals, and with `|y| < 2^(L-2)`
//! either of them says enough of `c` that `C q` needs no word of the payload.
//!
//! - `y^ < 2^(L-2)`, so `p = 0`. If `q = 1` then `y = y^ - r mod 2^L` is `y^ - (r mod 2^(L-1)) + 2^(L-1)` modulo `2^L`. Were `c = 0`,
//!   this would lie in `2^(L-1) .. 2^(L-1) + 2^(L-2)`, which no `y` does. So `c = 1`, and `C q = q`, also if `q = 0`.
//! - `y^ >= 3 * 2^(L-2)`, so `p = 1`. If `q = 0` then `y^ - r > 2^(L-2)`; as a `y` it must be above `3 * 2^(L-2)` and is negative, so
//!   `r < 2^(L-2) <= y^ mod 2^(L-1)` and `c = 0`. So `C q = c q = C`, also if `q = 1`.

use super::selection::select;
use crate::dcf::{self, Corrections, Side};
use crate::ring::Ring;
use crate::session::randomness::keys::{comparison, portions};
use crate::session::randomness::masks::Role;
use crate::session::truncation::Truncation;

/// The signs of the masks, 64 to a word: the selection's bits.
pub(crate) fn mask_signs(ring: Ring, masks: &[u64]) -> Vec<u64> {
    let sign = |mask: &u64| mask >> (ring.bits() - 1) & 1;
    let word =
        |masks: &[u64]| masks.iter().enumerate().fold(0, |word, (lane, mask)| word | sign(mask) << lane);
    masks.chunks(64).map(word).collect()
}

/// The corrections of the keys of the masks numbered from `start` on, which must be reduced, in place of what `keys` holds.
pub(crate) fn deal(
    truncation: Truncation,
    ring: Ring,
    masks: &[u64],
    roots: [&[u128]; 2],
    salt: u128,
    start: usize,
    keys: &mut Corrections,
) {
    let comparison = comparison(ring, salt).from_key(start);
    let below_top = ring.limit() * 2 - 1;
    let thresholds: Vec<u64> = masks.iter().map(|mask| mask & below_top).collect();
    let payload = |&mask: &u64| {
        let sign = (mask >> (ring.bits() - 1) & 1).wrapping_mul(2).wrapping_sub(1);
        let [without, _] = truncation.offsets(mask);
        [sign, sign.wrapping_mul(without)]
    };
    let payloads: Vec<dcf::Payload> = masks.iter().map(payload).collect();
    comparison.generate_into(keys, &thresholds, &payloads, roots);
}

/// Shares of `max(y, 0) >> shift`.
#[expect(clippy::too_many_arguments, reason = "what is public, what was dealt, and where it belongs")]
pub(crate) fn select_by_function(
    truncation: Truncation,
    ring: Ring,
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
    let below_top = ring.limit() * 2 - 1;
    let inputs: Vec<u64> = public.iter().map(|value| value & below_top).collect();
    let mut outputs = vec![dcf::Payload::default(); inputs.len()];
    assert_eq!(portions(inputs.len()).count(), keys.len(), "a portion of keys for every portion of inputs");
    for (at, keys) in portions(inputs.len()).zip(keys) {
        let function = comparison(ring, salt).from_key(at.start);
        let (inputs, roots) = (&inputs[at.clone()], &roots[at.clone()]);
        function.evaluate_into(&mut outputs[at], side, inputs, roots, keys);
    }
    let mut selected = select(truncation, role, public, &mask_signs(ring, public), shares);
    let (mask_signs, _) = shares.split_at(public.len());
    let lanes = selected.iter_mut().zip(public).zip(outputs).zip(mask_signs);
    for (((share, value), [sign, product]), mask_sign) in lanes {
        let (known, wraps) = truncation.split(*value);
        let negative = value >> (ring.bits() - 1) & 1 == 1;
        let mut term = sign.wrapping_mul(known).wrapping_add(product);
        if wraps {
            let wrapped = if negative { sign } else { *mask_sign };
            term = term.wrapping_add(wrapped.wrapping_mul(truncation.wrap()));
        }
        *share = if negative { share.wrapping_sub(term) } else { share.wrapping_add(term) };
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masked::selection::{SELECTION_WORDS, deal_selection};
    use crate::random::Seed;

    /// Deals for `masks`, evaluates at both parties, and opens.
    fn opened(ring: Ring, shift: u32, values: &[u64], masks: &[u64]) -> Vec<i64> {
        let truncation = Truncation::new(ring, shift);
        let mut stream = Seed::from_bytes([8; 16]).stream(0);
        let sides = [0; 2].map(|_| dcf::roots(&mut stream, masks.len()));
        let keys: Vec<Corrections> = portions(masks.len())
            .map(|at| {
                let (start, mut keys) = (at.start, Corrections::default());
                let roots = [&sides[0][at.clone()], &sides[1][at.clone()]];
                deal(truncation, ring, &masks[at], roots, 9, start, &mut keys);
                keys
            })
            .collect();
        let mut dealt =
            deal_selection(truncation, masks, &mask_signs(ring, masks), SELECTION_WORDS * masks.len());
        let of_data_owner = stream.words(dealt.len());
        crate::ring::sub_assign(&mut dealt, &of_data_owner);
        let public: Vec<u64> =
            values.iter().zip(masks).map(|(value, mask)| ring.reduce(value.wrapping_add(*mask))).collect();
        let share = |role, roots, shares: &[u64]| {
            select_by_function(truncation, ring, role, &public, roots, &keys, shares, 9)
        };
        let mut sum = share(Role::DataOwner, &sides[0], &of_data_owner);
        crate::ring::add_assign(&mut sum, &share(Role::ModelOwner, &sides[1], &dealt));
        sum.into_iter().map(|value| ring.signed(value)).collect()
    }

    fn is_relu(ring: Ring, shift: u32, values: &[i64], masks: &[u64]) {
        let encoded: Vec<u64> = values.iter().map(|value| *value as u64).collect();
        for (at, result) in opened(ring, shift, &encoded, masks).into_iter().enumerate() {
            let error = result - (values[at].max(0) >> shift);
            let allowed = i64::from(shift > 0 && values[at] > 0);
            assert!(
                (0..=allowed).contains(&error),
                "y = {}, r = {}, {shift} of {} bits: {result}",
                values[at],
                masks[at],
                ring.bits()
            );
        }
    }

    #[test]
    fn extremes_of_every_ring_under_extreme_masks_are_rectified() {
        for bytes in 2..=8 {
            let ring = Ring::new(bytes).unwrap();
            let (quarter, half, all) = (ring.limit(), 2 * ring.limit(), ring.reduce(u64::MAX));
            let around = |at: u64| [at.wrapping_sub(1), at, at.wrapping_add(1)].map(|mask| ring.reduce(mask));
            let masks = [0, quarter / 2, quarter, half, half + quarter, all].map(around).concat();
            let limit = quarter as i64;
            let values = [0, 1, -1, 2, -2, limit - 1, 1 - limit, limit / 2, -limit / 2];
            for shift in [0, 1, 7, ring.bits() - 2] {
                let pairs = values.iter().flat_map(|value| masks.iter().map(|mask| (*value, *mask)));
                let (values, masks): (Vec<i64>, Vec<u64>) = pairs.unzip();
                is_relu(ring, shift, &values, &masks);
            }
        }
    }

    #[test]
    fn every_value_of_the_smallest_ring_is_rectified_under_random_masks() {
        let ring = Ring::new(2).unwrap();
        let limit = ring.limit() as i64;
        let values: Vec<i64> = (1 - limit..limit).collect();
        let mut stream = Seed::from_bytes([9; 16]).stream(0);
        for shift in [0, 5] {
            let masks: Vec<u64> =
                stream.words(values.len()).into_iter().map(|mask| ring.reduce(mask)).collect();
            is_relu(ring, shift, &values, &masks);
        }
    }
}
