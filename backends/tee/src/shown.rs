//! What a process shows of itself to be measured: files of `/proc` that the kernel fills, whoever reads them.
//!
//! A process that nobody may look into opens them itself and hands over the descriptors. The name of a descriptor says
//! which process it is about, and the device that the kernel and nobody else has written it.

use std::fs::{File, read_link};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

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
        let (proc, _) = identity(&stat("/proc"), asking)?;
        if device(&self.mappings)?.0 != proc || path(&self.mappings)? != format!("/proc/{process}/smaps") {
            return refuse("what it shows are not its mappings");
        }
        if device(&self.mounts)? != identity(&stat("/proc/self/ns/mnt"), asking)? {
            return refuse("it is in another mount namespace");
        }
        let mut table = Vec::new();
        let read = File::try_clone(&self.mappings).and_then(|mut file| file.read_to_end(&mut table));
        read.map_err(|source| Error::System { doing: "reading the mappings of a process", source })?;
        Ok(String::from_utf8_lossy(&table).into_owned())
    }

    pub(crate) fn program_path(&self) -> Result<String> {
        path(&self.program)
    }
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
