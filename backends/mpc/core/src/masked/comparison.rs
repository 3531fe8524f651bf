//! The sign of a masked value: `msb(y) = msb(y^) ^ msb(r) ^ [y^ mod 2^(L-1) < r mod 2^(L-1)]`
//! with `y^ = y + r` public and `r` known to the dealer.
//!
//! *Leaves.* For every byte `b` of `r` (seven bits of the topmost) the dealer shares the 256 bits
//! `T[v] = [v < b]`. At the public byte `v` of `y^` they give shares of `lt = T[v]` and
//! `eq = T[v-1] ^ T[v]`, with `T[-1] = 1`, without a message.
//!
//! *Tree.* `lt_top ^ eq_top (lt ^ eq (lt ^ ...))` over k = L/8 bytes is one node of arity k: the parties open `eq_j ^ m_j` and
//! `lt_j ^ n_j`, of which the dealer shared all products of the `m`, and of these with one `n`, that
//! the expansion needs: 3 * 2^(k-1) - 3 bits. The result is opened under one more mask, `sign ^ m`, for the selection.
//!
//! 2 (k-1) + 1 bits a value are opened: 15 at L = 64.
//!
//! Everything after the leaves is bit-sliced: a word holds one bit of 64 values.

use crate::random::Stream;
use crate::ring::Ring;
use crate::session::randomness::masks::Role;
use veilbench_ring::wiped::Wiped;

/// Words of a table of 256 bits.
const ROW: usize = 4;
/// The last entry of a table is always 0, so it holds `T[-1] = 1` instead.
const LAST: usize = 255;
/// Likewise for the topmost byte, of which seven bits are compared.
const LAST_OF_SEVEN: usize = 127;
/// Bit of the topmost byte's table that carries `msb(r) ^ m`.
const SIGN: usize = 255;

/// Sizes of a comparison of `lanes` values.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    ring: Ring,
    lanes: usize,
}

impl Layout {
    pub(crate) fn new(ring: Ring, lanes: usize) -> Self {
        Self { ring, lanes }
    }

    fn groups(self) -> usize {
        self.lanes.div_ceil(64)
    }

    /// Bits opened in the first round.
    pub(crate) fn planes(self) -> usize {
        2 * (self.ring.bytes() - 1)
    }

    fn subsets(self) -> usize {
        1 << (self.ring.bytes() - 1)
    }

    fn products_a_group(self) -> usize {
        3 * self.subsets() - 3
    }

    fn table_words(self) -> usize {
        self.lanes * self.ring.bytes() * ROW
    }

    /// Words of each party's share of what the dealer provides.
    pub(crate) fn words(self) -> usize {
        self.table_words() + self.groups() * self.products_a_group()
    }
}

/// What the dealer shares for masks `r` and result masks `m` (one bit a value).
pub(crate) fn deal(layout: Layout, masks: &[u64], result_masks: &[u64], secret: &mut Stream) -> Vec<u64> {
    let bytes = layout.ring.bytes();
    let top = layout.ring.bits() - 1;
    let mut words = Vec::with_capacity(layout.words());
    for (lane, &mask) in masks.iter().enumerate() {
        for byte in 0..bytes - 1 {
            let mut row = thermometer((mask >> (8 * byte)) & 0xff);
            row[LAST / 64] |= 1 << (LAST % 64);
            words.extend_from_slice(&row);
        }
        let mut row = thermometer((mask >> (top - 7)) & 0x7f);
        row[LAST_OF_SEVEN / 64] |= 1 << (LAST_OF_SEVEN % 64);
        let sign = (mask >> top ^ result_masks[lane / 64] >> (lane % 64)) & 1;
        row[SIGN / 64] |= sign << (SIGN % 64);
        words.extend_from_slice(&row);
    }
    let (subsets, planes) = (layout.subsets(), layout.planes());
    let mut products = vec![u64::MAX; subsets];
    let mut bits = vec![0; planes];
    for _ in 0..layout.groups() {
        secret.fill(&mut bits);
        let (equals, lesses) = bits.split_at(bytes - 1);
        for subset in 1..subsets {
            products[subset] = products[subset & (subset - 1)] & equals[subset.trailing_zeros() as usize];
        }
        words.extend_from_slice(&products[1..]);
        for (byte, less) in lesses.iter().enumerate() {
            words.extend(products[..subsets >> byte].iter().map(|product| product & less));
        }
    }
    words
}

/// `T[v] = [v < byte]` for v in 0..256.
fn thermometer(byte: u64) -> [u64; ROW] {
    std::array::from_fn(|word| {
        let ones = (byte as usize).saturating_sub(64 * word).min(64);
        u64::MAX.checked_shr(64 - ones as u32).unwrap_or(0)
    })
}

/// A comparison whose first-round bits are on their way.
pub struct Leaves {
    layout: Layout,
    role: Role,
    products: Wiped<u64>,
    top: Vec<u64>,
    /// This party's masked bits, [`Layout::planes`] words for 64 values.
    pub(crate) masked: Vec<u64>,
}

impl Leaves {
    /// Evaluates the tables at the public values. `shares` is consumed: it masks these bits only.
    pub(crate) fn new(layout: Layout, role: Role, public: &[u64], mut shares: Wiped<u64>) -> Self {
        let bytes = layout.ring.bytes();
        let products = Wiped::from(shares.split_off(layout.table_words()));
        let top_shift = layout.ring.bits() - 1;
        let mut masked = Vec::with_capacity(layout.groups() * layout.planes());
        let mut tops = Vec::with_capacity(layout.groups());
        let rows = shares.as_chunks::<ROW>().0.chunks(64 * bytes);
        let mut equals = [0u64; 8];
        let mut lesses = [0u64; 8];
        let groups = public.chunks(64).zip(rows).zip(products.chunks_exact(layout.products_a_group()));
        for ((public, rows), products) in groups {
            for byte in 0..bytes {
                let last = if byte == bytes - 1 { LAST_OF_SEVEN } else { LAST };
                let rows = rows.iter().skip(byte).step_by(bytes);
                (equals[byte], lesses[byte]) = leaf(role, public, rows, 8 * byte, last);
            }
            for (lane, (&value, row)) in
                public.iter().zip(rows.iter().skip(bytes - 1).step_by(bytes)).enumerate()
            {
                let sign = bit(row, SIGN) ^ role.public((value >> top_shift) & 1);
                lesses[bytes - 1] ^= sign << lane;
            }
            for byte in (1..bytes).rev() {
                masked.push(equals[byte] ^ products[(1 << (bytes - 1 - byte)) - 1]);
            }
            let mut at = layout.subsets() - 1;
            for (byte, less) in lesses[..bytes - 1].iter().enumerate() {
                masked.push(less ^ products[at]);
                at += layout.subsets() >> byte;
            }
            tops.push(lesses[bytes - 1]);
        }
        Self { layout, role, products, top: tops, masked }
    }

    /// This party's share of `sign ^ m`, a word for 64 values, given the other party's masked bits.
    pub(crate) fn sign(self, other: &[u64]) -> Vec<u64> {
        let (layout, bytes) = (self.layout, self.layout.ring.bytes());
        let subsets = layout.subsets();
        let all = self.role.public(u64::MAX);
        let groups = self.masked.chunks_exact(layout.planes()).zip(other.chunks_exact(layout.planes()));
        let products = self.products.chunks_exact(layout.products_a_group());
        let mut inner = vec![0; subsets];
        let mut signs = Vec::with_capacity(self.top.len());
        for (((mine, theirs), products), top) in groups.zip(products).zip(&self.top) {
            let opened = |plane: usize| mine[plane] ^ theirs[plane];
            let (of_equals, mut with_less) = products.split_at(subsets - 1);
            let product = |subset: usize| if subset == 0 { all } else { of_equals[subset - 1] };
            for byte in 0..bytes - 1 {
                let width = subsets >> byte;
                let less = opened(bytes - 1 + byte);
                let (here, rest) = with_less.split_at(width);
                with_less = rest;
                if byte == 0 {
                    for subset in 0..width {
                        inner[subset] = less & product(subset) ^ here[subset];
                    }
                } else {
                    let equal = opened(bytes - 1 - byte);
                    for subset in 0..width {
                        inner[subset] = less & product(subset)
                            ^ here[subset]
                            ^ equal & inner[subset]
                            ^ inner[subset + width];
                    }
                }
            }
            signs.push(top ^ opened(0) & inner[0] ^ inner[1]);
        }
        signs
    }
}

/// Shares of `eq` and `lt` of one byte of 64 values.
fn leaf<'a>(
    role: Role,
    public: &[u64],
    rows: impl Iterator<Item = &'a [u64; ROW]>,
    shift: usize,
    last: usize,
) -> (u64, u64) {
    let (mut equal, mut less) = (0, 0);
    for (lane, (value, row)) in public.iter().zip(rows).enumerate() {
        let at = (value >> shift) as usize & last;
        let here = bit(row, at) ^ role.public(u64::from(at == last));
        equal |= (here ^ bit(row, at.wrapping_sub(1) & last)) << lane;
        less |= here << lane;
    }
    (equal, less)
}

fn bit(row: &[u64; ROW], at: usize) -> u64 {
    (row[at / 64] >> (at % 64)) & 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    /// Both parties on `values`; returns the opened sign without its mask.
    fn signs(ring: Ring, values: &[u64], seed: u8) -> Vec<bool> {
        let layout = Layout::new(ring, values.len());
        let mut stream = Seed::from_bytes([seed; 16]).stream(0);
        let masks: Vec<u64> = stream.words(values.len()).into_iter().map(|r| ring.reduce(r)).collect();
        let result_masks = stream.words(values.len().div_ceil(64));
        let public: Vec<u64> =
            values.iter().zip(&masks).map(|(y, r)| ring.reduce(y.wrapping_add(*r))).collect();
        let dealt = deal(layout, &masks, &result_masks, &mut stream);
        assert_eq!(dealt.len(), layout.words());
        let first = stream.words(layout.words());
        let second: Vec<u64> = dealt.iter().zip(&first).map(|(a, b)| a ^ b).collect();
        let first = Leaves::new(layout, Role::DataOwner, &public, first.into());
        let second = Leaves::new(layout, Role::ModelOwner, &public, second.into());
        let (to_second, to_first) = (first.masked.clone(), second.masked.clone());
        let (first, second) = (first.sign(&to_first), second.sign(&to_second));
        (0..values.len())
            .map(|lane| {
                let word = first[lane / 64] ^ second[lane / 64] ^ result_masks[lane / 64];
                word >> (lane % 64) & 1 == 1
            })
            .collect()
    }

    #[test]
    fn the_sign_is_exact_at_the_extremes_in_every_ring() {
        for bytes in 2..=8 {
            let ring = Ring::new(bytes).unwrap();
            let top = 1u64 << (ring.bits() - 1);
            let mut values = vec![0, 1, u64::MAX, top, top - 1, top + 1];
            values.extend((0..ring.bits()).flat_map(|bit| [1 << bit, (1u64 << bit).wrapping_neg()]));
            for seed in 0..20 {
                let expected: Vec<bool> = values.iter().map(|&y| ring.signed(y) < 0).collect();
                assert_eq!(signs(ring, &values, seed), expected, "{bytes} bytes");
            }
        }
    }

    #[test]
    fn the_sign_of_every_value_of_sixteen_bits_is_exact() {
        let ring = Ring::new(2).unwrap();
        let values: Vec<u64> = (0..1 << 16).collect();
        let expected: Vec<bool> = values.iter().map(|&y| ring.signed(y) < 0).collect();
        assert_eq!(signs(ring, &values, 1), expected);
    }

    #[test]
    fn the_sign_of_a_million_random_values_is_exact() {
        let values = Seed::from_bytes([9; 16]).stream(0).words(1_000_000);
        let expected: Vec<bool> = values.iter().map(|&y| (y as i64) < 0).collect();
        assert_eq!(signs(Ring::FULL, &values, 2), expected);
    }
}
