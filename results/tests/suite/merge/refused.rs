//! What does not go together: other plans, programs, networks or data, and what a merge would lose.

use super::{files, marks, matrix, measure, memory_folder, two_shards};
use crate::fixture::run;
use std::collections::BTreeMap;
use std::fs;
use veilbench_results::{Cell, Error, ExternalRecord, NetworkRecord, Run, ShardRecord, Store, merge};

#[test]
fn shards_of_different_plans_binaries_networks_or_data_refuse_to_merge_by_name() {
    type Change = fn(&mut Run);
    let of_plan = |run: &mut Run, change: fn(&[Cell]) -> Vec<Cell>, repetitions| {
        let cells: Vec<Cell> =
            run.shards.iter().flat_map(|shards| &shards.cells).map(|id| id.parse().unwrap()).collect();
        run.shards = Some(ShardRecord::new(run, &change(&cells), repetitions, BTreeMap::new(), 2, 2));
    };
    let changes: [(Change, &str); 7] = [
        (
            |run| run.executable_sha256 = "f".repeat(64),
            "another executable (eeeeeeeeeeee; there ffffffffffff)",
        ),
        (|run| run.seed = 8, "another seed (7; there 8)"),
        (|run| run.warmup = 3, "another warm-up (0; there 3)"),
        (
            |run| run.networks.get_mut("mnist-mlp").unwrap().sha256 = "ab".into(),
            "another network `mnist-mlp`",
        ),
        (|run| run.datasets.get_mut("mnist").unwrap().fingerprint = "cd".into(), "another data set `mnist`"),
        (|run| run.backends.get_mut("mpc").unwrap().simulated = true, "another backend `mpc`"),
        (|run| run.shards.as_mut().unwrap().of = 3, "another number of shards (2; there 3)"),
    ];
    for (change, expected) in changes {
        let (folder, shards) = two_shards(change);
        let into = folder.path().join("run");
        let error = merge(&shards, &into).unwrap_err();
        assert!(matches!(error, Error::Apart { .. }) && error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("shard-1 and ") && !into.exists());
    }
    let (folder, shards) = two_shards(|run| of_plan(run, |cells| cells[1..].to_vec(), 1));
    let error = merge(&shards, &folder.path().join("run")).unwrap_err().to_string();
    assert!(
        error.contains("another set of cells (backend-0/network-0/") && error.contains("another plan"),
        "{error}"
    );
    let (folder, shards) = two_shards(|run| of_plan(run, <[Cell]>::to_vec, 2));
    let error = merge(&shards, &folder.path().join("run")).unwrap_err().to_string();
    assert!(error.contains("another number of sessions per cell (1; there 2)"), "{error}");
    let (folder, shards) = two_shards(|run| {
        let record = run.shards.as_ref().unwrap();
        let cells: Vec<Cell> = record.cells.iter().map(|id| id.parse().unwrap()).collect();
        let other = BTreeMap::from([(record.cells[0].clone(), 3)]);
        run.shards = Some(ShardRecord::new(run, &cells, 1, other, 2, 2));
    });
    let error = merge(&shards, &folder.path().join("run")).unwrap_err().to_string();
    assert!(
        error.contains("another number of sessions of `backend-0/network-0/")
            && error.contains("(1; there 3)"),
        "{error}"
    );
}

#[test]
fn a_session_in_two_folders_is_named_and_nothing_is_written() {
    let (folder, shards) = two_shards(|_| {});
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for (name, bytes) in files(&shards[0]) {
        fs::write(copy.join(name), bytes).unwrap();
    }
    let into = folder.path().join("run");
    let error = merge(&[shards.as_slice(), &[copy]].concat(), &into).unwrap_err();
    assert!(matches!(error, Error::Twice { repetition: 0, .. }), "{error}");
    assert!(error.to_string().contains("shard-1") && error.to_string().contains("copy") && !into.exists());
    let named = merge(&[shards[0].clone(), shards[0].clone()], &into);
    assert!(matches!(named, Err(Error::Named { .. })));
    assert!(matches!(merge(&shards, &shards[1]), Err(Error::Named { .. })));
}

#[test]
fn what_is_no_shard_is_being_written_or_would_be_lost_is_refused() {
    let (folder, shards) = two_shards(|_| {});
    let into = folder.path().join("run");
    assert!(matches!(merge(&[], &into), Err(Error::NothingToMerge)));
    let plain = folder.path().join("plain");
    Store::create(&plain, &run()).unwrap();
    assert!(matches!(merge(&[shards[0].clone(), plain.clone()], &into), Err(Error::NoShard { .. })));
    let store = Store::open(&shards[1]).unwrap();
    assert!(matches!(merge(&shards, &into), Err(Error::Locked { .. })));
    drop(store);
    assert!(matches!(merge(&shards, &plain), Err(Error::RunExists { .. })));
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine").join("notes.txt"), "mine").unwrap();
    assert!(matches!(merge(&shards, &folder.path().join("mine")), Err(Error::Occupied { .. })));
    merge(&shards, &into).unwrap();
    // Fewer sessions than are there: they would be lost.
    assert!(matches!(merge(&shards[..1], &into), Err(Error::RunExists { .. })));
    assert_eq!(marks(&into).len(), 4);
}

#[test]
fn folders_that_differ_from_each_other_and_not_from_the_first_refuse_to_merge() {
    let (folder, cells) = (memory_folder(), matrix(2, 4, 1, 1));
    let shards = measure(folder.path(), &cells, 1, 3);
    let change = |shard: usize, change: &dyn Fn(&mut Run)| {
        let mut run = Run::load(&shards[shard]).unwrap();
        change(&mut run);
        run.save(&shards[shard]).unwrap();
    };
    // Only the second and the third have the backend, each another one.
    change(0, &|run| drop(run.backends.remove("mpc")));
    change(2, &|run| run.backends.get_mut("mpc").unwrap().simulated = true);
    let into = folder.path().join("run");
    let mut order = shards.clone();
    for _ in 0..3 {
        order.rotate_left(1);
        let error = merge(&order, &into).unwrap_err().to_string();
        assert!(error.contains("shard-2 and ") && error.contains("shard-3 do not merge"), "{error}");
        assert!(error.contains("another backend `mpc`") && !into.exists(), "{error}");
    }
    change(2, &|run| run.backends.get_mut("mpc").unwrap().simulated = false);
    assert_eq!(merge(&shards, &into).unwrap().sessions, cells.len());
}

#[test]
fn other_images_that_calibrate_a_network_are_another_plan() {
    let cells = matrix(1, 1, 1, 1);
    let record = |digest: &str| {
        let mut described = run();
        let network = NetworkRecord { calibration_sha256: digest.into(), ..NetworkRecord::default() };
        described.networks.insert("network-0".into(), network);
        ShardRecord::new(&described, &cells, 1, BTreeMap::new(), 1, 2).plan_sha256
    };
    assert_ne!(record(&"a".repeat(64)), record(&"b".repeat(64)));
    assert_ne!(record(&"a".repeat(64)), record(""));
    let (folder, shards) = two_shards(|run| {
        run.networks.get_mut("mnist-mlp").unwrap().calibration_sha256 = "c".repeat(64);
    });
    let error = merge(&shards, &folder.path().join("run")).unwrap_err().to_string();
    assert!(
        error.contains("another set of images that calibrate network `mnist-mlp` (none; there cccccccccccc)"),
        "{error}"
    );
}

#[test]
fn two_programs_or_versions_of_a_foreign_system_do_not_merge() {
    let record = |files: &str, version: Option<&str>| ExternalRecord {
        files_sha256: files.repeat(64),
        version: version.map(str::to_owned),
    };
    let merged = |records: [ExternalRecord; 3]| {
        let (folder, cells) = (memory_folder(), matrix(3, 3, 1, 1));
        let shards = measure(folder.path(), &cells, 1, 3);
        for (shard, record) in shards.iter().zip(records) {
            let mut run = Run::load(shard).unwrap();
            // No cell of it is in two shards, so their plans do not tell.
            run.external.insert("system".into(), record);
            run.save(shard).unwrap();
        }
        let into = folder.path().join("run");
        merge(&shards, &into).map(|_| Run::load(&into).unwrap().external["system"].clone())
    };
    let (one, other) = (|| record("a", Some("1.0")), || record("a", Some("1.1")));
    assert_eq!(merged([one(), one(), one()]).unwrap(), one());
    assert_eq!(merged([record("a", None), one(), one()]).unwrap(), one(), "where it is not installed");
    let error = merged([one(), record("b", Some("1.0")), one()]).unwrap_err().to_string();
    assert!(error.contains("another program of `system` (aaaaaaaaaaaa; there bbbbbbbbbbbb)"), "{error}");
    for records in [[one(), other(), one()], [record("a", None), one(), other()]] {
        let error = merged(records).unwrap_err().to_string();
        assert!(error.contains("another version of `system` (1.0; there 1.1)"), "{error}");
    }
    let cells = matrix(1, 1, 1, 1);
    let plan = |external: Option<ExternalRecord>| {
        let mut described = run();
        described.external.extend(external.map(|record| (cells[0].backend.clone(), record)));
        ShardRecord::new(&described, &cells, 1, BTreeMap::new(), 1, 2).plan_sha256
    };
    assert_ne!(plan(Some(one())), plan(Some(record("b", None))));
    assert_ne!(plan(Some(one())), plan(None));
}
