//! The kernels for AVX-512 with IFMA, eight residues at a time.
//!
//! `madd52lo` and `madd52hi` read the low 52 bits of their factors, so a lazy low half needs no mask before it
//! is reduced.

#![expect(unsafe_code, reason = "unaligned vector loads and stores take pointers")]

use super::elementwise::elementwise;
use super::{PermutedBlock, residue_terms};
use crate::modulus::{Factor, Modulus, RADIX_BITS};
use std::arch::x86_64::*;

pub(super) type Block = [u64; 8];

const PREFETCH_BYTES: usize = 4096;
const LINE_BYTES: usize = 64;

/// How many blocks ahead a permutation asks for what it reads, in an order no processor foresees.
const PREFETCH_BLOCKS: usize = 24;

#[inline]
pub(super) fn blocks(slice: &[u64]) -> &[Block] {
    slice.as_chunks().0
}

#[inline]
pub(super) fn blocks_mut(slice: &mut [u64]) -> &mut [Block] {
    slice.as_chunks_mut().0
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn load(block: &Block) -> __m512i {
    // SAFETY: the block is 64 readable bytes, and the load has no alignment requirement.
    unsafe { _mm512_loadu_epi64(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn store(block: &mut Block, value: __m512i) {
    // SAFETY: the block is 64 writable bytes, and the store has no alignment requirement.
    unsafe { _mm512_storeu_epi64(block.as_mut_ptr().cast(), value) }
}

/// Asks for what lies a page behind a part of a long stream: the processor's own prefetching stops at the end of
/// each page.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn prefetch<T>(part: &T) {
    let start = std::ptr::from_ref(part).cast::<i8>();
    for line in (0..size_of::<T>()).step_by(LINE_BYTES) {
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(PREFETCH_BYTES + line));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn splat(value: u64) -> __m512i {
    _mm512_set1_epi64(value as i64)
}

/// A modulus spread over the lanes.
#[derive(Clone, Copy)]
struct Lanes {
    p: __m512i,
    two_p: __m512i,
    barrett: __m512i,
    radix_inverse: __m512i,
    right: __m512i,
    left: __m512i,
}

#[derive(Clone, Copy)]
struct LaneFactor {
    value: __m512i,
    quotient: __m512i,
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn lane_factor(factor: Factor) -> LaneFactor {
    LaneFactor { value: splat(factor.value), quotient: splat(factor.quotient) }
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new(m: &Modulus) -> Self {
        let right = m.bits() - 1;
        Self {
            p: splat(m.value()),
            two_p: splat(2 * m.value()),
            barrett: splat(m.barrett()),
            radix_inverse: splat(m.radix_inverse()),
            right: splat(u64::from(right)),
            left: splat(u64::from(RADIX_BITS - right)),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce_once(self, value: __m512i) -> __m512i {
        _mm512_min_epu64(value, _mm512_sub_epi64(value, self.p))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        self.reduce_once(_mm512_add_epi64(a, b))
    }

    /// `a + p - b`, not reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn lazy_subtract(self, a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi64(a, _mm512_sub_epi64(self.p, b))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn multiply(self, a: __m512i, b: __m512i) -> __m512i {
        let zero = _mm512_setzero_si512();
        let low = _mm512_madd52lo_epu64(zero, a, b);
        let high = _mm512_madd52hi_epu64(zero, a, b);
        let estimate =
            _mm512_or_si512(_mm512_sllv_epi64(high, self.left), _mm512_srlv_epi64(low, self.right));
        let quotient = _mm512_madd52hi_epu64(zero, estimate, self.barrett);
        self.reduce_once(self.reduce_once(self.rest(low, quotient)))
    }

    /// `low - quotient * p` modulo `2^52`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn rest(self, low: __m512i, quotient: __m512i) -> __m512i {
        let multiple = _mm512_madd52lo_epu64(_mm512_setzero_si512(), quotient, self.p);
        let mask = _mm512_set1_epi64((1 << RADIX_BITS) - 1);
        _mm512_and_si512(_mm512_sub_epi64(low, multiple), mask)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn scale(self, a: __m512i, factor: LaneFactor) -> __m512i {
        let zero = _mm512_setzero_si512();
        let quotient = _mm512_madd52hi_epu64(zero, a, factor.quotient);
        let low = _mm512_madd52lo_epu64(zero, a, factor.value);
        self.reduce_once(self.rest(low, quotient))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn montgomery(self, LazySum { low, high }: LazySum, _terms: usize) -> __m512i {
        let zero = _mm512_setzero_si512();
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<RADIX_BITS>(low));
        let multiple = _mm512_madd52lo_epu64(zero, low, self.radix_inverse);
        let carry = _mm512_madd52hi_epu64(zero, multiple, self.p);
        let rest = self.lazy_subtract(high, carry);
        self.reduce_once(_mm512_min_epu64(rest, _mm512_sub_epi64(rest, self.two_p)))
    }
}

/// A sum of products that is not yet reduced, as low and high halves.
#[derive(Clone, Copy)]
struct LazySum {
    low: __m512i,
    high: __m512i,
}

impl LazySum {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn new() -> Self {
        Self { low: _mm512_setzero_si512(), high: _mm512_setzero_si512() }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn add(&mut self, a: __m512i, b: __m512i) {
        self.low = _mm512_madd52lo_epu64(self.low, a, b);
        self.high = _mm512_madd52hi_epu64(self.high, a, b);
    }
}

elementwise!("avx512f,avx512dq,avx512ifma", blocks, blocks_mut);

/// Which byte of a packed block becomes which of a block of words; those above a residue are not taken.
const fn unpacked_bytes<const WIDTH: usize>() -> Block {
    let mut lanes = [0; 8];
    let mut byte = 0;
    while byte < 8 * WIDTH {
        lanes[byte / WIDTH] |= (byte as u64) << (8 * (byte % WIDTH));
        byte += 1;
    }
    lanes
}

/// The residues of a packed block.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vbmi")]
fn load_packed<const WIDTH: usize>(block: &[u64; WIDTH]) -> __m512i {
    let words = u8::MAX >> (8 - WIDTH);
    // SAFETY: no more words are read than the block has, and the load has no alignment requirement.
    let packed = unsafe { _mm512_maskz_loadu_epi64(words, block.as_ptr().cast()) };
    if WIDTH == 8 {
        return packed;
    }
    let bytes = u64::from(words) * 0x0101_0101_0101_0101;
    _mm512_maskz_permutexvar_epi8(bytes, load(&const { unpacked_bytes::<WIDTH>() }), packed)
}

/// Adds to two sums a value's products with both keys.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vbmi")]
fn add_products<const VALUE: usize, const KEY: usize>(
    sums: &mut [LazySum; 2],
    value: &[u64; VALUE],
    keys: &[[u64; KEY]; 2],
) {
    let value = load_packed(value);
    for (sum, key) in sums.iter_mut().zip(keys) {
        sum.add(value, load_packed(key));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn flush(lanes: Lanes, lazy: [LazySum; 2], terms: usize, sums: &mut [__m512i; 2]) {
    for (sum, lazy) in sums.iter_mut().zip(lazy) {
        *sum = lanes.add(*sum, lanes.montgomery(lazy, terms));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vbmi")]
pub(super) fn dot_stream<const WIDTH: usize>(
    m: &Modulus,
    values: &[&[u64]],
    (keys, terms): (&[u64], usize),
    first: &mut [u64],
    second: &mut [u64],
) {
    let (lanes, lazy_terms) = (Lanes::new(m), residue_terms(m));
    let (first, second) = (blocks_mut(first), blocks_mut(second));
    let keys = keys.as_chunks::<WIDTH>().0.as_chunks::<2>().0.chunks_exact(terms);
    for (i, ((first, second), keys)) in first.iter_mut().zip(second).zip(keys).enumerate() {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (values, keys) in values.chunks(lazy_terms).zip(keys.chunks(lazy_terms)) {
            let mut lazy = [LazySum::new(); 2];
            for (value, keys) in values.iter().zip(keys) {
                prefetch(keys);
                add_products(&mut lazy, &blocks(value)[i], keys);
            }
            flush(lanes, lazy, values.len(), &mut sums);
        }
        store(first, sums[0]);
        store(second, sums[1]);
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vbmi")]
pub(super) fn dot_picked<const WIDTH: usize>(
    m: &Modulus,
    (values, picks): (&[u64], &[usize]),
    (keys, terms): (&[u64], usize),
    first: &mut [u64],
    second: &mut [u64],
) {
    let (lanes, lazy_terms) = (Lanes::new(m), residue_terms(m));
    let values = values.as_chunks::<WIDTH>().0.chunks_exact(picks.len());
    let keys = blocks(keys).as_chunks::<2>().0.chunks_exact(terms);
    for (((first, second), values), keys) in
        blocks_mut(first).iter_mut().zip(blocks_mut(second)).zip(values).zip(keys)
    {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (values, picks) in values.chunks(lazy_terms).zip(picks.chunks(lazy_terms)) {
            let mut lazy = [LazySum::new(); 2];
            for (value, &pick) in values.iter().zip(picks) {
                prefetch(value);
                add_products(&mut lazy, value, &keys[pick]);
            }
            flush(lanes, lazy, values.len(), &mut sums);
        }
        store(first, sums[0]);
        store(second, sums[1]);
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn overflow(sources: &[&[u64]], reciprocals: &[f64], out: &mut [u64]) {
    for (i, out) in blocks_mut(out).iter_mut().enumerate() {
        let mut sum = _mm512_set1_pd(0.5);
        for (source, &reciprocal) in sources.iter().zip(reciprocals) {
            let source = _mm512_cvtepu64_pd(load(&blocks(source)[i]));
            // Not fused: the portable path rounds after the product too.
            sum = _mm512_add_pd(sum, _mm512_mul_pd(source, _mm512_set1_pd(reciprocal)));
        }
        store(out, _mm512_cvttpd_epu64(sum));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn recentre(source: &[u64], half: u64, shift: u64, out: &mut [u64]) {
    let (half, shift) = (splat(half), splat(shift));
    for (out, value) in blocks_mut(out).iter_mut().zip(blocks(source)) {
        let value = load(value);
        let at_least_half = _mm512_cmpge_epu64_mask(value, half);
        store(out, _mm512_mask_add_epi64(value, at_least_half, value, shift));
    }
}

/// Eight byte-sized lane numbers as permutation indices.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn lanes_of(entry: &PermutedBlock) -> __m512i {
    _mm512_cvtepu8_epi64(_mm_set_epi64x(0, entry.lanes as i64))
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn permute(table: &[PermutedBlock], source: &[u64], out: &mut [u64]) {
    let source = blocks(source);
    for (entry, out) in table.iter().zip(blocks_mut(out)) {
        store(out, _mm512_permutexvar_epi64(lanes_of(entry), load(&source[entry.source as usize])));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn permute_subtract_scale_add(
    m: &Modulus,
    table: &[PermutedBlock],
    [a, b, c]: [&[u64]; 3],
    factor: Factor,
    out: &mut [u64],
) {
    let (lanes, factor) = (Lanes::new(m), lane_factor(factor));
    let [a, b, c] = [a, b, c].map(blocks);
    for (i, (entry, out)) in table.iter().zip(blocks_mut(out)).enumerate() {
        let ahead = table[(i + PREFETCH_BLOCKS).min(table.len() - 1)].source as usize;
        for row in [a, b, c] {
            _mm_prefetch::<_MM_HINT_T0>(row[ahead].as_ptr().cast());
        }
        let block = entry.source as usize;
        let quotient = lanes.scale(lanes.lazy_subtract(load(&a[block]), load(&b[block])), factor);
        let sum = lanes.add(quotient, load(&c[block]));
        store(out, _mm512_permutexvar_epi64(lanes_of(entry), sum));
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn reduce_signed(m: &Modulus, source: &[i64], out: &mut [u64]) {
    let (lanes, one) = (Lanes::new(m), lane_factor(m.factor(1)));
    let offset = splat(m.signed_offset());
    for (out, value) in blocks_mut(out).iter_mut().zip(source.as_chunks::<8>().0) {
        let value = load(&value.map(i64::cast_unsigned));
        store(out, lanes.scale(_mm512_add_epi64(value, offset), one));
    }
}
