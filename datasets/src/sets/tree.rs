//! Images in one folder a class: listing them, and decoding them once into the cache.

use crate::formats::png::check_palettes;
use crate::formats::{bounded, resize};
use crate::store::cache;
use crate::{Error, Store};
use image::{ImageReader, Limits};
use rayon::prelude::*;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// No image of these data sets comes near.
pub(crate) const MAX_SIDE: u32 = 8192;
/// Nor has any this many bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 25;
pub(crate) const MAX_DECODE_BYTES: u64 = 1 << 28;

/// One image of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageFile {
    /// Index of its folder among the class folders.
    pub(crate) class: usize,
    /// File name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    modified_ns: u128,
}

/// The images in the class folders of `root` that end in one of `extensions`, sorted by folder and
/// name. A class folder that is not there has none.
pub(crate) fn list(root: &Path, classes: &[&str], extensions: &[&str]) -> Result<Vec<ImageFile>, Error> {
    let mut files = Vec::new();
    for (class, folder) in classes.iter().enumerate() {
        let folder = root.join(folder);
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let entry = entry.map_err(Error::io("list", &folder))?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let known =
                path.extension().is_some_and(|end| extensions.iter().any(|e| end.eq_ignore_ascii_case(e)));
            if !known || name.starts_with('.') {
                continue;
            }
            let facts = fs::metadata(&path).map_err(Error::io("read", &path))?;
            if facts.is_file() {
                let modified = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let modified_ns = modified.map_or(0, |since| since.as_nanos());
                files.push(ImageFile { class, name, path, size_bytes: facts.len(), modified_ns });
            }
        }
    }
    files.sort_by(|a, b| (classes[a.class], &a.name).cmp(&(classes[b.class], &b.name)));
    Ok(files)
}

/// RGB planes of all `files` at `side` x `side`, one image after the other: from the cache, or decoded
/// and then cached. The note says why the cache could not be written.
pub(crate) fn planes(
    store: &Store,
    id: &str,
    files: &[ImageFile],
    side: usize,
) -> Result<(Vec<u8>, Option<String>), Error> {
    let listing = files
        .iter()
        .map(|file| format!("{}/{} {} {}\n", file.class, file.name, file.size_bytes, file.modified_ns));
    let key = cache::key(id, side, listing);
    let length = files.len() * 3 * side * side;
    if let Some(pixels) = cache::read(store.cache(), id, &key, length) {
        return Ok((pixels, None));
    }
    let images = files.par_iter().map(|file| decode(&file.path, side)).collect::<Result<Vec<_>, _>>()?;
    let pixels = images.concat();
    let note = cache::write(store.cache(), id, &key, &pixels).err();
    Ok((pixels, note.map(|error| format!("the decoded images of `{id}` were not kept: {error}"))))
}

/// One image file as RGB planes of `side` x `side`.
pub(crate) fn decode(path: &Path, side: usize) -> Result<Vec<u8>, Error> {
    let bytes = bounded::read(path, MAX_FILE_BYTES)?;
    let unusable = |reason: String| Error::unusable(path, reason);
    check_palettes(&bytes).map_err(unusable)?;
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| unusable(e.to_string()))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| unusable(error.to_string()))?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width == 0 || height == 0 {
        return Err(unusable("it has no pixels".into()));
    }
    Ok(resize::rgb_planes(image.as_raw(), height, width, side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;
    use std::fs::File;

    fn png(path: &Path, level: u8) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(9, 7, image::Rgb([level, 2, 3])).save(path).unwrap();
    }

    #[test]
    fn files_are_sorted_by_class_name_and_name_and_others_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["B/2.png", "B/10.PNG", "A/x.png", "B/.hidden.png"] {
            png(&folder.path().join(name), 1);
        }
        fs::write(folder.path().join("B/Thumbs.db"), "x").unwrap();
        let files = list(folder.path(), &["B", "A", "C"], &["png"]).unwrap();
        let found: Vec<_> = files.iter().map(|file| (file.class, file.name.as_str())).collect();
        assert_eq!(found, [(1, "x.png"), (0, "10.PNG"), (0, "2.png")]);
    }

    #[test]
    fn images_are_decoded_once_and_again_when_a_file_or_the_cache_changes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), folder.path().join("cache"));
        let path = folder.path().join("A/1.png");
        png(&path, 50);
        let read = || {
            let files = list(folder.path(), &["A"], &["png"]).unwrap();
            planes(&store, "t", &files, 4).map(|(pixels, note)| (pixels[0], note))
        };
        assert_eq!(read().unwrap(), (50, None));

        let size = fs::metadata(&path).unwrap().len();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, vec![0; size as usize]).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(read().unwrap(), (50, None), "the listing is the same, so the cache answers");

        let cached = fs::read_dir(store.cache()).unwrap().next().unwrap().unwrap().path();
        let mut bytes = fs::read(&cached).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&cached, bytes).unwrap();
        let error = read().unwrap_err();
        assert!(matches!(&error, Error::Unusable { path: named, .. } if *named == path), "{error}");

        png(&path, 70);
        assert_eq!(read().unwrap(), (70, None));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_a_note_not_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        png(&folder.path().join("A/1.png"), 50);
        let occupied = folder.path().join("occupied");
        fs::write(&occupied, "a file, not a folder").unwrap();
        let files = list(folder.path(), &["A"], &["png"]).unwrap();
        let (pixels, note) = planes(&Store::new(folder.path(), occupied), "t", &files, 2).unwrap();
        assert_eq!(pixels.len(), 12);
        assert!(note.unwrap().contains("occupied"));
    }

    #[test]
    fn truncated_foreign_and_enormous_images_are_named_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.png");
        png(&path, 5);
        let whole = fs::read(&path).unwrap();
        let mut enormous = whole.clone();
        enormous[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let crc = crc32(&enormous[12..29]);
        enormous[29..33].copy_from_slice(&crc.to_be_bytes());
        for bytes in [&whole[..whole.len() / 2], &enormous, b"not an image", b""] {
            fs::write(&path, bytes).unwrap();
            let error = decode(&path, 8).unwrap_err();
            assert!(matches!(&error, Error::Unusable { path: named, .. } if *named == path), "{error}");
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }
}
