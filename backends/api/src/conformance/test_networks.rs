//! Small networks and images for checks: deterministic, random weights.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use veilbench_networks::{
    ActivationKind, Architecture, Conv2d, Dense, Layer, Metadata, Network, Op, Parameters, Polynomial, Range,
    Shape, Source, Tensor, Window,
};

use crate::{Backend, Job, LinkProfile};

/// Returns every kind of layer, in networks of a few hundred weights.
pub fn all() -> Vec<Network> {
    let image = Shape::Image { channels: 2, height: 9, width: 9 };
    let window = |size, stride| Window { kernel: [size; 2], stride: [stride; 2], padding: [0; 4] };
    let conv = |inputs, outputs, size, stride| {
        Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window: window(size, stride) })
    };
    let dense = |inputs, outputs| Op::Dense(Dense { inputs, outputs });
    let quadratic = |channels| Op::Polynomial(Polynomial { channels, degree: 2 });
    vec![
        test_network("dense-relu", Shape::Flat(20), &[dense(20, 12), Op::Relu, dense(12, 4)]),
        test_network("dense-poly", Shape::Flat(20), &[dense(20, 12), quadratic(12), dense(12, 4)]),
        test_network(
            "conv-average-relu",
            image,
            &[conv(2, 3, 3, 1), Op::Relu, Op::AveragePool(window(2, 2)), Op::Flatten, dense(27, 3)],
        ),
        test_network(
            "conv-average-poly",
            image,
            &[conv(2, 3, 2, 1), quadratic(3), Op::AveragePool(window(2, 2)), Op::Flatten, dense(48, 3)],
        ),
        test_network(
            "conv-max-relu",
            image,
            &[conv(2, 4, 3, 2), Op::Relu, Op::MaxPool(window(2, 2)), Op::Flatten, dense(16, 2)],
        ),
        test_network(
            "conv-piecewise",
            image,
            &[
                conv(2, 3, 3, 2),
                Op::Activation(ActivationKind::Clip { low: 0.0, high: 0.5 }),
                Op::Flatten,
                dense(48, 8),
                Op::Activation(ActivationKind::PRelu { channels: 8 }),
                dense(8, 3),
            ],
        ),
        residual("residual", image, &[conv(2, 2, 3, 2), Op::Relu]),
        residual("residual-poly", image, &[conv(2, 2, 3, 2), quadratic(2)]),
    ]
}

/// Two layers of one shape, their sum, the sum beside the first, and a dense layer.
fn residual(name: &str, input: Shape, ops: &[Op; 2]) -> Network {
    let start = test_network(name, input, ops);
    let shape = start.architecture.output();
    let Shape::Image { channels, height, width } = shape else { unreachable!("joins are of images") };
    let both = Shape::Image { channels: 2 * channels, height, width };
    let end = test_network(name, both, &[Op::Flatten, Op::Dense(Dense { inputs: both.len(), outputs: 3 })]);
    let range = Some(Range { low: -8.0, high: 8.0 });
    let join = |name: &str, op, output, inputs: [Source; 2]| Layer {
        range,
        ..Layer::new(name, op, output).reading(inputs)
    };
    let mut network = start;
    let layers = &mut network.architecture.layers;
    layers.push(join("sum", Op::Add, shape, [Source::Layer(0), Source::Layer(1)]));
    layers.push(join("both", Op::Concat, both, [Source::Layer(2), Source::Layer(0)]));
    for layer in end.architecture.layers {
        layers.push(Layer { name: format!("layer{}", layers.len()), ..layer });
    }
    network.parameters.extend([Parameters::None, Parameters::None]);
    network.parameters.extend(end.parameters);
    network
}

/// Returns the first test network `backend` supports with batches of `batch`.
pub fn supported(backend: &dyn Backend, batch: usize) -> Option<Network> {
    let job = Job::new(batch, 1, LinkProfile::loopback());
    all().into_iter().find(|network| backend.plan(&network.architecture, &job).is_ok())
}

/// Returns `count` random images for `network`, in its calibrated input range.
pub fn images(network: &Network, count: usize, seed: u64) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let shape = network.architecture.input;
    let values = (0..count * shape.len()).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::new(count, shape, values).expect("as many values as the shape has")
}

/// Returns a network of these layers, one after another, with random weights.
///
/// # Panics
/// If a layer does not fit the shape before it.
pub fn test_network(name: &str, input: Shape, ops: &[Op]) -> Network {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut draw = |count: usize, fan_in: usize| -> Vec<f32> {
        let bound = 1.0 / (fan_in as f32).sqrt();
        (0..count).map(|_| random.random_range(-bound..bound)).collect()
    };
    let (mut shape, mut layers, mut parameters) = (input, Vec::new(), Vec::new());
    for (index, &op) in ops.iter().enumerate() {
        let pooled = |window: Window| match shape {
            Shape::Image { channels, height, width } => {
                let [height, width] = window.output(height, width, [1; 2]).expect("windows fit");
                Shape::Image { channels, height, width }
            }
            Shape::Flat(_) => unreachable!("pools get images"),
        };
        let (output, weights) = match op {
            Op::Dense(Dense { inputs, outputs }) => (
                Shape::Flat(outputs),
                Parameters::Affine { weights: draw(inputs * outputs, inputs), bias: draw(outputs, inputs) },
            ),
            Op::Conv2d(conv) => {
                let fan_in = conv.inputs * conv.window.kernel[0] * conv.window.kernel[1];
                let weights = draw(conv.outputs * fan_in, fan_in);
                let Shape::Image { height, width, .. } = pooled(conv.window) else {
                    unreachable!("an image")
                };
                (
                    Shape::Image { channels: conv.outputs, height, width },
                    Parameters::Affine { weights, bias: draw(conv.outputs, fan_in) },
                )
            }
            Op::AveragePool(window) | Op::MaxPool(window) => (pooled(window), Parameters::None),
            Op::Polynomial(Polynomial { channels, degree }) => {
                (shape, Parameters::Polynomial { coefficients: draw(channels * (degree + 1), 4) })
            }
            Op::Activation(ActivationKind::PRelu { channels }) => {
                (shape, Parameters::Slopes { slopes: draw(channels, 4) })
            }
            Op::Flatten => (Shape::Flat(shape.len()), Parameters::None),
            _ => (shape, Parameters::None),
        };
        let range = Some(Range { low: -8.0, high: 8.0 });
        layers.push(Layer { range, ..Layer::new(format!("layer{index}"), op, output) });
        parameters.push(weights);
        shape = output;
    }
    let architecture =
        Architecture { name: name.into(), input, input_range: Some(Range { low: -1.0, high: 1.0 }), layers };
    Network { architecture, parameters, metadata: Metadata::default() }
}
