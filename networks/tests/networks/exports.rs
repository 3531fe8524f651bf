//! The bytes that onnx's checker and onnxruntime have accepted are still the bytes we write.

use crate::support::{append, images};
use veilbench_networks::evaluate::ranges;
use veilbench_networks::zoo::untrained;
use veilbench_networks::{
    Architecture, Conv2d, Dense, Network, Normalisation, Op, Polynomial, Shape, Window, export, import,
};

/// A small network with every operator and all metadata.
fn every_operator() -> Network {
    let input = Shape::Image { channels: 2, height: 12, width: 11 };
    let mut architecture =
        Architecture { name: "every-operator".into(), input, input_range: None, layers: Vec::new() };
    let window = |kernel, stride, padding| Window { kernel, stride, padding };
    let conv = Conv2d {
        inputs: 2,
        outputs: 4,
        groups: 2,
        dilation: [1, 2],
        window: window([3, 2], [1, 1], [1, 0, 2, 1]),
    };
    let ops = [
        Op::Conv2d(conv),
        Op::Polynomial(Polynomial { channels: 4, degree: 3 }),
        Op::AveragePool(window([2, 3], [2, 1], [1, 1, 0, 2])),
        Op::Relu,
        Op::MaxPool(window([2, 2], [2, 2], [0, 1, 1, 0])),
        Op::Flatten,
        Op::Polynomial(Polynomial { channels: 96, degree: 1 }),
        Op::Dense(Dense { inputs: 96, outputs: 3 }),
    ];
    for op in ops {
        append(&mut architecture, op);
    }
    let mut network = untrained(architecture, 11);
    ranges(&mut network, &images(4, input)).unwrap();
    network.metadata.dataset = Some("made-up".into());
    network.metadata.classes = ["one", "two", "ü \"three\""].map(str::to_owned).to_vec();
    network.metadata.normalisation =
        Some(Normalisation { mean: vec![0.1307, 0.5], deviation: vec![0.3081, 0.25] });
    network.metadata.notes.insert("seed".into(), "11".into());
    network
}

#[test]
fn the_export_is_the_one_that_was_validated() {
    let bytes = export::to_bytes(&every_operator()).unwrap();
    let validated: &[u8] = include_bytes!("../fixtures/exported-every-operator.onnx");
    if bytes != validated {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/exported-every-operator.onnx");
        std::fs::write(path, &bytes).unwrap();
        panic!("the export has changed: move {path} to tests/fixtures and run `make.py exports` there");
    }
}

#[test]
fn the_validated_export_is_read_back_with_everything_in_it() {
    let validated = include_bytes!("../fixtures/exported-every-operator.onnx");
    assert_eq!(import::parse(validated, "exported.onnx").unwrap(), every_operator());
}
