//! Levels and scales at which a scheme takes answers, and how large they may be.

use veilbench_ckks::{Randomness, SecretKey};

use super::*;
use crate::roles::guard::LIMIT;

#[test]
fn answers_are_at_the_last_level_and_at_the_scale_of_maps() {
    let demand = Demand {
        depth: 3,
        slots: 1,
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
        slots: 1,
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
