//! From a trained model to a checked ONNX file.

use std::path::{Path, PathBuf};

use veilbench_datasets::Dataset;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Architecture, Metadata, Network, Shape, Tensor, export, import};

use crate::augment::normalise_all;
use crate::error::Error;
use crate::model::Model;
use crate::recipes::Recipe;
use crate::score::{Score, predictions};
use crate::training::logits;

/// Largest difference between libtorch's and the evaluator's logits, relative to the largest logit.
const TOLERANCE: f32 = 1e-4;
/// Images evaluated at once.
const BATCH: usize = 500;

/// The network `model` is without its batch norms, with the ranges of its activations over all
/// training images, and its score on the test images.
///
/// # Errors
/// [`Error::Disagreement`] if the project's own evaluator computes other logits than libtorch.
pub fn finish(
    recipe: &Recipe,
    architecture: &Architecture,
    model: &Model,
    training: &Dataset,
    test: &Dataset,
) -> Result<(Network, Score), Error> {
    let normalisation = recipe.normalisation();
    let mut network = Network {
        architecture: architecture.clone(),
        parameters: model.folded(),
        metadata: Metadata {
            dataset: Some(recipe.dataset.into()),
            classes: training.classes.clone(),
            normalisation: Some(normalisation.clone()),
            ..Metadata::default()
        },
    };
    for tensor in batches(recipe, training, training.len()) {
        ranges(&mut network, &tensor).map_err(network_error)?;
    }
    let classes = training.classes.len();
    let mut own = Vec::new();
    for tensor in batches(recipe, test, BATCH) {
        own.extend(evaluate::<f32>(&network, &tensor).map_err(network_error)?.into_data());
    }
    let theirs = logits(model, test, &normalisation);
    compare(recipe.network, &own, &theirs, classes)?;
    Ok((network, Score::new(classes, &test.labels, &predictions(&own, classes))))
}

/// The normalised images, `count` at a time.
fn batches(recipe: &Recipe, images: &Dataset, count: usize) -> impl Iterator<Item = Tensor> {
    let size = [images.channels, images.height, images.width];
    let shape = Shape::Image { channels: size[0], height: size[1], width: size[2] };
    let normalisation = recipe.normalisation();
    images.pixels.chunks((count * images.image_len()).max(1)).filter_map(move |pixels| {
        let inputs = normalise_all(pixels, size, &normalisation);
        Tensor::new(inputs.len() / shape.len(), shape, inputs)
    })
}

/// Errors unless the logits agree and every prediction is the same where rounding cannot decide it.
fn compare(network: &'static str, own: &[f32], theirs: &[f32], classes: usize) -> Result<(), Error> {
    let disagreement = |reason| Error::Disagreement { network, reason };
    if own.len() != theirs.len() {
        return Err(disagreement(format!("{} logits instead of {}", own.len(), theirs.len())));
    }
    let largest = theirs.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs()));
    let difference = own.iter().zip(theirs).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    if difference.is_nan() || difference > TOLERANCE * largest {
        return Err(disagreement(format!("its logits differ from libtorch's by up to {difference}")));
    }
    let pairs =
        predictions(own, classes).into_iter().zip(predictions(theirs, classes)).zip(theirs.chunks(classes));
    for (image, ((mine, other), logits)) in pairs.enumerate() {
        if mine != other && (logits[usize::from(mine)] - logits[usize::from(other)]).abs() > 2.0 * difference
        {
            return Err(disagreement(format!("image {image} is class {mine} instead of {other}")));
        }
    }
    Ok(())
}

/// Writes `<folder>/<name>.onnx` and returns its path.
///
/// # Errors
/// [`Error::Disagreement`] if the file would not read back as exactly this network; the file on
/// disk is then left as it was.
pub fn write(network: &Network, name: &'static str, folder: &Path) -> Result<PathBuf, Error> {
    let bytes = export::to_bytes(network).map_err(network_error)?;
    if import::parse(&bytes, name).map_err(network_error)? != *network {
        return Err(Error::Disagreement { network: name, reason: "it does not read back as written".into() });
    }
    let path = folder.join(format!("{name}.onnx"));
    let failed = |error: std::io::Error| Error::Write { path: path.clone(), reason: error.to_string() };
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(&path, bytes).map_err(failed)?;
    Ok(path)
}

fn network_error(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Network(Box::new(error))
}
