//! A whole network: the architecture, the weights and what is known about how they were made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Architecture;

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
    /// Of a dense layer or a convolution; layouts as in [`Dense`](crate::Dense) and
    /// [`Conv2d`](crate::Conv2d).
    Affine {
        /// Weights, row-major.
        weights: Vec<f32>,
        /// One bias for each output (channel).
        bias: Vec<f32>,
    },
    /// Of a polynomial: `channels x (degree + 1)`, ascending powers.
    Polynomial {
        /// Coefficients, row-major.
        coefficients: Vec<f32>,
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
