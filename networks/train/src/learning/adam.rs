//! Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), with its
//! state in plain sight so that a checkpoint can hold all of it.

use tch::{Kind, Tensor};

use crate::learning::model::Named;

const BETA_FIRST: f64 = 0.9;
const BETA_SECOND: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Moments of the gradients of some parameters.
#[derive(Debug)]
pub struct Adam {
    weight_decay: f64,
    gradient_norm: f64,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
}

impl Adam {
    /// An optimiser of `parameters` that has seen no gradient yet. Only weights, not biases, norms
    /// or polynomials, decay; gradients are scaled down to `gradient_norm`, taken over all parameters.
    pub fn new(parameters: &[Named], weight_decay: f64, gradient_norm: f64) -> Self {
        let zeros = || parameters.iter().map(|parameter| parameter.tensor.zeros_like().detach()).collect();
        Self { weight_decay, gradient_norm, first: zeros(), second: zeros() }
    }

    /// First and second moments, in the order of the parameters.
    pub fn moments(&self) -> [&[Tensor]; 2] {
        [&self.first, &self.second]
    }

    /// One step at learning rate `rate`, the `step`-th counted from 1, along the gradients the
    /// parameters hold, which are consumed.
    pub fn step(&mut self, parameters: &[Named], rate: f64, step: u64) {
        tch::no_grad(|| {
            let gradients: Vec<Tensor> = parameters.iter().map(|parameter| parameter.tensor.grad()).collect();
            let squares: Vec<Tensor> =
                gradients.iter().map(|gradient| gradient.square().sum(Kind::Float)).collect();
            let norm = Tensor::stack(&squares, 0).sum(Kind::Float).sqrt().double_value(&[]);
            let shrink = (self.gradient_norm / (norm + 1e-6)).min(1.0);

            let steps = step as f64;
            let rate_corrected = rate / (1.0 - BETA_FIRST.powf(steps));
            let second_correction = (1.0 - BETA_SECOND.powf(steps)).sqrt();
            let moments = self.first.iter_mut().zip(&mut self.second);
            for ((parameter, gradient), (first, second)) in parameters.iter().zip(gradients).zip(moments) {
                let mut tensor = parameter.tensor.shallow_clone();
                let gradient = gradient * shrink;
                if parameter.name.ends_with(".weight") {
                    let _ = tensor.g_mul_scalar_(1.0 - rate * self.weight_decay);
                }
                let _ = first.lerp_(&gradient, 1.0 - BETA_FIRST);
                let _ = second.lerp_(&gradient.square(), 1.0 - BETA_SECOND);
                let divisor = second.sqrt() / second_correction + EPSILON;
                let _ = tensor.g_sub_(&(&*first / divisor * rate_corrected));
                tensor.zero_grad();
            }
        });
    }
}
