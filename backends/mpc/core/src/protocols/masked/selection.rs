//! Selection by a masked sign, without a message.
//!
//! With `s^ = sign ^ m` open, `1 - sign` is `m` if `s^ = 1` and `1 - m` otherwise; so shares of `m`, `K` and `m K` give
//! shares of `(1 - sign)(A + K)`, for `A + K` as in [`Truncation`].

use crate::session::randomness::masks::Role;
use crate::session::truncation::Truncation;

/// Words a value that [`deal_selection`] shares.
pub(crate) const SELECTION_WORDS: usize = 5;

/// What the dealer shares for `max(y, 0) >> shift`: `m`, both `K`, and both `m K`, with room for as many words as the gate takes.
pub(crate) fn deal_selection(
    truncation: Truncation,
    masks: &[u64],
    result_masks: &[u64],
    room: usize,
) -> Vec<u64> {
    let bit = |lane: usize| result_masks[lane / 64] >> (lane % 64) & 1;
    let count = masks.len();
    let mut words = Vec::with_capacity(room);
    words.extend((0..count).map(bit));
    truncation.extend_with_offsets(masks, &mut words);
    words.extend_from_within(count..);
    for offsets in words[3 * count..].chunks_mut(count.max(1)) {
        offsets.iter_mut().enumerate().for_each(|(lane, offset)| *offset &= bit(lane).wrapping_neg());
    }
    words
}

/// Shares of `max(y, 0) >> shift`, given the open `sign ^ m` of every value.
pub(crate) fn select(
    truncation: Truncation,
    role: Role,
    public: &[u64],
    masked_signs: &[u64],
    shares: &[u64],
) -> Vec<u64> {
    let count = public.len();
    let (bits, shares) = shares.split_at(count);
    let (without, shares) = shares.split_at(count);
    let (with, shares) = shares.split_at(count);
    let (bit_without, bit_with) = (&shares[..count], &shares[count..2 * count]);
    let mut selected = vec![0; count];
    for (lane, selected) in selected.iter_mut().enumerate() {
        let (known, wraps) = truncation.split(public[lane]);
        let wraps = u64::from(wraps).wrapping_neg();
        let choose = |without: u64, with: u64| without ^ (without ^ with) & wraps;
        let masked = bits[lane].wrapping_mul(known).wrapping_add(choose(bit_without[lane], bit_with[lane]));
        let total = role.public(known).wrapping_add(choose(without[lane], with[lane]));
        let rest = total.wrapping_sub(masked);
        let sign = (masked_signs[lane / 64] >> (lane % 64) & 1).wrapping_neg();
        *selected = rest ^ (rest ^ masked) & sign;
    }
    selected
}
