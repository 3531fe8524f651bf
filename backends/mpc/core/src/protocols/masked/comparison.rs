//! The sign of a masked value: `msb(y) = msb(y^) ^ msb(r) ^ [y^ mod 2^(L-1) < r mod 2^(L-1)]`
//! with `y^ = y + r` public and `r` known to the dealer.
//!
//! *Leaves.* For every eight bits `b` of `r`, or every seven (of the topmost leaf one fewer), the dealer shares the bits
//! `T[v] = [v < b]`. At the same bits `v` of the public `y^` they give shares of `lt = T[v]` and
//! `eq = T[v-1] ^ T[v]`, with `T[-1] = 1`, without a message.
//!
//! *Tree.* `lt_top ^ eq_top (lt ^ eq (lt ^ ...))` over k leaves is one node of arity k: the parties open `eq_j ^ m_j` and
//! `lt_j ^ n_j`, of which the dealer shared all products of the `m`, and of these with one `n`, that
//! the expansion needs: 3 * 2^(k-1) - 3 bits. The result is opened under one more mask, `sign ^ m`, for the selection.
//!
//! 2 (k-1) + 1 bits a value are opened: 15 at L = 64, and 7 of the 27 bits that are left of 45 behind a truncation of 18.
//!
//! Everything after the leaves is bit-sliced: a word holds one bit of 64 values.

use crate::circuit::{Circuit, Width};
use crate::random::Stream;
use crate::session::randomness::masks::Role;
use veilbench_ring::wiped::Wiped;

/// Words of a table of eight bits, of seven, and of seven with one bit more.
const ROW: usize = 4;
const ROW_OF_SEVEN: usize = 2;
const ROW_AND_SIGN: usize = 3;
/// Most leaves: seven bits each of 64.
const MOST_LEAVES: usize = 10;

/// Sizes of a comparison of `lanes` values.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// Bits of a value, with its sign.
    bits: usize,
    /// Bits of a leaf, the topmost may have fewer: eight, or up to seven.
    leaf: usize,
    lanes: usize,
}

impl Layout {
    /// Of the gate of an index.
    pub(crate) fn new(circuit: &Circuit, gate: usize, lanes: usize) -> Self {
        Self::of_bits(circuit.format.width, circuit.compared_bits(gate), lanes)
    }

    fn of_bits(width: Width, bits: u32, lanes: usize) -> Self {
        let bits = bits as usize;
        let leaf = match width {
            Width::Bytes => 8,
            // There are two leaves at least.
            Width::Bits => (bits - 1).div_ceil(2).clamp(1, 7),
        };
        Self { bits, leaf, lanes }
    }

    fn groups(self) -> usize {
        self.lanes.div_ceil(64)
    }

    fn leaves(self) -> usize {
        (self.bits - 1).div_ceil(self.leaf).max(2)
    }

    /// Bits opened in the first round.
    pub(crate) fn planes(self) -> usize {
        2 * (self.leaves() - 1)
    }

    fn subsets(self) -> usize {
        1 << (self.leaves() - 1)
    }

    fn products_a_group(self) -> usize {
        3 * self.subsets() - 3
    }

    /// Where the bits of a leaf begin.
    fn shift(self, leaf: usize) -> usize {
        self.leaf * leaf
    }

    /// The last entry of a leaf's table, which is always 0, so it holds `T[-1] = 1` instead.
    fn last(self, leaf: usize) -> usize {
        let bits = if leaf + 1 < self.leaves() { self.leaf } else { self.bits - self.shift(leaf) - 1 };
        (1 << bits) - 1
    }

    /// Words of the table of a leaf other than the topmost.
    fn row(self) -> usize {
        if self.leaf == 8 { ROW } else { ROW_OF_SEVEN }
    }

    /// Words of the topmost table, whose very last bit is `msb(r) ^ m`.
    fn top_row(self) -> usize {
        if self.leaf == 8 { ROW } else { self.last(self.leaves() - 1) / 63 + 1 }
    }

    /// Words of the tables of a value.
    fn words_a_lane(self) -> usize {
        (self.leaves() - 1) * self.row() + self.top_row()
    }

    fn table_words(self) -> usize {
        self.lanes * self.words_a_lane()
    }

    /// Words of each party's share of what the dealer provides.
    pub(crate) fn words(self) -> usize {
        self.table_words() + self.groups() * self.products_a_group()
    }

    /// Shares of `eq` and `lt` of the leaves of up to 64 values; with `lt` of the topmost goes the sign of `y^`, of `r` and `m`.
    fn read(self, role: Role, public: &[u64], tables: &[u64]) -> [[u64; MOST_LEAVES]; 2] {
        let [mut equals, mut lesses] = [[0; MOST_LEAVES]; 2];
        let top = self.leaves() - 1;
        for leaf in 0..=top {
            let (shift, last) = (self.shift(leaf), self.last(leaf));
            let row = if leaf == top { self.top_row() } else { self.row() };
            (equals[leaf], lesses[leaf]) = match row {
                1 => read_leaf(role, public, self.rows::<1>(tables, leaf), shift, last),
                ROW_OF_SEVEN => read_leaf(role, public, self.rows::<ROW_OF_SEVEN>(tables, leaf), shift, last),
                ROW_AND_SIGN => read_leaf(role, public, self.rows::<ROW_AND_SIGN>(tables, leaf), shift, last),
                _ => {
                    let rows = tables.as_chunks::<ROW>().0.iter().skip(leaf).step_by(top + 1);
                    read_leaf(role, public, rows, shift, last)
                }
            };
        }
        let last_words = tables.iter().skip(self.words_a_lane() - 1).step_by(self.words_a_lane());
        for (lane, (&value, word)) in public.iter().zip(last_words).enumerate() {
            let sign = word >> 63 ^ role.public((value >> (self.bits - 1)) & 1);
            lesses[top] ^= sign << lane;
        }
        [equals, lesses]
    }

    /// The tables of one leaf of all values.
    fn rows<const WORDS: usize>(self, tables: &[u64], leaf: usize) -> impl Iterator<Item = &[u64; WORDS]> {
        let of_lanes = tables.chunks_exact(self.words_a_lane());
        of_lanes.filter_map(move |words| words[leaf * self.row()..].first_chunk())
    }
}

/// What the dealer shares for masks `r` and result masks `m` (one bit a value).
pub(crate) fn deal(layout: Layout, masks: &[u64], result_masks: &[u64], secret: &mut Stream) -> Vec<u64> {
    let leaves = layout.leaves();
    let mut words = Vec::with_capacity(layout.words());
    words.resize(layout.table_words(), 0);
    let tables = words.chunks_exact_mut(layout.words_a_lane());
    for ((lane, &mask), table) in masks.iter().enumerate().zip(tables) {
        let (rows, top) = table.split_at_mut((leaves - 1) * layout.row());
        for (leaf, row) in rows.chunks_mut(layout.row()).chain([top]).enumerate() {
            let last = layout.last(leaf);
            thermometer(mask >> layout.shift(leaf) & last as u64, row);
            row[last / 64] |= 1 << (last % 64);
        }
        let sign = (mask >> (layout.bits - 1) ^ result_masks[lane / 64] >> (lane % 64)) & 1;
        if let Some(word) = table.last_mut() {
            *word |= sign << 63;
        }
    }
    let (subsets, planes) = (layout.subsets(), layout.planes());
    let mut products = vec![u64::MAX; subsets];
    let mut bits = vec![0; planes];
    for _ in 0..layout.groups() {
        secret.fill(&mut bits);
        let (equals, lesses) = bits.split_at(leaves - 1);
        for subset in 1..subsets {
            products[subset] = products[subset & (subset - 1)] & equals[subset.trailing_zeros() as usize];
        }
        words.extend_from_slice(&products[1..]);
        for (leaf, less) in lesses.iter().enumerate() {
            words.extend(products[..subsets >> leaf].iter().map(|product| product & less));
        }
    }
    words
}

/// `T[v] = [v < bits]`, for as many `v` as a row holds.
fn thermometer(bits: u64, row: &mut [u64]) {
    for (word, ones) in row.iter_mut().enumerate() {
        let bits = bits.saturating_sub(64 * word as u64).min(64);
        *ones = u64::MAX.checked_shr(64 - bits as u32).unwrap_or(0);
    }
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
        let leaves = layout.leaves();
        let products = Wiped::from(shares.split_off(layout.table_words()));
        let mut masked = Vec::with_capacity(layout.groups() * layout.planes());
        let mut tops = Vec::with_capacity(layout.groups());
        let tables = shares.chunks(64 * layout.words_a_lane());
        let products_of_groups = products.chunks_exact(layout.products_a_group());
        for ((public, tables), products) in public.chunks(64).zip(tables).zip(products_of_groups) {
            let [equals, lesses] = layout.read(role, public, tables);
            for leaf in (1..leaves).rev() {
                masked.push(equals[leaf] ^ products[(1 << (leaves - 1 - leaf)) - 1]);
            }
            let mut at = layout.subsets() - 1;
            for (leaf, less) in lesses[..leaves - 1].iter().enumerate() {
                masked.push(less ^ products[at]);
                at += layout.subsets() >> leaf;
            }
            tops.push(lesses[leaves - 1]);
        }
        Self { layout, role, products, top: tops, masked }
    }

    /// This party's share of `sign ^ m`, a word for 64 values, given the other party's masked bits.
    pub(crate) fn sign(self, other: &[u64]) -> Vec<u64> {
        let (layout, leaves) = (self.layout, self.layout.leaves());
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
            for leaf in 0..leaves - 1 {
                let width = subsets >> leaf;
                let less = opened(leaves - 1 + leaf);
                let (here, rest) = with_less.split_at(width);
                with_less = rest;
                if leaf == 0 {
                    for subset in 0..width {
                        inner[subset] = less & product(subset) ^ here[subset];
                    }
                } else {
                    let equal = opened(leaves - 1 - leaf);
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

/// Shares of `eq` and `lt` of one leaf of 64 values.
fn read_leaf<'a, const WORDS: usize>(
    role: Role,
    public: &[u64],
    rows: impl Iterator<Item = &'a [u64; WORDS]>,
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

fn bit<const WORDS: usize>(row: &[u64; WORDS], at: usize) -> u64 {
    (row[at / 64] >> (at % 64)) & 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;
    use crate::ring::Ring;

    /// Both parties on `values`; returns the opened sign without its mask.
    fn signs(width: Width, ring: Ring, values: &[u64], seed: u8) -> Vec<bool> {
        let layout = Layout::of_bits(width, ring.bits(), values.len());
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
        let whole = (2..=8).map(|bytes| (Width::Bytes, 8 * bytes));
        for (width, bits) in whole.chain((16..=64).map(|bits| (Width::Bits, bits))) {
            let ring = Ring::of_bits(bits).unwrap();
            let top = 1u64 << (bits - 1);
            let mut values = vec![0, 1, u64::MAX, top, top - 1, top + 1];
            values.extend((0..ring.bits()).flat_map(|bit| [1 << bit, (1u64 << bit).wrapping_neg()]));
            for seed in 0..20 {
                let expected: Vec<bool> = values.iter().map(|&y| ring.signed(y) < 0).collect();
                assert_eq!(signs(width, ring, &values, seed), expected, "{bits} bits");
            }
        }
    }

    #[test]
    fn the_sign_of_every_value_of_sixteen_bits_is_exact() {
        let ring = Ring::new(2).unwrap();
        let values: Vec<u64> = (0..1 << 16).collect();
        let expected: Vec<bool> = values.iter().map(|&y| ring.signed(y) < 0).collect();
        for width in [Width::Bytes, Width::Bits] {
            assert_eq!(signs(width, ring, &values, 1), expected);
        }
    }

    #[test]
    fn the_sign_of_a_million_random_values_is_exact() {
        let values = Seed::from_bytes([9; 16]).stream(0).words(1_000_000);
        let expected: Vec<bool> = values.iter().map(|&y| (y as i64) < 0).collect();
        assert_eq!(signs(Width::Bytes, Ring::FULL, &values, 2), expected);
    }
}
