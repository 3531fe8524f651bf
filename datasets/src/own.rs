//! A user's own images: read in the formats people have, checked, and fitted to a network.
//!
//! [`OwnData::open`] finds out what a path holds: folders of classes (perhaps below `train/`, `val/`, `test/`), a CSV of
//! files and labels, NumPy's `.npz` and `.npy`, IDX files, or images without labels. [`OwnData::fit`] gives them the channels
//! and the size a network takes. What could be settled in two ways is an error that names the file and the [`Step`] that settles
//! it, or a line in the notes; nothing is left out without one.

mod arrays;
mod fit;
mod folder;
mod idx_files;
mod kept;
mod options;
mod part;
mod picture;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::formats::bounded;
use crate::image_set::{ImageSet, Pixels};
use crate::sets::tree::MAX_FILE_BYTES;
use crate::{Error, Split, Store};
use part::{Found, Part, Source};
use picture::Picture;

pub use fit::Input;
pub use kept::{KeptData, add, kept, remove};
pub use options::{Options, Step};

/// Unusable files that are named one by one.
const NAMED: usize = 5;

/// A user's data, found and not yet decoded.
#[derive(Clone, Debug)]
pub struct OwnData {
    name: String,
    path: PathBuf,
    options: Options,
    found: Found,
    checksum: String,
}

/// Images as a network takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The images.
    pub images: ImageSet,
    /// What was done to them, and what was taken for granted: a line each.
    pub notes: Vec<String>,
}

impl OwnData {
    /// Finds out what a path holds; the data goes by the name of the file or folder.
    ///
    /// # Errors
    /// [`Error::Unusable`] with the file and what is wrong with it, or with what is expected.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let whole = path.canonicalize().map_err(Error::io("read", path))?;
        let stem = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
        let stem = stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::named(name_for(&stem), path, options)
    }

    /// The data that `wanted` names: a path, or what was kept under this name ([`add`]), then with the options it was kept with
    /// unless others are given.
    ///
    /// # Errors
    /// [`Error::NoData`] if there is neither, [`Error::TwoData`] if there are both; then as [`open`](Self::open), and if a kept file
    /// is not as it was.
    pub fn find(store: &Store, wanted: &Path, options: &Options) -> Result<Self, Error> {
        let name = wanted.to_str().filter(|name| kept::is_name(name));
        match (name.filter(|name| kept::folder(store, name).is_dir()), wanted.exists()) {
            (Some(name), false) => kept::open(store, name, options),
            (Some(name), true) => Err(Error::TwoData { name: name.into() }),
            (None, true) => Self::open(wanted, options),
            (None, false) => {
                let kept = kept(store)?.into_iter().map(|kept| kept.name).collect();
                Err(Error::NoData { wanted: wanted.into(), kept })
            }
        }
    }

    fn named(name: String, path: &Path, options: &Options) -> Result<Self, Error> {
        options.check().map_err(|reason| Error::unusable(path, reason))?;
        let found = found(path, options)?;
        let checksum = checksum(&found)?;
        Ok(Self { name, path: path.into(), options: options.clone(), found, checksum })
    }

    /// What the data goes by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256, in hex, of all files and labels in their order.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Number of images of a split.
    pub fn len(&self, split: Split) -> usize {
        self.part(split).map_or(0, |part| part.source.len())
    }

    /// Whether there is a label for each image of the test part.
    pub fn has_labels(&self) -> bool {
        self.found.test.labels.is_some()
    }

    /// Names of the classes by label, if the data has them.
    pub fn classes(&self) -> Option<&[String]> {
        self.found.classes.as_deref()
    }

    /// What was taken for granted when the data was found.
    pub fn notes(&self) -> &[String] {
        &self.found.notes
    }

    fn part(&self, split: Split) -> Option<&Part> {
        match split {
            Split::Train => self.found.train.as_ref(),
            Split::Test => Some(&self.found.test),
        }
    }

    /// The images of a split as a network of `classes` classes takes them.
    ///
    /// # Errors
    /// [`Error::Unusable`] names the first file that cannot be decoded or fitted, why, and what would settle it; or a label of a
    /// class that the network does not have. [`Error::NoTraining`] without a training part.
    pub fn fit(&self, split: Split, input: Input, classes: usize) -> Result<Fitted, Error> {
        let part = self.part(split).ok_or_else(|| Error::NoTraining { name: self.name.clone() })?;
        self.check_labels(part, classes)?;
        let first = self.picture(part, 0).map_err(|reason| self.unusable(part, 0, reason))?.0;
        let (target, flat) = fit::target(input, &first).map_err(|reason| self.unusable(part, 0, reason))?;
        let fitted: Vec<Result<One, String>> = (0..part.source.len())
            .into_par_iter()
            .map(|index| {
                let (picture, mut steps) = self.picture(part, index)?;
                let size = [picture.height, picture.width];
                let (picture, more) = fit::fitted(picture, target, &self.options)?;
                steps.extend(more);
                Ok(One { planes: picture.planes, steps, size })
            })
            .collect();
        let fitted = self.all(part, fitted)?;
        let mut notes = self.found.notes.clone();
        notes.extend(flat);
        notes.extend(told(&fitted));
        let [channels, height, width] = target;
        let names = match self.classes() {
            Some(names) => names.to_vec(),
            None => (0..classes).map(|class| class.to_string()).collect(),
        };
        let mut checksum = Sha256::new();
        checksum.update(self.checksum.as_bytes());
        checksum.update(self.options.to_text().as_bytes());
        let images = ImageSet {
            id: self.name.clone(),
            classes: names,
            channels,
            height,
            width,
            images: fitted.len(),
            pixels: joined(fitted),
            labels: part.labels.clone(),
            synthetic: false,
            checksum: Some(hex::encode(checksum.finalize())),
            named: self.classes().is_some(),
        };
        Ok(Fitted { images, notes })
    }

    /// Labels without names are numbers of the network's classes.
    fn check_labels(&self, part: &Part, classes: usize) -> Result<(), Error> {
        if self.classes().is_some() {
            return Ok(());
        }
        let labels = part.labels.as_deref().unwrap_or_default();
        match labels.iter().position(|&label| label as usize >= classes) {
            None => Ok(()),
            Some(index) => {
                let reason = format!(
                    "its label is {}, and the network has the classes 0 to {}",
                    labels[index],
                    classes.saturating_sub(1)
                );
                Err(self.unusable(part, index, reason))
            }
        }
    }

    fn picture(&self, part: &Part, index: usize) -> Result<(Picture, Vec<String>), String> {
        match &part.source {
            Source::Files(files) => picture::read(&files[index], &self.options),
            Source::Stack(stack) => Ok((stack.picture(index), Vec::new())),
        }
    }

    fn unusable(&self, part: &Part, index: usize, reason: String) -> Error {
        match &part.source {
            Source::Files(files) => Error::unusable(&files[index], reason),
            Source::Stack(_) => Error::unusable(&self.path, format!("image {index}: {reason}")),
        }
    }

    /// All images, or an error about the first that cannot be used, which counts and names others.
    fn all(&self, part: &Part, fitted: Vec<Result<One, String>>) -> Result<Vec<One>, Error> {
        let failed: Vec<usize> =
            fitted.iter().enumerate().filter(|(_, one)| one.is_err()).map(|(index, _)| index).collect();
        let others: Vec<String> =
            failed.iter().skip(1).take(NAMED).map(|&index| self.place(part, index)).collect();
        let more = match failed.len() {
            0 | 1 => String::new(),
            count => {
                let dots = if count > NAMED + 1 { ", ..." } else { "" };
                format!(
                    "; {} more of {} images cannot be used: {}{dots}",
                    count - 1,
                    fitted.len(),
                    others.join(", ")
                )
            }
        };
        let one = |(index, one): (usize, Result<One, String>)| {
            one.map_err(|reason| self.unusable(part, index, format!("{reason}{more}")))
        };
        fitted.into_iter().enumerate().map(one).collect()
    }

    fn place(&self, part: &Part, index: usize) -> String {
        match &part.source {
            Source::Files(files) => {
                let file = files[index].strip_prefix(&self.path).unwrap_or(&files[index]);
                file.display().to_string()
            }
            Source::Stack(_) => index.to_string(),
        }
    }
}

/// One image, fitted.
struct One {
    planes: Pixels,
    steps: Vec<String>,
    /// Rows and columns before.
    size: [usize; 2],
}

/// Lines that say of how many images each step was taken, and what sizes they had.
fn told(fitted: &[One]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for step in fitted.iter().flat_map(|one| &one.steps) {
        *counts.entry(step).or_default() += 1;
    }
    let total = fitted.len();
    let mut notes: Vec<String> =
        counts.into_iter().map(|(step, count)| format!("{count} of {total} images: {step}")).collect();
    let sizes: BTreeSet<[usize; 2]> = fitted.iter().map(|one| one.size).collect();
    if let (Some([rows, columns]), Some([most_rows, most_columns]), true) =
        (sizes.first(), sizes.last(), sizes.len() > 1)
    {
        notes.push(format!(
            "images of {} sizes, from {columns}x{rows} to {most_columns}x{most_rows}",
            sizes.len()
        ));
    }
    notes
}

/// The planes of all images, as bytes if all are.
fn joined(fitted: Vec<One>) -> Pixels {
    let is_bytes = fitted.iter().all(|one| matches!(one.planes, Pixels::Bytes(_)));
    if is_bytes {
        let bytes = fitted.into_iter().flat_map(|one| match one.planes {
            Pixels::Bytes(values) => values,
            Pixels::Reals(_) => Vec::new(),
        });
        return Pixels::Bytes(bytes.collect());
    }
    Pixels::Reals(fitted.iter().flat_map(|one| one.planes.scaled().into_owned()).collect())
}

fn found(path: &Path, options: &Options) -> Result<Found, Error> {
    if path.is_dir() {
        return folder::find(path, options);
    }
    let ending = path.extension().map_or_else(String::new, |end| end.to_string_lossy().to_lowercase());
    match ending.as_str() {
        "npz" => arrays::archive(path, options),
        "npy" => arrays::file(path, options),
        "csv" | "tsv" => table::read(&[path.to_path_buf()], true),
        _ if folder::is_other_image(path) => Err(folder::unread(path)),
        _ if folder::is_image(path) => {
            let test = Part { source: Source::Files(vec![path.into()]), labels: None };
            let notes = vec!["no labels: it is one image".into()];
            Ok(Found { test, notes, files: vec![path.into()], ..Found::default() })
        }
        "zip" | "tar" | "tgz" => {
            Err(Error::unusable(path, "it is an archive: unpack it and name the folder"))
        }
        _ => {
            let labels = idx_files::labels_beside(path);
            let test = idx_files::digits(path, labels.as_deref())?;
            let files = std::iter::once(path.to_path_buf()).chain(labels).collect();
            Ok(Found { test, files, ..Found::default() })
        }
    }
}

/// Checksum of the images as they are stored and of their labels.
fn checksum(found: &Found) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for class in found.classes.iter().flatten() {
        hash.update((class.len() as u64).to_le_bytes());
        hash.update(class);
    }
    for part in std::iter::once(&found.test).chain(&found.train) {
        hash.update((part.source.len() as u64).to_le_bytes());
        match &part.source {
            Source::Files(files) => {
                let sums = files.par_iter().map(|file| {
                    let sum = bounded::sha256(file, MAX_FILE_BYTES)?;
                    sum.ok_or_else(|| {
                        Error::unusable(file, format!("it has more than {MAX_FILE_BYTES} bytes"))
                    })
                });
                for sum in sums.collect::<Result<Vec<_>, _>>()? {
                    hash.update(sum);
                }
            }
            Source::Stack(stack) => {
                stack.shape().iter().for_each(|&size| hash.update((size as u64).to_le_bytes()));
                match stack.pixels() {
                    Pixels::Bytes(values) => hash.update(values),
                    Pixels::Reals(values) => values.iter().for_each(|value| hash.update(value.to_le_bytes())),
                }
            }
        }
        for label in part.labels.iter().flatten() {
            hash.update(label.to_le_bytes());
        }
    }
    Ok(hex::encode(hash.finalize()))
}

/// A name for rows: letters, digits and `-_.`, and never that of a published set.
fn name_for(stem: &str) -> String {
    let name = stem.replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "-");
    if name.is_empty() || kept::is_taken(&name) { format!("own-{name}") } else { name }
}
