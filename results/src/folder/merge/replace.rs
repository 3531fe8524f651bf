//! Puts a merged run in place of an earlier one: whole or not at all, and whatever else lies in the folder stays.
//!
//! The new run is written beside the folder (`RUN.merging`), the earlier one is moved aside (`RUN.replaced`), the new one takes its place,
//! and what else was there is moved back. A merge that was ended in between leaves one of the two whole; the next one
//! to the same folder finishes or undoes it first.

use crate::{
    Answer, Error, Row, Run, Sample, Session, SessionKey, Traffic,
    folder::{
        archive,
        recovery::readable,
        store::lock,
        table::{sync_folder, write_table},
    },
    session::SessionRow,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Files of a run that a merge writes, and the one that locks it.
const OWN: [&str; 5] = [Run::FILE, Sample::FILE, Traffic::FILE, Answer::FILE, "lock"];

/// Digest of each session's rows, from its commit mark.
type RowDigests = BTreeMap<SessionKey, String>;

/// A folder's neighbour of the same name with a suffix.
fn beside(into: &Path, suffix: &str) -> PathBuf {
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    into.with_file_name(name)
}

/// Where a run of which `into` is the folder really lies: a link stays a link.
fn real(into: &Path) -> PathBuf {
    into.canonicalize().unwrap_or_else(|_| into.to_owned())
}

/// Finishes or undoes a replacement that was ended in the middle.
///
/// # Errors
/// Files of somebody else's are in the way ([`Error::Occupied`]), or sessions would be lost ([`Error::RunExists`]).
pub(super) fn recover(into: &Path) -> Result<(), Error> {
    let into = real(into);
    let old = beside(&into, ".replaced");
    if !old.join(Run::FILE).exists() {
        return Ok(());
    }
    if into.join(Run::FILE).exists() {
        let marks = readable::<Sample>(&into)?.into_iter().filter(Sample::is_commit_mark);
        contains(&marks.map(|mark| (mark.key(), mark.rows_sha256)).collect(), &old)?;
        return carry(&old, &into);
    }
    if fs::read_dir(&into).is_ok_and(|mut files| files.next().is_some()) {
        return Err(Error::Occupied { folder: into });
    }
    fs::rename(&old, &into).map_err(Error::io("put back", &old))?;
    sync_folder(&into)
}

/// Writes the merged run beside `into` and puts it in place, whole; what was there has to be contained in it.
///
/// # Errors
/// Sessions of an earlier merge are not in this one ([`Error::RunExists`]), other files are in the way
/// ([`Error::Occupied`]), or the disk refuses.
pub(super) fn replace(into: &Path, run: &Run, sessions: &[(SessionKey, Session)]) -> Result<(), Error> {
    let into = &real(into);
    let earlier = match Run::load(into) {
        Ok(earlier) => Some((earlier, lock(into)?)),
        Err(Error::NoRun { .. }) if fs::read_dir(into).is_ok_and(|mut files| files.next().is_some()) => {
            return Err(Error::Occupied { folder: into.to_owned() });
        }
        Err(Error::NoRun { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some((earlier, _)) = &earlier {
        let plan = |run: &Run| run.shards.as_ref().map(|shards| shards.plan_sha256.clone());
        if plan(earlier) != plan(run) {
            return Err(Error::RunExists { folder: into.to_owned() });
        }
        if OWN.iter().any(|file| archive::path(into, file).exists()) {
            return Err(Error::Packed { folder: into.to_owned() });
        }
        let digest = |(key, session): &(SessionKey, Session)| {
            Some((key.clone(), session.samples.last()?.rows_sha256.clone()))
        };
        contains(&sessions.iter().filter_map(digest).collect(), into)?;
    }
    let (new, old) = (beside(into, ".merging"), beside(into, ".replaced"));
    if old.exists() {
        return Err(Error::Occupied { folder: old });
    }
    if new.exists() {
        clear(&new)?;
    }
    fs::create_dir_all(&new).map_err(Error::io("make", &new))?;
    run.save(&new)?;
    let (mut samples, mut traffic, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for (_, session) in sessions {
        samples.extend_from_slice(&session.samples);
        traffic.extend_from_slice(&session.traffic);
        answers.extend_from_slice(&session.answers);
    }
    write_table(&new.join(Traffic::FILE), &traffic)?;
    write_table(&new.join(Answer::FILE), &answers)?;
    write_table(&new.join(Sample::FILE), &samples)?;
    if into.exists() {
        fs::rename(into, &old).map_err(Error::io("move aside", into))?;
    }
    fs::rename(&new, into).map_err(Error::io("put in place", into))?;
    sync_folder(into)?;
    if old.exists() { carry(&old, into) } else { Ok(()) }
}

/// Every session of the run in `folder` has to be among these, with the same rows.
fn contains(digests: &RowDigests, folder: &Path) -> Result<(), Error> {
    let mut marks = readable::<Sample>(folder)?.into_iter().filter(Sample::is_commit_mark);
    if marks.all(|mark| digests.get(&mark.key()).is_some_and(|digest| *digest == mark.rows_sha256)) {
        return Ok(());
    }
    Err(Error::RunExists { folder: folder.to_owned() })
}

/// Moves what is no part of the earlier run back to where it was, and removes the earlier run.
fn carry(old: &Path, into: &Path) -> Result<(), Error> {
    for path in entries(old)? {
        let name = path.file_name().unwrap_or_default();
        if OWN.iter().any(|own| *own == name) {
            continue;
        }
        let target = into.join(name);
        if target.exists() {
            return Err(Error::Occupied { folder: old.to_owned() });
        }
        fs::rename(&path, &target).map_err(Error::io("move back", &path))?;
    }
    clear(old)
}

/// Removes a folder that holds nothing but files of a run, whole or half written.
fn clear(folder: &Path) -> Result<(), Error> {
    let is_own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        OWN.contains(&name.strip_suffix(".new").unwrap_or(&name)) && path.is_file()
    };
    let files = entries(folder)?;
    if !files.iter().all(is_own) {
        return Err(Error::Occupied { folder: folder.to_owned() });
    }
    // The description goes last: without it nobody would know what the rest is.
    let (last, first): (Vec<_>, Vec<_>) = files.iter().partition(|path| path.ends_with(Run::FILE));
    for path in first.into_iter().chain(last) {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    fs::remove_dir(folder).map_err(Error::io("remove", folder))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = fs::read_dir(folder);
    let paths = list.and_then(|list| list.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    paths.map_err(Error::io("list", folder))
}
