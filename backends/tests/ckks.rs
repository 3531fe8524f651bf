//! What the CKKS backends do with what they cannot use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use veilbench_backends::ckks::{Ckks, CkksClientAided};
use veilbench_backends::conformance::specimens;
use veilbench_backends::link::{Forward, Tap};
use veilbench_backends::rehearsal::Rehearsal;
use veilbench_backends::{Backend, Job, LinkProfile, Plan};
use veilbench_ckks::{
    Context, KeyRequest, ParameterRequest, Parameters as RingParameters, Randomness, SecretKey,
    SeededEvaluationKeys,
};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Metadata, Network, Op, Parameters, Polynomial, Range, Shape, Tensor,
    Window, zoo,
};

fn polynomial() -> Network {
    specimens::supported(&Ckks, 1).unwrap()
}

fn job(batch: usize) -> Job {
    Job::new(batch, 1, LinkProfile::loopback())
}

fn error(backend: &dyn Backend, network: &Network, images: Tensor, tap: Option<Arc<dyn Tap>>) -> String {
    error_of_batch(backend, network, 1, images, tap)
}

fn error_of_batch(
    backend: &dyn Backend,
    network: &Network,
    batch: usize,
    images: Tensor,
    tap: Option<Arc<dyn Tap>>,
) -> String {
    let mut rehearsal = Rehearsal::new(backend, network, batch);
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

/// Gives the model owner other evaluation keys than those that were made for it.
struct Instead(Vec<u8>);

impl Tap for Instead {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let payload = if from == "data-owner" && index == 0 { self.0.clone() } else { payload };
        Forward::Messages(vec![payload])
    }
}

/// Keys for the parameters of a plan, of somebody else's secret.
fn keys_for(plan: &Plan, request: &KeyRequest) -> Vec<u8> {
    let scheme = &plan.parameters["scheme"];
    let bits = |name: &str| serde_json::from_value::<Vec<u32>>(scheme[name].clone()).unwrap();
    let whole = |name: &str| scheme[name].as_u64().unwrap() as usize;
    let parameters = RingParameters::new(&ParameterRequest {
        degree: whole("degree"),
        data_prime_bits: &bits("data_prime_bits"),
        special_prime_bits: &bits("special_prime_bits"),
        digits: whole("digits"),
    });
    let context = Context::new(parameters.unwrap());
    let mut random = Randomness::from_system().unwrap();
    let secret = SecretKey::generate(&context, &mut random);
    SeededEvaluationKeys::generate(&secret, request, &mut random).to_bytes(&context).unwrap()
}

#[test]
fn keys_that_do_not_serve_a_layer_are_refused_before_the_work_begins() {
    let network = polynomial();
    let images = || specimens::images(&network, 1, 3);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    assert_eq!(plan.parameters["layout"], "latency");
    let levels: BTreeMap<usize, Vec<i64>> =
        serde_json::from_value(plan.parameters["rotations"].clone()).unwrap();
    let (&highest, steps) = levels.last_key_value().unwrap();
    let first = plan.parameters["layers"][0]["layer"].as_str().unwrap();
    let refused = |request: &KeyRequest| {
        let reason = error(&Ckks, &network, images(), Some(Arc::new(Instead(keys_for(&plan, request)))));
        assert!(reason.contains("the data owner's evaluation keys do not serve layer"), "{reason}");
        reason
    };

    let none = refused(&KeyRequest::default());
    assert!(none.contains(&format!("layer {first}: the evaluation keys hold no key for rotation")), "{none}");

    let everything = KeyRequest {
        relinearisation: true,
        rotations: levels.values().flatten().copied().collect(),
        ..KeyRequest::default()
    };
    let mut cut = everything.clone();
    cut.levels.rotations.insert(steps[0], highest - 1);
    let low = refused(&cut);
    assert!(low.contains(&format!("layer {first}: the key for rotation by {}", steps[0])), "{low}");
    assert!(low.contains(&format!("levels up to {}, not {highest}", highest - 1)), "{low}");

    let mut cut = everything.clone();
    cut.levels.relinearisation = Some(0);
    let low = refused(&cut);
    assert!(low.contains("the key for products serves levels up to 0"), "{low}");

    let unsquared = refused(&KeyRequest { relinearisation: false, ..everything.clone() });
    assert!(unsquared.contains("no relinearisation key"), "{unsquared}");

    let complete = error(&Ckks, &network, images(), Some(Arc::new(Instead(keys_for(&plan, &everything)))));
    assert!(
        complete.contains("was used where key"),
        "keys of all levels pass, of another secret: {complete}"
    );
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

fn aided() -> Network {
    specimens::supported(&CkksClientAided, 1).unwrap()
}

#[test]
fn the_client_aided_protocol_refuses_the_same_bad_input() {
    let network = aided();
    let images = || specimens::images(&network, 1, 3);
    let mut values = images().data().to_vec();
    values[3] = f32::NAN;
    let bad = Tensor::new(1, network.architecture.input, values).unwrap();
    let reason = error(&CkksClientAided, &network, bad, None);
    assert!(reason.contains("value 3 of image 0"), "{reason}");
    let reason = error(&CkksClientAided, &network, images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    let reason =
        error(&CkksClientAided, &network, images(), Some(Arc::new(Echo { heard: Mutex::default() })));
    assert!(reason.contains("are no message of"), "{reason}");
    let tap = Arc::new(OtherKeys::default());
    let mut rehearsal = Rehearsal::new(&CkksClientAided, &network, 1);
    rehearsal.tap = Some(Arc::clone(&tap) as Arc<dyn Tap>);
    let first = rehearsal.run(&[images()]).unwrap();
    assert!(first.iter().all(|performance| performance.error.is_none()), "the session's own key");
    let reason = error(&CkksClientAided, &network, images(), Some(tap));
    assert!(reason.contains("was used where key"), "{reason}");
}

#[test]
fn images_of_another_shape_are_refused_with_both_shapes() {
    for (backend, network) in [(&Ckks as &dyn Backend, polynomial()), (&CkksClientAided, aided())] {
        let length = network.architecture.input.len();
        let longer = Tensor::new(1, Shape::Flat(length + 1), vec![0.5; length + 1]).unwrap();
        let reason = error(backend, &network, longer, None);
        assert!(reason.contains(&format!("{} were planned", network.architecture.input)), "{reason}");
    }
}

/// Loses half of every answer.
struct Cut;

impl Tap for Cut {
    fn message(&self, from: &str, _: &str, _: usize, mut payload: Vec<u8>) -> Forward {
        if from == "model-owner" {
            payload.truncate(payload.len() / 2);
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn an_answer_that_was_cut_is_refused() {
    let cut = |backend: &dyn Backend, network: &Network| {
        error(backend, network, specimens::images(network, 1, 3), Some(Arc::new(Cut)))
    };
    let reason = cut(&Ckks, &polynomial());
    assert!(reason.contains("the model owner's answer"), "{reason}");
    let reason = cut(&CkksClientAided, &aided());
    assert!(reason.contains("are no message of"), "{reason}");
}

/// Says that the data owner's ciphertexts are at another level than agreed.
struct TooFewLevels;

impl Tap for TooFewLevels {
    fn message(&self, from: &str, _: &str, index: usize, mut payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index > 0 {
            // Magic, version, kind, parameters, key, scale: then the number of primes.
            let limbs = 4 + 2 + 16 + 16 + 8;
            payload[limbs] = 1;
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn ciphertexts_with_too_few_levels_are_refused() {
    let network = polynomial();
    let images = specimens::images(&network, 1, 3);
    let reason = error(&Ckks, &network, images, Some(Arc::new(TooFewLevels)));
    assert!(reason.contains("the data owner's ciphertexts"), "{reason}");
}

#[test]
fn three_convolutions_are_computed_on_single_images() {
    let range = Some(Range { low: -4.0, high: 4.0 });
    let (mut layers, mut size) = (Vec::new(), 8);
    for index in 0..3 {
        size -= 2;
        let output = Shape::Image { channels: 2, height: size, width: size };
        let window = Window { kernel: [3, 3], stride: [1, 1], padding: [0; 4] };
        let inputs = if index == 0 { 1 } else { 2 };
        let convolution = Conv2d { inputs, outputs: 2, window, dilation: [1, 1], groups: 1 };
        layers.push(Layer { name: format!("conv{index}"), op: Op::Conv2d(convolution), output, range });
        let square = Op::Polynomial(Polynomial { channels: 2, degree: 2 });
        layers.push(Layer { name: format!("act{index}"), op: square, output, range });
    }
    let outputs = 2 * size * size;
    layers.push(Layer { name: "flatten".into(), op: Op::Flatten, output: Shape::Flat(outputs), range });
    let dense = Op::Dense(Dense { inputs: outputs, outputs: 2 });
    layers.push(Layer { name: "fc".into(), op: dense, output: Shape::Flat(2), range });
    let architecture = Architecture {
        name: "three-convolutions".into(),
        input: Shape::Image { channels: 1, height: 8, width: 8 },
        input_range: range,
        layers,
    };
    let small = |count: usize| (0..count).map(|index| ((index * 7 % 11) as f32 - 5.0) / 25.0).collect();
    let parameters = |layer: &Layer| match layer.op {
        Op::Conv2d(own) => Parameters::Affine { weights: small(own.inputs * 18), bias: small(2) },
        Op::Dense(own) => Parameters::Affine { weights: small(own.inputs * 2), bias: small(2) },
        Op::Polynomial(_) => Parameters::Polynomial { coefficients: vec![0.1, 0.5, 0.25, -0.1, 0.5, 0.25] },
        _ => Parameters::None,
    };
    let parameters = architecture.layers.iter().map(parameters).collect();
    let network = Network { architecture, parameters, metadata: Metadata::default() };
    assert_eq!(Ckks.plan(&network.architecture, &job(1)).unwrap().parameters["layout"], "latency");
    let images = specimens::images(&network, 1, 6);
    let expected = evaluate::<f64>(&network, &images).unwrap();
    let done = Rehearsal::new(&Ckks, &network, 1).run(&[images]).unwrap();
    let logits: Vec<_> = done.iter().flat_map(|performance| &performance.logits).collect();
    assert_eq!(logits.len(), 1);
    for (private, clear) in logits[0].data().iter().zip(expected.data()) {
        assert!((f64::from(*private) - clear).abs() < 1.0 / 256.0, "{private} {clear}");
    }
}

#[test]
fn slots_full_of_images_are_refused_for_the_same_reasons() {
    let network = polynomial();
    let batch = 2000;
    let plan = Ckks.plan(&network.architecture, &job(batch)).unwrap();
    assert_eq!(plan.parameters["layout"], "throughput");
    let length = network.architecture.input.len();
    let images = || specimens::images(&network, batch, 3);
    let refused =
        |images: Tensor, tap: Option<Arc<dyn Tap>>| error_of_batch(&Ckks, &network, batch, images, tap);

    let mut values = images().data().to_vec();
    values[1500 * length + 3] = f32::NAN;
    let reason = refused(Tensor::new(batch, network.architecture.input, values).unwrap(), None);
    assert!(reason.contains("value 3 of image 1500"), "{reason}");
    let flat = Tensor::new(batch, Shape::Flat(length + 1), vec![0.5; batch * (length + 1)]).unwrap();
    assert!(refused(flat, None).contains(&format!("{} were planned", network.architecture.input)));
    let reason = refused(specimens::images(&network, batch + 1, 3), None);
    assert!(reason.contains(&format!("1 to {batch} images")), "{reason}");

    let reason = refused(images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    for tap in [Arc::new(Cut) as Arc<dyn Tap>, Arc::new(Echo { heard: Mutex::default() })] {
        let reason = refused(images(), Some(tap));
        assert!(
            reason.contains("are no message of") || reason.contains("the model owner's answer"),
            "{reason}"
        );
    }
    let reason = refused(images(), Some(Arc::new(TooFewLevels)));
    assert!(reason.contains("data owner's ciphertexts"), "{reason}");

    let everything = KeyRequest { relinearisation: true, ..KeyRequest::default() };
    let reason = refused(images(), Some(Arc::new(Instead(keys_for(&plan, &everything)))));
    assert!(reason.contains("was used where key"), "{reason}");
    let mut low = everything;
    low.levels.relinearisation = Some(0);
    let reason = refused(images(), Some(Arc::new(Instead(keys_for(&plan, &low)))));
    let activation = plan.parameters["layers"][0]["activation"].as_str().unwrap();
    assert!(reason.contains(&format!("do not serve layer {activation}: the key for products")), "{reason}");
}
