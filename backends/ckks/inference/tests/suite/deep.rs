//! Networks of many layers on the engine: imaginary slots, and images far from those a network was calibrated with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use veilbench_api::conformance::odd_images::{ODD_IMAGES, odd_images};
use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, RoleContext, Unsupported};
use veilbench_ckks::{KeyLevels, KeyRequest};
use veilbench_ckks_inference::Ckks;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Network, Op, Parameters, Polynomial, Range, Shape, Source, Tensor,
    Window, zoo,
};

use crate::fixture::*;
use crate::interceptors::Exchanged;
use crate::keys::keys_for;

const WIDTH: usize = 4;
const CLASSES: usize = 3;

/// Two blocks of two convolutions each in pre-activation order, eleven levels, with such quadratics; and the images it was calibrated with, of
/// such a share of the brightness that is legal.
fn residual(quadratic: [f32; 3], brightness: f32) -> (Network, Tensor) {
    let image = |channels| Shape::Image { channels, height: 8, width: 8 };
    let conv = |inputs| {
        let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
        Op::Conv2d(Conv2d { inputs, outputs: WIDTH, groups: 1, dilation: [1; 2], window })
    };
    let square = Op::Polynomial(Polynomial { channels: WIDTH, degree: 2 });
    let mut layers = vec![Layer::new("conv1", conv(1), image(WIDTH))];
    for block in 1..3 {
        let skip = Source::Layer(layers.len() - 1);
        for part in 1..3 {
            layers.push(Layer::new(format!("block{block}.act{part}"), square, image(WIDTH)));
            layers.push(Layer::new(format!("block{block}.conv{part}"), conv(WIDTH), image(WIDTH)));
        }
        let last = Source::Layer(layers.len() - 1);
        let add = Layer::new(format!("block{block}.add"), Op::Add, image(WIDTH));
        layers.push(add.reading([last, skip]));
    }
    let pool = Op::AveragePool(Window { kernel: [8; 2], stride: [8; 2], padding: [0; 4] });
    let dense = Op::Dense(Dense { inputs: WIDTH, outputs: CLASSES });
    layers.push(Layer::new("act1", square, image(WIDTH)));
    layers.push(Layer::new("pool1", pool, Shape::Image { channels: WIDTH, height: 1, width: 1 }));
    layers.push(Layer::new("flatten", Op::Flatten, Shape::Flat(WIDTH)));
    layers.push(Layer::new("fc1", dense, Shape::Flat(CLASSES)));
    let architecture = Architecture { name: "residual".into(), input: image(1), input_range: None, layers };
    let mut network = zoo::untrained(architecture, 3);
    for parameters in &mut network.parameters {
        if let Parameters::Polynomial { coefficients } = parameters {
            *coefficients = quadratic.repeat(WIDTH);
        }
    }
    let images = test_networks::images(&network, 24, 2);
    let values = images.data().iter().map(|value| brightness * value).collect();
    let images = Tensor::new(24, images.shape(), values).unwrap();
    ranges(&mut network, &images).unwrap();
    network.architecture.input_range = Some(Range { low: -1.0, high: 1.0 });
    (network, images)
}

#[test]
fn imaginary_slots_hold_every_wire_of_a_residual_network_to_plain_slots() {
    let (network, images) = residual([0.1, 0.5, 0.1], 1.0);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    assert_eq!(plan.parameters["layout"], "deep");
    assert!(plan.parameters["conjugations"].as_u64().is_some_and(|level| level > 8), "{}", plan.parameters);
    let trace = Ckks.insecure_debug_trace(&network, &images.slice(0, 1)).unwrap().unwrap();
    let layers = trace["layers"].as_array().unwrap();
    assert!(layers.len() > 10, "{trace}");
    for layer in layers {
        assert!(layer["precision_bits"].as_f64().unwrap() > 12.0, "{layer}");
    }
    println!("{trace:#}");
}

#[test]
fn results_that_leave_no_slot_free_to_show_a_wrap_are_refused_by_layer() {
    let (network, _) = residual([0.1, 0.5, 0.1], 1.0);
    let mut cut = network.architecture;
    let last = cut.layers.iter().rposition(|layer| matches!(layer.op, Op::Add)).unwrap();
    cut.layers.truncate(last + 1);
    // Four maps of 8 x 8 values fill a period.
    for batch in [1, 2] {
        let refused = Ckks.plan(&cut, &job(batch)).unwrap_err();
        assert_eq!(refused.layer.as_deref(), Some("block2.add"), "{refused}");
        assert!(
            refused.reason.contains("0 of 256 slots free") && refused.reason.contains("dense"),
            "{refused}"
        );
    }
}

/// One session with these images in one batch: their logits, or which are refused.
fn session_of(network: &Network, images: &Tensor) -> Result<Vec<f32>, Vec<usize>> {
    let mut session = LocalSession::new(&Ckks, network, images.images());
    session.timeout = Duration::from_secs(600);
    let mut done = session.run(std::slice::from_ref(images)).unwrap();
    match (done[0].logits.pop(), done[0].error.take()) {
        (Some(logits), _) => Ok(logits.data().to_vec()),
        (None, Some(Error::OutOfRange { images, reason })) => {
            assert!(!reason.is_empty());
            Err(images)
        }
        (None, other) => panic!("neither logits nor out of range: {other:?}, {:?}", done[1].error),
    }
}

/// How far a logit may be off, as a share of the calibrated range or of itself.
const TOLERANCE: f64 = 1.0 / 128.0;

/// Holds logits to the clear network's.
fn assert_right(network: &Network, images: &Tensor, logits: &[f32], name: &str) {
    let range = network.architecture.layers.last().unwrap().range.unwrap();
    let expected = evaluate::<f64>(network, images).unwrap();
    assert_eq!(logits.len(), expected.data().len());
    for (private, clear) in logits.iter().zip(expected.data()) {
        let allowed = TOLERANCE * clear.abs().max(f64::from(range.high.max(-range.low)));
        assert!((f64::from(*private) - clear).abs() <= allowed, "{name}: {private} where {clear} is right");
    }
}

/// One that was calibrated on images a tenth as bright as what is legal, with strong quadratics: what is out of range at first is far out of it ten
/// levels later.
fn strong() -> (Network, Tensor) {
    residual([0.0, 1.0, 3.0], 0.1)
}

#[test]
fn odd_images_of_a_deep_network_are_right_or_refused_and_never_silently_wrong() {
    let (network, calm) = strong();
    let odd = odd_images(&network, &calm, 5).unwrap();
    let contrast = |times: f32| calm.image(0).iter().map(|value| times * value).collect::<Vec<f32>>();
    let wanted = ["inverted", "checkered", "uniform noise", "black and white noise", "hill-climbed"];
    let named = ODD_IMAGES.into_iter().enumerate().filter(|(_, name)| wanted.contains(name));
    let mut images: Vec<(&str, Vec<f32>)> =
        named.map(|(image, name)| (name, odd.image(image).to_vec())).collect();
    assert_eq!(images.len(), wanted.len());
    images.extend([
        ("contrast 1.2", contrast(1.2)),
        ("contrast 2", contrast(2.0)),
        ("contrast 8", contrast(8.0)),
    ]);
    let (mut right, mut refused) = (Vec::new(), Vec::new());
    for (name, values) in images {
        let image = Tensor::new(1, network.architecture.input, values).unwrap();
        match session_of(&network, &image) {
            Ok(logits) => {
                assert_right(&network, &image, &logits, name);
                right.push(name);
            }
            Err(images) => {
                assert_eq!(images, [0], "{name}");
                refused.push(name);
            }
        }
    }
    println!("right: {right:?}, refused: {refused:?}");
    assert!(right.len() > 1 && refused.len() > 1, "{right:?} {refused:?}");
}

#[test]
fn images_of_a_batch_share_a_ciphertext_and_have_the_logits_of_their_own() {
    let (network, calm) = residual([0.1, 0.5, 0.1], 1.0);
    let plan = |batch: usize| Ckks.plan(&network.architecture, &job(batch)).unwrap();
    let [one, three] = [1, 3].map(plan);
    assert_eq!((one.parameters.get("images"), &three.parameters["images"]), (None, &4.into()));
    assert_eq!(one.parameters["scheme"], three.parameters["scheme"]);
    let predicted = |plan: &Plan| plan.prediction.clone().unwrap();
    assert_eq!(predicted(&one).online_bytes, predicted(&three).online_bytes);
    assert!(three.predicted_batch_ns.unwrap() < 2 * one.predicted_batch_ns.unwrap());
    // One place of the four is left over.
    let images = calm.slice(0, 3);
    let logits = session_of(&network, &images).expect("they are within the range");
    assert_right(&network, &images, &logits, "three together");
}

#[test]
fn an_image_out_of_range_is_refused_with_those_that_are_computed_with_it() {
    let (network, calm) = strong();
    let odd = odd_images(&network, &calm, 5).unwrap();
    let clear = evaluate::<f64>(&network, &odd).unwrap();
    let largest = |image: usize| clear.image(image).iter().map(|logit| logit.abs()).fold(0.0, f64::max);
    let worst = (0..odd.images()).max_by(|&one, &two| largest(one).total_cmp(&largest(two))).unwrap();
    let range = network.architecture.layers.last().unwrap().range.unwrap();
    assert!(largest(worst) > 32.0 * f64::from(range.high.max(-range.low)), "far enough to wrap");
    let values = calm.image(0).iter().chain(odd.image(worst)).copied().collect();
    let images = Tensor::new(2, network.architecture.input, values).unwrap();
    assert_eq!(Ckks.plan(&network.architecture, &job(2)).unwrap().parameters["images"], 2);
    let refused = session_of(&network, &images).expect_err("the second is far out of range");
    assert!(
        refused.is_empty(),
        "which of those that were computed together wrapped cannot be told: {refused:?}"
    );
}

/// The backend, whose plans say that so many images are computed together.
struct Together(u64);

impl Backend for Together {
    fn profile(&self) -> Profile {
        Ckks.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let mut plan = Ckks.plan(architecture, job)?;
        plan.parameters["images"] = self.0.into();
        Ok(plan)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ckks.join(role)
    }
}

#[test]
fn a_plan_for_images_that_no_ciphertext_holds_is_refused_by_both_parties() {
    let (network, images) = residual([0.1, 0.5, 0.1], 1.0);
    let degree = Ckks.plan(&network.architecture, &job(1)).unwrap().parameters["scheme"]["degree"].as_u64();
    // Four maps of 8 x 8 values an image.
    let too_many = degree.unwrap() / 2 / 256 * 2;
    for (together, reason) in [
        (0, "0 images together"),
        (3, "3 images together"),
        (1 << 16, "65536 images together"),
        (u64::MAX / 2 + 1, "images together"),
        (1 << 15, "slots of one ciphertext"),
        (too_many, "slots, the network takes"),
    ] {
        let backend = Together(together);
        let done = LocalSession::new(&backend, &network, 1).run(&[images.slice(0, 1)]).unwrap();
        for outcome in &done {
            let found = outcome.error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(found.contains(reason), "{together}: {found:?}");
        }
    }
}

#[test]
fn a_key_for_conjugation_that_is_missing_or_another_is_refused() {
    let (network, images) = residual([0.1, 0.5, 0.1], 1.0);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    let level = plan.parameters["conjugations"].as_u64().unwrap() as usize;
    let rotations: BTreeMap<usize, Vec<i64>> =
        serde_json::from_value(plan.parameters["rotations"].clone()).unwrap();
    // Behind the public key and all keys for levels as high.
    let products = usize::from(plan.parameters["products"].as_u64().unwrap() as usize >= level);
    let at = 1 + products + rotations.range(level..).map(|(_, steps)| steps.len()).sum::<usize>();
    let key = |request: &KeyRequest| vec![keys_for(&plan, request)];
    let levels =
        KeyLevels { conjugation: Some(level), rotations: [(5, level)].into(), ..KeyLevels::default() };
    let conjugation = KeyRequest { conjugation: true, levels: levels.clone(), ..KeyRequest::default() };
    let rotation = KeyRequest { rotations: [5].into(), levels, ..KeyRequest::default() };
    for (by, expected) in [
        (key(&conjugation), "came after the public key of"),
        (key(&rotation), "no key for conjugation"),
        (Vec::new(), ""),
    ] {
        let interceptor = Arc::new(Exchanged { at, by });
        let done = intercepted(&Ckks, &network, None, &images.slice(0, 1), Some(interceptor));
        let reason = done[1].error.as_ref().expect("it is refused").to_string();
        println!("{reason}");
        assert!(reason.contains(expected), "{reason}");
        assert!(done.iter().all(|outcome| outcome.logits.is_empty()));
    }
}

#[test]
fn noise_is_drawn_for_networks_that_plans_know_too_little_of() {
    let (network, images) = residual([0.1, 0.5, 0.1], 1.0);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    let at_hand = |count: usize| Some(images.slice(0, count.min(images.images())));
    let drawn = Ckks.draw_noise(&network, &plan, &at_hand).unwrap().expect("there are images");
    println!("{drawn:?}");
    assert_eq!(drawn.images, images.images());
    assert!(drawn.largest_error < drawn.median_lead / 4.0);
    assert_eq!(Ckks.draw_noise(&network, &plan, &|_| None), Ok(None), "without images");
    let shallow = polynomial();
    let plan = Ckks.plan(&shallow.architecture, &job(1)).unwrap();
    assert_eq!(Ckks.draw_noise(&shallow, &plan, &at_hand), Ok(None), "a plan that says it all");
}
