//! Negacyclic transforms for AVX-512 with IFMA: three levels a pass in registers, the last six in one.
//!
//! The levels form a tree: node 1 is the whole row, node `i` is multiplied by root `i` of its level and has the
//! children `2i` and `2i + 1`, its halves (Longa and Naehrig, "Speeding up the number theoretic transform for faster
//! ideal lattice-based cryptography" (2016), section 3). Once the first pass has cut the row in parts, one part after
//! another stays in the first-level cache until it is done.
//!
//! Residues are lazy in between: on the way forward below `4p`, or as large as they get if the prime leaves room for
//! that, and below `2p` on the way back (Harvey, "Faster arithmetic
//! for number-theoretic transforms" (2014), section 3).

mod swaps;

use super::avx512::{Block, blocks, blocks_mut, load, splat, store};
use crate::modulus::{Factor, Modulus, RADIX_BITS, RADIX_MASK};
use crate::zeroed;
use aligned_vec::AVec;
use std::arch::x86_64::*;
use swaps::{deal, swap_fours, swap_ones, swap_pairs, weave};

/// The blocks of a row's smallest parts, whose levels are done in one go.
const LEAF: usize = 8;

/// Two leaves at least.
pub(super) const MIN_DEGREE: usize = 2 * LEAF * 8;

/// The powers of a root of unity of order `2N`, in bit-reversed order, with their Shoup quotients.
#[derive(Debug)]
struct Roots {
    values: AVec<u64>,
    quotients: AVec<u64>,
}

impl Roots {
    fn new(m: &Modulus, degree: usize, root: u64) -> Self {
        let (mut values, mut quotients) = (zeroed(degree), zeroed(degree));
        let bits = degree.trailing_zeros();
        let mut power = 1;
        for exponent in 0..degree {
            let index = exponent.reverse_bits() >> (usize::BITS - bits);
            let factor = m.factor(power);
            (values[index], quotients[index]) = (factor.value, factor.quotient);
            power = m.multiply(power, root);
        }
        Self { values, quotients }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn splat(&self, node: usize) -> Root {
        Root { value: splat(self.values[node]), quotient: splat(self.quotients[node]) }
    }

    /// The roots of eight nodes, the first of which is `8 block`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn eight(&self, block: usize) -> Root {
        Root { value: load(&blocks(&self.values)[block]), quotient: load(&blocks(&self.quotients)[block]) }
    }
}

/// A root for each lane.
#[derive(Clone, Copy)]
struct Root {
    value: __m512i,
    quotient: __m512i,
}

impl Root {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new(factor: Factor) -> Self {
        Self { value: splat(factor.value), quotient: splat(factor.quotient) }
    }

    /// The lanes that `lanes` names.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn pick(self, lanes: [i64; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = lanes;
        let lanes = _mm512_setr_epi64(a, b, c, d, e, f, g, h);
        Self {
            value: _mm512_permutexvar_epi64(lanes, self.value),
            quotient: _mm512_permutexvar_epi64(lanes, self.quotient),
        }
    }
}

/// The longest primes for which residues need no reduction on the way forward: they grow by `2p` a level, at most 16
/// times, and stay below `2^52`.
const MAX_FREE_BITS: u32 = 46;

/// A modulus spread over the lanes; `FREE` if it is of at most [`MAX_FREE_BITS`].
#[derive(Clone, Copy)]
struct Lanes<const FREE: bool> {
    p: __m512i,
    two_p: __m512i,
    /// Modulo `2^52`.
    minus_p: __m512i,
    mask: __m512i,
    /// The Shoup quotient of 1.
    reciprocal: __m512i,
}

impl<const FREE: bool> Lanes<FREE> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new(m: &Modulus) -> Self {
        Self {
            p: splat(m.value()),
            two_p: splat(2 * m.value()),
            minus_p: splat((1 << RADIX_BITS) - m.value()),
            mask: splat(RADIX_MASK),
            reciprocal: splat(m.factor(1).quotient),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn below_two_p(self, value: __m512i) -> __m512i {
        _mm512_min_epu64(value, _mm512_sub_epi64(value, self.two_p))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce_once(self, value: __m512i) -> __m512i {
        _mm512_min_epu64(value, _mm512_sub_epi64(value, self.p))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce(self, value: __m512i) -> __m512i {
        if !FREE {
            return self.reduce_once(self.below_two_p(value));
        }
        let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), value, self.reciprocal);
        let rest = _mm512_madd52lo_epu64(value, quotient, self.minus_p);
        self.reduce_once(_mm512_and_si512(rest, self.mask))
    }

    /// `value * root`, below `2p`, for any value below `2^52`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn multiply(self, value: __m512i, root: Root) -> __m512i {
        let zero = _mm512_setzero_si512();
        let quotient = _mm512_madd52hi_epu64(zero, value, root.quotient);
        let product = _mm512_madd52lo_epu64(zero, value, root.value);
        _mm512_and_si512(_mm512_madd52lo_epu64(product, quotient, self.minus_p), self.mask)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn forward(self, [a, b]: [__m512i; 2], root: Root) -> [__m512i; 2] {
        let (a, b) = (if FREE { a } else { self.below_two_p(a) }, self.multiply(b, root));
        [_mm512_add_epi64(a, b), _mm512_add_epi64(_mm512_sub_epi64(a, b), self.two_p)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn inverse(self, [a, b]: [__m512i; 2], root: Root) -> [__m512i; 2] {
        let difference = _mm512_add_epi64(_mm512_sub_epi64(a, b), self.two_p);
        [self.below_two_p(_mm512_add_epi64(a, b)), self.multiply(difference, root)]
    }

    /// The inverse of the first level, with `1 / N` and what else the caller multiplies by.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn inverse_scaled(self, [a, b]: [__m512i; 2], [factor, root]: [Root; 2]) -> [__m512i; 2] {
        let difference = _mm512_add_epi64(_mm512_sub_epi64(a, b), self.two_p);
        let products = [self.multiply(_mm512_add_epi64(a, b), factor), self.multiply(difference, root)];
        [self.reduce_once(products[0]), self.reduce_once(products[1])]
    }
}

/// The roots of both directions for one prime.
#[derive(Debug)]
pub(super) struct Tables {
    forward: Roots,
    inverse: Roots,
}

impl Tables {
    /// `root` is a primitive root of unity of order `2 degree`.
    pub(super) fn new(m: &Modulus, degree: usize, root: u64) -> Self {
        Self { forward: Roots::new(m, degree, root), inverse: Roots::new(m, degree, m.invert(root)) }
    }
}

/// How many levels are done in one pass over a part of this many blocks; none if it is a leaf.
fn levels(blocks: usize) -> usize {
    match (blocks / LEAF).trailing_zeros() as usize {
        4 => 2,
        levels => levels.min(3),
    }
}

/// A part cut into as many of equal length.
#[inline]
fn cut<const PARTS: usize>(data: &mut [Block]) -> [&mut [Block]; PARTS] {
    let mut parts = data.chunks_exact_mut(data.len() / PARTS);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// The roots of a node and of those below it, as a heap: the children of `i` are `2i` and `2i + 1`. A macro, as the
/// compiler would not inline a function that returns so much.
macro_rules! subtree {
    ($table:ident, $node:expr) => {{
        let node = $node;
        let top = $table.splat(node);
        let (left, right) = ($table.splat(2 * node), $table.splat(2 * node + 1));
        let (a, b) = ($table.splat(4 * node), $table.splat(4 * node + 1));
        let (c, d) = ($table.splat(4 * node + 2), $table.splat(4 * node + 3));
        [top, top, left, right, a, b, c, d]
    }};
}

/// The butterflies of one level, between the values at two places with the root at a place of [`subtree`].
macro_rules! level {
    ($lanes:ident $direction:ident $z:ident $roots:ident $($a:literal $b:literal $root:literal),*) => {
        $([$z[$a], $z[$b]] = $lanes.$direction([$z[$a], $z[$b]], $roots[$root]);)*
    };
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_8<const FREE: bool>(lanes: Lanes<FREE>, mut z: [__m512i; 8], roots: &[Root; 8]) -> [__m512i; 8] {
    level!(lanes forward z roots 0 4 1, 1 5 1, 2 6 1, 3 7 1);
    level!(lanes forward z roots 0 2 2, 1 3 2, 4 6 3, 5 7 3);
    level!(lanes forward z roots 0 1 4, 2 3 5, 4 5 6, 6 7 7);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_4<const FREE: bool>(lanes: Lanes<FREE>, mut z: [__m512i; 4], roots: &[Root; 8]) -> [__m512i; 4] {
    level!(lanes forward z roots 0 2 1, 1 3 1);
    level!(lanes forward z roots 0 1 2, 2 3 3);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_2<const FREE: bool>(lanes: Lanes<FREE>, mut z: [__m512i; 2], roots: &[Root; 8]) -> [__m512i; 2] {
    level!(lanes forward z roots 0 1 1);
    z
}

/// Without the level of the node itself.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn lower_inverse_8(lanes: Lanes<false>, mut z: [__m512i; 8], roots: &[Root; 8]) -> [__m512i; 8] {
    level!(lanes inverse z roots 0 1 4, 2 3 5, 4 5 6, 6 7 7);
    level!(lanes inverse z roots 0 2 2, 1 3 2, 4 6 3, 5 7 3);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_8(lanes: Lanes<false>, z: [__m512i; 8], roots: &[Root; 8]) -> [__m512i; 8] {
    let mut z = lower_inverse_8(lanes, z, roots);
    level!(lanes inverse z roots 0 4 1, 1 5 1, 2 6 1, 3 7 1);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn last_8(lanes: Lanes<false>, z: [__m512i; 8], roots: &[Root; 8], scaled: [Root; 2]) -> [__m512i; 8] {
    let mut z = lower_inverse_8(lanes, z, roots);
    let scaled = [scaled];
    level!(lanes inverse_scaled z scaled 0 4 0, 1 5 0, 2 6 0, 3 7 0);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn lower_inverse_4(lanes: Lanes<false>, mut z: [__m512i; 4], roots: &[Root; 8]) -> [__m512i; 4] {
    level!(lanes inverse z roots 0 1 2, 2 3 3);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_4(lanes: Lanes<false>, z: [__m512i; 4], roots: &[Root; 8]) -> [__m512i; 4] {
    let mut z = lower_inverse_4(lanes, z, roots);
    level!(lanes inverse z roots 0 2 1, 1 3 1);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn last_4(lanes: Lanes<false>, z: [__m512i; 4], roots: &[Root; 8], scaled: [Root; 2]) -> [__m512i; 4] {
    let mut z = lower_inverse_4(lanes, z, roots);
    let scaled = [scaled];
    level!(lanes inverse_scaled z scaled 0 2 0, 1 3 0);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_2(lanes: Lanes<false>, mut z: [__m512i; 2], roots: &[Root; 8]) -> [__m512i; 2] {
    level!(lanes inverse z roots 0 1 1);
    z
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn last_2(lanes: Lanes<false>, mut z: [__m512i; 2], scaled: [Root; 2]) -> [__m512i; 2] {
    let scaled = [scaled];
    level!(lanes inverse_scaled z scaled 0 1 0);
    z
}

/// One pass over a part: `$butterflies` between the blocks at the same place of its equal parts.
macro_rules! pass {
    ($data:ident, $($part:ident $result:ident)*, |$z:ident| $butterflies:expr) => {{
        let [$($part),*] = cut($data);
        let length = [$($part.len()),*].into_iter().min().unwrap_or_default();
        $(let $part = &mut $part[..length];)*
        for i in 0..length {
            let $z = [$(load(&$part[i])),*];
            let [$($result),*] = $butterflies;
            $(store(&mut $part[i], $result);)*
        }
    }};
}

/// Which lanes of eight roots two blocks need: of the nodes of each block, and of those of each of its halves.
const FOURS: [[i64; 8]; 4] =
    [[0, 0, 0, 0, 1, 1, 1, 1], [2, 2, 2, 2, 3, 3, 3, 3], [4, 4, 4, 4, 5, 5, 5, 5], [6, 6, 6, 6, 7, 7, 7, 7]];
const PAIRS: [[i64; 8]; 2] = [[0, 0, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6, 7, 7]];

/// `$step` for four pairs of blocks, one pair after another, so that none waits for itself.
macro_rules! four {
    ($z:ident, |$pair:ident, $index:ident| $step:expr) => {{
        let mut four = $z;
        {
            let ($pair, $index) = ($z[0], 0);
            four[0] = $step;
        }
        {
            let ($pair, $index) = ($z[1], 1);
            four[1] = $step;
        }
        {
            let ($pair, $index) = ($z[2], 2);
            four[2] = $step;
        }
        {
            let ($pair, $index) = ($z[3], 3);
            four[3] = $step;
        }
        four
    }};
}

/// The last six levels, down to reduced residues, of leaves from node `first` on.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_leaves<const FREE: bool>(lanes: Lanes<FREE>, table: &Roots, data: &mut [Block], first: usize) {
    for (leaf, [a, b, c, d, e, f, g, h]) in data.as_chunks_mut::<LEAF>().0.iter_mut().enumerate() {
        let node = first + leaf;
        let z = [load(a), load(b), load(c), load(d), load(e), load(f), load(g), load(h)];
        let z = forward_8(lanes, z, &subtree!(table, node));
        let z = [[z[0], z[1]], [z[2], z[3]], [z[4], z[5]], [z[6], z[7]]];
        let (fours, pairs) = (table.eight(node), [table.eight(2 * node), table.eight(2 * node + 1)]);
        let z = four!(z, |pair, index| lanes.forward(swap_fours(pair), fours.pick(FOURS[index])));
        let z = four!(z, |pair, index| {
            lanes.forward(swap_pairs(pair), pairs[index / 2].pick(PAIRS[index % 2]))
        });
        let z = four!(z, |pair, index| lanes.forward(swap_ones(pair), table.eight(4 * node + index)));
        let z = four!(z, |pair, _index| weave([lanes.reduce(pair[0]), lanes.reduce(pair[1])]));
        store(a, z[0][0]);
        store(b, z[0][1]);
        store(c, z[1][0]);
        store(d, z[1][1]);
        store(e, z[2][0]);
        store(f, z[2][1]);
        store(g, z[3][0]);
        store(h, z[3][1]);
    }
}

/// The first six levels on the way back.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_leaves(lanes: Lanes<false>, table: &Roots, data: &mut [Block], first: usize) {
    for (leaf, [a, b, c, d, e, f, g, h]) in data.as_chunks_mut::<LEAF>().0.iter_mut().enumerate() {
        let node = first + leaf;
        let z = [[load(a), load(b)], [load(c), load(d)], [load(e), load(f)], [load(g), load(h)]];
        let (fours, pairs) = (table.eight(node), [table.eight(2 * node), table.eight(2 * node + 1)]);
        let z = four!(z, |pair, index| lanes.inverse(deal(pair), table.eight(4 * node + index)));
        let z = four!(z, |pair, index| {
            lanes.inverse(swap_ones(pair), pairs[index / 2].pick(PAIRS[index % 2]))
        });
        let z = four!(z, |pair, index| lanes.inverse(swap_pairs(pair), fours.pick(FOURS[index])));
        let z = four!(z, |pair, _index| swap_fours(pair));
        let z = [z[0][0], z[0][1], z[1][0], z[1][1], z[2][0], z[2][1], z[3][0], z[3][1]];
        let z = inverse_8(lanes, z, &subtree!(table, node));
        store(a, z[0]);
        store(b, z[1]);
        store(c, z[2]);
        store(d, z[3]);
        store(e, z[4]);
        store(f, z[5]);
        store(g, z[6]);
        store(h, z[7]);
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_children<const FREE: bool>(
    lanes: Lanes<FREE>,
    table: &Roots,
    data: &mut [Block],
    first: usize,
    levels: usize,
) {
    let length = data.len() >> levels;
    if length == LEAF {
        return forward_leaves(lanes, table, data, first);
    }
    for (child, part) in data.chunks_exact_mut(length).enumerate() {
        forward_part(lanes, table, part, first + child);
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_children(lanes: Lanes<false>, table: &Roots, data: &mut [Block], first: usize, levels: usize) {
    let length = data.len() >> levels;
    if length == LEAF {
        return inverse_leaves(lanes, table, data, first);
    }
    for (child, part) in data.chunks_exact_mut(length).enumerate() {
        inverse_part(lanes, table, part, first + child);
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn forward_part<const FREE: bool>(lanes: Lanes<FREE>, table: &Roots, data: &mut [Block], node: usize) {
    let levels = levels(data.len());
    let roots = subtree!(table, node);
    match levels {
        1 => pass!(data, a p b q, |z| forward_2(lanes, z, &roots)),
        2 => pass!(data, a p b q c r d s, |z| forward_4(lanes, z, &roots)),
        _ => pass!(data, a p b q c r d s e t f u g v h w, |z| forward_8(lanes, z, &roots)),
    }
    forward_children(lanes, table, data, node << levels, levels);
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse_part(lanes: Lanes<false>, table: &Roots, data: &mut [Block], node: usize) {
    let levels = levels(data.len());
    inverse_children(lanes, table, data, node << levels, levels);
    let roots = subtree!(table, node);
    match levels {
        1 => pass!(data, a p b q, |z| inverse_2(lanes, z, &roots)),
        2 => pass!(data, a p b q c r d s, |z| inverse_4(lanes, z, &roots)),
        _ => pass!(data, a p b q c r d s e t f u g v h w, |z| inverse_8(lanes, z, &roots)),
    }
}

/// Transforms a row of reduced residues; it comes out reduced.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn forward(m: &Modulus, tables: &Tables, row: &mut [u64]) {
    let (table, data) = (&tables.forward, blocks_mut(row));
    if m.bits() <= MAX_FREE_BITS {
        forward_part(Lanes::<true>::new(m), table, data, 1);
    } else {
        forward_part(Lanes::<false>::new(m), table, data, 1);
    }
}

/// The inverse of [`forward`], times `N` and `factor`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn inverse(m: &Modulus, tables: &Tables, row: &mut [u64], factor: Factor) {
    let (lanes, table, data) = (Lanes::new(m), &tables.inverse, blocks_mut(row));
    let levels = levels(data.len());
    inverse_children(lanes, table, data, 1 << levels, levels);
    let root = m.factor(m.multiply(table.values[1], factor.value));
    let scaled = [Root::new(factor), Root::new(root)];
    let roots = subtree!(table, 1);
    match levels {
        1 => pass!(data, a p b q, |z| last_2(lanes, z, scaled)),
        2 => pass!(data, a p b q c r d s, |z| last_4(lanes, z, &roots, scaled)),
        _ => pass!(data, a p b q c r d s e t f u g v h w, |z| last_8(lanes, z, &roots, scaled)),
    }
}
