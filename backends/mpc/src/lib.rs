//! Two-party additive secret sharing with a dealer.

pub mod circuit;
pub mod dcf;
pub mod linear;
pub mod masked;
pub mod model;
pub mod network;
pub mod oracle;
pub mod product;
pub mod random;
pub mod ring;

mod error;
mod message;

pub use error::Error;
