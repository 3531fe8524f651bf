//! Importing and listing small generated data.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::RgbImage;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use veilbench_datasets::{Error, Split, State, Store, fetch, import, list, load, load_or_sample};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("data"), folder.path().join("cache"));
    Place { folder, store }
}

impl Place {
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn state(&self, id: &str) -> State {
        list(&self.store).unwrap().into_iter().find(|listing| listing.id == id).unwrap().state
    }

    /// Nothing of a failed or finished import is left in the data folder.
    fn assert_no_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.store.data()) else { return };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with('.'), "{name}");
        }
    }
}

fn idx(magic: u32, sizes: &[u32], body: &[u8]) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes());
    words.chain(body.iter().copied()).collect()
}

fn png(level: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(40, 50, image::Rgb([level, 2, 3]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn zipped(path: &Path, entries: &[(&str, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn npy(shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values);
    file
}

/// Two training and one test cell; by patient one each of training, validation and test.
fn cells_npz(path: &Path, image_values: usize) {
    let images: Vec<u8> = (0..image_values).map(|i| (i % 3) as u8 * 10 + (i / 3072) as u8).collect();
    zipped(
        path,
        &[
            ("images.npy", npy("(3, 32, 32, 3)", &images)),
            ("labels.npy", npy("(3,)", &[1, 0, 1])),
            ("paper_split.npy", npy("(3,)", &[0, 0, 1])),
            ("patient_split.npy", npy("(3,)", &[2, 1, 0])),
        ],
    );
}

#[test]
fn digits_are_imported_plain_or_packed_and_under_either_name() {
    let place = place();
    place.write("in/deep/train-images.idx3-ubyte", &idx(0x803, &[2, 28, 28], &[7; 2 * 784]));
    place.write("in/deep/train-labels-idx1-ubyte", &idx(0x801, &[2], &[3, 4]));
    let imported = import(&place.store, "mnist", &place.folder.path().join("in")).unwrap();
    assert_eq!((imported.files, imported.verified), (2, 0));
    let train = load(&place.store, "mnist", Split::Train).unwrap();
    assert_eq!((train.len(), train.labels[1], train.pixels[0]), (2, 4, 7));
    assert_eq!(train.id, "mnist-unverified");
    assert!(matches!(load(&place.store, "mnist", Split::Test), Err(Error::Missing { .. })));
    assert!(matches!(place.state("mnist"), State::Incomplete(_)));

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&idx(0x801, &[1], &[9])).unwrap();
    let single = place.write("t10k-labels-idx1-ubyte.gz", &packed.finish().unwrap());
    assert_eq!(import(&place.store, "mnist", &single).unwrap().files, 1);
    assert!(place.store.data().join("mnist/t10k-labels-idx1-ubyte.gz").is_file());
}

#[test]
fn other_digits_of_the_published_number_are_unverified() {
    let place = place();
    for (half, count) in [("train", 60_000u32), ("t10k", 10_000)] {
        let pixels = idx(0x803, &[count, 28, 28], &vec![0; 784 * count as usize]);
        place.write(&format!("data/mnist/{half}-images-idx3-ubyte"), &pixels);
        place.write(
            &format!("data/mnist/{half}-labels-idx1-ubyte"),
            &idx(0x801, &[count], &vec![1; count as usize]),
        );
    }
    let State::Unverified(why) = place.state("mnist") else { panic!("{:?}", place.state("mnist")) };
    assert!(why.contains("rows say `mnist-unverified`"), "{why}");
}

#[test]
fn importing_what_is_already_in_place_changes_nothing() {
    let place = place();
    place.write("data/mnist/t10k-images-idx3-ubyte", &idx(0x803, &[1, 28, 28], &[1; 784]));
    place.write("data/mnist/t10k-labels-idx1-ubyte", &idx(0x801, &[1], &[1]));
    for _ in 0..2 {
        assert_eq!(import(&place.store, "mnist", &place.store.data().join("mnist")).unwrap().files, 2);
    }
    assert_eq!(fs::read_dir(place.store.data().join("mnist")).unwrap().count(), 2);
    assert_eq!(load(&place.store, "mnist", Split::Test).unwrap().len(), 1);
}

#[test]
fn a_damaged_file_stops_the_import_and_is_named() {
    let place = place();
    place.write("in/train-images-idx3-ubyte", &idx(0x803, &[1 << 31, 28, 28], &[0; 784]));
    let error = import(&place.store, "mnist", &place.folder.path().join("in")).unwrap_err();
    assert!(
        matches!(&error, Error::Unusable { path, .. } if path.ends_with("train-images-idx3-ubyte")),
        "{error}"
    );
    assert!(!place.store.data().join("mnist").exists());
}

#[test]
fn cells_come_from_the_archive_of_resized_ones() {
    let place = place();
    let archive = place.folder.path().join("cells.npz");
    cells_npz(&archive, 3 * 3072);
    import(&place.store, "malaria", &archive).unwrap();
    let [train, test] =
        [Split::Train, Split::Test].map(|split| load(&place.store, "malaria", split).unwrap());
    assert_eq!((train.labels, &test.labels), (vec![1, 0], &vec![1]));
    assert_eq!([test.image(0)[0], test.image(0)[1024], test.image(0)[2048]], [2, 12, 22], "planes");
    assert_eq!(load(&place.store, "malaria-patient", Split::Test).unwrap().image(0)[0], 0);
    assert_eq!(load(&place.store, "malaria-patient", Split::Train).unwrap().image(0)[0], 2);

    cells_npz(&archive, 3 * 3072 - 1);
    let error = import(&place.store, "malaria", &archive).unwrap_err().to_string();
    assert!(error.contains("cells.npz") && error.contains("images"), "{error}");
}

#[test]
fn cells_come_from_a_zip_of_originals_however_deep() {
    let place = place();
    let archive = place.folder.path().join("cell_images.zip");
    zipped(
        &archive,
        &[
            ("cell_images/Parasitized/C100P61ThinF_IMG_20150918_144104_cell_162.png", png(10)),
            ("cell_images/Parasitized/C100P61ThinF_IMG_20150918_144104_cell_167.png", png(20)),
            ("cell_images/Uninfected/C1_thinF_IMG_20150604_104722_cell_1.png", png(30)),
            ("cell_images/Parasitized/Thumbs.db", vec![1, 2]),
        ],
    );
    let imported = import(&place.store, "malaria", &archive).unwrap();
    assert_eq!((imported.files, imported.verified), (3, 0));
    place.assert_no_leftovers();
    let test = load(&place.store, "malaria", Split::Test).unwrap();
    assert_eq!((test.labels.as_slice(), test.pixels[0]), ([1].as_slice(), 20));
    let train = load(&place.store, "malaria", Split::Train).unwrap();
    assert_eq!(train.labels, [1, 0]);
    let by_patient = load(&place.store, "malaria-patient", Split::Test).unwrap();
    assert_eq!(by_patient.id, "malaria-patient-unverified");
    assert_eq!((by_patient.labels.as_slice(), by_patient.pixels[0]), ([0].as_slice(), 30));
    let State::Incomplete(reason) = place.state("malaria") else { panic!("{:?}", place.state("malaria")) };
    assert!(reason.contains("3 of the 27558"), "{reason}");
}

#[test]
fn a_foreign_name_or_a_broken_image_stops_the_import() {
    let place = place();
    let foreign = place.write("in/Parasitized/holiday.png", &png(1));
    let error = import(&place.store, "malaria", &place.folder.path().join("in")).unwrap_err();
    assert!(matches!(&error, Error::Unusable { path, .. } if *path == foreign), "{error}");
    let broken = place.write("skin/malignant/a.jpg", b"\xff\xd8\xff not a photograph");
    let error = import(&place.store, "melanoma", &place.folder.path().join("skin")).unwrap_err();
    assert!(matches!(&error, Error::Unusable { path, .. } if *path == broken), "{error}");
    assert!(!place.store.data().exists());
}

#[test]
fn a_zip_that_reaches_out_of_itself_is_refused() {
    let place = place();
    let archive = place.folder.path().join("evil.zip");
    zipped(&archive, &[("../../evil.png", png(1))]);
    let error = import(&place.store, "melanoma", &archive).unwrap_err().to_string();
    assert!(error.contains("outside"), "{error}");
    place.assert_no_leftovers();
    assert!(!place.folder.path().join("evil.png").exists());
}

#[test]
fn lesions_bring_their_manifest() {
    let place = place();
    place.write("in/benign/a.png", &png(1));
    place.write("in/malignant/b.png", &png(2));
    place.write("in/manifest.csv", b"isic_id,target,split\na,0,train\nb,1,test\n");
    import(&place.store, "melanoma", &place.folder.path().join("in")).unwrap();
    assert_eq!(load(&place.store, "melanoma", Split::Train).unwrap().labels, [0]);
    let noted = load_or_sample(&place.store, "melanoma", Split::Train).unwrap();
    assert_eq!(noted.dataset.id, "melanoma-unverified");
    assert!(
        noted.notes.iter().any(|note| note.contains("rows say `melanoma-unverified`")),
        "{:?}",
        noted.notes
    );
    assert_eq!(load(&place.store, "melanoma", Split::Test).unwrap().labels, [1]);
}

#[test]
fn nothing_recognisable_is_said_with_what_was_expected() {
    let place = place();
    let text = place.write("in/readme.txt", b"hello");
    for id in ["mnist", "malaria", "melanoma", "cifar10", "cifar10-jpeg"] {
        for path in [text.as_path(), text.parent().unwrap()] {
            let error = import(&place.store, id, path).unwrap_err();
            assert!(matches!(error, Error::Unrecognised { .. }), "{id}: {error}");
        }
    }
    let absent = place.folder.path().join("absent");
    assert!(matches!(import(&place.store, "mnist", &absent), Err(Error::Io { path, .. }) if path == absent));
    assert!(matches!(import(&place.store, "cifar", &text), Err(Error::UnknownDataset { .. })));
}

#[test]
fn missing_data_is_replaced_by_the_sample_with_a_line_that_says_so() {
    let place = place();
    for id in ["mnist", "malaria", "malaria-patient", "melanoma"] {
        let loaded = load_or_sample(&place.store, id, Split::Test).unwrap();
        assert_eq!(loaded.dataset.id, format!("{id}-sample"));
        let [note] = loaded.notes.as_slice() else { panic!("{:?}", loaded.notes) };
        let base = id.trim_end_matches("-patient");
        assert!(note.contains(&format!("veilbench data fetch {base}")), "{note}");
        assert!(note.contains(place.store.data().to_str().unwrap()), "{note}");
        assert_eq!(place.state(id), State::SampleOnly);
    }
    let sample = load(&place.store, "mnist-sample", Split::Test).unwrap();
    assert_eq!(sample, load_or_sample(&place.store, "mnist", Split::Test).unwrap().dataset);
    assert!(matches!(load(&place.store, "cifar-sample", Split::Test), Err(Error::UnknownDataset { .. })));
}

#[test]
fn cifar_without_files_is_replaced_by_look_alikes_and_says_how_to_get_the_jpegs() {
    let place = place();
    for (id, way) in [("cifar10", "data fetch cifar10`"), ("cifar10-jpeg", "data import cifar10-jpeg ")] {
        let loaded = load_or_sample(&place.store, id, Split::Train).unwrap();
        assert_eq!((loaded.dataset.id, loaded.dataset.synthetic), (format!("{id}-sample"), true));
        assert!(loaded.notes[0].contains(way), "{:?}", loaded.notes);
    }
    let error = fetch(&place.store, "cifar10-jpeg", &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::NotFetched { .. }), "{error}");
}

#[test]
fn batches_of_cifar_come_from_a_tar_archive_of_either_format_or_a_folder() {
    let python = include_bytes!("fixtures/cifar10-data_batch_1.pickle");
    let record: Vec<u8> = std::iter::once(8).chain((0..3072u32).map(|k| (k / 1024) as u8)).collect();
    let place = place();
    let archive = place.folder.path().join("cifar-10-mixed.tar.gz");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        File::create(&archive).unwrap(),
        flate2::Compression::default(),
    ));
    for (name, bytes) in [
        ("cifar-10-batches-py/data_batch_1", &python[..]),
        ("cifar-10-batches-py/batches.meta", b"not looked at"),
        ("cifar-10-batches-bin/test_batch.bin", &record),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    let imported = import(&place.store, "cifar10", &archive).unwrap();
    assert_eq!((imported.files, imported.verified), (2, 0));
    place.assert_no_leftovers();
    let test = load(&place.store, "cifar10", Split::Test).unwrap();
    assert_eq!((test.id.as_str(), test.labels.as_slice()), ("cifar10-unverified", &[8][..]));
    assert_eq!([test.image(0)[0], test.image(0)[1024], test.image(0)[2048]], [0, 1, 2]);
    let train = load_or_sample(&place.store, "cifar10", Split::Train).unwrap();
    assert_eq!(train.dataset.labels, [6, 9, 4]);
    assert!(train.notes.iter().any(|note| note.contains("1 of the 5 train batches")), "{:?}", train.notes);
    assert!(matches!(place.state("cifar10"), State::Incomplete(_)));

    let single = place.write("in/data_batch_2.bin", &record);
    assert_eq!(import(&place.store, "cifar10", &single).unwrap().files, 1);
    assert_eq!(load(&place.store, "cifar10", Split::Train).unwrap().labels, [6, 9, 4, 8]);
    let damaged = place.write("in/data_batch_3.bin", &record[1..]);
    let error = import(&place.store, "cifar10", damaged.parent().unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Unusable { path, .. } if *path == damaged), "{error}");
}

#[test]
fn jpegs_of_cifar_come_from_a_clone_of_their_folders() {
    let place = place();
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let pixels = RgbImage::from_pixel(32, 32, image::Rgb([90, 90, 90]));
    pixels.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    for name in ["train/ship/0000.jpg", "train/cat/0000.jpg", "train/cat/0001.jpg", "test/dog/0000.jpg"] {
        place.write(&format!("CIFAR-10-images/{name}"), jpeg.get_ref());
    }
    let clone = place.folder.path().join("CIFAR-10-images");
    let imported = import(&place.store, "cifar10-jpeg", &clone).unwrap();
    assert_eq!((imported.files, imported.verified), (4, 0));
    let train = load(&place.store, "cifar10-jpeg", Split::Train).unwrap();
    assert_eq!((train.id.as_str(), train.labels), ("cifar10-jpeg-unverified", vec![3, 8, 3]));
    assert!(matches!(place.state("cifar10-jpeg"), State::Incomplete(_)));
    let broken = place.write("CIFAR-10-images/test/dog/0001.jpg", b"\xff\xd8\xff no image");
    let error = import(&place.store, "cifar10-jpeg", &clone).unwrap_err();
    assert!(matches!(&error, Error::Unusable { path, .. } if *path == broken), "{error}");
}

#[test]
fn a_damaged_file_is_never_replaced_by_the_sample() {
    let place = place();
    place.write("data/mnist/t10k-images-idx3-ubyte", b"short");
    place.write("data/mnist/t10k-labels-idx1-ubyte", &idx(0x801, &[1], &[1]));
    let error = load_or_sample(&place.store, "mnist", Split::Test).unwrap_err();
    assert!(
        matches!(&error, Error::Unusable { path, .. } if path.ends_with("t10k-images-idx3-ubyte")),
        "{error}"
    );
    let State::Unusable(reason) = place.state("mnist") else { panic!("{:?}", place.state("mnist")) };
    assert!(reason.contains("t10k-images-idx3-ubyte"), "{reason}");
}
