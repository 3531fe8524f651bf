//! Trains the reference networks with libtorch and writes them as ONNX.
//!
//! The way of the data: [`recipes`] say how, and how a deep network's ReLU becomes polynomials; [`images`] turns a data set into
//! batches; `learning` is the models; [`shipping`] removes the batch norms, measures, checks and writes. Everything random comes from
//! [`random`], a pure function of seed, purpose and index, so that a resumed training needs no
//! generator state and continues bit for bit.
//!
//! Without the feature `train` only the parts that need no libtorch are built.
//!
//! # Non-goals
//! GPUs, distributed training, concatenations: the architectures come from `veilbench_networks::zoo`, this crate only
//! finds weights.

#[cfg(feature = "train")]
pub mod error;
pub mod images;
#[cfg(feature = "train")]
pub mod learning;
pub mod progress;
pub mod random;
pub mod recipes;
pub mod shipping;
