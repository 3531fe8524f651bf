//! A role's file on another host: found there, or sent over the control channel; either way it has the digest that is due.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::record::provenance::sha256;

/// Bytes of a file in one line of the control channel.
pub(crate) const CHUNK: usize = 256 << 10;

/// A file that a role needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDue {
    /// Under which a host that keeps files keeps it.
    pub(crate) name: String,
    /// SHA-256, hexadecimal.
    pub(crate) sha256: String,
}

impl FileDue {
    /// Describes a file of this machine. Prepared images of one network differ by draw, so their name tells which they are.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let sha256 = sha256(&mut File::open(path)?)?;
        let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let (stem, extension) =
            (part(path.file_stem()).unwrap_or_default(), part(path.extension()).unwrap_or_default());
        let name = match &*extension {
            "images" => format!("{stem}-{}.images", sha256.get(..8).unwrap_or_default()),
            _ => format!("{stem}.{extension}"),
        };
        Ok(Self { name, sha256 })
    }
}

/// Why a role has no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{} has SHA-256 {found} where {due} is due; remove it to have it sent, or name another folder with --files",
        path.display()
    )]
    Differs { path: PathBuf, found: String, due: String },
    #[error("{name} came with SHA-256 {found} where {due} was due")]
    Damaged { name: String, found: String, due: String },
}

/// The file of a role on this host.
pub(crate) struct RoleFile {
    due: FileDue,
    path: PathBuf,
    /// Being received, and under what name until it is whole.
    incoming: Option<(File, Option<PathBuf>)>,
    /// Keeps a file alive that has no name.
    _unnamed: Option<File>,
}

impl RoleFile {
    /// Looks for a file in the folder that keeps it; without a folder, or if it is not there, it is to be received.
    ///
    /// # Errors
    /// If another file is in its place, or the folder cannot be used.
    pub(crate) fn find(due: FileDue, folder: Option<&Path>) -> Result<Self, TransferError> {
        let Some(folder) = folder else {
            let failed = |source| TransferError::Io { path: PathBuf::from(&due.name), source };
            let memory =
                memfd_create(due.name.as_str(), MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
            let file = File::from(memory);
            let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            let unnamed = file.try_clone().map_err(failed)?;
            // The path names this very descriptor, which is kept; the clone is written to.
            return Ok(Self { due, path, incoming: Some((unnamed, None)), _unnamed: Some(file) });
        };
        let path = folder.join(&due.name);
        let failed = |source| TransferError::Io { path: path.clone(), source };
        match File::open(&path) {
            Ok(mut file) => match sha256(&mut file).map_err(failed)? {
                found if found == due.sha256 => Ok(Self { due, path, incoming: None, _unnamed: None }),
                found => Err(TransferError::Differs { path, found, due: due.sha256 }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (file, partial) = new_file(folder, &due.name)
                    .map_err(|source| TransferError::Io { path: folder.to_owned(), source })?;
                Ok(Self { due, path, incoming: Some((file, Some(partial))), _unnamed: None })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether it is to be received.
    pub(crate) fn is_wanted(&self) -> bool {
        self.incoming.is_some()
    }

    /// Takes the next part, in hexadecimal.
    ///
    /// # Errors
    /// If it is none, or cannot be written.
    pub(crate) fn take(&mut self, chunk: &str) -> Result<(), TransferError> {
        let Some((file, _)) = &mut self.incoming else { return Ok(()) };
        let bytes = hex::decode(chunk).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        let written = bytes.and_then(|bytes| file.write_all(&bytes));
        written.map_err(|source| TransferError::Io { path: self.path.clone(), source })
    }

    /// Checks what was received and gives it its name.
    ///
    /// # Errors
    /// If its digest is not the one that is due.
    pub(crate) fn finish(&mut self) -> Result<(), TransferError> {
        let Some((file, partial)) = self.incoming.take() else { return Ok(()) };
        drop(file);
        let received = partial.clone().unwrap_or_else(|| self.path.clone());
        let failed = |source| TransferError::Io { path: received.clone(), source };
        let found = File::open(&received).and_then(|mut file| sha256(&mut file)).map_err(failed)?;
        if found != self.due.sha256 {
            let _left = partial.map(fs::remove_file);
            let FileDue { name, sha256: due } = self.due.clone();
            return Err(TransferError::Damaged { name, found, due });
        }
        partial.map_or(Ok(()), |partial| fs::rename(partial, &self.path)).map_err(failed)
    }

    /// Where it can be read from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a file of its own, for this user alone, under a name that nobody can have taken or made a link of.
fn new_file(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .rand_bytes(16)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    Ok(file.keep()?)
}

impl Drop for RoleFile {
    fn drop(&mut self) {
        if let Some((_, Some(partial))) = &self.incoming {
            let _gone = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn due(bytes: &[u8]) -> FileDue {
        FileDue { name: "mnist.onnx".into(), sha256: hex::encode(Sha256::digest(bytes)) }
    }

    #[test]
    fn a_file_is_sent_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RoleFile::find(due(b"weights"), Some(folder.path())).unwrap();
        assert!(file.is_wanted());
        file.take(&hex::encode(b"weig")).unwrap();
        file.take(&hex::encode(b"hts")).unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"weights");
        assert!(!RoleFile::find(due(b"weights"), Some(folder.path())).unwrap().is_wanted());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_received_goes_to_a_new_file_of_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let aim = folder.path().join("aim");
        fs::write(&aim, "untouched").unwrap();
        std::os::unix::fs::symlink(&aim, folder.path().join(format!(".mnist.onnx.{}", std::process::id())))
            .unwrap();
        let before = fs::read_dir(folder.path()).unwrap().count();
        let mut file = RoleFile::find(due(b"weights"), Some(folder.path())).unwrap();
        let again = RoleFile::find(due(b"weights"), Some(folder.path())).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 2, "each has its own");
        drop(again);
        file.take(&hex::encode(b"weights")).unwrap();
        file.finish().unwrap();
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&aim).unwrap(), "untouched");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 1);
    }

    #[test]
    fn without_a_folder_it_leaves_nothing_on_the_disk() {
        let mut file = RoleFile::find(due(b"images"), None).unwrap();
        file.take(&hex::encode(b"images")).unwrap();
        file.finish().unwrap();
        assert!(file.path().starts_with("/proc/self/fd"));
        assert_eq!(fs::read(file.path()).unwrap(), b"images");
        assert_eq!(fs::read(file.path()).unwrap(), b"images", "and again, from its start");
    }

    #[test]
    fn another_file_and_a_damaged_one_are_refused_with_both_digests() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mnist.onnx"), b"other").unwrap();
        let refused = RoleFile::find(due(b"weights"), Some(folder.path())).err().unwrap().to_string();
        assert!(refused.contains("mnist.onnx has SHA-256 ") && refused.contains(&due(b"other").sha256));
        assert!(refused.contains(&due(b"weights").sha256));
        fs::remove_file(folder.path().join("mnist.onnx")).unwrap();
        for mut file in
            [None, Some(folder.path())].map(|folder| RoleFile::find(due(b"weights"), folder).unwrap())
        {
            file.take(&hex::encode(b"weightz")).unwrap();
            assert!(file.finish().unwrap_err().to_string().contains("came with SHA-256"));
            assert!(file.take("0g").is_ok(), "nothing is awaited any more");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn chunks_survive_the_channel() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut file = RoleFile::find(due(&bytes), None).unwrap();
        assert!(file.take("0").is_err() && file.take("zz").is_err());
        file.take(&hex::encode(&bytes)).unwrap();
        file.finish().unwrap();
    }
}
