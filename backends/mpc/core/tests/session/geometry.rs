//! The reference networks and a few that use everything else.

use veilbench_mpc::model::LayerParameters;
use veilbench_mpc::network::{Architecture, Conv2d, Knots, Layer, Shape, Window};
use veilbench_mpc::random::Seed;

/// Numbers in -1..1.
pub(crate) fn uniform(count: usize, seed: u8) -> Vec<f32> {
    let words = Seed::from_bytes([seed; 16]).stream(0).words(count);
    words.into_iter().map(|word| (word as i64 as f64 / 63f64.exp2()) as f32).collect()
}

fn conv(outputs: usize, kernel: usize, stride: usize) -> Layer {
    let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [0; 4] };
    Layer::Conv2d(Conv2d { outputs, groups: 1, dilation: [1, 1], window })
}

/// A convolution whose output has the size of its input.
fn same(outputs: usize, kernel: usize) -> Layer {
    let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [kernel / 2; 4] };
    Layer::Conv2d(Conv2d { outputs, groups: 1, dilation: [1, 1], window })
}

/// A function of one value, made of lines that meet at three knots.
pub(crate) fn bent(channels: usize, is_bounded: bool) -> [Layer; 3] {
    let knots = Knots::new(&[-3072, 0, 4096], is_bounded).unwrap();
    let window = Window::tiles(1);
    let together = Conv2d { outputs: channels, groups: channels, dilation: [1, 1], window };
    [Layer::Spread(knots), Layer::Relu, Layer::Conv2d(together)]
}

pub(crate) fn architecture(name: &str) -> Architecture {
    let dense = |outputs| Layer::Dense { outputs };
    let average = Layer::AveragePool(Window::tiles(2));
    let (name, act) = match name.strip_suffix("-poly") {
        Some(name) => (name, Layer::Quadratic),
        None => (name, Layer::Relu),
    };
    let (input, layers) = match name {
        "mnist-mlp" => {
            (Shape::image(1, 28, 28), vec![Layer::Flatten, dense(128), act, dense(128), act, dense(10)])
        }
        "mnist-cnn" => (
            Shape::image(1, 28, 28),
            vec![conv(5, 5, 2), act, average, Layer::Flatten, dense(100), act, dense(10)],
        ),
        "malaria-cnn" => (
            Shape::image(3, 32, 32),
            vec![
                conv(36, 5, 1),
                act,
                average,
                conv(36, 5, 1),
                act,
                average,
                Layer::Flatten,
                dense(72),
                act,
                dense(2),
            ],
        ),
        "max-pools" => (
            Shape::image(2, 11, 11),
            vec![
                conv(4, 3, 1),
                Layer::Relu,
                Layer::MaxPool(Window { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 0, 0] }),
                Layer::Conv2d(Conv2d {
                    outputs: 4,
                    groups: 2,
                    dilation: [2, 1],
                    window: Window { kernel: [2, 3], stride: [1, 1], padding: [0, 1, 0, 1] },
                }),
                Layer::MaxPool(Window::tiles(1)),
                Layer::MaxPool(Window::tiles(2)),
                dense(7),
                dense(5),
                average_of_one(),
                act,
            ],
        ),
        "no-activation" => (Shape::image(1, 6, 6), vec![conv(3, 3, 1), average, dense(4), dense(3)]),
        "relu-10000" => (Shape::image(1, 100, 100), vec![conv(1, 1, 1), act]),
        "ends-in-a-pool" => {
            (Shape::image(1, 8, 8), vec![conv(3, 3, 1), act, Layer::SumPool(Window::tiles(6))])
        }
        "smooth" => {
            let [first, second] = [bent(4, false), bent(5, true)];
            let layers = [&[conv(4, 3, 1)][..], &first, &[average, dense(5)], &second, &[dense(3)]];
            (Shape::image(2, 6, 6), layers.concat())
        }
        "residual" => (
            Shape::image(2, 6, 6),
            vec![
                same(4, 3),
                act,
                Layer::Keep,
                same(4, 3),
                Layer::Add(0),
                Layer::Keep,
                act,
                same(4, 1),
                Layer::Add(1),
                Layer::Hold,
                Layer::Concat(0),
                same(3, 3),
                act,
                Layer::Keep,
                Layer::Recall(0),
                same(3, 1),
                Layer::Add(2),
                Layer::Flatten,
                dense(5),
                Layer::Keep,
                Layer::Recall(1),
                dense(5),
                Layer::Add(3),
            ],
        ),
        _ => panic!("no network {name}"),
    };
    Architecture { input, layers, magnitudes: Vec::new() }
}

fn average_of_one() -> Layer {
    Layer::AveragePool(Window::tiles(1))
}

/// Weights of the size that training starts from.
pub(crate) fn parameters(architecture: &Architecture, seed: u8) -> Vec<LayerParameters> {
    let mut input = architecture.input;
    let shapes = architecture.shapes().unwrap();
    let mut parameters = Vec::new();
    for (index, (layer, output)) in architecture.layers.iter().zip(shapes).enumerate() {
        let seed = seed + 3 * index as u8;
        let affine = |outputs: usize, inputs: usize| {
            let scale = (3.0 / inputs as f32).sqrt();
            let weights = uniform(outputs * inputs, seed).into_iter().map(|w| scale * w).collect();
            LayerParameters::Affine { weights, bias: uniform(outputs, seed + 1) }
        };
        parameters.push(match layer {
            Layer::Dense { outputs } => affine(*outputs, input.len()),
            Layer::Conv2d(conv) => affine(conv.outputs, input.channels / conv.groups * conv.window.area()),
            Layer::Quadratic => LayerParameters::Quadratic {
                a: uniform(input.channels, seed).into_iter().map(|a| 0.1 * a).collect(),
                b: uniform(input.channels, seed + 1).into_iter().map(|b| 0.5 + 0.1 * b).collect(),
                c: uniform(input.channels, seed + 2),
            },
            _ => LayerParameters::None,
        });
        input = output;
    }
    parameters
}
