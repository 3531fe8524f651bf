//! Two-party additive secret sharing with a dealer.

pub mod linear;
pub mod network;
pub mod product;
pub mod random;
pub mod ring;

mod error;

pub use error::Error;
