//! A user's data kept under a name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use image::GrayImage;
use veilbench_datasets::{Error, Options, OwnData, Split, Store, add, kept, remove};

fn png(path: &Path, level: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(4, 4, image::Luma([level])).save(path).unwrap();
}

#[test]
fn kept_data_is_found_by_name_and_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("store"), folder.path().join("cache"));
    let data = folder.path().join("in");
    png(&data.join("train/a/1.png"), 1);
    png(&data.join("test/a/2.png"), 2);
    png(&data.join("test/b/3.png"), 3);
    fs::write(data.join("readme.txt"), "not data").unwrap();
    let added = add(&store, "mine", &data, &Options::default()).unwrap();
    assert_eq!((added.files, added.damage.as_deref()), (3, None));
    let own = OwnData::open(&data, &Options::default()).unwrap();
    fs::remove_dir_all(&data).unwrap();
    let found = OwnData::find(&store, Path::new("mine"), &Options::default()).unwrap();
    assert_eq!((found.name(), found.checksum()), ("mine", own.checksum()));
    assert_eq!((found.len(Split::Train), found.len(Split::Test)), (1, 2));
    assert_eq!(kept(&store).unwrap(), std::slice::from_ref(&added));

    png(&added.folder.join("data/test/b/4.png"), 4);
    let error = OwnData::find(&store, Path::new("mine"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("4.png") && error.contains("SHA256SUMS"), "{error}");
    fs::remove_file(added.folder.join("data/test/b/4.png")).unwrap();
    png(&added.folder.join("data/test/b/3.png"), 5);
    let error = OwnData::find(&store, Path::new("mine"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("3.png") && error.contains("not as it was"), "{error}");
    assert!(kept(&store).unwrap()[0].damage.as_ref().unwrap().contains("3.png"));

    remove(&store, "mine").unwrap();
    assert!(kept(&store).unwrap().is_empty());
    let missing = remove(&store, "mine").unwrap_err();
    assert_eq!(missing.to_string(), "no data that was added is called mine");
    assert!(matches!(remove(&store, ".."), Err(Error::NotAdded { .. })));
}

#[test]
fn arrays_and_tables_are_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("store"), folder.path().join("cache"));
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/own");
    let white = Options { allow: Vec::new(), pixel_max: Some(65_535.0) };
    add(&store, "archive", &real.join("medmnist.npz"), &Options::default()).unwrap();
    add(&store, "pair", &real.join("images.npy"), &white).unwrap();
    let table = folder.path().join("in/list.csv");
    png(&folder.path().join("in/x/1.png"), 1);
    png(&folder.path().join("in/2.png"), 1);
    fs::write(&table, "file,label\nx/1.png,0\n").unwrap();
    add(&store, "table", &table, &Options::default()).unwrap();
    for (name, files) in [("archive", 1), ("pair", 2), ("table", 2)] {
        // The pair is read as it was added.
        let data = OwnData::find(&store, Path::new(name), &Options::default()).unwrap();
        assert!(data.has_labels() && data.name() == name);
        assert_eq!(
            kept(&store).unwrap().iter().find(|kept| kept.name == name).unwrap().files,
            files,
            "{name}"
        );
    }
}

#[test]
fn names_are_checked_and_nothing_is_left_of_what_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("store"), folder.path().join("cache"));
    let data = folder.path().join("in");
    png(&data.join("a/1.png"), 1);
    for name in ["mnist", "malaria-sample", "melanoma-unverified", "", ".hidden", "a/b", "..", "a b"] {
        let error = add(&store, name, &data, &Options::default()).unwrap_err();
        assert!(matches!(error, Error::Name { .. }), "{name}: {error}");
    }
    fs::create_dir(data.join("empty")).unwrap();
    assert!(add(&store, "mine", &data, &Options::default()).is_err());
    fs::remove_dir(data.join("empty")).unwrap();
    let left = fs::read_dir(store.data().join("own")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    add(&store, "mine", &data, &Options::default()).unwrap();
    let again = add(&store, "mine", &data, &Options::default()).unwrap_err().to_string();
    assert!(again.contains("remove that first"), "{again}");
    let nothing = OwnData::find(&store, Path::new("mime"), &Options::default()).unwrap_err().to_string();
    assert!(nothing.contains("mime") && nothing.contains("(mine)"), "{nothing}");
}

#[test]
fn a_published_name_is_not_taken_by_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mnist");
    png(&data.join("a/1.png"), 1);
    assert_eq!(OwnData::open(&data, &Options::default()).unwrap().name(), "own-mnist");
}
