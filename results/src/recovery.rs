//! What of a table survives when a writer was killed: whole lines of sessions that have their commit mark.

use crate::{
    Error, Sample, SessionKey, Status,
    session::SessionRow,
    table::{header, header_line, lines, replace_file, row},
};
use std::{collections::BTreeSet, fs, io, path::Path};

/// The sessions in the bytes of `samples.csv` that were written to their end and need not be measured again.
pub(crate) fn committed(samples: &[u8]) -> BTreeSet<SessionKey> {
    let header = header::<Sample>();
    lines(samples)
        .skip(1)
        .filter_map(|line| row::<Sample>(line, &header).ok())
        .filter(|sample| sample.is_commit_mark() && sample.status != Status::Interrupted)
        .map(|mark| mark.key())
        .collect()
}

/// Rewrites a table without the rows of other sessions than `kept`, if there are any; makes it if it is missing.
///
/// A damaged line is kept, for the validator to report, unless nothing of a kept session follows it.
pub(crate) fn retain<R: SessionRow>(folder: &Path, kept: &BTreeSet<SessionKey>) -> Result<(), Error> {
    let path = folder.join(R::FILE);
    let bytes = read_or_empty(&path)?;
    let first = header_line::<R>();
    if !bytes.starts_with(&first) && !first.starts_with(&bytes) {
        return Err(Error::Columns { path });
    }
    let header = header::<R>();
    let mut survivors = first;
    let mut undecided = Vec::new();
    for line in lines(&bytes).skip(1) {
        match row::<R>(line, &header) {
            Ok(row) if kept.contains(&row.key()) => {
                survivors.append(&mut undecided);
                survivors.extend(line.text);
                survivors.push(b'\n');
            }
            Ok(_) => {}
            Err(_) => {
                undecided.extend(line.text);
                undecided.push(b'\n');
            }
        }
    }
    if survivors == bytes { Ok(()) } else { replace_file(&path, &survivors) }
}

pub(crate) fn read_or_empty(path: &Path) -> Result<Vec<u8>, Error> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(Error::io("read", path)),
    }
}
