//! From a name to images.

use crate::malaria::{self, Division};
use crate::{Dataset, Error, Split, Store, melanoma, mnist, sample};

/// Names of the data sets; each also exists with `-sample` behind it.
pub const IDS: [&str; 4] = ["mnist", "malaria", "malaria-patient", "melanoma"];

/// Images, and what a user should be told about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The images.
    pub dataset: Dataset,
    /// One line each: that a sample stands in for missing data, that images are missing, that a split
    /// was made up.
    pub notes: Vec<String>,
}

/// The images of one split of the data set called `id`; a name that ends in `-sample` gives the
/// embedded sample.
///
/// Digits that are not the published ones by their checksum go by `mnist-unverified`.
///
/// `malaria` is divided as in the paper (random by image: patients are on both sides),
/// `malaria-patient` by patient, `melanoma` by lesion.
///
/// # Errors
/// [`Error::Missing`] without the files, [`Error::EmptySplit`] if none of them is of this split,
/// [`Error::Damaged`] with the file's name and what is wrong with it, [`Error::UnknownDataset`] for any
/// other name.
pub fn load(store: &Store, id: &str, split: Split) -> Result<Dataset, Error> {
    load_noted(store, id, split).map(|loaded| loaded.dataset)
}

/// Like [`load`], but with the embedded sample where the real images are missing: the notes then say
/// what was looked for, where, and how to get it. The sample's id ends in `-sample`.
///
/// # Errors
/// As [`load`]: a damaged file is never replaced in silence.
pub fn load_or_sample(store: &Store, id: &str, split: Split) -> Result<Loaded, Error> {
    match load_noted(store, id, split) {
        Err(missing @ (Error::Missing { .. } | Error::EmptySplit { .. })) => {
            let dataset = sample::dataset(id, split)?;
            let note = format!("using `{}` instead: {missing}", dataset.id);
            Ok(Loaded { dataset, notes: vec![note] })
        }
        other => other,
    }
}

pub(crate) fn load_noted(store: &Store, id: &str, split: Split) -> Result<Loaded, Error> {
    let certain = |dataset| Loaded { dataset, notes: Vec::new() };
    match id {
        "mnist" => mnist::load(store, split),
        "malaria" => malaria::load(store, Division::Paper, split),
        "malaria-patient" => malaria::load(store, Division::Patient, split),
        "melanoma" => melanoma::load(store, split),
        _ => match id.strip_suffix("-sample") {
            Some(base) => sample::dataset(base, split).map(certain),
            None => Err(Error::UnknownDataset { id: id.into() }),
        },
    }
}
