//! The first hundred test images of CIFAR-10 without loss: what a network that learned from JPEG copies is also scored on.

use veilbench_datasets::{Dataset, Error, Input, Options, OwnData, Pixels, Split, Store, load};

use crate::images::batches::select;

/// Images that are scored.
pub const IMAGES: usize = 100;
/// The data set of the originals.
const ID: &str = "cifar10";
/// The same images alone, `test_images` (n, 32, 32, 3) and `test_labels`, for those who have the JPEG copies and no originals.
const ARCHIVE: &str = "cifar10/cifar10_lossless_subset.npz";

/// The first [`IMAGES`] test images of CIFAR-10 as published, of which `copies` has lossy ones: of the whole data set if it is
/// there, else of an archive of these alone; `None` without either.
///
/// # Errors
/// If a file that is there is damaged.
pub fn lossless(store: &Store, copies: &Dataset) -> Result<Option<Dataset>, Error> {
    match load(store, ID, Split::Test) {
        Ok(test) if test.id == ID => {
            let first: Vec<usize> = (0..test.len().min(IMAGES)).collect();
            return Ok(Some(select(&test, &first)));
        }
        Ok(_) | Err(Error::Missing { .. }) => {}
        Err(error) => return Err(error),
    }
    let archive = store.data().join(ARCHIVE);
    if !archive.is_file() {
        return Ok(None);
    }
    let &Dataset { channels, height, width, ref classes, .. } = copies;
    let (input, options) = (Input::Image { channels, height, width }, Options::default());
    let images = OwnData::open(&archive, &options)?.fit(Split::Test, input, classes.len())?.images;
    let (Pixels::Bytes(pixels), Some(labels)) = (images.pixels, images.labels) else {
        let reason = "it has to hold bytes `test_images` and `test_labels`".into();
        return Err(Error::Unusable { path: archive, reason });
    };
    // Labels are below the number of classes, which are ten.
    let labels = labels.into_iter().map(|label| label as u8).collect();
    Ok(Some(Dataset { id: ID.into(), classes: classes.clone(), pixels, labels, synthetic: false, ..*copies }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    fn copies() -> Dataset {
        load(&Store::new("nowhere", "nowhere"), "cifar10-jpeg-sample", Split::Test).unwrap()
    }

    #[test]
    fn without_originals_there_is_nothing_to_score() {
        assert_eq!(lossless(&Store::new("nowhere", "nowhere"), &copies()).unwrap(), None);
    }

    #[test]
    fn a_damaged_archive_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ARCHIVE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"no archive").unwrap();
        let error = lossless(&Store::new(folder.path(), folder.path()), &copies()).unwrap_err().to_string();
        assert!(error.contains("cifar10_lossless_subset.npz"), "{error}");
    }

    #[test]
    fn the_hundred_originals_are_those_of_the_published_test_set() {
        if env::var_os("VEILBENCH_DATA").is_none() {
            return;
        }
        let Some(images) = lossless(&Store::from_env().unwrap(), &copies()).unwrap() else { return };
        assert!(!images.synthetic);
        assert_eq!((images.len(), images.classes[usize::from(images.labels[0])].as_str()), (IMAGES, "cat"));
        // Red, green and blue of the first two pixels.
        assert_eq!(
            [0, 1024, 2048, 1, 1025, 2049].map(|at| images.image(0)[at]),
            [158, 112, 49, 159, 111, 47]
        );
    }
}
