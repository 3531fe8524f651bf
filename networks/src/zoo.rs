//! The reference networks: their geometry, and the trained weights that ship with veilbench.
//!
//! `mnist-mlp`, `mnist-cnn` and `malaria-cnn` are those of Haralampieva, Rueckert and
//! Passerat-Palmbach (arXiv 2011.05296), as in their published code. `melanoma-lenet` is a reconstruction: the abstract of
//! Jain et al. (CryptInfer, 2021) gives neither layer list nor image size. Each comes with ReLU under
//! its plain name and with a trained polynomial under `<name>-poly`.

mod geometry;

use crate::Network;
use crate::import::{ImportError, parse};

pub use geometry::{Activation, malaria_cnn, melanoma_lenet, mnist_cnn, mnist_mlp, untrained};

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("../zoo/", $name, ".onnx")).as_slice())),+]
    };
}

/// The trained networks, in the order of the documentation.
static FILES: &[(&str, &[u8])] = &files!["mnist-mlp", "mnist-cnn", "mnist-cnn-poly", "malaria-cnn"];

/// Names of the trained networks.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The ONNX file of a trained network.
pub fn bytes(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// A trained network; `None` if no network has this name.
///
/// # Errors
/// Those of [`parse`], which are a fault of the shipped file.
pub fn load(name: &str) -> Option<Result<Network, ImportError>> {
    bytes(name).map(|bytes| parse(bytes, name))
}
