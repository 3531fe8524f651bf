//! Functions applied value by value, besides ReLU and polynomials.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A function of one value. Definitions are those of the ONNX operators of the same names, with their
/// parameters here; values are those of [`ActivationKind::value`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActivationKind {
    /// `x` kept within bounds. A bound of `f32::MIN` or `f32::MAX` is none.
    Clip {
        /// Lower bound.
        low: f32,
        /// Upper bound, no lower than that.
        high: f32,
    },
    /// `x` above 0, `slope x` below.
    LeakyRelu {
        /// Slope below 0.
        slope: f32,
    },
    /// `x` above 0 and `s x` below, with a trained slope `s` for every channel.
    PRelu {
        /// Channels (features, if the activation is flat).
        channels: usize,
    },
    /// `x` above 0, `alpha (e^x - 1)` below.
    Elu {
        /// Limit below 0, negated.
        alpha: f32,
    },
    /// `gamma` times ELU.
    Selu {
        /// Scale of the exponential below 0.
        alpha: f32,
        /// Scale.
        gamma: f32,
    },
    /// `slope x + offset` kept within 0 and 1.
    HardSigmoid {
        /// Slope between the bounds.
        slope: f32,
        /// Value at 0.
        offset: f32,
    },
    /// `x` times `x / 6 + 1/2` kept within 0 and 1.
    HardSwish,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `x (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
    /// `x tanh(softplus(x))`.
    Mish,
    /// `ln(1 + e^x)`.
    Softplus,
    /// The error function.
    Erf,
}

impl ActivationKind {
    /// The function's value; `slope` is that of the value's channel, which [`ActivationKind::PRelu`] alone reads.
    pub fn value(self, x: f64, slope: f64) -> f64 {
        let below = |negative: f64| if x < 0.0 { negative } else { x };
        let elu = |alpha: f32| below(f64::from(alpha) * x.exp_m1());
        match self {
            ActivationKind::Clip { low, high } => clip(x, low.into(), high.into()),
            ActivationKind::LeakyRelu { slope } => below(f64::from(slope) * x),
            ActivationKind::PRelu { .. } => below(slope * x),
            ActivationKind::Elu { alpha } => elu(alpha),
            ActivationKind::Selu { alpha, gamma } => f64::from(gamma) * elu(alpha),
            ActivationKind::HardSigmoid { slope, offset } => {
                clip(f64::from(slope) * x + f64::from(offset), 0.0, 1.0)
            }
            ActivationKind::HardSwish => x * clip(x / 6.0 + 0.5, 0.0, 1.0),
            ActivationKind::Sigmoid => sigmoid(x),
            ActivationKind::Tanh => x.tanh(),
            ActivationKind::Silu => x * sigmoid(x),
            ActivationKind::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            ActivationKind::GeluTanh => {
                0.5 * x * (1.0 + (GELU_TANH_SCALE * (x + GELU_TANH_CUBE * x * x * x)).tanh())
            }
            ActivationKind::Mish => x * softplus(x).tanh(),
            ActivationKind::Softplus => softplus(x),
            ActivationKind::Erf => libm::erf(x),
        }
    }

    /// Whether its parameters are finite and its bounds in order, and no simpler operator computes the same:
    /// a clip that has no bound is nothing, and one at 0 without upper bound is a ReLU.
    pub(super) fn is_sound(self) -> bool {
        match self {
            ActivationKind::Clip { low, high } => {
                let is_simpler = high == f32::MAX && (low == 0.0 || low == f32::MIN);
                low.is_finite() && high.is_finite() && low <= high && !is_simpler
            }
            ActivationKind::LeakyRelu { slope } => slope.is_finite(),
            ActivationKind::Elu { alpha } => alpha.is_finite(),
            ActivationKind::Selu { alpha, gamma } => alpha.is_finite() && gamma.is_finite(),
            ActivationKind::HardSigmoid { slope, offset } => slope.is_finite() && offset.is_finite(),
            _ => true,
        }
    }
}

/// `sqrt(2 / pi)`.
pub(crate) const GELU_TANH_SCALE: f64 = 0.797_884_560_802_865_4;
/// Weight of the cube in the tanh form of GELU (Hendrycks and Gimpel, arXiv 1606.08415, section 2).
pub(crate) const GELU_TANH_CUBE: f64 = 0.044_715;

/// Keeps NaN, as ONNX does.
fn clip(x: f64, low: f64, high: f64) -> f64 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Without overflow for large `x`.
fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

impl fmt::Display for ActivationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ActivationKind::Clip { low: 0.0, high: 6.0 } => f.write_str("ReLU6"),
            ActivationKind::Clip { low, high: f32::MAX } => write!(f, "clip from {low}"),
            ActivationKind::Clip { low: f32::MIN, high } => write!(f, "clip to {high}"),
            ActivationKind::Clip { low, high } => write!(f, "clip {low} to {high}"),
            ActivationKind::LeakyRelu { slope } => write!(f, "leaky ReLU, slope {slope}"),
            ActivationKind::PRelu { .. } => f.write_str("PReLU"),
            ActivationKind::Elu { alpha: 1.0 } => f.write_str("ELU"),
            ActivationKind::Elu { alpha } => write!(f, "ELU, alpha {alpha}"),
            ActivationKind::Selu { .. } => f.write_str("SELU"),
            ActivationKind::HardSigmoid { .. } => f.write_str("hard sigmoid"),
            ActivationKind::HardSwish => f.write_str("hard swish"),
            ActivationKind::Sigmoid => f.write_str("sigmoid"),
            ActivationKind::Tanh => f.write_str("tanh"),
            ActivationKind::Silu => f.write_str("SiLU"),
            ActivationKind::Gelu => f.write_str("GELU"),
            ActivationKind::GeluTanh => f.write_str("GELU, tanh form"),
            ActivationKind::Mish => f.write_str("Mish"),
            ActivationKind::Softplus => f.write_str("softplus"),
            ActivationKind::Erf => f.write_str("error function"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_far_out_are_finite_and_not_a_number_stays() {
        let kinds = [
            ActivationKind::Clip { low: -1.0, high: 6.0 },
            ActivationKind::Elu { alpha: 1.0 },
            ActivationKind::HardSwish,
            ActivationKind::Sigmoid,
            ActivationKind::Tanh,
            ActivationKind::Silu,
            ActivationKind::Gelu,
            ActivationKind::GeluTanh,
            ActivationKind::Mish,
            ActivationKind::Softplus,
        ];
        for kind in kinds {
            for x in [-1e4, -700.0, 700.0, 1e4] {
                assert!(kind.value(x, 0.0).is_finite(), "{kind} at {x}");
            }
            assert!(kind.value(f64::NAN, 0.0).is_nan(), "{kind}");
        }
    }

    #[test]
    fn the_slope_of_the_tanh_form_is_the_root_of_two_over_pi() {
        assert_eq!(GELU_TANH_SCALE, (2.0 / std::f64::consts::PI).sqrt());
    }
}
