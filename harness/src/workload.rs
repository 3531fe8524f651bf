//! A network with its images and the answers of the clear oracle: what cells are measured on.

pub(crate) mod at_hand;
pub(crate) mod classes;
pub(crate) mod files;
pub(crate) mod model;
pub(crate) mod odd;
pub(crate) mod own;
pub(crate) mod pixels;
pub(crate) mod preparation;
pub(crate) mod workspace;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use veilbench_datasets::ImageSet;
use veilbench_networks::annotate::AnnotateError;
use veilbench_networks::evaluate::{EvaluateError, evaluate};
use veilbench_networks::text::shown;
use veilbench_networks::{Architecture, Network, Shape, Tensor, import, zoo};
use veilbench_results::{DatasetRecord, NetworkRecord};

use crate::workload::classes::{class_assumption, logits_by_name, misfit_of_classes};
use crate::workload::files::Files;
use crate::workload::model::Model;
use crate::workload::pixels::normalise;

/// One network on one data set, prepared.
pub(crate) struct Workload {
    network: Network,
    sha256: String,
    calibrated_images: usize,
    calibration_sha256: String,
    dataset: ImageSet,
    /// Images of the whole test set, of which `dataset` has some.
    test_images: usize,
    /// Place of each image in the whole test set.
    indices: Vec<usize>,
    /// For each class of the data set the logit that stands for it.
    logit_of_class: Vec<usize>,
    assumptions: Vec<String>,
    fingerprint: String,
    /// Only where cells are to be measured.
    files: Option<Files>,
}

/// Which images of a test set to take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// Different images, as far as there are so many.
    pub(crate) images: usize,
    pub(crate) seed: u64,
}

/// What a file does not state about its images, and what is taken for granted instead.
fn assumptions(network: &Network, dataset: &ImageSet) -> Vec<String> {
    let mut assumptions = Vec::new();
    if network.metadata.dataset.is_none() && !dataset.is_own() {
        let id = &dataset.id;
        assumptions.push(format!(
            "data set {id}, by the shape of its input and its number of classes; `veilbench.dataset` says otherwise"
        ));
    }
    if network.metadata.normalisation.is_none() {
        assumptions.push(
            "pixels from 0 to 1 without normalisation; `veilbench.normalisation.mean` and `.deviation` say otherwise"
                .into(),
        );
    }
    let read = network.metadata.notes.iter().filter(|(key, _)| key.starts_with("import."));
    assumptions.extend(read.map(|(key, note)| format!("{key}: {}", shown(note))));
    assumptions
}

impl Workload {
    /// Draws the images and, given a folder, asks the oracle and writes there what the parties will
    /// read: the model for one role, the images for another.
    ///
    /// # Errors
    /// If images and network do not fit, or the folder cannot be written.
    pub(crate) fn prepare(
        model: Model,
        dataset: &ImageSet,
        draw: &Draw,
        folder: Option<&Path>,
    ) -> Result<Self, WorkloadError> {
        let Model {
            name,
            bytes,
            network,
            calibrated_images,
            calibration_sha256,
            assumptions: mut assumed,
            ..
        } = model;
        let (outputs, classes) = (network.architecture.classes(), dataset.classes.len());
        let by_name = logits_by_name(&network.metadata.classes, dataset);
        if by_name.is_none() && outputs != classes {
            let reason = misfit_of_classes(outputs, &network.metadata.classes, dataset);
            return Err(WorkloadError::Fit { network: name, reason });
        }
        let mut assumptions = assumptions(&network, dataset);
        assumptions.append(&mut assumed);
        if by_name.is_none() && dataset.labels.is_some() {
            assumptions.push(class_assumption(&network.metadata.classes, dataset));
        }
        let logit_of_class = by_name.unwrap_or_else(|| (0..classes).collect());
        let (fingerprint, test_images) = (dataset.fingerprint(), dataset.len());
        let indices = dataset.draw(draw.images.min(dataset.len()), draw.seed)?;
        let dataset = dataset.select(&indices);
        let tensor = normalise(&dataset, &network)?;
        let files = match folder {
            Some(folder) => {
                let clear = evaluate::<f64>(&network, &tensor)?;
                Some(Files::write(folder, &name, &bytes, &tensor, clear)?)
            }
            None => None,
        };
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self {
            network,
            sha256,
            calibrated_images,
            calibration_sha256,
            dataset,
            test_images,
            indices,
            logit_of_class,
            assumptions,
            fingerprint,
            files,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.network.architecture.name
    }

    pub(crate) fn architecture(&self) -> &Architecture {
        &self.network.architecture
    }

    /// Id of the data set, `-sample` included.
    pub(crate) fn dataset(&self) -> &str {
        &self.dataset.id
    }

    /// Images at hand.
    pub(crate) fn images(&self) -> usize {
        self.dataset.len()
    }

    fn files(&self) -> &Files {
        self.files.as_ref().expect("cells that are measured were prepared for it")
    }

    pub(crate) fn weights_file(&self) -> &Path {
        &self.files().weights
    }

    pub(crate) fn images_file(&self) -> &Path {
        &self.files().images
    }

    /// Place of image `at` in the test set, and the logit of its class unless the images are generated or have no labels.
    pub(crate) fn image(&self, at: usize) -> (usize, Option<usize>) {
        let labels = self.dataset.labels.as_ref().filter(|_| !self.dataset.synthetic);
        (self.indices[at], labels.map(|labels| self.logit_of_class[labels[at] as usize]))
    }

    /// The images at hand as the network takes them.
    ///
    /// # Errors
    /// If they do not fit it, which preparing it would have found.
    pub(crate) fn prepared_images(&self) -> Result<Tensor, WorkloadError> {
        normalise(&self.dataset, &self.network)
    }

    /// What the network's file does not state and was taken for granted.
    pub(crate) fn assumptions(&self) -> &[String] {
        &self.assumptions
    }

    /// The network itself, weights included.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// The oracle's logits of image `at`.
    pub(crate) fn clear_logits(&self, at: usize) -> &[f64] {
        self.files().clear.image(at)
    }

    /// Standard deviation of the oracle's logits over all images and classes: what a logit's error is held against.
    pub(crate) fn logit_spread(&self) -> f64 {
        let logits = self.files().clear.data();
        let count = logits.len().max(1) as f64;
        let mean = logits.iter().sum::<f64>() / count;
        (logits.iter().map(|logit| (logit - mean).powi(2)).sum::<f64>() / count).sqrt()
    }

    /// By how much the oracle's largest logit of image `at` leads over the second.
    pub(crate) fn clear_lead(&self, at: usize) -> f64 {
        let mut logits = self.clear_logits(at).to_vec();
        logits.sort_by(|a, b| b.total_cmp(a));
        logits.first().zip(logits.get(1)).map_or(f64::INFINITY, |(first, second)| first - second)
    }

    pub(crate) fn network_record(&self) -> NetworkRecord {
        NetworkRecord {
            sha256: self.sha256.clone(),
            dataset: self.dataset.id.clone(),
            parameters: self.network.architecture.parameters() as u64,
            macs: self.network.architecture.macs() as u64,
            calibrated_images: self.calibrated_images,
            calibration_sha256: self.calibration_sha256.clone(),
            classes: self.network.metadata.classes.clone(),
            assumptions: self.assumptions.clone(),
        }
    }

    pub(crate) fn dataset_record(&self) -> DatasetRecord {
        DatasetRecord {
            fingerprint: self.fingerprint.clone(),
            images: self.test_images,
            synthetic: self.dataset.synthetic,
            classes: self.dataset.classes.clone(),
        }
    }
}

/// Why a network cannot be measured on its data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkloadError {
    #[error(transparent)]
    Dataset(#[from] veilbench_datasets::Error),
    #[error("--calibrate: {0}")]
    NoCalibration(veilbench_datasets::Error),
    #[error("images of --calibrate, of which --calibrate-pixel-max says which value is white: {0}")]
    Calibration(veilbench_datasets::Error),
    #[error(transparent)]
    Import(#[from] import::ImportError),
    #[error(transparent)]
    Metadata(#[from] AnnotateError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Zoo(#[from] zoo::ZooError),
    #[error("{}: a network called {name} is there already; rename the file", path.display())]
    NameTaken { path: PathBuf, name: String },
    #[error(
        "{network} takes images of {input} and tells {classes} classes apart, which does not say of which data set; set \
         `veilbench.dataset` in the model's metadata, or name images of your own with --data"
    )]
    NoDataset { network: String, input: Shape, classes: usize },
    #[error("{network}: {reason}")]
    Fit { network: String, reason: String },
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl WorkloadError {
    fn to_calibrate(error: veilbench_datasets::Error) -> Self {
        use veilbench_datasets::Error::{NoData, TwoData};
        match error {
            NoData { .. } | TwoData { .. } => Self::NoCalibration(error),
            _ => Self::Calibration(error),
        }
    }

    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}
