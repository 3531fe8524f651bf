//! What the CKKS backends do with what they cannot use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use veilbench_backends::ckks::{Ckks, CkksClientAided};
use veilbench_backends::conformance::specimens;
use veilbench_backends::link::{Forward, Tap};
use veilbench_backends::rehearsal::Rehearsal;
use veilbench_backends::{Backend, Job, LinkProfile};
use veilbench_networks::{Architecture, Dense, Layer, Network, Op, Polynomial, Range, Shape, Tensor, zoo};

fn polynomial() -> Network {
    specimens::supported(&Ckks, 1).unwrap()
}

fn job(batch: usize) -> Job {
    Job { batch, threads: 1, link: LinkProfile::loopback() }
}

fn error(backend: &dyn Backend, network: &Network, images: Tensor, tap: Option<Arc<dyn Tap>>) -> String {
    let mut rehearsal = Rehearsal::new(backend, network, 1);
    rehearsal.tap = tap;
    let done = rehearsal.run(&[images]).unwrap();
    assert!(done.iter().all(|performance| performance.logits.is_empty()));
    let errors: Vec<String> =
        done.iter().filter_map(|performance| performance.error.as_ref().map(ToString::to_string)).collect();
    errors.join("; ")
}

#[test]
fn pixels_that_are_no_pixels_are_refused_by_name() {
    let network = polynomial();
    let length = network.architecture.input.len();
    for bad in [f32::NAN, f32::INFINITY, 1e6, -40.0] {
        let mut values = vec![0.5; length];
        values[7] = bad;
        let images = Tensor::new(1, network.architecture.input, values).unwrap();
        let reason = error(&Ckks, &network, images, None);
        assert!(reason.contains("value 7 of image 0"), "{reason}");
    }
}

/// Hands the data owner its own first message back instead of the answer.
struct Echo {
    heard: Mutex<Option<Vec<u8>>>,
}

impl Tap for Echo {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let mut heard = self.heard.lock().unwrap();
        if from == "data-owner" {
            if index == 1 {
                *heard = Some(payload.clone());
            }
            return Forward::Messages(vec![payload]);
        }
        Forward::Messages(vec![heard.clone().unwrap_or_default()])
    }
}

/// Answers with random bytes.
struct Garbage;

impl Tap for Garbage {
    fn message(&self, from: &str, _: &str, _: usize, mut payload: Vec<u8>) -> Forward {
        if from == "model-owner" {
            payload.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index * 31 % 251) as u8);
        }
        Forward::Messages(vec![payload])
    }
}

/// Keeps a session's keys and gives them to the next one.
#[derive(Default)]
struct OtherKeys {
    first: Mutex<Option<Vec<u8>>>,
}

impl Tap for OtherKeys {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index == 0 {
            let mut first = self.first.lock().unwrap();
            return Forward::Messages(vec![first.get_or_insert(payload).clone()]);
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn answers_that_are_no_ciphertexts_are_refused() {
    let network = polynomial();
    let images = || specimens::images(&network, 1, 3);
    for tap in [Arc::new(Garbage) as Arc<dyn Tap>, Arc::new(Echo { heard: Mutex::default() })] {
        let reason = error(&Ckks, &network, images(), Some(tap));
        assert!(reason.contains("the model owner's answer"), "{reason}");
    }
}

#[test]
fn ciphertexts_of_another_key_are_refused() {
    let network = polynomial();
    let tap = Arc::new(OtherKeys::default());
    let images = specimens::images(&network, 1, 4);
    let mut rehearsal = Rehearsal::new(&Ckks, &network, 1);
    rehearsal.tap = Some(Arc::clone(&tap) as Arc<dyn Tap>);
    let first = rehearsal.run(std::slice::from_ref(&images)).unwrap();
    assert!(first.iter().all(|performance| performance.error.is_none()), "the session's own keys");
    let reason = error(&Ckks, &network, images, Some(tap));
    assert!(reason.contains("was used where key"), "{reason}");
}

#[test]
fn networks_that_are_too_deep_are_refused_with_the_reason() {
    let shape = Shape::Flat(4);
    let range = Some(Range { low: -8.0, high: 8.0 });
    let layer = |index: usize| Layer {
        name: format!("layer{index}"),
        op: match index % 2 {
            0 => Op::Dense(Dense { inputs: 4, outputs: 4 }),
            _ => Op::Polynomial(Polynomial { channels: 4, degree: 2 }),
        },
        output: shape,
        range,
    };
    let mut architecture = Architecture {
        name: "deep".into(),
        input: shape,
        input_range: range,
        layers: (0..61).map(layer).collect(),
    };
    let reason = Ckks.plan(&architecture, &job(1)).unwrap_err().to_string();
    assert!(reason.contains("too deep") && reason.contains("128 bits"), "{reason}");
    architecture.layers.truncate(5);
    assert!(Ckks.plan(&architecture, &job(1)).is_ok());
    architecture.layers[2].range = None;
    let unknown = Ckks.plan(&architecture, &job(1)).unwrap_err();
    assert_eq!(unknown.layer.as_deref(), Some("layer2"));
    architecture.layers[1].op = Op::Polynomial(Polynomial { channels: 4, degree: 3 });
    assert_eq!(Ckks.plan(&architecture, &job(1)).unwrap_err().layer.as_deref(), Some("layer1"));
}

#[test]
fn every_network_of_the_zoo_has_a_plan_with_one_of_the_two_protocols() {
    for name in zoo::names() {
        let architecture = zoo::load(name).unwrap().architecture;
        let (alone, aided) =
            (Ckks.plan(&architecture, &job(1)), CkksClientAided.plan(&architecture, &job(1)));
        assert_eq!(alone.is_ok(), name.ends_with("-poly"), "{name}");
        assert_eq!(aided.is_ok(), !name.ends_with("-poly"), "{name}");
        let plan = alone.or(aided).unwrap();
        assert_eq!(plan.security_bits, Some(128));
    }
}

#[test]
fn full_batches_take_the_throughput_layout_and_single_images_the_other() {
    for name in zoo::names().filter(|name| name.ends_with("-poly")) {
        let architecture = zoo::load(name).unwrap().architecture;
        let layout = |batch| Ckks.plan(&architecture, &job(batch)).unwrap().parameters["layout"].clone();
        assert_eq!((layout(1), layout(4096)), ("latency".into(), "throughput".into()), "{name}");
    }
}

#[test]
fn a_trace_compares_every_layer_with_the_clear_network() {
    let network = polynomial();
    let trace = Ckks.insecure_debug_trace(&network, &specimens::images(&network, 1, 5)).unwrap().unwrap();
    let layers = trace["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        assert!(layer["precision_bits"].as_f64().unwrap() > 12.0, "{layer}");
    }
    assert!(trace["largest_logit_error"].as_f64().unwrap() < 1.0 / 256.0);
}
