//! The public half of a network: its layers, what they read and their shapes, without a single weight.

pub(crate) mod activation;
mod check;
mod cost;
mod graph;
mod output;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use activation::ActivationKind;
pub use check::{ArchitectureError, limits};
pub use graph::Source;

/// The shape of one image's activation; the batch is never part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `channels x height x width`, stored in that order.
    Image {
        /// Number of channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A vector of this many features.
    Flat(usize),
}

impl Shape {
    /// An image's.
    pub fn image(channels: usize, height: usize, width: usize) -> Self {
        Shape::Image { channels, height, width }
    }

    /// Number of values of one image, or `None` if it overflows: for shapes not checked yet.
    pub fn checked_len(&self) -> Option<usize> {
        match *self {
            Shape::Image { channels, height, width } => channels.checked_mul(height)?.checked_mul(width),
            Shape::Flat(features) => Some(features),
        }
    }

    /// Number of values of one image.
    pub fn len(&self) -> usize {
        match *self {
            Shape::Image { channels, height, width } => channels * height * width,
            Shape::Flat(features) => features,
        }
    }

    /// True if an activation of this shape holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Channels of an image, features of a vector: what a per-channel operator has one of each for.
    pub fn channels(&self) -> usize {
        match *self {
            Shape::Image { channels, .. } => channels,
            Shape::Flat(features) => features,
        }
    }

    /// Rows of an image; 1 of a vector.
    pub fn height(&self) -> usize {
        match *self {
            Shape::Image { height, .. } => height,
            Shape::Flat(_) => 1,
        }
    }

    /// Columns of an image; 1 of a vector.
    pub fn width(&self) -> usize {
        match *self {
            Shape::Image { width, .. } => width,
            Shape::Flat(_) => 1,
        }
    }

    /// Values each channel holds: `height * width` of an image, 1 of a vector.
    pub fn values_per_channel(&self) -> usize {
        self.height() * self.width()
    }

    /// The dimensions in storage order, batch excluded.
    pub fn dims(&self) -> Vec<usize> {
        match *self {
            Shape::Image { channels, height, width } => vec![channels, height, width],
            Shape::Flat(features) => vec![features],
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Shape::Image { channels, height, width } => write!(f, "{channels}x{height}x{width}"),
            Shape::Flat(features) => write!(f, "{features}"),
        }
    }
}

/// Smallest and largest value seen at a layer's output over the calibration images: public
/// parameters from which fixed-point and CKKS backends choose their scales.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest value.
    pub low: f32,
    /// Largest value.
    pub high: f32,
}

/// `y = W x + b` with `W` of `outputs x inputs`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dense {
    /// Input features.
    pub inputs: usize,
    /// Output features.
    pub outputs: usize,
}

/// A two-dimensional convolution (cross-correlation, as in ONNX) with bias.
/// Weights are `outputs x inputs/groups x kernel[0] x kernel[1]`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Channel groups; 1 is an ordinary convolution.
    pub groups: usize,
    /// Distance between the values one kernel reads, `[rows, columns]`.
    pub dilation: [usize; 2],
    /// Kernel, stride and zero padding.
    pub window: Window,
}

/// How a kernel slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step in rows and columns.
    pub stride: [usize; 2],
    /// Padding: top, left, bottom, right.
    pub padding: [usize; 4],
}

impl Window {
    /// A square window that tiles the image.
    pub fn tiles(size: usize) -> Self {
        Self { kernel: [size; 2], stride: [size; 2], padding: [0; 4] }
    }

    /// Values under the kernel.
    pub fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Rows and columns of the output for an input of `height x width`, or `None` if the
    /// (dilated) kernel does not fit the padded input, a stride is zero or a size overflows.
    pub fn output(&self, height: usize, width: usize, dilation: [usize; 2]) -> Option<[usize; 2]> {
        let along = |size: usize, axis: usize| {
            let padded = size.checked_add(self.padding[axis])?.checked_add(self.padding[axis + 2])?;
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(dilation[axis])?.checked_add(1)?;
            Some(padded.checked_sub(reach)?.checked_div(self.stride[axis])? + 1)
        };
        Some([along(height, 0)?, along(width, 1)?])
    }
}

/// `y = sum_k c_k x^k`, with coefficients of their own for every channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polynomial {
    /// Channels (features, if the activation is flat).
    pub channels: usize,
    /// The highest power.
    pub degree: usize,
}

/// What a layer computes. Weights are in [`Parameters`](crate::Parameters).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Op {
    /// Fully connected.
    Dense(Dense),
    /// Convolution.
    Conv2d(Conv2d),
    /// Mean of each window; padding counts as zeros.
    AveragePool(Window),
    /// Maximum of each window; padding never wins.
    MaxPool(Window),
    /// `max(x, 0)`.
    Relu,
    /// A trained polynomial; of degree 1 it is a scale and an offset for every channel.
    Polynomial(Polynomial),
    /// Any other function applied value by value.
    Activation(ActivationKind),
    /// Image to vector in storage order (channels, rows, columns).
    Flatten,
    /// Sum, value by value, of two different layers of equal shape.
    Add,
    /// The channels of one layer after those of another, of two or more of equal height and width; or the
    /// features of vectors.
    Concat,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Window { kernel: [rows, columns], stride, padding } = self;
        write!(f, "{rows}x{columns}")?;
        if *stride != [1, 1] {
            write!(f, ", stride {}x{}", stride[0], stride[1])?;
        }
        match padding {
            [0, 0, 0, 0] => Ok(()),
            [top, left, bottom, right] => write!(f, ", padding {top}, {left}, {bottom}, {right}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Dense(Dense { inputs, outputs }) => write!(f, "dense {inputs} -> {outputs}"),
            Op::Conv2d(Conv2d { inputs, outputs, groups, dilation, window }) => {
                write!(f, "convolution {inputs} -> {outputs}, {window}")?;
                if *groups != 1 {
                    write!(f, ", {groups} groups")?;
                }
                if *dilation != [1, 1] {
                    write!(f, ", dilation {}x{}", dilation[0], dilation[1])?;
                }
                Ok(())
            }
            Op::AveragePool(window) => write!(f, "average pool {window}"),
            Op::MaxPool(window) => write!(f, "max pool {window}"),
            Op::Relu => f.write_str("ReLU"),
            Op::Polynomial(Polynomial { degree, .. }) => write!(f, "polynomial of degree {degree}"),
            Op::Activation(kind) => kind.fmt(f),
            Op::Flatten => f.write_str("flatten"),
            Op::Add => f.write_str("add"),
            Op::Concat => f.write_str("concatenate"),
        }
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Unique within the network, e.g. `conv1`.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads, in order; nothing stated, as in a chain, means the layer before it (or the image):
    /// see [`Architecture::sources`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Source>,
    /// Shape of one image's output.
    pub output: Shape,
    /// Output range over the calibration images, if the model carries it.
    pub range: Option<Range>,
}

impl Layer {
    /// A layer that reads the one before it, without a range.
    pub fn new(name: impl Into<String>, op: Op, output: Shape) -> Self {
        Self { name: name.into(), op, inputs: Vec::new(), output, range: None }
    }

    /// The same layer reading `inputs`.
    #[must_use]
    pub fn reading(self, inputs: impl Into<Vec<Source>>) -> Self {
        Self { inputs: inputs.into(), ..self }
    }
}

/// The public half of a network: a directed graph without cycles, its layers in an order in which they can
/// be computed; the last gives the logits. It passes between parties as data and is checked on arrival: see
/// [`Architecture::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Name of the network, e.g. `mnist-mlp-poly`.
    pub name: String,
    /// Shape of one input image.
    pub input: Shape,
    /// Range of the normalised input over the calibration images.
    pub input_range: Option<Range>,
    /// The layers, first to last, each after those it reads.
    pub layers: Vec<Layer>,
}

impl Architecture {
    /// Shape of one image's logits (the input's, if there is no layer).
    pub fn output(&self) -> Shape {
        self.layers.last().map_or(self.input, |layer| layer.output)
    }

    /// Number of classes: one logit each.
    pub fn classes(&self) -> usize {
        self.output().len()
    }

    /// The same without calibrated ranges: those come from training data through the weights.
    #[must_use]
    pub fn without_ranges(&self) -> Self {
        let layers = self.layers.iter().map(|layer| Layer { range: None, ..layer.clone() }).collect();
        Self { input_range: None, layers, ..self.clone() }
    }
}
