//! Dermoscopy images (ISIC 2018 task 3 / HAM10000), benign and malignant, at 64x64.

use crate::load::Loaded;
use crate::sets::splits;
use crate::sets::tree::{self, ImageFile};
use crate::{Dataset, Error, Split, Store};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// Side of an image after resizing.
pub(crate) const SIDE: usize = 64;
/// Names of the classes and of their folders, by label.
pub(crate) const CLASSES: [&str; 2] = ["benign", "malignant"];
/// Name of the table that may lie beside the folders.
pub(crate) const MANIFEST: &str = "manifest.csv";

/// Where an image belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    label: u8,
    split: Split,
}

/// The images in the class folders. Halves are from `manifest.csv` beside them, else from the table in
/// this crate; an image that is in neither goes to the test half if the SHA-256 of its name begins
/// with a byte below 51 (one in five).
pub(crate) fn load(store: &Store, split: Split) -> Result<Loaded, Error> {
    let folder = store.data().join("melanoma");
    let files = photographs(&folder)?;
    if files.is_empty() {
        return Err(Error::Missing { id: "melanoma".into(), base: "melanoma", folder });
    }
    let (places, expected) = places(&folder.join(MANIFEST))?;
    let mut by_hash = 0;
    let mut halves = Vec::with_capacity(files.len());
    for file in &files {
        let place = places.get(stem(file));
        if place.is_some_and(|place| usize::from(place.label) != file.class) {
            let reason =
                format!("it is in `{}`, but the table of lesions says otherwise", CLASSES[file.class]);
            return Err(Error::unusable(&file.path, reason));
        }
        by_hash += usize::from(place.is_none());
        halves.push(place.map_or_else(|| half_by_name(&file.name), |place| place.split));
    }
    let (pixels, note) = tree::planes(store, "melanoma", &files, SIDE)?;
    let mut notes: Vec<String> = note.into_iter().collect();
    if by_hash > 0 {
        notes.push(format!(
            "{by_hash} of {} melanoma images are in no table: halved by a hash of their names, so one lesion may be in both halves",
            files.len()
        ));
    }
    if files.len() - by_hash < expected {
        notes.push(format!("{} of the {expected} melanoma images are there", files.len() - by_hash));
    }
    let mut dataset = empty();
    for ((file, image), half) in files.iter().zip(pixels.chunks_exact(3 * SIDE * SIDE)).zip(halves) {
        if half == split {
            dataset.pixels.extend_from_slice(image);
            dataset.labels.push(file.class as u8);
        }
    }
    if dataset.is_empty() {
        return Err(Error::EmptySplit { id: dataset.id, base: "melanoma", split: split.name(), folder });
    }
    Ok(Loaded { dataset, notes })
}

/// The images in the class folders of `folder`, by class and name.
pub(crate) fn photographs(folder: &Path) -> Result<Vec<ImageFile>, Error> {
    tree::list(folder, &CLASSES, &["jpg", "jpeg", "png"])
}

pub(crate) fn empty() -> Dataset {
    Dataset {
        id: "melanoma".into(),
        classes: CLASSES.map(String::from).to_vec(),
        channels: 3,
        height: SIDE,
        width: SIDE,
        pixels: Vec::new(),
        labels: Vec::new(),
        synthetic: false,
    }
}

fn stem(file: &ImageFile) -> &str {
    file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem)
}

fn half_by_name(name: &str) -> Split {
    if Sha256::digest(name)[0] < 51 { Split::Test } else { Split::Train }
}

/// Where each lesion belongs, and how many images should be there.
fn places(manifest: &Path) -> Result<(HashMap<String, Place>, usize), Error> {
    if manifest.is_file() {
        return from_manifest(manifest);
    }
    let lesions = splits::lesions();
    let places = lesions
        .iter()
        .map(|(name, lesion)| (name.clone(), Place { label: lesion.label, split: lesion.split }));
    Ok((places.collect(), lesions.len()))
}

/// Reads a table with the columns `isic_id`, `target`, `split` and perhaps `staged`.
pub(crate) fn from_manifest(path: &Path) -> Result<(HashMap<String, Place>, usize), Error> {
    let unusable = |reason: String| Error::unusable(path, reason);
    let mut reader = csv::Reader::from_path(path).map_err(|error| unusable(error.to_string()))?;
    let header = reader.headers().map_err(|error| unusable(error.to_string()))?.clone();
    let find = |name: &str| header.iter().position(|column| column == name);
    let column = |name: &str| find(name).ok_or_else(|| unusable(format!("it has no column `{name}`")));
    let (name, target, split, staged) =
        (column("isic_id")?, column("target")?, column("split")?, find("staged"));
    let mut places = HashMap::new();
    let mut expected = 0;
    for (index, row) in reader.records().enumerate() {
        let row = row.map_err(|error| unusable(error.to_string()))?;
        let place = match (&row[target], &row[split]) {
            ("0", "train") => Place { label: 0, split: Split::Train },
            ("0", "test") => Place { label: 0, split: Split::Test },
            ("1", "train") => Place { label: 1, split: Split::Train },
            ("1", "test") => Place { label: 1, split: Split::Test },
            (target, split) => {
                let line = index + 2;
                return Err(unusable(format!("line {line} has target `{target}` and split `{split}`")));
            }
        };
        if staged.is_none_or(|column| &row[column] == "1") {
            expected += 1;
        }
        places.insert(row[name].to_string(), place);
    }
    Ok((places, expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;
    use std::fs;

    fn photograph(folder: &Path, name: &str, level: u8) {
        let path = folder.join("melanoma").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(80, 70, image::Rgb([level; 3])).save(path).unwrap();
    }

    fn store(folder: &Path) -> Store {
        Store::new(folder, folder.join("cache"))
    }

    #[test]
    fn the_manifest_beside_the_folders_decides() {
        let folder = tempfile::tempdir().unwrap();
        for (name, level) in [("benign/a.png", 10), ("benign/b.png", 20), ("malignant/c.png", 30)] {
            photograph(folder.path(), name, level);
        }
        let manifest = folder.path().join("melanoma/manifest.csv");
        fs::write(
            &manifest,
            "isic_id,target,split,staged\na,0,train,1\nb,0,test,1\nc,1,test,1\nd,1,test,1\n",
        )
        .unwrap();
        let loaded = load(&store(folder.path()), Split::Test).unwrap();
        assert_eq!(loaded.dataset.labels, [0, 1]);
        assert_eq!([loaded.dataset.image(0)[0], loaded.dataset.image(1)[0]], [20, 30]);
        assert_eq!(loaded.notes, ["3 of the 4 melanoma images are there"]);

        fs::write(&manifest, "isic_id,target,split\na,1,train\n").unwrap();
        let error = load(&store(folder.path()), Split::Train).unwrap_err().to_string();
        assert!(error.contains("a.png") && error.contains("`benign`"), "{error}");
        fs::write(&manifest, "isic_id,target,split\na,0,validation\n").unwrap();
        let error = load(&store(folder.path()), Split::Train).unwrap_err().to_string();
        assert!(error.contains("manifest.csv") && error.contains("line 2"), "{error}");
        fs::write(&manifest, "isic_id,target\na,0\n").unwrap();
        assert!(load(&store(folder.path()), Split::Train).unwrap_err().to_string().contains("`split`"));
    }

    #[test]
    fn unknown_names_are_halved_by_hash_and_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..40 {
            photograph(folder.path(), &format!("benign/{index}.png"), index);
        }
        let [train, test] =
            [Split::Train, Split::Test].map(|split| load(&store(folder.path()), split).unwrap());
        assert_eq!(train.dataset.len() + test.dataset.len(), 40);
        assert!((2..20).contains(&test.dataset.len()), "{}", test.dataset.len());
        assert!(test.notes[0].starts_with("40 of 40 melanoma images are in no table"), "{:?}", test.notes);
    }
}
