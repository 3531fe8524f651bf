//! Runs of shards put together: a pure function of the sessions that are whole in each, in whatever order they come.

mod replace;

use crate::{
    Answer, BackendRecord, Error, ExternalRecord, MOST_SHARDS, Machine, NetworkRecord, Row, Run,
    SCHEMA_VERSION, Sample, Session, SessionKey, ShardRecord, Status, Traffic,
    folder::{
        archive,
        recovery::{Committed, committed, readable},
        store::{lock, seal},
    },
    session::SessionRow,
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs::File,
    path::{Path, PathBuf},
};

/// What [`merge`] put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Sessions in the merged run.
    pub sessions: usize,
    /// Sessions of the matrix that no folder holds whole, by cell: the shard of the cell is run again, then merged again.
    pub missing: BTreeMap<String, usize>,
    /// Shards, from 1, without a folder.
    pub absent: BTreeSet<usize>,
    /// Sessions that were left out because they are not as they were written.
    pub damaged: BTreeSet<SessionKey>,
}

/// Puts runs of shards of one matrix into one run; the same sessions give the same bytes in whatever order and in however
/// many steps they are merged. An earlier merge at `into` is replaced if the new one holds all of its sessions; other files there
/// stay.
///
/// Rows that were not written to their end are left out, as when a run is gone on with.
///
/// # Errors
/// Folders of different matrices, builds, networks or data sets ([`Error::Apart`]); a session that two folders hold
/// ([`Error::Twice`]); a folder that is no shard ([`Error::NoShard`]) or is being written; a disk that refuses.
pub fn merge(folders: &[PathBuf], into: &Path) -> Result<Merged, Error> {
    replace::recover(into)?;
    let mut sources = Vec::new();
    let target = into.canonicalize().ok();
    let mut seen = BTreeSet::new();
    for folder in folders {
        let path = folder.canonicalize().map_err(Error::io("open", folder))?;
        if target.as_ref() == Some(&path) || !seen.insert(path) {
            return Err(Error::Named { folder: folder.clone() });
        }
        sources.push(Source::read(folder)?);
    }
    sources.sort_by(|a, b| a.order().cmp(&b.order()));
    let [first, ..] = sources.as_slice() else { return Err(Error::NothingToMerge) };
    of_one_matrix(&sources)?;
    let name = into.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
    let run = sources.iter().skip(1).fold(first.run.clone(), |run, other| combined(run, &other.run));
    let mut run = Run { name, ..run };
    let mut sessions: BTreeMap<SessionKey, (Session, PathBuf)> = BTreeMap::new();
    let mut damaged = BTreeSet::new();
    for source in &mut sources {
        damaged.append(&mut source.damaged);
        for (key, session) in std::mem::take(&mut source.sessions) {
            match sessions.entry(key) {
                Entry::Vacant(place) => {
                    place.insert((session, source.folder.clone()));
                }
                Entry::Occupied(known) => {
                    let SessionKey { cell, repetition } = known.key().clone();
                    let (first, second) = (known.get().1.clone(), source.folder.clone());
                    return Err(Error::Twice { cell, repetition, first, second });
                }
            }
        }
    }
    let places: BTreeSet<&String> =
        sessions.values().flat_map(|(session, _)| &session.samples).map(|sample| &sample.machine).collect();
    run.machines.retain(|id, _| places.contains(id));
    let mut measured = Vec::with_capacity(sessions.len());
    for (key, (session, _)) in &mut sessions {
        rename(session, &run.name);
        seal(session, key, &run, into)?;
        measured.push((key.clone(), std::mem::take(session)));
    }
    replace::replace(into, &run, &measured)?;
    let recorded: BTreeSet<SessionKey> = measured.iter().map(|(key, _)| key.clone()).collect();
    let single: BTreeSet<&str> = measured
        .iter()
        .filter(|(_, session)| session.samples.last().is_some_and(|mark| mark.status == Status::Unsupported))
        .map(|(key, _)| &*key.cell)
        .collect();
    let shards = run.shards.unwrap_or_default();
    let missing = shards.missing(&recorded, |cell| single.contains(cell));
    let absent = (1..=shards.of).filter(|shard| !shards.present.contains(shard)).collect();
    damaged.retain(|session| !recorded.contains(session));
    Ok(Merged { sessions: recorded.len(), missing, absent, damaged })
}

/// A folder to merge: what is whole in it.
struct Source {
    folder: PathBuf,
    run: Run,
    shards: ShardRecord,
    sessions: BTreeMap<SessionKey, Session>,
    damaged: BTreeSet<SessionKey>,
    _lock: File,
}

impl Source {
    fn read(folder: &Path) -> Result<Self, Error> {
        let run = Run::load(folder)?;
        if run.schema_version != SCHEMA_VERSION {
            return Err(Error::OldRun { folder: folder.to_owned(), found: run.schema_version });
        }
        let Some(shards) = run.shards.clone().filter(|shards| shards.of <= MOST_SHARDS) else {
            return Err(Error::NoShard { folder: folder.to_owned() });
        };
        if [Sample::FILE, Traffic::FILE, Answer::FILE].iter().any(|file| archive::path(folder, file).exists())
        {
            return Err(Error::Packed { folder: folder.to_owned() });
        }
        let lock = lock(folder)?;
        let Committed { whole, damaged } = committed(folder, &run)?;
        let mut sessions: BTreeMap<SessionKey, Session> = BTreeMap::new();
        each(folder, &whole, &mut sessions, |session, row| session.samples.push(row))?;
        each(folder, &whole, &mut sessions, |session, row| session.traffic.push(row))?;
        each(folder, &whole, &mut sessions, |session, row| session.answers.push(row))?;
        Ok(Self { folder: folder.to_owned(), run, shards, sessions, damaged, _lock: lock })
    }

    /// Which comes first in messages; the merged run does not depend on it.
    fn order(&self) -> (Option<usize>, &str, &Path) {
        (self.shards.present.first().copied(), &self.run.created, &self.folder)
    }
}

/// Every two runs have to be of one matrix. What all of them have is compared with the first, and a network, data set, backend or
/// plan that only some have with the first of those.
fn of_one_matrix(sources: &[Source]) -> Result<(), Error> {
    let mut holders: BTreeMap<(u8, &String), usize> = BTreeMap::new();
    for (at, source) in sources.iter().enumerate() {
        let Run { networks, datasets, backends, plans, external, .. } = &source.run;
        let entries = networks.keys().map(|name| (0, name)).chain(datasets.keys().map(|name| (1, name)));
        let entries = entries.chain(backends.keys().map(|name| (2, name)));
        let entries = entries.chain(plans.keys().map(|name| (3, name)));
        let entries = entries.chain(external.keys().map(|name| (4, name)));
        // Those that are not installed everywhere say their version only where they are.
        let versions = external.iter().filter(|(_, record)| record.version.is_some());
        let entries = entries.chain(versions.map(|(name, _)| (5, name)));
        let mut compared: BTreeSet<usize> =
            entries.map(|entry| *holders.entry(entry).or_insert(at)).collect();
        compared.insert(0);
        for other in compared.into_iter().filter(|&other| other != at).map(|other| &sources[other]) {
            let differences = differences(other, source);
            if !differences.is_empty() {
                let (first, second) = (other.folder.clone(), source.folder.clone());
                return Err(Error::Apart { first, second, differences });
            }
        }
    }
    Ok(())
}

fn each<R: SessionRow>(
    folder: &Path,
    whole: &BTreeSet<SessionKey>,
    sessions: &mut BTreeMap<SessionKey, Session>,
    put: impl Fn(&mut Session, R),
) -> Result<(), Error> {
    for row in readable::<R>(folder)? {
        let key = row.key();
        if whole.contains(&key) {
            put(sessions.entry(key).or_default(), row);
        }
    }
    Ok(())
}

/// Why two runs are not shards of one matrix, each reason with both values.
fn differences(first: &Source, second: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, a: &str, b: &str| {
        if a != b {
            found.push(format!("another {what} ({a}; there {b})"));
        }
    };
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let (a, b) = (&first.run, &second.run);
    differ("version", &a.veilbench_version, &b.veilbench_version);
    differ("executable", &short(&a.executable_sha256), &short(&b.executable_sha256));
    let build = |run: &Run| format!("{} at {:?}, changed: {:?}", run.rustc, run.git_revision, run.git_dirty);
    differ("build", &build(a), &build(b));
    differ("set of crates", &format!("{:?}", a.crates), &format!("{:?}", b.crates));
    differ("environment", &format!("{:?}", a.environment), &format!("{:?}", b.environment));
    differ("seed", &a.seed.to_string(), &b.seed.to_string());
    differ("warm-up", &a.warmup.to_string(), &b.warmup.to_string());
    differ("set of hosts", &format!("{:?}", a.hosts), &format!("{:?}", b.hosts));
    for (name, network) in &a.networks {
        if let Some(other) = b.networks.get(name).filter(|other| *other != network) {
            differ(&format!("network `{name}`"), &short(&network.sha256), &short(&other.sha256));
            let calibration = |record: &NetworkRecord| match record.calibration_sha256.as_str() {
                "" => "none".to_owned(),
                digest => short(digest),
            };
            differ(
                &format!("set of images that calibrate network `{name}`"),
                &calibration(network),
                &calibration(other),
            );
            if network.sha256 == other.sha256 && network.calibration_sha256 == other.calibration_sha256 {
                differ(
                    &format!("reading of network `{name}`"),
                    &format!("{network:?}"),
                    &format!("{other:?}"),
                );
            }
        }
    }
    for (name, dataset) in &a.datasets {
        if let Some(other) = b.datasets.get(name).filter(|other| *other != dataset) {
            differ(&format!("data set `{name}`"), &short(&dataset.fingerprint), &short(&other.fingerprint));
            if dataset.fingerprint == other.fingerprint {
                differ(
                    &format!("reading of data set `{name}`"),
                    &format!("{dataset:?}"),
                    &format!("{other:?}"),
                );
            }
        }
    }
    for (name, backend) in &a.backends {
        let without = |backend: &BackendRecord| {
            format!("{:?}", BackendRecord { security_bits: None, ..backend.clone() })
        };
        if let Some(other) = b.backends.get(name) {
            differ(&format!("backend `{name}`"), &without(backend), &without(other));
        }
    }
    for (name, ExternalRecord { files_sha256, version }) in &a.external {
        let Some(other) = b.external.get(name) else { continue };
        differ(&format!("program of `{name}`"), &short(files_sha256), &short(&other.files_sha256));
        if let (Some(one), Some(other)) = (version, &other.version) {
            differ(&format!("version of `{name}`"), one, other);
        }
    }
    for (cell, plan) in &a.plans {
        if let Some(other) = b.plans.get(cell) {
            differ(&format!("plan of `{cell}`"), &plan.to_string(), &other.to_string());
        }
    }
    let (a, b) = (&first.shards, &second.shards);
    differ("number of shards", &a.of.to_string(), &b.of.to_string());
    differ("number of sessions per cell", &a.repetitions.to_string(), &b.repetitions.to_string());
    for cell in a.repetitions_of.keys().chain(b.repetitions_of.keys()).collect::<BTreeSet<_>>() {
        let sessions = |of: &ShardRecord| of.repetitions_of.get(cell).unwrap_or(&of.repetitions).to_string();
        differ(&format!("number of sessions of `{cell}`"), &sessions(a), &sessions(b));
    }
    if a.cells != b.cells {
        let only = |a: &ShardRecord, b: &ShardRecord| {
            let known: BTreeSet<&String> = b.cells.iter().collect();
            let cells: Vec<&String> = a.cells.iter().filter(|cell| !known.contains(cell)).collect();
            match cells.as_slice() {
                [] => "none of its own".to_owned(),
                [cell] => format!("{cell} of its own"),
                [cell, rest @ ..] => format!("{cell} and {} more of its own", rest.len()),
            }
        };
        differ("set of cells", &only(a, b), &only(b, a));
    }
    differ("plan", &short(&a.plan_sha256), &short(&b.plan_sha256));
    found
}

/// The description of two runs together, whichever comes first.
fn combined(mut run: Run, other: &Run) -> Run {
    run.created = run.created.min(other.created.clone());
    run.commands.extend(other.commands.iter().cloned());
    run.commands.sort_unstable();
    run.commands.dedup();
    if run.fingerprint != other.fingerprint {
        run.fingerprint = String::new();
    }
    for (id, machine) in &other.machines {
        match run.machines.entry(id.clone()) {
            Entry::Vacant(place) => {
                place.insert(machine.clone());
            }
            Entry::Occupied(mut known) if busier(machine, known.get()) => {
                known.insert(machine.clone());
            }
            Entry::Occupied(_) => {}
        }
    }
    run.networks.extend(other.networks.clone());
    run.datasets.extend(other.datasets.clone());
    for (name, backend) in &other.backends {
        let known = run.backends.entry(name.clone()).or_insert_with(|| backend.clone());
        known.security_bits = match (known.security_bits, backend.security_bits) {
            (Some(known), Some(other)) => Some(known.min(other)),
            (known, other) => known.or(other),
        };
    }
    for (name, external) in &other.external {
        let known = run.external.entry(name.clone()).or_insert_with(|| external.clone());
        known.version = known.version.take().or_else(|| external.version.clone());
    }
    for (cell, plan) in &other.plans {
        run.plans.entry(cell.clone()).or_insert_with(|| plan.clone());
    }
    if let (Some(shards), Some(others)) = (&mut run.shards, &other.shards) {
        shards.present.extend(&others.present);
    }
    run
}

/// A total order of descriptions of one machine, by load first.
fn busier(a: &Machine, b: &Machine) -> bool {
    let loads = a.load_average.iter().zip(&b.load_average).map(|(a, b)| a.total_cmp(b));
    let rest = |machine: &Machine| format!("{machine:?}");
    loads.fold(Ordering::Equal, Ordering::then).then_with(|| rest(a).cmp(&rest(b))).is_gt()
}

fn rename(session: &mut Session, run: &str) {
    session.samples.iter_mut().for_each(|row| run.clone_into(&mut row.run));
    session.traffic.iter_mut().for_each(|row| run.clone_into(&mut row.run));
    session.answers.iter_mut().for_each(|row| run.clone_into(&mut row.run));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_descriptions_of_a_machine_the_busier_stays() {
        let idle = Machine { load_average: [0.5, 9.0, 9.0], ..Machine::default() };
        let busy = Machine { load_average: [1.5, 0.0, 0.0], ..Machine::default() };
        assert!(busier(&busy, &idle) && !busier(&idle, &busy) && !busier(&idle, &idle));
    }
}
