//! Networks that are no chains, read from ONNX files: backends give the logits that onnxruntime gave.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use veilbench_api::Backend;
use veilbench_api::local_session::LocalSession;
use veilbench_backends::all;
use veilbench_backends::clear::Clear;
use veilbench_backends::tee::Tee;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Network, Shape, Tensor, import};

/// Networks in which values are added or put side by side.
const JOINS: [&str; 10] = [
    "residual-13",
    "residual-of-the-image-13",
    "residual-projection-13",
    "residual-option-a-13",
    "residual-preactivation-15",
    "residual-flattened-13",
    "concat-dense-block-13",
    "concat-of-vectors-13",
    "shufflenet-13",
    "split-uneven-18",
];

/// The image values of `networks/tests/fixtures/make.py`.
fn images(count: usize, shape: Shape) -> Tensor {
    let value = |index: usize| ((index * 7919 + 13) % 1009) as f64 / 504.5 - 1.0;
    let values = (0..count * shape.len()).map(|index| value(index) as f32).collect();
    Tensor::new(count, shape, values).unwrap()
}

/// A network, and the logits of onnxruntime for two images.
fn fixture(name: &str) -> (Network, Vec<f32>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/tests/fixtures");
    let mut network = import::read(&folder.join(format!("{name}.onnx"))).unwrap();
    let calibration = images(40, network.architecture.input);
    ranges(&mut network, &calibration).unwrap();
    let expected = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let logits = expected["logits"].as_array().unwrap().iter().flat_map(|image| image.as_array().unwrap());
    (network, logits.map(|logit| logit.as_f64().unwrap() as f32).collect())
}

/// Largest distance of a logit from those due.
fn distance(backend: &dyn Backend, network: &Network, due: &[f32]) -> f32 {
    let images = images(2, network.architecture.input);
    let done = LocalSession::new(backend, network, 2).run(std::slice::from_ref(&images)).unwrap();
    let errors: Vec<_> = done.iter().filter_map(|outcome| outcome.error.as_ref()).collect();
    assert!(errors.is_empty(), "{}: {errors:?}", backend.profile().name);
    let logits: Vec<f32> =
        done.iter().flat_map(|done| &done.logits).flat_map(Tensor::data).copied().collect();
    assert_eq!(logits.len(), due.len());
    logits.iter().zip(due).map(|(logit, due)| (logit - due).abs()).fold(0.0, f32::max)
}

/// Every one of these backends gives the logits of a fixture, up to a share of the largest.
fn all_agree(backends: &[Box<dyn Backend>], name: &str, tolerance: f32) {
    let (network, due) = fixture(name);
    let largest = due.iter().fold(1.0, |most: f32, due| most.max(due.abs()));
    for backend in backends {
        let distance = distance(backend.as_ref(), &network, &due) / largest;
        println!("{} of {name}: off by {distance:.1e}", backend.profile().name);
        assert!(distance < tolerance, "{} of {name}: off by {distance}", backend.profile().name);
    }
}

#[test]
fn oracle_clear_and_tee_agree_with_onnxruntime_on_a_network_of_many_constructs() {
    let (network, due) = fixture("graph-network-17");
    let oracle: Tensor<f64> = evaluate(&network, &images(2, network.architecture.input)).unwrap();
    for (logit, due) in oracle.data().iter().zip(&due) {
        assert!((logit - f64::from(*due)).abs() < 1e-5, "the oracle has {logit} in place of {due}");
    }
    for backend in [&Clear as &dyn Backend, &Tee] {
        let distance = distance(backend, &network, &due);
        assert!(distance < 1e-5, "{}: off by {distance}", backend.profile().name);
    }
}

#[test]
fn mpc_runs_joins_and_piecewise_linear_activations() {
    let others = [
        "pad-before-pools-18",
        "activation-clips-13",
        "activation-relu6-min-max-13",
        "activation-leakyrelu-alpha-16",
        "activation-prelu-9",
        "activation-hardsigmoid-alpha-beta-22",
    ];
    let backends: Vec<_> = all().into_iter().filter(|own| own.profile().name.starts_with("mpc")).collect();
    assert_eq!(backends.len(), 4);
    for name in JOINS.into_iter().chain(others) {
        all_agree(&backends, name, 1.0 / 512.0);
    }
}

/// Their error is at most 1/2048 a value, and weights sum up fewer than eight of them.
#[test]
fn mpc_runs_smooth_activations() {
    let names = [
        "activation-sigmoid-7",
        "activation-tanh-13",
        "activation-erf-13",
        "activation-gelu-20",
        "activation-gelu-approximate-20",
        "activation-mish-18",
        "activation-softplus-22",
        "activation-elu-alpha-7",
        "activation-celu-12",
        "activation-selu-7",
        "activation-hardswish-14",
        "product-silu-13",
        "product-gelu-13",
        "product-gelu-tanh-13",
        "product-mish-13",
        "graph-network-17",
    ];
    let backends: Vec<_> = all().into_iter().filter(|own| own.profile().name.starts_with("mpc")).collect();
    for name in names {
        all_agree(&backends, name, 1.0 / 256.0);
    }
}

#[test]
fn what_a_backend_cannot_run_is_refused_by_the_name_of_the_layer() {
    let cases = [
        ("ckks", "residual-13", "Relu_r"),
        ("ckks-client-aided", "activation-prelu-9", "PRelu_p"),
        ("ckks", "activation-leakyrelu-alpha-16", "LeakyRelu_a"),
    ];
    for (backend, name, layer) in cases {
        let (network, _) = fixture(name);
        let backend = all().into_iter().find(|own| own.profile().name == backend).unwrap();
        let job = LocalSession::new(backend.as_ref(), &network, 1).job;
        let refused = backend.plan(&network.architecture, &job).unwrap_err();
        assert_eq!(refused.layer.as_deref(), Some(layer), "{refused}");
    }
}

#[test]
fn the_data_owner_computes_any_activation_without_parameters() {
    let backend = all().into_iter().find(|own| own.profile().name == "ckks-client-aided").unwrap();
    for name in ["activation-tanh-13", "activation-gelu-20", "activation-hardswish-14"] {
        let (network, due) = fixture(name);
        let distance = distance(backend.as_ref(), &network, &due);
        assert!(distance < 1e-3, "{name}: off by {distance}");
    }
}

#[test]
fn the_data_owner_computes_joins_of_what_was_decrypted() {
    let backends: Vec<_> =
        all().into_iter().filter(|own| own.profile().name == "ckks-client-aided").collect();
    assert_eq!(backends.len(), 1);
    for name in JOINS.into_iter().chain(["graph-network-17"]) {
        all_agree(&backends, name, 1.0 / 512.0);
    }
}
