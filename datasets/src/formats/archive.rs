//! Unpacking zip and tar archives that nobody vouches for.

use crate::Error;
use flate2::read::GzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};
use zip::ZipArchive;

/// What an archive may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) entry_bytes: u64,
    pub(crate) total_bytes: u64,
}

/// Room for any of the data sets: the largest holds 27,560 entries and 350 MB.
pub(crate) const LIMITS: Limits = Limits { entries: 200_000, entry_bytes: 1 << 27, total_bytes: 1 << 32 };

/// Endings of the names of tar archives.
const TAR: [&str; 3] = [".tar.gz", ".tgz", ".tar"];

const TAR_BLOCK_BYTES: u64 = 512;

/// Whether a file is an archive by its name.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    name.ends_with(".zip") || is_tar(&name)
}

fn is_tar(name: &str) -> bool {
    TAR.iter().any(|end| name.ends_with(end))
}

/// Unpacks the files that `wanted` names into `folder`. Sizes are counted as bytes come out, whatever
/// the archive says of them.
///
/// # Errors
/// [`Error::Unusable`] for an archive that is broken, exceeds a limit, holds a link or names a path
/// outside of itself.
pub(crate) fn unpack(
    path: &Path,
    folder: &Path,
    limits: Limits,
    wanted: impl Fn(&Path) -> bool,
) -> Result<(), Error> {
    if is_tar(&path.to_string_lossy().to_lowercase()) {
        return unpack_tar(path, folder, limits, wanted);
    }
    let unusable = |reason: String| Error::unusable(path, reason);
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| unusable(error.to_string()))?;
    if archive.len() > limits.entries {
        return Err(unusable(format!("it has {} entries, over {}", archive.len(), limits.entries)));
    }
    let mut total = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| unusable(error.to_string()))?;
        let Some(name) = entry.enclosed_name() else {
            return Err(unusable(format!("entry {index} names a path outside of the archive")));
        };
        if entry.is_symlink() {
            return Err(unusable(format!("{} is a link", name.display())));
        }
        if entry.is_dir() || !wanted(&name) {
            continue;
        }
        let target = folder.join(&name);
        let parent = target.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let output = File::create(&target).map_err(Error::io("write", &target))?;
        let room = limits.entry_bytes.min(limits.total_bytes - total);
        let size = copy(&mut entry, output, room + 1)
            .map_err(|error| unusable(format!("{}: {error}", name.display())))?;
        if size > room {
            return Err(unusable(format!("{} unpacks to more than {room} bytes", name.display())));
        }
        total += size;
    }
    Ok(())
}

fn unpack_tar(
    path: &Path,
    folder: &Path,
    limits: Limits,
    wanted: impl Fn(&Path) -> bool,
) -> Result<(), Error> {
    let unusable = |reason: String| Error::unusable(path, reason);
    let file = BufReader::new(File::open(path).map_err(Error::io("read", path))?);
    let is_plain = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"));
    let bytes: Box<dyn Read> = if is_plain { Box::new(file) } else { Box::new(GzDecoder::new(file)) };
    // Skipped files are unpacked too; an entry has a header and is filled up to whole blocks.
    let most = limits.total_bytes.saturating_add(2 * TAR_BLOCK_BYTES * limits.entries as u64);
    let mut archive = tar::Archive::new(bytes.take(most));
    let mut total = 0;
    for (index, entry) in archive.entries().map_err(|error| unusable(error.to_string()))?.enumerate() {
        if index >= limits.entries {
            return Err(unusable(format!("it has more than {} entries", limits.entries)));
        }
        let mut entry = entry.map_err(|error| unusable(error.to_string()))?;
        let name = entry.path().map_err(|error| unusable(error.to_string()))?.into_owned();
        if !name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(unusable(format!("entry {index} names a path outside of the archive")));
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(unusable(format!("{} is a link", name.display())));
        }
        if !kind.is_file() || !wanted(&name) {
            continue;
        }
        let target = folder.join(&name);
        let parent = target.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let output = File::create(&target).map_err(Error::io("write", &target))?;
        let room = limits.entry_bytes.min(limits.total_bytes - total);
        let promised = entry.size();
        let size = copy(&mut entry, output, room + 1)
            .map_err(|error| unusable(format!("{}: {error}", name.display())))?;
        if size > room {
            return Err(unusable(format!("{} unpacks to more than {room} bytes", name.display())));
        }
        if size != promised {
            return Err(unusable(format!("it ends within {}", name.display())));
        }
        total += size;
    }
    Ok(())
}

fn copy(from: impl Read, mut to: File, limit: u64) -> io::Result<u64> {
    io::copy(&mut from.take(limit), &mut to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const SMALL: Limits = Limits { entries: 3, entry_bytes: 1000, total_bytes: 1500 };

    fn zipped(path: &Path, entries: &[(&str, &[u8])]) {
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    fn unpacked(entries: &[(&str, &[u8])]) -> (tempfile::TempDir, Result<(), Error>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        zipped(&path, entries);
        let result = unpack(&path, &folder.path().join("out"), SMALL, |name| name.extension().is_some());
        (folder, result)
    }

    #[test]
    fn wanted_files_come_out_and_others_do_not() {
        let (folder, result) = unpacked(&[("a/b.png", b"1"), ("a/Thumbs", b"2")]);
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("out/a/b.png")).unwrap(), b"1");
        assert!(!folder.path().join("out/a/Thumbs").exists());
    }

    #[test]
    fn a_path_out_of_the_archive_is_refused() {
        for name in ["../evil.png", "a/../../evil.png", "/evil.png"] {
            let (folder, result) = unpacked(&[(name, b"1")]);
            let escaped = folder.path().join("evil.png");
            assert!(!escaped.exists() && !Path::new("/evil.png").exists(), "{name}");
            assert!(result.is_err() || folder.path().join("out/evil.png").exists(), "{name}");
        }
    }

    #[test]
    fn bombs_are_stopped_while_they_unpack() {
        let bomb = vec![0; 1 << 20];
        assert!(unpacked(&[("a.png", &bomb)]).1.unwrap_err().to_string().contains("more than 1000"));
        let half = vec![0; 900];
        let result = unpacked(&[("a.png", &half), ("b.png", &half)]).1;
        assert!(result.unwrap_err().to_string().contains("more than 600"));
        let many: [(&str, &[u8]); 4] = [("a.png", b""), ("b.png", b""), ("c.png", b""), ("d.png", b"")];
        assert!(unpacked(&many).1.unwrap_err().to_string().contains("4 entries"));
    }

    #[test]
    fn a_truncated_archive_and_a_broken_entry_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let noise: Vec<u8> = (0..900u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        zipped(&path, &[("a.png", &noise)]);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[200] ^= 1;
        for bytes in [&whole[..whole.len() / 2], &flipped, b""] {
            fs::write(&path, bytes).unwrap();
            let error = unpack(&path, &folder.path().join("out"), SMALL, |_| true).unwrap_err();
            assert!(error.to_string().contains("a.zip"), "{error}");
        }
    }

    fn tarred(path: &Path, entries: &[(&str, &[u8])]) {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            File::create(path).unwrap(),
            flate2::Compression::default(),
        ));
        for (name, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_entry_type(if name.ends_with(".link") {
                tar::EntryType::Symlink
            } else {
                tar::EntryType::Regular
            });
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    }

    fn untarred(entries: &[(&str, &[u8])]) -> (tempfile::TempDir, Result<(), Error>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        tarred(&path, entries);
        let result = unpack(&path, &folder.path().join("out"), SMALL, |name| name.extension().is_some());
        (folder, result)
    }

    #[test]
    fn a_tar_archive_is_unpacked_within_the_same_bounds() {
        let (folder, result) = untarred(&[("a/b.bin", b"1"), ("a/readme", b"2")]);
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("out/a/b.bin")).unwrap(), b"1");
        assert!(!folder.path().join("out/a/readme").exists());
        for name in ["../evil.bin", "/evil.bin"] {
            let (folder, result) = untarred(&[(name, b"1")]);
            assert!(result.unwrap_err().to_string().contains("outside"));
            assert!(!folder.path().join("evil.bin").exists() && !Path::new("/evil.bin").exists());
        }
        assert!(untarred(&[("a.link", b"")]).1.unwrap_err().to_string().contains("link"));
        assert!(untarred(&[("a.bin", &[0; 1200])]).1.is_err());
        let many: [(&str, &[u8]); 4] = [("a.png", b""), ("b.png", b""), ("c.png", b""), ("d.png", b"")];
        assert!(untarred(&many).1.unwrap_err().to_string().contains("more than 3 entries"));
    }

    #[test]
    fn a_tar_archive_that_is_cut_or_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        let noise: Vec<u8> = (0..900u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        tarred(&path, &[("a.bin", &noise)]);
        let whole = fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() / 2], b"neither", b""] {
            fs::write(&path, bytes).unwrap();
            let error = unpack(&path, &folder.path().join("out"), LIMITS, |_| true).unwrap_err();
            assert!(error.to_string().contains("a.tar.gz"), "{error}");
        }
    }
}
