//! The bytes that onnx's checker and onnxruntime have accepted are still the bytes we write.

use crate::support::{activation, append, images};
use veilbench_networks::evaluate::ranges;
use veilbench_networks::zoo::untrained;
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Network, Normalisation, Op, Polynomial, Shape, Source, Window,
    export, import,
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

/// Every activation, a sum and a concatenation.
fn every_join() -> Network {
    let input = Shape::Image { channels: 3, height: 5, width: 4 };
    let mut architecture =
        Architecture { name: "every-join".into(), input, input_range: None, layers: Vec::new() };
    for kind in 0..16 {
        append(&mut architecture, Op::Activation(activation(kind + 80, 3)));
    }
    let joined = [Source::Layer(3), Source::Layer(15)];
    architecture.layers.push(Layer::new("sum", Op::Add, input).reading(joined));
    let doubled = Shape::Image { channels: 6, height: 5, width: 4 };
    let joined = [Source::Image, Source::Layer(16)];
    architecture.layers.push(Layer::new("both", Op::Concat, doubled).reading(joined));
    append(&mut architecture, Op::Flatten);
    append(&mut architecture, Op::Dense(Dense { inputs: 120, outputs: 3 }));
    let mut network = untrained(architecture, 12);
    ranges(&mut network, &images(4, input)).unwrap();
    network
}

#[test]
fn the_exports_are_those_that_were_validated() {
    let validated: [(&str, &[u8], Network); 2] = [
        ("every-operator", include_bytes!("../fixtures/exported-every-operator.onnx"), every_operator()),
        ("every-join", include_bytes!("../fixtures/exported-every-join.onnx"), every_join()),
    ];
    for (name, validated, network) in validated {
        let bytes = export::to_bytes(&network).unwrap();
        if bytes != validated {
            let path = format!("{}/exported-{name}.onnx", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&path, &bytes).unwrap();
            panic!("the export has changed: move {path} to tests/fixtures and run `make.py exports` there");
        }
    }
}

#[test]
fn the_validated_exports_are_read_back_with_everything_in_them() {
    let validated = include_bytes!("../fixtures/exported-every-operator.onnx");
    assert_eq!(import::parse(validated, "exported.onnx").unwrap(), every_operator());
    let validated = include_bytes!("../fixtures/exported-every-join.onnx");
    assert_eq!(import::parse(validated, "exported.onnx").unwrap(), every_join());
}
