//! What a network costs in the clear, counted from its architecture.

use super::{ActivationKind, Architecture, Op, Shape};

impl Op {
    /// Weights, biases, coefficients and slopes, or `None` on overflow.
    pub(super) fn checked_parameters(&self) -> Option<usize> {
        match *self {
            Op::Dense(dense) => dense.inputs.checked_add(1)?.checked_mul(dense.outputs),
            Op::Conv2d(conv) => conv.checked_taps()?.checked_add(1)?.checked_mul(conv.outputs),
            Op::Polynomial(polynomial) => polynomial.channels.checked_mul(polynomial.degree.checked_add(1)?),
            Op::Activation(ActivationKind::PRelu { channels }) => Some(channels),
            Op::AveragePool(_)
            | Op::MaxPool(_)
            | Op::Relu
            | Op::Activation(_)
            | Op::Flatten
            | Op::Add
            | Op::Concat => Some(0),
        }
    }

    /// Multiply-accumulates for an output of this shape, or `None` on overflow.
    pub(super) fn checked_macs(&self, output: Shape) -> Option<usize> {
        match *self {
            Op::Dense(dense) => dense.inputs.checked_mul(dense.outputs),
            Op::Conv2d(conv) => conv.checked_taps()?.checked_mul(output.checked_len()?),
            _ => Some(0),
        }
    }

    /// Multiply-accumulates, or values read by the windows of a pool, or `None` on overflow.
    pub(super) fn checked_work(&self, output: Shape) -> Option<usize> {
        match *self {
            Op::AveragePool(window) | Op::MaxPool(window) => {
                window.kernel[0].checked_mul(window.kernel[1])?.checked_mul(output.checked_len()?)
            }
            _ => self.checked_macs(output),
        }
    }

    /// Weights, biases, coefficients and slopes of the layer (of a [checked](Architecture::check) architecture).
    pub fn parameters(&self) -> usize {
        self.checked_parameters().unwrap_or(usize::MAX)
    }

    /// Multiply-accumulates of the dense layer or convolution that computes `output` (zero for every
    /// other operator) in a [checked](Architecture::check) architecture.
    pub fn macs(&self, output: Shape) -> usize {
        self.checked_macs(output).unwrap_or(usize::MAX)
    }

    /// True of the operators that work value by value on one input: ReLU, polynomials and all other activations.
    pub fn is_activation(&self) -> bool {
        matches!(self, Op::Relu | Op::Polynomial(_) | Op::Activation(_))
    }
}

impl super::Conv2d {
    /// Values one output value is a weighted sum of, `inputs / groups * rows * columns`, or `None` on
    /// overflow or without groups.
    fn checked_taps(&self) -> Option<usize> {
        let [rows, columns] = self.window.kernel;
        self.inputs.checked_div(self.groups)?.checked_mul(rows)?.checked_mul(columns)
    }
}

impl Architecture {
    /// Weights, biases, coefficients and slopes of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.op.parameters()).sum()
    }

    /// Multiply-accumulates of the dense layers and convolutions for one image; polynomials and pools
    /// are not counted.
    pub fn macs(&self) -> usize {
        self.layers.iter().map(|layer| layer.op.macs(layer.output)).sum()
    }

    /// Values of one image that pass through a ReLU, a polynomial or another activation.
    pub fn activations(&self) -> usize {
        self.layers.iter().filter(|layer| layer.op.is_activation()).map(|layer| layer.output.len()).sum()
    }
}
