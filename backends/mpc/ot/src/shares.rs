//! What two parties compute on numbers and bits that they share.

pub mod bits;
pub(crate) mod comparison;
pub mod equality;
pub mod gates;
#[cfg(any(test, feature = "ideal"))]
pub mod ideal;
pub mod multiplexer;
pub mod product;
pub mod relu;
