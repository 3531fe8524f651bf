//! Sums of rotations that nobody computes: they are read off a few coefficients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::*;

fn context() -> Context {
    secure(8192, &[40, 30, 30], &[40], 3)
}

/// Sums over all slots that are a multiple of the period apart.
fn sums(values: &[f64], period: usize) -> Vec<f64> {
    (0..period).map(|slot| values.iter().skip(slot).step_by(period).sum()).collect()
}

#[test]
fn a_folded_ciphertext_decrypts_to_the_sums_of_rotations() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 71);
    let slots = context.parameters().slots();
    let x = values(slots, 5);
    let scale = 2f64.powi(28);
    let mut period = FoldedCiphertext::LEAST_PERIOD;
    while period <= slots {
        let terms = (slots / period) as f64;
        let product = owner.encrypt(&x, scale * context.parameters().data_primes()[1] as f64, 1);
        let product = owner.evaluator.multiply_scalar(&product, terms, 1.0).unwrap();
        let result = owner.evaluator.rescale(&product).unwrap();
        let folded = owner.evaluator.fold(&result, period).unwrap();
        assert_eq!((folded.period(), folded.scale()), (period, result.scale()));
        let decrypted = owner.secret.decrypt_folded(&folded).unwrap();
        // The noise of a coefficient, in as many coefficients as there are.
        let deviation = context.rounding_noise() * (period as f64).sqrt() / scale;
        let error = worst(&decrypted, &sums(&x, period));
        assert!(decrypted.len() == period && error < 8.0 * deviation, "{period}: {error:e} of {deviation:e}");
        let bytes = folded.to_bytes(&context).unwrap();
        assert_eq!(bytes.len(), 47 + (8192 + 2 * period) * 40 / 8, "{period}");
        let again = FoldedCiphertext::from_bytes(&context, &bytes).unwrap();
        assert_eq!(again.to_bytes(&context).unwrap(), bytes);
        assert_eq!(owner.secret.decrypt_folded(&again).unwrap(), decrypted);
        period *= 2;
    }
}

/// Coefficients wrap one by one: what is not read may be as large as it likes.
#[test]
fn parts_of_a_sum_may_exceed_the_modulus_that_the_sum_is_within() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 72);
    let slots = context.parameters().slots();
    // Of a period of 16 slots, each with a large number and its opposite half of the slots apart.
    let x: Vec<f64> = (0..slots)
        .map(|slot| if slot < slots / 2 { 20.0 } else { -20.0 } + (slot % 16) as f64 * 1e-3)
        .collect();
    let scale = 2f64.powi(30);
    let product = owner.encrypt(&x, scale * context.parameters().data_primes()[1] as f64, 1);
    let product = owner.evaluator.multiply_scalar(&product, (slots / 16) as f64, 1.0).unwrap();
    let result = owner.evaluator.rescale(&product).unwrap();
    let wrapped = owner.decrypt(&result);
    assert!(worst(&wrapped[..16], &[5120.0; 16]) > 1.0, "a value of 20 times 256 does not fit 2^9");
    let decrypted = owner.secret.decrypt_folded(&owner.evaluator.fold(&result, 16).unwrap()).unwrap();
    assert_bits(&decrypted, &sums(&x, 16), 16.0);
}

#[test]
fn what_cannot_be_folded_or_read_is_refused() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 73);
    let x = owner.encrypt(&[0.5], 2f64.powi(30), 0);
    for period in [0, 1, 2, 3, 12, 8192, usize::MAX] {
        assert!(matches!(owner.evaluator.fold(&x, period), Err(Error::Shape { .. })), "{period}");
    }
    let higher = owner.encrypt(&[0.5], 2f64.powi(30), 1);
    assert!(matches!(owner.evaluator.fold(&higher, 16), Err(Error::LevelMismatch { .. })));
    let folded = owner.evaluator.fold(&x, 16).unwrap();
    let other = SecretKey::generate(&context, &mut owner.random);
    assert!(matches!(other.decrypt_folded(&folded), Err(Error::ForeignKey { .. })));
    let bytes = folded.to_bytes(&context).unwrap();
    // After the header of 22 bytes, the name of the key and the scale stands the period.
    for bits in [0, 1, 3, 5, 13, 64, 255] {
        let mut bytes = bytes.clone();
        bytes[46] = bits;
        assert!(FoldedCiphertext::from_bytes(&context, &bytes).is_err(), "{bits}");
    }
    // Nor with as many coefficients as it says.
    let mask = &bytes[47 + 32 * 40 / 8..];
    for bits in [0, 1, 13] {
        let body = vec![0; (2 << bits) / 8 * 40];
        let bytes = [&bytes[..46], &[bits], &body, mask].concat();
        assert!(matches!(FoldedCiphertext::from_bytes(&context, &bytes), Err(Error::Shape { .. })), "{bits}");
    }
}

/// Modulo the prime a vector of large values is as good as any that differs by multiples of it.
#[test]
fn what_wraps_is_right_once_the_sum_is_within_the_modulus() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 74);
    let slots = context.parameters().slots();
    let (x, scale) = (values(slots, 6), 2f64.powi(37));
    let far: Vec<f64> =
        (0..slots).map(|slot| if slot % 16 < 7 { 1000.0 * x[slot % 16] } else { 0.0 }).collect();
    assert!(matches!(context.encode(&far, scale, 0), Err(Error::Overflow { .. })));
    let there = context.encode_wrapping(&far, scale, 0).unwrap();
    let back: Vec<f64> = far.iter().zip(&x).map(|(far, x)| x - far).collect();
    let mut sum = owner
        .secret
        .encrypt(&context.encode_wrapping(&back, scale, 0).unwrap(), &mut owner.random)
        .unwrap()
        .expand(&context)
        .unwrap();
    owner.evaluator.add_plain_assign(&mut sum, &there).unwrap();
    assert_bits(&owner.decrypt(&sum), &x, 20.0);
    let beyond = context.encode_wrapping(&vec![2f64.powi(62); slots], scale, 0);
    assert!(matches!(beyond, Err(Error::Overflow { .. })));
}
