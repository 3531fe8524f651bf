//! What shards and their merging promise: every session exactly once, whatever the number of shards, the order in
//! which they are merged and the byte at which a shard was killed.

mod refused;
mod replaced;

use crate::fixture::{cell, run, session};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use veilbench_results::{
    ALL_ROLES, BackendRecord, Cell, Error, Machine, Merged, NetworkRecord, Run, RunData, Session, SessionKey,
    ShardRecord, Status, Store, merge, partition, validate,
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
        let shards = ShardRecord::new(&run(), cells, repetitions, BTreeMap::new(), index, of);
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
fn a_cell_of_fewer_sessions_lacks_those_alone() {
    let cells = matrix(2, 1, 1, 1);
    let slow = BTreeMap::from([(cells[0].id(), 2)]);
    let shards = ShardRecord::new(&run(), &cells, 5, slow, 1, 1);
    let missing = |recorded: usize| shards.missing(&keys(&cells, recorded), |_| false);
    assert_eq!(missing(2), BTreeMap::from([(cells[1].id(), 3)]));
    assert_eq!(missing(1), BTreeMap::from([(cells[0].id(), 1), (cells[1].id(), 4)]));
    assert_ne!(shards.plan_sha256, ShardRecord::new(&run(), &cells, 5, BTreeMap::new(), 1, 1).plan_sha256);
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
