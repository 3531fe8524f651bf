//! The same with four blocks to a vector.

use std::arch::x86_64::*;

use super::MOST_LEVELS;
use crate::extension::strip::{BLOCKS, Strip};

/// Round keys of AES-128.
pub(super) type Schedule = [u128; 11];

/// FIPS 197, section 5.2.
const ROUND_CONSTANTS: [i32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];

const VECTORS: usize = BLOCKS / 4;

type Vectors = [__m512i; VECTORS];

/// Expands a key. `whitening` is added to every block that the schedule encrypts: it is part of the first round's key.
///
/// The last round of AES on four equal columns substitutes each byte and adds the constant: `SubWord(RotWord(w3)) + rcon` in every
/// column. To that comes the running sum of the columns before.
#[target_feature(enable = "aes,ssse3")]
pub(super) fn schedule(key: u128, whitening: u128) -> Schedule {
    let rotation = _mm_set1_epi32(0x0c0f_0e0d);
    let mut round = _mm_set_epi64x((key >> 64) as i64, key as i64);
    let mut keys = [key ^ whitening; 11];
    for (key, constant) in keys[1..].iter_mut().zip(ROUND_CONSTANTS) {
        let substituted = _mm_aesenclast_si128(_mm_shuffle_epi8(round, rotation), _mm_set1_epi32(constant));
        let pairs = _mm_xor_si128(round, _mm_bslli_si128::<4>(round));
        round = _mm_xor_si128(_mm_xor_si128(pairs, _mm_bslli_si128::<8>(pairs)), substituted);
        let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(round, round));
        *key = u128::from(_mm_cvtsi128_si64(round) as u64) | u128::from(high as u64) << 64;
    }
    keys
}

/// As [`super::Leaves::fold`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
pub(super) fn fold(schedules: &[Schedule], counters: &Strip, sums: &mut [Strip]) -> Strip {
    let counters = load(counters);
    let zero = [_mm512_setzero_si512(); VECTORS];
    let mut waiting = [zero; MOST_LEVELS + 1];
    let mut right = [zero; MOST_LEVELS];
    for (number, schedule) in schedules.iter().enumerate() {
        let mut sum = encrypt(schedule, counters);
        let level = number.trailing_ones() as usize;
        for (right, left) in right.iter_mut().zip(&waiting).take(level) {
            *right = add(*right, sum);
            sum = add(sum, *left);
        }
        waiting[level] = sum;
    }
    for (sum, right) in sums.iter_mut().zip(right) {
        *sum = store(right);
    }
    store(waiting[sums.len()])
}

/// As [`super::Hash::hash`]: `keys` are those of the rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
pub(super) fn hash(keys: &Strip, rows: &mut [Strip]) {
    let schedules = schedules(load(keys));
    for rows in rows {
        let clear = load(rows);
        let mut state = add(clear, schedules[0]);
        for keys in &schedules[1..10] {
            for (state, key) in state.iter_mut().zip(keys) {
                *state = _mm512_aesenc_epi128(*state, *key);
            }
        }
        for (state, key) in state.iter_mut().zip(&schedules[10]) {
            *state = _mm512_aesenclast_epi128(*state, *key);
        }
        *rows = store(add(state, clear));
    }
}

/// Round keys of sixteen keys side by side, expanded as in [`schedule`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
#[inline]
fn schedules(keys: Vectors) -> [Vectors; 11] {
    let rotation = _mm512_set1_epi32(0x0c0f_0e0d);
    let mut all = [keys; 11];
    let mut rounds = keys;
    for (keys, constant) in all[1..].iter_mut().zip(ROUND_CONSTANTS) {
        for round in &mut rounds {
            let rotated = _mm512_shuffle_epi8(*round, rotation);
            let substituted = _mm512_aesenclast_epi128(rotated, _mm512_set1_epi32(constant));
            let pairs = _mm512_xor_si512(*round, _mm512_bslli_epi128::<4>(*round));
            let sums = _mm512_xor_si512(pairs, _mm512_bslli_epi128::<8>(pairs));
            *round = _mm512_xor_si512(sums, substituted);
        }
        *keys = rounds;
    }
    all
}

#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn encrypt(schedule: &Schedule, mut state: Vectors) -> Vectors {
    let (first, rounds) = (broadcast(&schedule[0]), &schedule[1..10]);
    for state in &mut state {
        *state = _mm512_xor_si512(*state, first);
    }
    for key in rounds {
        let key = broadcast(key);
        for state in &mut state {
            *state = _mm512_aesenc_epi128(*state, key);
        }
    }
    let last = broadcast(&schedule[10]);
    for state in &mut state {
        *state = _mm512_aesenclast_epi128(*state, last);
    }
    state
}

#[target_feature(enable = "avx512f")]
#[inline]
fn add(mut sum: Vectors, other: Vectors) -> Vectors {
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum = _mm512_xor_si512(*sum, other);
    }
    sum
}

#[target_feature(enable = "avx512f")]
#[inline]
fn broadcast(key: &u128) -> __m512i {
    #[expect(unsafe_code, reason = "a load")]
    // SAFETY: the reference is to sixteen bytes, and the load needs no alignment.
    let key = unsafe { _mm_loadu_si128(std::ptr::from_ref(key).cast()) };
    _mm512_broadcast_i32x4(key)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(strip: &Strip) -> Vectors {
    let blocks = strip.as_ptr();
    std::array::from_fn(|vector| {
        #[expect(unsafe_code, reason = "a load")]
        // SAFETY: a strip has four blocks for each vector, and the load needs no alignment.
        unsafe {
            _mm512_loadu_si512(blocks.add(4 * vector).cast())
        }
    })
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(vectors: Vectors) -> Strip {
    let mut strip = [0; BLOCKS];
    for (blocks, vector) in strip.chunks_exact_mut(4).zip(vectors) {
        #[expect(unsafe_code, reason = "a store")]
        // SAFETY: the chunk has four blocks, and the store needs no alignment.
        unsafe {
            _mm512_storeu_si512(blocks.as_mut_ptr().cast(), vector);
        }
    }
    strip
}
