//! Trains the reference networks with libtorch and writes them as ONNX.
//!
//! The way of the data: [`recipes`] say how, [`batches`] and [`augment`] turn a data set into
//! batches, `model` and `adam` learn, [`twin`] says how a deep network's ReLU becomes polynomials, [`fold`] removes the batch
//! norms, `export` measures, checks and writes. Everything random comes from
//! [`random`], a pure function of seed, purpose and index, so that a resumed training needs no
//! generator state and continues bit for bit.
//!
//! Without the feature `train` only the parts that need no libtorch are built.
//!
//! # Non-goals
//! GPUs, distributed training, concatenations: the architectures come from `veilbench_networks::zoo`, this crate only
//! finds weights.

pub mod agreement;
pub mod augment;
pub mod batches;
pub mod fold;
pub mod notes;
pub mod odd;
pub mod progress;
pub mod random;
pub mod recipes;
pub mod schedule;
pub mod score;
pub mod twin;

#[cfg(feature = "train")]
pub mod activations;
#[cfg(feature = "train")]
pub mod adam;
#[cfg(feature = "train")]
pub mod checkpoint;
#[cfg(feature = "train")]
pub mod error;
#[cfg(feature = "train")]
pub mod export;
#[cfg(feature = "train")]
pub mod model;
#[cfg(feature = "train")]
mod stage;
#[cfg(feature = "train")]
pub mod training;
