//! Taking over data that is already on this machine.

use crate::formats::{archive, bounded, idx};
use crate::sets::malaria::{self, Division};
use crate::sets::tree::{self, ImageFile};
use crate::sets::{cifar, cifar_jpeg, melanoma, mnist, splits};
use crate::store::catalog;
use crate::{Error, Split, Store, load};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

/// How deep class folders or IDX files may be below the folder given.
const DEPTH: usize = 3;

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Where it is now.
    pub folder: PathBuf,
    /// How many files.
    pub files: usize,
    /// How many of them have a published checksum and agree with it.
    pub verified: usize,
}

/// Recognises the files of a data set in `path` (a file, a `.zip`, a `.tar.gz`, or a folder), checks them and puts
/// them into the store's data folder, by hard link where that is possible.
///
/// # Errors
/// [`Error::Unrecognised`] if there is nothing of the data set, [`Error::Unusable`] with the first file
/// that is not what it should be; then nothing is taken over.
pub fn import(store: &Store, id: &str, path: &Path) -> Result<Imported, Error> {
    let source = catalog::source(id)?;
    let (base, folder) = (source.id, store.data().join(source.folder()));
    if path.is_dir() || !archive::is_archive(path) {
        fs::metadata(path).map_err(Error::io("read", path))?;
        return take_over(base, path, &folder);
    }
    let unpacked = store.data().join(format!(".{base}-{}.unpacked", process::id()));
    fs::create_dir_all(&unpacked).map_err(Error::io("create", &unpacked))?;
    let taken = archive::unpack(path, &unpacked, archive::LIMITS, is_data).and_then(|()| {
        take_over(base, &unpacked, &folder).map_err(|error| match error {
            Error::Unrecognised { id, expected, .. } => {
                Error::Unrecognised { id, expected, path: path.into() }
            }
            other => other,
        })
    });
    fs::remove_dir_all(&unpacked).map_err(Error::io("remove", &unpacked))?;
    taken
}

/// Whether an entry of an archive can be part of a data set.
fn is_data(name: &Path) -> bool {
    let lower = name.to_string_lossy().to_lowercase();
    let known = [".png", ".jpg", ".jpeg", ".npz", ".csv", "-ubyte", "-ubyte.gz"];
    let is_batch =
        || [Split::Train, Split::Test].iter().flat_map(|&half| cifar::batches(half)).any(|b| b.is_at(name));
    (known.iter().any(|end| lower.ends_with(end)) && !lower.starts_with("__macosx")) || is_batch()
}

fn take_over(base: &str, path: &Path, folder: &Path) -> Result<Imported, Error> {
    let unrecognised = |expected| Error::Unrecognised { id: base.into(), path: path.into(), expected };
    match base {
        "mnist" => digits(path, folder)?.ok_or_else(|| unrecognised("IDX files, plain or .gz")),
        "malaria" => {
            let expected = "malaria_32x32_rgb.npz, or the folders `Parasitized` and `Uninfected`";
            cells(path, folder)?.ok_or_else(|| unrecognised(expected))
        }
        "cifar10" => {
            let expected =
                "the batches `data_batch_1` to `data_batch_5` and `test_batch`, with or without `.bin`";
            cifar_batches(path, folder)?.ok_or_else(|| unrecognised(expected))
        }
        cifar_jpeg::ID => {
            let expected = "cifar10_train_jpeg.npz, cifar10_test_jpeg.npz, or the folders `train` and `test`";
            cifar_jpegs(path, folder)?.ok_or_else(|| unrecognised(expected))
        }
        _ => lesions(path, folder)?.ok_or_else(|| unrecognised("the folders `benign` and `malignant`")),
    }
}

fn digits(path: &Path, folder: &Path) -> Result<Option<Imported>, Error> {
    let found = if path.is_dir() { files_below(path, DEPTH)? } else { vec![path.to_path_buf()] };
    let remote = catalog::remote_files("mnist")?;
    let mut taken = Vec::new();
    let mut verified = 0;
    for name in [Split::Train, Split::Test].into_iter().flat_map(mnist::file_names) {
        let Some((file, packed)) = found.iter().find_map(|file| idx_name(file, name).map(|gz| (file, gz)))
        else {
            continue;
        };
        let unusable = |reason| Error::unusable(file, reason);
        let bytes = bounded::read(file, mnist::LIMIT_BYTES)?;
        let bytes =
            idx::decompressed(&bytes, mnist::LIMIT_BYTES).map_err(|error| unusable(error.to_string()))?;
        if name.contains("images") {
            idx::images(bytes).map_err(unusable)?;
        } else {
            idx::labels(bytes, mnist::CLASSES).map_err(unusable)?;
        }
        let sha256 = bounded::sha256(file, mnist::LIMIT_BYTES)?;
        verified += usize::from(remote.iter().any(|known| Some(&known.sha256) == sha256.as_ref()));
        taken.push((file, format!("{name}{}", if packed { ".gz" } else { "" })));
    }
    for (file, name) in &taken {
        place(file, &folder.join(name))?;
    }
    let files = taken.len();
    Ok((files > 0).then(|| Imported { folder: folder.into(), files, verified }))
}

/// Whether a file is the IDX file called `name`, and then whether it is packed. Some copies have a dot
/// in place of the second hyphen.
fn idx_name(file: &Path, name: &str) -> Option<bool> {
    let found = file.file_name()?.to_str()?.replace(".idx", "-idx");
    match found.strip_prefix(name)? {
        "" => Some(false),
        ".gz" => Some(true),
        _ => None,
    }
}

fn cells(path: &Path, folder: &Path) -> Result<Option<Imported>, Error> {
    let found = if path.is_dir() { files_below(path, 1)? } else { vec![path.to_path_buf()] };
    if let Some(file) = found.iter().find(|file| file.extension().is_some_and(|end| end == "npz")) {
        for (division, split) in [(Division::Paper, Split::Test), (Division::Patient, Split::Test)] {
            malaria::from_archive(file, division, split)?;
        }
        place(file, &folder.join(malaria::ARCHIVE))?;
        return Ok(Some(Imported { folder: folder.into(), files: 1, verified: 0 }));
    }
    let Some(root) = folder_with(path, "Parasitized", DEPTH)? else { return Ok(None) };
    let files = tree::list(&root, &malaria::CLASSES, &["png"])?;
    for file in &files {
        malaria::half(file, Division::Paper)?;
    }
    let hashed = files.par_iter().map(|file| {
        let sha256 = bounded::sha256(&file.path, tree::MAX_FILE_BYTES)?.unwrap_or_default();
        Ok((malaria::CLASSES[file.class].to_string(), file.name.clone(), sha256))
    });
    let verified = splits::verify_cells(&root, &hashed.collect::<Result<Vec<_>, Error>>()?)?;
    if verified < files.len() {
        decode_all(&files, malaria::SIDE)?;
    }
    take_images(&files, &malaria::CLASSES, folder, verified)
}

fn lesions(path: &Path, folder: &Path) -> Result<Option<Imported>, Error> {
    let Some(root) = folder_with(path, "malignant", DEPTH)? else { return Ok(None) };
    let files = melanoma::photographs(&root)?;
    decode_all(&files, melanoma::SIDE)?;
    let known = files.par_iter().map(|file| {
        let sha256 = bounded::sha256(&file.path, tree::MAX_FILE_BYTES)?;
        let lesion = file.path.file_stem().and_then(|stem| splits::lesions().get(stem.to_str()?));
        Ok(usize::from(lesion.is_some_and(|lesion| Some(&lesion.sha256) == sha256.as_ref())))
    });
    let verified = known.sum::<Result<usize, Error>>()?;
    let manifest = root.join(melanoma::MANIFEST);
    if manifest.is_file() {
        melanoma::from_manifest(&manifest)?;
        place(&manifest, &folder.join(melanoma::MANIFEST))?;
    }
    take_images(&files, &melanoma::CLASSES, folder, verified)
}

fn cifar_batches(path: &Path, folder: &Path) -> Result<Option<Imported>, Error> {
    let found = if path.is_dir() { files_below(path, DEPTH)? } else { vec![path.to_path_buf()] };
    let mut taken = Vec::new();
    let mut verified = 0;
    for batch in [Split::Train, Split::Test].into_iter().flat_map(cifar::batches) {
        let Some(file) = found.iter().find(|file| batch.is_at(file)) else { continue };
        verified += usize::from(batch.is_published(&cifar::records(file)?));
        taken.push(file);
    }
    for file in &taken {
        place(file, &folder.join(file.file_name().unwrap_or_default()))?;
    }
    let files = taken.len();
    Ok((files > 0).then(|| Imported { folder: folder.into(), files, verified }))
}

fn cifar_jpegs(path: &Path, folder: &Path) -> Result<Option<Imported>, Error> {
    let found = if path.is_dir() { files_below(path, 1)? } else { vec![path.to_path_buf()] };
    let root = if path.is_dir() { folder_with(path, "train", DEPTH)? } else { None };
    let mut taken = Vec::new();
    let mut verified = 0;
    for split in [Split::Train, Split::Test] {
        let name = cifar_jpeg::archive_name(split);
        let archive = found.iter().find(|file| file.file_name().is_some_and(|found| found == name.as_str()));
        let (dataset, files) = if let Some(archive) = archive {
            (cifar_jpeg::from_archive(archive)?, vec![(archive.clone(), folder.join(name))])
        } else if let Some(root) = &root {
            let files = cifar_jpeg::photographs(root, split)?;
            let target = |file: &ImageFile| {
                folder.join(split.name()).join(cifar::CLASSES[file.class]).join(&file.name)
            };
            let places = files.iter().map(|file| (file.path.clone(), target(file))).collect();
            (cifar_jpeg::from_files(&files)?, places)
        } else {
            continue;
        };
        verified += if load::is_published(&dataset, split) { files.len() } else { 0 };
        taken.extend(files);
    }
    for (file, target) in &taken {
        place(file, target)?;
    }
    let files = taken.len();
    Ok((files > 0).then(|| Imported { folder: folder.into(), files, verified }))
}

fn decode_all(files: &[ImageFile], side: usize) -> Result<(), Error> {
    files.par_iter().try_for_each(|file| tree::decode(&file.path, side).map(drop))
}

fn take_images(
    files: &[ImageFile],
    classes: &[&str],
    folder: &Path,
    verified: usize,
) -> Result<Option<Imported>, Error> {
    for file in files {
        place(&file.path, &folder.join(classes[file.class]).join(&file.name))?;
    }
    let files = files.len();
    Ok((files > 0).then(|| Imported { folder: folder.into(), files, verified }))
}

/// The files in `folder` and up to `depth` folders below, nearest first.
fn files_below(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, Error> {
    let (folders, mut files) = entries(folder)?;
    if depth > 0 {
        for folder in folders {
            files.extend(files_below(&folder, depth - 1)?);
        }
    }
    Ok(files)
}

/// The nearest folder that has a folder called `name` in it.
fn folder_with(folder: &Path, name: &str, depth: usize) -> Result<Option<PathBuf>, Error> {
    let mut level = vec![folder.to_path_buf()];
    for _ in 0..=depth {
        if let Some(found) = level.iter().find(|folder| folder.join(name).is_dir()) {
            return Ok(Some(found.clone()));
        }
        let mut below = Vec::new();
        for folder in level.iter().filter(|folder| folder.is_dir()) {
            below.extend(entries(folder)?.0);
        }
        level = below;
    }
    Ok(None)
}

/// Folders and files in a folder, each sorted.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let list =
        fs::read_dir(folder).and_then(|list| list.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>());
    let mut paths: Vec<PathBuf> = list.map_err(Error::io("list", folder))?;
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

/// Puts a file in its place: a hard link, or a copy that appears whole.
fn place(from: &Path, to: &Path) -> Result<(), Error> {
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    if let (Ok(from), Ok(to)) = (from.canonicalize(), to.canonicalize())
        && from == to
    {
        return Ok(());
    }
    let mut temporary = to.as_os_str().to_owned();
    temporary.push(format!(".{}.part", process::id()));
    let temporary = PathBuf::from(temporary);
    fs::hard_link(from, &temporary)
        .or_else(|_| fs::copy(from, &temporary).map(drop))
        .map_err(Error::io("write", &temporary))?;
    fs::rename(&temporary, to).map_err(Error::io("rename", &temporary))?;
    // Renaming one link of a file onto another of it does nothing and leaves both.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: temporary, source: error })
        }
        _ => Ok(()),
    }
}
