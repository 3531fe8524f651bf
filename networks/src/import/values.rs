//! What a name in the graph stands for.

pub(super) mod activation;
pub(super) mod arithmetic;
pub(super) mod constant;
pub(super) mod integers;
pub(super) mod layout;

use activation::Activation;
use constant::Constant;
use integers::Sizes;

/// A symbolic value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Depends on the image.
    Activation(Activation),
    /// Is in the file.
    Constant(Constant),
    /// Was computed from shapes.
    Sizes(Sizes),
}

impl Value {
    /// Sizes that do not depend on the batch as the constant they are.
    pub(crate) fn settled(self) -> Self {
        let Value::Sizes(sizes) = self else { return self };
        match sizes.known() {
            Ok(known) => {
                let dims = if sizes.is_scalar { Vec::new() } else { vec![known.len()] };
                Constant::integers(dims, known).into()
            }
            Err(_) => sizes.into(),
        }
    }
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
