//! Layers whose values are far from one, and ranges that cannot be.

use veilbench_networks::Parameters;
use veilbench_networks::evaluate::{evaluate, ranges};

use super::*;
use veilbench_api::LinkProfile;

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

#[test]
fn a_network_with_joins_whose_logits_are_a_millionth_is_refused_by_the_layer() {
    let joined = test_networks::all().into_iter().filter(|one| one.architecture.first_branch().is_some());
    let mut refused = 0;
    for mut network in joined {
        let last = network.parameters.len() - 1;
        let job = Job::new(1, 1, LinkProfile::loopback());
        let images = test_networks::images(&network, 60, 12);
        ranges(&mut network, &images).unwrap();
        if comparison_tree().plan(&network.architecture, &job).is_err() {
            continue;
        }
        scaled(&mut network.parameters[last], 1e-6);
        ranges(&mut network, &images).unwrap();
        for backend in backends() {
            let reason = backend.plan(&network.architecture, &job).unwrap_err().to_string();
            let layer = &network.architecture.layers[last].name;
            assert!(reason.contains(layer.as_str()) && reason.contains("keeps digits"), "{reason}");
        }
        refused += 1;
    }
    assert!(refused > 0, "no network with joins can be run at all");
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
        assert!(learns.iter().all(|leakage| leakage.ranges == Learned::No));
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
fn a_dense_layer_of_many_inputs_fits_its_ring() {
    let mut network = test_networks::all().remove(0);
    let inputs = 3 * 32 * 32;
    network.architecture.input = veilbench_networks::Shape::Flat(inputs);
    network.architecture.layers.truncate(1);
    network.architecture.layers[0].op =
        veilbench_networks::Op::Dense(veilbench_networks::Dense { inputs, outputs: 12 });
    let signs = (0..12 * inputs).map(|at| if (at * at / 7) % 2 == 0 { 0.02 } else { -0.02 });
    network.parameters = vec![Parameters::Affine { weights: signs.collect(), bias: vec![0.0; 12] }];
    let pale = test_networks::images(&network, 60, 12).data().iter().map(|value| value / 8.0).collect();
    ranges(&mut network, &Tensor::new(60, veilbench_networks::Shape::Flat(inputs), pale).unwrap()).unwrap();
    network.architecture.input_range = Some(veilbench_networks::Range { low: -1.0, high: 1.0 });
    let backend = comparison_tree();
    let job = LocalSession::new(&backend, &network, 1).job;
    let plan = backend.plan(&network.architecture, &job).unwrap();
    let (lowered, circuit, _) = backend.compile(&network.architecture, &plan).unwrap();
    let model = Model::encode(&circuit, &lowered.parameters(network)).unwrap();
    oracle::analyse(&circuit, &model).unwrap();
}
