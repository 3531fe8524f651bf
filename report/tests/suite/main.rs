//! Tests of reports on made-up runs.

mod fixture;
mod report;
mod summary;
