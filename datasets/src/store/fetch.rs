//! Downloading published files: checksummed, resumable, bounded.

use crate::formats::bounded;
use crate::sets::{cifar, malaria};
use crate::store::catalog::{self, RemoteFile, Size};
use crate::store::import::{self, Imported};
use crate::{Error, Store};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A body that stands still for this long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const BLOCK_BYTES: usize = 1 << 16;

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file under way, below the data set's folder.
    pub file: &'a str,
    /// Which file of how many, from 1.
    pub number: usize,
    /// How many files there are.
    pub files: usize,
    /// Bytes of this file so far.
    pub received_bytes: u64,
    /// All bytes of this file, if known.
    pub total_bytes: Option<u64>,
}

/// Downloads a data set into the store's data folder and checks it. Files that are there and right are
/// kept; a download that was interrupted goes on where it stopped.
///
/// # Errors
/// [`Error::Download`] with what every mirror answered, [`Error::Io`] if the disk refuses, and the
/// errors of [`import`](crate::import()).
pub fn fetch(store: &Store, id: &str, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Imported, Error> {
    let source = catalog::source(id)?;
    let folder = store.data().join(source.folder());
    let is_complete = match source.id {
        "malaria" => malaria::is_complete(&folder)?,
        "cifar10" => cifar::is_complete(&folder),
        _ => false,
    };
    if is_complete {
        return import::import(store, id, &folder);
    }
    let files = catalog::remote_files(id)?;
    download_all(&files, &folder, progress)?;
    if let Some(archive) = catalog::archive(source.id) {
        let archive = folder.join(archive);
        let imported = import::import(store, id, &archive)?;
        fs::remove_file(&archive).map_err(Error::io("remove", &archive))?;
        return Ok(imported);
    }
    Ok(Imported { folder, files: files.len(), verified: files.len() })
}

/// Downloads files into `folder`.
///
/// # Errors
/// As [`fetch`].
pub fn download_all(
    files: &[RemoteFile],
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Error> {
    let agent = agent();
    for (index, file) in files.iter().enumerate() {
        let mut report = |received_bytes, total_bytes| {
            let (number, files) = (index + 1, files.len());
            progress(Progress { file: &file.name, number, files, received_bytes, total_bytes });
        };
        download(&agent, file, &folder.join(&file.name), &mut report)?;
    }
    Ok(())
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .http_status_as_error(false)
        .user_agent("veilbench")
        .build()
        .new_agent()
}

/// Why one mirror did not do; the next may.
enum Failure {
    Mirror(String),
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Local(error)
    }
}

fn download(
    agent: &Agent,
    file: &RemoteFile,
    target: &Path,
    report: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), Error> {
    if is_right(target, file)? {
        return Ok(());
    }
    let parent = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let part = part_of(target);
    let mut attempts = Vec::new();
    for url in &file.urls {
        match from_mirror(agent, url, file, &part, report) {
            Ok(()) => return fs::rename(&part, target).map_err(Error::io("rename", &part)),
            Err(Failure::Mirror(reason)) => attempts.push(format!("{url}: {reason}")),
            Err(Failure::Local(error)) => return Err(error),
        }
    }
    Err(Error::Download { file: file.name.clone(), attempts })
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn is_right(path: &Path, file: &RemoteFile) -> Result<bool, Error> {
    if !path.is_file() {
        return Ok(false);
    }
    Ok(bounded::sha256(path, file.size.limit_bytes())? == Some(file.sha256.clone()))
}

/// Completes `part` from one mirror and checks it. A part with a wrong checksum is removed.
fn from_mirror(
    agent: &Agent,
    url: &str,
    file: &RemoteFile,
    part: &Path,
    report: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), Failure> {
    let limit = file.size.limit_bytes();
    let have = fs::metadata(part).map_or(0, |facts| facts.len());
    let have = if have > limit { 0 } else { have };
    let complete = match file.size {
        Size::Exactly(bytes) => have == bytes,
        Size::AtMost(_) => is_right(part, file)?,
    };
    if !complete {
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header("range", format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(|error| Failure::Mirror(error.to_string()))?;
        let resumed = match response.status().as_u16() {
            200 => false,
            206 if have > 0 && starts_at(&response, have) => true,
            416 if have > 0 => {
                fs::remove_file(part).map_err(Error::io("remove", part))?;
                return from_mirror(agent, url, file, part, report);
            }
            status => return Err(Failure::Mirror(format!("status {status}"))),
        };
        let start = if resumed { have } else { 0 };
        let total = match file.size {
            Size::Exactly(bytes) => Some(bytes),
            Size::AtMost(_) => response.body().content_length().map(|length| start + length),
        };
        let mut output = OpenOptions::new()
            .create(true)
            .write(true)
            .append(resumed)
            .truncate(!resumed)
            .open(part)
            .map_err(Error::io("write", part))?;
        let body = response.body_mut().with_config().limit(u64::MAX).reader();
        receive(body, &mut output, part, start, limit, &mut |bytes| report(bytes, total))?;
    }
    check(part, file)
}

fn starts_at(response: &ureq::http::Response<ureq::Body>, offset: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.trim().starts_with(&format!("bytes {offset}-")))
}

fn receive(
    mut body: impl Read,
    output: &mut File,
    part: &Path,
    start: u64,
    limit: u64,
    report: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut received = start;
    loop {
        let count = match body.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Mirror(format!("after {received} bytes: {error}"))),
        };
        received += count as u64;
        if received > limit {
            fs::remove_file(part).map_err(Error::io("remove", part))?;
            return Err(Failure::Mirror(format!("more than the {limit} bytes of the file")));
        }
        output.write_all(&block[..count]).map_err(Error::io("write", part))?;
        report(received);
    }
    output.sync_all().map_err(Error::io("write", part))?;
    Ok(())
}

fn check(part: &Path, file: &RemoteFile) -> Result<(), Failure> {
    let size = fs::metadata(part).map_err(Error::io("read", part))?.len();
    if let Size::Exactly(expected) = file.size
        && size < expected
    {
        return Err(Failure::Mirror(format!("it ended after {size} of {expected} bytes")));
    }
    let found = bounded::sha256(part, file.size.limit_bytes())?;
    if found.as_deref() != Some(&file.sha256) {
        fs::remove_file(part).map_err(Error::io("remove", part))?;
        let found = found.unwrap_or_default();
        return Err(Failure::Mirror(format!("its SHA-256 is {found}, not {}; it was removed", file.sha256)));
    }
    Ok(())
}
