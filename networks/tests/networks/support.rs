//! What several tests need: image values, random networks, and a measure of disagreement.

use proptest::prelude::*;
use veilbench_networks::zoo::untrained;
use veilbench_networks::{
    ActivationKind, Architecture, Conv2d, Dense, Layer, Network, Normalisation, Op, Polynomial, Range, Shape,
    Source, Tensor, Window,
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

/// Networks of up to eight random layers and joins on a small image, with ranges and metadata.
pub(crate) fn networks() -> impl Strategy<Value = Network> {
    let image = (1..4_usize, 3..9_usize, 3..9_usize);
    let layers = proptest::collection::vec((0..11_u8, any::<[u8; 8]>()), 1..9);
    (image, layers, any::<u64>()).prop_map(|((channels, height, width), choices, seed)| {
        let input = Shape::Image { channels, height, width };
        let mut architecture =
            Architecture { name: "random".into(), input, input_range: None, layers: Vec::new() };
        for (kind, random) in choices {
            let random = random.map(usize::from);
            let joins = kind > 8 && branch(&mut architecture, kind == 9, random);
            if !joins {
                let op = op(kind, architecture.output(), random);
                append(&mut architecture, op);
            }
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
        (7.., _) => Op::Activation(activation(random[0], channels)),
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

/// Every kind of activation, and some of its parameters.
pub(crate) fn activation(random: usize, channels: usize) -> ActivationKind {
    let value = (random / 16) as f32 / 7.0 - 0.5;
    match random % 16 {
        0 => ActivationKind::Clip { low: 0.0, high: 6.0 },
        1 => ActivationKind::Clip { low: value, high: value + 1.0 },
        2 => ActivationKind::Clip { low: f32::MIN, high: value },
        3 => ActivationKind::LeakyRelu { slope: value },
        4 => ActivationKind::PRelu { channels },
        5 => ActivationKind::Elu { alpha: value },
        6 => ActivationKind::Selu { alpha: 1.67, gamma: value },
        7 => ActivationKind::HardSigmoid { slope: value, offset: 0.5 },
        8 => ActivationKind::HardSwish,
        9 => ActivationKind::Sigmoid,
        10 => ActivationKind::Tanh,
        11 => ActivationKind::Silu,
        12 => ActivationKind::Gelu,
        13 => ActivationKind::GeluTanh,
        14 => ActivationKind::Mish,
        _ => ActivationKind::Softplus,
    }
}

/// Joins the last layer with an earlier one, straight or through an activation; false if none fits.
fn branch(architecture: &mut Architecture, adds: bool, random: [usize; 8]) -> bool {
    let Some(last) = architecture.layers.len().checked_sub(1) else { return false };
    let shape = architecture.output();
    let size = |shape| match shape {
        Shape::Image { height, width, .. } => Some([height, width]),
        Shape::Flat(_) => None,
    };
    let fits = |&source: &Source| {
        let other = architecture.shape_of(source).unwrap();
        if adds { other == shape } else { size(other) == size(shape) && other.len() + shape.len() < 4000 }
    };
    let earlier = std::iter::once(Source::Image).chain((0..last).map(Source::Layer));
    let earlier: Vec<Source> = earlier.filter(fits).collect();
    if earlier.is_empty() {
        return false;
    }
    let mut other = earlier[random[0] % earlier.len()];
    let mut of_other = architecture.shape_of(other).unwrap();
    if random[1].is_multiple_of(2) {
        let kind = activation(random[2], of_other.channels());
        let name = format!("layer{}", last + 1);
        architecture.layers.push(Layer::new(name, Op::Activation(kind), of_other).reading([other]));
        other = Source::Layer(last + 1);
    }
    let output = match (&mut of_other, shape) {
        _ if adds => shape,
        (Shape::Image { channels, .. }, Shape::Image { channels: own, .. }) => {
            *channels += own;
            of_other
        }
        _ => Shape::Flat(of_other.len() + shape.len()),
    };
    let mut inputs = vec![Source::Layer(last), other];
    if random[3].is_multiple_of(2) {
        inputs.reverse();
    }
    let name = format!("layer{}", architecture.layers.len());
    let op = if adds { Op::Add } else { Op::Concat };
    architecture.layers.push(Layer::new(name, op, output).reading(inputs));
    true
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
    architecture.layers.push(Layer::new(name, op, output));
}
