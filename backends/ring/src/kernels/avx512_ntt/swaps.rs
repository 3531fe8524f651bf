//! Residues exchanged between two vectors, so that both numbers of a butterfly stand in the same lane.

use std::arch::x86_64::*;

/// The even and the odd places of two blocks, from blocks that hold them one after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn deal([a, b]: [__m512i; 2]) -> [__m512i; 2] {
    [
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b),
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b),
    ]
}

/// The reverse of [`deal`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn weave([a, b]: [__m512i; 2]) -> [__m512i; 2] {
    [
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b),
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b),
    ]
}

/// The halves of two blocks: the lower ones, the upper ones. Its own reverse.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn swap_fours([a, b]: [__m512i; 2]) -> [__m512i; 2] {
    [_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b)]
}

/// As [`swap_fours`] for the pairs within each half.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn swap_pairs([a, b]: [__m512i; 2]) -> [__m512i; 2] {
    [
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), b),
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), b),
    ]
}

/// As [`swap_fours`] for single residues within each pair.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub(super) fn swap_ones([a, b]: [__m512i; 2]) -> [__m512i; 2] {
    [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)]
}
