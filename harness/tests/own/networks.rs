//! Networks of strangers: odd sizes, odd metadata, none at all. Each is measured rightly or refused with a remedy.

use std::fs;

use crate::bench::{Bench, Output};
use veilbench_networks::{
    Architecture, Dense, Layer, Metadata, Network, Normalisation, Op, Parameters, Polynomial, Range, Shape,
    Source, export, zoo,
};

/// A weight for every place: of both signs, without a pattern that an image has.
fn weight(at: usize) -> f32 {
    let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    mixed as f32 / (1u64 << 23) as f32 - 1.0
}

/// Dense layers of these widths with squares between them, without ranges or metadata.
fn squares(input: Shape, widths: &[usize], last_scale: f32) -> Network {
    let (mut layers, mut parameters) = (Vec::new(), Vec::new());
    let mut add = |op, width, of: Parameters| {
        layers.push(Layer::new(format!("l{}", layers.len()), op, Shape::Flat(width)));
        parameters.push(of);
    };
    let mut inputs = input.len();
    add(Op::Flatten, inputs, Parameters::None);
    for (at, &outputs) in widths.iter().enumerate() {
        let is_last = at + 1 == widths.len();
        let scale = if is_last { last_scale } else { 1.0 } / (inputs as f32).sqrt();
        let weights = (0..inputs * outputs).map(|place| scale * weight(place)).collect();
        add(
            Op::Dense(Dense { inputs, outputs }),
            outputs,
            Parameters::Affine { weights, bias: vec![0.0; outputs] },
        );
        if !is_last {
            let coefficients = (0..outputs).flat_map(|_| [0.0, 0.0, 1.0]).collect();
            let square = Polynomial { channels: outputs, degree: 2 };
            add(Op::Polynomial(square), outputs, Parameters::Polynomial { coefficients });
        }
        inputs = outputs;
    }
    let architecture = Architecture { name: "theirs".into(), input, input_range: None, layers };
    Network { architecture, parameters, metadata: Metadata::default() }
}

fn verify(network: &Network) -> Output {
    let bench = Bench::new();
    fs::write(bench.folder().join("theirs.onnx"), export::to_bytes(network).unwrap()).unwrap();
    bench.command(&[
        "verify",
        "--model",
        "theirs.onnx",
        "-n",
        "theirs",
        "--images",
        "12",
        "--batch",
        "12",
        "--no-odd",
    ])
}

const DIGIT: Shape = Shape::Image { channels: 1, height: 28, width: 28 };

#[test]
fn logits_of_a_millionth_agree_in_every_backend() {
    let output = verify(&squares(DIGIT, &[16, 10], 1e-6));
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    for backend in ["clear", "tee", "mpc", "mpc-fss", "mpc-beaver", "ckks"] {
        let line = output.stdout.lines().find(|line| line.contains(&format!(" {backend}/theirs/"))).unwrap();
        assert!(line.starts_with("ok") && line.contains("12/12 agree"), "{line}");
    }
}

#[test]
fn a_normalisation_within_the_first_layer_is_measured_under_assumptions_that_are_told() {
    let mut network = zoo::load("mnist-mlp").unwrap();
    let Normalisation { mean, deviation } = network.metadata.normalisation.take().unwrap();
    network.metadata = Metadata::default();
    network.architecture.input_range = None;
    network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
    let affine = network.parameters.iter_mut().find_map(|parameters| match parameters {
        Parameters::Affine { weights, bias } => Some((weights, bias)),
        _ => None,
    });
    let (weights, bias) = affine.unwrap();
    let inputs = weights.len() / bias.len();
    for (row, bias) in weights.chunks_exact_mut(inputs).zip(bias) {
        *bias -= row.iter().sum::<f32>() * mean[0] / deviation[0];
        row.iter_mut().for_each(|weight| *weight /= deviation[0]);
    }
    network.architecture.name = "theirs".into();
    let output = verify(&network);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("assumed: pixels from 0 to 1 without normalisation"), "{}", output.stderr);
    assert!(output.stderr.contains("assumed: data set mnist-sample"), "{}", output.stderr);
}

#[test]
fn a_data_set_is_guessed_by_shape_and_classes_or_not_at_all() {
    for (input, classes) in [
        (Shape::Image { channels: 3, height: 32, width: 32 }, 10),
        (Shape::Image { channels: 1, height: 64, width: 64 }, 2),
    ] {
        let output = verify(&squares(input, &[classes], 1.0));
        assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
        assert!(
            output.stdout.contains("which does not say of which data set; set `veilbench.dataset`"),
            "{}",
            output.stdout
        );
    }
}

#[test]
fn a_stated_range_that_cannot_be_true_is_refused_with_the_remedy() {
    let mut network = squares(DIGIT, &[16, 10], 1.0);
    network.metadata.dataset = Some("mnist".into());
    network.architecture.input_range = Some(Range { low: 0.0, high: 1.0 });
    for (layer, high) in network.architecture.layers.iter_mut().zip([1.0, 0.0, 80.0, 200.0]) {
        layer.range = Some(Range { low: 0.0, high });
    }
    let output = verify(&network);
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("state its lowest and highest value"), "{}", output.stdout);
}

#[test]
fn networks_of_no_data_set_are_planned_with_made_up_images() {
    let bench = Bench::new();
    let network = squares(Shape::Image { channels: 1, height: 20, width: 20 }, &[8, 3], 1.0);
    fs::write(bench.folder().join("theirs.onnx"), export::to_bytes(&network).unwrap()).unwrap();
    let output = bench.command(&["networks", "theirs.onnx"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains("made-up images"), "{}", output.stdout);
    for (backend, times) in [("mpc", " offline and online"), ("ckks", " online")] {
        let line = output.stdout.lines().find(|line| line.trim_start().starts_with(&format!("{backend} ")));
        assert!(line.is_some_and(|line| line.contains(times)), "{}", output.stdout);
    }
}

#[test]
fn what_reading_a_file_decided_is_said_when_it_is_measured() {
    let mut network = squares(DIGIT, &[16, 10], 1.0);
    network.metadata.notes.insert("import.ignored_outputs".into(), "features".into());
    let output = verify(&network);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("assumed: import.ignored_outputs: features"), "{}", output.stderr);
}

/// A graph, for which `ckks` draws noise: what two dense layers give is added. The rows of its last layer differ by this share of one.
fn graph(input: Shape, apart: f32) -> Network {
    let mut network = squares(input, &[16, 16, 10], 1.0);
    let join = Layer::new("join", Op::Add, Shape::Flat(16)).reading([Source::Layer(3), Source::Layer(1)]);
    network.architecture.layers.insert(4, join);
    network.parameters.insert(4, Parameters::None);
    if let Some(Parameters::Affine { weights, .. }) = network.parameters.last_mut() {
        let (first, width) = (weights[..16].to_vec(), weights.len() / 16);
        for (row, weights) in weights.chunks_exact_mut(16).enumerate() {
            let by = 1.0 + apart * (row as f32 / width as f32 - 0.5);
            weights.iter_mut().zip(&first).for_each(|(weight, first)| *weight = by * first);
        }
    }
    network
}

#[test]
fn what_noise_makes_useless_is_refused_before_it_is_run_in_the_same_words() {
    let bench = Bench::new();
    fs::write(bench.folder().join("theirs.onnx"), export::to_bytes(&graph(DIGIT, 1e-6)).unwrap()).unwrap();
    let list =
        bench.command(&["list", "-b", "ckks", "--batch", "1", "--model", "theirs.onnx", "-n", "theirs"]);
    let reason = list.stdout.lines().find_map(|line| line.split_once("unsupported: "));
    let reason = reason.unwrap_or_else(|| panic!("{}{}", list.stdout, list.stderr)).1;
    assert!(reason.starts_with("noise, drawn for 32 image(s)"), "{reason}");
    let plan = bench.command(&["plan", "theirs.onnx", "-b", "ckks"]);
    assert_eq!(plan.code, 1, "{}{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains(&format!("not possible: {reason}\n")), "{reason}: {}", plan.stdout);
    assert!(plan.stdout.contains("layout: deep"), "what was planned is shown all the same: {}", plan.stdout);
    let networks = bench.command(&["networks", "theirs.onnx"]).stdout;
    let ckks = networks.lines().find(|line| line.trim_start().starts_with("ckks ")).unwrap();
    assert!(ckks.ends_with(&format!("not possible: {reason}")), "{reason}: {ckks}");
}

#[test]
fn precision_that_images_decide_is_shown_or_said_to_be_open() {
    let bench = Bench::new();
    fs::write(bench.folder().join("theirs.onnx"), export::to_bytes(&graph(DIGIT, 2.0)).unwrap()).unwrap();
    let plan = bench.command(&["plan", "theirs.onnx", "-b", "ckks"]);
    assert_eq!(plan.code, 0, "{}{}", plan.stdout, plan.stderr);
    let drawn = "  precision: noise, drawn for 32 test images of mnist-sample, takes a logit up to ";
    assert!(plan.stdout.contains(drawn), "{}", plan.stdout);
    // A network of no data set, without images of its user's.
    let square = Shape::Image { channels: 1, height: 20, width: 20 };
    fs::write(bench.folder().join("other.onnx"), export::to_bytes(&graph(square, 2.0)).unwrap()).unwrap();
    let networks = bench.command(&["networks", "other.onnx"]).stdout;
    let ckks = networks.lines().find(|line| line.trim_start().starts_with("ckks ")).unwrap();
    for said in [" online, ", "is decided when it is run", "name images of your own with --data"] {
        assert!(ckks.contains(said), "{said}: {ckks}");
    }
}
