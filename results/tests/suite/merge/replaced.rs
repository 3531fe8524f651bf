//! What a merge into the folder of an earlier one keeps, however it ends.

use super::{files, marks, two_shards};
use std::{collections::BTreeSet, fs, path::PathBuf};
use veilbench_results::{Error, merge, validate};

#[test]
fn what_else_lies_in_the_folder_of_a_merged_run_stays_when_it_is_replaced() {
    let (folder, shards) = two_shards(|_| {});
    let into = folder.path().join("run");
    merge(&shards[..1], &into).unwrap();
    fs::write(into.join("notes.txt"), "mine").unwrap();
    fs::create_dir(into.join("plots")).unwrap();
    fs::write(into.join("plots/one.svg"), "a plot").unwrap();
    // A trailing slash names the same folder, and not one within it.
    let slashed = PathBuf::from(format!("{}/", into.display()));
    assert_eq!(merge(&shards, &slashed).unwrap().sessions, 4);
    assert_eq!(fs::read_to_string(into.join("notes.txt")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(into.join("plots/one.svg")).unwrap(), "a plot");
    assert_eq!((marks(&into).len(), validate(&into).unwrap()), (4, vec![]));
    let names: BTreeSet<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["run", "shard-1", "shard-2"].map(str::to_owned).into(), "nothing is left beside it");
}

#[test]
fn a_replacement_that_was_ended_in_the_middle_loses_nothing() {
    let (folder, shards) = two_shards(|_| {});
    let [into, old, new] = ["run", "run.replaced", "run.merging"].map(|name| folder.path().join(name));
    merge(&shards, &into).unwrap();
    fs::write(into.join("notes.txt"), "mine").unwrap();
    let whole = files(&into);

    // Ended between the two renames: the earlier merge lies aside, and a merge of less must not take its place.
    fs::rename(&into, &old).unwrap();
    fs::create_dir(&new).unwrap();
    fs::write(new.join("samples.csv.new"), "half").unwrap();
    assert!(matches!(merge(&shards[..1], &into), Err(Error::RunExists { .. })));
    assert_eq!((files(&into), old.exists()), (whole.clone(), false));

    // Ended before what else was there was moved back.
    fs::create_dir(&old).unwrap();
    for (name, bytes) in &whole {
        fs::write(old.join(name), bytes).unwrap();
    }
    fs::rename(into.join("notes.txt"), old.join("notes.txt")).unwrap();
    merge(&shards, &into).unwrap();
    assert_eq!((files(&into), old.exists(), new.exists()), (whole.clone(), false, false));
    assert_eq!(fs::read_to_string(into.join("notes.txt")).unwrap(), "mine");

    // Somebody else's folder of such a name is left alone.
    fs::create_dir(&new).unwrap();
    fs::write(new.join("thesis.txt"), "mine").unwrap();
    assert!(matches!(merge(&shards, &into), Err(Error::Occupied { .. })));
    assert_eq!(fs::read_to_string(new.join("thesis.txt")).unwrap(), "mine");
    assert_eq!(files(&into), whole);
}

#[test]
fn a_packed_run_is_not_taken_for_an_empty_one_that_may_be_replaced() {
    let (folder, shards) = two_shards(|_| {});
    let into = folder.path().join("run");
    merge(&shards, &into).unwrap();
    fs::rename(into.join("samples.csv"), into.join("samples.csv.gz")).unwrap();
    assert!(matches!(merge(&shards[..1], &into), Err(Error::Packed { .. })));
}
