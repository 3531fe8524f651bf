//! Signs by the distributed comparison function: no message online.
//!
//! With `p = msb(y^)` public, `q = msb(r)` and `c = [y^ mod 2^(L-1) < r mod 2^(L-1)]`, the sign is
//! `p ^ q ^ c`. So `1 - sign` is `(1 - q) + C` if `p = 0` and `q - C` if `p = 1`, where
//! `C = (2q - 1) c` is the function's output. With payload `(2q - 1) (1, K_0, K_1)` it also gives shares of `C K`, and the
//! selection `(1 - sign)(A + K)` of [`selection`](super::selection) is linear in what the parties have, with `q` for the bit `m`.

use super::masks::Role;
use super::selection::{Truncation, select};
use crate::Error;
use crate::dcf::{self, Comparison, Corrections, Side};
use crate::message::{Reader, Writer};
use crate::ring::Ring;

fn comparison(ring: Ring, salt: u128) -> Comparison {
    Comparison::new(ring.bits() - 1, ring, salt)
}

/// Words of one key in memory, root included.
pub(crate) fn key_words(ring: Ring) -> usize {
    let comparison = comparison(ring, 0);
    2 + comparison.seed_words() + comparison.value_words()
}

/// Bytes of the corrections of so many keys.
pub(crate) fn key_bytes(ring: Ring, count: usize) -> usize {
    let comparison = comparison(ring, 0);
    count * (8 * comparison.seed_words() + ring.bytes() * comparison.value_words())
}

/// Writes the corrections of all keys of a gate.
pub(crate) fn write_keys(writer: &mut Writer, keys: &Corrections) {
    writer.words(&keys.seeds);
    writer.elements(keys.values.iter().copied());
}

/// Reads the corrections of so many keys.
pub(crate) fn read_keys(reader: &mut Reader<'_>, ring: Ring, count: usize) -> Result<Corrections, Error> {
    let comparison = comparison(ring, 0);
    let seeds = reader.words(count * comparison.seed_words(), "comparison keys")?;
    let values = reader.elements(count * comparison.value_words(), "comparison keys")?;
    Ok(Corrections { seeds, values })
}

/// The signs of the masks, 64 to a word: the selection's bits.
pub(crate) fn mask_signs(ring: Ring, masks: &[u64]) -> Vec<u64> {
    let sign = |mask: &u64| mask >> (ring.bits() - 1) & 1;
    let word =
        |masks: &[u64]| masks.iter().enumerate().fold(0, |word, (lane, mask)| word | sign(mask) << lane);
    masks.chunks(64).map(word).collect()
}

/// The corrections of the keys of all masks, which must be reduced.
pub(crate) fn deal(
    truncation: Truncation,
    ring: Ring,
    masks: &[u64],
    first: &[u128],
    second: &[u128],
    salt: u128,
) -> Corrections {
    let comparison = comparison(ring, salt);
    let below_top = ring.limit() * 2 - 1;
    let mut corrections = Corrections {
        seeds: Vec::with_capacity(masks.len() * comparison.seed_words()),
        values: Vec::with_capacity(masks.len() * comparison.value_words()),
    };
    for ((&mask, &first), &second) in masks.iter().zip(first).zip(second) {
        let sign = (mask >> (ring.bits() - 1) & 1).wrapping_mul(2).wrapping_sub(1);
        let [without, with] = truncation.offsets(mask);
        let payload = [sign, sign.wrapping_mul(without), sign.wrapping_mul(with)];
        comparison.generate(mask & below_top, payload, [first, second], &mut corrections);
    }
    corrections
}

/// Shares of `max(y, 0) >> shift`.
#[expect(clippy::too_many_arguments, reason = "what is public, what was dealt, and where it belongs")]
pub(crate) fn select_by_function(
    truncation: Truncation,
    ring: Ring,
    role: Role,
    public: &[u64],
    roots: &[u128],
    corrections: &Corrections,
    shares: &[u64],
    salt: u128,
) -> Vec<u64> {
    let side = match role {
        Role::DataOwner => Side::First,
        Role::ModelOwner => Side::Second,
    };
    let below_top = ring.limit() * 2 - 1;
    let inputs: Vec<u64> = public.iter().map(|value| value & below_top).collect();
    let outputs: Vec<dcf::Payload> = comparison(ring, salt).evaluate(side, &inputs, roots, corrections);
    let mut selected = select(truncation, role, public, &mask_signs(ring, public), shares);
    for ((share, value), [sign, without, with]) in selected.iter_mut().zip(public).zip(outputs) {
        let (known, wraps) = truncation.split(*value);
        let term = sign.wrapping_mul(known).wrapping_add(if wraps { with } else { without });
        let negative = value >> (ring.bits() - 1) & 1 == 1;
        *share = if negative { share.wrapping_sub(term) } else { share.wrapping_add(term) };
    }
    selected
}
