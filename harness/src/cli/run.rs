//! `veilbench run`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use veilbench_api::Backend;
use veilbench_report::{generate, terminal_table};
use veilbench_results::{RunData, SessionKey, Severity, ShardRecord, Status, Store, Summary};

use super::report::say_findings;
use crate::campaign::{Tally, measure, unfit_cell};
use crate::error::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Error};
use crate::interrupt::Interrupt;
use crate::matrix::choices;
use crate::matrix::shard::{self, ShardChoice};
use crate::matrix::{Options, PlannedCell};
use crate::progress::{Event, Progress, counted};
use crate::record::provenance;
use crate::session::hosts::inspection::inspect;
use crate::session::hosts::{HostOptions, Hosts};
use crate::session::machine_watch::busy_cores;
use crate::workload::workspace::{Purpose, Unfit, Workspace};

/// More than a quiet machine's housekeeping.
const BUSY_CORES: f64 = 0.25;

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    hosts: HostOptions,
    /// Folder of the run [default: results/runs/PROFILE-FINGERPRINT, one for each build, machine, seed and warm-up, or
    /// results/runs/PROFILE-PLAN-shard-I-of-N]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Measure the selected cells again instead of going on
    #[arg(long)]
    fresh: bool,
    /// Measure those sessions again that ended in an error, a timeout or for want of memory
    #[arg(long)]
    retry_failed: bool,
    /// Measure one of N equal parts of the cells, for `veilbench merge`; auto/N takes the number from a Slurm job array, an
    /// indexed Job of Kubernetes or GNU parallel
    #[arg(long, value_name = "I/N")]
    shard: Option<ShardChoice>,
    /// Progress as JSON lines on standard output
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn run(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        let shard = self.shard.map(ShardChoice::resolve).transpose()?;
        let interrupt = Interrupt::install()?;
        let mut progress = Progress::new(self.json);
        if cfg!(debug_assertions) {
            progress.tell(&Event::Note {
                text: "this is a debug build: its times say nothing; use `cargo run --release`",
            });
        }
        self.warn_of_the_machine(&mut progress);
        let backends =
            &self.options.with_external(backends, Some((&mut progress, &|| interrupt.is_due())))?;
        let (options, hosts) = self.place(backends, &interrupt)?;
        let workspace = Workspace::prepare(backends, &options, Purpose::Measure, &mut progress)?;
        let mut cells = workspace.cells(backends, &options)?;
        let mut unfit = workspace.unfit();
        let mut description =
            provenance::describe(options.seed, options.warmup).map_err(Error::Executable)?;
        if let Some(hosts) = &hosts {
            hosts.describe(&mut description);
        }
        if let Some(shard) = shard {
            let of_matrix = cells.len();
            cells = shard::deal(shard, cells, self.options.repetitions(), &mut description);
            if cells.is_empty() {
                let matrix = counted(of_matrix, "cell");
                let text = format!("shard {shard} has nothing to measure: the matrix has {matrix}");
                progress.tell(&Event::Note { text: &text });
            }
            // One shard says of them why they cannot be measured.
            unfit = if shard.index == 1 { unfit } else { &[] };
        }
        let mut store = open(&self.folder(&description), description)?;
        if !store.damaged().is_empty() {
            let sessions = counted(store.damaged().len(), "session");
            let text = format!("{sessions} on record not as written: measured again");
            progress.tell(&Event::Note { text: &text });
        }
        forget_refusals(&mut store, &cells)?;
        if self.fresh {
            discard(&mut store, &cells, |_| true)?;
        } else if self.retry_failed {
            let failed = sessions(store.folder(), is_failure)?;
            discard(&mut store, &cells, |session| failed.contains(session))?;
        }
        let tally = conduct(&cells, unfit, &options, hosts.as_ref(), &mut store, &mut progress, &interrupt)?;
        let folder = store.folder().to_owned();
        drop(store);
        let report = generate(&folder)?;
        say_findings(&report.findings);
        let damaged = report.findings.iter().any(|finding| finding.severity == Severity::Error);
        let unfit: BTreeSet<String> =
            unfit.iter().map(|unfit| unfit_cell(&unfit.network, self.options.seed).id()).collect();
        let ids = ids(&cells);
        let is_selected = |row: &Summary| ids.contains(&row.cell) || unfit.contains(&row.cell);
        let selected: Vec<Summary> = report.summaries.into_iter().filter(is_selected).collect();
        let failed =
            selected.iter().filter(|row| is_failure(row.status) && !unfit.contains(&row.cell)).count();
        if !self.json {
            let mut out = std::io::stdout().lock();
            if !selected.is_empty() {
                write!(out, "{}", terminal_table(&selected))?;
            }
            writeln!(out, "{}", conclusion(&tally, failed, unfit.len(), &folder))?;
        }
        Ok(match tally.interrupted {
            true => EXIT_INTERRUPTED,
            false if failed == 0 && unfit.is_empty() && !damaged => EXIT_OK,
            false => EXIT_FAILED,
        })
    }

    /// Puts roles on hosts, if the user wants that, and looks at these. The links are then those between the hosts.
    fn place(
        &self,
        backends: &[Box<dyn Backend>],
        interrupt: &Interrupt,
    ) -> Result<(Options, Option<Hosts>), Error> {
        let mut options = self.options.clone();
        if !self.hosts.are_given() {
            return Ok((options, None));
        }
        options.selection.across_hosts();
        options.check(backends)?;
        if choices::bares_links(&options.choices) {
            let reason = "--set link.tls=off: links between hosts are always encrypted; leave it out";
            return Err(Error::HostOptions(reason.into()));
        }
        let chosen = backends.iter().filter(|backend| options.selection.backend(&backend.profile().name));
        let mut hosts = self.hosts.resolve(chosen.map(AsRef::as_ref))?;
        if let Some(hosts) = &mut hosts {
            interrupt.supervise(|mut stop| async move { inspect(hosts, &mut stop).await })?;
        }
        Ok((options, hosts))
    }

    /// What would make the figures say less than they seem to.
    fn warn_of_the_machine(&self, progress: &mut Progress) {
        let busy = busy_cores().unwrap_or(0.0);
        if busy > BUSY_CORES {
            let text =
                format!("other work keeps {busy:.1} cores busy: times will be longer and vary more for it");
            progress.tell(&Event::Note { text: &text });
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if let Some(threads) = self.options.asked_threads().filter(|threads| *threads > cores) {
            let text = format!("{threads} threads per party share {cores} cores");
            progress.tell(&Event::Note { text: &text });
        }
    }

    fn folder(&self, description: &veilbench_results::Run) -> PathBuf {
        let short = |hash: &str| hash.chars().take(8).collect::<String>();
        self.out.clone().unwrap_or_else(|| {
            let part = match &description.shards {
                Some(ShardRecord { plan_sha256, of, present, .. }) => {
                    let index = present.first().copied().unwrap_or_default();
                    format!("{}-shard-{index}-of-{of}", short(plan_sha256))
                }
                None => short(&description.fingerprint),
            };
            Path::new("results").join("runs").join(format!("{}-{part}", self.options.profile.name()))
        })
    }

    /// An option that says where or how often to measure, which a script for many machines decides itself.
    pub(super) fn placed(&self) -> Option<&'static str> {
        let given = [
            (self.out.is_some(), "--out"),
            (self.shard.is_some(), "--shard"),
            (self.fresh, "--fresh"),
            (self.json, "--json"),
            (self.hosts.are_given(), "--host"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

/// Opens a run folder to go on with it on this machine, or begins one.
///
/// # Errors
/// If it belongs to another build, kind of machine, seed, warm-up or shard.
pub(super) fn open(folder: &Path, mut description: veilbench_results::Run) -> Result<Store, Error> {
    let here = description.machines.clone();
    let mut store = match Store::open(folder) {
        Ok(store) => {
            let mut differences = Vec::from_iter(shard::difference(store.run(), &description));
            if store.run().fingerprint != description.fingerprint {
                differences.extend(provenance::differences(store.run(), &description));
            }
            if !differences.is_empty() {
                return Err(Error::OtherRun { folder: folder.to_owned(), differences });
            }
            store
        }
        Err(veilbench_results::Error::NoRun { .. }) => {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            description.name = name.unwrap_or_else(|| "run".into());
            Store::create(folder, &description)?
        }
        Err(error) => return Err(error.into()),
    };
    for (id, machine) in here {
        store.measure_on(&id, &machine)?;
    }
    Ok(store)
}

/// Forgets those sessions of the cells that `which` names, so that they are measured again.
fn discard(
    store: &mut Store,
    cells: &[PlannedCell<'_>],
    which: impl Fn(&SessionKey) -> bool,
) -> Result<(), Error> {
    let ids = ids(cells);
    let chosen = |session: &&SessionKey| ids.contains(&session.cell) && which(session);
    let sessions: BTreeSet<SessionKey> = store.completed().iter().filter(chosen).cloned().collect();
    Ok(store.discard(&sessions)?)
}

fn ids(cells: &[PlannedCell<'_>]) -> BTreeSet<String> {
    cells.iter().map(|planned| planned.cell.id()).collect()
}

/// Sessions on record that ended in such a way.
fn sessions(folder: &Path, how: impl Fn(Status) -> bool) -> Result<BTreeSet<SessionKey>, Error> {
    let samples = RunData::load(folder)?.samples;
    let chosen = samples.into_iter().filter(|sample| sample.is_commit_mark() && how(sample.status));
    Ok(chosen.map(|mark| SessionKey { cell: mark.cell, repetition: mark.repetition }).collect())
}

/// Forgets that a system could not be measured if it can be now, as it was installed since.
fn forget_refusals(store: &mut Store, cells: &[PlannedCell<'_>]) -> Result<(), Error> {
    let external = |planned: &&PlannedCell<'_>| planned.backend.origin().is_some() && planned.plan.is_ok();
    let possible: BTreeSet<String> = cells.iter().filter(external).map(|planned| planned.cell.id()).collect();
    if store.completed().iter().any(|session| possible.contains(&session.cell)) {
        let refused = sessions(store.folder(), |status| status == Status::Unsupported)?;
        discard(store, cells, |session| possible.contains(&session.cell) && refused.contains(session))?;
    }
    Ok(())
}

fn is_failure(status: Status) -> bool {
    matches!(status, Status::Error | Status::Timeout | Status::OutOfMemory | Status::OutOfRange)
}

/// Measures until done or until the user wants to stop.
pub(super) fn conduct(
    cells: &[PlannedCell<'_>],
    unfit: &[Unfit],
    options: &Options,
    hosts: Option<&Hosts>,
    store: &mut Store,
    progress: &mut Progress,
    interrupt: &Interrupt,
) -> Result<Tally, Error> {
    interrupt.supervise(|mut stop| async move {
        measure(cells, unfit, options, hosts, store, progress, &mut stop).await
    })
}

/// What was measured, how many cells failed, how many files could not be measured at all, and where the results are.
fn conclusion(tally: &Tally, failed: usize, unfit: usize, folder: &Path) -> String {
    let Tally { measured, unsupported, before, left, interrupted } = tally;
    let mut text = format!("{} measured", counted(*measured, "session"));
    if *unsupported > 0 {
        text += &format!(", {} unsupported", counted(*unsupported, "cell"));
    }
    if *before > 0 {
        let were = if *before == 1 { "was" } else { "were" };
        text += &format!(", {before} {were} on record already (--fresh measures again)");
    }
    if failed > 0 {
        let cells = counted(failed, "cell");
        text += &format!("; {cells} failed (--retry-failed measures failed sessions again)");
    }
    if unfit > 0 {
        text += &format!("; {} of --model cannot be measured", counted(unfit, "file"));
    }
    if *interrupted {
        text += &format!("; stopped with {left} to go: the same command goes on from here");
    }
    format!("{text}\nresults: {}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_said_to_be() {
        let told = |tally, failed, unfit| {
            let text = conclusion(&tally, failed, unfit, Path::new("out"));
            text.strip_suffix("\nresults: out").unwrap().to_owned()
        };
        assert_eq!(told(Tally::default(), 0, 1), "0 sessions measured; 1 file of --model cannot be measured");
        let mixed = Tally { measured: 1, unsupported: 2, before: 1, ..Tally::default() };
        assert_eq!(
            told(mixed, 1, 0),
            "1 session measured, 2 cells unsupported, 1 was on record already (--fresh measures again); 1 cell failed (--retry-failed measures failed \
             sessions again)"
        );
    }
}
