//! Graphs in slots: what they compute is what the oracle computes, and what they cannot is refused by layer.

use super::*;
use crate::deep::simulator::oracle;
use std::path::Path;
use veilbench_networks::evaluate::ranges;
use veilbench_networks::zoo::{self, Activation, Order};
use veilbench_networks::{Network, Range, Tensor, import};

const POLYNOMIAL: Activation = Activation::Polynomial { degree: 2 };

/// Pixels within -1 to 1.
fn images(count: usize, shape: Shape) -> Tensor {
    let value = |index: usize| ((index * 7919 + 13) % 1009) as f64 / 504.5 - 1.0;
    let values = (0..count * shape.len()).map(|index| value(index) as f32).collect();
    Tensor::new(count, shape, values).expect("as many values as the shape has")
}

/// A network with random weights, and ranges of what images make of them.
fn calibrated(architecture: Architecture) -> Network {
    let mut network = zoo::untrained(architecture, 11);
    let calibration = images(4, network.architecture.input);
    ranges(&mut network, &calibration).expect("it is sound");
    network
}

fn fixture(name: &str) -> Network {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../networks/tests/fixtures");
    let mut network = import::read(&folder.join(format!("{name}.onnx"))).expect("it is a fixture");
    let calibration = images(40, network.architecture.input);
    ranges(&mut network, &calibration).expect("it is sound");
    network
}

#[test]
fn a_resnet_20_takes_39_levels_and_is_equal_to_the_oracle_in_slots() {
    let network = calibrated(zoo::cifar_resnet20(POLYNOMIAL));
    let counts = oracle::check(&network, &images(1, network.architecture.input));
    assert_eq!((counts.levels, counts.products), (39, 19));
    println!("{counts:?}");
    // 36 of the first convolution, 144, 392 and 900 of those of the three stages, 256 and 648 of the strided ones, and skips: with
    // imaginary slots, half as many.
    let convolutions = (36 + 6 * 144 + 256 + 5 * 392 + 648 + 5 * 900) / 2;
    assert!((convolutions..convolutions + 400).contains(&counts.diagonals), "{counts:?}");
    // In halves of a hoisted rotation.
    assert!(2 * counts.hoisted + 5 * counts.rotations < 2900, "{counts:?}");
}

#[test]
fn narrow_and_post_activation_residual_networks_are_equal_to_the_oracle_in_slots() {
    for order in [Order::PreActivation, Order::PostActivation] {
        let network = calibrated(zoo::residual("narrow", order, POLYNOMIAL, 4));
        let counts = oracle::check(&network, &images(1, network.architecture.input));
        assert_eq!(counts.levels, 39, "{order:?}");
    }
}

#[test]
fn images_side_by_side_are_equal_to_the_oracle_in_slots_for_the_rotations_of_one() {
    let network = calibrated(zoo::residual("narrow", Order::PreActivation, POLYNOMIAL, 4));
    let [one, two] = [1, 2]
        .map(|together| oracle::check_together(&network, &images(2, network.architecture.input), together));
    assert!(two.diagonals <= one.diagonals + 16, "{two:?} {one:?}");
    assert!(
        2 * two.hoisted + 5 * two.rotations <= 2 * one.hoisted + 5 * one.rotations + 32,
        "{two:?} {one:?}"
    );
}

#[test]
fn networks_that_ship_are_equal_to_the_oracle_in_slots() {
    for name in zoo::names().filter(|name| name.starts_with("mnist") && name.ends_with("-poly")) {
        let network = zoo::load(name).expect("it ships");
        oracle::check(&network, &images(2, network.architecture.input));
    }
}

#[test]
fn graphs_of_other_tools_are_lowered_or_refused_by_layer() {
    let mut lowered = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../networks/tests/fixtures");
    let files = std::fs::read_dir(folder).expect("fixtures are there");
    let mut names: Vec<String> = files
        .filter_map(|file| file.expect("it is listed").file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".onnx").map(str::to_owned))
        .filter(|name| !name.starts_with("refused"))
        .collect();
    names.sort();
    for name in names {
        let network = fixture(&name);
        match crate::deep::program::Program::new(&network.architecture, 1, 1, 10) {
            Ok(_) => {
                oracle::check(&network, &images(2, network.architecture.input));
                lowered.push(name);
            }
            Err(refused) => assert!(!refused.reason.is_empty()),
        }
    }
    for name in ["binary-pooled-13", "shuffle-as-arithmetic-17", "split-uneven-18", "square-mul-13"] {
        assert!(lowered.iter().any(|own| own == name), "{name} is not among {lowered:?}");
    }
}

#[test]
fn a_layer_that_is_neither_linear_nor_quadratic_is_refused_by_name() {
    let mut architecture = zoo::residual("relu", Order::PreActivation, Activation::Relu, 2);
    let range = Some(Range { low: -4.0, high: 4.0 });
    architecture.input_range = range;
    architecture.layers.iter_mut().for_each(|layer| layer.range = range);
    let refused = Deep::new(&architecture, 10).expect_err("it has ReLUs");
    assert_eq!(refused.layer.as_deref(), Some("stage1.block1.act1"));
    let mut architecture =
        zoo::residual("cubic", Order::PreActivation, Activation::Polynomial { degree: 3 }, 2);
    architecture.input_range = range;
    architecture.layers.iter_mut().for_each(|layer| layer.range = range);
    assert!(Deep::new(&architecture, 10).expect_err("it has cubics").reason.contains("degree 3"));
}

#[test]
fn a_layer_that_no_logit_depends_on_takes_no_level() {
    let image = Shape::Image { channels: 1, height: 2, width: 2 };
    let square = || Op::Polynomial(veilbench_networks::Polynomial { channels: 1, degree: 2 });
    let range = Some(Range { low: -1.0, high: 1.0 });
    let layer = |name: &str, op: Op, output: Shape| veilbench_networks::Layer {
        range,
        ..veilbench_networks::Layer::new(name, op, output)
    };
    let dense = Op::Dense(veilbench_networks::Dense { inputs: 4, outputs: 2 });
    let architecture = Architecture {
        name: "dead".into(),
        input: image,
        input_range: range,
        layers: vec![
            layer("dead1", square(), image),
            layer("dead2", square(), image),
            layer("flatten", Op::Flatten, Shape::Flat(4)).reading([Source::Image]),
            layer("fc", dense, Shape::Flat(2)),
        ],
    };
    assert_eq!(Deep::new(&architecture, 10).expect("it is linear").depth(), 1);
}
