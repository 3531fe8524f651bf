//! Levels and scales at which a scheme takes answers, and how large they may be.

use std::sync::Arc;

use veilbench_ckks::{Evaluator, Randomness, SecretKey, SeededEvaluationKeys};

use super::*;
use crate::roles::guard::LIMIT;

#[test]
fn answers_are_at_the_last_level_and_at_the_scale_of_maps() {
    let demand = Demand {
        depth: 3,
        degree: 8192,
        vectors: false,
        rotations: false,
        lower_input_bits: 0,
        stages: &[],
        logits: 10.0,
        error: 1.0 / 256.0,
        pairs: None,
        room: None,
    };
    let scheme = Scheme::choose(&demand).unwrap();
    let (context, mut random) = (scheme.context().unwrap(), Randomness::from_system().unwrap());
    let secret = SecretKey::generate(&context, &mut random);
    let mut checked = |scale: f64, level: usize| {
        let plaintext = context.encode(&[0.5], scale, level).unwrap();
        let ciphertext = secret.encrypt(&plaintext, &mut random).unwrap().expand(&context).unwrap();
        scheme.check_answer(&ciphertext).map_err(|error| error.to_string())
    };
    let scale = f64::from(scheme.map_scale_bits).exp2();
    checked(scale, 0).unwrap();
    for (scale, level) in [(scale, 1), (scale / 2.0, 0), (scale * 1.0001, 0)] {
        let refused = checked(scale, level).unwrap_err();
        assert!(refused.contains(&format!("answer is at level {level} and scale 2^")), "{refused}");
    }
}

#[test]
fn what_is_accepted_is_within_half_of_the_last_prime() {
    let demand = Demand {
        depth: 1,
        degree: 8192,
        vectors: false,
        rotations: false,
        lower_input_bits: 0,
        stages: &[],
        logits: 10.0,
        error: 1.0 / 256.0,
        pairs: None,
        room: None,
    };
    for pairs in [None, Some(Pairs::SumsOfSquares)] {
        for scheme in Scheme::candidates(&Demand { pairs, ..demand }) {
            let half = scheme.period(&scheme.context().unwrap()) / 2.0;
            assert!((LIMIT / half - 1.0).abs() < 1e-3, "{half}");
        }
    }
}

/// A scheme with long digits, or one like it without.
fn scheme(long_digits: bool) -> Scheme {
    Scheme {
        degree: 4096,
        data_prime_bits: vec![32, 28, 27, 28, 27, 28],
        special_prime_bits: vec![44],
        digits: 6,
        long_digits,
        map_scale_bits: 30,
        input_scale_bits: 30,
        pairs: None,
    }
}

#[test]
fn of_equal_rotations_one_has_a_key_for_the_highest_level() {
    let rotations = [(-1536, 1), (512, 3), (2560, 2), (0, 5), (-2048, 5), (4096, 5), (7, 1)]
        .map(|(steps, level)| Rotation { steps, level, of_values: steps != 7 });
    let own = |short: &[(i64, usize)], long: &[(i64, usize)]| RotationKeys {
        short: short.iter().copied().collect(),
        long: long.iter().copied().collect(),
    };
    assert_eq!(scheme(false).rotation_keys(rotations), own(&[(-1536, 3), (7, 1)], &[]));
    assert_eq!(scheme(true).rotation_keys(rotations), own(&[(-1536, 3)], &[(7, 1)]));
    // Of values and of products by the same steps.
    let both = [(3, 5, false), (3, 1, true)];
    let both = both.map(|(steps, level, of_values)| Rotation { steps, level, of_values });
    assert_eq!(scheme(true).rotation_keys(both), own(&[(3, 1)], &[(3, 5)]));
    assert_eq!(scheme(false).rotation_keys(both), own(&[(3, 5)], &[]));
}

#[test]
fn long_digits_have_the_noise_they_may_have_and_not_more() {
    let demand = Demand {
        depth: 5,
        degree: 8192,
        vectors: true,
        rotations: true,
        lower_input_bits: 3,
        stages: &[],
        logits: 1.0,
        error: 1.0,
        pairs: None,
        room: None,
    };
    let (mut seen, mut nearest): (usize, f64) = (0, 0.0);
    for (degree, depth) in [(8192, 5), (16_384, 4), (16_384, 10)] {
        for step in STEPS {
            for (rotations, pairs) in [(true, None), (false, None), (false, Some(Pairs::Squares))] {
                let demand = Demand { rotations, pairs, depth, ..demand };
                let shape = Shape { degree, digit_primes: 1, long_digits: true };
                let Some(own) = Scheme::with_step(shape, step, &demand) else { continue };
                assert!(pairs.is_none(), "sums of squares of pairs take short digits");
                let context = own.context().unwrap();
                // Of the engine's own account, in coefficients: a sum of all slots that are folded, divided by the shortest prime.
                let parts = if rotations { (degree as f64).sqrt() } else { 1.0 };
                let added = context.long_key_switch_noise(depth) * parts / f64::from(step).exp2();
                let share = added / context.rounding_noise();
                assert!(share < 0.3, "N = {degree}, {step}, {rotations}: {share}");
                nearest = nearest.max(share);
                seen += 1;
            }
        }
    }
    assert!(seen > 9 && nearest > 0.2, "{seen}, the nearest at {nearest}");
}

#[test]
fn folded_answers_are_of_the_period_and_scale_that_were_agreed() {
    let scheme = scheme(false);
    let scheme = Scheme { degree: 8192, ..scheme };
    let (context, mut random) = (scheme.context().unwrap(), Randomness::from_system().unwrap());
    let secret = SecretKey::generate(&context, &mut random);
    let keys = SeededEvaluationKeys::generate(&secret, &KeyRequest::default(), &mut random);
    let evaluator = Evaluator::new(&context, Arc::new(keys.expand(&context).unwrap())).unwrap();
    let mut checked = |scale: f64, period: usize| {
        let plaintext = context.encode(&[0.5], scale, 0).unwrap();
        let ciphertext = secret.encrypt(&plaintext, &mut random).unwrap().expand(&context).unwrap();
        let folded = evaluator.fold(&ciphertext, period).unwrap();
        scheme.check_folded((folded.period(), folded.scale()), 16).map_err(|error| error.to_string())
    };
    let scale = f64::from(scheme.map_scale_bits).exp2();
    checked(scale, 16).unwrap();
    for (scale, period) in [(scale, 8), (scale, 32), (scale / 2.0, 16)] {
        let refused = checked(scale, period).unwrap_err();
        assert!(
            refused.contains(&format!("answer repeats after {period} slots and is at scale 2^")),
            "{refused}"
        );
    }
}

#[test]
fn what_long_digits_leave_after_a_rescaling_is_reckoned_with() {
    let [without, with] = [false, true].map(|long_digits| scheme(long_digits).rescaling_noise());
    assert!((with / without - 1.03).abs() < 2e-3, "{}", with / without);
}
