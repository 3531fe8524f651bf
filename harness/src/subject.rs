//! A network with its images and the answers of the clear oracle: what cells are measured on.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use veilbench_datasets::{Dataset, Split, Store, load_or_sample};
use veilbench_networks::evaluate::{EvaluateError, evaluate, ranges};
use veilbench_networks::{Architecture, Network, Normalisation, Shape, Tensor, import, zoo};
use veilbench_results::{DatasetRecord, NetworkRecord};

use crate::error::Error;
use crate::provenance::hex;

/// One network on one data set, prepared.
pub(crate) struct Subject {
    network: Network,
    sha256: String,
    calibrated_images: usize,
    dataset: Dataset,
    /// Images of the whole test set, of which `dataset` has some.
    test_images: usize,
    /// Place of each image in the whole test set.
    indices: Vec<usize>,
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
    /// `images` is how many images the parties find in their file; those of `tensor` repeat.
    fn write(
        folder: &Path,
        name: &str,
        model: &[u8],
        tensor: &Tensor,
        images: usize,
        clear: Tensor<f64>,
    ) -> Result<Self, SubjectError> {
        let (weights, images_file) =
            (folder.join(format!("{name}.onnx")), folder.join(format!("{name}.images")));
        write(&weights, |file| file.write_all(model))?;
        let mut values = (0..images).flat_map(|at| tensor.image(at % tensor.images()));
        write(&images_file, |file| values.try_for_each(|value| file.write_all(&value.to_le_bytes())))?;
        Ok(Self { weights, images: images_file, clear })
    }
}

/// Which images of a test set to take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// Different images, as far as there are so many.
    pub(crate) images: usize,
    pub(crate) seed: u64,
    /// Images the parties need for one batch.
    pub(crate) largest_batch: usize,
}

/// Networks to prepare: names of the zoo and files.
pub(crate) struct Candidate {
    name: String,
    bytes: Vec<u8>,
    network: Network,
    calibrated_images: usize,
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

/// Training images whose activations give the ranges of a network that states none.
const CALIBRATION_IMAGES: usize = 1000;

impl Candidate {
    /// The zoo's networks and the user's files.
    ///
    /// # Errors
    /// If a file is not a network that can be measured.
    pub(crate) fn all(files: &[PathBuf]) -> Result<Vec<Self>, SubjectError> {
        let mut candidates = Vec::new();
        for name in zoo::names() {
            let bytes = zoo::bytes(name)?.to_vec();
            let network = import::parse(&bytes, name)?;
            candidates.push(Self { name: name.to_owned(), bytes, network, calibrated_images: 0 });
        }
        for path in files {
            let bytes = import::read_bytes(path)?;
            let mut network = import::parse(&bytes, &path.display().to_string())?;
            let name = name_of(path);
            if candidates.iter().any(|known| known.name == name) {
                return Err(SubjectError::NameTaken { path: path.clone(), name });
            }
            network.architecture.name.clone_from(&name);
            candidates.push(Self { name, bytes, network, calibrated_images: 0 });
        }
        Ok(candidates)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Id of the data set the network says it is for, or the first whose images fit.
    pub(crate) fn dataset(&self) -> Result<&str, SubjectError> {
        dataset_of(&self.network, &self.name)
    }

    /// Whether the file names its data set, rather than leaving it to the shape of its input.
    pub(crate) fn states_dataset(&self) -> bool {
        self.network.metadata.dataset.is_some()
    }

    /// Whether the file states the ranges of its activations, from which backends choose their scales.
    pub(crate) fn states_ranges(&self) -> bool {
        let Architecture { input_range, layers, .. } = &self.network.architecture;
        input_range.is_some() && layers.iter().all(|layer| layer.range.is_some())
    }

    /// Takes the ranges from training images instead, as the model's owner would, who has them; says from how many.
    ///
    /// # Errors
    /// If images and network do not fit, or a value is not finite.
    pub(crate) fn calibrate(&mut self, training: &Dataset, seed: u64) -> Result<usize, SubjectError> {
        let images = training.subset(CALIBRATION_IMAGES.min(training.len()), seed)?;
        let images = normalise(&images, &self.network)?;
        ranges(&mut self.network, &images)?;
        self.calibrated_images = images.images();
        Ok(self.calibrated_images)
    }

    /// Draws the images and, given a folder, asks the oracle and writes there what the parties will
    /// read: the model for one role, the images for another.
    ///
    /// # Errors
    /// If images and network do not fit, or the folder cannot be written.
    pub(crate) fn prepare(
        self,
        dataset: &Dataset,
        draw: &Draw,
        folder: Option<&Path>,
    ) -> Result<Subject, SubjectError> {
        let Self { name, bytes, network, calibrated_images } = self;
        let (outputs, classes) = (network.architecture.classes(), dataset.classes.len());
        if outputs != classes {
            let reason = format!("it tells {outputs} classes apart, {} has {classes}", dataset.id);
            return Err(SubjectError::Fit { network: name, reason });
        }
        let (fingerprint, test_images) = (dataset.fingerprint(), dataset.len());
        let indices = dataset.draw(draw.images.min(dataset.len()), draw.seed)?;
        let dataset = dataset.select(&indices);
        let tensor = normalise(&dataset, &network)?;
        let files = match folder {
            Some(folder) => {
                let (clear, images) =
                    (evaluate::<f64>(&network, &tensor)?, draw.largest_batch.max(tensor.images()));
                Some(Files::write(folder, &name, &bytes, &tensor, images, clear)?)
            }
            None => None,
        };
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Subject { network, sha256, calibrated_images, dataset, test_images, indices, fingerprint, files })
    }
}

/// Id of the data set a network says it is for, or the first whose images fit.
fn dataset_of<'a>(network: &'a Network, name: &str) -> Result<&'a str, SubjectError> {
    if let Some(id) = &network.metadata.dataset {
        return Ok(id);
    }
    let input = network.architecture.input;
    match input {
        Shape::Image { channels: 1, height: 28, width: 28 } | Shape::Flat(784) => Ok("mnist"),
        Shape::Image { channels: 3, height: 32, width: 32 } => Ok("malaria"),
        Shape::Image { channels: 3, height: 64, width: 64 } => Ok("melanoma"),
        _ => Err(SubjectError::NoDataset { network: name.to_owned(), input }),
    }
}

/// One image of the test set of a network's data set, as the network takes it, and the id of the set, `-sample`
/// included.
///
/// # Errors
/// If there is no such image, or it does not fit the network.
pub(crate) fn test_image(network: &Network, index: usize) -> Result<(Tensor, String), SubjectError> {
    let name = &network.architecture.name;
    let store = Store::from_env()?;
    let dataset = load_or_sample(&store, dataset_of(network, name)?, Split::Test)?.dataset;
    if index >= dataset.len() {
        let reason = format!("there is no image {index}: {} has {} test images", dataset.id, dataset.len());
        return Err(SubjectError::Fit { network: name.clone(), reason });
    }
    Ok((normalise(&dataset.select(&[index]), network)?, dataset.id))
}

/// Pixels as the network wants them.
fn normalise(dataset: &Dataset, network: &Network) -> Result<Tensor, SubjectError> {
    let input = network.architecture.input;
    let misfit = |reason: String| SubjectError::Fit { network: network.architecture.name.clone(), reason };
    let (channels, pixels) = (dataset.channels, dataset.height * dataset.width);
    let image = Shape::Image { channels, height: dataset.height, width: dataset.width };
    if input != image && input != Shape::Flat(image.len()) {
        let id = &dataset.id;
        return Err(misfit(format!("it takes images of {input}, {id} has images of {image}")));
    }
    let plain = Normalisation { mean: vec![0.0; channels], deviation: vec![1.0; channels] };
    let Normalisation { mean, deviation } = network.metadata.normalisation.as_ref().unwrap_or(&plain);
    if mean.len() != channels || deviation.len() != channels {
        return Err(misfit(format!("its normalisation is not for {channels} channel(s)")));
    }
    let values = dataset
        .pixels
        .chunks_exact(pixels)
        .enumerate()
        .flat_map(|(plane, values)| {
            let (mean, deviation) = (mean[plane % channels], deviation[plane % channels]);
            values.iter().map(move |&pixel| (f32::from(pixel) / 255.0 - mean) / deviation)
        })
        .collect();
    Tensor::new(dataset.len(), input, values).ok_or_else(|| misfit("pixels are missing".into()))
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>,
) -> Result<(), SubjectError> {
    let file = fs::File::create(path).map(io::BufWriter::new);
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

    /// Place of image `at` in the test set, and its class unless the images are generated.
    pub(crate) fn image(&self, at: usize) -> (usize, Option<usize>) {
        let label = (!self.dataset.synthetic).then(|| usize::from(self.dataset.labels[at]));
        (self.indices[at], label)
    }

    /// The oracle's logits of image `at`.
    pub(crate) fn clear_logits(&self, at: usize) -> &[f64] {
        self.files().clear.image(at)
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
        }
    }

    pub(crate) fn dataset_record(&self) -> DatasetRecord {
        DatasetRecord {
            fingerprint: self.fingerprint.clone(),
            images: self.test_images,
            synthetic: self.dataset.synthetic,
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
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Zoo(#[from] zoo::ZooError),
    #[error("{}: a network called {name} is there already; rename the file", path.display())]
    NameTaken { path: PathBuf, name: String },
    #[error(
        "{network} takes images of {input}, which no data set has; set `veilbench.dataset` in the model's metadata"
    )]
    NoDataset { network: String, input: Shape },
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
