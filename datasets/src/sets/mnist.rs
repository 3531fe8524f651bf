//! MNIST from its four IDX files, plain or gzip.

use crate::formats::{bounded, idx};
use crate::{Dataset, Error, Loaded, Split, Store};
use std::path::{Path, PathBuf};

/// Side of a digit.
const SIDE: usize = 28;
/// No file of MNIST is larger, packed or not: more than the 47,040,016 bytes of the largest file.
pub(crate) const LIMIT_BYTES: u64 = 1 << 26;
pub(crate) const CLASSES: usize = 10;

/// Names of images and labels, without `.gz`.
pub(crate) fn file_names(split: Split) -> [&'static str; 2] {
    match split {
        Split::Train => ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
        Split::Test => ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
    }
}

pub(crate) fn load(store: &Store, split: Split) -> Result<Loaded, Error> {
    let folder = store.data().join("mnist");
    let [images, labels] = file_names(split).map(|name| find(&folder, name));
    let missing = || Error::Missing { id: "mnist".into(), base: "mnist", folder: folder.clone() };
    let (images, labels) = (images.ok_or_else(missing)?, labels.ok_or_else(missing)?);
    let [images_bytes, labels_bytes] = [&images, &labels].map(|path| bounded::read(path, LIMIT_BYTES));
    let dataset = decode("mnist", (&images, &images_bytes?), (&labels, &labels_bytes?))?;
    Ok(Loaded { dataset, notes: Vec::new() })
}

/// The file called `name` or `name.gz`.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_string(), format!("{name}.gz")].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Digits from the bytes of two files, each plain or gzip; the paths are for the error alone.
pub(crate) fn decode(
    id: &str,
    (images_path, images): (&Path, &[u8]),
    (labels_path, labels): (&Path, &[u8]),
) -> Result<Dataset, Error> {
    let unpacked = |path, bytes| {
        idx::decompressed(bytes, LIMIT_BYTES).map_err(|error| Error::unusable(path, error.to_string()))
    };
    let (images, labels) = (unpacked(images_path, images)?, unpacked(labels_path, labels)?);
    let labels = idx::labels(labels, CLASSES).map_err(|reason| Error::unusable(labels_path, reason))?;
    let images = idx::images(images).map_err(|reason| Error::unusable(images_path, reason))?;
    if (images.height, images.width) != (SIDE, SIDE) {
        let reason = format!("its images are {}x{}, not {SIDE}x{SIDE}", images.height, images.width);
        return Err(Error::unusable(images_path, reason));
    }
    let count = images.pixels.len() / (SIDE * SIDE);
    if count != labels.len() {
        let reason = format!("it has {} labels for {count} images", labels.len());
        return Err(Error::unusable(labels_path, reason));
    }
    Ok(Dataset {
        id: id.into(),
        classes: (0..CLASSES).map(|digit| digit.to_string()).collect(),
        channels: 1,
        height: SIDE,
        width: SIDE,
        pixels: images.pixels,
        labels,
        synthetic: false,
    })
}
