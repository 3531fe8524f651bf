//! How each network is trained: one [`Recipe`] each, nothing hidden elsewhere.
//!
//! Recipes were chosen on a validation part held out of the training images (`--validate`), never
//! on test images.

use std::fmt;

use veilbench_networks::zoo::{self, Activation};
use veilbench_networks::{Architecture, Normalisation};

use crate::augment::Augmentation;

/// A constructor of `veilbench_networks::zoo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its constructor")]
pub enum Geometry {
    MnistMlp,
    MnistCnn,
    MalariaCnn,
    MelanomaLenet,
}

/// Everything that decides the outcome of a training, the seed and the images aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name of the network, as in `veilbench_networks::zoo`.
    pub network: &'static str,
    /// Its layers, activations aside.
    pub geometry: Geometry,
    /// The data set it learns, as in `veilbench_datasets`.
    pub dataset: &'static str,
    /// Mean of the training pixels of each channel, on pixels scaled to 0..1.
    pub mean: &'static [f32],
    /// Their standard deviation.
    pub deviation: &'static [f32],
    /// Times every training image is seen.
    pub epochs: u64,
    /// Images a step.
    pub batch: usize,
    /// Highest learning rate of the one-cycle schedule.
    pub peak_rate: f64,
    /// Decoupled weight decay (AdamW) of weights; biases, norms and polynomials do not decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm.
    pub gradient_norm: f64,
    /// Share of the target spread evenly over the classes.
    pub label_smoothing: f64,
    /// Share of the inputs of every dense layer but the network's own input set to zero.
    pub dropout: f64,
    /// Decay of the exponential moving average of the weights, which is what is exported; 0 exports
    /// the last weights.
    pub averaging: f64,
    /// Whether every class is seen equally often.
    pub balanced: bool,
    /// Random views of the training images.
    pub augmentation: Augmentation,
}

const MNIST: Recipe = Recipe {
    network: "",
    geometry: Geometry::MnistMlp,
    dataset: "mnist",
    mean: &[0.1307],
    deviation: &[0.3081],
    epochs: 30,
    batch: 128,
    peak_rate: 2e-3,
    weight_decay: 0.01,
    gradient_norm: 1.0,
    label_smoothing: 0.0,
    dropout: 0.0,
    averaging: 0.998,
    balanced: false,
    augmentation: Augmentation {
        symmetries: false,
        rotation_degrees: 8.0,
        shift_pixels: 1.0,
        zoom: 0.08,
        colour: 0.0,
    },
};

const MALARIA: Recipe = Recipe {
    network: "",
    geometry: Geometry::MalariaCnn,
    dataset: "malaria",
    mean: &[0.5; 3],
    deviation: &[0.5; 3],
    epochs: 24,
    batch: 64,
    peak_rate: 3e-3,
    weight_decay: 0.02,
    gradient_norm: 1.0,
    label_smoothing: 0.0,
    dropout: 0.1,
    averaging: 0.998,
    balanced: false,
    augmentation: Augmentation {
        symmetries: true,
        rotation_degrees: 0.0,
        shift_pixels: 0.0,
        zoom: 0.0,
        colour: 0.0,
    },
};

const MELANOMA: Recipe = Recipe {
    network: "",
    geometry: Geometry::MelanomaLenet,
    dataset: "melanoma",
    mean: &[0.77, 0.52, 0.54],
    deviation: &[0.14, 0.16, 0.18],
    epochs: 20,
    batch: 64,
    peak_rate: 2e-3,
    weight_decay: 0.05,
    gradient_norm: 1.0,
    label_smoothing: 0.0,
    dropout: 0.3,
    averaging: 0.995,
    balanced: true,
    augmentation: Augmentation {
        symmetries: true,
        rotation_degrees: 45.0,
        shift_pixels: 4.0,
        zoom: 0.2,
        colour: 0.05,
    },
};

/// The recipes of all reference networks.
pub const RECIPES: [Recipe; 8] = [
    Recipe { network: "mnist-mlp", ..MNIST },
    Recipe { network: "mnist-mlp-poly", ..MNIST },
    Recipe { network: "mnist-cnn", geometry: Geometry::MnistCnn, ..MNIST },
    Recipe { network: "mnist-cnn-poly", geometry: Geometry::MnistCnn, ..MNIST },
    Recipe { network: "malaria-cnn", ..MALARIA },
    Recipe { network: "malaria-cnn-poly", ..MALARIA },
    Recipe { network: "melanoma-lenet", ..MELANOMA },
    Recipe { network: "melanoma-lenet-poly", ..MELANOMA },
];

/// The recipe of the network called `name`.
pub fn recipe(name: &str) -> Option<Recipe> {
    RECIPES.into_iter().find(|recipe| recipe.network == name)
}

impl Recipe {
    /// The architecture that is trained.
    pub fn architecture(&self) -> Architecture {
        let activation = match self.network.ends_with("-poly") {
            true => Activation::Polynomial { degree: 2 },
            false => Activation::Relu,
        };
        match self.geometry {
            Geometry::MnistMlp => zoo::mnist_mlp(activation),
            Geometry::MnistCnn => zoo::mnist_cnn(activation),
            Geometry::MalariaCnn => zoo::malaria_cnn(activation),
            Geometry::MelanomaLenet => zoo::melanoma_lenet(activation),
        }
    }

    /// How pixels become inputs.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation { mean: self.mean.to_vec(), deviation: self.deviation.to_vec() }
    }
}

/// The recipe in words, as it stands in the metadata of a model file.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdamW with decoupled weight decay {} on weights, ", self.weight_decay)?;
        write!(f, "one-cycle learning rate up to {}, ", self.peak_rate)?;
        write!(
            f,
            "{} epochs of batches of {}, gradient norm at most {}, ",
            self.epochs, self.batch, self.gradient_norm
        )?;
        write!(f, "cross-entropy, batch norm before every activation (folded away)")?;
        if self.label_smoothing > 0.0 {
            write!(f, ", label smoothing {}", self.label_smoothing)?;
        }
        if self.dropout > 0.0 {
            write!(f, ", dropout {} before dense layers", self.dropout)?;
        }
        if self.averaging > 0.0 {
            write!(f, ", weights averaged with decay {}", self.averaging)?;
        }
        if self.balanced {
            write!(f, ", classes drawn equally often")?;
        }
        let Augmentation { symmetries, rotation_degrees, shift_pixels, zoom, colour } = self.augmentation;
        if symmetries {
            write!(f, ", flips and 90-degree rotations")?;
        }
        if rotation_degrees > 0.0 {
            write!(f, ", rotations up to {rotation_degrees} degrees")?;
        }
        if shift_pixels > 0.0 {
            write!(f, ", shifts up to {shift_pixels} pixels")?;
        }
        if zoom > 0.0 {
            write!(f, ", zoom up to {} %", zoom * 100.0)?;
        }
        if colour > 0.0 {
            write!(f, ", brightness of each channel and contrast changed by up to {} %", colour * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_twin_is_trained_exactly_as_its_network() {
        for twin in RECIPES.iter().filter(|recipe| recipe.network.ends_with("-poly")) {
            let plain = recipe(twin.network.trim_end_matches("-poly")).unwrap();
            assert_eq!(Recipe { network: twin.network, ..plain }, *twin);
        }
    }

    #[test]
    fn every_recipe_trains_the_architecture_of_its_name() {
        for recipe in RECIPES {
            assert_eq!(recipe.architecture().name, recipe.network);
        }
    }

    #[test]
    fn the_words_name_what_the_recipe_does_and_nothing_else() {
        let words = recipe("malaria-cnn-poly").unwrap().to_string();
        assert!(words.contains("flips and 90-degree rotations"));
        assert!(!words.contains("classes drawn equally often"));
    }
}
