//! The reference networks and a few that use everything else.

use veilbench_mpc::model::LayerParameters;
use veilbench_mpc::program::{Knots, Operation, Program};
use veilbench_mpc::random::Seed;
use veilbench_networks::{Conv2d, Shape, Window};

/// Numbers in -1..1.
pub(crate) fn uniform(count: usize, seed: u8) -> Vec<f32> {
    let words = Seed::from_bytes([seed; 16]).stream(0).words(count);
    words.into_iter().map(|word| (word as i64 as f64 / 63f64.exp2()) as f32).collect()
}

fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Operation {
    let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [0; 4] };
    Operation::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1, 1], window })
}

/// A convolution whose output has the size of its input.
fn same(inputs: usize, outputs: usize, kernel: usize) -> Operation {
    let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [kernel / 2; 4] };
    Operation::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1, 1], window })
}

/// A function of one value, made of lines that meet at three knots.
pub(crate) fn bent(channels: usize, is_bounded: bool) -> [Operation; 3] {
    let knots = Knots::new(&[-3072, 0, 4096], is_bounded).unwrap();
    let window = Window::tiles(1);
    let together =
        Conv2d { inputs: 3 * channels, outputs: channels, groups: channels, dilation: [1, 1], window };
    [Operation::Spread(knots), Operation::Relu, Operation::Conv2d(together)]
}

pub(crate) fn program(name: &str) -> Program {
    let dense = |outputs| Operation::Dense { outputs };
    let average = Operation::AveragePool(Window::tiles(2));
    let (name, act) = match name.strip_suffix("-poly") {
        Some(name) => (name, Operation::Quadratic),
        None => (name, Operation::Relu),
    };
    let (input, layers) = match name {
        "mnist-mlp" => {
            (Shape::image(1, 28, 28), vec![Operation::Flatten, dense(128), act, dense(128), act, dense(10)])
        }
        "mnist-cnn" => (
            Shape::image(1, 28, 28),
            vec![conv(1, 5, 5, 2), act, average, Operation::Flatten, dense(100), act, dense(10)],
        ),
        "malaria-cnn" => (
            Shape::image(3, 32, 32),
            vec![
                conv(3, 36, 5, 1),
                act,
                average,
                conv(36, 36, 5, 1),
                act,
                average,
                Operation::Flatten,
                dense(72),
                act,
                dense(2),
            ],
        ),
        "max-pools" => (
            Shape::image(2, 11, 11),
            vec![
                conv(2, 4, 3, 1),
                Operation::Relu,
                Operation::MaxPool(Window { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 0, 0] }),
                Operation::Conv2d(Conv2d {
                    inputs: 4,
                    outputs: 4,
                    groups: 2,
                    dilation: [2, 1],
                    window: Window { kernel: [2, 3], stride: [1, 1], padding: [0, 1, 0, 1] },
                }),
                Operation::MaxPool(Window::tiles(1)),
                Operation::MaxPool(Window::tiles(2)),
                dense(7),
                dense(5),
                average_of_one(),
                act,
            ],
        ),
        "no-activation" => (Shape::image(1, 6, 6), vec![conv(1, 3, 3, 1), average, dense(4), dense(3)]),
        "relu-10000" => (Shape::image(1, 100, 100), vec![conv(1, 1, 1, 1), act]),
        "ends-in-a-pool" => {
            (Shape::image(1, 8, 8), vec![conv(1, 3, 3, 1), act, Operation::SumPool(Window::tiles(6))])
        }
        "smooth" => {
            let [first, second] = [bent(4, false), bent(5, true)];
            let layers = [&[conv(2, 4, 3, 1)][..], &first, &[average, dense(5)], &second, &[dense(3)]];
            (Shape::image(2, 6, 6), layers.concat())
        }
        "residual" => (
            Shape::image(2, 6, 6),
            vec![
                same(2, 4, 3),
                act,
                Operation::Keep,
                same(4, 4, 3),
                Operation::Add(0),
                Operation::Keep,
                act,
                same(4, 4, 1),
                Operation::Add(1),
                Operation::Hold,
                Operation::Concat(0),
                same(8, 3, 3),
                act,
                Operation::Keep,
                Operation::Recall(0),
                same(4, 3, 1),
                Operation::Add(2),
                Operation::Flatten,
                dense(5),
                Operation::Keep,
                Operation::Recall(1),
                dense(5),
                Operation::Add(3),
            ],
        ),
        _ => panic!("no network {name}"),
    };
    Program { input, operations: layers, magnitudes: Vec::new() }
}

fn average_of_one() -> Operation {
    Operation::AveragePool(Window::tiles(1))
}

/// Weights of the size that training starts from.
pub(crate) fn parameters(program: &Program, seed: u8) -> Vec<LayerParameters> {
    let mut input = program.input;
    let shapes = program.shapes().unwrap();
    let mut parameters = Vec::new();
    for (index, (layer, output)) in program.operations.iter().zip(shapes).enumerate() {
        let seed = seed + 3 * index as u8;
        let affine = |outputs: usize, inputs: usize| {
            let scale = (3.0 / inputs as f32).sqrt();
            let weights = uniform(outputs * inputs, seed).into_iter().map(|w| scale * w).collect();
            LayerParameters::Affine { weights, bias: uniform(outputs, seed + 1) }
        };
        parameters.push(match layer {
            Operation::Dense { outputs } => affine(*outputs, input.len()),
            Operation::Conv2d(conv) => affine(conv.outputs, conv.inputs / conv.groups * conv.window.area()),
            Operation::Quadratic => LayerParameters::Quadratic {
                a: uniform(input.channels(), seed).into_iter().map(|a| 0.1 * a).collect(),
                b: uniform(input.channels(), seed + 1).into_iter().map(|b| 0.5 + 0.1 * b).collect(),
                c: uniform(input.channels(), seed + 2),
            },
            _ => LayerParameters::None,
        });
        input = output;
    }
    parameters
}
