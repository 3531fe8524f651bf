//! Four residues of one modulus, their products, and sums of products that are reduced later.

use super::*;
use crate::modulus::Modulus;

/// A modulus spread over the lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    p: __m256i,
    two_p: __m256i,
    p_double: __m256d,
    reciprocal: __m256d,
    radix_inverse: __m256i,
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new(m: &Modulus) -> Self {
        Self {
            p: splat(m.value()),
            two_p: splat(2 * m.value()),
            p_double: _mm256_set1_pd(m.value() as f64),
            reciprocal: _mm256_set1_pd(1.0 / m.value() as f64),
            radix_inverse: splat(m.radix_inverse()),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn minus_if_at_least(value: __m256i, bound: __m256i) -> __m256i {
        let below = _mm256_cmpgt_epi64(bound, value);
        _mm256_sub_epi64(value, _mm256_andnot_si256(below, bound))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn reduce_once(self, value: __m256i) -> __m256i {
        Self::minus_if_at_least(value, self.p)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add(self, a: __m256i, b: __m256i) -> __m256i {
        self.reduce_once(_mm256_add_epi64(a, b))
    }

    /// `a + p - b`, not reduced.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn lazy_subtract(self, a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi64(a, _mm256_sub_epi64(self.p, b))
    }

    /// `a * b` less the multiple of `p` nearest to it, give or take: the product, the reciprocal and the
    /// quotient are each off by a part in `2^53` and the rounding by one half. That is below `p` in magnitude if
    /// the quotient is below `2^50`, and below `2p` if it is below `2^52`. Both differences are exact.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn signed_product(self, a: __m256d, b: __m256d) -> __m256d {
        let high = _mm256_mul_pd(a, b);
        let low = _mm256_fmsub_pd(a, b, high);
        let quotient = _mm256_round_pd::<NEAREST>(_mm256_mul_pd(high, self.reciprocal));
        _mm256_add_pd(_mm256_fnmadd_pd(quotient, self.p_double, high), low)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply(self, a: __m256i, b: __m256i) -> __m256i {
        let product = self.signed_product(to_double(a), to_double(b));
        self.reduce_once(to_integer(_mm256_add_pd(product, self.p_double)))
    }

    /// `a`, any number below `2^52`, times a residue.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn scale(self, a: __m256i, factor: __m256d) -> __m256i {
        let product = self.signed_product(to_double(a), factor);
        let positive = to_integer(_mm256_add_pd(product, _mm256_add_pd(self.p_double, self.p_double)));
        self.reduce_once(Self::minus_if_at_least(positive, self.two_p))
    }

    /// Montgomery's reduction of a lazy sum of `terms` products.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn montgomery(self, sum: LazySum, terms: usize) -> __m256i {
        let offset = |units: f64| splat(units.to_bits().wrapping_mul(terms as u64));
        let high = _mm256_sub_epi64(sum.high, offset(HALF_RADIX_UNITS));
        let low = _mm256_sub_epi64(sum.low, offset(SIGNED_UNITS));
        let total = _mm256_add_epi64(low, _mm256_slli_epi64::<SPLIT_BITS>(high));
        let multiple = low_product(_mm256_and_si256(total, splat(RADIX_MASK)), self.radix_inverse);
        let mut product = LazySum::new();
        product.add_doubles(to_double(multiple), self.p_double);
        let product_high = _mm256_sub_epi64(product.high, bits_of(HALF_RADIX_UNITS));
        let product_low = _mm256_sub_epi64(product.low, bits_of(SIGNED_UNITS));
        // What is left is a multiple of the radix; the low halves differ by a multiple of half of it.
        let low = _mm256_add_epi64(_mm256_sub_epi64(low, product_low), splat(1 << LOW_BIAS_BITS));
        let carry = _mm256_sub_epi64(
            _mm256_srli_epi64::<SPLIT_BITS>(low),
            splat(1 << (LOW_BIAS_BITS - SPLIT_BITS as u32)),
        );
        let halves = _mm256_add_epi64(_mm256_sub_epi64(high, product_high), carry);
        let rest = _mm256_srli_epi64::<1>(_mm256_add_epi64(halves, self.two_p));
        self.reduce_once(Self::minus_if_at_least(rest, self.two_p))
    }
}

/// A sum of products that is not yet reduced, split at [`SPLIT_BITS`]: the bits of [`HALF_RADIX_UNITS`] and of
/// [`SIGNED_UNITS`] are still in it, once for each product.
#[derive(Clone, Copy)]
pub(super) struct LazySum {
    high: __m256i,
    low: __m256i,
}

impl LazySum {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new() -> Self {
        Self { high: _mm256_setzero_si256(), low: _mm256_setzero_si256() }
    }

    /// Adds a product below `2^103`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add(&mut self, a: __m256i, b: __m256i) {
        self.add_doubles(to_double(a), to_double(b));
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_doubles(&mut self, a: __m256d, b: __m256d) {
        let high = _mm256_fmadd_pd(a, b, _mm256_set1_pd(HALF_RADIX_UNITS));
        let without_high = _mm256_sub_pd(_mm256_set1_pd(HALF_RADIX_UNITS + SIGNED_UNITS), high);
        let low = _mm256_fmadd_pd(a, b, without_high);
        self.high = _mm256_add_epi64(self.high, _mm256_castpd_si256(high));
        self.low = _mm256_add_epi64(self.low, _mm256_castpd_si256(low));
    }
}
