//! Computing on ciphertexts.

mod arithmetic;
mod chebyshev;
#[cfg(test)]
mod exact_tests;
mod key_switch;
mod level;
mod multiply;
mod pair_squares;
mod rotation;
mod sum_of_squares;
#[cfg(test)]
mod tests;
mod weighted_sum;
mod weighted_sums;

pub use chebyshev::{Chebyshev, MAX_CHEBYSHEV_DEGREE, chebyshev_depth, chebyshev_products};
pub use rotation::Hoisted;
pub use weighted_sums::WeightedBlock;

pub(crate) use key_switch::{Extended, switch};

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::{EvaluationKeys, KeyId};
use crate::parameters::ParameterId;
use std::sync::Arc;

/// How far apart two scales may be, relatively, to count as one: what adding them wrongly costs is below the
/// precision of any ciphertext.
const SCALE_TOLERANCE: f64 = 1.0 / (1u64 << 40) as f64;

/// Computes on ciphertexts of one secret key with its evaluation keys.
///
/// Operands of a sum have one level and one scale; operands of a product one level. Products have the product
/// of the scales and are not rescaled: [`Evaluator::rescale`] does that where the circuit wants it.
#[derive(Clone, Debug)]
pub struct Evaluator {
    context: Context,
    keys: Arc<EvaluationKeys>,
}

impl Evaluator {
    /// An evaluator for the secret key of `keys`.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`] if the keys belong to other parameters.
    pub fn new(context: &Context, keys: Arc<EvaluationKeys>) -> Result<Self> {
        context.check_parameters(keys.parameters())?;
        Ok(Self { context: context.clone(), keys })
    }

    /// The context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn keys(&self) -> &EvaluationKeys {
        &self.keys
    }

    pub(crate) fn check(&self, ciphertext: &Ciphertext) -> Result<()> {
        self.check_owner(ciphertext.parameters, ciphertext.key)
    }

    fn check_owner(&self, parameters: ParameterId, key: KeyId) -> Result<()> {
        self.context.check_parameters(parameters)?;
        self.keys.key().check(key)
    }

    /// Both are ours and at one level.
    fn check_pair(&self, left: &Ciphertext, right: &Ciphertext) -> Result<()> {
        self.check(left)?;
        self.check(right)?;
        same_level(left.level(), right.level())
    }
}

pub(crate) fn same_level(left: usize, right: usize) -> Result<()> {
    if left == right { Ok(()) } else { Err(Error::LevelMismatch { left, right }) }
}

pub(crate) fn same_scale(left: f64, right: f64) -> Result<()> {
    if (left / right - 1.0).abs() <= SCALE_TOLERANCE {
        return Ok(());
    }
    Err(Error::ScaleMismatch { left: left.log2(), right: right.log2() })
}
