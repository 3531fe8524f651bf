//! Division and key switching against arithmetic on big integers.

use super::Evaluator;
use super::key_switch::switch;
use crate::context::Context;
use crate::keys::{DigitLength, KeyRequest, LongDigits, SecretKey, SeededEvaluationKeys};
use crate::parameters::{ParameterRequest, Parameters};
use crate::{Ciphertext, KeyId};
use num_bigint::BigInt;
use std::sync::Arc;
use veilbench_ring::random::Randomness;
use veilbench_ring::{Coefficients, Ntt, Polynomial};

pub(super) const DEGREE: usize = 64;

pub(super) fn context(data: &[u32], special: &[u32], digits: usize) -> Context {
    let request =
        ParameterRequest { degree: DEGREE, data_prime_bits: data, special_prime_bits: special, digits };
    Context::new(Parameters::new_insecure(&request).unwrap())
}

pub(super) fn product(primes: &[u64]) -> BigInt {
    primes.iter().map(|&prime| BigInt::from(prime)).product()
}

/// The representative of smallest magnitude.
pub(super) fn centred(value: &BigInt, modulus: &BigInt) -> BigInt {
    let positive = ((value % modulus) + modulus) % modulus;
    if &positive * 2 > *modulus { positive - modulus } else { positive }
}

/// The nearest integer to `value / divisor`, for an odd divisor.
pub(super) fn rounded(value: &BigInt, divisor: &BigInt) -> BigInt {
    (value - centred(value, divisor)) / divisor
}

pub(super) fn to_residues(context: &Context, values: &[BigInt], limbs: usize) -> Polynomial<Ntt> {
    let ring = context.ring();
    let mut polynomial = Polynomial::<Coefficients>::zero(ring, limbs);
    for (row, m) in polynomial.rows_mut().zip(ring.moduli()) {
        let p = BigInt::from(m.value());
        for (residue, value) in row.iter_mut().zip(values) {
            *residue = u64::try_from(((value % &p) + &p) % &p).unwrap();
        }
    }
    polynomial.into_ntt(ring)
}

/// The centred coefficients, by the Chinese remainder theorem.
pub(super) fn from_residues(context: &Context, polynomial: &Polynomial<Ntt>) -> Vec<BigInt> {
    let ring = context.ring();
    let coefficients = polynomial.clone().into_coefficients(ring);
    let primes: Vec<u64> = ring.moduli()[..polynomial.limbs()].iter().map(|m| m.value()).collect();
    let modulus = product(&primes);
    let mut values = vec![BigInt::from(0); DEGREE];
    for (row, m) in coefficients.rows().zip(ring.moduli()) {
        let cofactor = &modulus / m.value();
        let residue = u64::try_from(&cofactor % m.value()).unwrap();
        let unit = cofactor * m.invert(residue);
        for (value, &residue) in values.iter_mut().zip(row) {
            *value += &unit * residue;
        }
    }
    values.iter().map(|value| centred(value, &modulus)).collect()
}

fn random_below(random: &mut Randomness, modulus: &BigInt) -> Vec<BigInt> {
    (0..DEGREE)
        .map(|_| {
            let wide = (0..8).fold(BigInt::from(0), |wide, _| (wide << 64) + random.word());
            centred(&wide, modulus)
        })
        .collect()
}

pub(super) fn negacyclic(a: &[BigInt], b: &[BigInt]) -> Vec<BigInt> {
    let mut out = vec![BigInt::from(0); DEGREE];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            if i + j < DEGREE { out[i + j] += a * b } else { out[i + j - DEGREE] -= a * b }
        }
    }
    out
}

#[test]
fn rescaling_rounds_exactly() {
    let context = context(&[50, 27, 40, 33], &[50], 4);
    let mut random = Randomness::insecure_from_seed([1; 32]);
    let secret = SecretKey::generate(&context, &mut random);
    let keys = SeededEvaluationKeys::generate(&secret, &KeyRequest::default(), &mut random);
    let evaluator = Evaluator::new(&context, Arc::new(keys.expand(&context).unwrap())).unwrap();
    for limbs in 2..=4 {
        let primes = &context.parameters().data_primes()[..limbs];
        let values = [(); 2].map(|()| random_below(&mut random, &product(primes)));
        let ciphertext = Ciphertext {
            parts: values.each_ref().map(|values| to_residues(&context, values, limbs)),
            scale: 2f64.powi(45),
            key: secret.id(),
            parameters: context.parameters().id(),
        };
        let rescaled = evaluator.rescale(&ciphertext).unwrap();
        let (last, rest) = primes.split_last().unwrap();
        for (part, values) in rescaled.parts.iter().zip(&values) {
            let expected: Vec<BigInt> = values
                .iter()
                .map(|value| centred(&rounded(value, &BigInt::from(*last)), &product(rest)))
                .collect();
            assert_eq!(from_residues(&context, part), expected);
        }
    }
}

#[test]
fn a_switched_product_is_off_by_no_more_than_its_errors() {
    for set in [
        (&[50, 40, 40][..], &[50][..], 3),
        (&[50, 40, 40, 27], &[50, 45], 2),
        (&[40, 40, 40, 40, 40], &[45, 45, 45], 2),
        (&[30, 30, 30], &[50, 45], 1),
    ]
    .into_iter()
    .flat_map(|set| [(set, false), (set, true)])
    {
        let ((data, special, digits), relinearisation) = set;
        let context = context(data, special, digits);
        let mut random = Randomness::insecure_from_seed([2; 32]);
        let secret = SecretKey::generate(&context, &mut random);
        let long = LongDigits { relinearisation, ..LongDigits::default() };
        let request = KeyRequest { relinearisation: true, long, ..KeyRequest::default() };
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
        let keys = keys.expand(&context).unwrap();
        let s = from_residues(&context, secret.polynomial());
        let square = negacyclic(&s, &s);
        for limbs in 1..=data.len() {
            let modulus = product(&context.parameters().data_primes()[..limbs]);
            let values = random_below(&mut random, &modulus);
            let source = to_residues(&context, &values, limbs);
            let mut parts = [(); 2].map(|()| Polynomial::zero(context.ring(), limbs));
            switch(&context, &source, keys.relinearisation(limbs - 1).unwrap()).add_quotient(&mut parts);
            let [k0, k1] = parts.each_ref().map(|part| from_residues(&context, part));
            let expected = negacyclic(&values, &square);
            let actual: Vec<BigInt> = k0.iter().zip(negacyclic(&k1, &s)).map(|(a, b)| a + b).collect();
            // Each digit adds at most half of itself times the largest error in every coefficient, over the
            // special primes; rounding adds half, and half for every coefficient of the secret.
            let parameters = context.parameters();
            let of_digit = DigitLength::new(&context, relinearisation).primes(&context);
            let digits = parameters.data_primes()[..limbs].chunks(of_digit);
            let digits: BigInt = digits.map(product).sum();
            let errors = digits * 21 * DEGREE as u64 / (product(parameters.special_primes()) * 2u64) + 1u64;
            let bound: BigInt = errors + DEGREE as u64 / 2 + 1u64;
            for (actual, expected) in actual.iter().zip(&expected) {
                let off = centred(&(actual - expected), &modulus);
                assert!(off.magnitude() <= bound.magnitude(), "{off} above {bound} at {limbs} primes");
            }
        }
    }
}

#[test]
fn key_ids_do_not_repeat() {
    let context = context(&[30], &[40], 1);
    let mut random = Randomness::from_system().unwrap();
    let ids: Vec<KeyId> = (0..8).map(|_| SecretKey::generate(&context, &mut random).id()).collect();
    assert!(ids.iter().enumerate().all(|(i, id)| !ids[..i].contains(id)));
}
