//! A temporary folder for images and weights that nobody else can read and that does not outlive its harness for long.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = "veilbench-";

/// Held as long as the folder is in use; the kernel lets go of it when the process ends, however it ends.
const LOCK: &str = "in-use";

/// A folder of mode 0700 that goes when this does. One whose process was killed is removed by the next that makes one.
pub struct PrivateFolder {
    folder: TempDir,
    _lock: File,
}

impl std::fmt::Debug for PrivateFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PrivateFolder").field(&self.path()).finish()
    }
}

impl PrivateFolder {
    /// Makes one in the folder for temporary files, after removing those of processes that are gone.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        Self::in_folder(&parent)
    }

    fn in_folder(parent: &Path) -> io::Result<Self> {
        let private = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(parent)?;
        // Under its name only once it is held: another harness may look for abandoned folders at any moment.
        let unnamed = folder.path().join("being-made");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes folders of this user whose lock nobody holds. What cannot be read or removed is left.
fn sweep(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
        // A folder without its lock is just being made.
        let abandoned = ours && File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            let _left = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_read_it_and_what_a_killed_harness_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let used = PrivateFolder::in_folder(parent.path()).unwrap();
        assert_eq!(fs::metadata(used.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let left = parent.path().join("veilbench-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("mnist.images"), [1, 2, 3]).unwrap();
        let being_made = parent.path().join("veilbench-being-made");
        fs::create_dir(&being_made).unwrap();
        sweep(parent.path());
        assert!(!left.exists() && used.path().exists() && being_made.exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
    #[test]
    fn a_folder_that_is_being_made_is_never_taken_for_an_abandoned_one() {
        let parent = tempfile::tempdir().unwrap();
        let make = || {
            for _ in 0..200 {
                let folder = PrivateFolder::in_folder(parent.path()).unwrap();
                sweep(parent.path());
                assert!(folder.path().join(LOCK).exists());
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(make);
            }
        });
    }
}
