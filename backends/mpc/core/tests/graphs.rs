//! What a network with branches is compiled to, and what bounds its wires.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use session::{bent, format};
use veilbench_mpc::Error;
use veilbench_mpc::circuit::{Circuit, Gate};
use veilbench_mpc::model::{LayerParameters, Model};
use veilbench_mpc::oracle::analyse;
use veilbench_mpc::program::{Operation, Program};
use veilbench_networks::Shape;

const BITS: u32 = 12;

fn network(inputs: usize, layers: &[(Operation, f64)]) -> Program {
    let (layers, magnitudes) = layers.iter().map(|&(layer, magnitude)| (layer, Some(magnitude))).unzip();
    Program { input: Shape::Flat(inputs), operations: layers, magnitudes }
}

fn dense(outputs: usize) -> Operation {
    Operation::Dense { outputs }
}

/// The largest magnitude that each gate may write, as a number. Every dense layer has weights of one value.
fn bounds(layers: &[Operation], weights: &[f32]) -> Vec<f64> {
    let program = Program { input: Shape::Flat(1), operations: layers.to_vec(), magnitudes: vec![] };
    let circuit = Circuit::compile(&program, format(8, BITS)).unwrap();
    let (mut weights, shapes) = (weights.iter(), program.shapes().unwrap());
    let mut inputs = 1;
    let parameters: Vec<LayerParameters> = layers
        .iter()
        .zip(shapes)
        .map(|(layer, shape)| {
            let read = std::mem::replace(&mut inputs, shape.len());
            let Operation::Dense { outputs } = layer else { return LayerParameters::None };
            let weights = weights.by_ref().copied().take(read * outputs).collect();
            LayerParameters::Affine { weights, bias: vec![0.0; *outputs] }
        })
        .collect();
    let model = Model::encode(&circuit, &parameters).unwrap();
    let magnitudes = analyse(&circuit, &model).unwrap().magnitudes;
    let mut open = false;
    let number = |(gate, magnitude): (&Gate, u128)| {
        open = match gate {
            Gate::Linear { .. } | Gate::Add { .. } => true,
            Gate::Truncate { .. } | Gate::Concat { .. } => false,
            Gate::Recall { .. } => return 0.0,
            _ => open,
        };
        magnitude as f64 / f64::from(if open { 2 * BITS } else { BITS }).exp2()
    };
    circuit.gates().iter().zip(magnitudes).map(number).collect()
}

fn last_bound(layers: &[Operation], weights: &[f32]) -> f64 {
    // The last gate is the output.
    let bounds = bounds(layers, weights);
    bounds[bounds.len() - 2]
}

/// Inputs are 4 at most.
#[test]
fn a_sum_is_bounded_by_both_of_its_wires() {
    let bound = last_bound(&[dense(1), Operation::Keep, dense(1), Operation::Add(0)], &[1.0, 3.0]);
    assert!((bound - 16.0).abs() < 0.01, "{bound}");
    let held = [dense(1), Operation::Hold, Operation::Keep, dense(1), Operation::Add(0)];
    let bound = last_bound(&held, &[1.0, 3.0]);
    assert!((bound - 16.0).abs() < 0.01, "{bound}");
}

#[test]
fn what_is_recalled_is_bounded_as_it_was() {
    let layers = [dense(1), Operation::Keep, dense(1), Operation::Keep, Operation::Recall(0), dense(1)];
    let bound = last_bound(&layers, &[1.0, 100.0, 2.0]);
    assert!((bound - 8.0).abs() < 0.01, "{bound}");
}

#[test]
fn the_kept_channels_of_a_concatenation_come_first() {
    let layers = [dense(1), Operation::Hold, Operation::Keep, dense(1), Operation::Concat(0), dense(1)];
    let bound = |weights: [f32; 2]| last_bound(&layers, &[&[1.0, 100.0][..], &weights].concat());
    assert!((bound([1.0, 0.0]) - 4.0).abs() < 0.01, "{}", bound([1.0, 0.0]));
    assert!((bound([0.0, 1.0]) - 400.0).abs() < 0.1, "{}", bound([0.0, 1.0]));
}

/// The pieces bound nothing of the value itself.
#[test]
fn a_function_that_is_constant_at_both_ends_is_bounded_whatever_it_reads() {
    let [spread, relu, together] = bent(1, true);
    let layers = vec![dense(1), spread, relu, together];
    let program = Program { input: Shape::Flat(1), operations: layers, magnitudes: vec![] };
    let circuit = Circuit::compile(&program, format(8, BITS)).unwrap();
    let affine = |weights: Vec<f32>| LayerParameters::Affine { weights, bias: vec![0.0] };
    // Slopes 2, then -1, then 0 from knots -1.5, 0 and 2: 0, 3, 1.
    let pieces = affine(vec![2.0, -3.0, 1.0]);
    let parameters = [affine(vec![1e6]), LayerParameters::None, LayerParameters::None, pieces];
    let model = Model::encode(&circuit, &parameters).unwrap();
    let bound = analyse(&circuit, &model).unwrap().magnitudes[3] as f64 / f64::from(2 * BITS).exp2();
    assert!((2.99..3.01).contains(&bound), "{bound}");
}

#[test]
fn guards_are_where_products_read_and_nowhere_else() {
    let layers = [
        (dense(3), 2.0),
        (Operation::Keep, 2.0),
        // Nothing reads this one.
        (Operation::Relu, 2.0),
        (Operation::Keep, 2.0),
        (Operation::Recall(0), 2.0),
        (Operation::Relu, 2.0),
        (dense(2), 2.0),
    ];
    let circuit = Circuit::compile(&network(4, &layers), format(8, BITS)).unwrap();
    let relus = circuit.gates().iter().filter(|gate| matches!(gate, Gate::Relu { .. }));
    let guarded: Vec<bool> = relus.map(|gate| gate.guard().is_some()).collect();
    assert_eq!(guarded, [false, true]);
}

#[test]
fn a_branch_of_the_image_needs_as_wide_a_ring_whichever_branch_comes_first() {
    let branch = [(dense(4), 1.0), (Operation::Relu, 1.0), (dense(4), 1.0)];
    let direct = [(dense(4), 128.0)];
    let ring = |first: &[(Operation, f64)], second: &[(Operation, f64)]| {
        let layers = [
            &[(Operation::Keep, 4.0)][..],
            first,
            &[(Operation::Keep, 1.0), (Operation::Recall(0), 4.0)],
            second,
            &[(Operation::Add(1), 1.0)],
        ];
        let circuit = Circuit::compile(&network(4096, &layers.concat()), format(8, BITS)).unwrap();
        circuit.calibrated_ring().unwrap().bytes()
    };
    assert_eq!(ring(&branch, &direct), ring(&direct, &branch));
    assert_eq!(ring(&branch, &direct), 6);
}

/// Weights that a chain's last layer may have, a sum's may have as well.
#[test]
fn a_sum_at_the_end_has_the_room_of_a_product_at_the_end() {
    let fits = |layers: Vec<Operation>, weights: &[f32]| {
        let program = Program { input: Shape::Flat(1), operations: layers, magnitudes: vec![] };
        let circuit = Circuit::compile(&program, format(4, BITS)).unwrap();
        let affine = |&weight: &f32| LayerParameters::Affine { weights: vec![weight], bias: vec![0.0] };
        let mut weights = weights.iter().map(affine);
        let layers = program.operations.iter().map(|layer| match layer {
            Operation::Dense { .. } => weights.next().unwrap(),
            _ => LayerParameters::None,
        });
        let model = Model::encode(&circuit, &layers.collect::<Vec<_>>()).unwrap();
        analyse(&circuit, &model).map(|_| ())
    };
    // Of 32 bits 24 are fractional, one is the sign: 128 fits at the end, 64 elsewhere.
    assert_eq!(fits(vec![dense(1), dense(1)], &[1.0, 25.0]), Ok(()));
    let sum = vec![dense(1), Operation::Keep, dense(1), Operation::Add(0)];
    assert_eq!(fits(sum.clone(), &[1.0, 24.0]), Ok(()));
    assert!(matches!(fits(sum, &[1.0, 40.0]), Err(Error::Overflow { layer: 3, .. })));
    let behind = vec![dense(1), Operation::Keep, dense(1), Operation::Add(0), dense(1)];
    assert!(matches!(fits(behind, &[1.0, 24.0, 0.0]), Err(Error::Overflow { layer: 3, .. })));
}

fn joined(first: f64, second: f64) -> Program {
    network(
        4,
        &[
            (dense(4), first),
            (Operation::Hold, first),
            (Operation::Keep, first),
            (dense(4), second),
            (Operation::Concat(0), first.max(second)),
            (dense(2), 1.0),
        ],
    )
}

#[test]
fn wires_that_meet_have_one_scale_and_what_it_would_lose_is_refused_by_its_layer() {
    for (first, second) in [(1.0, 2.0), (1e-6, 2e-6), (1e6, 5e5), (0.02, 3000.0), (1.0, 0.0), (0.0, 1e-6)] {
        let compiled = Circuit::compile(&joined(first, second), format(8, BITS)).map(|_| ());
        assert_eq!(compiled, Ok(()), "{first} beside {second}");
    }
    for (first, second, layer) in [(1e-6, 1.0, 0), (1.0, 1e-6, 3), (1e6, 1.0, 3)] {
        let refused = Circuit::compile(&joined(first, second), format(8, BITS)).map(|_| ());
        assert!(matches!(refused, Err(Error::Unsupported { layer: own, .. }) if own == layer), "{refused:?}");
    }
    // Of a sum the digits are those of the larger one.
    let sum = [
        (dense(4), 4.0),
        (Operation::Keep, 4.0),
        (dense(4), 1e-6),
        (Operation::Add(0), 4.0),
        (dense(2), 1.0),
    ];
    assert!(Circuit::compile(&network(4, &sum), format(8, BITS)).is_ok());
    // The image has no scale.
    let image = [(Operation::Keep, 4.0), (dense(4), 1e6), (Operation::Add(0), 1e6)];
    let refused = Circuit::compile(&network(4, &image), format(8, BITS)).map(|_| ());
    assert!(matches!(refused, Err(Error::Unsupported { layer: 1, .. })), "{refused:?}");
}
