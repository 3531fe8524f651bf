//! Which networks are planned, how, and what is computed of one.

use veilbench_api::Backend;
use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_ckks_inference::{Ckks, CkksClientAided};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Metadata, Network, Op, Parameters, Polynomial, Range, Shape, Window,
    zoo,
};

use crate::fixture::*;

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
        inputs: Vec::new(),
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
    // A deep network has a layout of its own.
    for name in zoo::names().filter(|name| name.ends_with("-poly") && !name.starts_with("cifar")) {
        let architecture = zoo::load(name).unwrap().architecture;
        let layout = |batch| Ckks.plan(&architecture, &job(batch)).unwrap().parameters["layout"].clone();
        assert_eq!((layout(1), layout(4096)), ("latency".into(), "throughput".into()), "{name}");
    }
}

#[test]
fn a_trace_compares_every_layer_with_the_clear_network() {
    let network = polynomial();
    let trace = Ckks.insecure_debug_trace(&network, &test_networks::images(&network, 1, 5)).unwrap().unwrap();
    let layers = trace["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        assert!(layer["precision_bits"].as_f64().unwrap() > 12.0, "{layer}");
    }
    assert!(trace["largest_logit_error"].as_f64().unwrap() < 1.0 / 256.0);
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
        layers.push(Layer { range, ..Layer::new(format!("conv{index}"), Op::Conv2d(convolution), output) });
        let square = Op::Polynomial(Polynomial { channels: 2, degree: 2 });
        layers.push(Layer { range, ..Layer::new(format!("act{index}"), square, output) });
    }
    let outputs = 2 * size * size;
    layers.push(Layer { range, ..Layer::new("flatten", Op::Flatten, Shape::Flat(outputs)) });
    let dense = Op::Dense(Dense { inputs: outputs, outputs: 2 });
    layers.push(Layer { range, ..Layer::new("fc", dense, Shape::Flat(2)) });
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
    let images = test_networks::images(&network, 1, 6);
    let expected = evaluate::<f64>(&network, &images).unwrap();
    let done = LocalSession::new(&Ckks, &network, 1).run(&[images]).unwrap();
    let logits: Vec<_> = done.iter().flat_map(|outcome| &outcome.logits).collect();
    assert_eq!(logits.len(), 1);
    for (private, clear) in logits[0].data().iter().zip(expected.data()) {
        assert!((f64::from(*private) - clear).abs() < 1.0 / 256.0, "{private} {clear}");
    }
}
