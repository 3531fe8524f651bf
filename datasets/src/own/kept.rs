//! A user's data kept in the data folder under a name, each file with its checksum.
//!
//! `own/NAME/SHA256SUMS` lists the files in `own/NAME/data`, as `sha256sum` writes and checks them; `own/NAME/options` says how they are
//! read.

use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process;

use rayon::prelude::*;

use super::{Options, OwnData, found};
use crate::formats::bounded;
use crate::store::cache;
use crate::{Error, IDS, Store};

const SUMS: &str = "SHA256SUMS";
const DATA: &str = "data";
const OPTIONS: &str = "options";
/// No file of a user's data is larger.
const LIMIT_BYTES: u64 = 1 << 32;
const MAX_NAME: usize = 64;

/// Data that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptData {
    /// What it goes by.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// How many files.
    pub files: usize,
    /// Bytes of them all.
    pub size_bytes: u64,
    /// Why it cannot be used, if it cannot: a file that is not there or not as it was.
    pub damage: Option<String>,
}

/// Whether a published set goes by this name, or could.
pub(super) fn is_taken(name: &str) -> bool {
    let base = ["-sample", "-unverified"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    IDS.contains(&base)
}

/// Whether data can be kept under this name.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
}

/// Where data of this name is kept.
pub(super) fn folder(store: &Store, name: &str) -> PathBuf {
    store.data().join("own").join(name)
}

/// Copies a user's data into the data folder, under a name.
///
/// # Errors
/// [`Error::Name`] if it cannot have that name, [`Error::Unusable`] if the data cannot be read; then nothing is kept.
pub fn add(store: &Store, name: &str, path: &Path, options: &Options) -> Result<KeptData, Error> {
    let refused = |reason: &str| Error::Name { name: name.into(), reason: reason.into() };
    if !is_name(name) {
        return Err(refused("a name has letters, digits and -_. and begins with a letter or digit"));
    }
    if is_taken(name) {
        return Err(refused("a published data set goes by it"));
    }
    let target = folder(store, name);
    if target.exists() {
        return Err(refused("data is kept under it already: remove that first"));
    }
    let data = OwnData::open(path, options)?;
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let temporary = target.with_file_name(format!(".{name}-{}.part", process::id()));
    let kept = copy(&data.found.files, root, &temporary).and_then(|()| {
        // What is read there has to be what was read here.
        let again = OwnData::named(name.into(), &temporary.join(DATA), options)?;
        if again.checksum != data.checksum {
            return Err(Error::unusable(
                path,
                "its copy holds other images or labels: was it changed meanwhile?",
            ));
        }
        cache::atomically(&temporary.join(OPTIONS), |file| file.write_all(options.to_text().as_bytes()))?;
        fs::rename(&temporary, &target).map_err(Error::io("rename", &temporary))
    });
    if let Err(error) = kept {
        let _ = fs::remove_dir_all(&temporary);
        return Err(error);
    }
    Ok(facts(store, name))
}

fn copy(files: &[PathBuf], root: &Path, to: &Path) -> Result<(), Error> {
    let data = to.join(DATA);
    fs::create_dir_all(&data).map_err(Error::io("create", &data))?;
    let mut files: Vec<&PathBuf> = files.iter().collect();
    files.sort();
    files.dedup();
    let sums = files.par_iter().map(|file| {
        let relative = file
            .strip_prefix(root)
            .map_err(|_| Error::unusable(file.as_path(), format!("it is not below {}", root.display())))?;
        let copied = data.join(relative);
        let parent = copied.parent().unwrap_or(&data);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        fs::copy(file, &copied).map_err(Error::io("copy", file.as_path()))?;
        let sum = bounded::sha256(&copied, LIMIT_BYTES)?.ok_or_else(|| {
            Error::unusable(file.as_path(), format!("it has more than {LIMIT_BYTES} bytes"))
        })?;
        let name = relative.to_str().filter(|name| !name.contains(['\n', '\\']));
        let name = name.ok_or_else(|| {
            Error::unusable(file.as_path(), "its name has signs a list of checksums cannot hold")
        })?;
        Ok(format!("{sum}  {DATA}/{name}\n"))
    });
    let sums: String = sums.collect::<Result<Vec<_>, Error>>()?.concat();
    cache::atomically(&to.join(SUMS), |file| file.write_all(sums.as_bytes()))
}

/// Opens kept data, if each file is as it was when it was kept.
pub(super) fn open(store: &Store, name: &str, options: &Options) -> Result<OwnData, Error> {
    let folder = folder(store, name);
    let listed = check(&folder)?;
    let data = folder.join(DATA);
    let kept = folder.join(OPTIONS);
    let text = bounded::read(&kept, LIMIT_BYTES)?;
    let options = &Options::from_text(&String::from_utf8_lossy(&text))
        .and_then(|known| known.with(options))
        .map_err(|reason| Error::unusable(&kept, reason))?;
    // A file that is in no list would be read all the same.
    if let Some(stranger) = found(&data, options)?.files.into_iter().find(|file| !listed.contains(file)) {
        return Err(Error::unusable(stranger, format!("it is not in {}", folder.join(SUMS).display())));
    }
    OwnData::named(name.into(), &data, options)
}

/// The files of kept data, each as it was.
fn check(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = folder.join(SUMS);
    let text = bounded::read(&list, LIMIT_BYTES)?;
    let text = String::from_utf8(text).map_err(|error| Error::unusable(&list, error.to_string()))?;
    let lines: Vec<&str> = text.lines().collect();
    let file = |line: &&str| {
        let (sum, name) = line
            .split_once("  ")
            .ok_or_else(|| Error::unusable(&list, format!("`{line}` is no checksum")))?;
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Error::unusable(&list, format!("`{name}` leads out of the folder")));
        }
        let path = folder.join(name);
        if bounded::sha256(&path, LIMIT_BYTES)?.as_deref() != Some(sum) {
            return Err(Error::unusable(&path, "it is not as it was when it was added"));
        }
        Ok(path)
    };
    lines.par_iter().map(file).collect()
}

/// All data that is kept, by name, each file checked.
///
/// # Errors
/// If the folder cannot be listed.
pub fn kept(store: &Store) -> Result<Vec<KeptData>, Error> {
    let own = store.data().join("own");
    if !own.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&own).map_err(Error::io("list", &own))?;
    let names = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_name(name)).collect();
    names.sort();
    Ok(names.iter().map(|name| facts(store, name)).collect())
}

fn facts(store: &Store, name: &str) -> KeptData {
    let folder = folder(store, name);
    let (files, damage) = match check(&folder) {
        Ok(files) => (files, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let size_bytes = files.iter().filter_map(|file| fs::metadata(file).ok()).map(|facts| facts.len()).sum();
    KeptData { name: name.into(), folder, files: files.len(), size_bytes, damage }
}

/// Removes kept data.
///
/// # Errors
/// [`Error::NotAdded`] if there is none of this name.
pub fn remove(store: &Store, name: &str) -> Result<(), Error> {
    let folder = folder(store, name);
    if !is_name(name) || !folder.is_dir() {
        let kept = kept(store)?.into_iter().map(|kept| kept.name).collect();
        return Err(Error::NotAdded { name: name.into(), kept });
    }
    fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))
}
