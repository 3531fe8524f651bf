//! Images and labels in the IDX format of MNIST, as files of a user's.

use std::path::{Path, PathBuf};

use super::arrays::{LIMIT_BYTES, Stack};
use super::folder::{assemble, name, several};
use super::part::{Found, Part, Source};
use crate::Error;
use crate::formats::{bounded, idx};

/// Whether a file is named as IDX files of images are: `t10k-images-idx3-ubyte`, `...images.idx3-ubyte.gz`.
pub(super) fn are_images(path: &Path) -> bool {
    let name = name(path).replace(".idx", "-idx");
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.contains("images") && (name.ends_with("-ubyte") || name.ends_with("-idx3"))
}

/// Labels beside the images of an IDX file.
pub(super) fn labels_beside(images: &Path) -> Option<PathBuf> {
    let labels = name(images).replace("images", "labels").replace("idx3", "idx1");
    let bare = labels.strip_suffix(".gz").unwrap_or(&labels).to_owned();
    [labels, format!("{bare}.gz"), bare]
        .iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file() && path != images)
}

/// The parts whose images these files hold, each with the labels beside it.
pub(super) fn read(folder: &Path, images: &[&PathBuf]) -> Result<Found, Error> {
    let (train, test): (Vec<&PathBuf>, Vec<&PathBuf>) =
        images.iter().copied().partition(|path| name(path).to_lowercase().contains("train"));
    for of_one in [&train, &test] {
        if of_one.len() > 1 {
            let paths: Vec<PathBuf> = of_one.iter().map(|&path| path.clone()).collect();
            return Err(several(folder, "IDX files of images", &paths));
        }
    }
    let mut found = Found::default();
    let mut part = |path: Option<&&PathBuf>| -> Result<Option<Part>, Error> {
        let Some(&path) = path else { return Ok(None) };
        let labels = labels_beside(path);
        found.files.push(path.clone());
        found.files.extend(labels.clone());
        digits(path, labels.as_deref()).map(Some)
    };
    let parts = [part(train.first())?, None, part(test.first())?];
    assemble(&mut found, parts, folder)?;
    Ok(found)
}

/// Images and labels in IDX files, plain or gzip. The path of the labels may lead nowhere.
pub(super) fn digits(images: &Path, labels: Option<&Path>) -> Result<Part, Error> {
    let unpacked = |path: &Path| {
        let bytes = bounded::read(path, LIMIT_BYTES)?;
        idx::decompressed(&bytes, LIMIT_BYTES).map_err(|error| Error::unusable(path, error.to_string()))
    };
    let found = idx::images(unpacked(images)?).map_err(|reason| Error::unusable(images, reason))?;
    let size = found.height * found.width;
    if size == 0 || found.pixels.is_empty() {
        return Err(Error::unusable(images, "it holds no image"));
    }
    let count = found.pixels.len() / size;
    let labels = match labels {
        None => None,
        Some(path) => {
            let labels = idx::labels(unpacked(path)?, 256).map_err(|reason| Error::unusable(path, reason))?;
            if labels.len() != count {
                return Err(Error::unusable(
                    path,
                    format!("it has {} labels for {count} images", labels.len()),
                ));
            }
            Some(labels.into_iter().map(u32::from).collect())
        }
    };
    let stack = Stack::grey([found.height, found.width], found.pixels);
    Ok(Part { source: Source::Stack(stack), labels })
}
