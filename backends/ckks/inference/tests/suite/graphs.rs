//! Networks that join branches, and deep ones: one image in one ciphertext.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use veilbench_api::conformance::{self, test_networks};
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, RoleContext, Unsupported};
use veilbench_ckks_inference::Ckks;
use veilbench_datasets::{Split, Store, load};
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::zoo::{self, Activation, Order};
use veilbench_networks::{Architecture, Network, Tensor, import};

use crate::fixture::*;
use crate::interceptors::*;

/// The backend for networks alone that no chain's layout computes.
struct Graphs;

impl Backend for Graphs {
    fn profile(&self) -> Profile {
        Ckks.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let plan = Ckks.plan(architecture, job)?;
        match plan.parameters["layout"].as_str() {
            Some("deep") => Ok(plan),
            _ => Err(Unsupported { layer: None, reason: "a chain of few layers".into() }),
        }
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ckks.join(role)
    }
}

fn joined() -> Network {
    test_networks::supported(&Graphs, 1).expect("one of the test networks joins branches of quadratics")
}

/// Residual with quadratics and random weights, calibrated on images of its own.
fn residual(width: usize) -> (Network, Tensor) {
    let architecture =
        zoo::residual("narrow", Order::PreActivation, Activation::Polynomial { degree: 2 }, width);
    let mut network = zoo::untrained(architecture, 5);
    let images = test_networks::images(&network, 8, 2);
    ranges(&mut network, &images).unwrap();
    (network, images)
}

#[test]
fn the_layout_for_graphs_keeps_every_promise_of_the_contract() {
    conformance::check(&Graphs).unwrap();
}

#[test]
fn a_join_of_quadratics_has_the_logits_of_the_oracle() {
    let network = joined();
    let images = test_networks::images(&network, 2, 6);
    let expected = evaluate::<f64>(&network, &images).unwrap();
    let done = LocalSession::new(&Ckks, &network, 2).run(&[images]).unwrap();
    let logits: Vec<f32> = done.iter().flat_map(|own| &own.logits).flat_map(Tensor::data).copied().collect();
    assert_eq!(logits.len(), expected.data().len());
    for (private, clear) in logits.iter().zip(expected.data()) {
        assert!((f64::from(*private) - clear).abs() < 1e-4, "{private} {clear}");
    }
}

#[test]
fn a_plan_of_a_graph_says_what_it_needs_and_is_refused_in_the_layout_of_batches() {
    let network = joined();
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    assert_eq!((plan.security_bits, &plan.parameters["layout"]), (Some(128), &"deep".into()));
    let mut batches = job(1);
    batches.settings.insert("layout".into(), "throughput".into());
    let refused = Ckks.plan(&network.architecture, &batches).unwrap_err();
    assert!(refused.reason.contains("chain of layers"), "{refused}");
}

#[test]
fn a_resnet_20_is_planned_at_128_bits_within_14_gigabytes() {
    let (network, _) = residual(zoo::WIDTH);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    let scheme = &plan.parameters["scheme"];
    assert_eq!((plan.security_bits, scheme["degree"].as_u64()), (Some(128), Some(65_536)));
    assert_eq!(scheme["data_prime_bits"].as_array().unwrap().len(), 40);
    let predicted = plan.prediction.unwrap();
    assert!(predicted.session_peak_rss_bytes.unwrap() < 14 << 30, "{predicted:?}");
    assert!(predicted.setup_bytes.unwrap() < 3 << 30, "{predicted:?}");
}

#[test]
fn a_network_too_deep_for_any_ring_is_refused_by_the_first_layer_without_a_level() {
    let (network, _) = residual(2);
    let mut deeper = network.architecture.clone();
    let range = deeper.layers[0].range;
    let square = deeper.layers.iter().find(|layer| layer.name == "act1").unwrap().clone();
    let at = deeper.layers.iter().position(|layer| layer.name == "act1").unwrap() + 1;
    // A chain of squares behind the last block.
    let tail = deeper.layers.split_off(at);
    for index in 0..30 {
        let name = format!("square{index}");
        deeper.layers.push(veilbench_networks::Layer { name, range, inputs: Vec::new(), ..square.clone() });
    }
    deeper.layers.extend(tail);
    let refused = Ckks.plan(&deeper, &job(1)).unwrap_err();
    assert!(refused.layer.as_deref().is_some_and(|layer| layer.starts_with("square")), "{refused}");
    assert!(refused.reason.contains("levels") && refused.reason.contains("128 bits"), "{refused}");
}

#[test]
fn keys_of_another_session_are_refused_one_by_one() {
    let network = joined();
    for messages in [1..2, 3..4] {
        let interceptor = Arc::new(OtherKeys::new(messages));
        let images = test_networks::images(&network, 1, 4);
        let mut session = LocalSession::new(&Ckks, &network, 1);
        session.interceptor = Some(interceptor.clone());
        let first = session.run(std::slice::from_ref(&images)).unwrap();
        assert!(first.iter().all(|outcome| outcome.error.is_none()), "the session's own keys");
        let reason = error(&Ckks, &network, images, Some(interceptor));
        assert!(reason.contains("came after the public key of"), "{reason}");
    }
}

#[test]
fn a_trace_holds_every_wire_of_a_graph_to_plain_slots() {
    let network = joined();
    let trace = Ckks.insecure_debug_trace(&network, &test_networks::images(&network, 1, 5)).unwrap().unwrap();
    let layers = trace["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 3, "{trace}");
    for layer in layers {
        assert!(layer["precision_bits"].as_f64().unwrap() > 14.0, "{layer}");
    }
}

/// The trained network of `VEILBENCH_NETWORK`, an ONNX file with ranges, with images of CIFAR-10, or random weights with random ones.
fn resnet_20(images: usize) -> (Network, Tensor) {
    let Some(path) = std::env::var_os("VEILBENCH_NETWORK") else {
        let (network, random) = residual(zoo::WIDTH);
        return (network, random.slice(0, images));
    };
    let network = import::read(Path::new(&path)).unwrap();
    let pixels = load(&Store::from_env().unwrap(), "cifar10-jpeg", Split::Test).unwrap();
    let normalisation = network.metadata.normalisation.clone().unwrap();
    let value = |(place, &pixel): (usize, &u8)| {
        (f32::from(pixel) / 255.0 - normalisation.mean[place / 1024]) / normalisation.deviation[place / 1024]
    };
    let all =
        (0..images).flat_map(|image| pixels.image(image).iter().enumerate().map(value).collect::<Vec<_>>());
    let tensor = Tensor::new(images, network.architecture.input, all.collect()).unwrap();
    (network, tensor)
}

/// One session with a batch of a ResNet-20, and what it took; drawn noise is held to what logits are off by.
fn end_to_end(count: usize) {
    let (network, images) = resnet_20(count.max(8));
    let batch = images.slice(0, count);
    let expected = evaluate::<f64>(&network, &batch).unwrap();
    let plan = Ckks.plan(&network.architecture, &job(count)).unwrap();
    println!("{:?} {} {}", plan.prediction, plan.parameters["scheme"], plan.parameters["images"]);
    let drawn = Ckks.draw_noise(&network, &plan, &|most| Some(images.slice(0, most.min(8))));
    let drawn = drawn.unwrap().expect("there are images");
    println!("{drawn:?}");
    let mut session = LocalSession::new(&Ckks, &network, count);
    session.timeout = Duration::from_secs(3600);
    let done = session.run(&[batch]).unwrap();
    for outcome in &done {
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        println!("{:#?}", outcome.phases);
    }
    let logits: Vec<f32> = done.iter().flat_map(|own| &own.logits).flat_map(Tensor::data).copied().collect();
    assert_eq!(logits.len(), expected.data().len());
    let (low, high) = expected
        .data()
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), &logit| (low.min(logit), high.max(logit)));
    let error = logits
        .iter()
        .zip(expected.data())
        .map(|(own, due)| (f64::from(*own) - due).abs())
        .fold(0.0, f64::max);
    println!("largest error {error:.2e} of a spread of {:.3}; {logits:?}", high - low);
    assert!(error < 0.01 * (high - low), "{error} of {}", high - low);
    assert!(error < 4.0 * drawn.largest_error, "{error} of {drawn:?}");
}

/// `cargo test --release -p veilbench-ckks-inference --test suite -- --ignored --nocapture a_resnet`
#[test]
#[ignore = "it takes minutes and ten gigabytes"]
fn a_resnet_20_is_computed_end_to_end() {
    end_to_end(1);
}

#[test]
#[ignore = "it takes minutes and ten gigabytes"]
fn two_images_of_a_resnet_20_are_computed_together() {
    end_to_end(2);
}
