//! NIH/NLM malaria cells at 32x32, in two splits (Rajaraman et al., PeerJ 6:e4568, 2018).

use crate::formats::npz::Npz;
use crate::load::Loaded;
use crate::sets::splits;
use crate::sets::tree::{self, ImageFile};
use crate::{Dataset, Error, Split, Store};
use std::path::Path;

/// Side of a cell after resizing.
pub(crate) const SIDE: usize = 32;
pub(crate) const CHANNELS: usize = 3;
/// Room for the 84,658,304 bytes of the images.
const LIMIT_BYTES: u64 = 1 << 27;
/// All cells there are.
const IMAGES: usize = 27_558;
/// Name of the archive of resized cells.
pub(crate) const ARCHIVE: &str = "malaria_32x32_rgb.npz";
/// Names of the classes and of NLM's folders, by label.
pub(crate) const CLASSES: [&str; 2] = ["Uninfected", "Parasitized"];

/// How images are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Division {
    /// The paper's: random by image, so patients are on both sides.
    Paper,
    /// By patient; the validation patients are in neither half.
    Patient,
}

impl Division {
    /// The data set's id.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Division::Paper => "malaria",
            Division::Patient => "malaria-patient",
        }
    }
}

/// From the archive of resized cells if it is there, else from NLM's folders of originals.
pub(crate) fn load(store: &Store, division: Division, split: Split) -> Result<Loaded, Error> {
    let folder = store.data().join("malaria");
    let archive = folder.join(ARCHIVE);
    if archive.is_file() {
        return Ok(Loaded { dataset: from_archive(&archive, division, split)?, notes: Vec::new() });
    }
    let files = cells(&folder)?;
    if files.is_empty() {
        return Err(Error::Missing { id: division.id().into(), base: "malaria", folder });
    }
    from_cells(store, &folder, &files, division, split)
}

/// NLM's originals in `folder`, or in `cell_images` in it, in the order of the archive: the paper's
/// training images first, then by class and name.
pub(crate) fn cells(folder: &Path) -> Result<Vec<ImageFile>, Error> {
    let nested = folder.join("cell_images");
    let root = if nested.is_dir() { &nested } else { folder };
    let mut files = tree::list(root, &CLASSES, &["png"])?;
    files.sort_by_key(|file| splits::in_paper_test(&file.name));
    Ok(files)
}

/// Whether all cells are there, resized or not.
pub(crate) fn is_complete(folder: &Path) -> Result<bool, Error> {
    Ok(folder.join(ARCHIVE).is_file() || cells(folder)?.len() == IMAGES)
}

fn from_cells(
    store: &Store,
    folder: &Path,
    files: &[ImageFile],
    division: Division,
    split: Split,
) -> Result<Loaded, Error> {
    let (pixels, note) = tree::planes(store, "malaria", files, SIDE)?;
    let mut notes: Vec<String> = note.into_iter().collect();
    if files.len() < IMAGES {
        notes.push(format!("{} holds {} of the {IMAGES} malaria cells", folder.display(), files.len()));
    }
    let mut dataset = empty(division.id());
    for (file, image) in files.iter().zip(pixels.chunks_exact(CHANNELS * SIDE * SIDE)) {
        if half(file, division)? == Some(split) {
            dataset.pixels.extend_from_slice(image);
            dataset.labels.push(file.class as u8);
        }
    }
    if dataset.is_empty() {
        let (id, folder) = (division.id().into(), folder.into());
        return Err(Error::EmptySplit { id, base: "malaria", split: split.name(), folder });
    }
    Ok(Loaded { dataset, notes })
}

/// Where a cell belongs; `None` for validation patients.
pub(crate) fn half(file: &ImageFile, division: Division) -> Result<Option<Split>, Error> {
    let patient = splits::patient_of(&file.name).ok_or_else(|| {
        Error::unusable(&file.path, "its name does not begin with a patient of the malaria data set")
    })?;
    Ok(match division {
        Division::Patient => patient.split,
        Division::Paper if splits::in_paper_test(&file.name) => Some(Split::Test),
        Division::Paper => Some(Split::Train),
    })
}

/// The cells of one split from the archive of resized ones.
pub(crate) fn from_archive(path: &Path, division: Division, split: Split) -> Result<Dataset, Error> {
    let mut archive = Npz::open(path)?;
    let images = archive.bytes("images", LIMIT_BYTES)?;
    let side = SIDE as u64;
    let &[count, height, width, channels] = images.shape.as_slice() else {
        return Err(Error::unusable(path, format!("`images` has shape {:?}", images.shape)));
    };
    if (height, width, channels) != (side, side, CHANNELS as u64) {
        let reason = format!("`images` has shape {:?}, not (n, {SIDE}, {SIDE}, {CHANNELS})", images.shape);
        return Err(Error::unusable(path, reason));
    }
    let mut column = |name: &str, below: u8| {
        let array = archive.bytes(name, LIMIT_BYTES)?;
        if array.shape != [count] {
            let reason = format!("`{name}` has shape {:?} for {count} images", array.shape);
            return Err(Error::unusable(path, reason));
        }
        match array.values.iter().position(|&value| value >= below) {
            Some(index) => {
                let reason =
                    format!("`{name}` of image {index} is {}, not below {below}", array.values[index]);
                Err(Error::unusable(path, reason))
            }
            None => Ok(array.values),
        }
    };
    let labels = column("labels", 2)?;
    let (part, wanted) = match (division, split) {
        (Division::Paper, Split::Train) => (column("paper_split", 2)?, 0),
        (Division::Paper, Split::Test) => (column("paper_split", 2)?, 1),
        (Division::Patient, Split::Train) => (column("patient_split", 3)?, 0),
        (Division::Patient, Split::Test) => (column("patient_split", 3)?, 2),
    };
    let size = SIDE * SIDE * CHANNELS;
    let mut dataset = empty(division.id());
    for ((image, label), part) in images.values.chunks_exact(size).zip(labels).zip(part) {
        if part == wanted {
            push_planes(&mut dataset.pixels, image);
            dataset.labels.push(label);
        }
    }
    Ok(dataset)
}

pub(crate) fn empty(id: &str) -> Dataset {
    Dataset {
        id: id.into(),
        classes: CLASSES.map(String::from).to_vec(),
        channels: CHANNELS,
        height: SIDE,
        width: SIDE,
        pixels: Vec::new(),
        labels: Vec::new(),
        synthetic: false,
    }
}

/// Appends interleaved RGB as three planes.
fn push_planes(pixels: &mut Vec<u8>, interleaved: &[u8]) {
    for channel in 0..CHANNELS {
        pixels.extend(interleaved.iter().skip(channel).step_by(CHANNELS));
    }
}
