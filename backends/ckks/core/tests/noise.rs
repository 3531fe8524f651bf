//! Noise against its analytic estimate, and precision over scales, values and steps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::*;

#[track_caller]
fn assert_close(measured: f64, predicted: f64) {
    let ratio = measured / predicted;
    assert!((0.85..1.15).contains(&ratio), "measured {measured:.2}, predicted {predicted:.2}");
}

#[test]
fn noise_is_what_the_analysis_says_at_every_level() {
    for context in [
        secure(8192, &[50, 36, 36, 36], &[50], 4),
        secure(16_384, &[50, 40, 40, 40, 40, 40, 40, 40], &[50, 50], 4),
    ] {
        let mut owner = Owner::new(&context, &request(&[1]), 21);
        let public = PublicKey::generate(&owner.secret, &mut owner.random);
        let x = values(context.parameters().slots(), 1);
        let rotated: Vec<f64> = x.iter().cycle().skip(1).take(x.len()).copied().collect();
        let scale = 2f64.powi(40);
        for level in 0..=context.parameters().max_level() {
            let exact = |values: &[f64], scale: f64, level| context.encode(values, scale, level).unwrap();
            let fresh = owner.encrypt(&x, scale, level);
            let measured = owner.secret.measure_noise(&fresh, &exact(&x, scale, level)).unwrap();
            assert_close(measured, 3.24);
            let encrypted = public.encrypt(&context, &exact(&x, scale, level), &mut owner.random).unwrap();
            let measured = owner.secret.measure_noise(&encrypted, &exact(&x, scale, level)).unwrap();
            assert_close(measured, context.public_fresh_noise());
            let turned = owner.evaluator.rotate(&fresh, 1).unwrap();
            let measured = owner.secret.measure_noise(&turned, &exact(&rotated, scale, level)).unwrap();
            assert_close(measured, context.fresh_noise().hypot(context.key_switch_noise(level)));
            if level > 0 {
                let prime = context.parameters().data_primes()[level] as f64;
                let product = owner.evaluator.multiply_scalar(&fresh, 0.7, prime).unwrap();
                let rescaled = owner.evaluator.rescale(&product).unwrap();
                let expected: Vec<f64> = x.iter().map(|x| 0.7 * x).collect();
                let expected = exact(&expected, scale, level - 1);
                let measured = owner.secret.measure_noise(&rescaled, &expected).unwrap();
                assert_close(measured, (0.7 * context.fresh_noise()).hypot(context.rounding_noise()));
            }
        }
    }
}

#[test]
fn every_scale_and_worst_case_values_keep_the_predicted_precision() {
    let context = secure(8192, &[50, 45, 45], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[1]), 22);
    let slots = context.parameters().slots();
    let spike = |at: usize| (0..slots).map(|i| if i == at { 1.0 } else { 0.0 }).collect();
    let patterns: [Vec<f64>; 7] = [
        vec![1.0; slots],
        vec![-1.0; slots],
        (0..slots).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
        spike(0),
        spike(slots - 1),
        vec![0.0; slots],
        values(slots, 2),
    ];
    for bits in 20..=45 {
        let scale = 2f64.powi(bits);
        for (pattern, x) in patterns.iter().enumerate() {
            let fresh = owner.encrypt(x, scale, 2);
            // The transforms in doubles add about 2^-46 of the largest value.
            let bound = context.slot_error(context.fresh_noise(), scale) + 2f64.powi(-44);
            let error = worst(&owner.decrypt(&fresh), x);
            assert!(error <= bound, "fresh, scale 2^{bits}, pattern {pattern}: {error:e} above {bound:e}");
            let product = owner.evaluator.square(&fresh).unwrap();
            let Ok(square) = owner.evaluator.rescale(&product) else {
                assert!(bits <= 22, "only a scale below 1 is refused");
                continue;
            };
            let expected: Vec<f64> = x.iter().map(|x| x * x).collect();
            if pattern == patterns.len() - 1 {
                let (fresh, square) = (owner.decrypt(&fresh), owner.decrypt(&square));
                println!(
                    "scale 2^{bits}: fresh {:.1} bits, square {:.1} bits",
                    precision_bits(&fresh, x),
                    precision_bits(&square, &expected)
                );
            }
            let switched = context.slot_error(context.key_switch_noise(2), scale * scale);
            let bound = 2.0 * bound
                + bound * bound
                + switched
                + context.slot_error(context.rounding_noise(), square.scale());
            let error = worst(&owner.decrypt(&square), &expected);
            assert!(error <= bound, "square, scale 2^{bits}, pattern {pattern}: {error:e} above {bound:e}");
        }
    }
}

#[test]
fn coefficients_longer_than_a_word_encode_exactly() {
    let context = insecure(64, &[50, 45, 45], &[50], 3);
    for bits in [45, 50, 55, 60, 70, 80, 90] {
        let x: Vec<f64> = values(32, 3).iter().map(|v| v * 8.0).collect();
        let decoded = context.decode(&context.encode(&x, 2f64.powi(bits), 2).unwrap()).unwrap();
        // Rounding to integers, and the transforms in doubles of values up to 8.
        let bound = context.slot_error(0.29, 2f64.powi(bits)) + 2f64.powi(-46);
        assert!(worst(&decoded, &x) <= bound, "scale 2^{bits}");
    }
    let (real, imaginary) = (values(32, 4), values(32, 5));
    let plaintext = context.encode_complex(&real, &imaginary, 2f64.powi(45), 1).unwrap();
    let decoded = context.decode_complex(&plaintext).unwrap();
    assert_bits(&decoded.0, &real, 38.0);
    assert_bits(&decoded.1, &imaginary, 38.0);
}

#[test]
fn rotations_by_every_power_of_two_and_by_random_steps_are_exact() {
    let context = secure(8192, &[50, 40, 40], &[50], 3);
    let slots = context.parameters().slots() as i64;
    let random = values(10, 6).into_iter().map(|v| (v * slots as f64) as i64);
    let steps: Vec<i64> = (0..12).flat_map(|bit| [1 << bit, -(1 << bit)]).chain(random).collect();
    let mut owner = Owner::new(&context, &request(&steps), 23);
    let x = values(slots as usize, 7);
    let scale = 2f64.powi(40);
    let bound = context.slot_error(context.fresh_noise().hypot(context.key_switch_noise(2)), scale);
    let input = owner.encrypt(&x, scale, 2);
    let hoisted = owner.evaluator.hoist(&input).unwrap();
    for steps in steps {
        let expected: Vec<f64> = (0..slots).map(|i| x[(i + steps).rem_euclid(slots) as usize]).collect();
        for rotated in [owner.evaluator.rotate(&input, steps), hoisted.rotate(steps)] {
            let error = worst(&owner.decrypt(&rotated.unwrap()), &expected);
            assert!(error <= bound, "{steps}: {error:e} above {bound:e}");
        }
    }
}
