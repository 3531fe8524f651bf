//! CIFAR-10 as its authors publish it: five training batches and one test batch of 10,000 images of 32x32, in the
//! binary or the Python format (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).

use crate::formats::{bounded, pickle};
use crate::{Dataset, Error, Loaded, Split, Store};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Side of an image.
pub(crate) const SIDE: usize = 32;
/// Bytes of an image: planes of red, green and blue.
pub(crate) const IMAGE_BYTES: usize = 3 * SIDE * SIDE;
/// Names of the classes, by label.
pub(crate) const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
/// Name of the archive that is fetched.
pub(crate) const ARCHIVE: &str = "cifar-10-binary.tar.gz";
/// Folder of the data, of the originals and of the JPEG copy alike.
pub(crate) const FOLDER: &str = "cifar10";
/// Names of the folders in the published archives.
const NESTED: [&str; 2] = ["cifar-10-batches-bin", "cifar-10-batches-py"];
/// More than the 31 MB of a batch in either format.
const LIMIT_BYTES: u64 = 1 << 26;

/// One of the six files, by its name in the Python format; the binary one has `.bin` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) name: &'static str,
    /// SHA-256 of its records: of the file in the binary format.
    sha256: &'static str,
}

const TRAIN: [Batch; 5] = [
    Batch {
        name: "data_batch_1",
        sha256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    },
    Batch {
        name: "data_batch_2",
        sha256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    },
    Batch {
        name: "data_batch_3",
        sha256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    },
    Batch {
        name: "data_batch_4",
        sha256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    },
    Batch {
        name: "data_batch_5",
        sha256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    },
];

const TEST: [Batch; 1] = [Batch {
    name: "test_batch",
    sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}];

/// The batches of a split, in order.
pub(crate) fn batches(split: Split) -> &'static [Batch] {
    match split {
        Split::Train => &TRAIN,
        Split::Test => &TEST,
    }
}

impl Batch {
    /// Whether a file is this batch by its name, in either format.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.strip_suffix(".bin").unwrap_or(name) == self.name)
    }

    /// Whether records are the published ones.
    pub(crate) fn is_published(self, records: &[u8]) -> bool {
        hex::encode(Sha256::digest(records)) == self.sha256
    }

    fn find(self, folder: &Path) -> Option<PathBuf> {
        let folders = [folder.to_path_buf()].into_iter().chain(NESTED.map(|nested| folder.join(nested)));
        let mut paths =
            folders.flat_map(|folder| [folder.join(format!("{}.bin", self.name)), folder.join(self.name)]);
        paths.find(|path| path.is_file())
    }
}

/// Whether all six batches are there.
pub(crate) fn is_complete(folder: &Path) -> bool {
    TRAIN.iter().chain(&TEST).all(|batch| batch.find(folder).is_some())
}

/// The images of a split, and whether every one is as published.
pub(crate) fn load(store: &Store, split: Split) -> Result<(Loaded, bool), Error> {
    let folder = store.data().join(FOLDER);
    let wanted = batches(split);
    let found: Vec<(Batch, PathBuf)> =
        wanted.iter().filter_map(|batch| Some((*batch, batch.find(&folder)?))).collect();
    if found.is_empty() {
        let id = "cifar10".into();
        return Err(Error::Missing { id, base: "cifar10", folder });
    }
    let mut dataset = empty("cifar10");
    let mut is_published = found.len() == wanted.len();
    for (batch, path) in &found {
        let records = records(path)?;
        is_published &= batch.is_published(&records);
        for record in records.chunks_exact(1 + IMAGE_BYTES) {
            dataset.labels.push(record[0]);
            dataset.pixels.extend_from_slice(&record[1..]);
        }
    }
    let mut notes = Vec::new();
    if found.len() < wanted.len() {
        notes.push(format!(
            "{} holds {} of the {} {} batches of CIFAR-10",
            folder.display(),
            found.len(),
            wanted.len(),
            split.name()
        ));
    }
    Ok((Loaded { dataset, notes }, is_published))
}

/// The records of a batch, each a label and the planes of an image.
///
/// # Errors
/// [`Error::Unusable`] if the file is no batch of whole images with labels of the ten classes.
pub(crate) fn records(path: &Path) -> Result<Vec<u8>, Error> {
    let unusable = |reason: String| Error::unusable(path, reason);
    if fs::metadata(path).map_err(Error::io("read", path))?.len() == 0 {
        return Err(unusable("it is empty".into()));
    }
    let bytes = bounded::read(path, LIMIT_BYTES)?;
    let records = if pickle::is_pickle(&bytes) { from_python(&bytes).map_err(unusable)? } else { bytes };
    if !records.len().is_multiple_of(1 + IMAGE_BYTES) {
        let reason = format!("its {} bytes are not whole records of {}", records.len(), 1 + IMAGE_BYTES);
        return Err(unusable(reason));
    }
    match records.chunks_exact(1 + IMAGE_BYTES).position(|record| usize::from(record[0]) >= CLASSES.len()) {
        Some(index) => {
            let label = records[index * (1 + IMAGE_BYTES)];
            Err(unusable(format!("label {label} of image {index} is not below {}", CLASSES.len())))
        }
        None => Ok(records),
    }
}

/// A batch of the Python format (a pickled dictionary with a list `labels` and an array `data`) as records.
fn from_python(file: &[u8]) -> Result<Vec<u8>, String> {
    let pickle = pickle::Pickle::read(file)?;
    let labels = pickle.bytes_of_list("labels")?;
    let data = pickle.byte_array("data")?;
    if data.shape != [labels.len() as u64, IMAGE_BYTES as u64] {
        let (shape, labels) = (data.shape, labels.len());
        return Err(format!("`data` has shape {shape:?} for {labels} labels, not ({labels}, {IMAGE_BYTES})"));
    }
    let mut records = Vec::with_capacity(labels.len() * (1 + IMAGE_BYTES));
    for (label, image) in labels.into_iter().zip(data.values.chunks_exact(IMAGE_BYTES)) {
        records.push(label);
        records.extend_from_slice(image);
    }
    Ok(records)
}

/// No image yet.
pub(crate) fn empty(id: &str) -> Dataset {
    Dataset {
        id: id.into(),
        classes: CLASSES.map(String::from).to_vec(),
        channels: 3,
        height: SIDE,
        width: SIDE,
        pixels: Vec::new(),
        labels: Vec::new(),
        synthetic: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tests/fixtures/make.py` in the layout of the published files and read back by CPython and numpy:
    /// three images whose byte `k` is `(7 k + 31 image) mod 251`, labelled 6, 9 and 4.
    const PYTHON: &[u8] = include_bytes!("../../tests/fixtures/cifar10-data_batch_1.pickle");

    fn binary() -> Vec<u8> {
        let image = |(image, label): (usize, u8)| {
            let pixels = (0..IMAGE_BYTES).map(move |k| ((7 * k + 31 * image) % 251) as u8);
            std::iter::once(label).chain(pixels)
        };
        [6, 9, 4].into_iter().enumerate().flat_map(image).collect()
    }

    fn store(folder: &Path, name: &str, bytes: &[u8]) -> Store {
        let path = folder.join(FOLDER).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        Store::new(folder, folder.join("cache"))
    }

    #[test]
    fn both_formats_give_the_same_images_in_planes() {
        for (name, bytes) in
            [("data_batch_1.bin", binary()), ("cifar-10-batches-py/data_batch_1", PYTHON.into())]
        {
            let folder = tempfile::tempdir().unwrap();
            let (loaded, is_published) = load(&store(folder.path(), name, &bytes), Split::Train).unwrap();
            assert_eq!(loaded.dataset.labels, [6, 9, 4], "{name}");
            assert_eq!(loaded.dataset.image(1)[..3], [31, 38, 45], "{name}");
            assert_eq!(loaded.dataset.image(2)[1024], ((7 * 1024 + 62) % 251) as u8, "{name}");
            assert!(!is_published);
            assert!(loaded.notes[0].contains("1 of the 5 train batches"), "{:?}", loaded.notes);
        }
    }

    #[test]
    fn batches_cut_short_with_foreign_labels_or_empty_are_named_errors() {
        let folder = tempfile::tempdir().unwrap();
        let mut foreign = binary();
        foreign[1 + IMAGE_BYTES] = 10;
        let whole = binary();
        for (bytes, part) in [
            (&whole[..whole.len() - 1], "whole records"),
            (&foreign[..], "label 10 of image 1"),
            (&[][..], "empty"),
            (&PYTHON[..PYTHON.len() / 2], "ends"),
        ] {
            let error =
                load(&store(folder.path(), "test_batch", bytes), Split::Test).unwrap_err().to_string();
            assert!(error.contains("test_batch") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_changed_bit_is_not_the_published_batch() {
        assert!(!TEST[0].is_published(&binary()));
        assert!(TRAIN[0].is_at(Path::new("a/data_batch_1.bin")) && TRAIN[0].is_at(Path::new("data_batch_1")));
        assert!(
            !TRAIN[0].is_at(Path::new("data_batch_10")) && !TRAIN[0].is_at(Path::new("data_batch_1.html"))
        );
    }
}
