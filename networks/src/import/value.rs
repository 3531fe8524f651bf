//! What a name in the graph stands for.

use super::activation::Activation;
use super::constant::Constant;
use super::integers::Sizes;

/// A symbolic value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Depends on the image.
    Activation(Activation),
    /// Is in the file.
    Constant(Constant),
    /// Was computed from shapes.
    Sizes(Sizes),
}

impl From<Activation> for Value {
    fn from(activation: Activation) -> Self {
        Value::Activation(activation)
    }
}

impl From<Constant> for Value {
    fn from(constant: Constant) -> Self {
        Value::Constant(constant)
    }
}

impl From<Sizes> for Value {
    fn from(sizes: Sizes) -> Self {
        Value::Sizes(sizes)
    }
}
