//! Tests of reports on made-up runs.
#![expect(clippy::unwrap_used, reason = "functions that make a test's folder fail with the test")]

mod fixture;
mod report;
mod summary;
