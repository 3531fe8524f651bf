//! Shards: a matrix of cells dealt to several runs, so that anybody who knows the matrix knows who measures what.

use crate::{Cell, DatasetRecord, NetworkRecord, Run, SessionKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Shards that a matrix may be dealt to.
pub const MOST_SHARDS: usize = 100_000;

/// Which part of a matrix a run holds. Shards of one matrix are equal in all but `present`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardRecord {
    /// SHA-256 of the matrix, hexadecimal: its cells, sessions per cell, seed, warm-up, and the digests of its networks,
    /// of the images that calibrate them, and of its data sets.
    pub plan_sha256: String,
    /// Shards it is dealt to.
    pub of: usize,
    /// Those that this run holds, from 1, whole or not.
    pub present: BTreeSet<usize>,
    /// Sessions of each cell that its backend can run; one of any other.
    pub repetitions: usize,
    /// Cells that have another number of sessions, with it: those whose batches take long have fewer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub repetitions_of: BTreeMap<String, usize>,
    /// Ids of all cells of the matrix, sorted.
    pub cells: Vec<String>,
}

impl ShardRecord {
    /// Describes one shard of a matrix. `run` has the matrix' seed, warm-up, networks, data sets and external backends.
    #[must_use]
    pub fn new(
        run: &Run,
        cells: &[Cell],
        repetitions: usize,
        repetitions_of: BTreeMap<String, usize>,
        index: usize,
        of: usize,
    ) -> Self {
        let mut ids: Vec<String> = cells.iter().map(Cell::id).collect();
        ids.sort_unstable();
        let plan_sha256 = plan_sha256(run, &ids, repetitions, &repetitions_of);
        Self { plan_sha256, of, present: BTreeSet::from([index]), repetitions, repetitions_of, cells: ids }
    }

    /// The shard, from 1, of every cell of the matrix.
    #[must_use]
    pub fn partition(&self) -> BTreeMap<String, usize> {
        let cells: Vec<Cell> = self.cells.iter().filter_map(|id| id.parse().ok()).collect();
        let shards = partition(&cells, &self.plan_sha256, self.of);
        cells.iter().map(Cell::id).zip(shards).collect()
    }

    /// How many sessions each cell of the matrix lacks among `recorded`; `single` says of which cells there is only one.
    #[must_use]
    pub fn missing(
        &self,
        recorded: &BTreeSet<SessionKey>,
        single: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, usize> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for session in recorded {
            *counts.entry(&session.cell).or_default() += 1;
        }
        let lacking = self.cells.iter().map(|cell| {
            let planned = self.repetitions_of.get(cell).copied().unwrap_or(self.repetitions);
            let planned = if single(cell) { 1 } else { planned };
            (cell.clone(), planned.saturating_sub(counts.get(cell.as_str()).copied().unwrap_or(0)))
        });
        lacking.filter(|(_, sessions)| *sessions > 0).collect()
    }
}

/// What two computers have to agree on before each measures its shard.
fn plan_sha256(
    run: &Run,
    ids: &[String],
    repetitions: usize,
    repetitions_of: &BTreeMap<String, usize>,
) -> String {
    let cells: Vec<Cell> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let used = |name: fn(&Cell) -> &String| cells.iter().map(name).collect::<BTreeSet<_>>();
    let mut text = format!("veilbench matrix\n{repetitions} {} {}\n", run.seed, run.warmup);
    let mut line = |kind: &str, name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{kind} {name} {value}");
    };
    for name in used(|cell| &cell.network) {
        let record = run.networks.get(name);
        line("network", name, record.map_or("", |NetworkRecord { sha256, .. }| sha256));
        let calibration = record.map(|record| record.calibration_sha256.as_str()).unwrap_or_default();
        if !calibration.is_empty() {
            line("calibration", name, calibration);
        }
    }
    for name in used(|cell| &cell.dataset) {
        let fingerprint =
            run.datasets.get(name).map(|DatasetRecord { fingerprint, .. }| fingerprint.as_str());
        line("dataset", name, fingerprint.unwrap_or(""));
    }
    for name in used(|cell| &cell.backend) {
        // Of one that is compiled in, the executable says it.
        if let Some(record) = run.external.get(name) {
            line("external", name, &record.files_sha256);
        }
    }
    ids.iter().for_each(|id| line("cell", id, ""));
    repetitions_of.iter().for_each(|(id, sessions)| line("sessions", id, &sessions.to_string()));
    hex::encode(Sha256::digest(text))
}

/// Deals cells to `of` shards and returns the shard, from 1, of each: a function of the set of cells and the plan's hash.
///
/// Cells that differ in backend, threads, images or seed alone stay together, so that a comparison of backends never
/// crosses shards. Groups go, the largest first, to the shard with the fewest cells; the hash orders equal ones.
#[must_use]
pub fn partition(cells: &[Cell], plan_sha256: &str, of: usize) -> Vec<usize> {
    let key = |cell: &Cell| format!("{}/{}/b{}/{}", cell.network, cell.dataset, cell.batch, cell.link);
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for cell in cells {
        *sizes.entry(key(cell)).or_default() += 1;
    }
    let mut groups: Vec<(usize, [u8; 32], String)> = sizes
        .into_iter()
        .map(|(group, size)| (size, Sha256::digest(format!("{plan_sha256}\n{group}")).into(), group))
        .collect();
    groups.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    // Which shard is emptiest: its cells, then its number. Shards beyond the number of groups get none.
    let mut loads: BTreeSet<(usize, usize)> =
        (1..=of.min(groups.len()).max(1)).map(|shard| (0, shard)).collect();
    let mut shard_of: BTreeMap<String, usize> = BTreeMap::new();
    for (size, _, group) in groups {
        let (load, shard) = loads.pop_first().unwrap_or((0, 1));
        loads.insert((load + size, shard));
        shard_of.insert(group, shard);
    }
    cells.iter().map(|cell| shard_of.get(&key(cell)).copied().unwrap_or(1)).collect()
}
