//! What several tests need: image values, random networks, and a measure of disagreement.

use proptest::prelude::*;
use veilbench_networks::zoo::untrained;
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Network, Normalisation, Op, Polynomial, Range, Shape, Tensor, Window,
};

/// Values in -1..1 by the formula of `fixtures/make.py`.
pub(crate) fn images(count: usize, shape: Shape) -> Tensor {
    let value = |index: usize| ((index * 7919 + 13) % 1009) as f64 / 504.5 - 1.0;
    let values = (0..count * shape.len()).map(|index| value(index) as f32).collect();
    Tensor::new(count, shape, values).unwrap()
}

/// Largest difference, relative where values are beyond 1.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f32::max)
}

/// Networks of up to eight random layers on a small image, with ranges and metadata.
pub(crate) fn networks() -> impl Strategy<Value = Network> {
    let image = (1..4_usize, 3..9_usize, 3..9_usize);
    let layers = proptest::collection::vec((0..7_u8, any::<[u8; 8]>()), 1..9);
    (image, layers, any::<u64>()).prop_map(|((channels, height, width), choices, seed)| {
        let input = Shape::Image { channels, height, width };
        let mut architecture =
            Architecture { name: "random".into(), input, input_range: None, layers: Vec::new() };
        for (kind, random) in choices {
            let op = op(kind, architecture.output(), random.map(usize::from));
            append(&mut architecture, op);
        }
        let range = Range { low: -(seed as f32) / 3.0, high: (seed as f32) / 7.0 };
        architecture.input_range = Some(range);
        architecture.layers[0].range = Some(range);
        let mut network = untrained(architecture, seed);
        network.metadata.dataset = (seed % 2 == 0).then(|| "mnist".into());
        let classes = network.architecture.classes();
        network.metadata.classes = (0..classes).map(|class| format!("class \"{class}\"")).collect();
        network.metadata.normalisation =
            Some(Normalisation { mean: vec![0.1307; channels], deviation: vec![0.3081; channels] });
        network.metadata.notes.insert("seed".into(), seed.to_string());
        network
    })
}

fn op(kind: u8, input: Shape, random: [usize; 8]) -> Op {
    let channels = input.channels();
    let polynomial = Op::Polynomial(Polynomial { channels, degree: 1 + random[0] % 4 });
    match (kind, input) {
        (0, _) => Op::Relu,
        (1, _) => polynomial,
        (2, Shape::Image { .. }) => Op::Flatten,
        (2 | 3, Shape::Flat(inputs)) => Op::Dense(Dense { inputs, outputs: 1 + random[0] % 12 }),
        (_, Shape::Image { height, width, .. }) => {
            let kernel = [1 + random[0] % 3.min(height), 1 + random[1] % 3.min(width)];
            let [top, left, bottom, right] = [0, 1, 2, 3].map(|side| random[2 + side] % kernel[side % 2]);
            let stride = [1 + random[6] % 2, 1 + random[7] % 2];
            let window = Window { kernel, stride, padding: [top, left, bottom, right] };
            match kind {
                4 => Op::AveragePool(window),
                5 => Op::MaxPool(window),
                _ => {
                    let groups = if random[0].is_multiple_of(2) { channels } else { 1 };
                    let outputs = groups * (1 + random[1] % 3);
                    Op::Conv2d(Conv2d { inputs: channels, outputs, groups, dilation: [1, 1], window })
                }
            }
        }
        (_, Shape::Flat(_)) => polynomial,
    }
}

pub(crate) fn append(architecture: &mut Architecture, op: Op) {
    let input = architecture.output();
    let output = match (op, input) {
        (Op::Dense(dense), _) => Shape::Flat(dense.outputs),
        (Op::Flatten, _) => Shape::Flat(input.len()),
        (Op::Conv2d(conv), Shape::Image { height, width, .. }) => {
            let [height, width] = conv.window.output(height, width, conv.dilation).unwrap();
            Shape::Image { channels: conv.outputs, height, width }
        }
        (Op::AveragePool(window) | Op::MaxPool(window), Shape::Image { channels, height, width }) => {
            let [height, width] = window.output(height, width, [1, 1]).unwrap();
            Shape::Image { channels, height, width }
        }
        _ => input,
    };
    let name = format!("layer{}", architecture.layers.len());
    architecture.layers.push(Layer { name, op, output, range: None });
}
