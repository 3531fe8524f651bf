//! Operations on ciphertexts against the same on plain numbers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../fixture/mod.rs"]
mod fixture;

mod chebyshev;
mod exhaustive;
mod linear_algebra;
mod many_ciphertexts;
mod pairs;
mod paths;
mod single;
