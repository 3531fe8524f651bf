//! How the polynomial twin of a deep network is made of a ReLU network in the same order of layers.

use std::f32::consts::PI;
use std::fmt;

/// Bounds of the quadratics `c_0 + z/2 + c_2 z^2`, `z` normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuadraticBounds {
    /// Least and largest `c_2`.
    pub square: [f64; 2],
    /// Largest distance of the vertex from zero, `1 / (4 c_2)`.
    pub vertex: f64,
}

impl QuadraticBounds {
    /// Least and largest `c_2` that keep all bounds.
    pub fn squares(&self) -> [f64; 2] {
        [self.square[0].max(0.25 / self.vertex), self.square[1]]
    }
}

/// A training that begins with the weights of a ReLU network, turns its activations into quadratics little by little, and
/// learns its logits beside the labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Twin {
    /// Name of the recipe of the ReLU network.
    pub teacher: &'static str,
    /// Share of the steps, from the first, in which ReLU turns into the quadratic.
    pub blend: f64,
    /// Share of the steps, up to the last, with frozen norms and with changed contrast and noise.
    pub frozen: f64,
    /// What logits are divided by before they are compared (Hinton, Vinyals and Dean, arXiv 1503.02531).
    pub temperature: f64,
    /// Weight of that comparison in the loss; labels have the rest.
    pub distillation: f64,
    /// `c_2` before training.
    pub first_square: f32,
    /// What every quadratic keeps.
    pub bounds: QuadraticBounds,
    /// Magnitude of a normalised input of an activation beyond which it costs.
    pub limit: f64,
    /// Price of a square of what is beyond, summed over an image.
    pub penalty: f64,
    /// Contrast of the last part of the training is divided or multiplied by up to this factor.
    pub contrast: f32,
    /// Largest standard deviation of the noise of that part.
    pub noise: f32,
    /// Largest magnitude of a normalised input over all training images with which the network is written. While it learns, what
    /// is beyond is cut off, since squares of a single image would move the statistics of a batch, and with them all others.
    pub largest: f64,
}

/// What a step of a training is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Share of the polynomial in every activation.
    pub polynomial: f64,
    /// Whether norms are frozen, and contrast and noise are added.
    pub is_frozen: bool,
}

impl Twin {
    /// The phase of step `step` of `total`, counted from 0.
    pub fn phase(&self, step: u64, total: u64) -> Phase {
        let (step, total) = (step as f64, total as f64);
        let polynomial = (step / (self.blend * total).max(1.0)).min(1.0);
        Phase { polynomial, is_frozen: total - step <= self.frozen * total }
    }

    /// `c_0`, `c_1`, `c_2` before training: over normally distributed values the mean is that of ReLU.
    pub fn coefficients(&self) -> [f32; 3] {
        [1.0 / (2.0 * PI).sqrt() - self.first_square, 0.5, self.first_square]
    }
}

impl fmt::Display for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, largest] = self.bounds.squares();
        let percent = |share: f64| (share * 100.0).round();
        write!(f, "begun with the weights of {} (same order of layers, ReLU)", self.teacher)?;
        write!(
            f,
            ", ReLU turned into c0 + z/2 + c2 z^2 over the first {} % of the steps",
            percent(self.blend)
        )?;
        write!(f, ", c2 begun at {} and kept within {least} and {largest}", self.first_square)?;
        write!(
            f,
            ", loss {} % by its logits at temperature {}",
            percent(self.distillation),
            self.temperature
        )?;
        write!(f, ", {} for each square beyond |z| = {} of an image", self.penalty, self.limit)?;
        write!(f, ", z kept within {} while it learns", self.largest)?;
        write!(f, ", the last {} % of the steps with frozen norms", percent(self.frozen))?;
        write!(f, ", contrast changed by up to {} times and noise up to {}", self.contrast, self.noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::recipe;

    fn twin() -> Twin {
        recipe("cifar-resnet20-poly").unwrap().twin.unwrap()
    }

    #[test]
    fn activations_begin_as_relu_become_polynomials_and_end_with_frozen_norms() {
        let phases: Vec<Phase> = (0..300).map(|step| twin().phase(step, 300)).collect();
        assert_eq!((phases[0].polynomial, phases[0].is_frozen), (0.0, false));
        assert!(phases.windows(2).all(|pair| pair[0].polynomial <= pair[1].polynomial));
        assert!(phases.iter().all(|phase| !phase.is_frozen || phase.polynomial == 1.0));
        assert_eq!(phases.iter().filter(|phase| phase.is_frozen).count(), 100);
    }

    #[test]
    fn first_coefficients_keep_the_bounds_and_the_mean_of_relu() {
        let ([constant, linear, square], [least, largest]) = (twin().coefficients(), twin().bounds.squares());
        assert!((least..=largest).contains(&f64::from(square)) && linear == 0.5);
        assert!(0.25 / least <= 8.0 && least >= 0.02 && largest <= 0.15);
        // The mean of ReLU over the standard normal distribution is its density at zero.
        assert!((constant + square - 0.398_942_3).abs() < 1e-6);
    }
}
