//! From a data set to batches that a network learns from.

pub mod augment;
pub mod batches;
pub mod lossless;
pub mod odd;
