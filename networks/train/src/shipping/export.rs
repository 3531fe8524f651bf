//! From a trained model to a checked ONNX file.

use std::path::{Path, PathBuf};

use veilbench_datasets::Dataset;
use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Architecture, Metadata, Network, Shape, Tensor, export, import};

use crate::error::Error;
use crate::images::augment::normalise_all;
use crate::images::odd::{contrasted, inverted};
use crate::learning::activations::{Seen, survey};
use crate::learning::model::Model;
use crate::learning::training::logits;
use crate::recipes::Recipe;
use crate::shipping::agreement::disagreement;
use crate::shipping::score::{Score, predictions};

/// Images evaluated at once.
const BATCH: usize = 500;

/// The network `model` is without its batch norms, and its score on the test images.
///
/// # Errors
/// [`Error::Disagreement`] if the project's own evaluator computes other logits than libtorch.
pub fn fold_and_score(
    recipe: &Recipe,
    architecture: &Architecture,
    model: &Model,
    test: &Dataset,
) -> Result<(Network, Score), Error> {
    let normalisation = recipe.normalisation();
    let network = Network {
        architecture: architecture.clone(),
        parameters: model.folded()?,
        metadata: Metadata {
            dataset: Some(recipe.dataset.into()),
            classes: test.classes.clone(),
            normalisation: Some(normalisation.clone()),
            ..Metadata::default()
        },
    };
    let classes = test.classes.len();
    let own = own_logits(recipe, &network, test)?;
    let theirs = logits(model, test, &normalisation);
    disagreement(&own, &theirs, classes)
        .map_or(Ok(()), |reason| Err(Error::Disagreement { network: architecture.name.clone(), reason }))?;
    Ok((network, Score::new(classes, &test.labels, &predictions(&own, classes))))
}

/// The score of a network on other images, by the project's own evaluator.
///
/// # Errors
/// [`Error::Network`] if images and network do not fit.
pub fn score(recipe: &Recipe, network: &Network, images: &Dataset) -> Result<Score, Error> {
    let classes = images.classes.len();
    let logits = own_logits(recipe, network, images)?;
    Ok(Score::new(classes, &images.labels, &predictions(&logits, classes)))
}

/// The logits of the project's own evaluator, image after image.
fn own_logits(recipe: &Recipe, network: &Network, images: &Dataset) -> Result<Vec<f32>, Error> {
    let mut logits = Vec::new();
    for tensor in batches(recipe, images, BATCH) {
        logits.extend(evaluate::<f32>(network, &tensor).map_err(network_error)?.into_data());
    }
    Ok(logits)
}

/// Notes the range of the input and of every layer's output over all `training` images.
///
/// # Errors
/// [`Error::Network`] if a value is not finite.
pub fn calibrate(network: &mut Network, recipe: &Recipe, training: &Dataset) -> Result<(), Error> {
    let mut whole = batches(recipe, training, training.len());
    whole.try_for_each(|tensor| ranges(network, &tensor).map_err(network_error))
}

/// What the activations of a network see, on its training images and on images that no training set has.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// Over all training images.
    pub training: Vec<Seen>,
    /// Over test images changed in some way: which way, what is seen, and whether all logits are finite.
    pub odd: Vec<(&'static str, Vec<Seen>, bool)>,
}

impl Inspection {
    /// Inspects a model before its batch norms are folded away.
    pub fn new(recipe: &Recipe, model: &Model, training: &Dataset, test: &Dataset) -> Self {
        let normalisation = recipe.normalisation();
        let odd = [("inverted", inverted(test)), ("twice the contrast", contrasted(test, 2.0))];
        let look = |(name, images): (&'static str, Dataset)| {
            let (seen, logits) = survey(model, &images, &normalisation, 1.0);
            (name, seen, logits.iter().all(|logit| logit.is_finite()))
        };
        let (seen, _) = survey(model, training, &normalisation, 1.0);
        Self { training: seen, odd: odd.into_iter().map(look).collect() }
    }

    /// Why a network must not ship by the bounds of its recipe, if so.
    pub fn refusal(&self, recipe: &Recipe) -> Option<String> {
        let twin = recipe.twin?;
        for seen in &self.training {
            if seen.largest().is_nan() || seen.largest() > twin.largest {
                let (layer, largest) = (&seen.layer, seen.largest());
                let limit = twin.largest;
                return Some(format!("{layer} sees {largest:.2} over the training images, above {limit}"));
            }
        }
        let (name, ..) = self.odd.iter().find(|(_, _, is_finite)| !is_finite)?;
        Some(format!("a logit is not finite for a test image that is {name}"))
    }

    /// `inverted 9.1, twice the contrast 15.2`: the largest magnitude that any activation sees.
    pub fn odd_magnitudes(&self) -> String {
        let each = self.odd.iter().map(|(name, seen, is_finite)| {
            let largest =
                seen.iter().map(Seen::largest).fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
            let logits = if *is_finite { "" } else { " (logits not finite)" };
            format!("{name} {largest:.1}{logits}")
        });
        each.collect::<Vec<_>>().join(", ")
    }
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

/// Writes `<folder>/<name>.onnx` and returns its path.
///
/// # Errors
/// [`Error::Disagreement`] if the file would not read back as exactly this network; the file on
/// disk is then left as it was.
pub fn write(network: &Network, name: &str, folder: &Path) -> Result<PathBuf, Error> {
    let bytes = export::to_bytes(network).map_err(network_error)?;
    if import::parse(&bytes, name).map_err(network_error)? != *network {
        let (network, reason) = (name.into(), "it does not read back as written".into());
        return Err(Error::Disagreement { network, reason });
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
