//! A whole network: the architecture, the weights and what is known about how they were made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::architecture::ArchitectureError;
use crate::{ActivationKind, Architecture, Layer, Op};

/// A trained network. Only the model owner holds one.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The public half.
    pub architecture: Architecture,
    /// The weights of each layer, in the order of `architecture.layers`.
    pub parameters: Vec<Parameters>,
    /// Where it came from and how its images are prepared.
    pub metadata: Metadata,
}

/// The weights of one layer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Parameters {
    /// The layer has none.
    None,
    /// Parameters of a dense layer or a convolution; layouts as in [`Dense`](crate::Dense) and
    /// [`Conv2d`](crate::Conv2d).
    Affine {
        /// Weights, row-major.
        weights: Vec<f32>,
        /// One bias for each output (channel).
        bias: Vec<f32>,
    },
    /// Coefficients of a polynomial: `channels x (degree + 1)`, ascending powers.
    Polynomial {
        /// Coefficients, row-major.
        coefficients: Vec<f32>,
    },
    /// Slopes of a [PReLU](crate::ActivationKind::PRelu), one per channel.
    Slopes {
        /// Slopes below 0.
        slopes: Vec<f32>,
    },
}

/// How pixels become network inputs: `(pixel / 255 - mean) / deviation`, per channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Mean of each channel, on pixels scaled to 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, likewise.
    pub deviation: Vec<f32>,
}

/// What a model file says about itself. Every field is optional in files nobody here made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Id of the data set the network classifies, e.g. `mnist`.
    pub dataset: Option<String>,
    /// Class names in logit order.
    pub classes: Vec<String>,
    /// Preparation of the pixels.
    pub normalisation: Option<Normalisation>,
    /// Everything else: seed, recipe, accuracy, licence notes.
    pub notes: BTreeMap<String, String>,
}

/// Why a network cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The architecture itself is unsound.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// There is not one set of parameters for each layer.
    #[error("there are {found} sets of parameters for {layers} layers")]
    Count {
        /// Sets of parameters.
        found: usize,
        /// Layers.
        layers: usize,
    },
    /// The parameters are not of the kind the operator has.
    #[error("layer {layer:?} has parameters of another kind of layer")]
    Kind {
        /// Name of the layer.
        layer: String,
    },
    /// Too many or too few.
    #[error("layer {layer:?} has {found} {what}, its architecture needs {expected}")]
    Length {
        /// Name of the layer.
        layer: String,
        /// `weights`, `biases`, `coefficients` or `slopes`.
        what: &'static str,
        /// By the architecture.
        expected: usize,
        /// In the network.
        found: usize,
    },
    /// A parameter is infinite or not a number.
    #[error("layer {layer:?} has {what} that are not finite numbers")]
    NotFinite {
        /// Name of the layer.
        layer: String,
        /// `weights`, `biases`, `coefficients` or `slopes`.
        what: &'static str,
    },
    /// The metadata contradicts the architecture.
    #[error("the metadata is unusable: {reason}")]
    Metadata {
        /// In which way.
        reason: String,
    },
}

impl Network {
    /// Checks the architecture, that every layer has exactly the parameters it needs, that all of
    /// them are finite, and that class names and normalisation fit the network.
    ///
    /// # Errors
    /// [`NetworkError`] with the first that does not hold, and where.
    pub fn check(&self) -> Result<(), NetworkError> {
        self.architecture.check()?;
        let layers = &self.architecture.layers;
        if self.parameters.len() != layers.len() {
            return Err(NetworkError::Count { found: self.parameters.len(), layers: layers.len() });
        }
        for (layer, parameters) in layers.iter().zip(&self.parameters) {
            check_parameters(layer, parameters)?;
        }
        self.check_metadata().map_err(|reason| NetworkError::Metadata { reason })
    }

    fn check_metadata(&self) -> Result<(), String> {
        let (named, classes) = (self.metadata.classes.len(), self.architecture.classes());
        if named != 0 && named != classes {
            return Err(format!("it names {named} classes, the network has {classes}"));
        }
        let Some(Normalisation { mean, deviation }) = &self.metadata.normalisation else { return Ok(()) };
        let channels = self.architecture.input.channels();
        if mean.len() != channels || deviation.len() != channels {
            return Err(format!("its normalisation is not for {channels} channels"));
        }
        if !mean.iter().all(|mean| mean.is_finite()) || !deviation.iter().all(|d| d.is_finite() && *d > 0.0) {
            return Err("its normalisation needs finite means and positive deviations".into());
        }
        Ok(())
    }
}

fn check_parameters(layer: &Layer, parameters: &Parameters) -> Result<(), NetworkError> {
    let check = |what, expected: usize, values: &[f32]| {
        let (layer, found) = (layer.name.clone(), values.len());
        if found != expected {
            return Err(NetworkError::Length { layer, what, expected, found });
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(NetworkError::NotFinite { layer, what });
        }
        Ok(())
    };
    let outputs = layer.output.channels();
    let total = layer.op.parameters();
    match (&layer.op, parameters) {
        (Op::Dense(_) | Op::Conv2d(_), Parameters::Affine { weights, bias }) => {
            check("weights", total - outputs, weights)?;
            check("biases", outputs, bias)
        }
        (Op::Polynomial(_), Parameters::Polynomial { coefficients }) => {
            check("coefficients", total, coefficients)
        }
        (Op::Activation(ActivationKind::PRelu { .. }), Parameters::Slopes { slopes }) => {
            check("slopes", total, slopes)
        }
        (_, Parameters::None) if total == 0 => Ok(()),
        _ => Err(NetworkError::Kind { layer: layer.name.clone() }),
    }
}
