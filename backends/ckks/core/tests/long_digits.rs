//! Keys of long digits: fewer bytes, the noise that is stated, and none of them where a short one is meant.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::sync::Arc;

use fixture::*;
use veilbench_ckks::*;

/// Digits of one prime, long ones of two.
fn context() -> Context {
    secure(8192, &[33, 28, 27, 28, 27, 28], &[40], 6)
}

fn long(relinearisation: bool, rotations: &[i64]) -> LongDigits {
    LongDigits { relinearisation, rotations: rotations.iter().map(|&steps| (steps, 5)).collect() }
}

fn keys(context: &Context, request: &KeyRequest) -> (SecretKey, SeededEvaluationKeys) {
    let mut random = Randomness::insecure_from_seed([61; 32]);
    let secret = SecretKey::generate(context, &mut random);
    let keys = SeededEvaluationKeys::generate(&secret, request, &mut random);
    (secret, keys)
}

#[test]
fn noise_is_what_is_stated_and_rescaling_a_product_leaves_nothing_of_it() {
    let context = context();
    let request = KeyRequest { long: long(true, &[1]), ..request(&[1]) };
    let mut owner = Owner::new(&context, &request, 62);
    let slots = context.parameters().slots();
    let (x, scale) = (values(slots, 1), 2f64.powi(30));
    let turned: Vec<f64> = x.iter().cycle().skip(1).take(slots).copied().collect();
    for level in 0..=5 {
        let fresh = owner.encrypt(&x, scale, level);
        let both = [
            ("product", owner.evaluator.rotate_product(&fresh, 1), context.long_key_switch_noise(level)),
            ("value", owner.evaluator.rotate(&fresh, 1), context.key_switch_noise(level)),
        ];
        for (of, rotated, stated) in both {
            let rotated = rotated.unwrap();
            let expected = context.encode(&turned, scale, level).unwrap();
            let measured = owner.secret.measure_noise(&rotated, &expected).unwrap();
            let ratio = measured / context.fresh_noise().hypot(stated);
            assert!(
                (0.85..1.15).contains(&ratio),
                "level {level}, rotation of a {of}: {ratio:.2} of {stated:.2e}"
            );
        }
        if level == 0 {
            continue;
        }
        assert!(
            context.long_key_switch_noise(level) > 1e4 * context.key_switch_noise(level),
            "they are long"
        );
        // A sum of rotations as of a dense layer: before the rescaling at the product of two scales.
        let prime = context.parameters().data_primes()[level] as f64;
        let product = owner.evaluator.multiply_scalar(&fresh, 0.7, prime).unwrap();
        let rotated = owner.evaluator.rotate_product(&product, 1).unwrap();
        let folded = owner.evaluator.rescale(&rotated).unwrap();
        let expected: Vec<f64> = turned.iter().map(|x| 0.7 * x).collect();
        let expected = context.encode(&expected, scale, level - 1).unwrap();
        let measured = owner.secret.measure_noise(&folded, &expected).unwrap();
        let rounding = (0.7 * context.fresh_noise()).hypot(context.rounding_noise());
        // The two lowest primes are a digit that is 21 bits longer than the special prime.
        let switched = context.long_key_switch_noise(level) / prime;
        let ratio = measured / rounding.hypot(switched);
        assert!(
            (0.85..1.15).contains(&ratio) && switched < rounding,
            "level {level}: {ratio:.2}, {switched:.2}"
        );
    }
}

/// Rotations of values, hoisted or not, do not use keys that would drown them; those of products do with others.
#[test]
fn only_products_are_rotated_with_long_digits() {
    let context = context();
    let mut owner = Owner::new(&context, &KeyRequest { long: long(false, &[1]), ..request(&[2]) }, 63);
    let x = owner.encrypt(&[0.5, 0.25], 2f64.powi(30), 3);
    let hoisted = owner.evaluator.hoist(&x).unwrap();
    assert!(matches!(hoisted.rotate(1), Err(Error::NoGaloisKey { .. })));
    assert!(matches!(owner.evaluator.rotate(&x, 1), Err(Error::NoGaloisKey { .. })));
    let [short, product] = [hoisted.rotate(2), owner.evaluator.rotate_product(&x, 2)];
    for turned in [short, product] {
        let turned = owner.decrypt(&turned.unwrap());
        assert!(turned[0].abs() < 1e-4 && (turned[context.parameters().slots() - 2] - 0.5).abs() < 1e-4);
    }
    let low = KeyRequest {
        long: LongDigits { rotations: [(1, 2)].into(), ..LongDigits::default() },
        ..request(&[1])
    };
    let mut owner = Owner::new(&context, &low, 66);
    let x = owner.encrypt(&[0.5], 2f64.powi(30), 3);
    // Above its level the other one serves, where there is one.
    owner.evaluator.rotate_product(&x, 1).unwrap();
    let low = KeyRequest { rotations: [].into(), ..low };
    let mut owner = Owner::new(&context, &low, 67);
    let x = owner.encrypt(&[0.5], 2f64.powi(30), 3);
    assert!(matches!(owner.evaluator.rotate_product(&x, 1), Err(Error::KeyLevel { .. })));
    let lower = owner.evaluator.drop_to_level(&x, 2).unwrap();
    owner.evaluator.rotate_product(&lower, 1).unwrap();
}

#[test]
fn keys_come_back_and_are_held_against_what_was_asked_for() {
    let context = context();
    let wanted = KeyRequest { long: long(true, &[1]), ..request(&[1, 2]) };
    let (_, keys) = keys(&context, &wanted);
    let bytes = keys.to_bytes(&context).unwrap();
    let again = SeededEvaluationKeys::from_bytes(&context, &bytes).unwrap();
    assert!(again == keys);
    again.check_covers(&context, &wanted).unwrap();
    again.check_no_more(&context, &wanted).unwrap();
    let with = |long: LongDigits, rotations: &[i64]| KeyRequest { long, ..request(rotations) };
    let covers = |request: &KeyRequest| again.check_covers(&context, request);
    assert!(matches!(covers(&with(long(false, &[1]), &[1, 2])), Err(Error::LongDigits { .. })));
    assert!(matches!(covers(&with(long(true, &[1, 2]), &[1, 2])), Err(Error::NoGaloisKey { .. })));
    assert!(matches!(covers(&with(long(true, &[1]), &[1, 3])), Err(Error::NoGaloisKey { .. })));
    let no_more = |request: &KeyRequest| again.check_no_more(&context, request);
    for fewer in [with(long(true, &[]), &[1, 2]), with(long(true, &[1]), &[2])] {
        assert!(matches!(no_more(&fewer), Err(Error::UnrequestedKey { .. })), "{fewer:?}");
    }
    let lower = LongDigits { relinearisation: true, rotations: [(1, 4)].into() };
    assert!(matches!(no_more(&with(lower, &[1, 2])), Err(Error::UnrequestedKey { .. })));
    // Equal steps have one key, for the higher level, and pairs that are summed share the key for products.
    let slots = context.parameters().slots() as i64;
    let twice = LongDigits { relinearisation: true, rotations: [(1 - slots, 5), (1, 3)].into() };
    covers(&with(twice.clone(), &[1, 2])).unwrap();
    no_more(&with(twice, &[1, 2])).unwrap();
    let pair_squares = Some(PairSquares { level: 5, sums: true });
    let paired = KeyRequest { pair_squares, ..wanted };
    let (secret, keys) = self::keys(&context, &paired);
    let short = KeyRequest { long: long(false, &[1]), ..paired.clone() };
    keys.check_covers(&context, &short).unwrap();
    let evaluator = Evaluator::new(&context, Arc::new(keys.expand(&context).unwrap())).unwrap();
    let mut random = Randomness::insecure_from_seed([64; 32]);
    let plaintext = context.encode(&[0.5], 2f64.powi(30), 5).unwrap();
    let x = secret.encrypt(&plaintext, &mut random).unwrap().expand(&context).unwrap();
    evaluator.sum_of_pair_squares(&[&x, &x]).unwrap();
}

/// A peer may send any key in the place of any other: sums of squares of pairs need short ones.
#[test]
fn long_keys_in_the_place_of_short_ones_are_an_error() {
    let context = context();
    let pair_squares = Some(PairSquares { level: 5, sums: true });
    let rest = KeyRequest { relinearisation: false, pair_squares, ..request(&[]) };
    let mut random = Randomness::insecure_from_seed([65; 32]);
    let secret = SecretKey::generate(&context, &mut random);
    let mut generate = |request: &KeyRequest| {
        SeededEvaluationKeys::generate(&secret, request, &mut random).expand(&context).unwrap()
    };
    let mut keys = generate(&rest);
    keys.extend(generate(&KeyRequest {
        relinearisation: true,
        long: long(true, &[]),
        ..KeyRequest::default()
    }))
    .unwrap();
    let evaluator = Evaluator::new(&context, Arc::new(keys)).unwrap();
    let plaintext = context.encode(&[0.5], 2f64.powi(30), 5).unwrap();
    let x = secret.encrypt(&plaintext, &mut random).unwrap().expand(&context).unwrap();
    assert!(matches!(evaluator.sum_of_pair_squares(&[&x, &x]), Err(Error::LongDigits { .. })));
}

#[test]
fn half_the_digits_are_half_the_bytes_and_without_room_for_them_nothing_changes() {
    let context = context();
    let bytes = |request: &KeyRequest| keys(&context, request).1.to_bytes(&context).unwrap().len();
    let short = bytes(&request(&[1]));
    let both = bytes(&KeyRequest { long: long(true, &[1]), ..request(&[]) });
    // Three keys, of which that for the conjugation stays.
    let key = (short - 43) / 3;
    assert!(both.abs_diff(short - key) < 100, "{both} of {short}");
    // One digit has no half.
    let whole = secure(8192, &[33, 28, 27], &[45, 45], 1);
    assert!(!whole.parameters().has_long_digits());
    let (_, usual) = keys(&whole, &request(&[1]));
    let (_, same) = keys(&whole, &KeyRequest { long: long(true, &[1]), ..request(&[]) });
    assert!(usual == same);
    let both = KeyRequest {
        long: LongDigits { rotations: [(1, 0)].into(), ..LongDigits::default() },
        ..request(&[1])
    };
    assert!(keys(&whole, &both).1 == usual, "a key for every level stays one");
    let longest = insecure(64, &[40; 12], &[50; 6], 2);
    assert!(
        !longest.parameters().has_long_digits(),
        "twelve products and a correction are one more than a lazy sum takes"
    );
    // Their bytes may not say otherwise: the length of the first key follows the header, the key's name, kinds, count and seed.
    let mut bytes = usual.to_bytes(&whole).unwrap();
    bytes[22 + 16 + 1 + 4 + 32] |= 1 << 7;
    assert!(matches!(SeededEvaluationKeys::from_bytes(&whole, &bytes), Err(Error::Malformed { .. })));
}

/// Of bytes: the names of keys are in order and none stands twice, and whatever length is said must be one.
#[test]
fn keys_that_stand_twice_or_are_for_no_prime_are_refused() {
    let context = context();
    let request = KeyRequest { rotations: [1].into(), ..KeyRequest::default() };
    let (_, keys) = keys(&context, &request);
    let bytes = keys.to_bytes(&context).unwrap();
    // A header of 22 bytes, the name of the secret, kinds, and the count; then key after key.
    let (head, key) = bytes.split_at(22 + 16 + 1 + 4);
    let mut twice = [head, key, key].concat();
    twice[22 + 16 + 1] = 2;
    assert!(matches!(SeededEvaluationKeys::from_bytes(&context, &twice), Err(Error::Malformed { .. })));
    for length in [0, 1 << 7, 7, 1 << 7 | 7] {
        let mut bytes = bytes.clone();
        bytes[22 + 16 + 1 + 4 + 4 + 32] = length;
        assert!(
            matches!(SeededEvaluationKeys::from_bytes(&context, &bytes), Err(Error::Malformed { .. })),
            "{length}"
        );
    }
}
