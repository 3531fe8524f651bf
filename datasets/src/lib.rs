//! The images veilbench classifies: loaders, checksummed fetch, and a small embedded sample.
//!
//! [`load`] gives a [`Dataset`]; a missing or damaged file is an error that names it.
//!
//! # Non-goals
//! Augmentation and training-time shuffling (the trainer's business), datasets that do not fit in
//! memory, conversion to tensors (the harness' business).

mod bounded;
mod cache;
mod dataset;
mod digest;
mod error;
mod idx;
mod load;
mod lookalike;
mod malaria;
mod melanoma;
mod mnist;
mod npz;
mod resize;
mod sample;
mod splits;
mod store;
mod tree;

pub use dataset::{Dataset, Split};
pub use error::Error;
pub use load::{IDS, Loaded, load, load_or_sample};
pub use store::Store;
