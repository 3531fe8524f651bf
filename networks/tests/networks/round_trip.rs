//! What is exported is imported again exactly, and tract computes the same from it.

use crate::support::{difference, images, networks};
use proptest::prelude::*;
use veilbench_networks::evaluate::{evaluate, ranges, trace};
use veilbench_networks::zoo::{
    Activation, cifar_resnet20, malaria_cnn, melanoma_lenet, mnist_cnn, mnist_mlp, untrained,
};
use veilbench_networks::{Parameters, Reference, Tensor, export, import};

const FORMS: [Activation; 2] = [Activation::Relu, Activation::Polynomial { degree: 2 }];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_networks_survive_export_and_import_bit_for_bit(network in networks()) {
        let bytes = export::to_bytes(&network).unwrap();
        let imported = import::parse(&bytes, "random.onnx").unwrap();
        prop_assert_eq!(&imported, &network);
        prop_assert_eq!(export::to_bytes(&imported).unwrap(), bytes);
    }

    #[test]
    fn tract_agrees_on_random_networks(network in networks()) {
        let images = images(3, network.architecture.input);
        let ours: Tensor = evaluate(&network, &images).unwrap();
        let theirs = Reference::new(&network).unwrap().logits(&images).unwrap();
        prop_assert_eq!(ours.shape(), theirs.shape());
        let difference = difference(ours.data(), theirs.data());
        prop_assert!(difference < 1e-4, "{difference}");
    }
}

#[test]
fn tract_agrees_on_the_reference_networks() {
    for build in [mnist_mlp, mnist_cnn, malaria_cnn, melanoma_lenet, cifar_resnet20] {
        for form in FORMS {
            let network = untrained(build(form), 1);
            let images = images(3, network.architecture.input);
            let ours: Tensor = evaluate(&network, &images).unwrap();
            let theirs = Reference::new(&network).unwrap().logits(&images).unwrap();
            let difference = difference(ours.data(), theirs.data());
            assert!(difference < 1e-5, "{}: {difference}", network.architecture.name);
        }
    }
}

#[test]
fn residual_networks_survive_export_and_import_bit_for_bit() {
    for form in FORMS {
        let network = untrained(cifar_resnet20(form), 5);
        let bytes = export::to_bytes(&network).unwrap();
        assert!(bytes.len() < 2_000_000, "{} bytes", bytes.len());
        assert_eq!(import::parse(&bytes, "residual.onnx").unwrap(), network);
    }
}

#[test]
fn single_and_double_precision_differ_by_rounding_alone() {
    for form in FORMS {
        let network = untrained(malaria_cnn(form), 2);
        let images = images(2, network.architecture.input);
        let single = evaluate::<f32>(&network, &images).unwrap();
        let double = evaluate::<f64>(&network, &images).unwrap();
        let rounded: Vec<f32> = double.data().iter().map(|&value| value as f32).collect();
        let difference = difference(&rounded, single.data());
        assert!(difference > 0.0 && difference < 1e-5, "{difference}");
    }
}

#[test]
fn the_trace_ends_in_the_logits_and_stays_within_the_ranges() {
    let mut network = untrained(mnist_cnn(FORMS[1]), 3);
    let images = images(5, network.architecture.input);
    ranges(&mut network, &images).unwrap();
    let trace = trace::<f32>(&network, &images).unwrap();
    assert_eq!(trace.last().unwrap(), &evaluate::<f32>(&network, &images).unwrap());
    for (layer, output) in network.architecture.layers.iter().zip(&trace) {
        assert_eq!(output.shape(), layer.output);
        let range = layer.range.unwrap();
        let low = output.data().iter().copied().fold(f32::INFINITY, f32::min);
        let high = output.data().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!((range.low, range.high), (low, high), "{}", layer.name);
    }
    assert_eq!(network.check(), Ok(()));
}

#[test]
fn a_file_is_written_and_read() {
    let network = untrained(mnist_mlp(FORMS[1]), 4);
    let path = std::env::temp_dir().join(format!("veilbench-round-trip-{}.onnx", std::process::id()));
    export::write(&network, &path).unwrap();
    let read = import::read(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), network);
    let missing = import::read(&path).unwrap_err().to_string();
    assert!(missing.contains("veilbench-round-trip"), "{missing}");
}

#[test]
fn weights_that_are_not_finite_are_not_exported() {
    let mut network = untrained(mnist_mlp(FORMS[0]), 5);
    let Parameters::Affine { weights, .. } = &mut network.parameters[1] else { panic!("fc1 is dense") };
    weights[3] = f32::NAN;
    let error = export::to_bytes(&network).unwrap_err().to_string();
    assert!(error.contains("\"fc1\"") && error.contains("finite"), "{error}");
}

#[test]
fn images_of_another_shape_are_refused() {
    let network = untrained(mnist_mlp(FORMS[0]), 6);
    let images = images(1, malaria_cnn(FORMS[0]).input);
    assert!(evaluate::<f32>(&network, &images).is_err());
    assert!(Reference::new(&network).unwrap().logits(&images).is_err());
}
