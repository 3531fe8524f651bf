//! Every operation on ciphertexts of arbitrary polynomials against the same on big integers: at every level, for
//! scales of 20 to 45 bits and values at the ends of the range.

use super::Evaluator;
use super::tests::{DEGREE, centred, context, from_residues, negacyclic, product, rounded, to_residues};
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::Plaintext;
use crate::keys::{KeyRequest, PairSquares, SecretKey, SeededEvaluationKeys};
use num_bigint::BigInt;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};
use veilbench_ring::GaloisElement;
use veilbench_ring::random::Randomness;

struct Fixture {
    context: Context,
    secret: SecretKey,
    evaluator: Evaluator,
}

/// Digits of one prime and of two, the last one short.
static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    let sets: [(&[u32], &[u32], usize); 2] =
        [(&[50, 50, 45, 50], &[50], 4), (&[50, 40, 50, 40, 27], &[50, 50], 3)];
    sets.into_iter()
        .map(|(data, special, digits)| {
            let context = context(data, special, digits);
            let mut random = Randomness::insecure_from_seed([9; 32]);
            let secret = SecretKey::generate(&context, &mut random);
            let request = KeyRequest {
                relinearisation: true,
                conjugation: true,
                rotations: (0..DEGREE as i64 / 2).collect(),
                pair_squares: Some(PairSquares { level: data.len() - 1, sums: true }),
                ..KeyRequest::default()
            };
            let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
            let evaluator = Evaluator::new(&context, Arc::new(keys.expand(&context).unwrap())).unwrap();
            Fixture { context, secret, evaluator }
        })
        .collect()
});

#[derive(Clone, Copy, Debug)]
enum Shape {
    Random,
    Largest,
    Smallest,
    Alternating,
    Zero,
}

fn shape() -> impl Strategy<Value = Shape> {
    prop::sample::select(vec![
        Shape::Random,
        Shape::Largest,
        Shape::Smallest,
        Shape::Alternating,
        Shape::Zero,
    ])
}

impl Fixture {
    fn modulus(&self, limbs: usize) -> BigInt {
        product(&self.context.parameters().data_primes()[..limbs])
    }

    fn polynomial(&self, shape: Shape, limbs: usize, seed: u64) -> Vec<BigInt> {
        let modulus = self.modulus(limbs);
        let half: BigInt = (&modulus - 1) / 2;
        let mut random = Randomness::insecure_from_seed([seed as u8; 32]);
        (0..DEGREE)
            .map(|i| match shape {
                Shape::Random => {
                    let wide = (0..5).fold(BigInt::from(seed), |wide, _| (wide << 64) + random.word());
                    centred(&wide, &modulus)
                }
                Shape::Largest => half.clone(),
                Shape::Smallest => -&half,
                Shape::Alternating => {
                    if i % 2 == 0 {
                        half.clone()
                    } else {
                        -&half
                    }
                }
                Shape::Zero => BigInt::from(0),
            })
            .collect()
    }

    fn ciphertext(&self, parts: &[Vec<BigInt>; 2], limbs: usize, scale: f64) -> Ciphertext {
        Ciphertext {
            parts: parts.each_ref().map(|part| to_residues(&self.context, part, limbs)),
            scale,
            key: self.secret.id(),
            parameters: self.context.parameters().id(),
        }
    }

    fn parts(&self, ciphertext: &Ciphertext) -> [Vec<BigInt>; 2] {
        ciphertext.parts.each_ref().map(|part| from_residues(&self.context, part))
    }

    /// What a ciphertext decrypts to, before it is reduced.
    fn phase(&self, [c0, c1]: &[Vec<BigInt>; 2]) -> Vec<BigInt> {
        let s = from_residues(&self.context, self.secret.polynomial());
        c0.iter().zip(negacyclic(c1, &s)).map(|(a, b)| a + b).collect()
    }

    /// The most that a key switch changes a coefficient by: each digit times the largest error, over the special
    /// primes, and the rounding of both parts.
    fn switch_bound(&self, limbs: usize) -> BigInt {
        let parameters = self.context.parameters();
        let digits: BigInt =
            parameters.data_primes()[..limbs].chunks(parameters.digit_primes()).map(product).sum();
        digits * 21 * DEGREE as u64 / (product(parameters.special_primes()) * 2u64) + DEGREE as u64 / 2 + 2u64
    }
}

fn each(a: &[BigInt], b: &[BigInt], f: impl Fn(&BigInt, &BigInt) -> BigInt) -> Vec<BigInt> {
    a.iter().zip(b).map(|(a, b)| f(a, b)).collect()
}

fn reduced(values: &[BigInt], modulus: &BigInt) -> Vec<BigInt> {
    values.iter().map(|value| centred(value, modulus)).collect()
}

fn automorphism(element: GaloisElement, values: &[BigInt]) -> Vec<BigInt> {
    let mut out = vec![BigInt::from(0); DEGREE];
    for (i, value) in values.iter().enumerate() {
        let exponent = i * element.0 as usize % (2 * DEGREE);
        if exponent < DEGREE { out[exponent] = value.clone() } else { out[exponent - DEGREE] = -value }
    }
    out
}

fn conjugate(values: &[BigInt]) -> Vec<BigInt> {
    automorphism(GaloisElement::conjugation(DEGREE), values)
}

/// Twice the pair of the squares: `2 z z' + z^2 - z'^2`.
fn pair_square(z: &[BigInt]) -> Vec<BigInt> {
    let conjugate = conjugate(z);
    let difference = each(&negacyclic(z, z), &negacyclic(&conjugate, &conjugate), |a, b| a - b);
    each(&negacyclic(z, &conjugate), &difference, |norm, difference| norm * 2 + difference)
}

fn within(actual: &[BigInt], expected: &[BigInt], modulus: &BigInt, bound: &BigInt) -> bool {
    actual.iter().zip(expected).all(|(a, e)| centred(&(a - e), modulus).magnitude() <= bound.magnitude())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn operations_without_a_key_are_exact(
        set in 0..2usize,
        (left, right) in (shape(), shape()),
        seed in any::<u8>(),
        bits in 20..=45i32,
        scalar in prop_oneof![-1.0..1.0f64, Just(1.0), Just(-1.0), Just(0.0)],
    ) {
        let f = &FIXTURES[set];
        let scale = 2f64.powi(bits);
        let integer = BigInt::from((scalar * scale).round() as i64);
        for limbs in 1..=f.context.parameters().data_primes().len() {
            let modulus = f.modulus(limbs);
            let seed = u64::from(seed);
            let a = [f.polynomial(left, limbs, seed), f.polynomial(right, limbs, seed + 1)];
            let b = [f.polynomial(right, limbs, seed + 2), f.polynomial(left, limbs, seed + 3)];
            let (x, y) = (f.ciphertext(&a, limbs, scale), f.ciphertext(&b, limbs, scale));
            let plaintext = Plaintext {
                polynomial: to_residues(&f.context, &b[0], limbs),
                scale,
                parameters: f.context.parameters().id(),
            };
            let e = &f.evaluator;
            let check = |actual: &Ciphertext, expected: [Vec<BigInt>; 2]| {
                f.parts(actual) == expected.map(|part| reduced(&part, &modulus))
            };
            let both = |g: &dyn Fn(&BigInt, &BigInt) -> BigInt| [each(&a[0], &b[0], g), each(&a[1], &b[1], g)];
            prop_assert!(check(&e.add(&x, &y).unwrap(), both(&|a, b| a + b)));
            prop_assert!(check(&e.subtract(&x, &y).unwrap(), both(&|a, b| a - b)));
            prop_assert!(check(&e.negate(&x).unwrap(), both(&|a, _| -a)));
            let sum = [each(&a[0], &b[0], |a, b| a + b), a[1].clone()];
            prop_assert!(check(&e.add_plain(&x, &plaintext).unwrap(), sum));
            if scalar == 0.0 || (bits as f64) < f.context.parameters().level_bits(limbs - 1) - 1.0 {
                let mut sum = a.clone();
                sum[0][0] += &integer;
                prop_assert!(check(&e.add_scalar(&x, scalar).unwrap(), sum));
            }
            for lower in 0..limbs {
                if let Ok(dropped) = e.drop_to_level(&x, lower) {
                    let modulus = f.modulus(lower + 1);
                    prop_assert_eq!(f.parts(&dropped), a.each_ref().map(|part| reduced(part, &modulus)));
                }
            }
            if 2.0 * bits as f64 >= f.context.parameters().level_bits(limbs - 1) - 1.0 {
                prop_assert!(e.multiply_plain(&x, &plaintext).is_err());
                continue;
            }
            let product = a.each_ref().map(|part| negacyclic(part, &b[0]));
            prop_assert!(check(&e.multiply_plain(&x, &plaintext).unwrap(), product));
            let product = both(&|a, _| a * &integer);
            prop_assert!(check(&e.multiply_scalar(&x, scalar, scale).unwrap(), product));
            let operands: Vec<&Ciphertext> = [&x, &y].into_iter().cycle().take(15).collect();
            let weights: Vec<f64> = (0..15).map(|i| if i % 2 == 0 { scalar } else { -scalar }).collect();
            let sum = both(&|a, b| a * &integer * 8 - b * &integer * 7);
            prop_assert!(check(&e.weighted_sum(&operands, &weights, scale).unwrap(), sum));
            if limbs > 1 {
                let last = f.context.parameters().data_primes()[limbs - 1];
                let product = e.multiply_plain(&x, &plaintext).unwrap();
                if let Ok(rescaled) = e.rescale(&product) {
                    let modulus = f.modulus(limbs - 1);
                    let expected = f.parts(&product).map(|part| {
                        let quotients: Vec<BigInt> =
                            part.iter().map(|value| rounded(value, &BigInt::from(last))).collect();
                        reduced(&quotients, &modulus)
                    });
                    prop_assert_eq!(f.parts(&rescaled), expected);
                }
            }
        }
    }

    #[test]
    fn operations_with_a_key_are_off_by_no_more_than_its_errors(
        set in 0..2usize,
        (left, right) in (shape(), shape()),
        seed in any::<u8>(),
        bits in 20..=45i32,
        steps in -40..40i64,
    ) {
        let f = &FIXTURES[set];
        let scale = 2f64.powi(bits);
        for limbs in 1..=f.context.parameters().data_primes().len() {
            let (modulus, bound) = (f.modulus(limbs), f.switch_bound(limbs));
            let seed = u64::from(seed);
            let a = [f.polynomial(left, limbs, seed), f.polynomial(right, limbs, seed + 1)];
            let b = [f.polynomial(right, limbs, seed + 2), f.polynomial(left, limbs, seed + 3)];
            let (x, y) = (f.ciphertext(&a, limbs, scale), f.ciphertext(&b, limbs, scale));
            let e = &f.evaluator;
            let close = |actual: &Ciphertext, expected: &[BigInt]| {
                within(&f.phase(&f.parts(actual)), expected, &modulus, &bound)
            };
            let (phase_x, phase_y) = (f.phase(&a), f.phase(&b));
            let turned = automorphism(GaloisElement::rotation(DEGREE, steps), &phase_x);
            prop_assert!(close(&e.rotate(&x, steps).unwrap(), &turned));
            prop_assert!(close(&e.hoist(&x).unwrap().rotate(steps).unwrap(), &turned));
            prop_assert!(close(&e.conjugate(&x).unwrap(), &conjugate(&phase_x)));
            if 2.0 * bits as f64 >= f.context.parameters().level_bits(limbs - 1) - 1.0 {
                prop_assert!(e.multiply(&x, &y).is_err());
                continue;
            }
            prop_assert!(close(&e.multiply(&x, &y).unwrap(), &negacyclic(&phase_x, &phase_y)));
            prop_assert!(close(&e.square(&x).unwrap(), &negacyclic(&phase_x, &phase_x)));
            if 2.0 * bits as f64 + 1.0 >= f.context.parameters().level_bits(limbs - 1) - 1.0 {
                prop_assert!(e.sum_of_pair_squares(&[&x]).is_err() && e.sum_of_pair_squares(&[&x, &y]).is_err());
                continue;
            }
            // The conjugate that the square of one is computed from is off itself.
            let mirrored = f.phase(&f.parts(&e.conjugate(&x).unwrap()));
            let difference = each(&phase_x, &mirrored, |a, b| a - b);
            let squares = [negacyclic(&phase_x, &phase_x), negacyclic(&difference, &difference)];
            let single = each(&squares[0], &squares[1], |own, less| own * 2 - less);
            prop_assert!(close(&e.sum_of_pair_squares(&[&x]).unwrap(), &single));
            let (square_x, square_y) = (pair_square(&phase_x), pair_square(&phase_y));
            for terms in [&[&x, &y][..], &[&x, &y, &x]] {
                let times = terms.len() as u64 - 1;
                let sum = each(&square_x, &square_y, |a, b| a * times + b);
                let actual = e.sum_of_pair_squares(terms).unwrap();
                // Digits meet four keys, and are divided once.
                prop_assert!(within(&f.phase(&f.parts(&actual)), &sum, &modulus, &(&bound * 4)));
            }
        }
    }
}
