//! A table of files and labels: CSV with a header, separated by commas, semicolons or tabs.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::part::{Found, Part, Source, label};
use crate::Error;
use crate::formats::bounded;

const FILE: [&str; 10] = [
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_id",
    "img",
];
const LABEL: [&str; 8] = ["label", "labels", "class", "class_name", "target", "category", "diagnosis", "y"];
const SPLIT: [&str; 4] = ["split", "subset", "part", "set"];
/// Endings that are tried where a name has none.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];
const LIMIT_BYTES: u64 = 1 << 28;

/// The columns of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    delimiter: u8,
    file: usize,
    label: Option<usize>,
    split: Option<usize>,
    others: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Train,
    Validation,
    Test,
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Of::Train => "train",
            Of::Validation => "val",
            Of::Test => "test",
        })
    }
}

/// The part that a word stands for.
fn part_named(word: &str) -> Option<Of> {
    match word.trim().to_lowercase().as_str() {
        "train" | "training" => Some(Of::Train),
        "val" | "valid" | "validation" => Some(Of::Validation),
        "test" | "testing" => Some(Of::Test),
        _ => None,
    }
}

/// The columns of a table, if its header names one of files.
pub(super) fn columns(path: &Path) -> Result<Option<Columns>, Error> {
    let bytes = bounded::read(path, LIMIT_BYTES)?;
    Ok(header(&bytes))
}

fn header(bytes: &[u8]) -> Option<Columns> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let delimiter =
        [b',', b';', b'\t'].into_iter().max_by_key(|d| line.iter().filter(|byte| *byte == d).count())?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(line);
    let names = reader.records().next()?.ok()?;
    let names: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
    let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
    let (file, label, split) = (find(&FILE)?, find(&LABEL), find(&SPLIT));
    let used = [Some(file), label, split];
    let others = names.iter().enumerate().filter(|(at, _)| !used.contains(&Some(*at)));
    let others = others.map(|(_, name)| name.clone()).collect();
    Some(Columns { delimiter, file, label, split, others })
}

/// What a header has to be, for errors.
pub(super) fn expected() -> String {
    format!(
        "a first line that names a column of files ({}) and perhaps one of labels ({})",
        FILE.join(", "),
        LABEL.join(", ")
    )
}

struct Row {
    line: u64,
    file: PathBuf,
    label: Option<String>,
    /// What the table says.
    of: Option<Of>,
    /// Folders between the table and the file, the outermost first.
    folders: Vec<String>,
}

impl Row {
    /// The part whose folder the file is in.
    fn part_of_folder(&self) -> Option<Of> {
        self.folders.iter().find_map(|folder| part_named(folder))
    }
}

/// Reads tables into one set of images: one table, with or without a column that says which part a row is of, or several, each
/// named as the part it is of.
///
/// A table that was found in a folder is that part which its name says; one that was `named` is what the user says it is.
pub(super) fn read(tables: &[PathBuf], named: bool) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut rows: Vec<(usize, Row)> = Vec::new();
    for (at, path) in tables.iter().enumerate() {
        let bytes = bounded::read(path, LIMIT_BYTES)?;
        let Some(columns) = header(&bytes) else {
            return Err(Error::unusable(path, format!("expected {}", expected())));
        };
        let whole =
            if !named { path.file_stem().and_then(|stem| part_named(&stem.to_string_lossy())) } else { None };
        let of_this = rows_of(path, &bytes, &columns, whole)?;
        if of_this.is_empty() {
            return Err(Error::unusable(path, "it names no image"));
        }
        rows.extend(of_this.into_iter().map(|row| (at, row)));
        if !columns.others.is_empty() {
            let others = columns.others.join(", ");
            found.notes.push(format!("columns of {} that were not read: {others}", name_of(path)));
        }
        found.files.push(path.clone());
    }
    found.notes.push(format!(
        "labels from {}",
        tables.iter().map(|path| name_of(path)).collect::<Vec<_>>().join(", ")
    ));
    let labels = labels(tables, &rows, &mut found)?;
    if labels.is_none() && !named {
        no_classes(&tables[0], &rows)?;
    }
    divide(tables, named, &mut rows, &mut found.notes)?;
    let mut parts: [Part; 3] = Default::default();
    let mut seen: HashMap<PathBuf, u64> = HashMap::new();
    for (place, (table, row)) in rows.into_iter().enumerate() {
        if let Some(first) = seen.insert(row.file.clone(), row.line) {
            let reason =
                format!("line {} names {} again, as line {first} does", row.line, row.file.display());
            return Err(Error::unusable(&tables[table], reason));
        }
        let part = match row.of {
            Some(Of::Train) => &mut parts[0],
            Some(Of::Validation) => &mut parts[1],
            Some(Of::Test) | None => &mut parts[2],
        };
        found.files.push(row.file.clone());
        if let Source::Files(files) = &mut part.source {
            files.push(row.file);
        }
        if let Some(labels) = &labels {
            part.labels.get_or_insert_default().push(labels[place]);
        }
    }
    super::folder::assemble(&mut found, parts.map(Some), &tables[0])?;
    Ok(found)
}

/// A table without labels must not hide that folders may be classes.
fn no_classes(table: &Path, rows: &[(usize, Row)]) -> Result<(), Error> {
    let stem = table.file_stem().unwrap_or_default();
    let is_class =
        |folder: &&String| part_named(folder).is_none() && *folder != "images" && stem != folder.as_str();
    let classes: BTreeSet<&String> =
        rows.iter().filter_map(|(_, row)| row.folders.iter().find(is_class)).collect();
    let mut classes = classes.into_iter();
    match (classes.next(), classes.next()) {
        (Some(first), Some(second)) => Err(Error::unusable(
            table,
            format!(
                "it has no column of labels, and its images lie in folders that may be classes ({first}, {second}, ...): move it away \
                 to take them as classes, or name it itself to go without labels"
            ),
        )),
        _ => Ok(()),
    }
}

/// Settles which part each row is of: what the table says, else the folder of a part that its file is in.
fn divide(
    tables: &[PathBuf],
    named: bool,
    rows: &mut [(usize, Row)],
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let total = rows.len();
    if rows.iter().all(|(_, row)| row.of.is_some()) {
        let elsewhere = |row: &Row| row.part_of_folder().is_some_and(|part| row.of != Some(part));
        let count = rows.iter().filter(|(_, row)| elsewhere(row)).count();
        if count > 0 {
            notes.push(format!(
                "{count} of {total} images lie in the folder of another part than the table says: the table holds"
            ));
        }
        return Ok(());
    }
    let parts: BTreeSet<Option<Of>> = rows.iter().map(|(_, row)| row.part_of_folder()).collect();
    match Vec::from_iter(parts).as_slice() {
        [] | [None] => return Ok(()),
        [Some(only)] if named => {
            notes.push(format!(
                "all images are of one part ({only}) and all are read, as the table itself was named"
            ));
            return Ok(());
        }
        [Some(_)] => {}
        [None, ..] => {
            let outside = rows.iter().find(|(_, row)| row.part_of_folder().is_none());
            let (table, line) = outside.map_or((0, 0), |(table, row)| (*table, row.line));
            let reason = format!(
                "line {line} names an image that is below no folder of a part, while others are (train, val, test): a column `split` says \
                 which part each is of"
            );
            return Err(Error::unusable(&tables[table], reason));
        }
        [Some(_), ..] => {
            notes.push("parts by the folders that images lie in, as the table does not say".into());
        }
    }
    rows.iter_mut().for_each(|(_, row)| row.of = row.part_of_folder());
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn rows_of(path: &Path, bytes: &[u8], columns: &Columns, whole: Option<Of>) -> Result<Vec<Row>, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let stem = path.file_stem().unwrap_or_default();
    let bases = [folder.to_path_buf(), folder.join(stem), folder.join("images")];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().delimiter(columns.delimiter).from_reader(bytes);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| Error::unusable(path, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let unusable = |reason: String| Error::unusable(path, format!("line {line}: {reason}"));
        let name = record.get(columns.file).unwrap_or_default().trim();
        let relative = Path::new(name);
        let inside =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if name.is_empty() || !inside {
            return Err(unusable(format!("`{name}` is not a file below {}", folder.display())));
        }
        let file = bases
            .iter()
            .find_map(|base| existing(base, relative))
            .ok_or_else(|| unusable(format!("there is no file {}", folder.join(relative).display())))?;
        let label = match columns.label {
            None => None,
            Some(column) => match record.get(column).unwrap_or_default().trim() {
                "" => return Err(unusable(format!("{name} has no label"))),
                label => Some(label.to_owned()),
            },
        };
        let of = match columns.split {
            None => whole,
            Some(column) => {
                let word = record.get(column).unwrap_or_default();
                let of = part_named(word);
                Some(of.ok_or_else(|| unusable(format!("`{word}` is none of train, val and test")))?)
            }
        };
        let below = file.strip_prefix(folder).ok().and_then(Path::parent).unwrap_or(Path::new(""));
        let folders = below.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        rows.push(Row { line, file, label, of, folders });
    }
    Ok(rows)
}

fn existing(base: &Path, relative: &Path) -> Option<PathBuf> {
    let path = base.join(relative);
    if path.is_file() {
        return Some(path);
    }
    let with_ending = ENDINGS.iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{ending}"));
        PathBuf::from(name)
    });
    with_ending.into_iter().find(|path| path.is_file())
}

/// Labels as numbers if all are, else as names, of which the first in the order of their text is class 0.
fn labels(tables: &[PathBuf], rows: &[(usize, Row)], found: &mut Found) -> Result<Option<Vec<u32>>, Error> {
    let words: Vec<(usize, u64, &str)> = rows
        .iter()
        .filter_map(|(table, row)| row.label.as_deref().map(|label| (*table, row.line, label)))
        .collect();
    if words.is_empty() {
        found.notes.push("the table has no column of labels".into());
        return Ok(None);
    }
    if words.len() < rows.len() {
        return Err(Error::unusable(&tables[0], "one of the tables has labels and another has none"));
    }
    let numbers: Option<Vec<f64>> = words.iter().map(|(_, _, word)| word.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let number = |(value, (table, line, word)): (f64, &(usize, u64, &str))| {
            let reason = || format!("line {line}: label {word} is not a whole number from 0 on");
            label(value).ok_or_else(|| Error::unusable(&tables[*table], reason()))
        };
        return numbers.into_iter().zip(&words).map(number).collect::<Result<_, _>>().map(Some);
    }
    let names: BTreeSet<&str> = words.iter().map(|(_, _, word)| *word).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let place =
        |word: &str| names.binary_search_by(|name| name.as_str().cmp(word)).unwrap_or_default() as u32;
    let labels = words.iter().map(|(_, _, word)| place(word)).collect();
    found.classes = Some(names);
    Ok(Some(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_found_whatever_its_case_delimiter_or_byte_order_mark() {
        for text in ["File,Label\n", "\u{feff}file;label\n", "file\tlabel\r\n", "\"file\",\"label\"\n"] {
            let columns = header(text.as_bytes()).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!((columns.file, columns.label), (0, Some(1)), "{text:?}");
        }
        assert_eq!(header(b"a.png,cat\n"), None);
        assert_eq!(header(b""), None);
        assert_eq!(header(b"id,path,age,split,class\n").unwrap().others, ["id", "age"]);
    }

    #[test]
    fn any_bytes_are_a_header_or_none() {
        let whole = b"file;label,class\tsplit\n\"a\"\"b\",\xff\n";
        for at in 0..whole.len() {
            for byte in [0, b'"', b';', b'\n', 0xff] {
                let mut damaged = whole.to_vec();
                damaged[at] = byte;
                let _ = header(&damaged);
            }
            let _ = header(&whole[..at]);
        }
    }
}
