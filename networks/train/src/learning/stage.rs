//! One layer of a network while it learns, with the batch norm that belongs to it.

use tch::{Kind, Tensor};
use veilbench_networks::{Conv2d, Parameters, Window};

use crate::shipping::fold::BatchNorm;

/// Added to the variance in every batch norm.
const EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// How layers act.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Share of the inputs of dense layers set to zero.
    pub dropout: f64,
    /// Whether batch norms take the statistics of the batch, and renew the running ones.
    pub batch_statistics: bool,
    /// Share of the polynomial in every polynomial activation; the rest is ReLU.
    pub polynomial: f64,
    /// What normalised inputs of polynomial activations are kept within.
    pub bound: f64,
}

impl Mode {
    /// As after training.
    pub const INFERENCE: Self =
        Self { dropout: 0.0, batch_statistics: false, polynomial: 1.0, bound: f64::INFINITY };
}

#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) gain: Tensor,
    pub(crate) shift: Tensor,
    pub(crate) mean: Tensor,
    pub(crate) variance: Tensor,
}

impl Norm {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        x.batch_norm(
            Some(&self.gain),
            Some(&self.shift),
            Some(&self.mean),
            Some(&self.variance),
            mode.batch_statistics,
            MOMENTUM,
            EPSILON,
            false,
        )
    }

    fn values(&self) -> BatchNorm {
        BatchNorm {
            mean: values(&self.mean),
            variance: values(&self.variance),
            gain: values(&self.gain),
            shift: values(&self.shift),
            epsilon: EPSILON,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Stage {
    Dense { weight: Tensor, bias: Tensor, norm: Option<Norm>, first: bool },
    Conv { weight: Tensor, bias: Tensor, norm: Option<Norm>, geometry: Conv2d },
    AveragePool(Window),
    Relu { norm: Option<Norm> },
    Quadratic { coefficients: Tensor, norm: Option<Norm> },
    Flatten,
    Add,
}

impl Stage {
    /// The output for what the layer reads. `see` is shown the normalised input of an activation.
    pub(crate) fn forward(&self, inputs: &[Tensor], mode: Mode, see: &mut dyn FnMut(&Tensor)) -> Tensor {
        let x = &inputs[0];
        let normed = |x: &Tensor, norm: &Option<Norm>| match norm {
            Some(norm) => norm.forward(x, mode),
            None => x.shallow_clone(),
        };
        match self {
            Stage::Dense { weight, bias, norm, first } => {
                let is_dropped = mode.dropout > 0.0 && !first;
                let x = if is_dropped { x.dropout(mode.dropout, true) } else { x.shallow_clone() };
                normed(&x.linear(weight, Some(bias)), norm)
            }
            Stage::Conv { weight, bias, norm, geometry } => {
                let Window { stride, padding: [top, left, ..], .. } = geometry.window;
                let (padding, dilation) = (pair([top, left]), pair(geometry.dilation));
                let groups = geometry.groups as i64;
                normed(&x.conv2d(weight, Some(bias), pair(stride), padding, dilation, groups), norm)
            }
            Stage::AveragePool(Window { kernel, stride, padding: [top, left, ..] }) => {
                x.avg_pool2d(pair(*kernel), pair(*stride), pair([*top, *left]), false, true, None::<i64>)
            }
            Stage::Relu { norm } => {
                let z = normed(x, norm);
                see(&z);
                z.relu()
            }
            Stage::Quadratic { coefficients, norm } => {
                let z = normed(x, norm);
                see(&z);
                let z = if mode.bound.is_finite() { z.clamp(-mode.bound, mode.bound) } else { z };
                let share = mode.polynomial;
                if share >= 1.0 {
                    quadratic(&z, coefficients)
                } else {
                    z.relu().lerp(&quadratic(&z, coefficients), share)
                }
            }
            Stage::Flatten => x.flatten(1, -1),
            Stage::Add => inputs.iter().skip(1).fold(x.shallow_clone(), |sum, other| sum + other),
        }
    }

    /// The layer's parameters, batch norm aside.
    pub(crate) fn values(&self) -> Parameters {
        match self {
            Stage::Dense { weight, bias, .. } | Stage::Conv { weight, bias, .. } => {
                Parameters::Affine { weights: values(weight), bias: values(bias) }
            }
            Stage::Quadratic { coefficients, .. } => {
                Parameters::Polynomial { coefficients: values(coefficients) }
            }
            Stage::AveragePool(_) | Stage::Relu { .. } | Stage::Flatten | Stage::Add => Parameters::None,
        }
    }

    /// The layer's parameters with its batch norm folded into them; `None` for a ReLU that has one.
    pub(crate) fn folded(&self) -> Option<Parameters> {
        let mut parameters = self.values();
        match (self, &mut parameters) {
            (
                Stage::Dense { norm: Some(norm), .. } | Stage::Conv { norm: Some(norm), .. },
                Parameters::Affine { weights, bias },
            ) => norm.values().fold_into(weights, bias),
            (Stage::Quadratic { norm: Some(norm), .. }, Parameters::Polynomial { coefficients }) => {
                norm.values().fold_into_quadratic(coefficients);
            }
            (Stage::Relu { norm: Some(_) }, _) => return None,
            _ => {}
        }
        Some(parameters)
    }
}

/// `c_0 + c_1 z + c_2 z^2` with coefficients of their own for every channel, the second dimension of `z`.
fn quadratic(z: &Tensor, coefficients: &Tensor) -> Tensor {
    let coefficient = |power| coefficients.select(1, power);
    if z.dim() == 4 && !z.is_contiguous() {
        // Channels last, rows of few values: a broadcast and the sums of its gradient take twice as long as these.
        let channels = z.size()[1];
        let affine = |x: &Tensor, factor: &Tensor, offset: &Tensor| {
            x.conv2d(&factor.reshape([-1, 1, 1, 1]), Some(offset), [1, 1], [0, 0], [1, 1], channels)
        };
        let slope = affine(z, &coefficient(2), &coefficient(1));
        return affine(&(z * slope), &Tensor::ones([channels], (Kind::Float, z.device())), &coefficient(0));
    }
    let mut shape = vec![1; z.dim()];
    shape[1] = -1;
    let spread = |power| coefficient(power).view(shape.as_slice());
    spread(0).addcmul(z, &spread(1).addcmul(z, &spread(2)))
}

fn pair(sizes: [usize; 2]) -> [i64; 2] {
    sizes.map(|size| size as i64)
}

/// All values of a tensor, in storage order.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.to_kind(Kind::Float).contiguous().copy_data(&mut values, tensor.numel());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outputs and the gradients of `z` and of the coefficients.
    fn squared(z: &Tensor, coefficients: &Tensor, weights: &Tensor) -> [Tensor; 3] {
        let (z, coefficients) =
            (z.detach().set_requires_grad(true), coefficients.detach().set_requires_grad(true));
        let output = quadratic(&z, &coefficients);
        (&output * weights).sum(Kind::Float).backward();
        [output.detach(), z.grad(), coefficients.grad()]
    }

    #[test]
    fn quadratics_with_channels_last_are_the_same() {
        tch::manual_seed(5);
        let options = (Kind::Float, tch::Device::Cpu);
        let (z, weights) = (Tensor::randn([3, 5, 4, 4], options), Tensor::randn([3, 5, 4, 4], options));
        let coefficients = Tensor::randn([5, 3], options);
        let last = z.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        assert!(z.is_contiguous() && !last.is_contiguous());
        let pairs =
            squared(&z, &coefficients, &weights).into_iter().zip(squared(&last, &coefficients, &weights));
        for (first, second) in pairs {
            assert_eq!(first.size(), second.size());
            let distance = (first - second).abs().max().double_value(&[]);
            assert!(distance < 1e-4, "off by {distance}");
        }
    }
}
