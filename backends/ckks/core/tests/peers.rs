//! What one side makes sure of about what the other sent or will see.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::*;

const SCALE: f64 = (1u64 << 40) as f64;

fn context() -> Context {
    insecure(64, &[50, 40, 40], &[50, 50], 2)
}

fn levelled(relinearisation: usize, rotations: &[(i64, usize)]) -> KeyRequest {
    KeyRequest {
        relinearisation: true,
        rotations: rotations.iter().map(|&(steps, _)| steps).collect(),
        levels: KeyLevels {
            relinearisation: Some(relinearisation),
            rotations: rotations.iter().copied().collect(),
            ..KeyLevels::default()
        },
        ..KeyRequest::default()
    }
}

#[test]
fn a_rerandomised_answer_holds_the_same_values_under_another_mask() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 5);
    let public = PublicKey::generate_for_level(&owner.secret, 1, &mut owner.random);
    let fresh = owner.encrypt(&values(32, 3), SCALE, 2);
    let answer = owner.evaluator.drop_to_level(&fresh, 1).unwrap();
    let parts = |ciphertext: &Ciphertext| {
        let bytes = ciphertext.to_bytes(&context).unwrap();
        let (first, second) = bytes[47..].split_at((bytes.len() - 47) / 2);
        [first.to_vec(), second.to_vec()]
    };
    let mut seen = vec![parts(&answer)];
    for _ in 0..3 {
        let mut again = answer.clone();
        public.rerandomise(&context, &mut again, &mut owner.random).unwrap();
        let decrypted = context.decode(&owner.secret.decrypt(&again).unwrap()).unwrap();
        let worst = context.slot_error(context.public_fresh_noise().hypot(context.fresh_noise()), SCALE);
        for (value, expected) in decrypted.iter().zip(values(32, 3)) {
            assert!((value - expected).abs() <= worst, "{value} {expected}");
        }
        let parts = parts(&again);
        assert!(seen.iter().all(|known| known[0] != parts[0] && known[1] != parts[1]));
        seen.push(parts);
    }
}

#[test]
fn a_public_key_serves_its_level_and_its_secret_alone() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 6);
    let mut other = Owner::new(&context, &request(&[]), 7);
    let public = PublicKey::generate_for_level(&owner.secret, 1, &mut owner.random);
    let bytes = public.to_bytes(&context).unwrap();
    let whole = PublicKey::generate(&owner.secret, &mut owner.random).to_bytes(&context).unwrap();
    assert!(bytes.len() < whole.len());
    let public = PublicKey::from_bytes(&context, &bytes).unwrap();
    assert_eq!((public.max_level(), public.key()), (1, owner.secret.id()));
    let mut high = owner.encrypt(&[0.5], SCALE, 2);
    let refused = public.rerandomise(&context, &mut high, &mut owner.random);
    assert_eq!(refused, Err(Error::Level { level: 2, max: 1 }));
    let plaintext = context.encode(&[0.5], SCALE, 2).unwrap();
    assert_eq!(
        public.encrypt(&context, &plaintext, &mut owner.random).unwrap_err(),
        Error::Level { level: 2, max: 1 }
    );
    let mut foreign = other.encrypt(&[0.5], SCALE, 1);
    let refused = public.rerandomise(&context, &mut foreign, &mut owner.random);
    assert!(matches!(refused, Err(Error::ForeignKey { .. })), "{refused:?}");
}

#[test]
fn keys_are_held_against_what_was_requested() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 8);
    let asked = levelled(1, &[(1, 2), (-3, 1)]);
    let mut keys =
        |request: &KeyRequest| SeededEvaluationKeys::generate(&owner.secret, request, &mut owner.random);
    let exact = keys(&asked);
    exact.check_covers(&context, &asked).unwrap();
    exact.check_no_more(&context, &asked).unwrap();

    let fewer: [(KeyRequest, &str); 4] = [
        (KeyRequest { relinearisation: false, ..asked.clone() }, "no relinearisation key"),
        (levelled(0, &[(1, 2), (-3, 1)]), "the key for products serves levels up to 0, not 1"),
        (levelled(1, &[(1, 2)]), "no key for rotation by -3"),
        (levelled(1, &[(1, 1), (-3, 1)]), "the key for rotation by 1 serves levels up to 1, not 2"),
    ];
    for (request, reason) in fewer {
        let keys = keys(&request);
        keys.check_no_more(&context, &asked).unwrap();
        let refused = keys.check_covers(&context, &asked).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
    let more: [(KeyRequest, &str); 4] = [
        (levelled(2, &[(1, 2), (-3, 1)]), "products at level 2"),
        (levelled(1, &[(1, 2), (-3, 1), (4, 0)]), "automorphism"),
        (levelled(1, &[(1, 2), (-3, 2)]), "rotation by -3 at level 2"),
        (KeyRequest { conjugation: true, ..asked.clone() }, "conjugation"),
    ];
    for (request, reason) in more {
        let keys = keys(&request);
        keys.check_covers(&context, &asked).unwrap();
        let refused = keys.check_no_more(&context, &asked).unwrap_err().to_string();
        assert!(refused.contains(reason) && refused.contains("not requested"), "{refused}");
    }
}

#[test]
fn keys_for_squares_of_pairs_are_there_and_no_others() {
    let context = context();
    let mut owner = Owner::new(&context, &request(&[]), 12);
    let asked = |level: usize, sums: bool| KeyRequest {
        pair_squares: Some(PairSquares { level, sums }),
        ..KeyRequest::default()
    };
    let mut keys =
        |request: &KeyRequest| SeededEvaluationKeys::generate(&owner.secret, request, &mut owner.random);
    let mut bytes = Vec::new();
    for (made, wanted, missing, unwanted) in [
        (asked(1, true), asked(1, true), None, None),
        (asked(1, false), asked(1, false), None, None),
        (asked(1, false), asked(1, true), Some("none for sums of squares of pairs"), None),
        (asked(1, true), asked(1, false), None, Some("sums of squares of pairs at level 1")),
        (asked(0, true), asked(1, true), Some("the key for conjugation serves levels up to 0, not 1"), None),
        (asked(1, true), asked(0, true), None, Some("conjugation at level 1")),
        (KeyRequest::default(), asked(1, false), Some("no key for conjugation"), None),
    ] {
        let keys = keys(&made);
        let of = |result: Result<()>| result.err().map(|error| error.to_string());
        let holds = |found: Option<String>, expected: Option<&str>| match (&found, expected) {
            (None, None) => true,
            (Some(found), Some(expected)) => found.contains(expected),
            _ => false,
        };
        assert!(holds(of(keys.check_covers(&context, &wanted)), missing), "{made:?} for {wanted:?}");
        assert!(holds(of(keys.check_no_more(&context, &wanted)), unwanted), "{made:?} for {wanted:?}");
        bytes.push(keys.to_bytes(&context).unwrap().len());
    }
    assert!(bytes[0] > 2 * bytes[1], "sums take two keys more");
    let named = KeyRequest { conjugation: true, ..asked(0, true) };
    let all_levels = keys(&named);
    all_levels.check_covers(&context, &named).unwrap();
    assert!(all_levels.check_no_more(&context, &asked(0, true)).is_err(), "a conjugation of every level");
}

#[test]
fn coefficients_are_what_slots_are_made_of_and_wrap_at_the_period() {
    let context = context();
    let slots = context.parameters().slots();
    let period = context.period(0, SCALE);
    assert!((period / 2f64.powi(10) - 1.0).abs() < 0.1);
    let decode = |value: f64| {
        let plaintext = context.encode(&vec![value; slots], SCALE, 1).unwrap();
        let mut owner = Owner::new(&context, &request(&[]), 9);
        let ciphertext =
            owner.secret.encrypt(&plaintext, &mut owner.random).unwrap().expand(&context).unwrap();
        let low = owner.evaluator.drop_to_level(&ciphertext, 0).unwrap();
        context.decode_with_coefficients(&owner.secret.decrypt(&low).unwrap()).unwrap()
    };
    let (inside, coefficients) = decode(3.5);
    assert_eq!(coefficients.len(), 2 * slots);
    assert!((coefficients[0] - 3.5).abs() < 1e-6 && coefficients[1..].iter().all(|c| c.abs() < 1e-6));
    assert!(inside.iter().all(|value| (value - 3.5).abs() < 1e-6));
    let (outside, coefficients) = decode(0.75 * period);
    assert!((coefficients[0] + 0.25 * period).abs() < 1e-6);
    assert!(outside.iter().all(|value| (value + 0.25 * period).abs() < 1e-6), "every slot is off");
}
