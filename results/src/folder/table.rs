//! Rows as lines of CSV: a row never spans lines, so damage to one line costs that line alone.

use crate::{Error, folder::columns::fields};
use csv::StringRecord;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// A row type of one CSV file.
pub trait Row: Serialize + DeserializeOwned {
    /// The file's name in its folder.
    const FILE: &'static str;
    /// Those of its columns that files of schema version 1 lack.
    const ADDED: &'static [&'static str] = &[];
    /// Those of them that files of schema version 2 lack as well.
    const ADDED_LAST: &'static [&'static str] = &[];

    /// The file's columns, in order: the fields of a row as serde names them.
    #[must_use]
    fn columns() -> &'static [&'static str] {
        fields::<Self>()
    }
}

/// Whether a file of this or of an earlier version begins with such a header.
fn is_header<R: Row>(header: &StringRecord) -> bool {
    let none: &[&str] = &[];
    [none, R::ADDED_LAST, R::ADDED].into_iter().any(|lacking| {
        let columns = R::columns().iter().filter(|column| !lacking.contains(column));
        header.iter().eq(columns.copied())
    })
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Odd, but every number can be used.
    Warning,
    /// A row is unusable or contradicts another.
    Error,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's name in its folder.
    pub file: String,
    /// The line, counted from 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        match self.line {
            Some(line) => write!(f, "{}:{line}: {severity}: {}", self.file, self.message),
            None => write!(f, "{}: {severity}: {}", self.file, self.message),
        }
    }
}

/// The readable rows of a file, each with its line number from 1, and what was wrong with the others.
#[derive(Clone, Debug)]
pub struct Table<R> {
    /// Line number and row, in the file's order.
    pub rows: Vec<(usize, R)>,
    /// Unreadable lines and a wrong header.
    pub findings: Vec<Finding>,
}

impl<R: Row> Table<R> {
    /// Reads a file of such rows.
    ///
    /// # Errors
    /// The file cannot be read at all; everything else is a finding.
    pub fn read(path: &Path) -> Result<Self, Error> {
        fs::read(path).map(|bytes| Self::parse(&bytes)).map_err(Error::io("read", path))
    }

    /// Reads the bytes of a file of such rows.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut table = Self { rows: Vec::new(), findings: Vec::new() };
        let mut lines = lines(bytes);
        let header = match lines.next().map(|line| record(line.text)) {
            Some(Ok(header)) => header,
            Some(Err(message)) => {
                table.report(Some(1), message);
                return table;
            }
            None => {
                table.report(None, "the file is empty: it has no header".to_owned());
                return table;
            }
        };
        if !is_header::<R>(&header) {
            table.report(Some(1), format!("the header differs from `{}`", R::columns().join(",")));
        }
        for (index, line) in lines.enumerate() {
            let number = index + 2;
            match row(line, &header) {
                Ok(row) => table.rows.push((number, row)),
                Err(message) => table.report(Some(number), message),
            }
        }
        table
    }

    fn report(&mut self, line: Option<usize>, message: String) {
        self.findings.push(Finding { file: R::FILE.to_owned(), line, message, severity: Severity::Error });
    }
}

/// A line of a file without its line break.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a [u8],
    /// Did a line break end it? If not, the write of it was cut short.
    pub(crate) ended: bool,
}

pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|text| match text.strip_suffix(b"\n") {
        Some(text) => Line { text: text.strip_suffix(b"\r").unwrap_or(text), ended: true },
        None => Line { text, ended: false },
    })
}

/// Reads one line as a row of a table with this header.
pub(crate) fn row<R: Row>(line: Line<'_>, header: &StringRecord) -> Result<R, String> {
    if !line.ended {
        return Err("the line is cut off".to_owned());
    }
    let record = record(line.text)?;
    if record.len() != header.len() {
        return Err(format!("{} fields instead of {}", record.len(), header.len()));
    }
    record.deserialize(Some(header)).map_err(|error| match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|field| header.get(usize::try_from(field).ok()?));
            match column {
                Some(column) => format!("column {column}: {}", err.kind()),
                None => err.kind().to_string(),
            }
        }
        _ => error.to_string(),
    })
}

/// The header as a record, for [`row`].
pub(crate) fn header<R: Row>() -> StringRecord {
    StringRecord::from(R::columns())
}

fn record(line: &[u8]) -> Result<StringRecord, String> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8 text".to_owned())?;
    if text.contains('\0') {
        return Err("holds NUL bytes".to_owned());
    }
    if !text.contains('"') {
        return Ok(text.split(',').collect());
    }
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).buffer_capacity(text.len()).from_reader(line);
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record),
        Ok(false) => Err("the line is empty".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The bytes of a header line.
pub(crate) fn header_line<R: Row>() -> Vec<u8> {
    let mut line = R::columns().join(",").into_bytes();
    line.push(b'\n');
    line
}

/// The bytes of rows without a header, a line each: line breaks inside fields become spaces.
pub(crate) fn row_lines<'a, R: Row + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Result<Vec<u8>, Error> {
    let failed = |cause| Error::Row { file: R::FILE, cause };
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let mut ends = Vec::new();
    for row in rows {
        writer.serialize(row).map_err(failed)?;
        writer.flush().map_err(|cause| failed(cause.into()))?;
        ends.push(writer.get_ref().len());
    }
    let mut bytes = writer.into_inner().map_err(|cause| failed(cause.into_error().into()))?;
    let mut start = 0;
    for end in ends {
        for byte in &mut bytes[start..end - 1] {
            if matches!(byte, b'\n' | b'\r' | b'\0') {
                *byte = b' ';
            }
        }
        start = end;
    }
    Ok(bytes)
}

/// Writes a whole table so that a reader finds either the old file or the new one, whole.
///
/// # Errors
/// The file could not be written.
pub fn write_table<R: Row>(path: &Path, rows: &[R]) -> Result<(), Error> {
    let mut bytes = header_line::<R>();
    bytes.extend(row_lines(rows)?);
    replace_file(path, &bytes)
}

/// Puts a file in place by renaming a finished one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut temporary = OsString::from(path);
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let written = (|| -> io::Result<()> {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    written.map_err(Error::io("write", temporary))?;
    fs::rename(temporary, path).map_err(Error::io("replace", path))?;
    sync_folder(path)
}

/// Makes the names in a file's folder as durable as their contents.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent().filter(|_| cfg!(unix)) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::io("sync", folder))
}
