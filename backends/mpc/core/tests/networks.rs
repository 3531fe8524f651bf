//! Whole networks: logits, bytes and rounds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use session::{
    Inference, Session, SessionOf, by_bits, by_function, bytes, compile, format, images, parameters, program,
    to_parties,
};
use std::sync::Arc;
use veilbench_mpc::Error;
use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::{Circuit, Format};
use veilbench_mpc::cost::{Cost, Traffic};
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::oracle::{analyse, evaluate};
use veilbench_mpc::program::{Operation, Program};
use veilbench_mpc::random::Seed;
use veilbench_mpc::ring;
use veilbench_mpc::session::{Dealer, Dealing, ModelOwner, SetupSeed};
use veilbench_networks::Shape;

fn encoded(images: &[f32], bits: u32) -> Vec<u64> {
    images.iter().map(|&value| ring::encode(f64::from(value), bits).unwrap()).collect()
}

#[test]
fn logits_are_as_close_to_the_oracle_as_the_protocol_promises() {
    for (name, ring_bytes, bits) in [
        ("mnist-mlp", 8, 16),
        ("mnist-mlp", 6, 13),
        ("mnist-mlp-poly", 8, 12),
        ("mnist-cnn", 8, 16),
        ("mnist-cnn", 5, 12),
        ("mnist-cnn-poly", 8, 12),
        ("malaria-cnn", 8, 16),
        ("max-pools", 8, 16),
        ("max-pools", 6, 14),
        ("no-activation", 8, 16),
        ("ends-in-a-pool", 7, 16),
        ("ends-in-a-pool-poly", 8, 13),
        ("residual", 8, 16),
        ("residual", 6, 13),
        ("residual-poly", 8, 12),
        ("smooth", 8, 16),
        ("smooth", 6, 13),
    ] {
        promise_is_kept(name, format(ring_bytes, bits));
    }
    for (name, ring_bytes, bits) in [
        ("mnist-mlp", 8, 16),
        ("mnist-cnn", 5, 12),
        ("malaria-cnn", 8, 16),
        ("max-pools", 8, 16),
        ("max-pools", 6, 14),
        ("residual", 8, 16),
        ("residual", 6, 13),
        ("smooth", 8, 16),
        ("smooth", 6, 13),
    ] {
        promise_is_kept(name, by_function(format(ring_bytes, bits)));
    }
}

fn promise_is_kept(name: &str, format: Format) {
    let bits = format.activation_bits;
    let (circuit, model) = compile(name, format);
    let promise = analyse(&circuit, &model).unwrap().logit_error;
    let mut session = Session::fresh(&circuit, &model);
    for (batch, count) in [1, 3].into_iter().enumerate() {
        let images = images(&circuit, count, 7 + batch as u8);
        let expected = evaluate(&circuit, &model, &encoded(&images, bits));
        let logits = session.infer(&images).logits;
        assert_eq!(logits.len(), expected.len());
        for (logit, expected) in logits.iter().zip(&expected) {
            let error = circuit.ring().signed(logit.wrapping_sub(*expected));
            assert!(u128::from(error.unsigned_abs()) <= promise, "{name}: off by {error}");
            let error = circuit.decode(*logit) - circuit.decode(*expected);
            assert!(error.abs() < 2f64.powi(6 - bits as i32), "{name}: off by {error}");
        }
        let largest = expected.iter().map(|&logit| circuit.decode(logit).abs()).fold(0.0, f64::max);
        assert!(largest > 0.01, "{name}: the logits say nothing");
    }
}

/// Rings by layer change what is sent, not what is computed: in one ring, under the same masks, the logits are the same to the bit.
#[test]
fn logits_by_bits_are_those_by_bytes() {
    for (name, bits) in [
        ("mnist-mlp", 16),
        ("mnist-mlp-poly", 12),
        ("mnist-cnn", 16),
        ("mnist-cnn-poly", 12),
        ("max-pools", 16),
        ("no-activation", 16),
        ("ends-in-a-pool", 16),
        ("ends-in-a-pool-poly", 13),
        ("residual", 16),
        ("residual-poly", 12),
        ("smooth", 16),
    ] {
        let logits = |format: Format| {
            let (circuit, model) = compile(name, format);
            let seeds = [1, 2, 3, 4].map(|byte| Seed::from_bytes([byte; 16]));
            let dealt = Dealer::<Masked>::with_insecure_seeds(Arc::clone(&circuit), seeds);
            let mut session = Session::new(&circuit, &model, dealt);
            [session.infer(&images(&circuit, 1, 7)).logits, session.infer(&images(&circuit, 3, 8)).logits]
        };
        let format = format(8, bits);
        let due = logits(format);
        assert!(logits(by_bits(format)) == due, "{name} with trees");
        assert!(logits(by_bits(by_function(format))) == due, "{name} with functions");
    }
}

/// A program whose products stay below 64 and whose activations below eight, as far as calibration tells, and the format in which its
/// layers have rings of their own.
fn calibrated(name: &str, format: Format) -> (Arc<Circuit>, Model) {
    let mut program = program(name);
    let is_product =
        |operation: &Operation| matches!(operation, Operation::Dense { .. } | Operation::Conv2d(_));
    let magnitude = |operation| if is_product(operation) { 64.0 } else { 8.0 };
    program.magnitudes = program.operations.iter().map(|operation| Some(magnitude(operation))).collect();
    let ring = Circuit::compile(&program, format).unwrap().calibrated_ring().unwrap();
    let circuit = Arc::new(Circuit::compile(&program, Format { ring, ..format }).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
    (circuit, model)
}

#[test]
fn layers_have_rings_of_their_own_and_logits_are_as_close_to_the_oracle() {
    for (name, bits) in [("mnist-mlp", 15), ("mnist-cnn", 15), ("malaria-cnn", 15), ("max-pools", 15)] {
        for format in [format(8, bits), by_function(format(8, bits))].map(by_bits) {
            let (circuit, model) = calibrated(name, format);
            let rings: Vec<u32> =
                (0..circuit.gates().len()).map(|gate| circuit.ring_of(gate).bits()).collect();
            assert!(rings.iter().all(|bits| *bits <= circuit.ring().bits()), "{name}: {rings:?}");
            assert!(rings.iter().any(|bits| bits % 8 != 0), "{name}: {rings:?}");
            let promise =
                analyse(&circuit, &model).unwrap_or_else(|error| panic!("{name}: {error}")).logit_error;
            let mut session = Session::fresh(&circuit, &model);
            for count in [1, 3] {
                let images = images(&circuit, count, 7);
                let expected = evaluate(&circuit, &model, &encoded(&images, bits));
                let inference = is_as_counted(&mut session, count);
                assert_eq!(inference.logits.len(), expected.len());
                let logits = session.infer(&images).logits;
                for (logit, expected) in logits.iter().zip(&expected) {
                    let error = circuit.ring().signed(logit.wrapping_sub(*expected));
                    assert!(u128::from(error.unsigned_abs()) <= promise, "{name}: off by {error}");
                }
            }
        }
    }
}

#[test]
fn rings_by_layer_are_for_masked_wires() {
    let (circuit, model) = compile("mnist-mlp", by_bits(format(8, 16)));
    let refused = Dealer::<Beaver>::new(Arc::clone(&circuit)).map(|_| ());
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    let (_, seeds) = Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
    let refused = ModelOwner::<Beaver>::new(circuit, seeds.model_owner, model).map(|_| ());
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
}

/// Bytes of the online phase sent by the data owner and by the model owner, and rounds.
fn counted(name: &str, images: usize) -> [usize; 3] {
    let bits = |values: usize| 14 * values.div_ceil(8) + values.div_ceil(8);
    let (input, linear, pooled, logits): (usize, &[usize], &[usize], usize) = match name {
        "mnist-mlp" => (784, &[128, 128], &[128, 128], 10),
        "mnist-cnn" => (784, &[720, 100], &[180, 100], 10),
        _ => (3072, &[28224, 3600, 72], &[7056, 900, 72], 2),
    };
    let sum = |values: &[usize]| 8 * images * values.iter().sum::<usize>();
    let compared: usize = linear.iter().map(|values| bits(images * values)).sum();
    [
        8 * images * input + compared + sum(pooled),
        sum(linear) + compared + 8 * images * logits,
        2 + 4 * linear.len(),
    ]
}

/// All that was sent is what is counted beforehand.
fn is_as_counted<P: Dealing>(session: &mut SessionOf<P>, images: usize) -> Inference {
    let circuit = Arc::clone(&session.circuit);
    let inference = session.infer(&self::images(&circuit, images, 3));
    let cost = Cost::of::<P>(&circuit);
    let seeds = 2 * SetupSeed::BYTES;
    assert_eq!(cost.setup(), Traffic { bytes: seeds + session.masked_parameters.len(), messages: 3 });
    let dealt = to_parties(&inference.corrections);
    let messages = dealt.len() + usize::from(!inference.differences.is_empty());
    let bytes_dealt = bytes(&dealt) + inference.differences.len();
    assert_eq!(cost.offline(images), Traffic { bytes: bytes_dealt, messages });
    let online = bytes(&inference.to_model_owner) + bytes(&inference.to_data_owner);
    assert_eq!(cost.online(images), Traffic { bytes: online, messages: inference.messages() });
    assert_eq!(cost.rounds(), inference.rounds());
    inference
}

#[test]
fn what_every_protocol_sends_is_counted_beforehand() {
    for name in ["max-pools", "mnist-cnn-poly", "no-activation", "residual", "residual-poly", "smooth"] {
        let (circuit, model) = compile(name, format(8, 12));
        let (of_function, _) = compile(name, by_function(format(8, 12)));
        let of_function_model = Model::encode(&of_function, &parameters(&program(name), 1)).unwrap();
        for images in [1, 3] {
            for format in [format(8, 12), by_function(format(8, 12))].map(by_bits) {
                let (circuit, model) = compile(name, format);
                is_as_counted(&mut Session::fresh(&circuit, &model), images);
            }
            is_as_counted(&mut Session::fresh(&circuit, &model), images);
            is_as_counted(&mut Session::fresh(&of_function, &of_function_model), images);
            is_as_counted(&mut SessionOf::<Beaver>::fresh(&circuit, &model), images);
        }
    }
}

#[test]
fn bytes_and_rounds_are_those_of_the_formula() {
    for (name, goal) in
        [("mnist-mlp", [10_992, 10]), ("mnist-cnn", [16_895, 10]), ("malaria-cnn", [411_763, 14])]
    {
        let (circuit, model) = compile(name, format(8, 16));
        let mut session = Session::fresh(&circuit, &model);
        for count in [1, 2] {
            let inference = is_as_counted(&mut session, count);
            let (data_owner, model_owner) =
                (bytes(&inference.to_model_owner), bytes(&inference.to_data_owner));
            assert_eq!([data_owner, model_owner, inference.rounds()], counted(name, count), "{name}");
            let offline = bytes(&to_parties(&inference.corrections)) + inference.differences.len();
            println!("{name} x {count}: {data_owner} + {model_owner} bytes online, {offline} offline");
            if count == 1 {
                assert!(data_owner.max(model_owner) <= goal[0] && inference.rounds() <= goal[1], "{name}");
            }
        }
    }
}

#[test]
fn the_comparison_function_saves_the_trees_bytes_and_rounds() {
    for (name, goal) in
        [("mnist-mlp", [10_448, 6]), ("mnist-cnn", [15_152, 6]), ("malaria-cnn", [343_984, 8])]
    {
        let (circuit, model) = compile(name, by_function(format(8, 16)));
        let inference = is_as_counted(&mut Session::fresh(&circuit, &model), 1);
        let (data_owner, model_owner) = (bytes(&inference.to_model_owner), bytes(&inference.to_data_owner));
        assert_eq!(data_owner + model_owner, goal[0], "{name}");
        assert_eq!(inference.rounds(), goal[1], "{name}");
        println!("{name}: {data_owner} + {model_owner} bytes online");
    }
}

#[test]
fn a_narrow_ring_sends_proportionally_less() {
    let sent = |ring_bytes, bits| {
        let (circuit, model) = compile("mnist-cnn", format(ring_bytes, bits));
        let inference = Session::fresh(&circuit, &model).infer(&images(&circuit, 1, 3));
        bytes(&inference.to_model_owner) + bytes(&inference.to_data_owner)
    };
    let (wide, narrow) = (sent(8, 16) as f64, sent(5, 12) as f64);
    assert!(narrow < 0.63 * wide, "{narrow} of {wide}");
}

#[test]
fn squares_of_squares_need_calibration_and_then_agree() {
    let mut program = program("malaria-cnn-poly");
    let format = format(8, 10);
    let parameters = parameters(&program, 1);
    let circuit = Circuit::compile(&program, format).unwrap();
    let model = Model::encode(&circuit, &parameters).unwrap();
    assert!(matches!(analyse(&circuit, &model), Err(Error::Overflow { layer: 3.., .. })));

    program.magnitudes = vec![Some(8.0); program.operations.len()];
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let mut session = Session::fresh(&circuit, &model);
    let images = images(&circuit, 2, 5);
    let inference = session.infer(&images);
    let expected = evaluate(&circuit, &model, &encoded(&images, 10));
    for (logit, expected) in inference.logits.iter().zip(expected) {
        assert!((circuit.decode(*logit) - circuit.decode(expected)).abs() < 0.05);
    }
    assert_eq!(inference.rounds(), 8);
}

#[test]
fn what_does_not_fit_the_ring_is_refused_with_the_layer() {
    let program = program("mnist-mlp");
    let circuit = Circuit::compile(&program, format(4, 14)).unwrap();
    let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
    let circuit = Arc::new(circuit);
    let (_, seeds) = Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
    let refused = ModelOwner::<Masked>::new(circuit, seeds.model_owner, model).map(|_| ());
    assert!(matches!(refused, Err(Error::Overflow { layer: 1, .. })), "{refused:?}");
    assert!(matches!(Circuit::compile(&program, format(4, 16)), Err(Error::Unsupported { .. })));
}

#[test]
fn a_layer_that_cannot_run_is_named() {
    let mut program = program("mnist-cnn");
    program.operations.insert(0, Operation::Relu);
    let refused = Circuit::compile(&program, format(8, 16)).map(|_| ());
    assert!(matches!(refused, Err(Error::Unsupported { layer: 0, .. })), "{refused:?}");
}

#[test]
fn a_magnitude_that_bounds_nothing_and_an_image_without_values_are_refused() {
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        let mut program = program("mnist-mlp");
        program.magnitudes = vec![Some(8.0); program.operations.len()];
        program.magnitudes[3] = Some(wrong);
        let refused = Circuit::compile(&program, format(8, 16)).map(|_| ());
        assert!(matches!(refused, Err(Error::Unsupported { layer: 3, .. })), "{refused:?}");
    }
    let mut program = program("mnist-mlp");
    program.input = Shape::image(0, 28, 28);
    assert!(matches!(Circuit::compile(&program, format(8, 16)), Err(Error::Unsupported { layer: 0, .. })));
}

#[test]
fn calibration_finds_a_narrower_ring_that_still_agrees() {
    for (name, bits, most) in [("mnist-mlp", 12, 5), ("malaria-cnn", 12, 5), ("mnist-cnn-poly", 10, 6)] {
        let mut program = program(name);
        program.magnitudes = vec![Some(8.0); program.operations.len()];
        let ring = Circuit::compile(&program, format(8, bits)).unwrap().calibrated_ring().unwrap();
        assert!(ring.bytes() <= most, "{name} needs {} bytes", ring.bytes());
        let format = Format { ring, ..format(8, bits) };
        let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
        let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
        let images = images(&circuit, 2, 5);
        let logits = Session::fresh(&circuit, &model).infer(&images).logits;
        for (logit, expected) in logits.iter().zip(evaluate(&circuit, &model, &encoded(&images, bits))) {
            assert!((circuit.decode(*logit) - circuit.decode(expected)).abs() < 0.05, "{name}");
        }
        program.magnitudes.clear();
        assert!(Circuit::compile(&program, format).unwrap().calibrated_ring().is_none());
    }
}

/// Products that overflow, and ones that only ask for more memory than there is.
#[test]
fn a_program_that_names_absurd_sizes_is_refused_before_anything_is_allocated() {
    let refused = |change: &dyn Fn(&mut Program)| {
        let mut program = program("mnist-cnn");
        change(&mut program);
        matches!(Circuit::compile(&program, format(8, 16)), Err(Error::Unsupported { .. }))
    };
    for huge in [usize::MAX, 1 << 40, 1 << 33] {
        assert!(refused(&|program| program.input = Shape::image(huge, 28, 28)));
        assert!(refused(&|program| program.input = Shape::image(1, huge, 28)));
        for layer in 0..program("mnist-cnn").operations.len() {
            assert!(refused(&|program| program.operations[layer] = Operation::Dense { outputs: huge }));
            assert!(refused(&|program| {
                if let Operation::Conv2d(conv) = &mut program.operations[0] {
                    conv.outputs = huge;
                }
            }));
        }
        for side in 0..4 {
            assert!(refused(&|program| {
                if let Operation::Conv2d(conv) = &mut program.operations[0] {
                    conv.window.padding[side] = huge;
                }
            }));
        }
    }
}
