//! Layers whose values are far from one, and ranges that cannot be.

use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Conv2d, Dense, Layer, Op, Parameters, Shape, Source, Window};

use super::*;
use veilbench_api::LinkProfile;
use veilbench_api::conformance::test_networks::test_network;

/// Changes parameters, calibrates anew, and compares relative to the largest logit.
fn agrees(which: usize, change: impl Fn(usize, &mut Parameters)) {
    let mut network = test_networks::all().remove(which);
    network.parameters.iter_mut().enumerate().for_each(|(layer, parameters)| change(layer, parameters));
    let images = test_networks::images(&network, 5, 11);
    let calibration = test_networks::images(&network, 60, 12);
    ranges(&mut network, &calibration).unwrap();
    let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
    let largest = clear.data().iter().fold(0f64, |most, logit| most.max(logit.abs()));
    for backend in backends() {
        let done =
            LocalSession::new(backend.as_ref(), &network, 5).run(std::slice::from_ref(&images)).unwrap();
        assert!(done.iter().all(|role| role.error.is_none()), "{:?}", done[1].error);
        for (due, got) in clear.data().iter().zip(done[0].logits[0].data()) {
            let error = (due - f64::from(*got)).abs() / largest;
            assert!(error < 1.0 / 256.0, "{}: {got} where {due} is due", backend.profile().name);
        }
    }
}

fn scaled(parameters: &mut Parameters, by: f32) {
    if let Parameters::Affine { weights, bias } = parameters {
        weights.iter_mut().chain(bias).for_each(|value| *value *= by);
    }
}

#[test]
fn logits_of_a_millionth_keep_their_digits() {
    for which in [0, 1] {
        agrees(which, |layer, parameters| {
            if layer == 2 {
                scaled(parameters, 1e-6);
            }
        });
    }
}

/// Largest error of logits where weights behind a mean keep their digits; 2.6e-5 where they do not.
const MEAN_ERROR: f64 = 2e-6;

/// Position of the test network with joins.
const JOINED: usize = 6;

#[test]
fn a_network_with_joins_keeps_the_digits_of_layers_of_a_millionth() {
    assert!(test_networks::all()[JOINED].architecture.first_branch().is_some());
    agrees(JOINED, |layer, parameters| {
        if layer == 5 {
            scaled(parameters, 1e-6);
        }
    });
    agrees(JOINED, |layer, parameters| match parameters {
        Parameters::Affine { .. } if layer == 0 => scaled(parameters, 1e-6),
        Parameters::Affine { weights, .. } => weights.iter_mut().for_each(|weight| *weight *= 1e6),
        _ => {}
    });
}

/// Two convolutions of the image side by side, before a dense layer; the second as large as said.
fn side_by_side(second: f32) -> Network {
    let image = Shape::Image { channels: 2, height: 8, width: 8 };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = Op::Conv2d(Conv2d { inputs: 2, outputs: 2, groups: 1, dilation: [1; 2], window });
    let mut network = test_network("side-by-side", image, &[conv, conv]);
    let both = Shape::Image { channels: 4, height: 8, width: 8 };
    let end = test_network("end", both, &[Op::Flatten, Op::Dense(Dense { inputs: both.len(), outputs: 3 })]);
    scaled(&mut network.parameters[1], second);
    let layers = &mut network.architecture.layers;
    layers[1] = layers[1].clone().reading([Source::Image]);
    layers.push(Layer::new("both", Op::Concat, both).reading([Source::Layer(0), Source::Layer(1)]));
    for layer in end.architecture.layers {
        layers.push(Layer { name: format!("layer{}", layers.len()), ..layer });
    }
    network.parameters.push(Parameters::None);
    network.parameters.extend(end.parameters);
    let calibration = test_networks::images(&network, 60, 12);
    ranges(&mut network, &calibration).unwrap();
    network
}

#[test]
fn a_millionth_beside_other_values_is_refused_by_its_layer() {
    let network = side_by_side(1e-6);
    let job = Job::new(1, 1, LinkProfile::loopback());
    for backend in backends() {
        let refused = backend.plan(&network.architecture, &job).unwrap_err();
        assert_eq!(refused.layer.as_deref(), Some("layer1"));
        assert!(refused.reason.contains("keeps digits"), "{refused}");
    }
}

#[test]
fn a_branch_of_nothing_but_zeros_beside_others_runs() {
    let network = side_by_side(0.0);
    let images = test_networks::images(&network, 3, 11);
    let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
    for backend in backends() {
        let done =
            LocalSession::new(backend.as_ref(), &network, 3).run(std::slice::from_ref(&images)).unwrap();
        assert!(done.iter().all(|role| role.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
        for (due, got) in clear.data().iter().zip(done[0].logits[0].data()) {
            assert!((due - f64::from(*got)).abs() < 1.0 / 256.0, "{got} where {due} is due");
        }
    }
}

/// A mean of 256 values moves its divisor to weights of a 64th, which keep their digits for it.
#[test]
fn weights_behind_a_mean_of_a_whole_map_keep_their_digits() {
    let image = Shape::Image { channels: 4, height: 16, width: 16 };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = Conv2d { inputs: 4, outputs: 64, groups: 1, dilation: [1; 2], window };
    let mean = Window { kernel: [16; 2], stride: [16; 2], padding: [0; 4] };
    let ops = [
        Op::Conv2d(conv),
        Op::Relu,
        Op::AveragePool(mean),
        Op::Flatten,
        Op::Dense(Dense { inputs: 64, outputs: 8 }),
    ];
    let mut network = test_network("mean", image, &ops);
    if let Some(Parameters::Affine { weights, .. }) = network.parameters.last_mut() {
        weights.iter_mut().for_each(|weight| *weight = weight.signum() / 64.0 * (1.0 + weight.abs().fract()));
    }
    let images = test_networks::images(&network, 3, 11);
    let calibration = test_networks::images(&network, 60, 12);
    ranges(&mut network, &calibration).unwrap();
    let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
    for backend in backends() {
        let done =
            LocalSession::new(backend.as_ref(), &network, 3).run(std::slice::from_ref(&images)).unwrap();
        assert!(done.iter().all(|role| role.error.is_none()), "{:?}", done[1].error);
        let errors =
            clear.data().iter().zip(done[0].logits[0].data()).map(|(due, got)| (due - f64::from(*got)).abs());
        let largest = errors.fold(0.0, f64::max);
        assert!(largest < MEAN_ERROR, "{}: off by {largest:.1e}", backend.profile().name);
    }
}

#[test]
fn small_coefficients_beside_large_activations_keep_their_digits() {
    agrees(1, |layer, parameters| {
        if layer == 0 {
            scaled(parameters, 1e5);
        }
        if let Parameters::Polynomial { coefficients } = parameters {
            for row in coefficients.chunks_exact_mut(3) {
                row[1] *= 1e-5;
                row[2] *= 1e-10;
            }
        }
    });
}

#[test]
fn a_range_of_zero_before_layers_that_vary_is_refused_with_its_name() {
    let mut network = test_networks::all().remove(1);
    network.architecture.layers[0].range = Some(veilbench_networks::Range { low: 0.0, high: 0.0 });
    for backend in backends() {
        let job = LocalSession::new(backend.as_ref(), &network, 1).job;
        let refused = backend.plan(&network.architecture, &job).unwrap_err();
        assert_eq!(refused.layer.as_deref(), Some(network.architecture.layers[0].name.as_str()));
    }
}

#[test]
fn only_powers_of_two_of_the_ranges_leave_their_owner() {
    let network = test_networks::all().remove(0);
    for backend in backends() {
        let learns = backend.profile().protection.learns;
        assert!(learns.iter().all(|leakage| leakage.ranges == veilbench_api::Learned::No));
        let job = LocalSession::new(backend.as_ref(), &network, 1).job;
        let plan = backend.plan(&network.architecture, &job).unwrap();
        let mut nearby = network.architecture.clone();
        for layer in &mut nearby.layers {
            let range = layer.range.as_mut().unwrap();
            let most = range.high.abs().max(range.low.abs());
            let larger = (most * 1.01).min(most.log2().ceil().exp2());
            (range.low, range.high) = (-larger, larger);
        }
        assert_eq!(plan, backend.plan(&nearby, &job).unwrap(), "{}", backend.profile().name);
    }
}

/// Weights of both signs cancel for every image that calibrates, and need not for every image there is.
#[test]
fn dense_layers_of_many_inputs_fit_their_rings() {
    for inputs in [28 * 28, 3 * 32 * 32] {
        let mut network = test_networks::all().remove(0);
        network.architecture.input = Shape::Flat(inputs);
        network.architecture.layers.truncate(1);
        network.architecture.layers[0].op = Op::Dense(Dense { inputs, outputs: 12 });
        let signs = (0..12 * inputs).map(|at| if (at * at / 7) % 2 == 0 { 0.02 } else { -0.02 });
        network.parameters = vec![Parameters::Affine { weights: signs.collect(), bias: vec![0.0; 12] }];
        let pale = test_networks::images(&network, 60, 12).data().iter().map(|value| value / 8.0).collect();
        ranges(&mut network, &Tensor::new(60, Shape::Flat(inputs), pale).unwrap()).unwrap();
        network.architecture.input_range = Some(veilbench_networks::Range { low: -1.0, high: 1.0 });
        fits_its_rings(network);
    }
}

/// The model owner has nothing to refuse.
fn fits_its_rings(network: Network) {
    let backend = comparison_tree();
    let job = LocalSession::new(&backend, &network, 1).job;
    let plan = backend.plan(&network.architecture, &job).unwrap();
    let (lowered, circuit, _) = backend.compile(&network.architecture, &plan).unwrap();
    let model = Model::encode(&circuit, &lowered.parameters(network)).unwrap();
    oracle::analyse(&circuit, &model).unwrap_or_else(|error| panic!("{}: {error}", plan.notes[0]));
}

/// Bounds of random weights widen from one convolution to the next.
#[test]
fn convolutions_in_a_row_fit_their_rings() {
    let image = Shape::Image { channels: 1, height: 12, width: 12 };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let tiles = Window { kernel: [2; 2], stride: [2; 2], padding: [0; 4] };
    let conv = |inputs| Op::Conv2d(Conv2d { inputs, outputs: 8, groups: 1, dilation: [1; 2], window });
    for pool in [Op::AveragePool(tiles), Op::MaxPool(tiles)] {
        let mut ops = vec![conv(1), Op::Relu, conv(8), Op::Relu, pool];
        ops.extend([conv(8), Op::Relu, conv(8), Op::Relu, pool, conv(8), Op::Relu, Op::Flatten]);
        ops.push(Op::Dense(Dense { inputs: 72, outputs: 3 }));
        let mut network = test_network("row", image, &ops);
        let calibration = test_networks::images(&network, 60, 12);
        ranges(&mut network, &calibration).unwrap();
        fits_its_rings(network);
    }
}

/// Two residual blocks behind a convolution, and a dense layer.
fn residual_blocks() -> Network {
    let image = Shape::Image { channels: 1, height: 12, width: 12 };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = |inputs| Op::Conv2d(Conv2d { inputs, outputs: 8, groups: 1, dilation: [1; 2], window });
    let block = [conv(8), Op::Relu, conv(8), Op::Add];
    let mut ops = vec![conv(1), Op::Relu];
    ops.extend([block, block].concat());
    ops.extend([Op::Flatten, Op::Dense(Dense { inputs: 8 * 144, outputs: 10 })]);
    let mut network = test_network("residual-blocks", image, &ops);
    for (at, layer) in network.architecture.layers.iter_mut().enumerate() {
        if layer.op == Op::Add {
            let before_block = at - block.len();
            *layer = layer.clone().reading([Source::Layer(at - 1), Source::Layer(before_block)]);
        }
    }
    let calibration = test_networks::images(&network, 30, 12);
    ranges(&mut network, &calibration).unwrap();
    network
}

/// Bounds widen along branches too, and one ring holds them all: whole bytes leave it room.
#[test]
fn residual_blocks_fit_their_ring() {
    let network = residual_blocks();
    let backend = comparison_tree();
    let job = LocalSession::new(&backend, &network, 1).job;
    let plan = backend.plan(&network.architecture, &job).unwrap();
    let mut recorded = plan.parameters.clone();
    let parameters: format::Parameters = serde_json::from_value(plan.parameters).unwrap();
    let format::Parameters { ring_bits, width_in_bits, .. } = parameters;
    assert!(width_in_bits && ring_bits.is_multiple_of(8), "{ring_bits} bits");
    // Plans on record say it by another name.
    let width = recorded.as_object_mut().unwrap().remove("width_in_bits").unwrap();
    recorded["ring_by_layer"] = width;
    assert_eq!(serde_json::from_value::<format::Parameters>(recorded).unwrap(), parameters);
    fits_its_rings(network);
}
