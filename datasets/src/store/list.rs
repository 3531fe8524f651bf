//! What is on this machine.

use crate::load::load_noted;
use crate::sets::sample;
use crate::store::catalog;
use crate::{Error, IDS, Split, Store};
use std::fs;
use std::path::{Path, PathBuf};

/// One data set on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Its name.
    pub id: &'static str,
    /// Whether it can be used.
    pub state: State,
    /// Training images that loading gives.
    pub train_images: usize,
    /// Test images that loading gives.
    pub test_images: usize,
    /// Size of all files in its folder.
    pub size_bytes: u64,
    /// Its folder, there or not.
    pub folder: PathBuf,
    /// What it may be used for.
    pub licence: &'static str,
    /// What to cite.
    pub citation: &'static str,
}

/// Whether a data set can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Every image is there.
    Complete,
    /// Some images are missing; the line says which or how many.
    Incomplete(String),
    /// As many images as were published, and not those; the line says so.
    Unverified(String),
    /// Nothing is there but the embedded sample, which the counts are of.
    SampleOnly,
    /// A file is not what it should be; the line names it.
    Unusable(String),
}

/// How many images a complete data set has.
fn published_images(id: &str) -> [usize; 2] {
    match id {
        "mnist" => [60_000, 10_000],
        "malaria" => [24_802, 2_756],
        "malaria-patient" => [22_149, 3_334],
        "melanoma" => [2_657, 653],
        _ => [50_000, 10_000],
    }
}

/// Every data set, by reading all of its images: what is called complete can be loaded.
///
/// # Errors
/// Those of the embedded samples, which are a fault of the program.
pub fn list(store: &Store) -> Result<Vec<Listing>, Error> {
    IDS.into_iter().map(|id| listing(store, id)).collect()
}

fn listing(store: &Store, id: &'static str) -> Result<Listing, Error> {
    let source = catalog::source(id)?;
    let folder = store.data().join(source.folder());
    let loaded = [Split::Train, Split::Test].map(|split| load_noted(store, id, split));
    let mut images = loaded.each_ref().map(|half| half.as_ref().map_or(0, |loaded| loaded.dataset.len()));
    let state = state(id, images, loaded);
    if state == State::SampleOnly {
        images = [sample::dataset(id, Split::Train)?.len(), sample::dataset(id, Split::Test)?.len()];
    }
    let [train_images, test_images] = images;
    let (licence, citation) = (source.licence, source.citation);
    let size_bytes = size(&folder);
    Ok(Listing { id, state, train_images, test_images, size_bytes, folder, licence, citation })
}

fn state(id: &str, images: [usize; 2], loaded: [Result<crate::Loaded, Error>; 2]) -> State {
    let mut lines = Vec::new();
    let (mut missing, mut is_unverified) = (0, false);
    for half in loaded {
        match half {
            Ok(loaded) => {
                is_unverified |= loaded.dataset.id != id;
                lines.extend(loaded.notes);
            }
            Err(Error::Missing { .. }) => missing += 1,
            Err(empty @ Error::EmptySplit { .. }) => lines.push(empty.to_string()),
            Err(error) => return State::Unusable(error.to_string()),
        }
    }
    let expected = published_images(id);
    if missing == 2 {
        State::SampleOnly
    } else if images == expected {
        lines.pop_if(|_| is_unverified).map_or(State::Complete, State::Unverified)
    } else {
        let counts = format!("{images:?} of {expected:?} training and test images");
        State::Incomplete(lines.into_iter().next().unwrap_or(counts))
    }
}

/// Bytes of all files in a folder; what cannot be read counts nothing.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => size(&entry.path()),
        Ok(facts) => facts.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
