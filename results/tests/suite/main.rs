//! Tests of the files of a run folder, on folders made for them.
#![expect(clippy::unwrap_used, reason = "functions that make a test's folder fail with the test")]

mod files;
mod fixture;
mod merge;
mod store;
mod validate;
