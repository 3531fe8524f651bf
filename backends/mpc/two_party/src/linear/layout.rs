//! Where values and weights stand in polynomials, so that a product of two has a layer's outputs among its coefficients: the encoding of
//! Huang, Lu, Hong, Ding, "Cheetah: Lean and Fast Secure Two-Party Deep Neural Network Inference" (USENIX Security 2022), section 3.
//!
//! An image of `H x W` positions is padded with zeros and cut in tiles, channels in blocks of `C'`, outputs in blocks of `M'`, so that
//! `C' M' H W <= N`. Value `(c, y, x)` of a block is coefficient `(c H + y) W + x`; the weight of output `m` at `(c, v, u)` is coefficient
//! `O - ((m C' + c) H + v) W - u`, where `O` is the first that leaves room for a whole kernel. Their product has output `m` at position `(y, x)` as
//! coefficient `O - m C' H W + y W + x`: nothing else reaches it, and nothing wraps onto it. A dense layer is a convolution of
//! one position. Strides read fewer coefficients; groups are convolutions side by side.

use veilbench_mpc::linear::LinearShape;
use veilbench_networks::{Conv2d, Shape, Window};

use super::rlwe::{DEGREE, Primes, Rlwe};
use crate::Error;

/// A coefficient, and the number of the value, weight or output that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) coefficient: u32,
    pub(crate) index: u32,
}

/// A ciphertext of an answer.
#[derive(Clone, Debug)]
pub(crate) struct OutputBlock {
    /// Ciphertexts of the request, and the polynomials of weights they are multiplied with.
    pub(crate) terms: Vec<[usize; 2]>,
    /// Coefficients that are sent.
    pub(crate) needed: Vec<Place>,
}

/// Places of a linear layer on shares modulo `2^L`, public.
#[derive(Clone, Debug)]
pub struct Layout {
    shape: LinearShape,
    ring_bits: u32,
    primes: Primes,
    pub(crate) inputs: Vec<Vec<Place>>,
    pub(crate) weights: Vec<Vec<Place>>,
    pub(crate) outputs: Vec<OutputBlock>,
}

/// The geometry of one group in tiles.
struct Tiling {
    conv: Conv2d,
    input: Shape,
    output: [usize; 2],
    /// Outputs of a tile, in rows and columns.
    tile: [usize; 2],
    /// Values under a tile, in rows and columns.
    under: [usize; 2],
    /// Channels of a block, of inputs and of outputs.
    channels: [usize; 2],
}

/// Noise of a fresh encryption in units of an answer's modulus: six deviations.
const NOISE_OF_ANSWERS: f64 = 1500.0;
/// Noise of a request in units of Q, for weights of the norm 1 in a ciphertext: six deviations of errors and of rounded masks, 3.3.
const NOISE_OF_REQUESTS: f64 = 20.0;

impl Layout {
    /// The places with the fewest bytes of ciphertexts, for shares of so many bits and ciphertexts modulo such primes.
    ///
    /// # Errors
    /// [`Error::RingBits`]; [`Error::Kernel`] if a kernel reaches further than a ciphertext.
    pub fn new(shape: LinearShape, ring_bits: u32, primes: Primes) -> Result<Self, Error> {
        Rlwe::expect_bits(ring_bits)?;
        let (conv, input, output) = match shape {
            LinearShape::Conv2d { conv, input, output } => (conv, input, output),
            LinearShape::Dense { inputs, outputs } => {
                let window = Window { kernel: [1; 2], stride: [1; 2], padding: [0; 4] };
                let conv = Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window };
                (conv, Shape::Flat(inputs), [1, 1])
            }
        };
        let tiling = Tiling::new(conv, input, output, primes)?;
        let mut layout =
            Self { shape, ring_bits, primes, inputs: Vec::new(), weights: Vec::new(), outputs: Vec::new() };
        for group in 0..conv.groups {
            tiling.place(group, &mut layout);
        }
        Ok(layout)
    }

    /// The layer's shape.
    pub fn shape(&self) -> &LinearShape {
        &self.shape
    }

    /// Bits of shares, L.
    pub fn ring_bits(&self) -> u32 {
        self.ring_bits
    }

    /// Lengths of the primes of its ciphertexts.
    pub fn primes(&self) -> Primes {
        self.primes
    }

    /// The largest error of a product, in units of the last place: noise of requests and of answers, and one for rounding each share.
    pub(crate) fn most_noise(&self) -> u64 {
        let units = |noise: f64, modulus_bits: u32| {
            (noise * (f64::from(self.ring_bits) - f64::from(modulus_bits)).exp2()).ceil() as u64
        };
        let of_requests =
            units(NOISE_OF_REQUESTS * f64::from(self.primes.norm_bits()).exp2(), self.primes.request_bits());
        2 + of_requests.saturating_add(units(NOISE_OF_ANSWERS, self.primes.answer_bits()))
    }

    /// Ciphertexts of a request and of an answer.
    pub fn ciphertexts(&self) -> [usize; 2] {
        [self.inputs.len(), self.outputs.len()]
    }

    /// Places of values, weights and outputs.
    pub(crate) fn places(&self) -> usize {
        let of_all =
            self.inputs.iter().chain(&self.weights).chain(self.outputs.iter().map(|block| &block.needed));
        of_all.map(Vec::len).sum()
    }

    /// Bytes of a request for one image.
    pub fn request_bytes(&self) -> usize {
        super::rlwe::SEED_BYTES + self.inputs.len() * self.primes.request_bytes()
    }

    /// Bits of an answer for one image: residues of whole second halves, and of the needed coefficients of first ones.
    pub(crate) fn bits_of_answer(&self) -> usize {
        let of_blocks = self.outputs.iter().map(|block| DEGREE + block.needed.len());
        self.primes.answer_bits() as usize * of_blocks.sum::<usize>()
    }

    /// Bytes of an answer for one image.
    pub fn answer_bytes(&self) -> usize {
        self.bits_of_answer().div_ceil(8)
    }
}

impl Tiling {
    fn new(conv: Conv2d, input: Shape, output: [usize; 2], primes: Primes) -> Result<Self, Error> {
        let along = |axis: usize, outputs: usize| {
            (outputs - 1) * conv.window.stride[axis]
                + (conv.window.kernel[axis] - 1) * conv.dilation[axis]
                + 1
        };
        let mut tile = output;
        let mut under = [along(0, tile[0]), along(1, tile[1])];
        while under[0] * under[1] > DEGREE {
            let Some(axis) =
                [0, 1].into_iter().filter(|&axis| tile[axis] > 1).max_by_key(|&axis| under[axis])
            else {
                return Err(Error::Kernel { values: under[0] * under[1], most: DEGREE });
            };
            tile[axis] = tile[axis].div_ceil(2);
            under[axis] = along(axis, tile[axis]);
        }
        let tiles = output[0].div_ceil(tile[0]) * output[1].div_ceil(tile[1]);
        let (inputs, outputs) = (conv.inputs / conv.groups, conv.outputs / conv.groups);
        let room = DEGREE / (under[0] * under[1]);
        let channels = (1..=room.min(inputs))
            .map(|block| [block, (room / block).min(outputs)])
            .min_by_key(|[of_inputs, of_outputs]| {
                // Of an answer, the half that is sent whole.
                let bytes = inputs.div_ceil(*of_inputs) * primes.request_bytes()
                    + outputs.div_ceil(*of_outputs) * primes.public_key_bytes();
                tiles * bytes
            })
            .unwrap_or([1, 1]);
        Ok(Self { conv, input, output, tile, under, channels })
    }

    fn positions(&self) -> usize {
        self.under[0] * self.under[1]
    }

    /// The coefficient of the output at the first position of the first channel.
    fn origin(&self) -> usize {
        let Conv2d { dilation, window, .. } = self.conv;
        self.positions() * (self.channels[0] * self.channels[1] - 1)
            + self.under[1] * (window.kernel[0] - 1) * dilation[0]
            + (window.kernel[1] - 1) * dilation[1]
    }

    /// Adds the blocks of a group.
    fn place(&self, group: usize, layout: &mut Layout) {
        let [inputs, outputs] = [self.conv.inputs, self.conv.outputs].map(|all| all / self.conv.groups);
        let [of_inputs, of_outputs] = self.channels;
        let first_weights = layout.weights.len();
        for outputs_from in (0..outputs).step_by(of_outputs) {
            for inputs_from in (0..inputs).step_by(of_inputs) {
                let block = [
                    outputs_from..outputs.min(outputs_from + of_outputs),
                    inputs_from..inputs.min(inputs_from + of_inputs),
                ];
                layout.weights.push(self.weights(group * outputs, inputs, block));
            }
        }
        let blocks = inputs.div_ceil(of_inputs);
        for top in (0..self.output[0]).step_by(self.tile[0]) {
            for left in (0..self.output[1]).step_by(self.tile[1]) {
                let first_input = layout.inputs.len();
                for from in (0..inputs).step_by(of_inputs) {
                    let channels = group * inputs + from..group * inputs + inputs.min(from + of_inputs);
                    layout.inputs.push(self.values([top, left], channels));
                }
                for (block, from) in (0..outputs).step_by(of_outputs).enumerate() {
                    let terms = (0..blocks)
                        .map(|input| [first_input + input, first_weights + block * blocks + input]);
                    let channels = group * outputs + from..group * outputs + outputs.min(from + of_outputs);
                    let needed = self.results([top, left], channels);
                    layout.outputs.push(OutputBlock { terms: terms.collect(), needed });
                }
            }
        }
    }

    fn values(&self, tile: [usize; 2], channels: std::ops::Range<usize>) -> Vec<Place> {
        let Window { stride, padding, .. } = self.conv.window;
        let mut places = Vec::new();
        for (block, channel) in channels.enumerate() {
            for y in 0..self.under[0] {
                for x in 0..self.under[1] {
                    let row = (tile[0] * stride[0] + y).wrapping_sub(padding[0]);
                    let column = (tile[1] * stride[1] + x).wrapping_sub(padding[1]);
                    if row < self.input.height() && column < self.input.width() {
                        let coefficient = block * self.positions() + y * self.under[1] + x;
                        let index = (channel * self.input.height() + row) * self.input.width() + column;
                        places.push(Place { coefficient: coefficient as u32, index: index as u32 });
                    }
                }
            }
        }
        places
    }

    /// `inputs` is how many channels an output reads, `first` the number of the group's first output.
    fn weights(
        &self,
        first: usize,
        inputs: usize,
        [outputs, read]: [std::ops::Range<usize>; 2],
    ) -> Vec<Place> {
        let Conv2d { dilation, window, .. } = self.conv;
        let [rows, columns] = window.kernel;
        let mut places = Vec::with_capacity(outputs.len() * read.len() * rows * columns);
        for (m, output) in outputs.enumerate() {
            for (c, channel) in read.clone().enumerate() {
                for v in 0..rows {
                    for u in 0..columns {
                        let before = (m * self.channels[0] + c) * self.positions()
                            + v * dilation[0] * self.under[1]
                            + u * dilation[1];
                        let index = (((first + output) * inputs + channel) * rows + v) * columns + u;
                        places.push(Place {
                            coefficient: (self.origin() - before) as u32,
                            index: index as u32,
                        });
                    }
                }
            }
        }
        places
    }

    fn results(&self, tile: [usize; 2], channels: std::ops::Range<usize>) -> Vec<Place> {
        let [rows, columns] = self.conv.window.stride;
        let mut places = Vec::new();
        for (m, channel) in channels.enumerate() {
            let origin = self.origin() - m * self.channels[0] * self.positions();
            for y in 0..self.tile[0].min(self.output[0] - tile[0]) {
                for x in 0..self.tile[1].min(self.output[1] - tile[1]) {
                    let coefficient = origin + y * rows * self.under[1] + x * columns;
                    let index = (channel * self.output[0] + tile[0] + y) * self.output[1] + tile[1] + x;
                    places.push(Place { coefficient: coefficient as u32, index: index as u32 });
                }
            }
        }
        places
    }
}

#[cfg(test)]
mod tests;
