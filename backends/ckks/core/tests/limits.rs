//! What is out of range is refused, and says no more than it must.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::*;

/// At an input scale of 2^60 a coefficient would be left a scale of 1, at which 0.3 is 0.
#[test]
fn a_series_is_right_or_refused_at_every_scale() {
    let context = insecure(64, &[50, 40, 40, 40, 40, 40, 40], &[50], 7);
    let mut owner = Owner::new(&context, &request(&[]), 6);
    for bits in [40, 50, 55, 60] {
        let input = owner.encrypt(&[0.9; 32], 2f64.powi(bits), 6);
        let mut basis = owner.evaluator.chebyshev(&input).unwrap();
        // 0.4 x^3.
        if let Ok(output) = basis.evaluate(&[0.0, 0.3, 0.0, 0.1], input.scale()) {
            let error = (owner.decrypt(&output)[0] - 0.4 * 0.9f64.powi(3)).abs();
            assert!(error < 1e-5, "scale 2^{bits}: off by {error:e}");
        }
    }
}

#[test]
fn an_error_does_not_print_the_value_it_refuses() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let secret = 123_456.789;
    let error = context.encode(&[secret; 32], 2f64.powi(40), 0).unwrap_err();
    if let Error::Overflow { bits, .. } = error {
        let recovered = f64::from(bits).exp2() / 2f64.powi(40);
        assert!((recovered - secret).abs() > 1.0, "{recovered} from {error:?}");
    }
}

#[test]
fn what_decodes_to_nothing_finite_is_an_error() {
    let context = insecure(64, &[50; 30], &[50], 30);
    let mut owner = Owner::new(&context, &request(&[]), 8);
    let stranger = SecretKey::generate(&context, &mut owner.random);
    let plain = context.encode(&[1.0], 2f64.powi(40), 29).unwrap();
    let ours = owner.secret.encrypt(&plain, &mut owner.random).unwrap().to_bytes(&context).unwrap();
    let mut bytes = stranger.encrypt(&plain, &mut owner.random).unwrap().to_bytes(&context).unwrap();
    // Random residues under our key's name.
    bytes[22..38].copy_from_slice(&ours[22..38]);
    let garbage = SeededCiphertext::from_bytes(&context, &bytes).unwrap().expand(&context).unwrap();
    let decoded = context.decode(&owner.secret.decrypt(&garbage).unwrap());
    assert!(decoded.is_err_and(|_| true) || owner.decrypt(&garbage).iter().all(|value| value.is_finite()));
}

#[test]
fn what_is_encoded_still_decrypts_with_its_noise() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let mut owner = Owner::new(&context, &request(&[]), 4);
    let scale = 2f64.powi(30);
    let value = (context.parameters().data_primes()[0] as f64 / 2.0 - 3.0) / scale;
    if let Ok(plain) = context.encode(&[value; 32], scale, 0) {
        for _ in 0..16 {
            let c = owner.secret.encrypt(&plain, &mut owner.random).unwrap().expand(&context).unwrap();
            assert!(owner.decrypt(&c)[0] / value > 0.9);
        }
    }
}

#[test]
fn the_largest_ring_encrypts_rotates_multiplies_and_decrypts() {
    let context = secure(65_536, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[-3]), 12);
    let (slots, scale) = (context.parameters().slots(), 2f64.powi(40));
    let x = values(slots, 5);
    let ciphertext = owner.encrypt(&x, scale, 2);
    let rotated = owner.evaluator.rotate(&ciphertext, -3).unwrap();
    let expected: Vec<f64> = (0..slots).map(|slot| x[(slot + slots - 3) % slots]).collect();
    assert_bits(&owner.decrypt(&rotated), &expected, 16.0);
    let squares = owner.evaluator.rescale(&owner.evaluator.square(&rotated).unwrap()).unwrap();
    let expected: Vec<f64> = expected.iter().map(|value| value * value).collect();
    assert_bits(&owner.decrypt(&squares), &expected, 14.0);
}
