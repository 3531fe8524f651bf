//! Activations and pools that have no product by weights before them.

use veilbench_mpc::program::Operation;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Conv2d, Dense, Layer, Op, Polynomial, Shape, Source, Window};

use super::*;
use veilbench_api::conformance::test_networks::test_network;

const IMAGE: Shape = Shape::Image { channels: 2, height: 8, width: 8 };

fn tiles(size: usize) -> Window {
    Window { kernel: [size; 2], stride: [size; 2], padding: [0; 4] }
}

fn conv(inputs: usize, outputs: usize) -> Op {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window })
}

fn dense(inputs: usize, outputs: usize) -> Op {
    Op::Dense(Dense { inputs, outputs })
}

fn polynomial(channels: usize, degree: usize) -> Op {
    Op::Polynomial(Polynomial { channels, degree })
}

fn images(network: &Network) -> Tensor {
    test_networks::images(network, 4, 11)
}

/// The largest distance of a logit from the clear network's, relative to the largest logit.
fn distance_from_clear(backend: &dyn Backend, network: &Network) -> f64 {
    let images = images(network);
    let clear: Tensor<f64> = evaluate(network, &images).unwrap();
    let largest = clear.data().iter().fold(0f64, |most, logit| most.max(logit.abs()));
    let done = LocalSession::new(backend, network, 4).run(std::slice::from_ref(&images)).unwrap();
    assert!(done.iter().all(|role| role.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
    let logits = done[0].logits[0].data();
    let distances = clear.data().iter().zip(logits).map(|(due, got)| (due - f64::from(*got)).abs());
    distances.fold(0.0, f64::max) / largest
}

#[test]
fn layers_run_in_any_order() {
    for (name, ops) in [
        ("max-first", vec![Op::MaxPool(tiles(2)), Op::Flatten, dense(32, 3)]),
        ("affine-first", vec![polynomial(2, 1), conv(2, 3), Op::Relu, Op::Flatten, dense(192, 3)]),
        ("average-first", vec![Op::AveragePool(tiles(2)), conv(2, 3), Op::Relu, Op::Flatten, dense(48, 3)]),
        ("relu-first", vec![Op::Relu, Op::MaxPool(tiles(2)), Op::Flatten, dense(32, 3)]),
        ("square-first", vec![polynomial(2, 2), Op::AveragePool(tiles(2)), Op::Flatten, dense(32, 3)]),
        ("flat-square-first", vec![Op::Flatten, polynomial(128, 2), dense(128, 3)]),
        (
            "pools-in-a-row",
            vec![
                conv(2, 3),
                Op::Relu,
                Op::AveragePool(tiles(2)),
                Op::MaxPool(tiles(2)),
                Op::MaxPool(tiles(2)),
                Op::Flatten,
                dense(3, 3),
            ],
        ),
        (
            "polynomials-in-a-row",
            vec![
                conv(2, 3),
                polynomial(3, 2),
                polynomial(3, 2),
                polynomial(3, 1),
                Op::Flatten,
                dense(192, 3),
            ],
        ),
        (
            "activations-in-a-row",
            vec![
                Op::Flatten,
                dense(128, 9),
                polynomial(9, 2),
                Op::Relu,
                Op::Relu,
                polynomial(9, 2),
                dense(9, 3),
            ],
        ),
    ] {
        let mut network = test_network(name, IMAGE, &ops);
        let calibration = test_networks::images(&network, 60, 12);
        ranges(&mut network, &calibration).unwrap();
        for backend in backends() {
            let distance = distance_from_clear(backend.as_ref(), &network);
            assert!(distance < 1.0 / 512.0, "{} of {name}: off by {distance}", backend.profile().name);
        }
    }
}

#[test]
fn an_identity_before_a_pool_changes_no_bit_of_the_logits() {
    let mut pooled = test_network("pooled", IMAGE, &[Op::MaxPool(tiles(2)), Op::Flatten, dense(32, 3)]);
    let small = Shape::Image { channels: 2, height: 4, width: 4 };
    let mut plain = test_network("plain", small, &[Op::Flatten, dense(32, 3)]);
    plain.parameters[1] = pooled.parameters[2].clone();
    for network in [&mut pooled, &mut plain] {
        network.architecture = network.architecture.without_ranges();
    }
    let images = images(&pooled);
    let maxima = veilbench_networks::evaluate::trace::<f32>(&pooled, &images).unwrap().remove(0);
    let maxima = Tensor::new(4, small, maxima.data().to_vec()).unwrap();
    for backend in backends() {
        let run = |network, images| {
            let done = LocalSession::new(backend.as_ref(), network, 4).run(&[images]).unwrap();
            done[0].logits[0].data().to_vec()
        };
        assert_eq!(run(&pooled, images.clone()), run(&plain, maxima.clone()), "{}", backend.profile().name);
    }
}

#[test]
fn a_wire_that_is_not_there_is_an_error_with_the_name_of_its_reader() {
    let network = test_network("reader", IMAGE, &[conv(2, 2), Op::Relu]);
    let readers = [
        (Op::Add, vec![Source::Layer(0), Source::Layer(7)]),
        (Op::Concat, vec![Source::Layer(7), Source::Layer(0)]),
        (Op::Concat, vec![Source::Layer(0), Source::Layer(7)]),
        (Op::Relu, vec![Source::Layer(7)]),
    ];
    for (op, sources) in readers {
        let mut architecture = network.architecture.clone();
        architecture.layers[1] = Layer::new("reader", op, IMAGE).reading(sources);
        let refused = lower(&architecture).err().unwrap();
        assert_eq!(refused.layer.as_deref(), Some("reader"));
        assert!(refused.reason.contains("not there"), "{refused}");
    }
}

/// A normalisation in the graph has coefficients of its own, which are secret as weights are.
#[test]
fn a_polynomial_of_degree_one_is_a_linear_layer_and_costs_no_square() {
    let network = test_network("affine", IMAGE, &[polynomial(2, 1), conv(2, 3)]);
    let lowered = lower(&network.architecture).unwrap();
    let linear = |operation: &Operation| matches!(operation, Operation::Conv2d(_));
    assert!(lowered.program.operations.len() == 2 && lowered.program.operations.iter().all(linear));
    let parameters = lowered.parameters(network);
    let core::model::LayerParameters::Affine { weights, bias } = &parameters[0] else { panic!("no weights") };
    assert_eq!((weights.len(), bias.len()), (2, 2));
}

#[test]
fn spans_name_the_layers_of_the_network_whatever_runs_before_them() {
    let network = test_network("names", IMAGE, &[Op::MaxPool(tiles(2)), Op::Flatten, dense(32, 3)]);
    let done = LocalSession::new(&comparison_tree(), &network, 4).run(&[images(&network)]).unwrap();
    let spans = done[1].phases[2].spans.iter().filter_map(|span| span.name.strip_prefix("layer:"));
    let known: Vec<&str> = network.architecture.layers.iter().map(|layer| layer.name.as_str()).collect();
    let mut seen: Vec<&str> = spans.collect();
    seen.sort_unstable();
    assert!(seen.iter().all(|name| known.contains(name)), "{seen:?}");
    assert!(seen.contains(&"layer0") && seen.contains(&"layer2"), "{seen:?}");
}
