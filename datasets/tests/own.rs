//! A user's own images, in the formats people have: files of NumPy and Pillow, folders, tables, IDX files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, RgbImage};
use veilbench_datasets::{Error, Fitted, Input, Options, OwnData, Pixels, Split, Step};

/// A file that NumPy or Pillow wrote.
fn real(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own").join(name)
}

/// What NumPy or Pillow make of it.
fn expected(name: &str) -> Vec<u8> {
    fs::read(real(&format!("{name}.bin"))).unwrap()
}

fn image(channels: usize, height: usize, width: usize) -> Input {
    Input::Image { channels, height, width }
}

fn allow(steps: &[Step]) -> Options {
    Options { allow: steps.to_vec(), pixel_max: None }
}

fn white(max: f32) -> Options {
    Options { allow: Vec::new(), pixel_max: Some(max) }
}

fn fit(path: &Path, options: &Options, input: Input, classes: usize) -> Result<Fitted, Error> {
    OwnData::open(path, options)?.fit(Split::Test, input, classes)
}

fn bytes(fitted: &Fitted) -> &[u8] {
    match &fitted.images.pixels {
        Pixels::Bytes(values) => values,
        Pixels::Reals(_) => panic!("more than 8 bits"),
    }
}

/// The error of data that cannot be used, which names the path.
fn refused(path: &Path, options: &Options, input: Input, classes: usize) -> String {
    fit(path, options, input, classes).map(|fitted| fitted.notes).unwrap_err().to_string()
}

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

    fn png(&self, name: &str, level: u8) -> PathBuf {
        self.png_of(name, 4, 4, level)
    }

    fn png_of(&self, name: &str, width: u32, height: u32, level: u8) -> PathBuf {
        let path = self.file(name, b"");
        GrayImage::from_pixel(width, height, image::Luma([level])).save(&path).unwrap();
        path
    }

    fn copy(&self, from: &str, to: &str) -> PathBuf {
        self.file(to, &fs::read(real(from)).unwrap())
    }
}

#[test]
fn medmnist_is_read_with_its_training_part_and_labels_of_two_axes() {
    let data = OwnData::open(&real("medmnist.npz"), &Options::default()).unwrap();
    assert_eq!((data.name(), data.len(Split::Test), data.len(Split::Train)), ("medmnist", 4, 6));
    let test = data.fit(Split::Test, image(3, 6, 6), 3).unwrap();
    assert_eq!(bytes(&test), expected("medmnist-test"));
    let labels: Vec<u8> = test.images.labels.as_ref().unwrap().iter().map(|&label| label as u8).collect();
    assert_eq!(labels, expected("medmnist-labels"));
    assert!(test.notes.iter().any(|note| note.contains("`val_images`")), "{:?}", test.notes);
    assert_eq!(data.fit(Split::Train, image(3, 6, 6), 3).unwrap().images.len(), 6);
}

#[test]
fn floats_to_255_need_a_word_on_white_and_then_are_the_bytes_they_were() {
    let path = real("keras.npz");
    let error = OwnData::open(&path, &Options::default()).unwrap_err().to_string();
    assert!(
        error.contains("keras.npz") && error.contains("x_test") && error.contains("--pixel-max"),
        "{error}"
    );
    let fitted = fit(&path, &white(255.0), image(1, 4, 4), 10).unwrap();
    let bytes = expected("keras-test");
    let values: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    assert_eq!(fitted.images.pixels, Pixels::Reals(values));
    assert!(fitted.notes.iter().any(|note| note.contains("divided by 255")), "{:?}", fitted.notes);
}

#[test]
fn sixteen_bits_in_fortran_order_are_read_with_the_labels_beside_them() {
    let place = Place::new();
    let images = place.copy("images.npy", "images.npy");
    place.copy("labels.npy", "labels.npy");
    for path in [images.as_path(), place.path()] {
        let fitted = fit(path, &white(65_535.0), image(1, 4, 5), 2).unwrap();
        assert_eq!(fitted.images.labels, Some(vec![0, 1, 0]));
        let found: Vec<u8> =
            fitted.images.pixels.scaled().iter().map(|value| (value * 255.0).round() as u8).collect();
        assert_eq!(found, expected("images"));
    }
    let error = OwnData::open(&images, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("images.npy") && error.contains("--pixel-max"), "{error}");
}

#[test]
fn pillows_images_become_pillows_pixels() {
    for (file, name, channels) in [
        ("photo.png", "photo", 3),
        ("palette.png", "palette", 3),
        ("one-bit.png", "one-bit", 1),
        ("opaque.png", "photo", 3),
    ] {
        let fitted = fit(&real(file), &Options::default(), image(channels, 30, 40), 2).unwrap();
        assert_eq!(bytes(&fitted), expected(name), "{file}");
    }
    // Decoders of JPEG may round differently.
    for (file, name, channels) in [("grey.jpg", "grey-jpeg", 1), ("progressive.jpg", "progressive", 3)] {
        let fitted = fit(&real(file), &Options::default(), image(channels, 30, 40), 2).unwrap();
        let expected = expected(name);
        let furthest = bytes(&fitted).iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(furthest <= 3 && bytes(&fitted).len() == expected.len(), "{file}: {furthest}");
    }
}

#[test]
fn resizing_cropping_and_turning_grey_give_pillows_pixels() {
    let near = |options: &Options, input, name: &str| {
        let fitted = fit(&real("photo.png"), options, input, 2).unwrap();
        let expected = expected(name);
        assert_eq!(bytes(&fitted).len(), expected.len(), "{name}");
        let furthest = bytes(&fitted).iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // The order of the two passes may differ where the target is not square.
        assert!(furthest <= 1, "{name}: {furthest}");
        fitted.notes.join("\n")
    };
    let notes = near(&Options::default(), image(3, 15, 20), "photo-20x15");
    assert!(notes.contains("resized to 20x15 with a triangle filter"), "{notes}");
    near(&Options::default(), image(3, 45, 60), "photo-60x45");
    let notes = near(&allow(&[Step::Stretch]), image(3, 16, 16), "photo-square");
    assert!(notes.contains("another aspect"), "{notes}");
    let notes = near(&allow(&[Step::Crop]), image(3, 16, 16), "photo-cropped");
    assert!(notes.contains("from the middle"), "{notes}");
    let fitted = fit(&real("photo.png"), &allow(&[Step::Grey]), image(1, 30, 40), 2).unwrap();
    assert_eq!(bytes(&fitted), expected("photo-grey"));
}

#[test]
fn what_a_decoder_would_settle_in_silence_is_refused_or_said() {
    let input = image(3, 30, 40);
    let none = Options::default();
    for (file, reason) in [
        ("cmyk.jpg", "CMYK"),
        ("cut-palette.png", "its palette has 46 bytes"),
        ("translucent.png", "--allow drop-alpha"),
        ("animated.png", "--allow first-frame"),
        ("turned.jpg", "--allow rotate"),
    ] {
        let error = refused(&real(file), &none, input, 2);
        assert!(error.contains(file) && error.contains(reason), "{error}");
    }
    let dropped = fit(&real("translucent.png"), &allow(&[Step::DropAlpha]), input, 2).unwrap();
    assert_eq!(bytes(&dropped), expected("photo"));
    let first = fit(&real("animated.png"), &allow(&[Step::FirstFrame]), input, 2).unwrap();
    assert_eq!(bytes(&first), expected("photo"));
    assert!(first.notes.iter().any(|note| note.contains("first frame")), "{:?}", first.notes);
    for (step, input, name) in
        [(Step::IgnoreRotation, input, "turned-stored"), (Step::Rotate, image(3, 40, 30), "turned-upright")]
    {
        let fitted = fit(&real("turned.jpg"), &allow(&[step]), input, 2).unwrap();
        let expected = expected(name);
        let furthest = bytes(&fitted).iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(furthest <= 3 && fitted.notes.iter().any(|note| note.contains("EXIF")), "{step}: {furthest}");
    }
    let deep = fit(&real("sixteen-bit.png"), &none, image(1, 30, 40), 2).unwrap();
    let values: Vec<f32> = (0..1200u16).map(|value| f32::from(value * 54) / 65_535.0).collect();
    assert_eq!(deep.images.pixels, Pixels::Reals(values));
    assert!(
        deep.notes.iter().any(|note| note.contains("16 bits a channel, divided by 65535")),
        "{:?}",
        deep.notes
    );
}

#[test]
fn folders_of_classes_are_classes_in_the_order_of_their_names() {
    let place = Place::new();
    for (name, level) in [("cat/1.png", 1), ("cat/deep/2.PNG", 2), ("ant/3.png", 3), ("Bee/4.png", 4)] {
        place.png(name, level);
    }
    place.file("cat/Thumbs.db", b"x");
    let data = OwnData::open(place.path(), &Options::default()).unwrap();
    assert_eq!(data.classes().unwrap(), ["Bee", "ant", "cat"]);
    let fitted = data.fit(Split::Test, image(1, 4, 4), 3).unwrap();
    let levels: Vec<u8> = bytes(&fitted).chunks(16).map(|image| image[0]).collect();
    assert_eq!((levels, fitted.images.labels.unwrap()), (vec![4, 3, 1, 2], vec![0, 1, 2, 2]));
    assert!(fitted.notes.iter().any(|note| note.contains("1 (Thumbs.db)")), "{:?}", fitted.notes);
    assert!(matches!(data.fit(Split::Train, image(1, 4, 4), 3), Err(Error::NoTraining { .. })));
}

#[test]
fn parts_are_told_apart_and_a_training_part_alone_is_refused() {
    let place = Place::new();
    for name in ["train/a/1.png", "train/b/2.png", "val/a/3.png", "test/b/4.png"] {
        place.png(name, 9);
    }
    let data = OwnData::open(place.path(), &Options::default()).unwrap();
    assert_eq!((data.len(Split::Train), data.len(Split::Test)), (2, 1));
    let notes = data.notes().join("\n");
    assert!(notes.contains("validation part of 1 images that was not read"), "{notes}");
    assert!(notes.contains("test/ has no images of a"), "{notes}");
    assert_eq!(data.fit(Split::Test, image(1, 4, 4), 2).unwrap().images.labels, Some(vec![1]));

    place.png("other/5.png", 1);
    let error = OwnData::open(place.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("other") && error.contains("belong to none"), "{error}");
    fs::remove_dir_all(place.path().join("other")).unwrap();
    fs::remove_dir_all(place.path().join("test")).unwrap();
    let notes = OwnData::open(place.path(), &Options::default()).unwrap().notes().join("\n");
    assert!(notes.contains("the validation part is taken"), "{notes}");
    fs::remove_dir_all(place.path().join("val")).unwrap();
    let error = OwnData::open(place.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("training part alone"), "{error}");
}

#[test]
fn a_training_table_alone_in_a_folder_is_refused_unless_it_is_named() {
    let place = Place::new();
    place.png("a.png", 1);
    let table = place.file("train.csv", b"file,label\na.png,cat\n");
    let error = OwnData::open(place.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("training part alone"), "{error}");
    assert_eq!(OwnData::open(&table, &Options::default()).unwrap().len(Split::Test), 1);
}

#[test]
fn a_table_gives_labels_as_names_or_numbers_and_parts() {
    let place = Place::new();
    for (name, level) in [("a.png", 1), ("images/b.png", 2), ("c.png", 3), ("d.png", 4)] {
        place.png(name, level);
    }
    let table = place
        .file("labels.csv", b"File;Class;age;split\na.png;cat;3;test\nb;dog;4;test\nc.png;cat;5;train\n");
    for path in [table.as_path(), place.path()] {
        let data = OwnData::open(path, &Options::default()).unwrap();
        assert_eq!(
            (data.len(Split::Train), data.classes().unwrap()),
            (1, &["cat".to_owned(), "dog".into()][..])
        );
        let fitted = data.fit(Split::Test, image(1, 4, 4), 2).unwrap();
        assert_eq!((fitted.images.labels.as_deref(), bytes(&fitted)[16]), (Some(&[0, 1][..]), 2));
        assert!(fitted.notes.iter().any(|note| note.contains("age")), "{:?}", fitted.notes);
    }
    let notes = OwnData::open(place.path(), &Options::default()).unwrap().notes().join("\n");
    assert!(notes.contains("1 (d.png)"), "{notes}");

    place.file("labels.csv", b"file,label\na.png,2\nc.png,0\n");
    let fitted = fit(place.path(), &Options::default(), image(1, 4, 4), 3).unwrap();
    assert_eq!((fitted.images.labels.as_deref(), fitted.images.classes.len()), (Some(&[2, 0][..]), 3));

    place.file("labels.csv", b"file\na.png\n");
    let fitted = fit(place.path(), &Options::default(), image(1, 4, 4), 3).unwrap();
    assert_eq!((fitted.images.len(), fitted.images.labels), (1, None));
}

#[test]
fn idx_files_are_read_plain_and_packed_whatever_their_side() {
    use std::io::Write;
    let place = Place::new();
    let idx = |magic: u32, sizes: &[u32], body: &[u8]| -> Vec<u8> {
        let words = std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes());
        words.chain(body.iter().copied()).collect()
    };
    let packed = |bytes: &[u8]| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    let images = place.file("t10k-images-idx3-ubyte.gz", &packed(&idx(0x803, &[2, 3, 5], &[7; 30])));
    place.file("t10k-labels.idx1-ubyte", &idx(0x801, &[2], &[1, 200]));
    let unlabelled = fit(&images, &Options::default(), image(1, 3, 5), 256).unwrap();
    assert_eq!((unlabelled.images.len(), unlabelled.images.labels), (2, None), "labels of another name");
    place.file("t10k-labels-idx1-ubyte", &idx(0x801, &[2], &[1, 200]));
    for path in [images.as_path(), place.path()] {
        let fitted = fit(path, &Options::default(), image(1, 3, 5), 256).unwrap();
        assert_eq!(fitted.images.labels, Some(vec![1, 200]));
    }
    place.file("t10k-labels-idx1-ubyte", &idx(0x801, &[1], &[1]));
    let error = OwnData::open(&images, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("1 labels for 2 images") && error.contains("t10k-labels"), "{error}");
}

#[test]
fn images_without_labels_are_read_and_it_is_said() {
    let place = Place::new();
    place.png("1.png", 1);
    place.png("2.png", 2);
    for path in [place.path().to_path_buf(), place.path().join("2.png")] {
        let fitted = fit(&path, &Options::default(), image(1, 4, 4), 7).unwrap();
        assert!(
            fitted.images.labels.is_none() && fitted.notes[0].contains("no labels"),
            "{:?}",
            fitted.notes
        );
        assert_eq!(fitted.images.classes.len(), 7);
    }
}

#[test]
fn the_checksum_is_of_pixels_labels_and_preparation() {
    let place = Place::new();
    place.png("a/1.png", 1);
    place.png("b/2.png", 2);
    let checksum =
        |options: &Options| fit(place.path(), options, image(1, 4, 4), 2).unwrap().images.fingerprint();
    let whole = checksum(&Options::default());
    assert_eq!(whole, checksum(&Options::default()));
    assert_ne!(whole, checksum(&allow(&[Step::Crop])), "another preparation");
    let elsewhere = fit(place.path(), &Options::default(), image(1, 8, 8), 2).unwrap().images.fingerprint();
    assert_eq!(whole, elsewhere, "networks of another size see the same data");
    fs::rename(place.path().join("a"), place.path().join("c")).unwrap();
    assert_ne!(whole, checksum(&Options::default()), "another class");
    fs::rename(place.path().join("c"), place.path().join("a")).unwrap();
    place.png("a/1.png", 3);
    assert_ne!(whole, checksum(&Options::default()), "another pixel");
}

// What goes wrong with real data, each by name.

#[test]
fn labels_out_of_range_name_the_image_and_the_classes() {
    let place = Place::new();
    place.png("a.png", 1);
    place.png("b.png", 1);
    place.file("labels.csv", b"file,label\na.png,0\nb.png,3\n");
    let error = refused(place.path(), &Options::default(), image(1, 4, 4), 3);
    assert!(error.contains("b.png") && error.contains("label is 3") && error.contains("0 to 2"), "{error}");
    for (label, line) in [("-1", 2), ("0.5", 2), ("inf", 2)] {
        place.file("labels.csv", format!("file,label\na.png,{label}\nb.png,1\n").as_bytes());
        let error = refused(place.path(), &Options::default(), image(1, 4, 4), 3);
        assert!(error.contains(&format!("line {line}")) && error.contains(label), "{error}");
    }
    let error = refused(&real("medmnist.npz"), &Options::default(), image(3, 6, 6), 1);
    assert!(
        error.contains("medmnist.npz") && error.contains("image ") && error.contains("0 to 0"),
        "{error}"
    );
}

#[test]
fn images_of_three_sizes_are_resized_and_counted_or_refused_by_the_first_of_another_aspect() {
    let place = Place::new();
    for (name, side) in [("1.png", 4), ("2.png", 8), ("3.png", 16)] {
        place.png_of(name, side, side, 9);
    }
    let notes = fit(place.path(), &Options::default(), image(1, 8, 8), 2).unwrap().notes.join("\n");
    assert!(notes.contains("2 of 3 images: resized to 8x8"), "{notes}");
    assert!(notes.contains("images of 3 sizes, from 4x4 to 16x16"), "{notes}");
    place.png_of("2.png", 9, 8, 9);
    let error = refused(place.path(), &Options::default(), image(1, 8, 8), 2);
    assert!(
        error.contains("2.png") && error.contains("9 wide and 8 high") && error.contains("--allow crop"),
        "{error}"
    );
}

#[test]
fn an_empty_class_folder_is_refused_by_name() {
    let place = Place::new();
    place.png("a/1.png", 1);
    place.png("c/2.png", 1);
    place.file("b/readme.txt", b"nothing");
    let error = OwnData::open(place.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("/b:") && error.contains("holds no image"), "{error}");
}

#[test]
fn a_corrupt_png_among_thousands_is_named_and_so_are_the_others() {
    let place = Place::new();
    let whole = fs::read(place.png("a/0.png", 1)).unwrap();
    for index in 1..2000 {
        fs::write(place.path().join(format!("a/{index}.png")), &whole).unwrap();
    }
    fs::write(place.path().join("a/1234.png"), &whole[..whole.len() / 2]).unwrap();
    let error = refused(place.path(), &Options::default(), image(1, 4, 4), 1);
    assert!(error.contains("a/1234.png") && !error.contains("more of"), "{error}");
    assert!(error.contains("cut off or damaged; replace or remove it"), "{error}");
    fs::write(place.path().join("a/1777.png"), b"").unwrap();
    let error = refused(place.path(), &Options::default(), image(1, 4, 4), 1);
    assert!(error.contains("1 more of 2000 images cannot be used: a/1777.png"), "{error}");
}

#[test]
fn a_table_with_a_missing_file_an_empty_label_or_a_file_twice_names_the_line() {
    let place = Place::new();
    place.png("a.png", 1);
    for (row, reason) in [
        ("b.png,1", "there is no file"),
        ("a.png,", "has no label"),
        ("a.png,1", "again, as line 2 does"),
        ("../a.png,1", "is not a file below"),
        ("/etc/hostname,1", "is not a file below"),
        (",1", "is not a file below"),
    ] {
        place.file("labels.csv", format!("file,label\na.png,0\n{row}\n").as_bytes());
        let error = refused(place.path(), &Options::default(), image(1, 4, 4), 2);
        assert!(
            error.contains("labels.csv") && error.contains("line 3") && error.contains(reason),
            "{error}"
        );
    }
    place.file("labels.csv", b"file,label\na.png,0,7\n");
    assert!(refused(place.path(), &Options::default(), image(1, 4, 4), 2).contains("labels.csv"));
    let named = place.path().join("labels.csv");
    place.file("labels.csv", b"a.png,0\n");
    let error = OwnData::open(&named, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("a column of files") && error.contains("filename"), "{error}");
}

#[test]
fn colour_for_a_grey_network_and_formats_that_are_not_read_name_the_remedy() {
    let place = Place::new();
    let path = place.file("x.png", b"");
    RgbImage::from_pixel(4, 4, image::Rgb([1, 2, 3])).save(&path).unwrap();
    let error = refused(place.path(), &Options::default(), image(1, 4, 4), 2);
    assert!(error.contains("x.png") && error.contains("--allow grey"), "{error}");
    place.copy("photo.gif", "y.png");
    assert!(refused(place.path(), &Options::default(), image(3, 4, 4), 2).contains("it is Gif"));
    fs::remove_file(place.path().join("y.png")).unwrap();
    place.copy("photo.gif", "y.gif");
    let error = refused(place.path(), &Options::default(), image(3, 4, 4), 2);
    assert!(error.contains("y.gif") && error.contains("PNG and JPEG are read"), "{error}");
}

#[test]
fn arrays_that_do_not_fit_together_are_named() {
    let place = Place::new();
    place.copy("images.npy", "images.npy");
    place.copy("images.npy", "labels.npy");
    let error = OwnData::open(place.path(), &white(65_535.0)).unwrap_err().to_string();
    assert!(error.contains("labels.npy") && error.contains("one label per image"), "{error}");
    let whole = fs::read(real("medmnist.npz")).unwrap();
    let cut = place.file("cut.npz", &whole[..whole.len() / 2]);
    let error = OwnData::open(&cut, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("cut.npz"), "{error}");
}

#[test]
fn damage_to_an_archive_or_table_never_panics() {
    let place = Place::new();
    let whole = fs::read(real("medmnist.npz")).unwrap();
    for at in (0..whole.len()).step_by(3) {
        for flip in [1, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let path = place.file("damaged.npz", &damaged);
            if let Ok(data) = OwnData::open(&path, &Options::default()) {
                let _ = data.fit(Split::Test, image(3, 6, 6), 3);
            }
        }
    }
}
