//! Facts about the real data, where `VEILBENCH_DATA` names it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Read;
use std::path::PathBuf;
use std::{env, fs};
use veilbench_datasets::{
    Dataset, Error, Input, Options, OwnData, Pixels, Split, State, Step, Store, list, load, load_or_sample,
};

fn real(id: &str, split: Split) -> Option<Dataset> {
    let Some(data) = env::var_os("VEILBENCH_DATA") else {
        println!("skipped: VEILBENCH_DATA is not set, so the real {id} was not looked at");
        return None;
    };
    let cache = env::var_os("VEILBENCH_CACHE").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    Some(load(&Store::new(data, cache), id, split).unwrap())
}

fn counts(data: &Dataset) -> Vec<usize> {
    (0..data.classes.len())
        .map(|class| data.labels.iter().filter(|&&l| usize::from(l) == class).count())
        .collect()
}

#[test]
fn mnist_has_its_published_counts() {
    let (Some(train), Some(test)) = (real("mnist", Split::Train), real("mnist", Split::Test)) else { return };
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    assert_eq!(counts(&train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(counts(&test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(test.labels[..4], [7, 2, 1, 0]);
}

#[test]
fn malaria_has_the_papers_counts() {
    let (Some(train), Some(test)) = (real("malaria", Split::Train), real("malaria", Split::Test)) else {
        return;
    };
    assert_eq!(counts(&train), [12_401, 12_401]);
    assert_eq!(counts(&test), [1_378, 1_378]);
    assert_eq!(train.classes, ["Uninfected", "Parasitized"]);
}

#[test]
fn malaria_by_patient_leaves_the_validation_patients_out() {
    let (Some(train), Some(test)) =
        (real("malaria-patient", Split::Train), real("malaria-patient", Split::Test))
    else {
        return;
    };
    assert_eq!((train.len(), test.len()), (22_149, 3_334));
}

#[test]
fn melanoma_has_the_counts_of_its_manifest() {
    let (Some(train), Some(test)) = (real("melanoma", Split::Train), real("melanoma", Split::Test)) else {
        return;
    };
    assert_eq!((counts(&train), counts(&test)), (vec![2123, 534], vec![525, 128]));
    assert_eq!((test.channels, test.height, test.width), (3, 64, 64));
}

/// The originals of CIFAR-10 are larger than all the other data, so they need not be there.
fn is_there(id: &str) -> bool {
    let folder = PathBuf::from(env::var_os("VEILBENCH_DATA").unwrap_or_default()).join("cifar10");
    let names = ["data_batch_1", "data_batch_1.bin", "cifar-10-batches-py", "cifar-10-batches-bin"];
    id != "cifar10" || names.iter().any(|name| folder.join(name).exists())
}

#[test]
fn published_images_go_by_their_own_name() {
    for id in veilbench_datasets::IDS.into_iter().filter(|id| is_there(id)) {
        for split in [Split::Train, Split::Test] {
            let Some(dataset) = real(id, split) else { return };
            assert_eq!(dataset.id, id, "{split:?} has the fingerprint {}", dataset.fingerprint());
        }
    }
}

#[test]
fn cifar_has_five_thousand_and_a_thousand_images_of_each_class() {
    let (Some(train), Some(test)) = (real("cifar10-jpeg", Split::Train), real("cifar10-jpeg", Split::Test))
    else {
        return;
    };
    assert_eq!((counts(&train), counts(&test)), (vec![5_000; 10], vec![1_000; 10]));
    assert_eq!((test.channels, test.height, test.width), (3, 32, 32));
    assert_eq!(test.classes[..3], ["airplane", "automobile", "bird"]);
    assert_eq!(test.labels[..11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0], "a prefix has all classes");
}

/// Values of an array in a `.npz` of `VEILBENCH_DATA`, as bytes.
fn array(archive: &str, name: &str) -> Vec<u8> {
    let path = PathBuf::from(env::var_os("VEILBENCH_DATA").unwrap()).join(archive);
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut file = Vec::new();
    zip.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut file).unwrap();
    file.split_off(10 + usize::from(u16::from_le_bytes([file[8], file[9]])))
}

/// Root mean square of the difference between the JPEG images as Pillow 13.0.0 decodes them and the originals.
const PILLOW_RMS: f64 = 8.300;

/// The first hundred test images of CIFAR-10 in planes, with their labels and the places of their JPEG twins.
fn lossless() -> (Vec<u8>, Vec<u8>, Vec<usize>) {
    let archive = "cifar10/cifar10_lossless_subset.npz";
    let (interleaved, labels) = (array(archive, "test_images"), array(archive, "test_labels"));
    let planes = interleaved
        .chunks_exact(3072)
        .flat_map(|image| (0..3).flat_map(move |channel| image.iter().skip(channel).step_by(3).copied()));
    let places = array(archive, "test_jpeg_index");
    let size = places.len() / 100;
    let places = places
        .chunks_exact(size)
        .map(|place| place.iter().rev().fold(0, |place, &byte| place << 8 | usize::from(byte)));
    (planes.collect(), labels.iter().step_by(labels.len() / 100).copied().collect(), places.collect())
}

#[test]
fn jpegs_are_as_far_from_the_originals_as_pillow_decodes_them() {
    let Some(test) = real("cifar10-jpeg", Split::Test) else { return };
    let (originals, labels, places) = lossless();
    let mut squares = 0.0;
    for (image, &place) in places.iter().enumerate() {
        assert_eq!(test.labels[place], labels[image]);
        let pairs = test.image(place).iter().zip(&originals[image * 3072..]);
        squares += pairs.map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>();
    }
    let rms = (squares / originals.len() as f64).sqrt();
    println!("root mean square {rms}");
    assert!((rms - PILLOW_RMS).abs() < 0.05, "{rms}");
}

#[test]
fn originals_are_read_from_binary_batches() {
    let Some(_) = real("cifar10-jpeg", Split::Test) else { return };
    let (originals, labels, _) = lossless();
    let records = labels.iter().zip(originals.chunks_exact(3072));
    let records: Vec<u8> =
        records.flat_map(|(label, image)| std::iter::once(label).chain(image)).copied().collect();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cifar10")).unwrap();
    fs::write(folder.path().join("cifar10/test_batch.bin"), records).unwrap();
    let test = load(&Store::new(folder.path(), folder.path()), "cifar10", Split::Test).unwrap();
    assert_eq!(test.id, "cifar10-unverified", "a hundred images are not the test set");
    // The first two pixels of the first test image, a cat.
    assert_eq!((test.classes[usize::from(test.labels[0])].as_str(), test.len()), ("cat", 100));
    assert_eq!(
        [0, 1024, 2048, 1, 1025, 2049].map(|place| test.image(0)[place]),
        [158, 112, 49, 159, 111, 47]
    );
}

/// A data folder with NLM's originals alone, so that the archive of resized cells is not found.
fn originals() -> Option<(tempfile::TempDir, Store)> {
    let data = PathBuf::from(env::var_os("VEILBENCH_DATA")?).join("malaria");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("malaria")).unwrap();
    for class in ["Parasitized", "Uninfected"] {
        fs::create_dir(folder.path().join("malaria").join(class)).unwrap();
        for file in fs::read_dir(data.join(class)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join("malaria").join(class).join(file.file_name())).unwrap();
        }
    }
    let store = Store::new(folder.path(), folder.path().join("cache"));
    Some((folder, store))
}

#[test]
fn original_cells_become_the_very_pixels_of_the_archive() {
    let Some(archived) = real("malaria", Split::Test) else { return };
    let Some((_folder, store)) = originals() else { return };
    let loaded = load_or_sample(&store, "malaria", Split::Test).unwrap();
    let resized = loaded.dataset;
    assert_eq!((resized.len(), &resized.labels), (2756, &archived.labels));
    let differences = resized.pixels.iter().zip(&archived.pixels).map(|(a, b)| a.abs_diff(*b));
    let (largest, sum) =
        differences.fold((0, 0u64), |(largest, sum), d| (largest.max(d), sum + u64::from(d)));
    println!("largest difference {largest}, mean {}", sum as f64 / archived.pixels.len() as f64);
    assert!(largest <= 1);
    assert_eq!(load(&store, "malaria", Split::Test).unwrap(), resized, "the cache gives the same");
    assert!(loaded.notes[0].contains("2756 of the 27558"), "{:?}", loaded.notes);
    assert!(matches!(load(&store, "malaria", Split::Train), Err(Error::EmptySplit { .. })));
}

#[test]
fn everything_is_listed_as_complete() {
    let (Some(_), Some(data)) = (real("mnist", Split::Test), env::var_os("VEILBENCH_DATA")) else { return };
    let cache = env::var_os("VEILBENCH_CACHE").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    for listing in list(&Store::new(data, cache)).unwrap() {
        if !is_there(listing.id) {
            assert_eq!(listing.state, State::SampleOnly, "{}", listing.id);
            continue;
        }
        assert_eq!(listing.state, State::Complete, "{}", listing.id);
        assert!(listing.size_bytes > 1_000_000);
    }
}

/// Class names and pixels of all images, sorted.
fn sorted(
    classes: &[String],
    labels: impl Iterator<Item = usize>,
    pixels: &[u8],
    size: usize,
) -> Vec<(String, Vec<u8>)> {
    let images =
        labels.zip(pixels.chunks_exact(size)).map(|(label, image)| (classes[label].clone(), image.to_vec()));
    let mut images: Vec<_> = images.collect();
    images.sort_unstable();
    images
}

#[test]
fn published_files_brought_as_own_data_have_the_published_pixels_and_labels() {
    let (Some(digits), Some(cells)) = (real("mnist", Split::Test), real("malaria", Split::Test)) else {
        return;
    };
    let data = PathBuf::from(env::var_os("VEILBENCH_DATA").unwrap());
    let mnist = OwnData::open(&data.join("mnist"), &Options::default()).unwrap();
    assert_eq!((mnist.name(), mnist.len(Split::Train)), ("own-mnist", 60_000));
    let mnist = mnist.fit(Split::Test, Input::Flat(784), 10).unwrap().images;
    assert_eq!(mnist.pixels, Pixels::Bytes(digits.pixels));
    assert_eq!(mnist.labels, Some(digits.labels.iter().map(|&label| u32::from(label)).collect()));

    let folder = tempfile::tempdir().unwrap();
    for class in ["Parasitized", "Uninfected"] {
        std::os::unix::fs::symlink(data.join("malaria").join(class), folder.path().join(class)).unwrap();
    }
    let input = Input::Image { channels: 3, height: 32, width: 32 };
    let refused = OwnData::open(folder.path(), &Options::default()).unwrap().fit(Split::Test, input, 2);
    assert!(refused.unwrap_err().to_string().contains("--allow stretch"));
    let options = Options { allow: vec![Step::Stretch], pixel_max: None };
    let own = OwnData::open(folder.path(), &options).unwrap().fit(Split::Test, input, 2).unwrap().images;
    let (Pixels::Bytes(pixels), Some(labels)) = (&own.pixels, &own.labels) else {
        panic!("bytes and labels")
    };
    let own = sorted(&own.classes, labels.iter().map(|&label| label as usize), pixels, 3 * 32 * 32);
    let labels = cells.labels.iter().map(|&label| usize::from(label));
    assert!(own == sorted(&cells.classes, labels, &cells.pixels, 3 * 32 * 32), "not the published cells");
}
