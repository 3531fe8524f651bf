//! What of a table survives when a writer was killed: whole lines of sessions that have their commit mark.

use crate::{
    Cell, Error, Run, Sample, SessionKey, Status,
    folder::digest::Digests,
    folder::table::{header, header_line, lines, replace_file, row},
    session::SessionRow,
};
use std::{collections::BTreeSet, fs, io, path::Path};

/// The sessions of a folder that were written to their end, by whether all of it is still there.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// They need not be measured again.
    pub(crate) whole: BTreeSet<SessionKey>,
    /// Rows of them, or what `run.json` says of them, are not as they were written.
    pub(crate) damaged: BTreeSet<SessionKey>,
}

/// The sessions of a folder that have their commit mark and were not interrupted.
pub(crate) fn committed(folder: &Path, run: &Run) -> Result<Committed, Error> {
    let samples: Vec<Sample> = readable(folder)?;
    let digests = Digests::of(&readable(folder)?, &readable(folder)?, &samples)?;
    let mut committed = Committed::default();
    for mark in samples.iter().filter(|sample| sample.is_commit_mark()) {
        let key = mark.key();
        let described =
            mark.cell.parse::<Cell>().ok().and_then(|cell| run.cell_sha256(&cell, &mark.machine).ok());
        if mark.status == Status::Interrupted {
            continue;
        }
        match digests.get(&key) == mark.rows_sha256 && described.as_ref() == Some(&mark.run_sha256) {
            true => committed.whole.insert(key),
            false => committed.damaged.insert(key),
        };
    }
    committed.whole = &committed.whole - &committed.damaged;
    Ok(committed)
}

pub(crate) fn readable<R: SessionRow>(folder: &Path) -> Result<Vec<R>, Error> {
    let (bytes, header) = (read_or_empty(&folder.join(R::FILE))?, header::<R>());
    Ok(lines(&bytes).skip(1).filter_map(|line| row::<R>(line, &header).ok()).collect())
}

/// Rewrites a table without the rows of other sessions than `kept` and without lines that cannot be read, if there
/// are any; makes it if it is missing. The session that an unreadable line belonged to is not whole any more and is
/// measured again.
pub(crate) fn retain<R: SessionRow>(folder: &Path, kept: &BTreeSet<SessionKey>) -> Result<(), Error> {
    let path = folder.join(R::FILE);
    let bytes = read_or_empty(&path)?;
    let first = header_line::<R>();
    if !bytes.starts_with(&first) && !first.starts_with(&bytes) {
        return Err(Error::Columns { path });
    }
    let header = header::<R>();
    let mut survivors = first;
    for line in lines(&bytes).skip(1) {
        if row::<R>(line, &header).is_ok_and(|row| kept.contains(&row.key())) {
            survivors.extend(line.text);
            survivors.push(b'\n');
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
