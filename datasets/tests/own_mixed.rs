//! A user's data in which formats, parts and labels lie beside one another: each image is read as what it is, refused by name, or
//! its absence is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat};
use veilbench_datasets::{Fitted, Input, Options, OwnData, Pixels, Split, Step};

const INPUT: Input = Input::Image { channels: 1, height: 4, width: 4 };

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn grey(&self, name: &str, format: ImageFormat, level: u8) -> PathBuf {
        let path = self.file(name, b"");
        GrayImage::from_pixel(4, 4, image::Luma([level])).save_with_format(&path, format).unwrap();
        path
    }

    fn png(&self, name: &str, level: u8) -> PathBuf {
        self.grey(name, ImageFormat::Png, level)
    }

    fn open(&self) -> Result<OwnData, String> {
        open(self.path())
    }
}

fn open(path: &Path) -> Result<OwnData, String> {
    OwnData::open(path, &Options::default()).map_err(|error| error.to_string())
}

fn test_part(data: &OwnData) -> Fitted {
    data.fit(Split::Test, INPUT, 3).unwrap()
}

/// The first pixel of each image.
fn levels(fitted: &Fitted) -> Vec<u8> {
    let Pixels::Bytes(values) = &fitted.images.pixels else { panic!("8 bits") };
    values.chunks(16).map(|image| image[0]).collect()
}

#[test]
fn a_table_without_a_split_never_mixes_training_images_into_the_test_part() {
    let place = Place::new();
    for (name, level) in [("train/1.png", 1), ("train/2.png", 2), ("test/3.png", 3), ("val/4.png", 4)] {
        place.png(name, level);
    }
    let rows = "train/1.png,0\ntrain/2.png,1\ntest/3.png,2\nval/4.png,0\n";
    let table = place.file("labels.csv", format!("file,label\n{rows}").as_bytes());
    for path in [place.path(), table.as_path()] {
        let data = open(path).unwrap();
        assert_eq!((data.len(Split::Train), data.len(Split::Test)), (2, 1), "{}", path.display());
        let fitted = test_part(&data);
        assert_eq!((levels(&fitted), fitted.images.labels.as_deref()), (vec![3], Some(&[2][..])));
        let notes = data.notes().join("\n");
        assert!(notes.contains("parts by the folders") && notes.contains("validation part of 1"), "{notes}");
    }
    place.png("5.png", 5);
    place.file("labels.csv", format!("file,label\n{rows}5.png,0\n").as_bytes());
    let error = place.open().unwrap_err();
    assert!(error.contains("labels.csv") && error.contains("line 6") && error.contains("split"), "{error}");
}

#[test]
fn what_a_table_says_of_parts_holds_over_folders_and_is_said() {
    let place = Place::new();
    place.png("train/1.png", 1);
    place.png("train/2.png", 2);
    place.file("labels.csv", b"file,label,split\ntrain/1.png,0,train\ntrain/2.png,1,test\n");
    let data = place.open().unwrap();
    assert_eq!((data.len(Split::Train), levels(&test_part(&data))), (1, vec![2]));
    let notes = data.notes().join("\n");
    assert!(notes.contains("1 of 2 images lie in the folder of another part"), "{notes}");

    place.file("labels.csv", b"file,label\ntrain/1.png,0\ntrain/2.png,1\n");
    let error = place.open().unwrap_err();
    assert!(error.contains("training part alone"), "{error}");
    let named = open(&place.path().join("labels.csv")).unwrap();
    assert_eq!(named.len(Split::Test), 2);
    assert!(named.notes().join("\n").contains("of one part (train)"), "{:?}", named.notes());
}

#[test]
fn a_table_without_labels_does_not_hide_folders_of_classes() {
    let place = Place::new();
    place.png("cat/1.png", 1);
    place.png("dog/2.png", 2);
    let table = place.file("list.csv", b"file,age\ncat/1.png,3\ndog/2.png,4\n");
    let error = place.open().unwrap_err();
    assert!(error.contains("list.csv") && error.contains("cat, dog") && error.contains("labels"), "{error}");
    assert!(!open(&table).unwrap().has_labels(), "named itself it is what it says");
    fs::remove_file(table).unwrap();
    assert_eq!(place.open().unwrap().classes().unwrap(), ["cat", "dog"]);
    // One folder is no class, and neither are folders of parts.
    let place = Place::new();
    place.png("photos/1.png", 1);
    place.file("list.csv", b"file\nphotos/1.png\n");
    assert!(!place.open().unwrap().has_labels());
}

#[test]
fn other_formats_beside_folders_of_classes_within_a_part_are_refused_by_name() {
    let npy = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own/images.npy")).unwrap();
    for (name, bytes, reason) in [
        ("test/more.npy", npy.as_slice(), "beside them"),
        ("test/more.npz", b"x", "beside them"),
        ("test/labels.csv", b"file,label\na/1.png,3\n", "beside them"),
        ("train/t10k-images-idx3-ubyte", b"x", "beside them"),
        ("train/scan.webp", b"x", "PNG and JPEG are read"),
        ("test/a/scan.tiff", b"x", "PNG and JPEG are read"),
    ] {
        let place = Place::new();
        place.png("train/a/0.png", 1);
        place.png("test/a/1.png", 1);
        place.open().unwrap();
        let path = place.file(name, bytes);
        let error = place.open().unwrap_err();
        assert!(error.contains(&path.display().to_string()) && error.contains(reason), "{error}");
    }
    let place = Place::new();
    place.png("test/a/1.png", 1);
    place.file("test/scores.csv", b"epoch,loss\n1,0.5\n");
    let notes = place.open().unwrap().notes().join("\n");
    assert!(notes.contains("not read: 1 (scores.csv)"), "{notes}");
}

#[test]
fn every_ending_of_png_and_jpeg_is_read_and_other_pictures_are_refused() {
    let place = Place::new();
    let jpeg = ["jpg", "JPEG", "jpe", "jfif", "JIF", "pjpeg", "pjp"];
    for (at, ending) in jpeg.iter().enumerate() {
        place.grey(&format!("a/{at}.{ending}"), ImageFormat::Jpeg, 9);
    }
    place.png("a/7.png", 9);
    place.png("a/8.apng", 9);
    let data = place.open().unwrap();
    assert_eq!((data.len(Split::Test), data.notes()), (9, &[][..]));
    for ending in ["gif", "heic", "tif", "dcm", "nii", "jxl", "WEBP", "cr2"] {
        let path = place.file(&format!("a/x.{ending}"), b"x");
        let error = place.open().unwrap_err();
        assert!(error.contains(&format!("x.{ending}")) && error.contains("convert"), "{error}");
        assert_eq!(open(&path).unwrap_err(), error, "named alone");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_validation_array_alone_keeps_its_labels() {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own");
    for (images, labels) in [("x_val", "y_val"), ("val_images", "val_labels"), ("X_val", "y_val")] {
        let place = Place::new();
        let path = place.file(&format!("{images}.npy"), &fs::read(real.join("images.npy")).unwrap());
        place.file(&format!("{labels}.npy"), &fs::read(real.join("labels.npy")).unwrap());
        let white = Options { pixel_max: Some(65_535.0), ..Options::default() };
        for path in [path.as_path(), place.path()] {
            let data = OwnData::open(path, &white).unwrap();
            let input = Input::Image { channels: 1, height: 4, width: 5 };
            let labels = data.fit(Split::Test, input, 2).unwrap().images.labels;
            assert_eq!(labels, Some(vec![0, 1, 0]), "{}", path.display());
        }
    }
}

#[test]
fn labels_of_a_users_data_are_names_only_where_the_data_names_classes() {
    let place = Place::new();
    place.png("0/1.png", 1);
    place.png("1/2.png", 1);
    assert!(test_part(&place.open().unwrap()).images.names_classes(), "folders have names, even such");
    let place = Place::new();
    place.png("1.png", 1);
    place.file("labels.csv", b"file,label\n1.png,1\n");
    let images = test_part(&place.open().unwrap()).images;
    assert!(!images.names_classes() && images.classes == ["0", "1", "2"]);
    assert!(!images.select(&[0]).names_classes());
}

// Bad input that has no test among those of each format.

#[test]
fn an_empty_class_folder_of_a_part_is_refused_by_name() {
    let place = Place::new();
    for name in ["train/a/1.png", "train/b/2.png", "test/a/3.png"] {
        place.png(name, 1);
    }
    fs::create_dir(place.path().join("test/b")).unwrap();
    let error = place.open().unwrap_err();
    assert!(error.contains("test/b") && error.contains("holds no image"), "{error}");
}

#[test]
fn transparent_images_of_16_bits_or_of_grey_are_refused_or_stated_like_any_other() {
    let place = Place::new();
    let deep =
        DynamicImage::ImageRgba16(image::ImageBuffer::from_pixel(4, 4, image::Rgba([256, 512, 768, 9])));
    let grey = DynamicImage::ImageLumaA8(image::ImageBuffer::from_pixel(4, 4, image::LumaA([7, 8])));
    for (name, image, channels) in [("deep.png", deep, 3), ("grey.png", grey, 1)] {
        let path = place.file(name, b"");
        image.save(&path).unwrap();
        let input = Input::Image { channels, height: 4, width: 4 };
        let error = open(&path).unwrap().fit(Split::Test, input, 2).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("--allow drop-alpha"), "{error}");
        let allowed = Options { allow: vec![Step::DropAlpha], pixel_max: None };
        let fitted = OwnData::open(&path, &allowed).unwrap().fit(Split::Test, input, 2).unwrap();
        let notes = fitted.notes.join("\n");
        assert!(notes.contains("alpha channel, left out though not opaque"), "{notes}");
        let first = if name == "deep.png" { 256.0 / 65_535.0 } else { 7.0 / 255.0 };
        assert_eq!(fitted.images.pixels.scaled()[0], first);
    }
}

/// A PNG with an EXIF block that says it lies on its side (orientation 6), as cameras' exports have.
#[test]
fn an_exif_orientation_in_a_png_is_no_less_seen_than_in_a_jpeg() {
    let place = Place::new();
    let path = place.png("side.png", 3);
    let whole = fs::read(&path).unwrap();
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"eXIf");
    chunk.extend(exif);
    chunk.extend(crc(&chunk[4..]).to_be_bytes());
    // Behind the signature and the header.
    let turned = [&whole[..33], &chunk, &whole[33..]].concat();
    fs::write(&path, turned).unwrap();
    let error = open(&path).unwrap().fit(Split::Test, INPUT, 2).unwrap_err().to_string();
    assert!(error.contains("side.png") && error.contains("--allow rotate"), "{error}");
}

/// CRC-32 of PNG (ISO 3309), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[test]
fn a_folder_or_a_dead_link_that_a_table_names_is_no_image() {
    let place = Place::new();
    place.png("a.png", 1);
    fs::create_dir(place.path().join("b.png")).unwrap();
    std::os::unix::fs::symlink("nowhere.png", place.path().join("c.png")).unwrap();
    for name in ["b.png", "c.png"] {
        place.file("labels.csv", format!("file,label\na.png,0\n{name},1\n").as_bytes());
        let error = place.open().unwrap_err();
        assert!(error.contains("labels.csv") && error.contains("line 3") && error.contains(name), "{error}");
    }
    fs::remove_file(place.path().join("labels.csv")).unwrap();
    fs::remove_dir(place.path().join("b.png")).unwrap();
    let error =
        place.open().and_then(|data| data.fit(Split::Test, INPUT, 2).map_err(|error| error.to_string()));
    assert!(error.as_ref().is_err_and(|error| error.contains("c.png")), "{error:?}");
}

/// Thumbnails, the halves of files that macOS writes beside them, and what version control keeps.
#[test]
fn hidden_files_and_folders_are_left_out_everywhere_and_counted() {
    let place = Place::new();
    for (name, level) in [("train/a/1.png", 1), ("test/a/2.png", 2), ("test/b/deep/3.png", 3)] {
        place.png(name, level);
    }
    let notes = place.open().unwrap().notes().join("\n");
    assert!(!notes.contains("hidden"), "{notes}");
    for name in
        ["test/.thumbnails/9.png", "test/b/.thumbnails/9.png", "test/b/.thumbnails/10.png", "test/b/._2.png"]
    {
        place.png(name, 9);
    }
    // What nobody sees is not looked into either: formats that are not read, data of its own, more folders than images may lie below.
    place.file("test/a/.cache/9.gif", b"x");
    place.file(".git/0/1/2/3/4/5/6/7/8/9/10/object", b"x");
    place.file("._t10k-images-idx3-ubyte", b"x");
    place.file(".labels.csv", b"file,label\nx.png,0\n");
    let data = place.open().unwrap();
    assert_eq!((data.len(Split::Train), levels(&test_part(&data))), (1, vec![2, 3]));
    let notes = data.notes().join("\n");
    assert!(notes.contains("hidden files and folders that were not read: 7 ("), "{notes}");
    assert!(!notes.contains("files that were not read: 1"), "{notes}");

    let flat = Place::new();
    flat.png("1.png", 1);
    flat.png(".2.png", 2);
    let data = flat.open().unwrap();
    assert_eq!(levels(&test_part(&data)), [1]);
    assert!(data.notes().join("\n").contains("hidden files and folders that were not read: 1 (.2.png)"));
}

#[test]
fn a_class_of_hidden_images_alone_is_refused_and_what_is_named_is_read_though_hidden() {
    let place = Place::new();
    place.png("a/1.png", 1);
    place.png("b/.thumbnails/2.png", 2);
    let error = place.open().unwrap_err();
    assert!(error.contains("/b:") && error.contains("holds no image"), "{error}");

    let hidden = place.png(".store/.3.png", 3);
    assert_eq!(levels(&test_part(&open(&hidden).unwrap())), [3]);
    place.png(".store/4.png", 4);
    assert_eq!(levels(&test_part(&open(&place.path().join(".store")).unwrap())), [4]);
    place.file("labels.csv", b"file,label\na/1.png,0\n.store/.3.png,1\n");
    let data = place.open().unwrap();
    assert_eq!(levels(&test_part(&data)), [1, 3]);
    let notes = data.notes().join("\n");
    assert!(notes.contains("hidden files and folders that were not read: 1 (.thumbnails)"), "{notes}");
}
