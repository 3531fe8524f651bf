//! Decoded pixels on disk: a file is trusted only if key, length and checksum are right.
//!
//! A file is the 32-byte key, the pixels, and the SHA-256 of both. It appears by a rename, so other
//! processes see all of it or none of it; two that decode the same images write the same file.

use crate::Error;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes whenever decoding, resizing or this format does.
const FORMAT: u32 = 1;
const HASH_BYTES: usize = 32;

/// What decoded pixels depend on.
pub(crate) type Key = [u8; HASH_BYTES];

/// The key of images of `side` x `side` decoded from the files of a listing.
pub(crate) fn key(id: &str, side: usize, listing: impl Iterator<Item = String>) -> Key {
    let mut hash = Sha256::new();
    hash.update(format!("veilbench images {FORMAT}\n{id}\n{side}\n"));
    for line in listing {
        hash.update(line);
    }
    hash.finalize().into()
}

fn path(folder: &Path, id: &str, key: &Key) -> PathBuf {
    folder.join(format!("{id}-{}.pixels", hex::encode(&key[..8])))
}

/// The `length` pixels kept under this key; `None` if there are none or they are damaged.
pub(crate) fn read(folder: &Path, id: &str, key: &Key, length: usize) -> Option<Vec<u8>> {
    let path = path(folder, id, key);
    let size = fs::metadata(&path).ok()?.len();
    if size != (length + 2 * HASH_BYTES) as u64 {
        return None;
    }
    let mut bytes = fs::read(&path).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<HASH_BYTES>()?;
    if !content.starts_with(key) || content.len() != length + HASH_BYTES {
        return None;
    }
    let found: [u8; HASH_BYTES] = Sha256::digest(content).into();
    if found != *checksum {
        return None;
    }
    bytes.truncate(length + HASH_BYTES);
    bytes.drain(..HASH_BYTES);
    Some(bytes)
}

/// Keeps pixels.
pub(crate) fn write(folder: &Path, id: &str, key: &Key, pixels: &[u8]) -> Result<(), Error> {
    let checksum = Sha256::new().chain_update(key).chain_update(pixels).finalize();
    atomically(&path(folder, id, key), |file| {
        file.write_all(key)?;
        file.write_all(pixels)?;
        file.write_all(&checksum)
    })
}

/// Creates or replaces a file and the folders above it: readers see the old one or the whole new one.
pub(crate) fn atomically(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{}-{number}.part", process::id()));
    let written = File::create_new(&temporary)
        .and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", &temporary))
        .and_then(|()| fs::rename(&temporary, path).map_err(Error::io("write", path)));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_key(side: usize) -> Key {
        key("t", side, ["a 1 2\n".to_string()].into_iter())
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "t", &some_key(4), &[1, 2, 3]).unwrap();
        assert_eq!(read(folder.path(), "t", &some_key(4), 3), Some(vec![1, 2, 3]));
        assert_eq!(read(folder.path(), "t", &some_key(4), 4), None);
        assert_eq!(read(folder.path(), "t", &some_key(5), 3), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn every_flipped_byte_and_every_truncation_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let key = some_key(4);
        write(folder.path(), "t", &key, &[1, 2, 3]).unwrap();
        let path = path(folder.path(), "t", &key);
        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[index] ^= 0x10;
            fs::write(&path, flipped).unwrap();
            assert_eq!(read(folder.path(), "t", &key, 3), None, "byte {index}");
            fs::write(&path, &whole[..index]).unwrap();
            assert_eq!(read(folder.path(), "t", &key, 3), None, "{index} bytes");
        }
    }

    #[test]
    fn writers_at_the_same_time_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let key = some_key(4);
        let pixels = vec![7; 100_000];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| write(folder.path(), "t", &key, &pixels).unwrap());
            }
        });
        assert_eq!(read(folder.path(), "t", &key, pixels.len()), Some(pixels));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
