//! What a process shows of itself to be measured: files of `/proc` that the kernel fills, whoever reads them.
//!
//! A process that nobody may look into opens them itself and hands over the descriptors. The name of a descriptor says
//! which process it is about, its device and number that the kernel and nobody else has written it. What the kernel tells of
//! any process to anybody, its mounts and who traces it, is asked directly.

use std::fs::{self, File, read_link};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Stat, fstat, stat};

use crate::{Error, Result};

/// Descriptors of a process' mappings, program and mount namespace.
#[derive(Debug)]
pub struct ShownProcess {
    mappings: File,
    program: File,
    mounts: File,
}

impl ShownProcess {
    /// Opens those of a process, `None` for the caller's own.
    ///
    /// # Errors
    /// [`Error::System`] if the process is gone, or may not be looked into.
    pub fn open(process: Option<u32>) -> Result<Self> {
        let folder = process.map_or("/proc/self".to_owned(), |process| format!("/proc/{process}"));
        let open = |name, doing| {
            File::open(format!("{folder}/{name}")).map_err(|source| Error::System { doing, source })
        };
        Ok(Self {
            mappings: open("smaps", "opening the mappings of a process")?,
            program: open("exe", "opening the program of a process")?,
            mounts: open("ns/mnt", "asking which files a process sees")?,
        })
    }

    /// As they came from another process.
    pub fn from_descriptors([mappings, program, mounts]: [OwnedFd; 3]) -> Self {
        Self { mappings: mappings.into(), program: program.into(), mounts: mounts.into() }
    }

    /// For the way to another process.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        [self.mappings.as_fd(), self.program.as_fd(), self.mounts.as_fd()]
    }

    pub(crate) fn program(&self) -> &File {
        &self.program
    }

    /// The table of mappings as it is now, if it is that of `process` and the caller sees the same files.
    pub(crate) fn mappings(&self, process: u32) -> Result<String> {
        let refuse = |reason| Err(Error::Unmeasurable { mapping: format!("process {process}"), reason });
        let asking = "asking what a process shows";
        let device = |file: &File| identity(&fstat(file), asking);
        let due = format!("/proc/{process}/smaps");
        if device(&self.mappings)? != identity(&stat(&due), asking)? || path(&self.mappings)? != due {
            return refuse("what it shows are not its mappings");
        }
        let system = |source| Error::System { doing: asking, source };
        let mounts = |of: &str| fs::read(format!("/proc/{of}/mountinfo")).map_err(system);
        if device(&self.mounts)? != identity(&stat("/proc/self/ns/mnt"), asking)?
            || mounts(&process.to_string())? != mounts("self")?
        {
            return refuse("it is in another mount namespace");
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).map_err(system)?;
        if process != std::process::id() && is_traced(&status) {
            return refuse("another process traces it, and can make it do what its code does not");
        }
        let table = from_start(&self.mappings)
            .map_err(|source| Error::System { doing: "reading the mappings of a process", source })?;
        String::from_utf8(table).or_else(|_| refuse("names of its mappings are no text"))
    }

    pub(crate) fn program_path(&self) -> Result<String> {
        path(&self.program)
    }
}

/// All of a file, wherever those who share the descriptor have moved its position to.
fn from_start(file: &File) -> io::Result<Vec<u8>> {
    let (mut whole, mut block) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match file.read_at(&mut block, whole.len() as u64)? {
            0 => return Ok(whole),
            read => whole.extend_from_slice(&block[..read]),
        }
    }
}

/// Whether `/proc/PID/status` names a tracer, or does not say.
fn is_traced(status: &str) -> bool {
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_none_or(|tracer| tracer.trim() != "0")
}

/// Device and number of a file.
fn identity(found: &rustix::io::Result<Stat>, doing: &'static str) -> Result<(u64, u64)> {
    match found {
        Ok(found) => Ok((found.st_dev, found.st_ino)),
        Err(error) => Err(Error::System { doing, source: (*error).into() }),
    }
}

/// What the kernel calls an open file.
fn path(file: &File) -> Result<String> {
    let link = read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let path =
        link.map_err(|source| Error::System { doing: "asking for the name of a descriptor", source })?;
    Ok(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_position_that_was_moved_hides_nothing() {
        let shown = ShownProcess::open(None).unwrap();
        (&shown.mappings).read_to_end(&mut Vec::new()).unwrap();
        let table = shown.mappings(std::process::id()).unwrap();
        let first = fs::read_to_string("/proc/self/maps").unwrap();
        assert_eq!(table.lines().next().unwrap(), first.lines().next().unwrap());
    }

    #[test]
    fn a_process_is_traced_unless_its_status_says_that_it_is_not() {
        assert!(!is_traced("Name:\tx\nTracerPid:\t0\n"));
        assert!(is_traced("Name:\tx\nTracerPid:\t17\n"));
        assert!(is_traced("Name:\tx\n"));
    }
}
