//! One number for all files that say what an external backend measures.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::{FOLDER, Manifest};

/// Files of the folder that say what is measured, beside those that its commands name.
const SOURCES: [&str; 3] = ["py", "sh", "toml"];

/// Most bytes that are looked at.
const MOST_BYTES: u64 = 1 << 26;

/// The folder of veilbench's own modules, beside a backend's folder or one above.
const MODULES: &str = "python";

/// How veilbench's own modules begin.
const OURS: &str = "veilbench_";

/// Returns the SHA-256, hexadecimal, of the folder's sources, the manifest among them, of the files that its commands name with the
/// sources beside these, and of veilbench's own modules that any of them names, one by another.
pub(crate) fn digest(manifest: &Manifest) -> String {
    let named: BTreeSet<&Path> = manifest
        .roles
        .iter()
        .flat_map(|role| &role.command)
        .filter_map(|word| word.strip_prefix(FOLDER).map(|rest| Path::new(rest.trim_start_matches('/'))))
        .collect();
    let is_source =
        |path: &PathBuf| path.extension().is_some_and(|kind| SOURCES.iter().any(|source| kind == *source));
    let named: Vec<PathBuf> = named.into_iter().map(|path| manifest.folder.join(path)).collect();
    // Programs may be another backend's, and import what is beside them there.
    let beside = named.iter().filter_map(|path| path.parent()).flat_map(entries);
    let mut files: BTreeSet<PathBuf> = entries(&manifest.folder).chain(beside).filter(is_source).collect();
    files.extend(named.iter().cloned());
    let (mut hash, mut left, mut texts) = (Sha256::new(), MOST_BYTES, Vec::new());
    for path in files.iter().filter(|path| path.is_file()) {
        texts.push(add(&mut hash, path, &mut left));
    }
    let mut modules = modules(&manifest.folder);
    let mut used = BTreeSet::new();
    while let Some(text) = texts.pop() {
        let (found, others) = modules.into_iter().partition(|path| is_named(&text, path));
        modules = others;
        for path in found {
            texts.push(fs::read(&path).unwrap_or_default());
            used.insert(path);
        }
    }
    for path in &used {
        add(&mut hash, path, &mut left);
    }
    hex::encode(hash.finalize())
}

/// Adds a file by its name and contents, and returns these.
fn add(hash: &mut Sha256, path: &Path, left: &mut u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(*left).read_to_end(&mut bytes)).unwrap_or(0);
    *left -= read as u64;
    hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
    hash.update([0]);
    hash.update(&bytes);
    bytes
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// veilbench's own modules that a folder's files may import.
fn modules(folder: &Path) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(OURS) && name.ends_with(".py")
    };
    folder.ancestors().skip(1).take(2).flat_map(|above| entries(&above.join(MODULES))).filter(ours).collect()
}

/// Whether a text holds a module's name as a word.
fn is_named(text: &[u8], module: &Path) -> bool {
    let name = module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let of_name = |character: char| character.is_alphanumeric() || character == '_';
    String::from_utf8_lossy(text).split(|character| !of_name(character)).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_counts_that_is_used_at_first_or_second_hand_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("systems/own");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(root.path().join("python")).unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        let manifest = include_str!("../../clear-numpy/backend.toml").replace("clear-numpy", "own");
        write("systems/own/backend.toml", &manifest);
        write("systems/own/roles.py", "import veilbench_layers\n");
        write("python/veilbench_layers.py", "from veilbench_party import serve\n");
        write("python/veilbench_party.py", "one");
        write("python/veilbench_numpy.py", "one");
        let now = || digest(&Manifest::load(&folder).unwrap());
        let first = now();
        write("python/veilbench_numpy.py", "nobody names it");
        assert_eq!(now(), first);
        write("python/veilbench_party.py", "two");
        let second = now();
        assert_ne!(second, first);
        write("python/veilbench_layers.py", "from veilbench_party import serve # changed\n");
        assert_ne!(now(), second);
        fs::create_dir(root.path().join("systems/another")).unwrap();
        write("systems/another/roles.py", "import network");
        write("systems/another/network.py", "one");
        let elsewhere = manifest.replace("{folder}/roles.py", "{folder}/../another/roles.py");
        write("systems/own/backend.toml", &elsewhere);
        let shared = now();
        write("systems/another/network.py", "two");
        assert_ne!(now(), shared);
        write("systems/own/backend.toml", &manifest);
        write("systems/own/roles.py", "import another\n");
        let alone = now();
        write("python/veilbench_party.py", "three");
        assert_eq!(now(), alone);
    }
}
