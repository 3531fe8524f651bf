//! Operations on polynomials against schoolbook arithmetic.

use super::*;
use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

const DEGREE: usize = 64;

fn ring() -> Ring {
    let primes = crate::primes::find(DEGREE, &[50, 27, 27, 40, 40, 50, 49, 48]).unwrap();
    Ring::new(DEGREE, &primes, Kernels::detect()).unwrap()
}

fn small() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(prop_oneof![-1_000_000i64..1_000_000, Just((1 << 50) - 1)], DEGREE)
}

fn product(ring: &Ring, range: std::ops::Range<usize>) -> BigInt {
    range.map(|index| BigInt::from(ring.modulus(index).value())).product()
}

/// `a * b` modulo `X^N + 1`, over the integers.
fn negacyclic(a: &[i64], b: &[i64]) -> Vec<BigInt> {
    let mut out = vec![BigInt::from(0); a.len()];
    for (i, &a_i) in a.iter().enumerate() {
        for (j, &b_j) in b.iter().enumerate() {
            let term = BigInt::from(a_i) * b_j;
            let k = i + j;
            if k < a.len() { out[k] += term } else { out[k - a.len()] -= term }
        }
    }
    out
}

fn residue(value: &BigInt, m: &Modulus) -> u64 {
    let m = BigInt::from(m.value());
    u64::try_from(((value % &m) + &m) % &m).unwrap()
}

fn apply(element: GaloisElement, coefficients: &[i64]) -> Vec<i64> {
    let mut out = vec![0; DEGREE];
    for (i, &c) in coefficients.iter().enumerate() {
        let exponent = i * element.0 as usize % (2 * DEGREE);
        if exponent < DEGREE { out[exponent] = c } else { out[exponent - DEGREE] = -c }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn products_in_the_ntt_domain_are_negacyclic_convolutions(a in small(), b in small()) {
        let ring = ring();
        let limbs = ring.moduli().len();
        let ntt = |c: &[i64]| Polynomial::from_signed(&ring, c, limbs).into_ntt(&ring);
        let mut result = ntt(&a);
        result.multiply_assign(&ring, &ntt(&b));
        let result = result.into_coefficients(&ring);
        let expected = negacyclic(&a, &b);
        for (row, m) in result.rows().zip(ring.moduli()) {
            let expected: Vec<u64> = expected.iter().map(|c| residue(c, m)).collect();
            prop_assert_eq!(row, &expected[..]);
        }
    }

    #[test]
    fn automorphisms_permute_the_ntt_values(a in small(), steps in -100i64..100, conjugate in any::<bool>()) {
        let ring = ring();
        let element =
            if conjugate { GaloisElement::conjugation(DEGREE) } else { GaloisElement::rotation(DEGREE, steps) };
        let source = Polynomial::from_signed(&ring, &a, 2).into_ntt(&ring);
        let expected = Polynomial::from_signed(&ring, &apply(element, &a), 2).into_ntt(&ring);
        let mut there = Polynomial::<Ntt>::zero(&ring, 2);
        let mut back = Polynomial::<Ntt>::zero(&ring, 2);
        let forward = Automorphism::new(DEGREE, element);
        let inverse = Automorphism::new(DEGREE, element.inverse(DEGREE));
        for i in 0..2 {
            ring.kernels().permute(forward.blocks(), source.limb(i), there.limb_mut(i));
            ring.kernels().permute(inverse.blocks(), there.limb(i), back.limb_mut(i));
            prop_assert_eq!(there.limb(i), expected.limb(i));
            prop_assert_eq!(back.limb(i), source.limb(i));
        }
    }

    #[test]
    fn conversions_keep_the_centred_number(seed in any::<u64>(), sources in prop::sample::select(vec![0..1, 1..2, 0..3, 3..5, 5..8, 5..6])) {
        let ring = ring();
        let big = product(&ring, sources.clone());
        // Numbers spread over the whole centred range, its ends included.
        let half = (&big - 1) / 2;
        let numbers: Vec<BigInt> = (0..DEGREE as u64)
            .map(|i| match i {
                0 => BigInt::from(0),
                1 => BigInt::from(-1),
                2 => &half * 999_999_999 / 1_000_000_000,
                3 => -&half * 999_999_999 / 1_000_000_000,
                _ => {
                    let mix = seed.wrapping_add(i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    ((&big * BigInt::from(mix)) >> 64) - &half
                }
            })
            .map(|number| if sources.len() == 1 { number } else { number * 99 / 100 })
            .collect();
        let conversion = BaseConversion::new(&ring, sources.clone());
        let mut rows: Vec<Vec<u64>> = sources
            .clone()
            .enumerate()
            .map(|(position, index)| {
                let mut row: Vec<u64> = numbers.iter().map(|n| residue(n, ring.modulus(index))).collect();
                ring.forward(index, &mut row);
                conversion.prepare(&ring, position, &mut row);
                row
            })
            .collect();
        if conversion.needs_overflow() {
            let mut overflow = vec![0; DEGREE];
            conversion.count_overflow(&ring, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut overflow);
            rows.push(overflow);
        }
        let rows: Vec<&[u64]> = rows.iter().map(Vec::as_slice).collect();
        for target in (0..ring.moduli().len()).filter(|target| !sources.contains(target)) {
            let mut out = vec![0; DEGREE];
            conversion.convert(&ring, &rows, target, &mut out);
            let expected: Vec<u64> = numbers.iter().map(|n| residue(n, ring.modulus(target))).collect();
            prop_assert_eq!(&out, &expected, "from {:?} to {}", &sources, target);
        }
    }
}

#[test]
fn rotations_compose_and_wrap_around() {
    let element = |steps| GaloisElement::rotation(DEGREE, steps);
    assert_eq!(element(0), GaloisElement(1));
    assert_eq!(element(32), GaloisElement(1));
    assert_eq!(element(-1), element(31));
    assert_eq!(element(1).inverse(DEGREE), element(-1));
    assert_eq!(BigInt::from_bytes_le(Sign::Plus, &[5]), BigInt::from(element(1).0));
}

#[test]
fn degrees_and_numbers_that_make_no_ring_are_refused() {
    let new = |degree, primes: &[u64]| Ring::new(degree, primes, Kernels::portable()).map(|_| ());
    for degree in [0, 8, 48, 131_072, usize::MAX] {
        assert!(matches!(new(degree, &[97]), Err(Error::Degree { .. })), "{degree}");
    }
    // 1 modulo 32: two primes, a composite, a prime that is not, one that is too long, one of them twice.
    assert_eq!(new(16, &[97, 193]), Ok(()));
    for primes in [&[33][..], &[101], &[0], &[1], &[97, 97], &[(1 << 61) - 1]] {
        assert!(matches!(new(16, primes), Err(Error::Prime { .. })), "{primes:?}");
    }
}
