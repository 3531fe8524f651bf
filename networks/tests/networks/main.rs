//! Tests of the crate from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exports;
mod external;
mod fixtures;
mod hostile;
mod round_trip;
mod shelf;
mod support;
