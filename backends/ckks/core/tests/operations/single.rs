//! Every operation against the same operation on plain numbers, at secure parameters.

use crate::fixture::*;
use veilbench_ckks::*;

fn rotated(values: &[f64], steps: i64) -> Vec<f64> {
    let n = values.len() as i64;
    (0..n).map(|i| values[(i + steps).rem_euclid(n) as usize]).collect()
}

#[track_caller]
fn assert_within(actual: &[f64], expected: &[f64], bound: f64) {
    let error = worst(actual, expected);
    assert!(error <= bound, "error {error:e} above {bound:e}");
}

#[test]
fn every_operation_agrees_with_plain_numbers_at_every_level() {
    let context = secure(8192, &[50, 36, 36, 36], &[50], 4);
    let mut owner = Owner::new(&context, &request(&[1, -1, 2, 64, 1000]), 1);
    let n = context.parameters().slots();
    let (x, y) = (values(n, 1), values(n, 2));
    let scale = 2f64.powi(36);
    let zip = |f: fn(f64, f64) -> f64| -> Vec<f64> { x.iter().zip(&y).map(|(&a, &b)| f(a, b)).collect() };
    for level in 0..=context.parameters().max_level() {
        let (a, b) = (owner.encrypt(&x, scale, level), owner.encrypt(&y, scale, level));
        let e = owner.evaluator.clone();
        let plain = context.encode(&y, scale, level).unwrap();
        let fresh = context.slot_error(context.fresh_noise(), scale);
        let switched =
            context.slot_error(context.fresh_noise().hypot(context.key_switch_noise(level)), scale);
        assert_within(&owner.decrypt(&a), &x, fresh);
        assert_within(&owner.decrypt(&e.add(&a, &b).unwrap()), &zip(|a, b| a + b), 1.5 * fresh);
        assert_within(&owner.decrypt(&e.subtract(&a, &b).unwrap()), &zip(|a, b| a - b), 1.5 * fresh);
        assert_within(&owner.decrypt(&e.negate(&a).unwrap()), &zip(|a, _| -a), fresh);
        assert_within(&owner.decrypt(&e.add_plain(&a, &plain).unwrap()), &zip(|a, b| a + b), 1.1 * fresh);
        assert_within(&owner.decrypt(&e.add_scalar(&a, 0.75).unwrap()), &zip(|a, _| a + 0.75), fresh);
        for steps in [0, 1, -1, 2, 64, 1000, n as i64 + 1] {
            assert_within(&owner.decrypt(&e.rotate(&a, steps).unwrap()), &rotated(&x, steps), switched);
            let hoisted = e.hoist(&a).unwrap().rotate(steps).unwrap();
            assert_within(&owner.decrypt(&hoisted), &rotated(&x, steps), switched);
        }
        assert_within(&owner.decrypt(&e.conjugate(&a).unwrap()), &x, switched);
        if level == 0 {
            assert_eq!(e.rescale(&a).unwrap_err(), Error::NoLevelLeft);
            assert!(matches!(e.multiply(&a, &b), Err(Error::Scale { level: 0, .. })));
            continue;
        }
        let rounded = |scale| context.slot_error(context.rounding_noise(), scale);
        let relinearised = context.slot_error(context.key_switch_noise(level), scale * scale);
        let rescale = |c: Result<Ciphertext>| e.rescale(&c.unwrap()).unwrap();
        let product = rescale(e.multiply(&a, &b));
        let bound = 2.0 * fresh + relinearised + rounded(product.scale());
        assert_within(&owner.decrypt(&product), &zip(|a, b| a * b), bound);
        assert_within(&owner.decrypt(&rescale(e.square(&a))), &zip(|a, _| a * a), bound);
        assert_within(&owner.decrypt(&rescale(e.multiply_plain(&a, &plain))), &zip(|a, b| a * b), bound);
        assert_within(
            &owner.decrypt(&rescale(e.multiply_scalar(&a, -0.3, scale))),
            &zip(|a, _| -0.3 * a),
            bound,
        );
        let weighted = rescale(e.weighted_sum(&[&a, &b, &a], &[0.5, -2.0, 0.25], scale));
        assert_within(&owner.decrypt(&weighted), &zip(|a, b| 0.75 * a - 2.0 * b), 2.0 * bound);
        let dropped = e.drop_to_level(&a, 0).unwrap();
        assert_eq!(dropped.level(), 0);
        assert_within(&owner.decrypt(&dropped), &x, fresh);
    }
}

#[test]
fn public_key_ciphertexts_decrypt() {
    let context = secure(8192, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &KeyRequest::default(), 2);
    let public = PublicKey::generate(&owner.secret, &mut owner.random);
    let x = values(context.parameters().slots(), 3);
    let scale = 2f64.powi(40);
    for level in 0..=2 {
        let plaintext = context.encode(&x, scale, level).unwrap();
        let ciphertext = public.encrypt(&context, &plaintext, &mut owner.random).unwrap();
        let bound = context.slot_error(context.public_fresh_noise(), scale);
        assert_within(&owner.decrypt(&ciphertext), &x, bound);
    }
}

#[test]
fn multi_prime_digits_switch_keys_at_every_level() {
    for (degree, data, special, digits) in [
        (16_384, &[50, 40, 40, 40, 40, 40, 40, 40][..], &[50, 50][..], 4),
        (16_384, &[50, 40, 40, 40, 40], &[50, 50, 50], 2),
        (16_384, &[50; 6], &[50, 50], 3),
    ] {
        let context = secure(degree, data, special, digits);
        let mut owner = Owner::new(&context, &request(&[3]), 3);
        let x = values(context.parameters().slots(), 4);
        let scale = 2f64.powi(40);
        for level in (0..=context.parameters().max_level()).rev() {
            let a = owner.encrypt(&x, scale, level);
            let e = &owner.evaluator;
            let fresh = context.slot_error(context.fresh_noise(), scale);
            let switched = context.fresh_noise().hypot(context.key_switch_noise(level));
            let bound = context.slot_error(switched, scale);
            assert_within(&owner.decrypt(&e.rotate(&a, 3).unwrap()), &rotated(&x, 3), bound);
            assert_within(&owner.decrypt(&e.hoist(&a).unwrap().rotate(3).unwrap()), &rotated(&x, 3), bound);
            if level > 0 {
                let square = e.rescale(&e.square(&a).unwrap()).unwrap();
                let expected: Vec<f64> = x.iter().map(|x| x * x).collect();
                let bound = 2.0 * fresh
                    + context.slot_error(context.key_switch_noise(level), scale * scale)
                    + context.slot_error(context.rounding_noise(), square.scale());
                assert_within(&owner.decrypt(&square), &expected, bound);
            }
        }
    }
}

#[test]
fn a_deep_circuit_reaches_the_last_level() {
    let data = [&[50][..], &[40; 14]].concat();
    let context = secure(32_768, &data, &[45; 5], 3);
    let mut owner = Owner::new(&context, &request(&[]), 4);
    let mut expected: Vec<f64> =
        values(context.parameters().slots(), 5).iter().map(|v| 0.5 + 0.3 * v).collect();
    let mut c = owner.encrypt(&expected, 2f64.powi(40), 14);
    let mut bound = context.slot_error(context.fresh_noise(), 2f64.powi(40));
    while c.level() > 0 {
        let squared = owner.evaluator.square(&c).unwrap();
        let largest = expected.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
        bound =
            2.0 * largest * bound + context.slot_error(context.key_switch_noise(c.level()), squared.scale());
        c = owner.evaluator.rescale(&squared).unwrap();
        bound += context.slot_error(context.rounding_noise(), c.scale());
        c = owner.evaluator.add_scalar(&c, 0.1).unwrap();
        expected.iter_mut().for_each(|value| *value = *value * *value + 0.1);
        // The scale drifts with the primes; the values must not.
        assert_within(&owner.decrypt(&c), &expected, bound);
    }
    assert!(bound < 2f64.powi(-16), "{bound:e}");
}

#[test]
fn objects_of_another_key_or_other_parameters_are_refused() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let other_context = insecure(64, &[50, 39], &[50], 2);
    let mut owner = Owner::new(&context, &request(&[1]), 5);
    let mut stranger = Owner::new(&context, &request(&[1]), 6);
    let mut foreigner = Owner::new(&other_context, &request(&[1]), 7);
    let scale = 2f64.powi(30);
    let ours = owner.encrypt(&[1.0], scale, 1);
    let theirs = stranger.encrypt(&[1.0], scale, 1);
    let foreign = foreigner.encrypt(&[1.0], scale, 1);
    let e = &owner.evaluator;
    let expected = Error::ForeignKey { expected: owner.secret.id(), found: stranger.secret.id() };
    assert_eq!(owner.secret.decrypt(&theirs).unwrap_err(), expected);
    assert_eq!(e.add(&ours, &theirs).unwrap_err(), expected);
    assert_eq!(e.multiply(&theirs, &ours).unwrap_err(), expected);
    assert_eq!(e.rotate(&theirs, 1).unwrap_err(), expected);
    assert_eq!(e.rescale(&theirs).unwrap_err(), expected);
    assert_eq!(e.subtract(&ours, &theirs).unwrap_err(), expected);
    assert_eq!(e.add_assign(&mut ours.clone(), &theirs).unwrap_err(), expected);
    assert_eq!(e.multiply(&ours, &theirs).unwrap_err(), expected);
    assert_eq!(e.square(&theirs).unwrap_err(), expected);
    assert_eq!(e.negate(&theirs).unwrap_err(), expected);
    assert_eq!(e.conjugate(&theirs).unwrap_err(), expected);
    assert_eq!(e.hoist(&theirs).unwrap_err(), expected);
    assert_eq!(e.drop_to_level(&theirs, 0).unwrap_err(), expected);
    assert_eq!(e.add_scalar(&theirs, 1.0).unwrap_err(), expected);
    assert_eq!(e.multiply_scalar(&theirs, 1.0, scale).unwrap_err(), expected);
    assert_eq!(e.weighted_sum(&[&ours, &theirs], &[1.0, 1.0], scale).unwrap_err(), expected);
    assert_eq!(e.chebyshev(&theirs).unwrap_err(), expected);
    let ours_plain = context.encode(&[1.0], scale, 1).unwrap();
    assert_eq!(e.add_plain(&theirs, &ours_plain).unwrap_err(), expected);
    assert_eq!(e.multiply_plain(&theirs, &ours_plain).unwrap_err(), expected);
    let diagonals = [Diagonals::from([((0, 0), vec![1.0]), ((0, 1), vec![0.5])])];
    let transform = Transform::new(&context, 1, &diagonals, scale, 1).unwrap();
    assert_eq!(e.transform(&transform, std::slice::from_ref(&theirs)).unwrap_err(), expected);
    assert_eq!(owner.secret.measure_noise(&theirs, &ours_plain).unwrap_err(), expected);
    let bytes = theirs.to_bytes(&context).unwrap();
    let received = Ciphertext::from_bytes(&context, &bytes).unwrap();
    assert_eq!(e.add(&ours, &received).unwrap_err(), expected);
    let foreign_keys =
        SeededEvaluationKeys::generate(&foreigner.secret, &request(&[]), &mut foreigner.random);
    assert!(matches!(foreign_keys.expand(&context), Err(Error::ForeignParameters { .. })));
    assert!(matches!(e.add(&ours, &foreign), Err(Error::ForeignParameters { .. })));
    assert!(matches!(owner.secret.decrypt(&foreign), Err(Error::ForeignParameters { .. })));
    let plaintext = other_context.encode(&[1.0], scale, 1).unwrap();
    assert!(matches!(e.multiply_plain(&ours, &plaintext), Err(Error::ForeignParameters { .. })));
    assert!(matches!(context.decode(&plaintext), Err(Error::ForeignParameters { .. })));
}

#[test]
fn keys_that_were_not_requested_are_missed_by_name() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let keys = KeyRequest { rotations: [1].into(), ..KeyRequest::default() };
    let mut owner = Owner::new(&context, &keys, 8);
    let c = owner.encrypt(&[1.0], 2f64.powi(30), 1);
    let e = &owner.evaluator;
    assert_eq!(e.square(&c).unwrap_err(), Error::NoRelinearisationKey);
    assert_eq!(e.rotate(&c, 2).unwrap_err(), Error::NoGaloisKey { automorphism: "rotation by 2".into() });
    assert_eq!(e.conjugate(&c).unwrap_err(), Error::NoGaloisKey { automorphism: "conjugation".into() });
}

#[test]
fn a_key_for_a_low_level_serves_that_level_and_those_below() {
    let scale = 2f64.powi(30);
    for (special, digits) in [(&[50][..], 5), (&[50, 50], 3), (&[50, 50, 50], 2)] {
        let context = insecure(64, &[50, 40, 40, 40, 40], special, digits);
        for level in 0..=4 {
            let levels = KeyLevels {
                relinearisation: Some(level),
                conjugation: Some(level),
                rotations: [(3, level), (-1, 0)].into(),
            };
            let keys = KeyRequest { levels, ..request(&[3, -1]) };
            let mut owner = Owner::new(&context, &keys, 12);
            let x = values(32, 5);
            for below in 0..=level {
                let c = owner.encrypt(&x, scale, below);
                let rotated = [&x[3..], &x[..3]].concat();
                assert_bits(&owner.decrypt(&owner.evaluator.rotate(&c, 3).unwrap()), &rotated, 18.0);
                assert_bits(&owner.decrypt(&owner.evaluator.conjugate(&c).unwrap()), &x, 18.0);
                if below > 0 {
                    let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
                    assert_bits(&owner.decrypt(&owner.evaluator.square(&c).unwrap()), &squares, 18.0);
                }
            }
            if level < 4 {
                let above = owner.encrypt(&x, scale, level + 1);
                let refused = |operation: &str, max| Error::KeyLevel {
                    operation: operation.into(),
                    level: level + 1,
                    max,
                };
                let e = &owner.evaluator;
                assert_eq!(e.rotate(&above, 3).unwrap_err(), refused("rotation by 3", level));
                assert_eq!(e.hoist(&above).unwrap().rotate(-1).unwrap_err(), refused("rotation by -1", 0));
                assert_eq!(e.conjugate(&above).unwrap_err(), refused("conjugation", level));
                assert_eq!(e.square(&above).unwrap_err(), refused("products", level));
            }
        }
    }
}

#[test]
fn mismatched_operands_are_refused() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let mut owner = Owner::new(&context, &request(&[]), 9);
    let scale = 2f64.powi(30);
    let high = owner.encrypt(&[1.0], scale, 1);
    let low = owner.encrypt(&[1.0], scale, 0);
    let coarse = owner.encrypt(&[1.0], scale * 2.0, 1);
    let e = &owner.evaluator;
    assert_eq!(e.add(&high, &low).unwrap_err(), Error::LevelMismatch { left: 1, right: 0 });
    assert_eq!(e.add(&high, &coarse).unwrap_err(), Error::ScaleMismatch { left: 30.0, right: 31.0 });
    assert_eq!(e.drop_to_level(&low, 1).unwrap_err(), Error::Level { level: 1, max: 0 });
    assert!(matches!(e.weighted_sum(&[], &[], scale), Err(Error::Shape { .. })));
    assert!(matches!(
        context.encode(&[1.0; 33], scale, 1),
        Err(Error::TooManyValues { values: 33, slots: 32 })
    ));
    assert!(matches!(context.encode(&[0.0, f64::NAN], scale, 1), Err(Error::NotFinite { index: 1 })));
    assert!(matches!(context.encode(&[1.0], 2f64.powi(50), 0), Err(Error::Scale { level: 0, .. })));
    assert!(matches!(context.encode(&[1e9], scale, 0), Err(Error::Overflow { level: 0, .. })));
    assert!(matches!(context.encode(&[1.0], scale, 2), Err(Error::Level { level: 2, max: 1 })));
    assert!(matches!(context.encode(&[f64::MAX; 32], scale, 1), Err(Error::Overflow { .. })));
    assert!(matches!(context.encode(&[1.0], -1.0, 1), Err(Error::Scale { .. })));
    assert!(matches!(context.encode(&[1.0], f64::NAN, 1), Err(Error::Scale { .. })));
}

#[test]
fn secrets_do_not_print() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let owner = Owner::new(&context, &request(&[]), 10);
    assert_eq!(format!("{:?}", owner.random), "Randomness(..)");
    assert_eq!(format!("{:?}", owner.secret), format!("SecretKey {{ id: {:?}, .. }}", owner.secret.id()));
}

#[test]
fn threads_share_an_evaluator() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let mut owner = Owner::new(&context, &request(&[1]), 12);
    let x = values(32, 1);
    let input = owner.encrypt(&x, 2f64.powi(40), 1);
    let expected = owner.evaluator.rotate(&input, 1).unwrap().to_bytes(&context).unwrap();
    std::thread::scope(|scope| {
        let rotate = || owner.evaluator.rotate(&input, 1).unwrap().to_bytes(&context).unwrap();
        let threads = [(); 4].map(|()| scope.spawn(move || (0..20).map(|_| rotate()).collect::<Vec<_>>()));
        for thread in threads {
            assert!(thread.join().unwrap().iter().all(|bytes| *bytes == expected));
        }
    });
}

#[test]
fn two_encryptions_of_one_message_have_neither_half_in_common() {
    let context = secure(8192, &[50, 40], &[50], 2);
    let mut owner = Owner::new(&context, &request(&[]), 14);
    let plaintext = context.encode(&values(context.parameters().slots(), 1), 2f64.powi(40), 1).unwrap();
    let public = PublicKey::generate(&owner.secret, &mut owner.random);
    let seeded = [(); 2].map(|()| {
        let seeded = owner.secret.encrypt(&plaintext, &mut owner.random).unwrap();
        seeded.expand(&context).unwrap().to_bytes(&context).unwrap()
    });
    let public = [(); 2].map(|()| {
        public.encrypt(&context, &plaintext, &mut owner.random).unwrap().to_bytes(&context).unwrap()
    });
    for [first, second] in [seeded, public] {
        let same = first.iter().zip(&second).filter(|(a, b)| a == b).count();
        // By chance, one byte in 256; one half in common would be half of them.
        assert!(same * 50 < first.len(), "{same} of {} bytes are the same", first.len());
    }
}
