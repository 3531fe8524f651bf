//! What the guard of a map shows: values that wrapped, and nothing else.

use veilbench_ckks::{Context, ParameterRequest, Parameters, Randomness, SecretKey};

use super::*;

const PERIOD: f64 = 4.0;

fn key() -> KeyId {
    let parameters = Parameters::new(&ParameterRequest {
        degree: 4096,
        data_prime_bits: &[40],
        special_prime_bits: &[40],
        digits: 1,
    });
    let context = Context::new(parameters.unwrap());
    SecretKey::generate(&context, &mut Randomness::from_system().unwrap()).id()
}

fn map() -> AffineMap {
    let dense = |inputs: &[u32], outputs: &[u32], first: f64| DenseBlock {
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        weights: (0..inputs.len() * outputs.len()).map(|index| first + index as f64).collect(),
    };
    AffineMap {
        inputs: 4,
        blocks: vec![dense(&[0, 1], &[0, 2], 0.5), dense(&[1, 3], &[1], -2.0)],
        bias: vec![0.25, -1.0, 3.0],
    }
}

#[test]
fn the_guard_of_a_map_is_the_weighted_sum_of_its_outputs() {
    let whole =
        DenseBlock { inputs: vec![2, 0], outputs: vec![0, 1, 2], weights: vec![1., 2., 3., 4., 5., 6.] };
    for plain in [map(), AffineMap { inputs: 4, blocks: vec![whole], bias: vec![0.5, -0.5, 2.0] }] {
        let guard = Guard::new(key(), 0, 3, 8.0);
        let mut guarded = plain.clone();
        guard.append(&mut guarded);
        assert_eq!(guarded.outputs(), 4);
        let x = [1.5, -2.0, 0.25, 7.0];
        let (results, with) = (plain.apply(&x), guarded.apply(&x));
        assert_eq!(results, with[..3]);
        let sum: f64 = results.iter().zip(&guard.multipliers).map(|(y, rho)| rho * y).sum();
        assert!(guard.centred(with[3] - sum).abs() < 1e-12);
        assert!(
            guarded
                .blocks
                .iter()
                .flat_map(|block| &block.inputs)
                .all(|&input| input != 2 || guarded.blocks.len() == 1)
        );
    }
}

#[test]
fn a_guard_of_many_biases_fits_the_last_prime() {
    let results = 10_000;
    for _ in 0..20 {
        let guard = Guard::new(key(), 0, results, PERIOD);
        let mut map = AffineMap::identity(results);
        map.bias = vec![0.5; results];
        guard.append(&mut map);
        let sum: f64 = guard.multipliers.iter().map(|multiplier| multiplier / 2.0).sum();
        assert!(map.bias[results].abs() <= PERIOD / 2.0);
        assert!(guard.centred(map.bias[results] - sum).abs() < 1e-9);
    }
}

#[test]
fn multipliers_follow_from_the_session_and_the_round() {
    let (one, other) = (key(), key());
    let multipliers = |key, round| Guard::new(key, round, 10, PERIOD).multipliers;
    assert_eq!(multipliers(one, 0), multipliers(one, 0));
    assert_ne!(multipliers(one, 0), multipliers(one, 1));
    assert_ne!(multipliers(one, 0), multipliers(other, 0));
    assert!(multipliers(one, 0).iter().all(|rho| rho.abs() <= 0.5));
}

/// The difference of results that wrapped so many times each, all of them in every coefficient, in periods.
fn difference(guard: &Guard, wraps: &[f64], shift: f64) -> f64 {
    let truth = |index: usize| 0.3 * index as f64 - 1.0;
    let mut difference = Difference::new(guard, 2);
    let mut sum = 0.0;
    for (index, wraps) in wraps.iter().enumerate() {
        sum += guard.multipliers[index] * truth(index);
        difference.take(index, &[truth(index) - PERIOD * wraps, truth(index)]);
    }
    difference.take(wraps.len(), &[sum + PERIOD * shift, sum]);
    difference.largest() / PERIOD
}

#[test]
fn wraps_show_at_any_distance_and_those_of_the_guard_itself_do_not() {
    let mut passed = 0;
    for wraps in [vec![1.0], vec![1.0, -1.0], vec![2.0; 10], vec![300.0, 0.0, -7.0], vec![1e6; 3]] {
        for _ in 0..40 {
            let guard = Guard::new(key(), 0, wraps.len(), PERIOD);
            assert!(difference(&guard, &vec![0.0; wraps.len()], 0.0) < 1e-12);
            assert!(difference(&guard, &vec![0.0; wraps.len()], 3.0) < 1e-12, "a guard may wrap");
            passed += usize::from(difference(&guard, &wraps, 0.0) < 0.01);
        }
    }
    // One in fifty is expected to be that near.
    assert!(passed <= 16, "{passed} of 200 wraps passed a hundredth of a period");
}

#[test]
fn a_quarter_of_the_slots_is_spare_or_the_layout_is_not_taken() {
    assert!(enough_spare(256, 1024) && !enough_spare(255, 1024) && !enough_spare(0, 4));
    for outputs in [1, 2, 10, 100] {
        let room = with_spare(outputs).next_power_of_two();
        assert!(enough_spare(room - outputs, room), "{outputs} outputs");
    }
}
