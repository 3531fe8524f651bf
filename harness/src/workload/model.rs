//! Networks to measure: those of the zoo and a user's files, with what is said and assumed of them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use veilbench_datasets::{ImageSet, Split, Store, load_or_sample};
use veilbench_networks::evaluate::{EvaluateError, ranges_telling};
use veilbench_networks::{Architecture, Network, Shape, Tensor, import, zoo};

use crate::error::Error;
use crate::progress::{Event, Progress};
use crate::workload::WorkloadError;
use crate::workload::own::{Calibrating, OwnOptions, made_up};
use crate::workload::preparation::Preparation;
use crate::workload::workspace::Unfit;

/// Time between two lines on how far calibration is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// A network to prepare: one of the zoo or a file.
pub(crate) struct Model {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) network: Network,
    pub(super) calibrated_images: usize,
    /// SHA-256 of those images as the network takes them, hexadecimal; empty if the file states its ranges.
    pub(super) calibration_sha256: String,
    /// What was said or taken for granted about it so far.
    pub(super) assumptions: Vec<String>,
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

impl Model {
    fn new(name: String, bytes: Vec<u8>, network: Network, users: bool) -> Self {
        Self {
            name,
            bytes,
            network,
            calibrated_images: 0,
            calibration_sha256: String::new(),
            assumptions: Vec::new(),
            users,
        }
    }

    /// The zoo's networks and the user's files, and apart those of the files that cannot be read as a network.
    ///
    /// # Errors
    /// If a network of the zoo is damaged, a file is not there or its network's name is taken.
    pub(crate) fn all(files: &[PathBuf]) -> Result<(Vec<Self>, Vec<Unfit>), WorkloadError> {
        let (mut models, mut unfit) = (Vec::new(), Vec::new());
        for name in zoo::names() {
            let bytes = zoo::bytes(name)?.to_vec();
            let network = import::parse(&bytes, name)?;
            let name = name.to_owned();
            models.push(Self::new(name, bytes, network, false));
        }
        for path in files {
            let name = name_of(path);
            let read = || -> Result<Self, WorkloadError> {
                let bytes = import::read_bytes(path)?;
                let mut network = import::parse(&bytes, &path.display().to_string())?;
                if models.iter().any(|known: &Self| known.name == name) {
                    return Err(WorkloadError::NameTaken { path: path.clone(), name: name.clone() });
                }
                network.architecture.name.clone_from(&name);
                Ok(Self::new(name.clone(), bytes, network, true))
            };
            match read() {
                Ok(model) => models.push(model),
                Err(error @ WorkloadError::Import(import::ImportError::Io { .. })) => return Err(error),
                Err(error @ WorkloadError::NameTaken { .. }) => return Err(error),
                Err(error) => unfit.push(Unfit { network: name, reason: error.to_string() }),
            }
        }
        Ok((models, unfit))
    }

    /// Whether it is a file of the user's.
    pub(crate) fn is_users(&self) -> bool {
        self.users
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Id of the data set the network says it is for, or the one whose images and number of classes fit.
    pub(crate) fn dataset(&self) -> Result<&str, WorkloadError> {
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
    pub(crate) fn say(&mut self, preparation: &Preparation) -> Result<(), WorkloadError> {
        let misfit = |reason| WorkloadError::Fit { network: self.name.clone(), reason };
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
        progress: &mut Progress,
    ) -> Result<(), WorkloadError> {
        let calibrating = Calibrating::training(training, count, seed, &self.network)?;
        self.calibrate_on(&calibrating, progress)
    }

    /// Takes the ranges from these images.
    ///
    /// # Errors
    /// If a value is not finite.
    pub(crate) fn calibrate_on(
        &mut self,
        calibrating: &Calibrating,
        progress: &mut Progress,
    ) -> Result<(), WorkloadError> {
        take_ranges(&mut self.network, &calibrating.images, progress)?;
        self.calibrated_images = calibrating.images.images();
        let mut hash = Sha256::new();
        calibrating.images.data().iter().for_each(|value| hash.update(value.to_le_bytes()));
        self.calibration_sha256 = hex::encode(hash.finalize());
        self.assumptions.push(format!("ranges of its activations from {}", calibrating.from));
        self.assumptions.extend(calibrating.notes.iter().cloned());
        Ok(())
    }
}

/// Takes the ranges of all activations from images, and says every few seconds how far that is.
fn take_ranges(network: &mut Network, images: &Tensor, progress: &mut Progress) -> Result<(), EvaluateError> {
    let (name, all) = (network.architecture.name.clone(), images.images());
    let told = Mutex::new((Instant::now(), progress));
    ranges_telling(network, images, |done| {
        let (last, progress) = &mut *told.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= TOLD_EVERY {
            *last = Instant::now();
            progress.tell(&Event::Note { text: &format!("{name}: ranges from {done} of {all} images") });
        }
    })
}

/// Takes the ranges of a network that states none, or whose ranges are not wanted, as a run of this seed would; returns lines on
/// the images they are from.
///
/// # Errors
/// If no data set fits, or its images cannot be loaded.
pub(crate) fn calibrate_if_needed(
    network: &mut Network,
    own: &OwnOptions,
    seed: u64,
) -> Result<Vec<String>, Error> {
    let Architecture { input_range, layers, .. } = &network.architecture;
    let states_ranges = input_range.is_some() && layers.iter().all(|layer| layer.range.is_some());
    if states_ranges && !own.recalibrates() {
        return Ok(Vec::new());
    }
    let store = Store::from_env()?;
    let data = own.open(&store)?;
    let calibrating = match own.calibrating(&store, data.as_ref(), network, seed)? {
        Some(calibrating) => calibrating,
        None => match dataset_of(network, &network.architecture.name) {
            Ok(id) => {
                let training: ImageSet = load_or_sample(&store, id, Split::Train)?.dataset.into();
                Calibrating::training(&training, own.calibration_images(), seed, network)?
            }
            Err(_) => made_up(network)?,
        },
    };
    take_ranges(network, &calibrating.images, &mut Progress::new(false)).map_err(WorkloadError::from)?;
    let from = format!("ranges of its activations from {}", calibrating.from);
    Ok(std::iter::once(from).chain(calibrating.notes).collect())
}

/// Id of the data set a network says it is for, or the one whose images and number of classes fit.
pub(super) fn dataset_of<'a>(network: &'a Network, name: &str) -> Result<&'a str, WorkloadError> {
    if let Some(id) = &network.metadata.dataset {
        return Ok(id);
    }
    let (input, classes) = (network.architecture.input, network.architecture.classes());
    match (input, classes) {
        (Shape::Image { channels: 1, height: 28, width: 28 } | Shape::Flat(784), 10) => Ok("mnist"),
        (Shape::Image { channels: 3, height: 32, width: 32 }, 2) => Ok("malaria"),
        (Shape::Image { channels: 3, height: 64, width: 64 }, 2) => Ok("melanoma"),
        _ => Err(WorkloadError::NoDataset { network: name.to_owned(), input, classes }),
    }
}
