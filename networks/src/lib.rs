//! Networks as veilbench sees them: a small intermediate representation, ONNX in and out, and the
//! clear evaluator every private backend is checked against.
//!
//! * [`Architecture`] is what both sides of a private inference may know: layers and shapes.
//! * [`Network`] adds what only the model owner knows: the weights.
//! * [`import`] reads ONNX files nobody here made, [`export`] writes ours.
//! * [`annotate`] writes into a file what it does not say of its images and classes.
//! * [`evaluate`] is the oracle, in `f32` or `f64`; [`Reference`] asks tract for a second opinion.
//! * [`zoo`] holds the trained reference networks.
//!
//! A network is a graph without cycles whose layers each read one layer, the image, or several that they
//! add or concatenate; a chain, in which each reads the one before, states no inputs at all.
//!
//! # Non-goals
//! Training (see `networks/train`), speed beyond what a test set needs, recurrent networks, and products
//! of activations with each other.

#[cfg(feature = "onnx")]
pub mod annotate;
pub mod architecture;
pub mod evaluate;
#[cfg(feature = "onnx")]
pub mod export;
#[cfg(feature = "onnx")]
pub mod import;
pub mod network;
#[cfg(feature = "onnx")]
pub mod reference;
pub mod tensor;
pub mod text;
#[cfg(feature = "onnx")]
pub mod zoo;

pub use architecture::{
    ActivationKind, Architecture, Conv2d, Dense, Layer, Op, Polynomial, Range, Shape, Source, Window,
};
pub use network::{Metadata, Network, Normalisation, Parameters};
#[cfg(feature = "onnx")]
pub use reference::Reference;
pub use tensor::Tensor;
