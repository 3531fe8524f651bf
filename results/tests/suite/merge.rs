//! What shards and their merging promise: every session exactly once, whatever the number of shards, the order in
//! which they are merged and the byte at which a shard was killed.

use crate::fixture::{cell, run, session};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use veilbench_results::{
    ALL_ROLES, BackendRecord, Cell, Error, ExternalRecord, Machine, Merged, NetworkRecord, Run, RunData,
    Session, SessionKey, ShardRecord, Status, Store, merge, partition, validate,
};

/// A matrix of backends, networks, batches and links.
fn matrix(backends: usize, networks: usize, batches: usize, links: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for backend in 0..backends {
        for network in 0..networks {
            for batch in 0..batches {
                for link in ["loopback", "lan", "wan", "20mbit+5ms"].into_iter().take(links) {
                    let (network, link) = (format!("network-{network}"), link.to_owned());
                    let cell =
                        Cell { network, batch: 1 << batch, link, ..cell(&format!("backend-{backend}")) };
                    cells.push(cell);
                }
            }
        }
    }
    cells
}

fn memory_folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// The first batch without the rows of single roles: whole, and small enough for a thousand.
fn small(cell: &Cell, repetition: usize, folder: &str) -> Session {
    let mut session = session(cell, repetition);
    session.samples.retain(|sample| sample.iteration == 0 && sample.role == ALL_ROLES);
    session.traffic.retain(|row| row.iteration == 0);
    session.answers.retain(|answer| answer.iteration == 0);
    named(session, folder)
}

fn named(mut session: Session, run: &str) -> Session {
    session.samples.iter_mut().for_each(|row| run.clone_into(&mut row.run));
    session.traffic.iter_mut().for_each(|row| run.clone_into(&mut row.run));
    session.answers.iter_mut().for_each(|row| run.clone_into(&mut row.run));
    session
}

fn description(name: &str, shards: ShardRecord, node: usize) -> Run {
    let mut networks = run().networks;
    networks.extend((0..25).map(|index| (format!("network-{index}"), NetworkRecord::default())));
    let mut backends = run().backends;
    backends.extend((0..5).map(|index| (format!("backend-{index}"), BackendRecord::default())));
    Run {
        networks,
        backends,
        name: name.to_owned(),
        created: format!("2026-01-0{}T00:00:00Z", 1 + node % 9),
        commands: vec![format!("veilbench run --out {name}")],
        executable_sha256: "e".repeat(64),
        fingerprint: "one kind of machine".to_owned(),
        shards: Some(shards),
        ..run()
    }
}

/// Measures each shard on a node of its own, in a folder of its own.
fn measure(root: &Path, cells: &[Cell], repetitions: usize, of: usize) -> Vec<PathBuf> {
    let folder = |index: usize| {
        let name = format!("shard-{index}");
        let folder = root.join(&name);
        let shards = ShardRecord::new(&run(), cells, repetitions, index, of);
        let shard_of = shards.partition();
        let mut store = Store::create(&folder, &description(&name, shards, index)).unwrap();
        let machine = Machine { cpu_model: "made up".into(), cores: index, ..Machine::default() };
        store.measure_on(&format!("node-{index}"), &machine).unwrap();
        for repetition in 0..repetitions {
            for cell in cells.iter().filter(|cell| shard_of[&cell.id()] == index) {
                store.append_session(&small(cell, repetition, &name)).unwrap();
            }
        }
        folder
    };
    (1..=of).map(folder).collect()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |name: &str| (name.to_owned(), fs::read(folder.join(name)).unwrap());
    ["run.json", "samples.csv", "traffic.csv", "answers.csv"].map(file).into()
}

fn keys(cells: &[Cell], repetitions: usize) -> BTreeSet<SessionKey> {
    cells
        .iter()
        .flat_map(|cell| (0..repetitions).map(|repetition| SessionKey::new(cell, repetition)))
        .collect()
}

fn marks(folder: &Path) -> Vec<SessionKey> {
    let data = RunData::load(folder).unwrap();
    let marks = data.samples.iter().filter(|sample| sample.is_commit_mark());
    marks.map(|mark| SessionKey { cell: mark.cell.clone(), repetition: mark.repetition }).collect()
}

/// The comparison a cell takes part in, which must not cross shards.
fn comparison(cell: &Cell) -> (&str, &str, usize, &str) {
    (&cell.network, &cell.dataset, cell.batch, &cell.link)
}

proptest! {
    #[test]
    fn every_cell_has_one_shard_that_its_comparison_shares_whatever_the_order(
        (backends, networks, batches, links) in (1_usize..5, 1_usize..5, 1_usize..4, 1_usize..5),
        of in 1_usize..40,
        hash in "[0-9a-f]{64}",
        turn in 0_usize..200,
    ) {
        let cells = matrix(backends, networks, batches, links);
        let shards = partition(&cells, &hash, of);
        prop_assert!(shards.iter().all(|shard| (1..=of).contains(shard)));
        let mut of_comparison = BTreeMap::new();
        for (cell, shard) in cells.iter().zip(&shards) {
            prop_assert_eq!(of_comparison.entry(comparison(cell)).or_insert(*shard), shard);
        }
        // Every group is equally large here, so no shard has two more than another.
        let mut loads = vec![0_usize; of];
        of_comparison.values().for_each(|shard| loads[shard - 1] += 1);
        prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{:?}", loads);
        let mut turned: Vec<(Cell, usize)> = cells.into_iter().zip(shards).collect();
        let middle = turn % turned.len();
        turned.rotate_left(middle);
        turned.reverse();
        let (cells, shards): (Vec<Cell>, Vec<usize>) = turned.into_iter().unzip();
        prop_assert_eq!(partition(&cells, &hash, of), shards);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shards_merged_in_any_order_and_in_any_steps_hold_every_session_once_in_the_same_bytes(
        (backends, networks, links) in (1_usize..4, 1_usize..4, 1_usize..4),
        repetitions in 1_usize..3,
        of in 1_usize..7,
        order in any::<u64>(),
        cut in 1_usize..7,
    ) {
        let (folder, cells) = (memory_folder(), matrix(backends, networks, 1, links));
        let shards = measure(folder.path(), &cells, repetitions, of);
        let (whole, stepwise) = (folder.path().join("a").join("run"), folder.path().join("b").join("run"));
        let merged = merge(&shards, &whole).unwrap();
        prop_assert_eq!(merged.sessions, cells.len() * repetitions);
        prop_assert!(merged.missing.is_empty() && merged.absent.is_empty() && merged.damaged.is_empty());
        prop_assert_eq!(validate(&whole).unwrap(), []);
        let found = marks(&whole);
        prop_assert_eq!(found.len(), merged.sessions);
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys(&cells, repetitions));

        let mut shuffled = shards.clone();
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, (order.rotate_left(place as u32) % (place as u64 + 1)) as usize);
        }
        let (first, rest) = shuffled.split_at(cut.min(of));
        let part = folder.path().join("part");
        let partial = merge(first, &part).unwrap();
        prop_assert_eq!(partial.absent.len(), rest.len());
        merge(&[rest, &[part]].concat(), &stepwise).unwrap();
        prop_assert_eq!(files(&whole), files(&stepwise));
    }

    #[test]
    fn a_shard_killed_at_any_byte_and_run_again_merges_to_the_same_bytes(
        of in 2_usize..5,
        victim in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        let (folder, cells) = (memory_folder(), matrix(2, 3, 1, 2));
        let shards = measure(folder.path(), &cells, 2, of);
        let whole = folder.path().join("a").join("run");
        merge(&shards, &whole).unwrap();
        let victim = &shards[victim.index(of)];
        let samples = fs::read(victim.join("samples.csv")).unwrap();
        fs::write(victim.join("samples.csv"), &samples[..place.index(samples.len())]).unwrap();

        let cut = folder.path().join("b").join("run");
        let partial = merge(&shards, &cut).unwrap();
        let lost: usize = partial.missing.values().sum();
        prop_assert_eq!(partial.sessions + lost, 2 * cells.len());
        prop_assert_eq!(validate(&cut).unwrap(), []);

        let mut store = Store::open(victim).unwrap();
        let name = store.run().name.clone();
        let record = store.run().shards.clone().unwrap();
        let (shard_of, index) = (record.partition(), *record.present.first().unwrap());
        store.measure_on(&format!("node-{index}"), &Machine::default()).unwrap();
        for repetition in 0..2 {
            for cell in cells.iter().filter(|cell| shard_of[&cell.id()] == index) {
                if !store.completed().contains(&SessionKey::new(cell, repetition)) {
                    store.append_session(&small(cell, repetition, &name)).unwrap();
                }
            }
        }
        drop(store);
        // The merge that lacked sessions is replaced: all of its sessions are in the new one.
        let again = merge(&shards, &cut).unwrap();
        prop_assert!(again.missing.is_empty());
        prop_assert_eq!(files(&whole), files(&cut));
    }
}

#[test]
fn a_thousand_cells_go_through_eight_shards() {
    let (folder, cells) = (memory_folder(), matrix(5, 25, 2, 4));
    assert_eq!(cells.len(), 1_000);
    let shards = measure(folder.path(), &cells, 1, 8);
    let sizes: Vec<usize> = shards.iter().map(|shard| marks(shard).len()).collect();
    assert_eq!(sizes, [125; 8]);
    let whole = folder.path().join("run");
    assert_eq!(merge(&shards, &whole).unwrap().sessions, 1_000);
    assert_eq!(validate(&whole).unwrap(), []);
    let data = RunData::load(&whole).unwrap();
    assert_eq!(data.run.machines.len(), 8);
    let mut machines: BTreeMap<(&str, &str, usize, &str), BTreeSet<&str>> = BTreeMap::new();
    for sample in &data.samples {
        let key = (&*sample.network, &*sample.dataset, sample.batch, &*sample.link);
        machines.entry(key).or_default().insert(&sample.machine);
    }
    assert!(machines.values().all(|machines| machines.len() == 1), "a comparison crosses machines");
    assert_eq!(machines.values().flatten().collect::<BTreeSet<_>>().len(), 8);
}

/// Two shards of one matrix, the second changed.
fn two_shards(change: impl FnOnce(&mut Run)) -> (TempDir, Vec<PathBuf>) {
    let (folder, cells) = (memory_folder(), matrix(2, 2, 1, 1));
    let shards = measure(folder.path(), &cells, 1, 2);
    let mut run = Run::load(&shards[1]).unwrap();
    change(&mut run);
    run.save(&shards[1]).unwrap();
    (folder, shards)
}

#[test]
fn shards_of_different_plans_binaries_networks_or_data_refuse_to_merge_by_name() {
    type Change = fn(&mut Run);
    let of_plan = |run: &mut Run, change: fn(&[Cell]) -> Vec<Cell>, repetitions| {
        let cells: Vec<Cell> =
            run.shards.iter().flat_map(|shards| &shards.cells).map(|id| id.parse().unwrap()).collect();
        run.shards = Some(ShardRecord::new(run, &change(&cells), repetitions, 2, 2));
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
    assert!(error.contains("another number of sessions a cell (1; there 2)"), "{error}");
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
fn sessions_that_are_damaged_interrupted_or_of_absent_shards_are_missing_by_cell() {
    let (folder, shards) = two_shards(|_| {});
    let Merged { missing, absent, sessions, .. } = merge(&shards[..1], &folder.path().join("half")).unwrap();
    assert_eq!((sessions, missing.values().sum::<usize>(), absent), (2, 2, BTreeSet::from([2])));

    let path = shards[1].join("answers.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("0.125", "0.25", 1)).unwrap();
    let merged = merge(&shards, &folder.path().join("damaged")).unwrap();
    assert_eq!((merged.sessions, merged.damaged.len(), merged.missing.len()), (3, 1, 1));

    let mut store = Store::open(&shards[1]).unwrap();
    let key = merged.damaged.first().unwrap().clone();
    let mut stopped = small(&key.cell.parse().unwrap(), key.repetition, "shard-2");
    stopped.samples.last_mut().unwrap().status = Status::Interrupted;
    store.append_session(&stopped).unwrap();
    drop(store);
    let merged = merge(&shards, &folder.path().join("interrupted")).unwrap();
    assert_eq!((merged.sessions, merged.damaged.len(), merged.missing.len()), (3, 0, 1));
}

#[test]
fn what_a_machine_of_a_session_was_cannot_be_changed_unnoticed() {
    let (folder, shards) = two_shards(|_| {});
    let into = folder.path().join("run");
    merge(&shards, &into).unwrap();
    let path = into.join("samples.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("node-1", "node-2", 1)).unwrap();
    let found = validate(&into).unwrap();
    assert!(found.iter().any(|finding| finding.message.contains("were changed after they were written")));
    fs::write(&path, &text).unwrap();
    let path = into.join("run.json");
    let description = fs::read_to_string(&path).unwrap();
    fs::write(&path, description.replacen("\"cores\": 2", "\"cores\": 64", 1)).unwrap();
    let found = validate(&into).unwrap();
    assert_eq!(found.len(), 2, "the two sessions of node-2: {found:?}");
    assert!(found.iter().all(|finding| finding.message.contains("what run.json says about")), "{found:?}");
}

/// Written by veilbench 0.1.0 of schema version 2, with its digests.
#[test]
fn a_run_of_the_second_version_is_read_with_its_digests_verified() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second-version");
    let data = RunData::load(&folder).unwrap();
    assert_eq!((data.run.schema_version, data.findings.as_slice()), (2, &[][..]));
    assert!(data.run.machines[""].cores > 0 && data.run.first_machine() == data.run.machines[""]);
    let mark = data.samples.iter().find(|sample| sample.is_commit_mark()).unwrap();
    assert!(mark.rows_sha256.len() == 64 && mark.run_sha256.len() == 64 && mark.machine.is_empty());

    let changed = memory_folder();
    for (name, bytes) in files(&folder) {
        fs::write(changed.path().join(name), bytes).unwrap();
    }
    let path = changed.path().join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"cores\": ", "\"cores\": 1", 1)).unwrap();
    let found = validate(changed.path()).unwrap();
    assert!(found.iter().any(|finding| finding.message.contains("what run.json says about")), "{found:?}");
    assert!(matches!(Store::open(changed.path()), Err(Error::OldRun { found: 2, .. })));
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
        ShardRecord::new(&described, &cells, 1, 1, 2).plan_sha256
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
        ShardRecord::new(&described, &cells, 1, 1, 2).plan_sha256
    };
    assert_ne!(plan(Some(one())), plan(Some(record("b", None))));
    assert_ne!(plan(Some(one())), plan(None));
}
