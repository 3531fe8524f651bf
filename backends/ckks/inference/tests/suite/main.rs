//! What the CKKS backends do with networks, images, keys and messages, those they cannot use above all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deep;
mod fixture;
mod graphs;
mod inputs;
mod interceptors;
mod keys;
mod messages;
mod networks;
mod packed;
mod pairs;
mod release;
mod smooth;
