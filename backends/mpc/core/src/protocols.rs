//! The protocols that sessions follow.

pub mod beaver;
pub mod masked;
