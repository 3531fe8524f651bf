//! The sign of a shared value `y` from the opened `c = y + r` and shared bits of `r`:
//! `msb(y) = msb(c) ^ msb(r) ^ [c mod 2^(L-1) < r mod 2^(L-1)]`.
//!
//! Bit by bit, `less = !c & r` and `equal = !(c ^ r)` are linear in the shares of `r`. Two neighbouring spans join to
//! `less = less_high ^ equal_high & less_low`, `equal = equal_high & equal_low`: a triple for every "and". Bit-sliced: a word holds one bit of
//! 64 values.

use veilbench_ring::wiped::Wiped;

use crate::random::Stream;
use crate::ring::Ring;
use crate::session::randomness::masks::Role;

/// Sizes of a comparison of `lanes` values.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    ring: Ring,
    lanes: usize,
}

/// Words of a triple.
const TRIPLE: usize = 3;

/// Products at a level that joins so many spans pairwise: two a pair, one for the lowest, of which equality is not needed.
fn products(spans: usize) -> usize {
    2 * (spans / 2) - 1
}

/// Bits a value that are opened to join so many spans.
fn planes(spans: usize) -> usize {
    if spans > 1 { 2 * products(spans) } else { 0 }
}

impl Layout {
    pub(super) fn new(ring: Ring, lanes: usize) -> Self {
        Self { ring, lanes }
    }

    fn spans(self) -> usize {
        self.ring.bits() as usize - 1
    }

    fn all_products(self) -> usize {
        let levels = std::iter::successors(Some(self.spans()), |spans| Some(spans.div_ceil(2)));
        levels.take_while(|spans| *spans > 1).map(products).sum()
    }

    /// Bits of `r`, the bit that masks the sign, triples.
    fn words_a_group(self) -> usize {
        self.ring.bits() as usize + 1 + TRIPLE * self.all_products()
    }

    /// Bits a value that each level opens.
    pub(super) fn planes(self) -> impl Iterator<Item = usize> {
        let levels = std::iter::successors(Some(self.spans()), |spans| Some(spans.div_ceil(2)));
        levels.map(planes).take_while(|planes| *planes > 0)
    }

    /// Words of each party's share of what the dealer provides.
    pub(super) fn words(self) -> usize {
        self.lanes.div_ceil(64) * self.words_a_group()
    }
}

/// Bit `bit` of up to 64 values.
fn plane(values: &[u64], bit: usize) -> u64 {
    values.iter().enumerate().fold(0, |word, (lane, value)| word | (value >> bit & 1) << lane)
}

/// What the dealer shares for masks `r` and bits that mask the signs.
pub(super) fn deal(layout: Layout, masks: &[u64], sign_masks: &[u64], secret: &mut Stream) -> Vec<u64> {
    let bits = layout.ring.bits() as usize;
    let mut words = Vec::with_capacity(layout.words());
    let mut factors = vec![0; 2 * layout.all_products()];
    for (masks, sign_mask) in masks.chunks(64).zip(sign_masks) {
        words.extend((0..bits).map(|bit| plane(masks, bit)));
        words.push(*sign_mask);
        secret.fill(&mut factors);
        for pair in factors.as_chunks::<2>().0 {
            words.extend_from_slice(&[pair[0], pair[1], pair[0] & pair[1]]);
        }
    }
    words
}

/// A comparison under way: every level opens [`planes`](Tree::planes) bits a value.
pub struct Tree {
    layout: Layout,
    role: Role,
    /// This party's shares of what was dealt.
    dealt: Wiped<u64>,
    /// Shares of the spans of every group, lowest first.
    less: Vec<u64>,
    equal: Vec<u64>,
    spans: usize,
    /// Triples used so far.
    used: usize,
    /// Share of `msb(c) ^ msb(r)`, then of what masks the sign.
    top: Vec<u64>,
    /// This party's masked factors of the level.
    pub(super) masked: Vec<u64>,
}

impl Tree {
    /// The first level. `dealt` is consumed: it masks this comparison only.
    pub(super) fn new(layout: Layout, role: Role, public: &[u64], dealt: Wiped<u64>) -> Self {
        let spans = layout.spans();
        let (mut less, mut equal, mut top) = (Vec::new(), Vec::new(), Vec::new());
        for (public, dealt) in public.chunks(64).zip(dealt.chunks_exact(layout.words_a_group())) {
            for (bit, mask) in dealt[..spans].iter().enumerate() {
                let not = !plane(public, bit);
                less.push(not & mask);
                equal.push(mask ^ role.public(not));
            }
            top.push(dealt[spans] ^ dealt[spans + 1] ^ role.public(plane(public, spans)));
        }
        let mut tree = Self { layout, role, dealt, less, equal, spans, used: 0, top, masked: Vec::new() };
        tree.mask();
        tree
    }

    /// Bits a value this level opens; 0 at the end.
    pub(super) fn planes(&self) -> usize {
        planes(self.spans)
    }

    fn triples(dealt: &[u64], layout: Layout, used: usize) -> &[[u64; TRIPLE]] {
        &dealt[layout.ring.bits() as usize + 1..].as_chunks::<TRIPLE>().0[used..]
    }

    fn mask(&mut self) {
        self.masked.clear();
        if self.spans < 2 {
            return;
        }
        let groups = self.dealt.chunks_exact(self.layout.words_a_group());
        let spans = self.less.chunks_exact(self.spans).zip(self.equal.chunks_exact(self.spans));
        for (dealt, (less, equal)) in groups.zip(spans) {
            let mut triples = Self::triples(dealt, self.layout, self.used).iter();
            let mut masked = |x: u64, y: u64| {
                if let Some([a, b, _]) = triples.next() {
                    self.masked.extend_from_slice(&[x ^ a, y ^ b]);
                }
            };
            for low in (0..self.spans - 1).step_by(2) {
                masked(equal[low + 1], less[low]);
                if low > 0 {
                    masked(equal[low + 1], equal[low]);
                }
            }
        }
    }

    /// Takes the other party's masked factors and goes to the next level.
    pub(super) fn join(&mut self, theirs: &[u64]) {
        let (layout, role, planes) = (self.layout, self.role, self.planes());
        let next = self.spans.div_ceil(2);
        let (mut less, mut equal) = (Vec::new(), Vec::new());
        let messages = self.masked.chunks_exact(planes).zip(theirs.chunks_exact(planes));
        let groups = self.dealt.chunks_exact(layout.words_a_group());
        let spans = self.less.chunks_exact(self.spans).zip(self.equal.chunks_exact(self.spans));
        for ((dealt, (old_less, old_equal)), (mine, theirs)) in groups.zip(spans).zip(messages) {
            let openings = mine.as_chunks::<2>().0.iter().zip(theirs.as_chunks::<2>().0);
            let mut products = openings.zip(Self::triples(dealt, layout, self.used)).map(
                |((mine, theirs), [a, b, product])| {
                    let (x, y) = (mine[0] ^ theirs[0], mine[1] ^ theirs[1]);
                    role.public(x & y) ^ x & b ^ y & a ^ product
                },
            );
            let mut product = || products.next().unwrap_or(0);
            for low in (0..self.spans - 1).step_by(2) {
                less.push(old_less[low + 1] ^ product());
                // The lowest span's equality is never asked for.
                equal.push(if low > 0 { product() } else { 0 });
            }
            if self.spans % 2 == 1 {
                less.push(old_less[self.spans - 1]);
                equal.push(old_equal[self.spans - 1]);
            }
        }
        self.used += products(self.spans);
        (self.less, self.equal, self.spans) = (less, equal, next);
        self.mask();
    }

    /// After the last level, this party's share of the sign under its mask, a word for 64 values.
    pub(super) fn sign(self) -> Vec<u64> {
        self.less.iter().zip(&self.top).map(|(less, top)| less ^ top).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    fn signs(ring: Ring, values: &[u64], seed: u8) -> Vec<bool> {
        let layout = Layout::new(ring, values.len());
        let mut stream = Seed::from_bytes([seed; 16]).stream(0);
        let masks: Vec<u64> = stream.words(values.len()).into_iter().map(|r| ring.reduce(r)).collect();
        let sign_masks = stream.words(values.len().div_ceil(64));
        let public: Vec<u64> = values.iter().zip(&masks).map(|(y, r)| y.wrapping_add(*r)).collect();
        let dealt = deal(layout, &masks, &sign_masks, &mut stream);
        assert_eq!(dealt.len(), layout.words());
        let first = stream.words(layout.words());
        let second: Vec<u64> = dealt.iter().zip(&first).map(|(a, b)| a ^ b).collect();
        let mut first = Tree::new(layout, Role::DataOwner, &public, first.into());
        let mut second = Tree::new(layout, Role::ModelOwner, &public, second.into());
        let mut levels = 0;
        while first.planes() > 0 {
            let (to_second, to_first) = (first.masked.clone(), second.masked.clone());
            first.join(&to_first);
            second.join(&to_second);
            levels += 1;
        }
        assert_eq!(levels, (ring.bits() - 1).next_power_of_two().ilog2());
        let (first, second) = (first.sign(), second.sign());
        let bit =
            |lane: usize| (first[lane / 64] ^ second[lane / 64] ^ sign_masks[lane / 64]) >> (lane % 64) & 1;
        (0..values.len()).map(|lane| bit(lane) == 1).collect()
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
}
