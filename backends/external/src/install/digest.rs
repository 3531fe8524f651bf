//! One number for all files that say what an external backend measures.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::{FOLDER, Manifest};

/// Most bytes whose contents count, where of files beyond only name and length do; most files, and most folders within each other.
const MOST_BYTES: u64 = 1 << 26;
const MOST_FILES: usize = 1 << 14;
const DEEPEST: usize = 16;

/// What the interpreter writes beside what it imports.
const COMPILED: &str = "__pycache__";

/// The folder of veilbench's own modules, beside a backend's folder or one above.
const MODULES: &str = "python";

/// How veilbench's own modules begin.
const OURS: &str = "veilbench_";

/// Returns the SHA-256, hexadecimal, of all files of the folder and of the folders in it, the manifest among them, of the files that
/// its commands name elsewhere with those beside them, and of veilbench's own modules that any of them names, one by another.
/// Hidden files and folders do not count, nor what an interpreter compiled, nor folders that are links.
pub(crate) fn digest(manifest: &Manifest) -> String {
    let named: BTreeSet<&Path> = manifest
        .roles
        .iter()
        .flat_map(|role| &role.command)
        .filter_map(|word| word.strip_prefix(FOLDER).map(|rest| Path::new(rest.trim_start_matches('/'))))
        .collect();
    let named: Vec<PathBuf> = named.into_iter().map(|path| manifest.folder.join(path)).collect();
    let named = named.iter().filter_map(|path| path.canonicalize().ok());
    let elsewhere: Vec<PathBuf> = named.filter(|path| !path.starts_with(&manifest.folder)).collect();
    let mut files = BTreeSet::new();
    walk(&manifest.folder, 0, &mut files);
    // Programs may be another backend's, and import what is beside them there.
    files.extend(
        elsewhere.iter().filter_map(|path| path.parent()).flat_map(entries).filter(|path| counts(path)),
    );
    files.extend(elsewhere.iter().cloned());
    let (mut hash, mut left, mut texts) = (Sha256::new(), MOST_BYTES, Vec::new());
    for path in files.iter().filter(|path| path.is_file()) {
        // Two folders may differ in where a file is.
        let name = path.strip_prefix(&manifest.folder).ok().or_else(|| path.file_name().map(Path::new));
        texts.push(add(&mut hash, name.unwrap_or(path), path, &mut left));
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
        add(&mut hash, path.file_name().map_or(path, Path::new), path, &mut left);
    }
    hex::encode(hash.finalize())
}

/// Adds a file by a name, its length and its contents, and returns these.
fn add(hash: &mut Sha256, name: &Path, path: &Path, left: &mut u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut length, mut read) = (0, 0);
    if let Ok(file) = File::open(path) {
        length = file.metadata().map_or(0, |about| about.len());
        read = file.take(*left).read_to_end(&mut bytes).unwrap_or(0);
    }
    *left = left.saturating_sub(read as u64);
    let name = name.as_os_str().as_encoded_bytes();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(length.to_le_bytes());
    hash.update((read as u64).to_le_bytes());
    hash.update(&bytes);
    bytes
}

/// Finds the files of a folder and of those in it.
fn walk(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) {
    for path in entries(folder).filter(|path| counts(path)) {
        if files.len() >= MOST_FILES {
            return;
        }
        let is_folder = path.symlink_metadata().is_ok_and(|about| about.is_dir());
        if !is_folder {
            files.insert(path);
        } else if depth < DEEPEST {
            walk(&path, depth + 1, files);
        }
    }
}

/// Whether an entry of a folder says what is measured.
fn counts(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && name != COMPILED
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.into_iter()
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
    #[test]
    fn files_of_any_kind_at_any_depth_count_and_what_is_hidden_or_compiled_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("backend.toml", include_str!("../../clear-numpy/backend.toml"));
        write("lib/deep/model.bin", "one");
        let now = || digest(&Manifest::load(folder.path()).unwrap());
        let first = now();
        write("lib/__pycache__/model.pyc", "compiled");
        write(".cache/file", "hidden");
        write("lib/.hidden", "hidden");
        assert_eq!(now(), first);
        write("lib/deep/model.bin", "two");
        let second = now();
        assert_ne!(second, first);
        write("lib/table", "");
        let third = now();
        assert_ne!(third, second);
        fs::rename(folder.path().join("lib/table"), folder.path().join("lib/deep/table")).unwrap();
        assert_ne!(now(), third, "where a file is counts");
    }
}
