//! What users bring of their own, through the real executable: images, models, networks that nobody here made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../bench/mod.rs"]
mod bench;
mod calibration;
mod digits;
mod images;
mod labels;
mod networks;
mod worked_example;
