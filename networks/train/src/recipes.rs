//! How each network is trained: one [`Recipe`] each, nothing hidden elsewhere.
//!
//! Recipes were chosen on a validation part held out of the training images (`--validate`), never
//! on test images.

use std::fmt;

use veilbench_networks::zoo::{self, Activation, Order};
use veilbench_networks::{Architecture, Normalisation};

use crate::images::augment::Augmentation;
use crate::recipes::twin::{Phase, Twin};

mod deep;
pub mod schedule;
pub mod twin;

pub use deep::DEEP;

/// `c_0`, `c_1`, `c_2` before training: close to half of a ReLU's slope, mildly curved.
const FIRST_COEFFICIENTS: [f32; 3] = [0.0, 0.5, 0.1];

/// A constructor of `veilbench_networks::zoo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its constructor")]
pub enum Geometry {
    MnistMlp,
    MnistCnn,
    MalariaCnn,
    MelanomaLenet,
    /// `residual`.
    CifarResnet20 {
        order: Order,
        width: usize,
    },
}

/// Where batch norms stand while a network learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// Nowhere: the network is finished.
    None,
    /// Before every activation. One that follows a convolution or dense layer which nothing else reads is folded into that
    /// layer, any other into the polynomial behind it.
    BeforeActivations,
    /// Behind every convolution, and nowhere else.
    AfterConvolutions,
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
    /// Where batch norms stand.
    pub norms: Norms,
    /// How it is made of another network, if it is.
    pub twin: Option<Twin>,
    /// Whether tensors lie in memory pixel by pixel instead of channel by channel: a quarter faster for deep networks.
    pub channels_last: bool,
    /// One image in so many is kept from training and shows after every epoch how it goes; 0: none.
    pub watched: usize,
}

const NO_AUGMENTATION: Augmentation = Augmentation {
    symmetries: false,
    rotation_degrees: 0.0,
    shift_pixels: 0.0,
    zoom: 0.0,
    colour: 0.0,
    flip: false,
    crop: 0,
    contrast: 0.0,
    noise: 0.0,
};

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
        ..NO_AUGMENTATION
    },
    norms: Norms::BeforeActivations,
    twin: None,
    channels_last: false,
    watched: 0,
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
    augmentation: Augmentation { symmetries: true, ..NO_AUGMENTATION },
    norms: Norms::BeforeActivations,
    twin: None,
    channels_last: false,
    watched: 0,
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
        ..NO_AUGMENTATION
    },
    norms: Norms::BeforeActivations,
    twin: None,
    channels_last: false,
    watched: 0,
};

/// The recipes of the small reference networks.
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
    RECIPES.into_iter().chain(DEEP).find(|recipe| recipe.network == name)
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
            Geometry::CifarResnet20 { order, width } => {
                let pilot = if width == zoo::WIDTH { "" } else { "-pilot" };
                zoo::residual(&format!("{}{pilot}", self.network), order, activation, width)
            }
        }
    }

    /// The same at half width, for choosing numbers; `None` for a network small enough to be tried as it is.
    pub fn pilot(&self) -> Option<Self> {
        let Geometry::CifarResnet20 { order, .. } = self.geometry else { return None };
        let geometry = Geometry::CifarResnet20 { order, width: zoo::WIDTH / 2 };
        Some(Self { geometry, ..self.clone() })
    }

    /// Whether its network is only there for another to learn from.
    pub fn is_teacher(&self) -> bool {
        DEEP.iter().any(|deep| deep.twin.is_some_and(|twin| twin.teacher == self.network))
    }

    /// What step `step` of `total` is like.
    pub fn phase(&self, step: u64, total: u64) -> Phase {
        let plain = Phase { polynomial: 1.0, is_frozen: false };
        self.twin.as_ref().map_or(plain, |twin| twin.phase(step, total))
    }

    /// The quadratic of every activation before training.
    pub fn coefficients(&self) -> [f32; 3] {
        self.twin.as_ref().map_or(FIRST_COEFFICIENTS, Twin::coefficients)
    }

    /// The random views of a step's images.
    pub fn augmentation(&self, phase: Phase) -> Augmentation {
        match &self.twin {
            Some(Twin { contrast, noise, .. }) if phase.is_frozen => {
                Augmentation { contrast: *contrast, noise: *noise, ..self.augmentation }
            }
            _ => self.augmentation,
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
        let norms = match self.norms {
            Norms::None => "no batch norm",
            Norms::BeforeActivations => "batch norm before every activation (folded away)",
            Norms::AfterConvolutions => "batch norm behind every convolution (folded away)",
        };
        write!(f, "cross-entropy, {norms}")?;
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
        let Augmentation { symmetries, rotation_degrees, shift_pixels, zoom, colour, flip, crop, .. } =
            self.augmentation;
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
        if flip {
            write!(f, ", flips")?;
        }
        if crop > 0 {
            write!(f, ", crops moved by up to {crop} pixels")?;
        }
        if let Some(twin) = &self.twin {
            write!(f, "; {twin}")?;
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
        for recipe in RECIPES.into_iter().chain(DEEP) {
            assert_eq!(recipe.architecture().name, recipe.network);
            assert_eq!(recipe.architecture().check(), Ok(()));
        }
        assert_eq!(recipe("cifar-resnet20").unwrap().architecture(), zoo::cifar_resnet20(Activation::Relu));
        let polynomial = Activation::Polynomial { degree: 2 };
        assert_eq!(recipe("cifar-resnet20-poly").unwrap().architecture(), zoo::cifar_resnet20(polynomial));
    }

    #[test]
    fn a_deep_twin_has_the_layers_of_its_teacher_and_its_pilot_half_the_channels() {
        let twin = recipe("cifar-resnet20-poly").unwrap();
        let teacher = recipe(twin.twin.unwrap().teacher).unwrap();
        let layers = twin.architecture().layers;
        for (own, other) in layers.iter().zip(teacher.architecture().layers) {
            assert_eq!((&own.name, own.output, &own.inputs), (&other.name, other.output, &other.inputs));
        }
        let pilot = twin.pilot().unwrap().architecture();
        assert_eq!((pilot.name.as_str(), pilot.layers.len()), ("cifar-resnet20-poly-pilot", layers.len()));
        assert_eq!(2 * pilot.layers[0].output.channels(), layers[0].output.channels());
        assert!(recipe("mnist-cnn").unwrap().pilot().is_none());
    }

    #[test]
    fn contrast_and_noise_come_with_the_frozen_norms() {
        let twin = recipe("cifar-resnet20-poly").unwrap();
        let [early, late] = [0, 99].map(|step| twin.augmentation(twin.phase(step, 100)));
        assert_eq!((early.contrast, early.noise, early.crop), (0.0, 0.0, 4));
        assert_eq!((late.contrast, late.noise, late.crop), (2.0, 0.2, 4));
        let words = twin.to_string();
        assert!(words.contains("begun with the weights of cifar-resnet20-pre"), "{words}");
    }

    #[test]
    fn the_words_name_what_the_recipe_does_and_nothing_else() {
        let words = recipe("malaria-cnn-poly").unwrap().to_string();
        assert!(words.contains("flips and 90-degree rotations"));
        assert!(!words.contains("classes drawn equally often"));
    }
}
