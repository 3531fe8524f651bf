//! From a name to images.

use crate::sets::malaria::{self, Division};
use crate::sets::{cifar, cifar_jpeg, melanoma, mnist, sample};
use crate::{Dataset, Error, Split, Store};

/// Names of the data sets; each also exists with `-sample` behind it.
pub const IDS: [&str; 6] = ["mnist", "malaria", "malaria-patient", "melanoma", "cifar10", cifar_jpeg::ID];

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
/// Images that are not the published ones by their checksum, or not all of them, go by the name with `-unverified` behind it.
///
/// `malaria` is divided as in the paper (random by image: patients are on both sides),
/// `malaria-patient` by patient, `melanoma` by lesion. `cifar10-jpeg` is a lossy copy of `cifar10`: no accuracy on it
/// can be compared with a published one.
///
/// # Errors
/// [`Error::Missing`] without the files, [`Error::EmptySplit`] if none of them is of this split,
/// [`Error::Unusable`] with the file's name and what is wrong with it, [`Error::UnknownDataset`] for any
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
    let found = match id {
        "mnist" => mnist::load(store, split),
        "malaria" => malaria::load(store, Division::Paper, split),
        "malaria-patient" => malaria::load(store, Division::Patient, split),
        "melanoma" => melanoma::load(store, split),
        "cifar10" => {
            let (loaded, is_published) = cifar::load(store, split)?;
            return Ok(if is_published { loaded } else { unverified(loaded, store, split) });
        }
        cifar_jpeg::ID => cifar_jpeg::load(store, split),
        _ => {
            return match id.strip_suffix("-sample") {
                Some(base) => sample::dataset(base, split).map(certain),
                None => Err(Error::UnknownDataset { id: id.into() }),
            };
        }
    };
    found.map(|loaded| checked(loaded, store, split))
}

/// [`Dataset::fingerprint`] of the published images and labels, as they are decoded and resized here.
const PUBLISHED: [(&str, Split, &str); 10] = [
    ("mnist", Split::Train, "a6aae8a67093d939308bb89de398d9d4ebc89dcfbb66a728eac7f9c46af1279d"),
    ("mnist", Split::Test, "6f9af30509f320cee481185f2f1f48cfb1283bf9ba49957dfbaf67cc1be78be9"),
    ("malaria", Split::Train, "d5802e5a40b54dd5c863df6be6bd30c4b1cb03f2591d7a87cb821bc9f170062c"),
    ("malaria", Split::Test, "ce3de818fb1772395852c125de9b9ac978cf4998a83eff7dc55645d11870ad41"),
    ("malaria-patient", Split::Train, "6b2329ced2a40ab9c0a2a7c394618ec8832477999b56753610b937345e45f9e3"),
    ("malaria-patient", Split::Test, "41a18fc8fa09c8ac9006c891a303010f73e16024f0a53279bf6c0c5c65640ee2"),
    ("melanoma", Split::Train, "7c1604bd81047ef05c824e20e5290bd14e91d307dc7ab2117910ee74eeed1ba5"),
    ("melanoma", Split::Test, "ada1c69df875db450e2e13d9641f0a1b48761b6af50efbdf11551749d7510e77"),
    (cifar_jpeg::ID, Split::Train, "53a95d6f660044c4404b665eefcee7fe58cedce0d9bd83263b49c5c761188511"),
    (cifar_jpeg::ID, Split::Test, "302eec058bd999e9a03036b790cb99bdbb83f263d20f21a844696b2d440a8a0b"),
];

/// The images under their own name only if they are the published ones.
fn checked(loaded: Loaded, store: &Store, split: Split) -> Loaded {
    if is_published(&loaded.dataset, split) { loaded } else { unverified(loaded, store, split) }
}

/// Whether images are the published ones of their data set by their fingerprint.
pub(crate) fn is_published(dataset: &Dataset, split: Split) -> bool {
    PUBLISHED.contains(&(dataset.id.as_str(), split, dataset.fingerprint().as_str()))
}

fn unverified(loaded: Loaded, store: &Store, split: Split) -> Loaded {
    let Loaded { mut dataset, mut notes } = loaded;
    let unverified = format!("{}-unverified", dataset.id);
    notes.push(format!(
        "the {} images in {} are not those of `{}` as published: rows say `{unverified}`",
        split.name(),
        store.data().display(),
        dataset.id
    ));
    dataset.id = unverified;
    Loaded { dataset, notes }
}
