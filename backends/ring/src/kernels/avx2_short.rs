//! Weighted sums modulo short primes for AVX2, which multiplies words.

#![expect(unsafe_code, reason = "one instruction is written as itself")]

use super::avx2::{load, quads, quads_mut, splat, store};
use super::short::{ShortModulus, WORD_MASK};
use std::arch::asm;
use std::arch::x86_64::*;

/// Quads that are worked on together: as many as registers hold sums of, with a group of targets.
const QUADS: usize = 2;

#[target_feature(enable = "avx2,fma")]
pub(super) fn short_sums<const TARGETS: usize>(
    m: &ShortModulus,
    sources: &[&[u64]],
    weights: [&[u64]; TARGETS],
    out: [&mut [u64]; TARGETS],
) {
    let weights = weights.map(|weights| &weights[..sources.len()]);
    let out = out.map(|out| quads_mut(out).as_chunks_mut::<QUADS>().0);
    let mask = splat(WORD_MASK);
    for i in 0..out[0].len() {
        let zero = [[_mm256_setzero_si256(); QUADS]; TARGETS];
        let (mut low, mut high) = (zero, zero);
        for first in (0..sources.len()).step_by(m.run) {
            let mut run = zero;
            for term in first..(first + m.run).min(sources.len()) {
                let source = &quads(sources[term]).as_chunks::<QUADS>().0[i];
                for quad in 0..QUADS {
                    let source = load(&source[quad]);
                    for target in 0..TARGETS {
                        let product = multiply(source, splat(weights[target][term]));
                        run[target][quad] = _mm256_add_epi64(run[target][quad], product);
                    }
                }
            }
            for target in 0..TARGETS {
                for quad in 0..QUADS {
                    let run = run[target][quad];
                    low[target][quad] = _mm256_add_epi64(low[target][quad], _mm256_and_si256(run, mask));
                    high[target][quad] = _mm256_add_epi64(high[target][quad], _mm256_srli_epi64::<32>(run));
                }
            }
        }
        for target in 0..TARGETS {
            for quad in 0..QUADS {
                store(&mut out[target][i][quad], reduce(m, low[target][quad], high[target][quad]));
            }
        }
    }
}

/// The products of the low words of every lane. The instruction itself: since the intrinsic ignores high words, the
/// compiler (1.95) loads half a weight where it could load a whole one into every lane, and shifts products together.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn multiply(a: __m256i, b: __m256i) -> __m256i {
    let product;
    // SAFETY: the instruction reads two registers and writes a third; the processor has AVX2 on this path.
    unsafe {
        asm!("vpmuludq {}, {}, {}", lateout(ymm_reg) product, in(ymm_reg) a, in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    product
}

/// [`ShortModulus::reduce`].
#[inline]
#[target_feature(enable = "avx2,fma")]
fn reduce(m: &ShortModulus, low: __m256i, high: __m256i) -> __m256i {
    let value = splat(m.value);
    let sum = _mm256_add_epi64(_mm256_add_epi64(_mm256_srli_epi64::<32>(low), high), value);
    let once = _mm256_sub_epi64(sum, carried(m, low));
    let twice = _mm256_sub_epi64(_mm256_srli_epi64::<32>(once), carried(m, once));
    let negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), twice);
    _mm256_add_epi64(twice, _mm256_and_si256(negative, value))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn carried(m: &ShortModulus, sum: __m256i) -> __m256i {
    let multiple = _mm256_mul_epu32(sum, splat(m.inverse));
    _mm256_srli_epi64::<32>(_mm256_mul_epu32(multiple, splat(m.value)))
}
