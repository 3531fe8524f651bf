//! The public half of a network: layers and shapes.

use crate::Error;

/// `channels x height x width` values of one image in that order; a vector is `n x 1 x 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Channels, or features of a vector.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// An image.
    pub fn image(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// A vector.
    pub fn vector(features: usize) -> Self {
        Self { channels: features, height: 1, width: 1 }
    }

    /// Values of one image.
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether there are no more than [`MOST_VALUES`].
    fn fits(self) -> bool {
        let positions = self.height.checked_mul(self.width);
        positions.and_then(|count| count.checked_mul(self.channels)).is_some_and(|count| count <= MOST_VALUES)
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Values of one channel.
    pub fn positions(self) -> usize {
        self.height * self.width
    }
}

/// Most values of a layer's input or output, weights, or values under its windows: an architecture names what is allocated.
pub const MOST_VALUES: usize = 1 << 28;

/// How a kernel slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step in rows and columns.
    pub stride: [usize; 2],
    /// Zero padding: top, left, bottom, right.
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

    /// Rows and columns of the output, if the dilated kernel fits.
    pub fn output(&self, input: Shape, dilation: [usize; 2]) -> Option<[usize; 2]> {
        let along = |size: usize, axis: usize| {
            let padded = size.checked_add(self.padding[axis])?.checked_add(self.padding[axis + 2])?;
            let reach = self.kernel[axis].checked_sub(1)?.checked_mul(dilation[axis])?.checked_add(1)?;
            Some(padded.checked_sub(reach)?.checked_div(self.stride[axis])? + 1)
        };
        Some([along(input.height, 0)?, along(input.width, 1)?])
    }

    /// For every output position, the input positions under the kernel (padding left out).
    pub fn members(&self, input: Shape, output: [usize; 2]) -> Vec<Vec<usize>> {
        let mut members = Vec::with_capacity(output[0] * output[1]);
        for row in 0..output[0] {
            for column in 0..output[1] {
                let mut window = Vec::with_capacity(self.area());
                for y in 0..self.kernel[0] {
                    for x in 0..self.kernel[1] {
                        let y = (row * self.stride[0] + y).wrapping_sub(self.padding[0]);
                        let x = (column * self.stride[1] + x).wrapping_sub(self.padding[1]);
                        if y < input.height && x < input.width {
                            window.push(y * input.width + x);
                        }
                    }
                }
                members.push(window);
            }
        }
        members
    }
}

/// A two-dimensional cross-correlation. Weights are `outputs x inputs/groups x rows x columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Output channels.
    pub outputs: usize,
    /// Channel groups; 1 is an ordinary convolution.
    pub groups: usize,
    /// Distance between the values one kernel reads, in rows and columns.
    pub dilation: [usize; 2],
    /// Kernel, stride, padding.
    pub window: Window,
}

/// Where the pieces of a function of one value meet: public, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Knots {
    count: usize,
    at: [i16; Knots::MOST],
    is_bounded: bool,
}

impl Knots {
    /// Most knots.
    pub const MOST: usize = 64;
    /// Fractional bits of a knot.
    pub const BITS: u32 = 11;

    /// Knots in units of 2^-[`BITS`](Knots::BITS), of a function that is or is not bounded; `None` if there are none, more than
    /// [`MOST`](Knots::MOST), or they do not ascend.
    pub fn new(at: &[i16], is_bounded: bool) -> Option<Self> {
        let ascend = at.windows(2).all(|pair| pair[0] < pair[1]);
        if at.is_empty() || at.len() > Self::MOST || !ascend {
            return None;
        }
        let mut knots = Self { count: at.len(), at: [0; Self::MOST], is_bounded };
        knots.at[..at.len()].copy_from_slice(at);
        Some(knots)
    }

    /// Number of knots.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the function that is made of these pieces is bounded: nothing needs to be guarded then.
    pub fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    /// The knots in units of 2^-[`BITS`](Knots::BITS).
    pub fn units(&self) -> &[i16] {
        &self.at[..self.count]
    }

    /// The knots as numbers.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.units().iter().map(|&unit| f64::from(unit) / f64::from(Self::BITS).exp2())
    }
}

impl std::fmt::Debug for Knots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// `y = W x + b`, `W` of `outputs x inputs`, over all values of the image.
    Dense {
        /// Output features.
        outputs: usize,
    },
    /// Convolution with bias.
    Conv2d(Conv2d),
    /// Sum of each window.
    SumPool(Window),
    /// Mean of each window, padding counted as zeros: a sum whose divisor is folded into the next weights.
    AveragePool(Window),
    /// Maximum of each window; padding never wins.
    MaxPool(Window),
    /// `max(x, 0)`.
    Relu,
    /// `a x^2 + b x + c` with coefficients of their own for every channel.
    Quadratic,
    /// Of every channel `x - t` for each knot `t` in order, side by side; reads a linear layer. With a ReLU and a sum of each
    /// group behind it, a function of one value that is linear between knots.
    Spread(Knots),
    /// Image to vector, in storage order.
    Flatten,
    /// What it reads, which later layers may read once more: the first of these is number 0.
    Keep,
    /// What was kept, by its number.
    Recall(usize),
    /// What it reads, in the format of activations: layers of one format can be concatenated.
    Hold,
    /// What was kept, added to the output of the linear layer just before.
    Add(usize),
    /// What was kept, which must be in the format of activations, and then the channels it reads.
    Concat(usize),
}

impl Layer {
    /// Weights, values of the padded input and values under all windows, whichever are most; `None` if there are too many to
    /// count.
    fn reads(&self, input: Shape, output: Shape) -> Option<usize> {
        let padded = |window: &Window| {
            let along = |size: usize, axis: usize| {
                size.checked_add(window.padding[axis])?.checked_add(window.padding[axis + 2])
            };
            along(input.height, 0)?.checked_mul(along(input.width, 1)?)?.checked_mul(input.channels)
        };
        let area = |window: &Window| window.kernel[0].checked_mul(window.kernel[1]);
        Some(match self {
            Layer::Dense { outputs } => input.len().checked_mul(*outputs)?,
            Layer::Conv2d(conv) => {
                let taps = area(&conv.window)?.checked_mul(input.channels / conv.groups)?;
                let patches = taps.checked_mul(output.positions())?;
                taps.checked_mul(conv.outputs)?.max(patches).max(padded(&conv.window)?)
            }
            Layer::SumPool(window) | Layer::AveragePool(window) | Layer::MaxPool(window) => {
                area(window)?.checked_mul(output.len())?.max(padded(window)?)
            }
            Layer::Relu
            | Layer::Quadratic
            | Layer::Spread(_)
            | Layer::Flatten
            | Layer::Keep
            | Layer::Recall(_)
            | Layer::Hold
            | Layer::Add(_)
            | Layer::Concat(_) => input.len(),
        })
    }
}

/// The public half of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Shape of one input image.
    pub input: Shape,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
    /// Magnitudes that the output of each layer is not expected to exceed, public and best rounded; empty if unknown. They say how wide a
    /// ring is needed and what [guards](crate::circuit::Guard) accept; images that exceed them are refused once that may matter, never
    /// answered wrongly.
    pub magnitudes: Vec<Option<f64>>,
}

impl Architecture {
    /// The shape of every layer's output.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for the first layer that does not fit its input.
    pub fn shapes(&self) -> Result<Vec<Shape>, Error> {
        let too_large = |layer| Error::Unsupported {
            layer,
            reason: format!("it has more than {MOST_VALUES} values, weights or values under its windows"),
        };
        if !self.input.fits() {
            return Err(too_large(0));
        }
        if self.input.is_empty() {
            return Err(Error::Unsupported { layer: 0, reason: "the image has no values".to_owned() });
        }
        let mut shape = self.input;
        let mut shapes = Vec::with_capacity(self.layers.len());
        let mut kept: Vec<Shape> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let refuse = |reason: &str| Error::Unsupported { layer: index, reason: reason.to_owned() };
            let slide = |window: &Window, dilation| {
                window
                    .output(shape, dilation)
                    .filter(|size| size.iter().all(|&size| size > 0))
                    .ok_or_else(|| refuse("the kernel does not fit its input"))
            };
            let input = shape;
            shape = match layer {
                Layer::Dense { outputs } => Shape::vector(*outputs),
                Layer::Flatten => Shape::vector(shape.len()),
                Layer::Relu | Layer::Quadratic | Layer::Hold => shape,
                Layer::Spread(knots) => {
                    Shape { channels: shape.channels.saturating_mul(knots.count()), ..shape }
                }
                Layer::Keep => {
                    kept.push(shape);
                    shape
                }
                Layer::Recall(number) | Layer::Add(number) | Layer::Concat(number) => {
                    let of_kept =
                        *kept.get(*number).ok_or_else(|| refuse("nothing is kept under its number"))?;
                    match layer {
                        Layer::Add(_) if of_kept != shape => {
                            return Err(refuse("it adds values of other shapes"));
                        }
                        Layer::Concat(_) => {
                            if [of_kept.height, of_kept.width] != [shape.height, shape.width] {
                                return Err(refuse("it puts images of different sizes together"));
                            }
                            Shape { channels: of_kept.channels.saturating_add(shape.channels), ..shape }
                        }
                        _ => of_kept,
                    }
                }
                Layer::Conv2d(conv) => {
                    if conv.groups == 0
                        || !shape.channels.is_multiple_of(conv.groups)
                        || !conv.outputs.is_multiple_of(conv.groups)
                    {
                        return Err(refuse("the groups do not divide the channels"));
                    }
                    let [height, width] = slide(&conv.window, conv.dilation)?;
                    Shape::image(conv.outputs, height, width)
                }
                Layer::SumPool(window) | Layer::AveragePool(window) | Layer::MaxPool(window) => {
                    let [height, width] = slide(window, [1, 1])?;
                    Shape::image(shape.channels, height, width)
                }
            };
            if !shape.fits() || layer.reads(input, shape).is_none_or(|reads| reads > MOST_VALUES) {
                return Err(too_large(index));
            }
            if shape.is_empty() {
                return Err(refuse("its output is empty"));
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }
}
