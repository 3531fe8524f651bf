//! What two parties compute on numbers and bits that they share.

pub(crate) mod comparison;
pub mod equality;
pub mod gates;
pub mod multiplexer;
pub mod product;
pub mod relu;
