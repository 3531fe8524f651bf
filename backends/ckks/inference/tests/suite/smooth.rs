//! Smooth activations, of which polynomials are computed.

use std::time::Duration;

use veilbench_api::conformance::test_networks::{self, test_network};
use veilbench_api::local_session::{LocalSession, PartyOutcome};
use veilbench_api::{Backend, Error, Plan};
use veilbench_ckks_inference::Ckks;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{
    ActivationKind, Conv2d, Dense, Layer, Network, Op, Parameters, Range, Shape, Source, Tensor, Window,
};

use crate::fixture::*;

const KINDS: [ActivationKind; 9] = [
    ActivationKind::Sigmoid,
    ActivationKind::Tanh,
    ActivationKind::Erf,
    ActivationKind::Silu,
    ActivationKind::Gelu,
    ActivationKind::GeluTanh,
    ActivationKind::Mish,
    ActivationKind::Softplus,
    ActivationKind::Elu { alpha: 1.0 },
];

fn dense(inputs: usize, outputs: usize) -> Op {
    Op::Dense(Dense { inputs, outputs })
}

fn calibrated(name: &str, input: Shape, ops: &[Op]) -> Network {
    let mut network = test_network(name, input, ops);
    let calibration = test_networks::images(&network, 60, 12);
    ranges(&mut network, &calibration).unwrap();
    network
}

/// A convolution, a function, a dense layer and the function again.
fn convolutional(kind: ActivationKind) -> Network {
    let window = Window { kernel: [3; 2], stride: [2; 2], padding: [1; 4] };
    let conv = Op::Conv2d(Conv2d { inputs: 1, outputs: 3, groups: 1, dilation: [1; 2], window });
    let function = Op::Activation(kind);
    let ops = [conv, function, Op::Flatten, dense(48, 8), function, dense(8, 3)];
    calibrated("convolutional", Shape::Image { channels: 1, height: 8, width: 8 }, &ops)
}

fn run(network: &Network, images: &Tensor, precision: Option<&str>) -> (Plan, Vec<PartyOutcome>) {
    let mut session = LocalSession::new(&Ckks, network, images.images());
    session.timeout = Duration::from_secs(300);
    session.job.settings.extend(precision.map(|bits| ("precision".to_owned(), bits.to_owned())));
    let plan = Ckks.plan(&network.architecture, &session.job).unwrap();
    (plan, session.run(std::slice::from_ref(images)).unwrap())
}

/// By how much the logits of images are off.
fn distance(network: &Network, images: &Tensor, done: &[PartyOutcome]) -> f64 {
    assert!(done.iter().all(|own| own.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
    let clear = evaluate::<f64>(network, images).unwrap();
    let logits = done[0].logits[0].data().iter();
    logits.zip(clear.data()).map(|(own, due)| (f64::from(*own) - due).abs()).fold(0.0, f64::max)
}

#[test]
fn logits_of_smooth_activations_are_within_the_tolerance_and_the_plan_says_what_is_approximated() {
    for kind in KINDS {
        let network = convolutional(kind);
        let images = test_networks::images(&network, 1, 3);
        let (plan, done) = run(&network, &images, None);
        let off = distance(&network, &images, &done);
        println!("{kind}: {off:.2e} of {:.2e}; {:?}", plan.tolerance.get(), plan.notes);
        assert!(off <= plan.tolerance.get(), "{kind}: {off} of {:?}", plan.tolerance);
        let said: Vec<_> = plan.notes.iter().filter(|note| note.starts_with("approximated: ")).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().all(|note| note.contains("off by at most") && note.contains(&kind.to_string())));
    }
}

#[test]
fn more_precision_is_closer_and_takes_more_levels() {
    let ops = [dense(20, 12), Op::Activation(ActivationKind::Silu), dense(12, 4)];
    let network = calibrated("precise", Shape::Flat(20), &ops);
    let images = test_networks::images(&network, 4, 3);
    let off = ["6", "14"].map(|bits| {
        let (plan, done) = run(&network, &images, Some(bits));
        (plan.tolerance.get(), distance(&network, &images, &done))
    });
    assert!(off[0].0 > off[1].0 && off[0].1 > off[1].1, "{off:?}");
    assert!(off[1].1 < 2f64.powi(-11), "{off:?}");
}

#[test]
fn a_function_of_the_image_a_last_one_and_two_that_follow_each_other_are_computed() {
    let tanh = Op::Activation(ActivationKind::Tanh);
    let sigmoid = Op::Activation(ActivationKind::Sigmoid);
    let ops = [tanh, sigmoid, dense(20, 4), tanh];
    let network = calibrated("everywhere", Shape::Flat(20), &ops);
    let images = test_networks::images(&network, 2, 3);
    let (plan, done) = run(&network, &images, None);
    let off = distance(&network, &images, &done);
    assert!(off <= plan.tolerance.get(), "{off} of {:?}", plan.tolerance);
}

#[test]
fn a_branch_around_a_function_is_joined() {
    let shape = Shape::Flat(12);
    let mut network = calibrated("joined", shape, &[dense(12, 12), Op::Activation(ActivationKind::Gelu)]);
    let sum = Layer::new("sum", Op::Add, shape).reading([Source::Layer(0), Source::Layer(1)]);
    let last = test_network("last", shape, &[dense(12, 3)]);
    network.architecture.layers.push(sum);
    network.parameters.push(Parameters::None);
    let own = last.architecture.layers[0].clone();
    network.architecture.layers.push(Layer { name: "last".into(), ..own });
    network.parameters.extend(last.parameters);
    let calibration = test_networks::images(&network, 40, 9);
    ranges(&mut network, &calibration).unwrap();
    let images = test_networks::images(&network, 2, 3);
    let (plan, done) = run(&network, &images, None);
    let off = distance(&network, &images, &done);
    assert!(off <= plan.tolerance.get(), "{off} of {:?}", plan.tolerance);
}

/// Images that are larger and larger than those that calibrated: a polynomial is wrong beyond its range, and no logit need show it.
#[test]
fn images_beyond_the_range_of_a_polynomial_are_refused_and_never_answered_wrongly() {
    let mut refusals = 0;
    for kind in [ActivationKind::Sigmoid, ActivationKind::Silu] {
        let mut network = convolutional(kind);
        network.architecture.input_range = Some(Range { low: -16.0, high: 16.0 });
        let ordinary = test_networks::images(&network, 1, 3);
        for times in [-1.0, 1.0, 1.3, 1.6, 2.0, 3.0, 5.0, 15.0] {
            let values = ordinary.data().iter().map(|value| times * value).collect();
            let images = Tensor::new(1, ordinary.shape(), values).unwrap();
            let (plan, done) = run(&network, &images, None);
            match &done[0].error {
                Some(Error::OutOfRange { images, .. }) => {
                    assert_eq!(images, &[0]);
                    refusals += 1;
                }
                _ => {
                    let off = distance(&network, &images, &done);
                    assert!(
                        off <= 2.0 * plan.tolerance.get(),
                        "{kind}, {times}: {off} of {:?}",
                        plan.tolerance
                    );
                }
            }
        }
    }
    assert!(refusals >= 4, "{refusals}");
}

#[test]
fn several_images_together_are_right_and_one_beyond_the_range_is_noticed() {
    let mut network = convolutional(ActivationKind::Silu);
    network.architecture.input_range = Some(Range { low: -16.0, high: 16.0 });
    let ordinary = test_networks::images(&network, 3, 3);
    let (plan, done) = run(&network, &ordinary, None);
    assert_eq!(plan.parameters["images"], 4);
    let off = distance(&network, &ordinary, &done);
    assert!(off <= plan.tolerance.get(), "{off} of {:?}", plan.tolerance);
    let beyond = |image: usize| if image == 1 { 15.0 } else { 1.0 };
    let values =
        (0..3).flat_map(|image| ordinary.image(image).iter().map(move |value| beyond(image) * value));
    let images = Tensor::new(3, ordinary.shape(), values.collect()).unwrap();
    let (_, done) = run(&network, &images, None);
    match &done[0].error {
        Some(Error::OutOfRange { images, .. }) => assert!(images.is_empty(), "{images:?}"),
        other => panic!("not out of range: {other:?}, {:?}", done[1].error),
    }
}

#[test]
fn what_does_not_fit_is_refused_by_layer_with_depth_and_remedy() {
    let tanh = Op::Activation(ActivationKind::Tanh);
    let deep: Vec<Op> = (0..14).flat_map(|_| [dense(4, 4), tanh]).chain([dense(4, 2)]).collect();
    let network = test_network("deep", Shape::Flat(4), &deep);
    let refused = Ckks.plan(&network.architecture, &job(1)).unwrap_err();
    assert!(refused.layer.is_some(), "{refused}");
    assert!(refused.reason.contains("levels") && refused.reason.contains("ckks.precision"), "{refused}");
    let relu = [dense(4, 4), Op::Relu, dense(4, 2)];
    let refused = Ckks.plan(&calibrated("relu", Shape::Flat(4), &relu).architecture, &job(1)).unwrap_err();
    assert!(refused.reason.contains("polynomial activations"), "{refused}");
    let mut wide = calibrated("wide", Shape::Flat(4), &[dense(4, 4), tanh, dense(4, 2)]);
    wide.architecture.layers[0].range = Some(Range { low: -900.0, high: 900.0 });
    let refused = Ckks.plan(&wide.architecture, &job(1)).unwrap_err();
    assert_eq!(refused.layer.as_deref(), Some("layer1"));
    assert!(refused.reason.contains("degree 127") && refused.reason.contains("smaller ranges"), "{refused}");
}

#[test]
fn a_deep_chain_is_computed_in_the_largest_ring() {
    let tanh = Op::Activation(ActivationKind::Tanh);
    let ops: Vec<Op> = (0..5).flat_map(|_| [dense(4, 4), tanh]).chain([dense(4, 2)]).collect();
    let network = calibrated("largest-ring", Shape::Flat(4), &ops);
    let images = test_networks::images(&network, 1, 3);
    let (plan, done) = run(&network, &images, Some("14"));
    assert_eq!(plan.parameters["scheme"]["degree"], 65_536, "{}", plan.parameters["scheme"]);
    let off = distance(&network, &images, &done);
    let predicted = plan.prediction.and_then(|own| own.max_logit_error).unwrap();
    println!("off by {off:.2e} where {predicted:.2e} is predicted");
    assert!(off <= predicted && off <= plan.tolerance.get(), "{off} of {predicted}");
}

#[test]
fn precision_is_not_far_from_what_is_predicted() {
    let ops = [dense(20, 12), Op::Activation(ActivationKind::Silu), dense(12, 4)];
    let network = calibrated("predicted", Shape::Flat(20), &ops);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    let deviation = plan.prediction.and_then(|own| own.logit_error_deviation).unwrap();
    let image = test_networks::images(&network, 1, 5);
    let trace = Ckks.insecure_debug_trace(&network, &image).unwrap().unwrap();
    let off = trace["largest_logit_error"].as_f64().unwrap();
    println!("off by {off:.2e} where a deviation of {deviation:.2e} is predicted: {trace}");
    assert!(off <= 5.0 * deviation, "{off} of {deviation}");
}
