//! Networks of many layers on the engine: imaginary slots, and images far from those a network was calibrated with.

use std::time::Duration;

use veilbench_api::conformance::odd_images::{ODD_IMAGES, odd_images};
use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error};
use veilbench_ckks_inference::Ckks;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Network, Op, Parameters, Polynomial, Shape, Source, Tensor, Window,
    zoo,
};

use crate::fixture::*;

const WIDTH: usize = 4;
const CLASSES: usize = 3;

/// Two blocks of two convolutions each in pre-activation order, eleven levels, with such quadratics; and images it was calibrated with.
fn residual(quadratic: [f32; 3]) -> (Network, Tensor) {
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
    ranges(&mut network, &images).unwrap();
    (network, images)
}

#[test]
fn imaginary_slots_hold_every_wire_of_a_residual_network_to_plain_slots() {
    let (network, images) = residual([0.1, 0.5, 0.1]);
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

/// One session with all of these images in a batch: their logits, or which are refused.
fn session_of(network: &Network, images: &Tensor) -> Result<Vec<f32>, Vec<usize>> {
    let mut session = LocalSession::new(&Ckks, network, images.images());
    session.timeout = Duration::from_secs(600);
    let mut done = session.run(std::slice::from_ref(images)).unwrap();
    match (done[0].logits.pop(), done[0].error.take()) {
        (Some(logits), _) => Ok(logits.data().to_vec()),
        (None, Some(Error::OutOfRange { images, reason })) => {
            assert!(!images.is_empty() && !reason.is_empty(), "{reason}");
            Err(images)
        }
        (None, other) => panic!("neither logits nor out of range: {other:?}, {:?}", done[1].error),
    }
}

/// How far a logit may be off, as a share of the calibrated range or of itself.
const TOLERANCE: f64 = 1.0 / 128.0;

#[test]
fn odd_images_of_a_deep_network_are_right_or_refused_and_never_silently_wrong() {
    // Strong quadratics: what is a little out of range at first is far out of it ten levels later.
    let (network, calm) = residual([0.0, 0.5, 0.6]);
    let odd = odd_images(&network, &calm, 5).unwrap();
    let contrast = |times: f32| calm.image(0).iter().map(move |value| times * value);
    let values: Vec<f32> = odd.data().iter().copied().chain(contrast(1.2)).chain(contrast(1.9)).collect();
    let names: Vec<&str> = ODD_IMAGES.into_iter().chain(["contrast 1.2", "contrast 1.9"]).collect();
    let images = Tensor::new(names.len(), network.architecture.input, values).unwrap();
    let refused = session_of(&network, &images).err().unwrap_or_default();
    let accepted: Vec<usize> = (0..names.len()).filter(|image| !refused.contains(image)).collect();
    println!("refused {:?}", refused.iter().map(|&image| names[image]).collect::<Vec<_>>());
    assert!(refused.len() > 1 && accepted.len() > 1, "{refused:?} of {names:?}");
    let values = accepted.iter().flat_map(|&image| images.image(image)).copied().collect();
    let rest = Tensor::new(accepted.len(), network.architecture.input, values).unwrap();
    let logits = session_of(&network, &rest).expect("the others are within the range");
    let range = network.architecture.layers.last().unwrap().range.unwrap();
    let expected = evaluate::<f64>(&network, &rest).unwrap();
    for (at, (private, clear)) in logits.iter().zip(expected.data()).enumerate() {
        let allowed = TOLERANCE * clear.abs().max(f64::from(range.high.max(-range.low)));
        let name = names[accepted[at / CLASSES]];
        assert!((f64::from(*private) - clear).abs() <= allowed, "{name}: {private} where {clear} is right");
    }
}
