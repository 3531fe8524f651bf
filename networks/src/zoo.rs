//! The reference networks: their geometry, and the trained weights that ship with veilbench.
//!
//! `mnist-mlp`, `mnist-cnn` and `malaria-cnn` are those of Haralampieva, Rueckert and
//! Passerat-Palmbach (arXiv 2011.05296), as in their published code. `melanoma-lenet` is a
//! reconstruction: the abstract of Jain et al. (CryptInfer, 2021) gives neither layer list nor image
//! size. `cifar-resnet20` is that of He et al. (CVPR 2016). Each comes with ReLU under its plain name and with a trained
//! polynomial under `<name>-poly`.

mod geometry;
mod resnet;

use thiserror::Error;

pub use geometry::{Activation, malaria_cnn, melanoma_lenet, mnist_cnn, mnist_mlp, untrained};
pub use resnet::{Order, WIDTH, cifar_resnet20, fixed, residual};

use crate::Network;
use crate::import::{self, ImportError};

/// The trained networks in this build.
const FILES: &[(&str, &[u8])] = &[
    ("mnist-mlp", include_bytes!("../zoo/mnist-mlp.onnx")),
    ("mnist-mlp-poly", include_bytes!("../zoo/mnist-mlp-poly.onnx")),
    ("mnist-cnn", include_bytes!("../zoo/mnist-cnn.onnx")),
    ("mnist-cnn-poly", include_bytes!("../zoo/mnist-cnn-poly.onnx")),
    ("malaria-cnn", include_bytes!("../zoo/malaria-cnn.onnx")),
    ("malaria-cnn-poly", include_bytes!("../zoo/malaria-cnn-poly.onnx")),
    ("melanoma-lenet", include_bytes!("../zoo/melanoma-lenet.onnx")),
    ("melanoma-lenet-poly", include_bytes!("../zoo/melanoma-lenet-poly.onnx")),
    ("cifar-resnet20", include_bytes!("../zoo/cifar-resnet20.onnx")),
    ("cifar-resnet20-poly", include_bytes!("../zoo/cifar-resnet20-poly.onnx")),
];

/// Why a trained network is not available.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ZooError {
    /// There is none of that name.
    #[error("no trained network is named {name:?}: the names are {}", names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file that ships is damaged.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Names of the trained networks.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|&(name, _)| name)
}

/// Returns the ONNX file of a trained network.
///
/// # Errors
/// [`ZooError`] if there is none of that name.
pub fn bytes(name: &str) -> Result<&'static [u8], ZooError> {
    let file = FILES.iter().find(|&&(known, _)| known == name);
    file.map(|&(_, bytes)| bytes).ok_or_else(|| ZooError::Unknown { name: name.into() })
}

/// Returns a trained network.
///
/// # Errors
/// [`ZooError`] if there is none of that name.
pub fn load(name: &str) -> Result<Network, ZooError> {
    Ok(import::parse(bytes(name)?, &format!("{name}.onnx"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trained_network_is_the_reference_network_of_its_name() {
        for name in names() {
            let network = load(name).expect("it ships");
            let (plain, activation) = match name.strip_suffix("-poly") {
                Some(plain) => (plain, Activation::Polynomial { degree: 2 }),
                None => (name, Activation::Relu),
            };
            let mut geometry = match plain {
                "mnist-mlp" => mnist_mlp(activation),
                "mnist-cnn" => mnist_cnn(activation),
                "malaria-cnn" => malaria_cnn(activation),
                "melanoma-lenet" => melanoma_lenet(activation),
                "cifar-resnet20" => cifar_resnet20(activation),
                other => panic!("{other} is no reference network"),
            };
            assert!(network.architecture.input_range.is_some(), "{name} has no ranges");
            geometry.input_range = network.architecture.input_range;
            for (layer, trained) in geometry.layers.iter_mut().zip(&network.architecture.layers) {
                assert!(trained.range.is_some(), "{name}, {} has no range", trained.name);
                layer.range = trained.range;
            }
            assert_eq!(network.architecture, geometry);
        }
    }

    #[test]
    fn every_file_says_what_it_is_worth_and_stays_small() {
        for name in names() {
            assert!(bytes(name).expect("it ships").len() < 2_000_000, "{name}");
            let notes = load(name).expect("it ships").metadata.notes;
            let due = ["accuracy", "command", "data", "recipe", "seed"];
            let due_of_deep = ["accuracy-lossless", "activations", "caveat", "odd-images"];
            let deep = due_of_deep.iter().filter(|_| name.starts_with("cifar"));
            for key in due.iter().chain(deep) {
                assert!(notes.get(*key).is_some_and(|text| !text.is_empty()), "{name} says no {key}");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(matches!(load("alexnet"), Err(ZooError::Unknown { .. })));
    }
}
