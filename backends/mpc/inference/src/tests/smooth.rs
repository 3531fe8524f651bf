//! Activations that are approximated.

use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{ActivationKind, Conv2d, Dense, Op, Shape, Window};

use super::*;
use veilbench_api::conformance::test_networks::test_network;

const KINDS: [ActivationKind; 11] = [
    ActivationKind::Sigmoid,
    ActivationKind::Tanh,
    ActivationKind::Erf,
    ActivationKind::Silu,
    ActivationKind::Gelu,
    ActivationKind::GeluTanh,
    ActivationKind::Mish,
    ActivationKind::Softplus,
    ActivationKind::HardSwish,
    ActivationKind::Elu { alpha: 1.0 },
    ActivationKind::Selu { alpha: 1.673_263_2, gamma: 1.050_701 },
];

/// A network that does nothing but apply a function to every value.
fn alone(kind: ActivationKind, values: usize) -> Network {
    let mut network = test_network("alone", Shape::Flat(values), &[Op::Activation(kind)]);
    network.architecture.input_range = None;
    network.architecture = network.architecture.without_ranges();
    network
}

/// What the plan of a network says of its largest error.
fn stated(plan: &Plan) -> f64 {
    let note = plan.notes.iter().find(|note| note.starts_with("approximated: ")).unwrap();
    let words: Vec<&str> = note.split(' ').collect();
    let at = words.windows(2).position(|pair| pair == ["at", "most"]).unwrap();
    words[at + 2].parse().unwrap()
}

#[test]
fn every_value_of_a_dense_grid_is_within_the_stated_error_and_its_rounding() {
    const VALUES: usize = 1280;
    // Uncalibrated inputs are 16 at most. They are rounded to 14 bits, and so is every piece.
    let values = (0..VALUES).map(|at| (at as f32 - 640.0) / 40.1);
    let images = Tensor::new(1, Shape::Flat(VALUES), values.collect()).unwrap();
    for kind in KINDS {
        let network = alone(kind, VALUES);
        for backend in backends() {
            let session = LocalSession::new(backend.as_ref(), &network, 1);
            let most = stated(&backend.plan(&network.architecture, &session.job).unwrap());
            let done = session.run(std::slice::from_ref(&images)).unwrap();
            assert!(done.iter().all(|role| role.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
            for (x, got) in images.data().iter().zip(done[0].logits[0].data()) {
                let due = kind.value(f64::from(*x), 0.0);
                let off = (due - f64::from(*got)).abs();
                let name = backend.profile().name;
                assert!(off < most + 2f64.powi(-11), "{name}: {kind} of {x} is {due}, {got} came");
            }
        }
    }
}

fn conv(inputs: usize, outputs: usize) -> Op {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window })
}

/// Smooth functions behind convolutions, products, pools and each other, with ranges.
fn deep(kind: ActivationKind) -> Network {
    let pool = Op::AveragePool(Window { kernel: [2; 2], stride: [2; 2], padding: [0; 4] });
    let ops = [
        conv(2, 3),
        Op::Activation(kind),
        conv(3, 3),
        pool,
        Op::Activation(kind),
        Op::Activation(kind),
        Op::Flatten,
        Op::Dense(Dense { inputs: 48, outputs: 9 }),
        Op::Activation(kind),
        Op::Dense(Dense { inputs: 9, outputs: 3 }),
    ];
    let mut network = test_network("deep", Shape::Image { channels: 2, height: 8, width: 8 }, &ops);
    let calibration = test_networks::images(&network, 60, 12);
    ranges(&mut network, &calibration).unwrap();
    network
}

#[test]
fn calibrated_networks_agree_with_the_clear_network_and_with_the_fixed_point_oracle() {
    for kind in KINDS {
        let network = deep(kind);
        let images = test_networks::images(&network, 3, 11);
        let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
        for backend in backends() {
            let done =
                LocalSession::new(backend.as_ref(), &network, 3).run(std::slice::from_ref(&images)).unwrap();
            assert!(done.iter().all(|role| role.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
            for (due, got) in clear.data().iter().zip(done[0].logits[0].data()) {
                let name = backend.profile().name;
                assert!(
                    (due - f64::from(*got)).abs() < 1.0 / 256.0,
                    "{name}, {kind}: {got} in place of {due}"
                );
            }
        }
        let errors = distances(&network, &images).map(|(_, error)| error);
        assert!(errors.iter().all(|error| *error < 2f64.powi(-10)), "{kind}: off by {errors:?}");
    }
}

/// Images that are far from those that calibrated.
#[test]
fn odd_images_are_refused_or_answered_rightly() {
    for kind in [ActivationKind::Tanh, ActivationKind::Gelu, ActivationKind::Softplus] {
        let mut network = deep(kind);
        network.architecture.input_range = Some(veilbench_networks::Range { low: -8.0, high: 8.0 });
        let shape = network.architecture.input;
        let values = |value: &dyn Fn(usize) -> f32| -> Vec<f32> { (0..shape.len()).map(value).collect() };
        let odd = [
            values(&|_| 8.0),
            values(&|_| -8.0),
            values(&|at| if at % 2 == 0 { 8.0 } else { -8.0 }),
            values(&|at| if at / 8 % 2 == 0 { 8.0 } else { -8.0 }),
            values(&|at| ((at * 7919 + 13) % 1009) as f32 / 63.0 - 8.0),
            values(&|_| 0.0),
        ];
        for image in odd {
            let images = Tensor::new(1, shape, image).unwrap();
            let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
            for backend in backends() {
                let done = LocalSession::new(backend.as_ref(), &network, 1)
                    .run(std::slice::from_ref(&images))
                    .unwrap();
                assert!(done[1].error.is_none(), "{:?}", done[1].error);
                match &done[0].error {
                    Some(Error::OutOfRange { .. }) => {}
                    Some(error) => panic!("{kind}: {error}"),
                    None => {
                        let largest = clear.data().iter().fold(1f64, |most, logit| most.max(logit.abs()));
                        for (due, got) in clear.data().iter().zip(done[0].logits[0].data()) {
                            let off = (due - f64::from(*got)).abs() / largest;
                            assert!(off < 1.0 / 128.0, "{kind}: {got} in place of {due}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_plan_names_every_layer_that_is_approximated_and_no_other() {
    let plan = |network: &Network| {
        let backend = comparison_tree();
        let job = LocalSession::new(&backend, network, 1).job;
        backend.plan(&network.architecture, &job).unwrap().notes
    };
    let notes = plan(&deep(ActivationKind::Silu));
    let note = notes.iter().find(|note| note.starts_with("approximated: ")).unwrap();
    assert!(note.contains("SiLU") && note.ends_with("(layers: layer1, layer4, layer5, layer8)"), "{note}");
    let exact = deep(ActivationKind::Clip { low: 0.0, high: 6.0 });
    assert!(plan(&exact).iter().all(|note| !note.contains("approximated")));
}
