//! The kernels in plain Rust: the reference of the vector versions and the path of every other processor.
//!
//! Every function returns fully reduced residues, so the paths agree bit for bit. Selections compile to
//! conditional moves or masks: residues decide no branch and no address.

use super::short::{ShortModulus, WORD_MASK};
use super::stream::unpack;
use super::{BLOCK, PermutedBlock, residue_terms};
use crate::modulus::{Factor, Modulus, RADIX_BITS, RADIX_MASK};

/// `value` minus `bound` if that is not negative.
#[inline(always)]
fn minus_if_at_least(value: u64, bound: u64) -> u64 {
    value.min(value.wrapping_sub(bound))
}

#[inline(always)]
fn add(m: &Modulus, a: u64, b: u64) -> u64 {
    minus_if_at_least(a + b, m.value())
}

#[inline(always)]
fn subtract(m: &Modulus, a: u64, b: u64) -> u64 {
    minus_if_at_least(a + m.value() - b, m.value())
}

/// Barrett's reduction of a product of residues; the estimate of the quotient is short by at most 2.
#[inline(always)]
fn barrett(m: &Modulus, wide: u128) -> u64 {
    let high = (wide >> (m.bits() - 1)) as u64;
    let quotient = ((u128::from(high) * u128::from(m.barrett())) >> RADIX_BITS) as u64;
    let rest = (wide as u64).wrapping_sub(quotient.wrapping_mul(m.value()));
    minus_if_at_least(minus_if_at_least(rest, m.value()), m.value())
}

#[inline(always)]
fn multiply(m: &Modulus, a: u64, b: u64) -> u64 {
    barrett(m, u128::from(a) * u128::from(b))
}

/// Shoup's multiplication: `a` may be any number below `2^52`.
#[inline(always)]
fn scale(m: &Modulus, a: u64, factor: Factor) -> u64 {
    let quotient = ((u128::from(a) * u128::from(factor.quotient)) >> RADIX_BITS) as u64;
    let rest = a.wrapping_mul(factor.value).wrapping_sub(quotient.wrapping_mul(m.value()));
    minus_if_at_least(rest, m.value())
}

/// Montgomery's reduction of a sum below `3p * 2^52`.
#[inline(always)]
fn montgomery(m: &Modulus, wide: u128) -> u64 {
    let low = (wide as u64) & RADIX_MASK;
    let high = (wide >> RADIX_BITS) as u64;
    let multiple = low.wrapping_mul(m.radix_inverse()) & RADIX_MASK;
    let carry = ((u128::from(multiple) * u128::from(m.value())) >> RADIX_BITS) as u64;
    let rest = high + m.value() - carry;
    minus_if_at_least(minus_if_at_least(rest, 2 * m.value()), m.value())
}

pub(super) fn add_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a = add(m, *a, b);
    }
}

pub(super) fn subtract_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a = subtract(m, *a, b);
    }
}

pub(super) fn negate(m: &Modulus, a: &mut [u64]) {
    for a in a {
        *a = minus_if_at_least(m.value() - *a, m.value());
    }
}

pub(super) fn add_constant(m: &Modulus, a: &mut [u64], constant: u64) {
    for a in a {
        *a = add(m, *a, constant);
    }
}

pub(super) fn multiply_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a = multiply(m, *a, b);
    }
}

pub(super) fn multiply_add(m: &Modulus, sum: &mut [u64], a: &[u64], b: &[u64]) {
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        *sum = add(m, *sum, multiply(m, a, b));
    }
}

pub(super) fn scale_assign(m: &Modulus, a: &mut [u64], factor: Factor) {
    for a in a {
        *a = scale(m, *a, factor);
    }
}

pub(super) fn scale_add(m: &Modulus, sum: &mut [u64], a: &[u64], factor: Factor) {
    for (sum, &a) in sum.iter_mut().zip(a) {
        *sum = add(m, *sum, scale(m, a, factor));
    }
}

pub(super) fn tensor(m: &Modulus, a: [&[u64]; 2], b: [&[u64]; 2], [d0, d1, d2]: [&mut [u64]; 3]) {
    for i in 0..d0.len() {
        let ([a0, a1], [b0, b1]) = ([a[0][i], a[1][i]], [b[0][i], b[1][i]]);
        d0[i] = multiply(m, a0, b0);
        d1[i] = add(m, multiply(m, a0, b1), multiply(m, a1, b0));
        d2[i] = multiply(m, a1, b1);
    }
}

pub(super) fn square(m: &Modulus, a: [&[u64]; 2], [d0, d1, d2]: [&mut [u64]; 3]) {
    for i in 0..d0.len() {
        let (a0, a1) = (a[0][i], a[1][i]);
        d0[i] = multiply(m, a0, a0);
        let cross = multiply(m, a0, a1);
        d1[i] = add(m, cross, cross);
        d2[i] = multiply(m, a1, a1);
    }
}

pub(super) fn dot_stream<const WIDTH: usize>(
    m: &Modulus,
    values: &[&[u64]],
    (keys, terms): (&[u64], usize),
    first: &mut [u64],
    second: &mut [u64],
) {
    let keys = keys.as_chunks::<WIDTH>().0;
    for i in 0..first.len() {
        let pairs = values.iter().enumerate().map(|(term, value)| {
            let key = 2 * (i / BLOCK * terms + term);
            (value[i], unpack(&keys[key], i % BLOCK), unpack(&keys[key + 1], i % BLOCK))
        });
        (first[i], second[i]) = lazy_sums(m, pairs);
    }
}

pub(super) fn dot_picked<const WIDTH: usize>(
    m: &Modulus,
    (values, picks): (&[u64], &[usize]),
    (keys, terms): (&[u64], usize),
    first: &mut [u64],
    second: &mut [u64],
) {
    let values = values.as_chunks::<WIDTH>().0;
    for i in 0..first.len() {
        let pairs = picks.iter().enumerate().map(|(term, pick)| {
            let value = &values[i / BLOCK * picks.len() + term];
            let key = 2 * BLOCK * (i / BLOCK * terms + pick) + i % BLOCK;
            (unpack(value, i % BLOCK), keys[key], keys[key + BLOCK])
        });
        (first[i], second[i]) = lazy_sums(m, pairs);
    }
}

/// The sums of the products of each first number with the second and with the third.
#[inline(always)]
fn lazy_sums(m: &Modulus, mut terms: impl ExactSizeIterator<Item = (u64, u64, u64)>) -> (u64, u64) {
    let (mut sum0, mut sum1) = (0, 0);
    while terms.len() > 0 {
        let (mut wide0, mut wide1) = (0u128, 0u128);
        for (value, key0, key1) in terms.by_ref().take(residue_terms(m)) {
            wide0 += u128::from(value) * u128::from(key0);
            wide1 += u128::from(value) * u128::from(key1);
        }
        sum0 = add(m, sum0, montgomery(m, wide0));
        sum1 = add(m, sum1, montgomery(m, wide1));
    }
    (sum0, sum1)
}

pub(super) fn combine_group<const TARGETS: usize>(
    sources: &[&[u64]],
    moduli: [&Modulus; TARGETS],
    weights: [&[u64]; TARGETS],
    out: [&mut [u64]; TARGETS],
) {
    for ((m, weights), out) in moduli.into_iter().zip(weights).zip(out) {
        combine(m, sources, weights, out);
    }
}

fn combine(m: &Modulus, sources: &[&[u64]], weights: &[u64], out: &mut [u64]) {
    for (i, out) in out.iter_mut().enumerate() {
        let mut wide = 0u128;
        for (source, &weight) in sources.iter().zip(weights) {
            wide += u128::from(source[i]) * u128::from(weight);
        }
        *out = montgomery(m, wide);
    }
}

pub(super) fn short_sums<const TARGETS: usize>(
    m: &ShortModulus,
    sources: &[&[u64]],
    weights: [&[u64]; TARGETS],
    out: [&mut [u64]; TARGETS],
) {
    for (weights, out) in weights.into_iter().zip(out) {
        for (i, out) in out.iter_mut().enumerate() {
            let (mut low, mut high) = (0, 0);
            for (sources, weights) in sources.chunks(m.run).zip(weights.chunks(m.run)) {
                let run: u64 = sources.iter().zip(weights).map(|(source, weight)| source[i] * weight).sum();
                low += run & WORD_MASK;
                high += run >> 32;
            }
            *out = m.reduce(low, high);
        }
    }
}

pub(super) fn overflow(sources: &[&[u64]], reciprocals: &[f64], out: &mut [u64]) {
    for (i, out) in out.iter_mut().enumerate() {
        let mut sum = 0.5;
        for (source, &reciprocal) in sources.iter().zip(reciprocals) {
            sum += source[i] as f64 * reciprocal;
        }
        *out = sum as u64;
    }
}

pub(super) fn recentre(source: &[u64], half: u64, shift: u64, out: &mut [u64]) {
    for (out, &value) in out.iter_mut().zip(source) {
        let at_least_half = u64::from(value >= half).wrapping_neg();
        *out = value.wrapping_add(shift & at_least_half);
    }
}

pub(super) fn subtract_scale(m: &Modulus, a: &mut [u64], b: &[u64], factor: Factor) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a = scale(m, *a + m.value() - b, factor);
    }
}

pub(super) fn subtract_scale_add(m: &Modulus, sum: &mut [u64], a: &[u64], b: &[u64], factor: Factor) {
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        *sum = add(m, *sum, scale(m, a + m.value() - b, factor));
    }
}

pub(super) fn permute(table: &[PermutedBlock], source: &[u64], out: &mut [u64]) {
    let (source, out) = (source.as_chunks::<8>().0, out.as_chunks_mut::<8>().0);
    for (entry, out) in table.iter().zip(out) {
        let block = &source[entry.source as usize];
        *out = entry.lanes.to_le_bytes().map(|lane| block[usize::from(lane)]);
    }
}

pub(super) fn permute_subtract_scale_add(
    m: &Modulus,
    table: &[PermutedBlock],
    [a, b, c]: [&[u64]; 3],
    factor: Factor,
    out: &mut [u64],
) {
    let [a, b, c] = [a, b, c].map(|slice| slice.as_chunks::<8>().0);
    for (entry, out) in table.iter().zip(out.as_chunks_mut::<8>().0) {
        let block = entry.source as usize;
        *out = entry.lanes.to_le_bytes().map(|lane| {
            let lane = usize::from(lane);
            let quotient = scale(m, a[block][lane] + m.value() - b[block][lane], factor);
            add(m, quotient, c[block][lane])
        });
    }
}

pub(super) fn reduce_signed(m: &Modulus, source: &[i64], out: &mut [u64]) {
    let (one, offset) = (m.factor(1), m.signed_offset() as i64);
    for (out, &value) in out.iter_mut().zip(source) {
        *out = scale(m, (value + offset) as u64, one);
    }
}
