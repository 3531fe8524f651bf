//! The public half of a network in the order in which one wire runs through it, before it is brought to a format: operations on shapes
//! of the workspace's networks.

use veilbench_networks::{Conv2d, Shape, Window};

use crate::Error;

/// Most values of an operation's input or output, weights, or values under its windows: a program names what is allocated.
pub const MOST_VALUES: usize = 1 << 28;

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

/// What a layer of a network, or a part of one, computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
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
    /// Values `x - t` of every channel for each knot `t` in order, side by side; reads a linear layer. With a ReLU and a sum of each
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

impl Operation {
    /// Weights, values of the padded input and values under all windows, whichever are most; `None` if there are too many to
    /// count.
    fn reads(&self, input: Shape, output: Shape) -> Option<usize> {
        let padded = |window: &Window| {
            let along = |size: usize, axis: usize| {
                size.checked_add(window.padding[axis])?.checked_add(window.padding[axis + 2])
            };
            along(input.height(), 0)?.checked_mul(along(input.width(), 1)?)?.checked_mul(input.channels())
        };
        let area = |window: &Window| window.kernel[0].checked_mul(window.kernel[1]);
        Some(match self {
            Operation::Dense { outputs } => input.len().checked_mul(*outputs)?,
            Operation::Conv2d(conv) => {
                let taps = area(&conv.window)?.checked_mul(conv.inputs / conv.groups)?;
                let patches = taps.checked_mul(output.values_per_channel())?;
                taps.checked_mul(conv.outputs)?.max(patches).max(padded(&conv.window)?)
            }
            Operation::SumPool(window) | Operation::AveragePool(window) | Operation::MaxPool(window) => {
                area(window)?.checked_mul(output.len())?.max(padded(window)?)
            }
            Operation::Relu
            | Operation::Quadratic
            | Operation::Spread(_)
            | Operation::Flatten
            | Operation::Keep
            | Operation::Recall(_)
            | Operation::Hold
            | Operation::Add(_)
            | Operation::Concat(_) => input.len(),
        })
    }
}

/// A network as operations one after the other; what more than one of them reads, or not the next, is kept and recalled.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Shape of one input image.
    pub input: Shape,
    /// First to last.
    pub operations: Vec<Operation>,
    /// Magnitudes that the output of each operation is not expected to exceed, public and best rounded; empty if unknown. They say how wide a
    /// ring is needed and what [guards](crate::circuit::Guard) accept; images that exceed them are refused once that may matter, never
    /// answered wrongly.
    pub magnitudes: Vec<Option<f64>>,
}

impl Program {
    /// The shape of every operation's output.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for the first operation that does not fit its input.
    pub fn shapes(&self) -> Result<Vec<Shape>, Error> {
        let too_large = |layer| Error::Unsupported {
            layer,
            reason: format!("it has more than {MOST_VALUES} values, weights or values under its windows"),
        };
        let fits = |shape: Shape| shape.checked_len().is_some_and(|count| count <= MOST_VALUES);
        if !fits(self.input) {
            return Err(too_large(0));
        }
        if self.input.is_empty() {
            return Err(Error::Unsupported { layer: 0, reason: "the image has no values".to_owned() });
        }
        let mut shape = self.input;
        let mut shapes = Vec::with_capacity(self.operations.len());
        let mut kept: Vec<Shape> = Vec::new();
        for (index, operation) in self.operations.iter().enumerate() {
            let refuse = |reason: &str| Error::Unsupported { layer: index, reason: reason.to_owned() };
            let (channels, size) = (shape.channels(), [shape.height(), shape.width()]);
            let slide = |window: &Window, outputs, dilation| {
                window
                    .output(size[0], size[1], dilation)
                    .filter(|size| size.iter().all(|&size| size > 0))
                    .map(|[height, width]| Shape::image(outputs, height, width))
                    .ok_or_else(|| refuse("the kernel does not fit its input"))
            };
            let input = shape;
            shape = match operation {
                Operation::Dense { outputs } => Shape::Flat(*outputs),
                Operation::Flatten => Shape::Flat(shape.len()),
                Operation::Relu | Operation::Quadratic | Operation::Hold => shape,
                Operation::Spread(knots) => {
                    Shape::image(channels.saturating_mul(knots.count()), size[0], size[1])
                }
                Operation::Keep => {
                    kept.push(shape);
                    shape
                }
                Operation::Recall(number) | Operation::Add(number) | Operation::Concat(number) => {
                    let of_kept =
                        *kept.get(*number).ok_or_else(|| refuse("nothing is kept under its number"))?;
                    let is_as_large = [of_kept.height(), of_kept.width()] == size;
                    match operation {
                        Operation::Add(_) if of_kept.channels() != channels || !is_as_large => {
                            return Err(refuse("it adds values of other shapes"));
                        }
                        Operation::Concat(_) if !is_as_large => {
                            return Err(refuse("it puts images of different sizes together"));
                        }
                        Operation::Concat(_) => {
                            Shape::image(of_kept.channels().saturating_add(channels), size[0], size[1])
                        }
                        _ => of_kept,
                    }
                }
                Operation::Conv2d(Conv2d { inputs, outputs, groups, dilation, window }) => {
                    if *inputs != channels {
                        return Err(refuse("it reads another number of channels"));
                    }
                    if *groups == 0 || !inputs.is_multiple_of(*groups) || !outputs.is_multiple_of(*groups) {
                        return Err(refuse("the groups do not divide the channels"));
                    }
                    slide(window, *outputs, *dilation)?
                }
                Operation::SumPool(window) | Operation::AveragePool(window) | Operation::MaxPool(window) => {
                    slide(window, channels, [1, 1])?
                }
            };
            if !fits(shape) || operation.reads(input, shape).is_none_or(|reads| reads > MOST_VALUES) {
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
