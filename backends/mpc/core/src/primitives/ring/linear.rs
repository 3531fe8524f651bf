//! Linear layers over the ring: dense and convolution, applied to whole batches.

use crate::product::{LANES, Panels};
use veilbench_networks::{Conv2d, Shape};

/// The public shape of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearShape {
    /// All values to all values.
    Dense {
        /// Input values.
        inputs: usize,
        /// Output values.
        outputs: usize,
    },
    /// A convolution.
    Conv2d {
        /// Its geometry.
        conv: Conv2d,
        /// Shape of one input.
        input: Shape,
        /// Rows and columns of the output.
        output: [usize; 2],
    },
}

impl LinearShape {
    /// Values of one input.
    pub fn inputs(&self) -> usize {
        match self {
            LinearShape::Dense { inputs, .. } => *inputs,
            LinearShape::Conv2d { input, .. } => input.len(),
        }
    }

    /// Values of one output.
    pub fn outputs(&self) -> usize {
        match self {
            LinearShape::Dense { outputs, .. } => *outputs,
            LinearShape::Conv2d { conv, output, .. } => conv.outputs * output[0] * output[1],
        }
    }

    /// Weights one output value depends on.
    pub fn weights_per_output(&self) -> usize {
        match self {
            LinearShape::Dense { inputs, .. } => *inputs,
            LinearShape::Conv2d { conv, .. } => conv.inputs / conv.groups * conv.window.area(),
        }
    }

    /// Output channels: biases.
    pub fn channels(&self) -> usize {
        match self {
            LinearShape::Dense { outputs, .. } => *outputs,
            LinearShape::Conv2d { conv, .. } => conv.outputs,
        }
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.channels() * self.weights_per_output()
    }
}

/// A linear layer with weights, prepared for products.
pub struct LinearMap {
    shape: LinearShape,
    form: Form,
}

enum Form {
    /// The transpose of the weights.
    Dense(Panels),
    /// The weights as they are, and where the kernel reads.
    Conv { weights: Vec<u64>, patches: Patches },
}

impl LinearMap {
    /// Prepares row-major `weights`.
    ///
    /// # Panics
    /// If their number is wrong.
    pub fn new(shape: LinearShape, weights: Vec<u64>) -> Self {
        assert_eq!(weights.len(), shape.weights(), "weights of another shape");
        let form = match shape {
            LinearShape::Dense { inputs, outputs } => {
                Form::Dense(Panels::transposed(&weights, inputs, outputs))
            }
            LinearShape::Conv2d { conv, input, output } => {
                Form::Conv { weights, patches: Patches::new(conv, input, output) }
            }
        };
        Self { shape, form }
    }

    /// The public shape.
    pub fn shape(&self) -> &LinearShape {
        &self.shape
    }

    /// The layer, without bias, on a batch of inputs, one after the other.
    ///
    /// # Panics
    /// If `inputs` is no whole number of inputs.
    pub fn apply(&self, inputs: &[u64]) -> Vec<u64> {
        let images = inputs.len() / self.shape.inputs();
        assert_eq!(images * self.shape.inputs(), inputs.len(), "inputs of another shape");
        let mut outputs = vec![0; images * self.shape.outputs()];
        match &self.form {
            Form::Dense(panels) => panels.multiply(inputs, &mut outputs),
            Form::Conv { weights, patches } => {
                let mut scratch = patches.scratch();
                let inputs = inputs.chunks_exact(self.shape.inputs());
                for (input, output) in inputs.zip(outputs.chunks_exact_mut(self.shape.outputs())) {
                    patches.convolve(weights, input, output, &mut scratch);
                }
            }
        }
        outputs
    }
}

/// Where a convolution reads: the patches of one channel group as columns of a matrix.
struct Patches {
    groups: usize,
    input: Shape,
    padded: Shape,
    corner: [usize; 2],
    /// Offset of each output position's patch in a padded channel.
    positions: Vec<usize>,
    /// Offset of each weight within the patch.
    taps: Vec<usize>,
}

struct Scratch {
    padded: Vec<u64>,
    panels: Panels,
}

impl Patches {
    fn new(conv: Conv2d, input: Shape, output: [usize; 2]) -> Self {
        let [top, left, bottom, right] = conv.window.padding;
        let channels = conv.inputs / conv.groups;
        let padded = Shape::image(channels, input.height() + top + bottom, input.width() + left + right);
        let [rows, columns] = conv.window.stride;
        let positions = (0..output[0] * output[1])
            .map(|position| position / output[1] * rows * padded.width() + position % output[1] * columns)
            .collect();
        let mut taps = Vec::new();
        for channel in 0..channels {
            for y in 0..conv.window.kernel[0] {
                for x in 0..conv.window.kernel[1] {
                    let (y, x) = (y * conv.dilation[0], x * conv.dilation[1]);
                    taps.push(channel * padded.values_per_channel() + y * padded.width() + x);
                }
            }
        }
        Self { groups: conv.groups, input, padded, corner: [top, left], positions, taps }
    }

    fn scratch(&self) -> Scratch {
        Scratch {
            padded: vec![0; self.padded.len()],
            panels: Panels::zeros(self.taps.len(), self.positions.len()),
        }
    }

    fn convolve(&self, weights: &[u64], input: &[u64], output: &mut [u64], scratch: &mut Scratch) {
        let inputs = input.chunks_exact(input.len() / self.groups);
        let weights = weights.chunks_exact(weights.len() / self.groups);
        let outputs = output.len() / self.groups;
        for ((input, weights), output) in inputs.zip(weights).zip(output.chunks_exact_mut(outputs)) {
            self.pad(input, &mut scratch.padded);
            self.gather(&scratch.padded, &mut scratch.panels);
            scratch.panels.multiply(weights, output);
        }
    }

    fn pad(&self, input: &[u64], padded: &mut [u64]) {
        let channels = input.chunks_exact(self.input.values_per_channel());
        for (channel, padded) in channels.zip(padded.chunks_exact_mut(self.padded.values_per_channel())) {
            let lines = padded.chunks_exact_mut(self.padded.width()).skip(self.corner[0]);
            for (line, padded) in channel.chunks_exact(self.input.width()).zip(lines) {
                padded[self.corner[1]..][..self.input.width()].copy_from_slice(line);
            }
        }
    }

    fn gather(&self, padded: &[u64], panels: &mut Panels) {
        for (index, positions) in self.positions.chunks(LANES).enumerate() {
            let panel = panels.panel_mut(index);
            let run = positions[positions.len() - 1] - positions[0] + 1 == LANES;
            for (lanes, tap) in panel.iter_mut().zip(&self.taps) {
                if run && positions.len() == LANES {
                    lanes.copy_from_slice(&padded[tap + positions[0]..][..LANES]);
                } else {
                    for (lane, position) in lanes.iter_mut().zip(positions) {
                        *lane = padded[tap + position];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;
    use veilbench_networks::Window;

    /// The definition, tap by tap.
    fn definition(conv: Conv2d, input: Shape, output: [usize; 2], weights: &[u64], x: &[u64]) -> Vec<u64> {
        let (per_group, out_per_group) = (conv.inputs / conv.groups, conv.outputs / conv.groups);
        let [rows, columns] = conv.window.kernel;
        let mut y = Vec::new();
        for out in 0..conv.outputs {
            for row in 0..output[0] {
                for column in 0..output[1] {
                    let mut sum = 0u64;
                    for channel in 0..per_group {
                        for v in 0..rows {
                            for u in 0..columns {
                                let line = (row * conv.window.stride[0] + v * conv.dilation[0]) as i64
                                    - conv.window.padding[0] as i64;
                                let place = (column * conv.window.stride[1] + u * conv.dilation[1]) as i64
                                    - conv.window.padding[1] as i64;
                                if !(0..input.height() as i64).contains(&line)
                                    || !(0..input.width() as i64).contains(&place)
                                {
                                    continue;
                                }
                                let c = out / out_per_group * per_group + channel;
                                let at =
                                    (c * input.height() + line as usize) * input.width() + place as usize;
                                let weight = weights[((out * per_group + channel) * rows + v) * columns + u];
                                sum = sum.wrapping_add(weight.wrapping_mul(x[at]));
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
        y
    }

    #[test]
    fn convolutions_equal_their_definition() {
        let mut stream = Seed::from_bytes([2; 16]).stream(0);
        let window = |kernel, stride, padding| Window { kernel, stride, padding };
        for (input, outputs, groups, dilation, window) in [
            (Shape::image(3, 32, 32), 36, 1, [1, 1], window([5, 5], [1, 1], [0; 4])),
            (Shape::image(1, 28, 28), 5, 1, [1, 1], window([5, 5], [2, 2], [0; 4])),
            (Shape::image(4, 9, 7), 6, 2, [2, 1], window([3, 2], [1, 2], [1, 0, 2, 1])),
            (Shape::image(3, 5, 40), 3, 3, [1, 3], window([1, 3], [1, 1], [0, 3, 0, 3])),
        ] {
            let conv = Conv2d { inputs: input.channels(), outputs, groups, dilation, window };
            let output = window.output(input.height(), input.width(), dilation).unwrap();
            let shape = LinearShape::Conv2d { conv, input, output };
            let (weights, x) = (stream.words(shape.weights()), stream.words(2 * input.len()));
            let expected: Vec<u64> =
                x.chunks(input.len()).flat_map(|x| definition(conv, input, output, &weights, x)).collect();
            assert_eq!(LinearMap::new(shape, weights).apply(&x), expected, "{shape:?}");
        }
    }
}
