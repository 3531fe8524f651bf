//! What the CKKS backends do with what they cannot use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ops::Range as Span;
use std::sync::{Arc, Mutex};

use veilbench_backends::ckks::{Ckks, CkksClientAided};
use veilbench_backends::conformance::specimens;
use veilbench_backends::link::{Forward, Tap};
use veilbench_backends::rehearsal::Rehearsal;
use veilbench_backends::{Backend, Job, LinkProfile, Plan};
use veilbench_ckks::{
    Context, KeyLevels, KeyRequest, ParameterRequest, Parameters as RingParameters, Randomness, SecretKey,
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

/// How many messages of the data owner come before its first ciphertexts: keys.
fn key_messages(backend: &dyn Backend) -> usize {
    if backend.profile().name == "ckks" { 2 } else { 1 }
}

/// Hands the data owner a message of its own back instead of the answer.
#[derive(Default)]
struct Echo {
    heard: Mutex<Option<Vec<u8>>>,
}

impl Tap for Echo {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let mut heard = self.heard.lock().unwrap();
        if from == "data-owner" {
            if index == 2 {
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

/// Keeps messages with a session's keys and gives them to the next one.
struct OtherKeys {
    messages: Span<usize>,
    first: Mutex<BTreeMap<usize, Vec<u8>>>,
}

impl OtherKeys {
    fn new(messages: Span<usize>) -> Self {
        Self { messages, first: Mutex::default() }
    }
}

impl Tap for OtherKeys {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        if from == "data-owner" && self.messages.contains(&index) {
            let mut first = self.first.lock().unwrap();
            return Forward::Messages(vec![first.entry(index).or_insert(payload).clone()]);
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn answers_that_are_no_ciphertexts_are_refused() {
    let network = polynomial();
    let images = || specimens::images(&network, 1, 3);
    let reason = error(&Ckks, &network, images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    let reason = error(&Ckks, &network, images(), Some(Arc::new(Echo::default())));
    assert!(reason.contains("link to model-owner: a message of"), "{reason}");
}

/// Says that answers are at half their scale, which doubles what they decode to.
struct HalfScale;

impl Tap for HalfScale {
    fn message(&self, from: &str, _: &str, _: usize, mut payload: Vec<u8>) -> Forward {
        if from == "model-owner" {
            // Magic, version, kind, parameters and key come before the scale.
            let scale = 4 + 2 + 16 + 16;
            let field: &mut [u8; 8] = payload[scale..].first_chunk_mut().unwrap();
            *field = (f64::from_le_bytes(*field) / 2.0).to_le_bytes();
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn answers_at_another_scale_are_refused() {
    for (backend, network) in [(&Ckks as &dyn Backend, polynomial()), (&CkksClientAided, aided())] {
        let reason = error(backend, &network, specimens::images(&network, 1, 3), Some(Arc::new(HalfScale)));
        assert!(reason.contains("the model owner's answer is at level 0 and scale 2^"), "{reason}");
    }
    let network = polynomial();
    let images = specimens::images(&network, 2000, 3);
    let reason = error_of_batch(&Ckks, &network, 2000, images, Some(Arc::new(HalfScale)));
    assert!(reason.contains("the model owner's answer is at level 0 and scale 2^"), "{reason}");
}

#[test]
fn ciphertexts_of_another_key_are_refused() {
    let network = polynomial();
    for (messages, expected) in [
        (0..2, "was used where key"),
        (0..1, "came after the public key of"),
        (1..2, "came after the public key of"),
    ] {
        let tap = Arc::new(OtherKeys::new(messages));
        let images = specimens::images(&network, 1, 4);
        let mut rehearsal = Rehearsal::new(&Ckks, &network, 1);
        rehearsal.tap = Some(Arc::clone(&tap) as Arc<dyn Tap>);
        let first = rehearsal.run(std::slice::from_ref(&images)).unwrap();
        assert!(first.iter().all(|performance| performance.error.is_none()), "the session's own keys");
        let reason = error(&Ckks, &network, images, Some(tap));
        assert!(reason.contains(expected), "{reason}");
    }
}

/// Gives the model owner other evaluation keys than those that were made for it.
struct Instead(Vec<u8>);

impl Tap for Instead {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let payload = if from == "data-owner" && index == 1 { self.0.clone() } else { payload };
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
fn keys_other_than_those_of_the_plan_are_refused_before_they_are_expanded() {
    let network = polynomial();
    let images = || specimens::images(&network, 1, 3);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    assert_eq!(plan.parameters["layout"], "latency");
    let levels: BTreeMap<usize, Vec<i64>> =
        serde_json::from_value(plan.parameters["rotations"].clone()).unwrap();
    let depth = plan.parameters["scheme"]["data_prime_bits"].as_array().unwrap().len() - 1;
    let of_levels = levels.iter().flat_map(|(&level, steps)| steps.iter().map(move |&steps| (steps, level)));
    let planned = KeyRequest {
        relinearisation: true,
        rotations: levels.values().flatten().copied().collect(),
        levels: KeyLevels { relinearisation: Some(depth - 1), rotations: of_levels.collect() },
        ..KeyRequest::default()
    };
    let refused = |request: &KeyRequest| {
        error(&Ckks, &network, images(), Some(Arc::new(Instead(keys_for(&plan, request)))))
    };
    let complete = refused(&planned);
    assert!(
        complete.contains("came after the public key of"),
        "the right keys, of another secret: {complete}"
    );

    // Whatever has another length is not even received.
    let mut more = planned.clone();
    more.rotations.extend(100..104);
    let mut low = planned.clone();
    low.levels.relinearisation = Some(0);
    for other in
        [KeyRequest::default(), KeyRequest { levels: KeyLevels::default(), ..planned.clone() }, more, low]
    {
        let reason = refused(&other);
        assert!(
            reason.contains("link to data-owner: a message of") && reason.contains("were due"),
            "{reason}"
        );
    }

    // Another rotation in the place of one has the right length.
    let (&highest, steps) = levels.last_key_value().unwrap();
    let mut swapped = planned;
    swapped.rotations.remove(&steps[0]);
    let unused = (1..).find(|steps| !swapped.rotations.contains(steps)).unwrap();
    swapped.rotations.insert(unused);
    swapped.levels.rotations.insert(unused, highest);
    let reason = refused(&swapped);
    let missing = format!("no key for rotation by {}", steps[0]);
    assert!(reason.contains("the data owner's evaluation keys do not serve layer"), "{reason}");
    assert!(reason.contains(&missing), "{reason}");
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
    let reason = error(&CkksClientAided, &network, images(), Some(Arc::new(Echo::default())));
    assert!(reason.contains("link to model-owner: a message of"), "{reason}");
    let tap = Arc::new(OtherKeys::new(0..1));
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
    for (backend, network) in [(&Ckks as &dyn Backend, polynomial()), (&CkksClientAided, aided())] {
        let reason = cut(backend, &network);
        assert!(
            reason.contains("link to model-owner: a message of") && reason.contains("were due"),
            "{reason}"
        );
    }
}

/// Says that the data owner's ciphertexts are at another level than agreed.
struct TooFewLevels(usize);

impl Tap for TooFewLevels {
    fn message(&self, from: &str, _: &str, index: usize, mut payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index >= self.0 {
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
    for (backend, network) in [(&Ckks as &dyn Backend, network), (&CkksClientAided, aided())] {
        let images = specimens::images(&network, 1, 3);
        let tap = Arc::new(TooFewLevels(key_messages(backend)));
        let reason = error(backend, &network, images, Some(tap));
        assert!(reason.contains("the data owner's ciphertexts"), "{reason}");
    }
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
    for tap in [Arc::new(Cut) as Arc<dyn Tap>, Arc::new(Echo::default())] {
        let reason = refused(images(), Some(tap));
        assert!(reason.contains("link to model-owner: a message of"), "{reason}");
    }
    let reason = refused(images(), Some(Arc::new(TooFewLevels(key_messages(&Ckks)))));
    assert!(reason.contains("data owner's ciphertexts"), "{reason}");

    let squares = plan.parameters["scheme"]["data_prime_bits"].as_array().unwrap().len() - 2;
    let products = |level: usize| KeyRequest {
        relinearisation: true,
        levels: KeyLevels { relinearisation: Some(level), ..KeyLevels::default() },
        ..KeyRequest::default()
    };
    let instead = |request: &KeyRequest| refused(images(), Some(Arc::new(Instead(keys_for(&plan, request)))));
    let reason = instead(&products(squares));
    assert!(reason.contains("came after the public key of"), "{reason}");
    let mut rotated = products(squares);
    rotated.rotations.insert(1);
    for other in [products(0), rotated] {
        let reason = instead(&other);
        assert!(reason.contains("link to data-owner: a message of"), "{reason}");
    }
}

/// Repeats the first query of a session for every later one, and keeps the answers.
#[derive(Default)]
struct SameQuery {
    queries: Mutex<Vec<Vec<u8>>>,
    answers: Mutex<Vec<Vec<u8>>>,
    messages: usize,
}

impl Tap for SameQuery {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let keys = key_messages(&Ckks);
        let mut queries = self.queries.lock().unwrap();
        let payload = match from {
            "model-owner" => {
                self.answers.lock().unwrap().push(payload.clone());
                payload
            }
            _ if index < keys => payload,
            _ if index < keys + self.messages => {
                queries.push(payload.clone());
                payload
            }
            _ => queries[(index - keys) % self.messages].clone(),
        };
        Forward::Messages(vec![payload])
    }
}

#[test]
fn the_same_query_never_gets_the_same_answer() {
    let network = polynomial();
    let images = specimens::images(&network, 1, 3);
    // A message for every sixteen values in slots, one in all across them.
    for (layout, messages) in [("latency", 1), ("throughput", network.architecture.input.len().div_ceil(16))]
    {
        let tap = Arc::new(SameQuery { messages, ..SameQuery::default() });
        let mut rehearsal = Rehearsal::new(&Ckks, &network, 1);
        rehearsal.tap = Some(Arc::clone(&tap) as Arc<dyn Tap>);
        rehearsal.job.settings.insert("layout".into(), layout.into());
        let done = rehearsal.run(&[images.clone(), images.clone(), images.clone()]).unwrap();
        let difference = |[one, other]: [&Tensor; 2]| {
            let pairs = one.data().iter().zip(other.data());
            pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
        };
        let logits: Vec<&Tensor> = done.iter().flat_map(|performance| &performance.logits).collect();
        assert_eq!(logits.len(), 3, "{layout}: {:?}", done[0].error);
        assert!(difference([logits[0], logits[1]]) < 1.0 / 256.0, "{layout}");
        let answers = tap.answers.lock().unwrap();
        // The second half of the first ciphertext, which would be a function of the query and the weights.
        let bits = match layout {
            "latency" => answers[0].len(),
            _ => answers[0].len() / (network.architecture.classes() + 1),
        };
        let mask = |answer: usize| answers[answer][47 + (bits - 47) / 2..bits].to_vec();
        assert!(mask(0) != mask(1) && mask(1) != mask(2) && mask(0) != mask(2), "{layout}");
    }
}
