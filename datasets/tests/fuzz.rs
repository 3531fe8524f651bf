//! Every decoder of files that nobody vouches for, under mutation of real files: seeded, so that a finding comes again.
//!
//! A finding is a panic, ten seconds for one small file, an error that does not name the file, or images whose sizes do not
//! fit together. `VEILBENCH_FUZZ_SECONDS=600 cargo test --release -p veilbench-datasets --test fuzz` goes on for ten minutes per
//! decoder; `VEILBENCH_FUZZ_SEED` chooses other mutations.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use veilbench_datasets::{Error, Input, Options, OwnData, Split, Step, Store, import};
use veilbench_hostile::Draw;

/// Fuzzes a decoder for three seconds: real files, words of its format, and what is done with a mutated one, which says what is
/// wrong with what came out.
fn fuzz(
    name: &str,
    seeds: &[Vec<u8>],
    words: &[&[u8]],
    read: impl Fn(&mut Draw, &[u8]) -> Result<(), String>,
) {
    veilbench_hostile::fuzz(name, 3, |draw, bytes| {
        *bytes = draw.mutated(seeds, words);
        read(draw, bytes)
    });
}

/// A folder in memory where there is one.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn own(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own").join(name)).unwrap()
}

/// All that a user may consent to, or nothing.
fn options(draw: &mut Draw) -> Options {
    let allow = match draw.below(3) {
        0 => Vec::new(),
        1 => vec![Step::Stretch, Step::Grey, Step::DropAlpha, Step::FirstFrame, Step::Rotate],
        _ => vec![Step::Crop, Step::Grey, Step::DropAlpha, Step::FirstFrame, Step::IgnoreRotation],
    };
    let pixel_max = [None, Some(255.0), Some(1.0), Some(1e-30), Some(65_535.0)];
    Options { allow, pixel_max: *draw.one(&pixel_max) }
}

fn named(path: &Path, error: &Error) -> Result<(), String> {
    let (text, folder) = (error.to_string(), path.parent().unwrap().display().to_string());
    if text.contains(&folder) { Ok(()) } else { Err(format!("the error names no file: {text}")) }
}

/// What `path` holds, read and fitted; a mutated file that is read all the same has to be whole.
fn read_own(draw: &mut Draw, path: &Path) -> Result<(), String> {
    let data = match OwnData::open(path, &options(draw)) {
        Ok(data) => data,
        Err(error) => return named(path, &error),
    };
    let inputs = [
        Input::Image { channels: 3, height: 6, width: 6 },
        Input::Image { channels: 1, height: 4, width: 5 },
        Input::Image { channels: 3, height: 30, width: 40 },
        Input::Flat(784),
        Input::Flat(1),
    ];
    let input = *draw.one(&inputs);
    for split in [Split::Test, Split::Train] {
        if data.len(split) == 0 {
            continue;
        }
        let images = match data.fit(split, input, 1 + draw.below(12)) {
            Ok(fitted) => fitted.images,
            Err(error) => return named(path, &error),
        };
        if images.pixels.len() != images.len() * images.image_len() || images.len() != data.len(split) {
            return Err(format!(
                "{} values are {} images of {}",
                images.pixels.len(),
                images.len(),
                images.image_len()
            ));
        }
        if images.labels.as_ref().is_some_and(|labels| labels.len() != images.len()) {
            return Err("labels are not as many as images".into());
        }
    }
    Ok(())
}

/// Fuzzes a format whose mutated file goes by `name`.
fn fuzz_own(
    decoder: &str,
    name: &str,
    seeds: &[&str],
    words: &[&[u8]],
    mend: &dyn Fn(&mut Draw, Vec<u8>) -> Vec<u8>,
) {
    let folder = folder();
    let path = folder.path().join(name);
    let seeds: Vec<_> = seeds.iter().map(|seed| own(seed)).collect();
    fuzz(decoder, &seeds, words, |draw, bytes| {
        fs::write(&path, mend(draw, bytes.to_vec())).unwrap();
        read_own(draw, &path)
    });
}

fn as_it_is(_: &mut Draw, bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// CRC-32 of PNG and zip (ISO 3309), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// The chunks of a PNG with checksums that are right, so that what is in them is looked at; in one of four it stays wrong.
fn with_checksums(draw: &mut Draw, mut png: Vec<u8>) -> Vec<u8> {
    if draw.below(4) == 0 {
        return png;
    }
    let mut at = 8;
    while let Some(length) = png.get(at..at + 4) {
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        let end = at + 8 + length;
        let Some(chunk) = png.get(at + 4..end) else { break };
        let sum = crc(chunk).to_be_bytes();
        let Some(place) = png.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
    png
}

#[test]
fn png() {
    let seeds = [
        "photo.png",
        "palette.png",
        "cut-palette.png",
        "one-bit.png",
        "opaque.png",
        "translucent.png",
        "sixteen-bit.png",
        "animated.png",
    ];
    let words: [&[u8]; 7] = [b"IDAT", b"IEND", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"eXIf"];
    fuzz_own("png", "mutated.png", &seeds, &words, &with_checksums);
}

#[test]
fn jpeg() {
    let seeds = ["grey.jpg", "progressive.jpg", "turned.jpg", "cmyk.jpg"];
    let words: [&[u8]; 7] =
        [b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc2", b"\xff\xdb", b"Exif\0\0MM\0*"];
    fuzz_own("jpeg", "mutated.jpg", &seeds, &words, &as_it_is);
}

/// Words of NumPy's headers.
const NUMPY: [&[u8]; 9] =
    [b"'<f4'", b"'>u2'", b"'|b1'", b"True", b"(", b", ", b"9223372036854775807", b"-1", b"0"];

#[test]
fn npy() {
    fuzz_own("npy", "images.npy", &["images.npy", "labels.npy"], &NUMPY, &as_it_is);
}

#[test]
fn npz() {
    fuzz_own("npz", "mutated.npz", &["medmnist.npz", "keras.npz"], &NUMPY, &as_it_is);
}

/// Mutated arrays in an archive whose checksums are right.
#[test]
fn arrays_in_an_npz() {
    let pack = |draw: &mut Draw, array: Vec<u8>| {
        let (images, labels) = (own("images.npy"), own("labels.npy"));
        let [images, labels] = if draw.below(2) == 0 { [array, labels] } else { [images, array] };
        zipped(&[("x_test.npy", &images), ("y_test.npy", &labels)])
    };
    fuzz_own("arrays", "mutated.npz", &["images.npy", "labels.npy"], &NUMPY, &pack);
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn idx_file(magic: u32, sizes: &[u32], body: &[u8]) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes());
    words.chain(body.iter().copied()).collect()
}

#[test]
fn idx() {
    let folder = folder();
    let (images, labels) = (idx_file(0x803, &[3, 4, 5], &[9; 60]), idx_file(0x801, &[3], &[0, 1, 2]));
    let [at_images, at_labels] =
        ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"].map(|name| folder.path().join(name));
    let seeds = [images.clone(), labels.clone(), packed(&images), packed(&labels)];
    fuzz("idx", &seeds, &[], |draw, bytes| {
        let bytes = if draw.below(4) == 0 { packed(bytes) } else { bytes.to_vec() };
        let of_labels = draw.below(2) == 0;
        fs::write(&at_images, if of_labels { &images } else { &bytes }).unwrap();
        fs::write(&at_labels, if of_labels { &bytes } else { &labels }).unwrap();
        read_own(draw, &at_images)
    });
}

#[test]
fn tables() {
    let folder = folder();
    for name in ["a.png", "train/b.png", "test/c.png", "x y/d.png"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, own("photo.png")).unwrap();
    }
    let path = folder.path().join("labels.csv");
    let seeds = [
        "file,label\na.png,0\ntrain/b.png,1\ntest/c.png,2\n",
        "path;class;split\n\"a.png\";cat;test\ntrain/b;dog;train\n",
        "image_id\tdiagnosis\r\na\tnv\r\n\"x y/d\"\tmel\r\n",
        "\u{feff}filename,label,age\na.png,1.0,\"3\"\"\"\n",
    ]
    .map(|text| text.as_bytes().to_vec());
    let words: [&[u8]; 8] = [b"a.png", b"../", b"\"", b"\n", b";", b"train", b"1e300", b"\xff"];
    fuzz("tables", &seeds, &words, |draw, bytes| {
        fs::write(&path, bytes).unwrap();
        let place: PathBuf = if draw.below(2) == 0 { path.clone() } else { folder.path().join(".") };
        read_own(draw, &place)
    });
}

/// Fuzzes the import of a published set from a file of this name.
fn fuzz_import(decoder: &str, id: &str, name: &str, seeds: &[Vec<u8>], words: &[&[u8]]) {
    let folder = folder();
    let path = folder.path().join(name);
    fuzz(decoder, seeds, words, |_, bytes| {
        fs::write(&path, bytes).unwrap();
        let store = Store::new(folder.path().join("data"), folder.path().join("cache"));
        let outcome = import(&store, id, &path);
        if let Err(error) = &outcome {
            named(&path, error)?;
        }
        let outside = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name());
        let strangers: Vec<_> =
            outside.filter(|file| ![name, "data", "cache"].iter().any(|known| *known == file)).collect();
        let _ = fs::remove_dir_all(folder.path().join("data"));
        if strangers.is_empty() { Ok(()) } else { Err(format!("{strangers:?} came out of the archive")) }
    });
}

fn batch() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar10-data_batch_1.pickle"))
        .unwrap()
}

#[test]
fn pickle() {
    let words: [&[u8]; 8] =
        [b"U\x06labels", b"U\x04data", b"}q", b"(", b".", b"\x80\x02", b"q\x01", b"cos\nsystem\n"];
    fuzz_import("pickle", "cifar10", "data_batch_1", &[batch()], &words);
}

#[test]
fn zip_archives() {
    let image = own("photo.png");
    let entries: [(&str, &[u8]); 2] =
        [("cell_images/Uninfected/a.png", &image), ("cell_images/Parasitized/b.png", &image)];
    let words: [&[u8]; 4] = [b"PK\x01\x02", b"PK\x05\x06", b"../", b"/"];
    fuzz_import("zip", "malaria", "mutated.zip", &[zipped(&entries)], &words);
}

#[test]
fn tar_archives() {
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/test_batch"] {
        let bytes = &own("photo.png");
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, bytes.as_slice()).unwrap();
    }
    let whole = tar.into_inner().unwrap();
    let words: [&[u8]; 4] = [b"ustar", b"../", b"0000644", b"77777777777"];
    fuzz_import("tar", "cifar10", "mutated.tar", &[whole], &words);
}
