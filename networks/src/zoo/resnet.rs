//! ResNet-20 on 32x32 images in two orders, without weights.
//!
//! With ReLU it is that of He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (CVPR 2016),
//! section 4.2, with option A shortcuts. Its polynomial twin has the same convolutions in pre-activation order (the
//! same authors, "Identity Mappings in Deep Residual Networks", ECCV 2016, figure 4e), every shortcut taken before
//! the activation: in the usual order the skip path itself would be squared nine times, and explode.

use super::Activation;
use crate::{Architecture, Conv2d, Dense, Layer, Op, Parameters, Polynomial, Shape, Source, Window};

/// Where the activations of a residual block stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Behind the first convolution and behind the sum.
    PostActivation,
    /// Before each convolution, so that nothing but sums lies on the skip path.
    PreActivation,
}

/// Channels of the first stage of ResNet-20; each later stage has twice as many as the one before.
pub const WIDTH: usize = 16;
const STAGES: usize = 3;
const BLOCKS: usize = 3;
const CLASSES: usize = 10;
/// End of the names of option A shortcuts.
const SHORTCUT: &str = "shortcut";

/// ResNet-20 on 32x32x3: a convolution, three stages of three blocks of two 3x3 convolutions with 16, 32 and 64 channels,
/// global average pool, FC 10; 40.8 million multiply-accumulates. ReLU: post-activation. Polynomial: pre-activation.
pub fn cifar_resnet20(activation: Activation) -> Architecture {
    match activation {
        Activation::Relu => residual("cifar-resnet20", Order::PostActivation, activation, WIDTH),
        Activation::Polynomial { .. } => {
            residual("cifar-resnet20-poly", Order::PreActivation, activation, WIDTH)
        }
    }
}

/// ResNet-20 in either order, with `width` channels in the first stage.
///
/// # Panics
/// If `width` is 0.
pub fn residual(name: &str, order: Order, activation: Activation, width: usize) -> Architecture {
    assert!(width > 0, "a network has channels");
    let input = Shape::Image { channels: 3, height: 32, width: 32 };
    let architecture = Architecture { name: name.into(), input, input_range: None, layers: Vec::new() };
    let mut graph = Graph { architecture, activation };
    let mut last = graph.conv("conv1".into(), Source::Image, width, 3, 1);
    if order == Order::PostActivation {
        last = graph.activation("act1".into(), last);
    }
    for stage in 0..STAGES {
        for block in 0..BLOCKS {
            let name = format!("stage{}.block{}", stage + 1, block + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            last = graph.block(&name, order, last, width << stage, stride);
        }
    }
    if order == Order::PreActivation {
        last = graph.activation("act1".into(), last);
    }
    let window = Window { kernel: [8, 8], stride: [8, 8], padding: [0; 4] };
    let pooled = graph.push("pool1".into(), Op::AveragePool(window), &[last]);
    let flat = graph.push("flatten".into(), Op::Flatten, &[pooled]);
    let dense = Dense { inputs: width << (STAGES - 1), outputs: CLASSES };
    graph.push("fc1".into(), Op::Dense(dense), &[flat]);
    graph.architecture
}

/// The parameters that the architecture itself fixes, and no training changes: those of an option A shortcut, which
/// takes every second pixel of its input's channels and leaves the further channels zero. `None` for any other layer.
pub fn fixed(layer: &Layer) -> Option<Parameters> {
    let Op::Conv2d(Conv2d { inputs, outputs, groups: 1, window: Window { kernel: [1, 1], .. }, .. }) =
        layer.op
    else {
        return None;
    };
    let is_shortcut = layer.name.rsplit('.').next() == Some(SHORTCUT);
    let weights = (0..outputs * inputs).map(|index| f32::from(index / inputs == index % inputs)).collect();
    is_shortcut.then(|| Parameters::Affine { weights, bias: vec![0.0; outputs] })
}

/// A graph under construction.
struct Graph {
    architecture: Architecture,
    activation: Activation,
}

impl Graph {
    fn block(&mut self, name: &str, order: Order, from: Source, outputs: usize, stride: usize) -> Source {
        let part = |part: &str| format!("{name}.{part}");
        let mut last = from;
        if order == Order::PreActivation {
            last = self.activation(part("act1"), last);
            last = self.conv(part("conv1"), last, outputs, 3, stride);
            last = self.activation(part("act2"), last);
        } else {
            last = self.conv(part("conv1"), last, outputs, 3, stride);
            last = self.activation(part("act1"), last);
        }
        last = self.conv(part("conv2"), last, outputs, 3, 1);
        let skip = if stride == 1 { from } else { self.conv(part(SHORTCUT), from, outputs, 1, stride) };
        last = self.push(part("add"), Op::Add, &[last, skip]);
        if order == Order::PostActivation { self.activation(part("act2"), last) } else { last }
    }

    fn conv(&mut self, name: String, from: Source, outputs: usize, kernel: usize, stride: usize) -> Source {
        let inputs = self.channels(from);
        let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [kernel / 2; 4] };
        self.push(name, Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1, 1], window }), &[from])
    }

    fn activation(&mut self, name: String, from: Source) -> Source {
        let channels = self.channels(from);
        let op = match self.activation {
            Activation::Relu => Op::Relu,
            Activation::Polynomial { degree } => Op::Polynomial(Polynomial { channels, degree }),
        };
        self.push(name, op, &[from])
    }

    fn channels(&self, source: Source) -> usize {
        self.architecture.shape_of(source).map_or(0, |shape| shape.channels())
    }

    fn push(&mut self, name: String, op: Op, inputs: &[Source]) -> Source {
        let shapes: Vec<Shape> =
            inputs.iter().filter_map(|&source| self.architecture.shape_of(source)).collect();
        let Ok(output) = op.output(&shapes, &name) else {
            unreachable!("the reference geometries are sound, and a test says so")
        };
        let index = self.architecture.layers.len();
        let layer = Layer::new(name, op, output);
        let is_chained = inputs == [Source::before(index)];
        self.architecture.layers.push(if is_chained { layer } else { layer.reading(inputs) });
        Source::Layer(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::untrained;

    const POLYNOMIAL: Activation = Activation::Polynomial { degree: 2 };

    #[test]
    fn both_orders_have_the_size_of_the_paper() {
        for activation in [Activation::Relu, POLYNOMIAL] {
            let network = cifar_resnet20(activation);
            assert_eq!(network.check(), Ok(()), "{}", network.name);
            assert_eq!(network.classes(), 10);
            assert_eq!(network.activations(), 188_416, "{}", network.name);
            let count = |is: fn(&Op) -> bool| network.layers.iter().filter(|layer| is(&layer.op)).count();
            // 19 convolutions of the paper and two shortcuts.
            assert_eq!(count(|op| matches!(op, Op::Conv2d(_))), 21);
            assert_eq!(count(|op| matches!(op, Op::Relu | Op::Polynomial(_))), 19);
            assert_eq!(count(|op| matches!(op, Op::Add)), 9);
            // 40,551,040 of the paper's layers, and the shortcuts' as convolutions.
            assert_eq!(network.macs(), 40_551_040 + 2 * 131_072);
        }
        // 267,696 weights and 688 biases of convolutions, 650 of the dense layer, and what shortcuts hold.
        let own = 267_696 + 688 + 650;
        assert_eq!(cifar_resnet20(Activation::Relu).parameters(), own + 16 * 32 + 32 + 32 * 64 + 64);
    }

    #[test]
    fn no_activation_lies_on_the_skip_path_of_the_polynomial_twin() {
        let network = cifar_resnet20(POLYNOMIAL);
        let sums = network.layers.iter().enumerate().filter(|(_, layer)| layer.op == Op::Add);
        for (index, sum) in sums {
            let mut skip = network.sources(index)[1];
            while let Source::Layer(layer) = skip {
                let op = network.layers[layer].op;
                assert!(matches!(op, Op::Conv2d(_) | Op::Add), "{} reads {op} on its way", sum.name);
                if op == Op::Add {
                    break;
                }
                skip = network.sources(layer)[0];
            }
        }
    }

    #[test]
    fn a_shortcut_takes_every_second_pixel_and_adds_empty_channels() {
        let network = untrained(residual("narrow", Order::PostActivation, Activation::Relu, 2), 3);
        let index = network.architecture.layers.iter().position(|l| l.name == "stage2.block1.shortcut");
        let index = index.expect("the second stage begins with one");
        let images =
            crate::Tensor::new(1, network.architecture.input, (0..3072).map(|v| v as f32 / 99.0).collect());
        let trace =
            crate::evaluate::trace::<f32>(&network, &images.expect("it is one image")).expect("it is sound");
        let Source::Layer(from) = network.architecture.sources(index)[0] else { panic!("it reads a layer") };
        let (before, after) = (trace[from].data(), trace[index].data());
        for (place, &value) in after.iter().enumerate() {
            let (channel, row, column) = (place / 256, place / 16 % 16, place % 16);
            let expected = if channel < 2 { before[channel * 1024 + 64 * row + 2 * column] } else { 0.0 };
            assert_eq!(value, expected, "{channel} {row} {column}");
        }
    }

    #[test]
    fn the_width_scales_every_layer() {
        let narrow = residual("narrow", Order::PreActivation, POLYNOMIAL, 8);
        assert_eq!(narrow.check(), Ok(()));
        assert_eq!(narrow.activations(), 188_416 / 2);
        assert_eq!(narrow.layers.len(), cifar_resnet20(POLYNOMIAL).layers.len());
    }
}
