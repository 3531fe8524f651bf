//! Processes of the backends' roles, through the real executable.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../bench/mod.rs"]
mod bench;
mod external;
mod mpc;
mod secrets;
mod tee;
