//! Which image is in which half, for data that does not say: tables made by `splits/make.py`.

use crate::formats::idx::decompressed;
use crate::{Error, Split};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

const LIMIT_BYTES: u64 = 1 << 22;

/// Text of an embedded table. The tables are part of the program, so they read well or it is wrong.
fn table(packed: &[u8]) -> String {
    let bytes = decompressed(packed, LIMIT_BYTES).expect("an embedded table is whole");
    String::from_utf8(bytes).expect("an embedded table is text")
}

/// Malaria patients, by the source at the beginning of a file name (`C68` in `C68P29N_ThinF_IMG_...`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patient {
    /// `None` for the validation patients.
    pub(crate) split: Option<Split>,
    /// Cells of this patient.
    pub(crate) images: usize,
    /// SHA-256 of the list of their checksums; see [`verify_cells`].
    sha256: String,
}

static PAPER_TEST: LazyLock<HashSet<String>> = LazyLock::new(|| {
    table(include_bytes!("../../splits/malaria-paper-test.txt.gz")).lines().map(String::from).collect()
});

static PATIENTS: LazyLock<BTreeMap<String, Patient>> = LazyLock::new(|| {
    table(include_bytes!("../../splits/malaria-patients.csv.gz"))
        .lines()
        .skip(1)
        .filter_map(patient)
        .collect()
});

static LESIONS: LazyLock<BTreeMap<String, Lesion>> = LazyLock::new(|| {
    table(include_bytes!("../../splits/melanoma.csv.gz")).lines().skip(1).filter_map(lesion).collect()
});

fn patient(line: &str) -> Option<(String, Patient)> {
    let [source, split, images, sha256] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
    let images = images.parse().ok()?;
    Some((source.into(), Patient { split: half(split), images, sha256: sha256.into() }))
}

fn half(name: &str) -> Option<Split> {
    [Split::Train, Split::Test].into_iter().find(|split| split.name() == name)
}

/// Whether a cell is among the paper's 2,756 test images.
pub(crate) fn in_paper_test(file_name: &str) -> bool {
    PAPER_TEST.contains(file_name)
}

/// Whose cell it is; `None` if the name is not one of NLM's.
pub(crate) fn patient_of(file_name: &str) -> Option<&'static Patient> {
    PATIENTS.get(source_of(file_name)?)
}

fn source_of(file_name: &str) -> Option<&str> {
    let digits = file_name.strip_prefix('C')?.bytes().take_while(u8::is_ascii_digit).count();
    Some(&file_name[..1 + digits])
}

/// How many cells all patients have together.
#[cfg(test)]
pub(crate) fn all_cells() -> usize {
    PATIENTS.values().map(|patient| patient.images).sum()
}

/// Compares original cell images with the published ones. `files` gives class folder, name and the
/// lower-case SHA-256 of each; a patient whose cells are not all there cannot be compared.
///
/// # Errors
/// [`Error::Unusable`] naming the patient whose images differ.
///
/// Returns how many images were verified.
pub(crate) fn verify_cells(root: &Path, files: &[(String, String, String)]) -> Result<usize, Error> {
    let mut by_source: HashMap<&str, Vec<&(String, String, String)>> = HashMap::new();
    for file in files {
        by_source.entry(source_of(&file.1).unwrap_or_default()).or_default().push(file);
    }
    let mut verified = 0;
    for (source, patient) in PATIENTS.iter() {
        let Some(mut files) = by_source.remove(source.as_str()).filter(|files| files.len() == patient.images)
        else {
            continue;
        };
        files.sort();
        let mut hash = Sha256::new();
        for (class, name, sha256) in &files {
            hash.update(format!("{sha256}  {class}/{name}\n"));
        }
        if hex::encode(hash.finalize()) != patient.sha256 {
            let reason = format!("the {} images of {source} are not the published ones", files.len());
            return Err(Error::unusable(root, reason));
        }
        verified += files.len();
    }
    Ok(verified)
}

/// A dermoscopy image of the melanoma data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lesion {
    /// 0 benign, 1 malignant.
    pub(crate) label: u8,
    pub(crate) split: Split,
    /// SHA-256 of the JPEG, lower-case hexadecimal.
    pub(crate) sha256: String,
}

fn lesion(line: &str) -> Option<(String, Lesion)> {
    let [name, label, split, sha256] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
    let label = label.parse().ok()?;
    Some((name.into(), Lesion { label, split: half(split)?, sha256: sha256.into() }))
}

/// The lesions of the data set by ISIC name, in order.
pub(crate) fn lesions() -> &'static BTreeMap<String, Lesion> {
    &LESIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_malaria_tables_have_the_published_counts() {
        assert_eq!(PAPER_TEST.len(), 2756);
        assert_eq!((PATIENTS.len(), all_cells()), (200, 27_558));
        let test = PATIENTS.values().filter(|patient| patient.split == Some(Split::Test));
        assert_eq!(test.map(|patient| patient.images).sum::<usize>(), 3334);
    }

    #[test]
    fn a_cell_belongs_to_the_patient_its_name_begins_with() {
        let name = "C100P61ThinF_IMG_20150918_144104_cell_167.png";
        assert!(in_paper_test(name));
        assert_eq!(patient_of(name), PATIENTS.get("C100"));
        assert_eq!(patient_of("C1_thinF_IMG_1.png").and_then(|p| p.split), Some(Split::Test));
        assert_eq!(patient_of("D1.png"), None);
        assert_eq!(patient_of("C99999.png"), None);
    }

    #[test]
    fn the_melanoma_table_has_every_staged_lesion() {
        let count = |label, split| LESIONS.values().filter(|l| (l.label, l.split) == (label, split)).count();
        let counts = [(0, Split::Train), (0, Split::Test), (1, Split::Train), (1, Split::Test)];
        assert_eq!(counts.map(|(label, split)| count(label, split)), [2123, 525, 534, 128]);
    }

    #[test]
    fn a_changed_cell_names_its_patient() {
        let patient = &PATIENTS["C87"];
        let file = |i| ("Uninfected".to_string(), format!("C87_{i}.png"), "0".repeat(64));
        let files: Vec<_> = (0..patient.images).map(file).collect();
        let error = verify_cells(Path::new("cells"), &files).unwrap_err().to_string();
        assert!(error.contains("C87"), "{error}");
        assert_eq!(verify_cells(Path::new("cells"), &files[1..]).unwrap(), 0);
    }

    #[test]
    fn the_published_checksums_of_all_cells_are_recognised() {
        let Some(data) = std::env::var_os("VEILBENCH_DATA") else {
            println!("skipped: VEILBENCH_DATA is not set, so the malaria manifest was not looked at");
            return;
        };
        let manifest = Path::new(&data).join("malaria/manifest.csv");
        let rows = csv::Reader::from_path(manifest).unwrap().into_deserialize().map(|row| {
            let row: HashMap<String, String> = row.unwrap();
            (row["class"].clone(), row["file"].clone(), row["sha256"].clone())
        });
        assert_eq!(verify_cells(Path::new("cells"), &rows.collect::<Vec<_>>()).unwrap(), 27_558);
    }
}
