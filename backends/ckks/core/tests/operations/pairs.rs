//! Two numbers in a slot: what acts on both of them, and their squares.

use crate::fixture::*;
use veilbench_ckks::*;

const SCALE: f64 = (1u64 << 36) as f64;

fn context() -> Context {
    secure(8192, &[50, 36, 36, 36], &[50], 4)
}

fn squares(level: usize, sums: bool) -> KeyRequest {
    let pair_squares = Some(PairSquares { level, sums });
    KeyRequest { relinearisation: true, pair_squares, ..KeyRequest::default() }
}

fn encrypt(owner: &mut Owner, [first, second]: &[Vec<f64>; 2], level: usize) -> Ciphertext {
    let plaintext = owner.context.encode_pairs(first, second, SCALE, level).unwrap();
    owner.secret.encrypt(&plaintext, &mut owner.random).unwrap().expand(&owner.context).unwrap()
}

fn decrypt(owner: &Owner, ciphertext: &Ciphertext) -> [Vec<f64>; 2] {
    let plaintext = owner.secret.decrypt(ciphertext).unwrap();
    owner.context.decode_pairs_with_coefficients(&plaintext).unwrap().numbers
}

/// Two vectors of numbers, nothing alike.
fn pair(count: usize, seed: u64) -> [Vec<f64>; 2] {
    [values(count, seed), values(count, seed + 100).iter().map(|value| 0.7 * value - 0.2).collect()]
}

#[track_caller]
fn assert_pairs(actual: &[Vec<f64>; 2], expected: &[Vec<f64>; 2], bits: f64) {
    assert_bits(&actual[0], &expected[0], bits);
    assert_bits(&actual[1], &expected[1], bits);
}

#[test]
fn both_numbers_of_a_slot_come_back_and_share_sums_and_factors() {
    let context = context();
    let mut owner = Owner::new(&context, &KeyRequest::default(), 31);
    let slots = context.parameters().slots();
    let (one, other) = (pair(slots, 1), pair(slots, 2));
    let (a, b) = (encrypt(&mut owner, &one, 2), encrypt(&mut owner, &other, 2));
    assert_pairs(&decrypt(&owner, &a), &one, 20.0);
    let sum = owner.evaluator.weighted_sum(&[&a, &b], &[0.25, -1.5], SCALE).unwrap();
    let sum = owner.evaluator.add_scalar(&owner.evaluator.rescale(&sum).unwrap(), 0.375).unwrap();
    let expected = [0, 1].map(|number| {
        one[number].iter().zip(&other[number]).map(|(a, b)| 0.25 * a - 1.5 * b + 0.375).collect()
    });
    assert_pairs(&decrypt(&owner, &sum), &expected, 20.0);
}

#[test]
fn coefficients_of_pairs_are_no_larger_than_their_numbers() {
    let context = context();
    let slots = context.parameters().slots();
    for (x, y) in [(1.5, 1.5), (1.5, -1.5), (-1.5, 0.0)] {
        let plaintext = context.encode_pairs(&vec![x; slots], &vec![y; slots], SCALE, 0).unwrap();
        let decoded = context.decode_pairs_with_coefficients(&plaintext).unwrap();
        let DecodedPairs { numbers: [first, second], coefficients } = decoded;
        assert!(coefficients.len() == 2 * slots && coefficients.iter().all(|c| c.abs() < 1.5 + 1e-9));
        assert!(first.iter().all(|value| (value - x).abs() < 1e-6), "{x} {y}");
        assert!(second.iter().all(|value| (value - y).abs() < 1e-6), "{x} {y}");
    }
    let uneven = context.encode_pairs(&[1.0, 2.0], &[1.0], SCALE, 0).unwrap_err();
    assert_eq!(uneven, Error::ComplexParts { real: 2, imaginary: 1 });
}

#[test]
fn sums_of_squares_square_every_number_for_itself() {
    // Digits of one prime, and of two.
    for (special, digits) in [(&[50][..], 4), (&[50, 50], 2)] {
        let context = insecure(1024, &[44, 36, 36, 36], special, digits);
        let mut owner = Owner::new(&context, &squares(3, true), 32);
        let slots = context.parameters().slots();
        for level in 1..=3 {
            for count in 1..=4 {
                let numbers: Vec<_> = (0..count).map(|seed| pair(slots, seed)).collect();
                let terms: Vec<_> = numbers.iter().map(|pair| encrypt(&mut owner, pair, level)).collect();
                let terms: Vec<&Ciphertext> = terms.iter().collect();
                let sum = owner.evaluator.sum_of_pair_squares(&terms).unwrap();
                assert_eq!(sum.scale(), 2.0 * SCALE * SCALE);
                let expected = [0, 1].map(|number| {
                    let sum = |slot: usize| numbers.iter().map(|pair| pair[number][slot].powi(2)).sum();
                    (0..slots).map(sum).collect()
                });
                assert_pairs(&decrypt(&owner, &owner.evaluator.rescale(&sum).unwrap()), &expected, 18.0);
            }
        }
    }
}

#[test]
fn squares_of_pairs_take_the_keys_that_were_asked_for() {
    let context = context();
    let slots = context.parameters().slots();
    let refusal = |request: &KeyRequest, level: usize, count: usize| {
        let mut owner = Owner::new(&context, request, 33);
        let term = encrypt(&mut owner, &pair(slots, 1), level);
        owner.evaluator.sum_of_pair_squares(&vec![&term; count]).err()
    };
    let unasked = KeyRequest { relinearisation: true, ..KeyRequest::default() };
    let no_conjugation = Error::NoGaloisKey { automorphism: "conjugation".into() };
    for count in [1, 2] {
        assert_eq!(refusal(&unasked, 1, count), Some(no_conjugation.clone()));
        let low = refusal(&squares(1, true), 2, count);
        assert!(matches!(low, Some(Error::KeyLevel { level: 2, max: 1, .. })), "{low:?}");
        assert_eq!(refusal(&squares(2, true), 2, count), None);
    }
    assert_eq!(refusal(&squares(2, false), 2, 1), None);
    assert_eq!(refusal(&squares(2, false), 2, 2), Some(Error::NoPairKeys));
    assert!(matches!(refusal(&squares(2, true), 2, 0), Some(Error::Shape { .. })));
}
