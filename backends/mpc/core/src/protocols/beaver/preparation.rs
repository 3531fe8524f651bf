//! What the model owner keeps of the weights: under their masks as the data owner has them, and what only it knows.

use super::Beaver;
use crate::circuit::Gate;
use crate::circuit::parameters::GateParameters;
use crate::linear::LinearMap;
use crate::ring;
use crate::session::preparation::{MaskedParameters, Preparation};

/// A gate's parameters at the model owner.
pub struct Own {
    pub(super) masked: MaskedParameters,
    pub(super) secret: Secret,
}

/// What the model owner alone knows of them.
pub(super) enum Secret {
    None,
    /// A linear layer's: the mask, ready for products, and the bias.
    Linear {
        mask: Box<LinearMap>,
        bias: Vec<u64>,
    },
    /// A polynomial's: the masks of both coefficients, and the constant.
    Quadratic {
        alpha: Vec<u64>,
        beta: Vec<u64>,
        c: Vec<u64>,
    },
}

impl Preparation for Beaver {
    type Own = Own;

    const RINGS_BY_LAYER: bool = false;

    fn own(gate: &Gate, secret: GateParameters, masked: Vec<u64>) -> Own {
        let mask = |masked: &[u64], secret: &[u64]| {
            let mut mask = masked.to_vec();
            ring::sub_assign(&mut mask, secret);
            mask
        };
        let secret = match (gate, secret) {
            (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                Secret::Linear { mask: Box::new(LinearMap::new(*shape, mask(&masked, &weights))), bias }
            }
            (_, GateParameters::Quadratic { a, b, c }) => {
                let (masked_a, masked_b) = masked.split_at(a.len());
                Secret::Quadratic { alpha: mask(masked_a, &a), beta: mask(masked_b, &b), c }
            }
            _ => Secret::None,
        };
        Own { masked: MaskedParameters::new(gate, masked), secret }
    }
}
