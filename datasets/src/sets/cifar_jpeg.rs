//! CIFAR-10 as JPEG files of a public copy: lossy, so that no accuracy on it can be compared with one on the originals.
//!
//! Read from two archives that hold the files of a half each, or from the copy's own folders,
//! `train/<class>/NNNN.jpg` and `test/<class>/NNNN.jpg`. Either way images are in the archives' order: number by
//! number, class by class within a number, so that the beginning of a half has every class equally often.

use crate::formats::npz::Npz;
use crate::formats::resize;
use crate::sets::cifar::{CLASSES, FOLDER, IMAGE_BYTES, SIDE, empty};
use crate::sets::tree::{self, ImageFile};
use crate::store::cache;
use crate::{Dataset, Error, Loaded, Split, Store};
use image::{ImageFormat, ImageReader, Limits};
use rayon::prelude::*;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Name of the data set.
pub(crate) const ID: &str = "cifar10-jpeg";
/// More than the 15 MB of all training images.
const LIMIT_BYTES: u64 = 1 << 26;
/// No JPEG of this size has more.
const MAX_JPEG_BYTES: usize = 1 << 16;
/// What an image takes to decode, generously.
const MAX_DECODE_BYTES: u64 = 1 << 20;

/// Name of a half's archive.
pub(crate) fn archive_name(split: Split) -> String {
    format!("cifar10_{}_jpeg.npz", split.name())
}

/// From the archive of a half if it is there, else from its folders.
pub(crate) fn load(store: &Store, split: Split) -> Result<Loaded, Error> {
    let folder = store.data().join(FOLDER);
    let archive = folder.join(archive_name(split));
    if archive.is_file() {
        return from_archive_cached(store, &archive);
    }
    let files = photographs(&folder, split)?;
    if files.is_empty() {
        return Err(Error::Missing { id: ID.into(), base: ID, folder });
    }
    let (pixels, note) = tree::planes(store, ID, &files, SIDE)?;
    let labels = files.iter().map(|file| file.class as u8).collect();
    Ok(Loaded { dataset: Dataset { pixels, labels, ..empty(ID) }, notes: note.into_iter().collect() })
}

/// The JPEG files of a half below `folder`.
pub(crate) fn photographs(folder: &Path, split: Split) -> Result<Vec<ImageFile>, Error> {
    let mut files = tree::list(&folder.join(split.name()), &CLASSES, &["jpg", "jpeg"])?;
    files.sort_by(|a, b| (&a.name, a.class).cmp(&(&b.name, b.class)));
    Ok(files)
}

/// The decoded images of files from folders, without the cache.
pub(crate) fn from_files(files: &[ImageFile]) -> Result<Dataset, Error> {
    let images: Result<Vec<_>, Error> = files.par_iter().map(|file| tree::decode(&file.path, SIDE)).collect();
    let labels = files.iter().map(|file| file.class as u8).collect();
    Ok(Dataset { pixels: images?.concat(), labels, ..empty(ID) })
}

/// The decoded images of an archive, without the cache.
pub(crate) fn from_archive(path: &Path) -> Result<Dataset, Error> {
    let archive = Archive::open(path)?;
    Ok(Dataset { pixels: archive.decode()?, labels: archive.labels, ..empty(ID) })
}

fn from_archive_cached(store: &Store, path: &Path) -> Result<Loaded, Error> {
    let facts = fs::metadata(path).map_err(Error::io("read", path))?;
    let modified = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let listing = format!("{name} {} {}\n", facts.len(), modified.map_or(0, |since| since.as_nanos()));
    let key = cache::key(ID, SIDE, [listing].into_iter());
    let archive = Archive::open(path)?;
    let mut notes = Vec::new();
    let pixels = match cache::read(store.cache(), ID, &key, archive.labels.len() * IMAGE_BYTES) {
        Some(pixels) => pixels,
        None => {
            let pixels = archive.decode()?;
            if let Err(error) = cache::write(store.cache(), ID, &key, &pixels) {
                notes.push(format!("the decoded images of `{ID}` were not kept: {error}"));
            }
            pixels
        }
    };
    Ok(Loaded { dataset: Dataset { pixels, labels: archive.labels, ..empty(ID) }, notes })
}

/// JPEG files that share their header: file `i` is `header` and `scans[offsets[i]..offsets[i + 1]]`.
struct Archive<'a> {
    path: &'a Path,
    header: Vec<u8>,
    offsets: Vec<u32>,
    scans: Vec<u8>,
    labels: Vec<u8>,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let mut npz = Npz::open(path)?;
        let header = npz.bytes("header", MAX_JPEG_BYTES as u64)?.values;
        let offsets = npz.words("offsets", LIMIT_BYTES)?;
        let scans = npz.bytes("scans", LIMIT_BYTES)?.values;
        let labels = npz.bytes("labels", LIMIT_BYTES)?.values;
        let unusable = |reason: String| Err(Error::unusable(path, reason));
        if offsets.len() != labels.len() + 1 || labels.is_empty() {
            return unusable(format!("it has {} offsets for {} labels", offsets.len(), labels.len()));
        }
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= CLASSES.len()) {
            return unusable(format!(
                "label {} of image {index} is not below {}",
                labels[index],
                CLASSES.len()
            ));
        }
        let is_bounded = |pair: &[u32]| pair[0] <= pair[1] && (pair[1] - pair[0]) as usize <= MAX_JPEG_BYTES;
        if let Some(index) = offsets.windows(2).position(|pair| !is_bounded(pair)) {
            return unusable(format!("the offsets of image {index} are no place of a small image"));
        }
        if offsets.last().is_some_and(|&end| end as usize > scans.len()) {
            return unusable(format!("its offsets go beyond the {} bytes of its scans", scans.len()));
        }
        Ok(Self { path, header, offsets, scans, labels })
    }

    fn decode(&self) -> Result<Vec<u8>, Error> {
        let images = self.offsets.par_windows(2).enumerate().map(|(index, pair)| {
            let file = [&self.header[..], &self.scans[pair[0] as usize..pair[1] as usize]].concat();
            decode(file).map_err(|reason| Error::unusable(self.path, format!("image {index}: {reason}")))
        });
        Ok(images.collect::<Result<Vec<_>, Error>>()?.concat())
    }
}

/// One JPEG file as three planes.
fn decode(file: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut reader = ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE as u32);
    limits.max_image_height = Some(SIDE as u32);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| error.to_string())?.into_rgb8();
    if image.dimensions() != (SIDE as u32, SIDE as u32) {
        return Err(format!("it has {}x{} pixels, not {SIDE}x{SIDE}", image.width(), image.height()));
    }
    Ok(resize::rgb_planes(image.as_raw(), SIDE, SIDE, SIDE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder};
    use std::fs::File;
    use std::io::Write;
    use std::path::PathBuf;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn jpeg(side: u32, level: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels = vec![level; (3 * side * side) as usize];
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .write_image(&pixels, side, side, ExtendedColorType::Rgb8)
            .unwrap();
        bytes
    }

    fn npy(descr: &str, count: usize, values: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({count},), }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values);
        file
    }

    fn npz(path: &Path, offsets: &[u32], scans: &[u8], labels: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        let words: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        // The two bytes with which every JPEG file begins are the header of these.
        for (name, file) in [
            ("header.npy", npy("|u1", 2, &[0xff, 0xd8])),
            ("offsets.npy", npy("<u4", offsets.len(), &words)),
            ("scans.npy", npy("|u1", scans.len(), scans)),
            ("labels.npy", npy("|u1", labels.len(), labels)),
        ] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&file).unwrap();
        }
        zip.finish().unwrap();
    }

    fn place() -> (tempfile::TempDir, Store, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), folder.path().join("cache"));
        let path = folder.path().join("cifar10").join(archive_name(Split::Test));
        (folder, store, path)
    }

    #[test]
    fn an_archive_and_folders_of_the_same_files_give_the_same_images() {
        let (folder, store, path) = place();
        let files = [jpeg(32, 40), jpeg(32, 200), jpeg(32, 90)];
        let (mut scans, mut offsets) = (Vec::new(), vec![0]);
        for file in &files {
            scans.extend(&file[2..]);
            offsets.push(scans.len() as u32);
        }
        npz(&path, &offsets, &scans, &[0, 9, 0]);
        let archived = load(&store, Split::Test).unwrap().dataset;
        assert_eq!((&archived.labels[..], archived.id.as_str()), (&[0, 9, 0][..], "cifar10-jpeg"));
        assert!(archived.image(1).iter().all(|&level| level.abs_diff(200) <= 2));
        assert_eq!(load(&store, Split::Test).unwrap().dataset, archived, "the cache gives the same");
        assert!(matches!(load(&store, Split::Train), Err(Error::Missing { base: "cifar10-jpeg", .. })));

        fs::remove_file(&path).unwrap();
        for (name, file) in ["airplane/0000.jpg", "truck/0000.jpg", "airplane/0001.jpg"].iter().zip(&files) {
            let path = folder.path().join("cifar10/test").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        assert_eq!(load(&store, Split::Test).unwrap().dataset, archived);
    }

    #[test]
    fn archives_that_do_not_hold_what_they_say_are_named_errors() {
        let (_folder, store, path) = place();
        let scans = jpeg(32, 40)[2..].to_vec();
        let (length, wide) = (scans.len() as u32, jpeg(40, 1)[2..].to_vec());
        for (offsets, scans, labels, part) in [
            (vec![0, length, length], &scans, vec![0, 1], "image 1"),
            (vec![0, length], &scans, vec![0, 1], "2 offsets for 2 labels"),
            (vec![0, length + 1], &scans, vec![0], "beyond"),
            (vec![length, 0], &scans, vec![0], "offsets of image 0"),
            (vec![0, u32::MAX], &scans, vec![0], "offsets of image 0"),
            (vec![0, length], &scans, vec![10], "label 10"),
            (vec![0, length / 4], &scans, vec![1], "image 0"),
            (vec![0, wide.len() as u32], &wide, vec![1], "image 0"),
            (vec![0], &scans, vec![], "1 offsets for 0 labels"),
        ] {
            npz(&path, &offsets, scans, &labels);
            let error = load(&store, Split::Test).unwrap_err().to_string();
            assert!(error.contains("cifar10_test_jpeg.npz") && error.contains(part), "{part}: {error}");
        }
    }
}
