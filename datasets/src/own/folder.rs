//! Which of the formats a folder holds, and folders of images.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::options::Options;
use super::part::{Found, Part, Source};
use super::{arrays, idx_files, table};
use crate::Error;

/// How deep images may lie below the folder of their class.
const DEPTH: usize = 8;
const IMAGES: [&str; 9] = ["png", "apng", "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp"];
/// Endings of images that are not read.
const OTHER_IMAGES: [&str; 43] = [
    "gif", "bmp", "dib", "webp", "tif", "tiff", "heic", "heif", "hif", "avif", "jxl", "jp2", "j2k", "jpf",
    "jpx", "dcm", "dicom", "nii", "nrrd", "mha", "mhd", "pbm", "pgm", "ppm", "pnm", "pam", "pcx", "tga",
    "qoi", "dds", "exr", "hdr", "ico", "svg", "psd", "raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2",
];
const TRAIN: [&str; 2] = ["train", "training"];
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];
const TEST: [&str; 2] = ["test", "testing"];

/// Files left out that are named one by one.
const NAMED: usize = 5;

/// Files and folders in a folder, each sorted by name, and those that are hidden, whose names begin with a dot: what nobody sees is looked
/// into only where it is named.
struct Entries {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
}

fn entries(folder: &Path) -> Result<Entries, Error> {
    let list = fs::read_dir(folder)
        .and_then(|list| list.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = list.map_err(Error::io("list", folder))?;
    paths.sort();
    let (hidden, seen): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| name(path).starts_with('.'));
    let (folders, files) = seen.into_iter().partition(|path| path.is_dir());
    Ok(Entries { folders, files, hidden })
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn ending(path: &Path) -> String {
    path.extension().map_or_else(String::new, |end| end.to_string_lossy().to_lowercase())
}

pub(super) fn is_image(path: &Path) -> bool {
    IMAGES.contains(&ending(path).as_str())
}

/// Whether a file is named as an image of a format that is not read.
pub(super) fn is_other_image(path: &Path) -> bool {
    OTHER_IMAGES.contains(&ending(path).as_str())
}

fn called(folders: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    folders.iter().find(|folder| names.contains(&name(folder).to_lowercase().as_str())).cloned()
}

/// What a folder holds.
pub(super) fn find(folder: &Path, options: &Options) -> Result<Found, Error> {
    let Entries { folders, files, .. } = entries(folder)?;
    let with_ending = |wanted: &[&str]| -> Vec<PathBuf> {
        let wanted = |file: &&PathBuf| wanted.contains(&ending(file).as_str());
        files.iter().filter(wanted).cloned().collect()
    };
    let mut tables = Vec::new();
    for path in with_ending(&["csv", "tsv"]) {
        if table::columns(&path)?.is_some() {
            tables.push(path);
        }
    }
    let (archives, arrays) = (with_ending(&["npz"]), with_ending(&["npy"]));
    let digits: Vec<&PathBuf> = files.iter().filter(|file| idx_files::are_images(file)).collect();
    let mut found = match (tables.as_slice(), archives.as_slice(), digits.as_slice(), arrays.as_slice()) {
        ([_, ..], ..) => table::read(one_set(folder, &tables)?, false)?,
        (_, [archive], ..) => arrays::archive(archive, options)?,
        (_, [_, ..], ..) => return Err(several(folder, "archives", &archives)),
        (_, _, [_, ..], _) => idx_files::read(folder, &digits)?,
        (.., [array]) => arrays::file(array, options)?,
        (.., [_, ..]) => arrays::folder(folder, arrays.iter().map(|path| stem(path)).collect(), options)?,
        _ => images(folder, &folders, &files)?,
    };
    let mut all = Below::default();
    all_files(folder, DEPTH + 1, &mut all)?;
    let used: BTreeSet<&Path> = found.files.iter().map(PathBuf::as_path).collect();
    let is_used = |path: &PathBuf| {
        let from = (Bound::Included(path.as_path()), Bound::Unbounded);
        used.range::<Path, _>(from).next().is_some_and(|file| file.starts_with(path))
    };
    let [left, hidden] =
        [all.files, all.hidden].map(|of| of.into_iter().filter(|path| !is_used(path)).collect::<Vec<_>>());
    leave_out(&mut found.notes, "files", &left);
    leave_out(&mut found.notes, "hidden files and folders", &hidden);
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

pub(super) fn several(folder: &Path, what: &str, paths: &[PathBuf]) -> Error {
    let names = paths.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ");
    Error::unusable(folder, format!("it holds several {what} ({names}): name one of them"))
}

/// One table, or tables that are named as the parts they are of.
fn one_set<'a>(folder: &Path, tables: &'a [PathBuf]) -> Result<&'a [PathBuf], Error> {
    let is_part = |path: &PathBuf| {
        let stem = stem(path).to_lowercase();
        [&TRAIN[..], &VALIDATION[..], &TEST[..]].iter().any(|names| names.contains(&stem.as_str()))
    };
    if tables.len() == 1 || tables.iter().all(is_part) {
        Ok(tables)
    } else {
        Err(several(folder, "tables", tables))
    }
}

fn leave_out(notes: &mut Vec<String>, what: &str, files: &[PathBuf]) {
    if files.is_empty() {
        return;
    }
    let mut names = files.iter().take(NAMED).map(|file| name(file)).collect::<Vec<_>>().join(", ");
    if files.len() > NAMED {
        names += ", ...";
    }
    notes.push(format!("{what} that were not read: {} ({names})", files.len()));
}

/// Puts training, validation and test parts in their places; empty ones count as not there.
pub(super) fn assemble(found: &mut Found, parts: [Option<Part>; 3], path: &Path) -> Result<(), Error> {
    let [train, validation, test] = parts.map(|part| part.filter(|part| part.source.len() > 0));
    found.test = match (test, validation) {
        (Some(test), None) => test,
        (Some(test), Some(validation)) => {
            found
                .notes
                .push(format!("a validation part of {} images that was not read", validation.source.len()));
            test
        }
        (None, Some(validation)) => {
            found.notes.push("no test part: the validation part is taken for it".into());
            validation
        }
        (None, None) if train.is_some() => {
            let reason = "it has a training part alone: accuracy on images that were trained on says nothing. To measure on them all the \
                          same, name that part itself";
            return Err(Error::unusable(path, reason));
        }
        (None, None) => return Err(Error::unusable(path, "it holds no image")),
    };
    found.train = train;
    Ok(())
}

/// Images below a folder: in folders of parts, in folders of classes, or as they are.
fn images(folder: &Path, folders: &[PathBuf], files: &[PathBuf]) -> Result<Found, Error> {
    let parts = [called(folders, &TRAIN), called(folders, &VALIDATION), called(folders, &TEST)];
    let mut found = Found::default();
    let loose: Vec<PathBuf> = files.iter().filter(|file| is_image(file)).cloned().collect();
    if let Some(file) = files.iter().find(|file| is_other_image(file)) {
        return Err(unread(file));
    }
    if parts.iter().any(Option::is_some) {
        let known: Vec<&PathBuf> = parts.iter().flatten().collect();
        let strangers = folders.iter().filter(|folder| !known.contains(folder)).chain(loose.first());
        let strangers: Vec<String> = strangers.map(|path| name(path)).collect();
        if strangers.is_empty() {
            return in_parts(folder, &parts);
        }
        let reason = format!("beside its parts it holds {}, which belong to none", strangers.join(", "));
        return Err(Error::unusable(folder, reason));
    }
    let classes = of_classes(folder, folders, files, &mut found)?;
    let names: Vec<String> = classes.iter().filter_map(|class| class.name.clone()).collect();
    found.test = labelled(classes, &names, &mut found.files);
    found.classes = Some(names).filter(|names| !names.is_empty());
    Ok(found)
}

/// Images in folders for training, validation and testing.
fn in_parts(folder: &Path, parts: &[Option<PathBuf>; 3]) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut list = |part: &Option<PathBuf>| -> Result<_, Error> {
        let Some(folder) = part else { return Ok(None) };
        let Entries { folders, files, .. } = entries(folder)?;
        classes_alone(&files)?;
        Ok(Some((folder.clone(), of_classes(folder, &folders, &files, &mut found)?)))
    };
    let listed = [list(&parts[0])?, list(&parts[1])?, list(&parts[2])?];
    let classes = listed.iter().flatten().flat_map(|(_, classes)| classes);
    let names: BTreeSet<String> = classes.filter_map(|class| class.name.clone()).collect();
    let names: Vec<String> = names.into_iter().collect();
    for (folder, classes) in listed.iter().flatten() {
        let has = |name: &&String| classes.iter().any(|class| class.name.as_ref() == Some(*name));
        let missing: Vec<&str> = names.iter().filter(|name| !has(name)).map(String::as_str).collect();
        if !missing.is_empty() {
            found.notes.push(format!("{}/ has no images of {}", name(folder), missing.join(", ")));
        }
    }
    let mut files = Vec::new();
    let parts = listed.map(|part| part.map(|(_, classes)| labelled(classes, &names, &mut files)));
    found.files = files;
    found.classes = Some(names).filter(|names| !names.is_empty());
    assemble(&mut found, parts, folder)?;
    Ok(found)
}

/// Images of one class, or without one.
struct Class {
    name: Option<String>,
    files: Vec<PathBuf>,
}

fn labelled(classes: Vec<Class>, names: &[String], all: &mut Vec<PathBuf>) -> Part {
    let mut labels = Vec::new();
    let mut files = Vec::new();
    for class in classes {
        let place = class.name.and_then(|name| names.iter().position(|known| *known == name));
        labels.extend(
            place.map(|place| std::iter::repeat_n(place as u32, class.files.len())).into_iter().flatten(),
        );
        files.extend(class.files);
    }
    all.extend(files.iter().cloned());
    let labels = (labels.len() == files.len()).then_some(labels);
    Part { source: Source::Files(files), labels }
}

/// Files within a part in a format of its own, or of images that are not read, are refused: nobody could tell which of the two is
/// meant, or that images are missing.
fn classes_alone(files: &[PathBuf]) -> Result<(), Error> {
    for file in files {
        if is_other_image(file) {
            return Err(unread(file));
        }
        let is_data = match ending(file).as_str() {
            "npz" | "npy" => true,
            "csv" | "tsv" => table::columns(file)?.is_some(),
            _ => idx_files::are_images(file),
        };
        if is_data {
            let reason = "within the folder of a part, folders of classes are read, and this is beside them: name it itself, or move it \
                          away";
            return Err(Error::unusable(file, reason));
        }
    }
    Ok(())
}

pub(super) fn unread(file: &Path) -> Error {
    Error::unusable(file, "PNG and JPEG are read: convert it, or move it away")
}

/// The classes of a folder, in the order of their names' text; the images of a folder without folders are without a class.
fn of_classes(
    folder: &Path,
    folders: &[PathBuf],
    files: &[PathBuf],
    found: &mut Found,
) -> Result<Vec<Class>, Error> {
    let loose: Vec<PathBuf> = files.iter().filter(|file| is_image(file)).cloned().collect();
    match (folders.is_empty(), loose.is_empty()) {
        (true, true) => Err(Error::unusable(
            folder,
            format!(
                "it holds no images: expected PNG or JPEG files in a folder per class (perhaps below train/ and test/), or with a CSV \
                 ({}), an .npz, .npy or IDX files",
                table::expected()
            ),
        )),
        (true, false) => {
            found.notes.push(
                "no labels: the images are in one folder, without folders of classes or a table".into(),
            );
            Ok(vec![Class { name: None, files: loose }])
        }
        (false, false) => Err(Error::unusable(
            folder,
            format!(
                "it holds images ({}, ...) beside folders ({}, ...), so that classes cannot be told",
                name(&loose[0]),
                name(&folders[0])
            ),
        )),
        (false, true) => {
            let mut classes = Vec::new();
            for folder in folders {
                let files = below(folder)?;
                if files.is_empty() {
                    let reason = "this folder of a class holds no image: the classes behind it would have other numbers than in training if it \
                                  were left out. Put its images there or remove it";
                    return Err(Error::unusable(folder, reason));
                }
                classes.push(Class { name: Some(name(folder)), files });
            }
            Ok(classes)
        }
    }
}

/// The images in a folder and in those below it.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut all = Below::default();
    all_files(folder, DEPTH, &mut all)?;
    if let Some(file) = all.files.iter().find(|file| is_other_image(file)) {
        return Err(unread(file));
    }
    all.files.retain(|file| is_image(file));
    Ok(all.files)
}

/// Files at any depth below a folder, and what is hidden there, of which nothing below is looked at.
#[derive(Default)]
struct Below {
    files: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
}

fn all_files(folder: &Path, depth: usize, all: &mut Below) -> Result<(), Error> {
    let Entries { folders, files, hidden } = entries(folder)?;
    all.files.extend(files);
    all.hidden.extend(hidden);
    for inner in folders {
        if depth == 0 {
            return Err(Error::unusable(&inner, format!("it is more than {DEPTH} folders deep")));
        }
        all_files(&inner, depth - 1, all)?;
    }
    Ok(())
}
