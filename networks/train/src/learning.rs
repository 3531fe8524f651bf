//! Models in libtorch, and how they learn.

pub mod activations;
pub mod adam;
pub mod checkpoint;
pub mod model;
mod stage;
pub mod training;
