//! A network with its images and the answers of the clear oracle: what cells are measured on.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use veilbench_datasets::{ImageSet, Split, Store, load_or_sample};
use veilbench_networks::annotate::AnnotateError;
use veilbench_networks::evaluate::{EvaluateError, evaluate, ranges};
use veilbench_networks::{Architecture, Network, Shape, Tensor, import, zoo};
use veilbench_results::{DatasetRecord, NetworkRecord};

use crate::classes::{class_assumption, logits_by_name, misfit_of_classes};
use crate::error::Error;
use crate::own::{CALIBRATION_IMAGES, Calibrating, OwnOptions, fit};
use crate::pixels::normalise;
use crate::preparation::Preparation;
use crate::provenance::hex;
use crate::workspace::Unfit;

/// One network on one data set, prepared.
pub(crate) struct Subject {
    network: Network,
    sha256: String,
    calibrated_images: usize,
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

/// What parties read, and what their answers are held against.
struct Files {
    weights: PathBuf,
    images: PathBuf,
    /// Logits of the oracle, image after image.
    clear: Tensor<f64>,
}

impl Files {
    fn write(
        folder: &Path,
        name: &str,
        model: &[u8],
        tensor: &Tensor,
        clear: Tensor<f64>,
    ) -> Result<Self, SubjectError> {
        let (weights, images_file) =
            (folder.join(format!("{name}.onnx")), folder.join(format!("{name}.images")));
        write(&weights, |file| file.write_all(model))?;
        write_images(&images_file, tensor)?;
        Ok(Self { weights, images: images_file, clear })
    }
}

/// Which images of a test set to take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// Different images, as far as there are so many.
    pub(crate) images: usize,
    pub(crate) seed: u64,
}

/// Networks to prepare: names of the zoo and files.
pub(crate) struct Candidate {
    name: String,
    bytes: Vec<u8>,
    network: Network,
    calibrated_images: usize,
    /// What was said or taken for granted about it so far.
    assumptions: Vec<String>,
    users: bool,
}

/// A file's network goes by the name of the file.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    stem.replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "-")
}

/// A network of the zoo by its name, or the one in a file.
///
/// # Errors
/// If there is neither, or the file cannot be imported.
pub(crate) fn network(wanted: &str) -> Result<Network, Error> {
    if let Ok(bytes) = zoo::bytes(wanted) {
        return Ok(import::parse(bytes, wanted)?);
    }
    let path = Path::new(wanted);
    if !path.exists() {
        return Err(Error::NoNetwork { name: wanted.to_owned() });
    }
    let mut network = import::read(path)?;
    network.architecture.name = name_of(path);
    Ok(network)
}

impl Candidate {
    fn new(name: String, bytes: Vec<u8>, network: Network, users: bool) -> Self {
        Self { name, bytes, network, calibrated_images: 0, assumptions: Vec::new(), users }
    }

    /// The zoo's networks and the user's files, and apart those of the files that cannot be read as a network.
    ///
    /// # Errors
    /// If a network of the zoo is damaged, a file is not there or its network's name is taken.
    pub(crate) fn all(files: &[PathBuf]) -> Result<(Vec<Self>, Vec<Unfit>), SubjectError> {
        let (mut candidates, mut unfit) = (Vec::new(), Vec::new());
        for name in zoo::names() {
            let bytes = zoo::bytes(name)?.to_vec();
            let network = import::parse(&bytes, name)?;
            let name = name.to_owned();
            candidates.push(Self::new(name, bytes, network, false));
        }
        for path in files {
            let name = name_of(path);
            let read = || -> Result<Self, SubjectError> {
                let bytes = import::read_bytes(path)?;
                let mut network = import::parse(&bytes, &path.display().to_string())?;
                if candidates.iter().any(|known: &Self| known.name == name) {
                    return Err(SubjectError::NameTaken { path: path.clone(), name: name.clone() });
                }
                network.architecture.name.clone_from(&name);
                Ok(Self::new(name.clone(), bytes, network, true))
            };
            match read() {
                Ok(candidate) => candidates.push(candidate),
                Err(error @ SubjectError::Import(import::ImportError::Io { .. })) => return Err(error),
                Err(error @ SubjectError::NameTaken { .. }) => return Err(error),
                Err(error) => unfit.push(Unfit { network: name, reason: error.to_string() }),
            }
        }
        Ok((candidates, unfit))
    }

    /// Whether it is a file of the user's.
    pub(crate) fn is_users(&self) -> bool {
        self.users
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Id of the data set the network says it is for, or the one whose images and number of classes fit.
    pub(crate) fn dataset(&self) -> Result<&str, SubjectError> {
        dataset_of(&self.network, &self.name)
    }

    /// Whether the file states the ranges of its activations, from which backends choose their scales.
    pub(crate) fn states_ranges(&self) -> bool {
        let Architecture { input_range, layers, .. } = &self.network.architecture;
        input_range.is_some() && layers.iter().all(|layer| layer.range.is_some())
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Puts what the command line says in the place of what the file says.
    ///
    /// # Errors
    /// If it does not fit the network.
    pub(crate) fn say(&mut self, preparation: &Preparation) -> Result<(), SubjectError> {
        let misfit = |reason| SubjectError::Fit { network: self.name.clone(), reason };
        let said = preparation.apply(&mut self.network).map_err(misfit)?;
        self.assumptions.extend(said);
        Ok(())
    }

    /// Adds lines to what is told of it.
    pub(crate) fn assume(&mut self, lines: Vec<String>) {
        self.assumptions.extend(lines);
    }

    /// Takes the ranges from training images instead, as the model's owner would, who has them; says from how many.
    ///
    /// # Errors
    /// If images and network do not fit, or a value is not finite.
    pub(crate) fn calibrate(
        &mut self,
        training: &ImageSet,
        count: usize,
        seed: u64,
    ) -> Result<(), SubjectError> {
        let images = training.subset(count.min(training.len()), seed)?;
        let from = format!("{} training images of {}", images.len(), images.id);
        let images = normalise(&images, &self.network)?;
        self.calibrate_on(&Calibrating { images, from })
    }

    /// Takes the ranges from these images.
    ///
    /// # Errors
    /// If a value is not finite.
    pub(crate) fn calibrate_on(&mut self, calibrating: &Calibrating) -> Result<(), SubjectError> {
        ranges(&mut self.network, &calibrating.images)?;
        self.calibrated_images = calibrating.images.images();
        self.assumptions.push(format!("ranges of its activations from {}", calibrating.from));
        Ok(())
    }

    /// Draws the images and, given a folder, asks the oracle and writes there what the parties will
    /// read: the model for one role, the images for another.
    ///
    /// # Errors
    /// If images and network do not fit, or the folder cannot be written.
    pub(crate) fn prepare(
        self,
        dataset: &ImageSet,
        draw: &Draw,
        folder: Option<&Path>,
    ) -> Result<Subject, SubjectError> {
        let Self { name, bytes, network, calibrated_images, assumptions: mut assumed, users: _ } = self;
        let (outputs, classes) = (network.architecture.classes(), dataset.classes.len());
        let by_name = logits_by_name(&network.metadata.classes, dataset);
        if by_name.is_none() && outputs != classes {
            let reason = misfit_of_classes(outputs, &network.metadata.classes, dataset);
            return Err(SubjectError::Fit { network: name, reason });
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
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Subject {
            network,
            sha256,
            calibrated_images,
            dataset,
            test_images,
            indices,
            logit_of_class,
            assumptions,
            fingerprint,
            files,
        })
    }
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
    assumptions
}

/// Takes the ranges of a network that states none, or whose ranges are not wanted, as a run would.
///
/// # Errors
/// If no data set fits, or its images cannot be loaded.
pub(crate) fn calibrate_if_needed(network: &mut Network, own: &OwnOptions) -> Result<(), Error> {
    let Architecture { input_range, layers, .. } = &network.architecture;
    let states_ranges = input_range.is_some() && layers.iter().all(|layer| layer.range.is_some());
    if states_ranges && !own.recalibrates() {
        return Ok(());
    }
    let store = Store::from_env()?;
    let data = own.open(&store)?;
    let images = match own.calibrating(&store, data.as_ref(), network, 0)? {
        Some(calibrating) => calibrating.images,
        None => {
            let id = dataset_of(network, &network.architecture.name)?;
            let training = load_or_sample(&store, id, Split::Train)?.dataset;
            normalise(&training.subset(CALIBRATION_IMAGES.min(training.len()), 0)?.into(), network)?
        }
    };
    Ok(ranges(network, &images).map_err(SubjectError::from)?)
}

/// Id of the data set a network says it is for, or the one whose images and number of classes fit.
fn dataset_of<'a>(network: &'a Network, name: &str) -> Result<&'a str, SubjectError> {
    if let Some(id) = &network.metadata.dataset {
        return Ok(id);
    }
    let (input, classes) = (network.architecture.input, network.architecture.classes());
    match (input, classes) {
        (Shape::Image { channels: 1, height: 28, width: 28 } | Shape::Flat(784), 10) => Ok("mnist"),
        (Shape::Image { channels: 3, height: 32, width: 32 }, 2) => Ok("malaria"),
        (Shape::Image { channels: 3, height: 64, width: 64 }, 2) => Ok("melanoma"),
        _ => Err(SubjectError::NoDataset { network: name.to_owned(), input, classes }),
    }
}

/// One image of the user's own or of the test set of a network's data set, as the network takes it, and the id of the set,
/// `-sample` included.
///
/// # Errors
/// If there is no such image, or it does not fit the network.
pub(crate) fn test_image(
    network: &Network,
    own: &OwnOptions,
    index: usize,
) -> Result<(Tensor, String), Error> {
    let name = &network.architecture.name;
    let store = Store::from_env()?;
    let dataset: ImageSet = match own.open(&store)? {
        Some(data) => fit(&data, Split::Test, network)?.images,
        None => load_or_sample(&store, dataset_of(network, name)?, Split::Test)?.dataset.into(),
    };
    if index >= dataset.len() {
        let reason = format!("there is no image {index}: {} has {} test images", dataset.id, dataset.len());
        return Err(SubjectError::Fit { network: name.clone(), reason }.into());
    }
    Ok((normalise(&dataset.select(&[index]), network)?, dataset.id))
}

/// Writes images as parties read them: little-endian `f32`, image after image.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_images(path: &Path, images: &Tensor) -> Result<(), SubjectError> {
    let mut values = images.data().iter();
    write(path, |file| values.try_for_each(|value| file.write_all(&value.to_le_bytes())))
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>,
) -> Result<(), SubjectError> {
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path).map(io::BufWriter::new);
    let written = file.and_then(|mut file| {
        fill(&mut file)?;
        file.flush()
    });
    written.map_err(|source| SubjectError::io("writing", path, source))
}

impl Subject {
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
    pub(crate) fn prepared_images(&self) -> Result<Tensor, SubjectError> {
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
pub(crate) enum SubjectError {
    #[error(transparent)]
    Dataset(#[from] veilbench_datasets::Error),
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
        "{network} takes images of {input} and tells {classes} classes apart, which no data set has; set \
         `veilbench.dataset` in the model's metadata, or name images of your own with --data"
    )]
    NoDataset { network: String, input: Shape, classes: usize },
    #[error("{network}: {reason}")]
    Fit { network: String, reason: String },
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl SubjectError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}
