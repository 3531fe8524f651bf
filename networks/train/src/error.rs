//! What can go wrong in a training.

use std::path::PathBuf;

use thiserror::Error;

/// A training that cannot start, go on or be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no recipe of that name.
    #[error("no recipe is called {name}; there are {known}, and all")]
    UnknownNetwork {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A network that is small enough to be tried as it is.
    #[error("{network} has no pilot: try it as it is, with --validate")]
    NoPilot {
        /// Name of the network.
        network: &'static str,
    },
    /// The trainer has no counterpart of a layer.
    #[error("layer {layer} of {network} cannot be trained: {reason}")]
    UnsupportedLayer {
        /// Name of the network.
        network: String,
        /// Name of the layer.
        layer: String,
        /// What is missing.
        reason: &'static str,
    },
    /// The images do not fit the network, or are fewer than one batch.
    #[error(
        "{network} takes batches of {batch} images of {expected:?} (channels, rows, columns), {dataset} has \
         {images} of {found:?}"
    )]
    UnfitImages {
        /// Id of the data set.
        dataset: String,
        /// Images it has.
        images: usize,
        /// What the data set has.
        found: [usize; 3],
        /// Name of the network.
        network: &'static str,
        /// What the network takes.
        expected: Vec<usize>,
        /// Images in a batch.
        batch: usize,
    },
    /// The loss is no longer a number.
    #[error("the loss of {network} is {loss} at step {step}; lower the peak rate in its recipe")]
    Diverged {
        /// Name of the network.
        network: &'static str,
        /// The loss.
        loss: f64,
        /// Steps done.
        step: u64,
    },
    /// A checkpoint of another training.
    #[error("checkpoint {} was made by another recipe, seed or data set; train with --fresh to replace it", path.display())]
    OtherCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint that cannot be read.
    #[error("checkpoint {} cannot be read ({reason}); train with --fresh to replace it", path.display())]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
        /// What libtorch says.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("{} cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The written network computes something else than libtorch did.
    #[error("{network} was not written: {reason}")]
    Disagreement {
        /// Name of the network.
        network: String,
        /// How it differs.
        reason: String,
    },
    /// A twin whose values grow too large for a ciphertext.
    #[error("{network} does not ship: {reason}; it is kept as {}", path.display())]
    OutOfBounds {
        /// Name of the network.
        network: String,
        /// What is too large.
        reason: String,
        /// Where it was written to be looked at.
        path: PathBuf,
    },
    /// Data set errors.
    #[error(transparent)]
    Data(#[from] veilbench_datasets::Error),
    /// A network the evaluator or the file format refuses.
    #[error(transparent)]
    Network(Box<dyn std::error::Error + Send + Sync>),
    /// The accuracy asked for with `--require`.
    #[error("{network} reaches {accuracy} of the test images, not more than {percent} % as required")]
    BelowRequired {
        /// Name of the network.
        network: &'static str,
        /// What it reaches.
        accuracy: String,
        /// What was asked for.
        percent: f64,
    },
}
