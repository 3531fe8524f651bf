//! Facts about the real data, where `VEILBENCH_DATA` names it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

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

#[test]
fn published_images_go_by_their_own_name() {
    for id in veilbench_datasets::IDS {
        for split in [Split::Train, Split::Test] {
            let Some(dataset) = real(id, split) else { return };
            assert_eq!(dataset.id, id);
        }
    }
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
