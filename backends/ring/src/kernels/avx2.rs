//! The kernels for AVX2 with FMA, four residues at a time.
//!
//! AVX2 has no multiplier for words, so products are taken in doubles: a rounded product and, by a fused
//! multiply-add, exactly what the rounding left out. Integers below `2^52` and doubles are taken to each other by
//! the bits of `2^52`.

#![expect(unsafe_code, reason = "unaligned vector loads and stores take pointers")]

mod lanes;

use super::elementwise::elementwise;
use super::stream::unpack;
use super::{BLOCK, LAZY_TERMS, PermutedBlock};
use crate::modulus::{Factor, Modulus, RADIX_MASK};
use lanes::{Lanes, LazySum};
use std::arch::x86_64::*;

pub(super) type Quad = [u64; 4];
type Block = [Quad; 2];

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
const TOWARDS_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;

/// `2^52`: its last bits count units.
const UNITS: f64 = 4_503_599_627_370_496.0;
/// `3 * 2^51`: the same, with room below for negative numbers.
const SIGNED_UNITS: f64 = 1.5 * UNITS;
/// `2^103`: its last bits count multiples of `2^51`.
const HALF_RADIX_UNITS: f64 = UNITS * UNITS / 2.0;
/// Lazy sums split products at this bit, one below that of the radix: [`SIGNED_UNITS`] is a multiple of it.
const SPLIT_BITS: i32 = 51;
/// Makes the low halves of lazy sums positive, whose magnitude is below `2^54`.
const LOW_BIAS_BITS: u32 = 57;

#[inline]
pub(super) fn quads(slice: &[u64]) -> &[Quad] {
    slice.as_chunks().0
}

#[inline]
pub(super) fn quads_mut(slice: &mut [u64]) -> &mut [Quad] {
    slice.as_chunks_mut().0
}

#[inline]
fn blocks(slice: &[u64]) -> &[Block] {
    quads(slice).as_chunks().0
}

#[inline]
fn blocks_mut(slice: &mut [u64]) -> &mut [Block] {
    quads_mut(slice).as_chunks_mut().0
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn load(quad: &Quad) -> __m256i {
    // SAFETY: the quad is 32 readable bytes, and the load has no alignment requirement.
    unsafe { _mm256_loadu_si256(quad.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn store(quad: &mut Quad, value: __m256i) {
    // SAFETY: the quad is 32 writable bytes, and the store has no alignment requirement.
    unsafe { _mm256_storeu_si256(quad.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat(value: u64) -> __m256i {
    _mm256_set1_epi64x(value as i64)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn bits_of(value: f64) -> __m256i {
    splat(value.to_bits())
}

/// Integers below `2^52` as doubles.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn to_double(value: __m256i) -> __m256d {
    let shifted = _mm256_castsi256_pd(_mm256_or_si256(value, bits_of(UNITS)));
    _mm256_sub_pd(shifted, _mm256_set1_pd(UNITS))
}

/// Doubles that are integers below `2^52`, as integers.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn to_integer(value: __m256d) -> __m256i {
    _mm256_xor_si256(_mm256_castpd_si256(_mm256_add_pd(value, _mm256_set1_pd(UNITS))), bits_of(UNITS))
}

/// The low 52 bits of a product.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn low_product(a: __m256i, b: __m256i) -> __m256i {
    let cross = _mm256_add_epi64(
        _mm256_mul_epu32(a, _mm256_srli_epi64::<32>(b)),
        _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), b),
    );
    let product = _mm256_add_epi64(_mm256_mul_epu32(a, b), _mm256_slli_epi64::<32>(cross));
    _mm256_and_si256(product, splat(RADIX_MASK))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn lane_factor(factor: Factor) -> __m256d {
    _mm256_set1_pd(factor.value as f64)
}

elementwise!("avx2,fma", quads, quads_mut);

/// Four residues of a packed block, the first or the last.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_packed<const WIDTH: usize>(block: &[u64; WIDTH], quad: usize) -> __m256i {
    if WIDTH == 4 {
        let pair = &block.as_chunks::<2>().0[quad];
        // SAFETY: the pair is 16 readable bytes, and the load has no alignment requirement.
        return _mm256_cvtepu32_epi64(unsafe { _mm_loadu_si128(pair.as_ptr().cast()) });
    }
    if WIDTH == BLOCK {
        return load(&block.as_chunks().0[quad]);
    }
    load(&std::array::from_fn(|lane| unpack(block, 4 * quad + lane)))
}

/// Adds to four sums, two quads of each key, a value's products with both keys.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_products<const VALUE: usize, const KEY: usize>(
    sums: &mut [[LazySum; 2]; 2],
    value: &[u64; VALUE],
    keys: &[[u64; KEY]; 2],
) {
    for quad in 0..2 {
        let value = load_packed(value, quad);
        for (sums, key) in sums.iter_mut().zip(keys) {
            sums[quad].add(value, load_packed(key, quad));
        }
    }
}

/// Reduces lazy sums of `terms` products and adds them to residues, which `is_first` says are not there yet.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn flush(lanes: Lanes, sums: &[[LazySum; 2]; 2], terms: usize, is_first: bool, out: [&mut Block; 2]) {
    for (sums, out) in sums.iter().zip(out) {
        for (&sum, out) in sums.iter().zip(out) {
            let reduced = lanes.montgomery(sum, terms);
            store(out, if is_first { reduced } else { lanes.add(load(out), reduced) });
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn dot_stream<const WIDTH: usize>(
    m: &Modulus,
    values: &[&[u64]],
    (keys, terms): (&[u64], usize),
    first: &mut [u64],
    second: &mut [u64],
) {
    let lanes = Lanes::new(m);
    let keys = keys.as_chunks::<WIDTH>().0.as_chunks::<2>().0.chunks_exact(terms);
    let out = blocks_mut(first).iter_mut().zip(blocks_mut(second));
    for (i, ((first, second), keys)) in out.zip(keys).enumerate() {
        for (chunk, (values, keys)) in values.chunks(LAZY_TERMS).zip(keys.chunks(LAZY_TERMS)).enumerate() {
            let mut sums = [[LazySum::new(); 2]; 2];
            for (value, keys) in values.iter().zip(keys) {
                add_products(&mut sums, &value.as_chunks::<BLOCK>().0[i], keys);
            }
            flush(lanes, &sums, values.len(), chunk == 0, [first, second]);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn dot_picked<const WIDTH: usize>(
    m: &Modulus,
    (values, picks): (&[u64], &[usize]),
    (keys, terms): (&[u64], usize),
    first: &mut [u64],
    second: &mut [u64],
) {
    let lanes = Lanes::new(m);
    let values = values.as_chunks::<WIDTH>().0.chunks_exact(picks.len());
    let keys = keys.as_chunks::<BLOCK>().0.as_chunks::<2>().0.chunks_exact(terms);
    let out = blocks_mut(first).iter_mut().zip(blocks_mut(second));
    for (((first, second), values), keys) in out.zip(values).zip(keys) {
        let chunks = values.chunks(LAZY_TERMS).zip(picks.chunks(LAZY_TERMS));
        for (chunk, (values, picks)) in chunks.enumerate() {
            let mut sums = [[LazySum::new(); 2]; 2];
            for (value, &pick) in values.iter().zip(picks) {
                add_products(&mut sums, value, &keys[pick]);
            }
            flush(lanes, &sums, values.len(), chunk == 0, [first, second]);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn overflow(sources: &[&[u64]], reciprocals: &[f64], out: &mut [u64]) {
    for (i, out) in quads_mut(out).iter_mut().enumerate() {
        let mut sum = _mm256_set1_pd(0.5);
        for (source, &reciprocal) in sources.iter().zip(reciprocals) {
            let source = to_double(load(&quads(source)[i]));
            // Not fused: the portable path rounds after the product too.
            sum = _mm256_add_pd(sum, _mm256_mul_pd(source, _mm256_set1_pd(reciprocal)));
        }
        store(out, to_integer(_mm256_round_pd::<TOWARDS_ZERO>(sum)));
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn recentre(source: &[u64], half: u64, shift: u64, out: &mut [u64]) {
    let (half, shift) = (splat(half), splat(shift));
    for (out, value) in quads_mut(out).iter_mut().zip(quads(source)) {
        let value = load(value);
        let below = _mm256_cmpgt_epi64(half, value);
        store(out, _mm256_add_epi64(value, _mm256_andnot_si256(below, shift)));
    }
}

/// One block from the lanes of another.
#[inline]
fn permuted(entry: &PermutedBlock, block: &[u64; BLOCK]) -> [u64; BLOCK] {
    entry.lanes.to_le_bytes().map(|lane| block[usize::from(lane) % BLOCK])
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn permute(table: &[PermutedBlock], source: &[u64], out: &mut [u64]) {
    let source = source.as_chunks().0;
    for (entry, out) in table.iter().zip(out.as_chunks_mut().0) {
        *out = permuted(entry, &source[entry.source as usize]);
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn permute_subtract_scale_add(
    m: &Modulus,
    table: &[PermutedBlock],
    [a, b, c]: [&[u64]; 3],
    factor: Factor,
    out: &mut [u64],
) {
    let (lanes, factor) = (Lanes::new(m), lane_factor(factor));
    let [a, b, c] = [a, b, c].map(blocks);
    for (entry, out) in table.iter().zip(out.as_chunks_mut().0) {
        let block = entry.source as usize;
        let mut sums = [0; BLOCK];
        for (quad, sum) in quads_mut(&mut sums).iter_mut().enumerate() {
            let difference = lanes.lazy_subtract(load(&a[block][quad]), load(&b[block][quad]));
            store(sum, lanes.add(lanes.scale(difference, factor), load(&c[block][quad])));
        }
        *out = permuted(entry, &sums);
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn reduce_signed(m: &Modulus, source: &[i64], out: &mut [u64]) {
    let (lanes, one) = (Lanes::new(m), _mm256_set1_pd(1.0));
    let offset = splat(m.signed_offset());
    for (out, value) in quads_mut(out).iter_mut().zip(source.as_chunks::<4>().0) {
        let value = load(&value.map(i64::cast_unsigned));
        store(out, lanes.scale(_mm256_add_epi64(value, offset), one));
    }
}
