//! Measuring cells: sessions in shuffled order, each recorded before the next one starts.

use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use veilbench_api::PrivateInput;
use veilbench_results::{ALL_ROLES, BackendRecord, Cell, Phase, Sample, Session, SessionKey, Status, Store};

use crate::error::Error;
use crate::external::note_external;
use crate::matrix::{Options, PlannedCell};
use crate::progress::{Event, Progress};
use crate::record::change;
use crate::record::rows::SessionRows;
use crate::session::hosts::Hosts;
use crate::session::{Batch, SessionSpec, run_session};
use crate::workload::workspace::Unfit;

/// How a campaign went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Sessions measured now.
    pub(crate) measured: usize,
    /// Sessions of cells that their backends cannot run, put on record now.
    pub(crate) unsupported: usize,
    /// Sessions that were on record already.
    pub(crate) before: usize,
    /// Sessions not measured, because the user stopped it.
    pub(crate) left: usize,
    /// Whether the user stopped it.
    pub(crate) interrupted: bool,
}

/// Measures every session that is not on record yet. The outer loop is the repetition, and within
/// each the cells come in an order drawn from the seed: drift of the machine then spreads over all cells.
///
/// # Errors
/// If results cannot be written, or sessions on record were measured with other weights or images.
pub(crate) async fn measure(
    cells: &[PlannedCell<'_>],
    unfit: &[Unfit],
    options: &Options,
    hosts: Option<&Hosts>,
    store: &mut Store,
    progress: &mut Progress,
    interrupt: &mut watch::Receiver<bool>,
) -> Result<Tally, Error> {
    describe(cells, store)?;
    record_unfit(unfit, options.seed, store)?;
    let mut schedule = Vec::new();
    for repetition in 0..options.repetitions() {
        let is_due = |cell: &&PlannedCell| match cell.plan {
            Ok(_) => repetition < cell.repetitions,
            Err(_) => repetition == 0,
        };
        let mut order: Vec<_> = cells.iter().filter(is_due).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed.wrapping_add(repetition as u64)));
        schedule.extend(order.into_iter().map(|cell| (cell, repetition)));
    }
    let scheduled = schedule.len();
    schedule.retain(|(planned, repetition)| {
        !store.completed().contains(&SessionKey::new(&planned.cell, *repetition))
    });
    let mut tally = Tally { before: scheduled - schedule.len(), ..Tally::default() };
    let folder = store.folder().display().to_string();
    progress.tell(&Event::Start { sessions: schedule.len(), done: tally.before, folder: &folder });

    let run = store.run().name.clone();
    for (planned, repetition) in schedule {
        let profile = planned.backend.profile_under(&planned.job.settings);
        let batches = batches(planned, options.warmup);
        let rows =
            SessionRows { run: &run, planned, repetition, roles: &profile.roles, batches: &batches, hosts };
        let started = Instant::now();
        let session = match &planned.plan {
            Err(unsupported) => rows.unsupported(&unsupported.to_string()),
            Ok(plan) => {
                let spec = SessionSpec {
                    profile: &profile,
                    origin: planned.backend.origin(),
                    architecture: planned.workload.architecture(),
                    plan,
                    job: &planned.job,
                    weights: planned.workload.weights_file(),
                    images: planned.workload.images_file(),
                    batches: &batches,
                    timeout: options.timeout(),
                    hosts,
                };
                let (record, failure) = run_session(&spec, interrupt).await;
                rows.session(&record, failure.as_ref())
            }
        };
        let (status, detail) =
            session.samples.last().map(|mark| (mark.status, &*mark.detail)).unwrap_or_default();
        if status == Status::Interrupted {
            tally.interrupted = true;
            tally.left = scheduled - tally.before - tally.measured - tally.unsupported;
            break;
        }
        match planned.plan {
            Ok(_) => tally.measured += 1,
            Err(_) => tally.unsupported += 1,
        }
        store.append_session(&session)?;
        let cell = planned.cell.id();
        let seconds = started.elapsed().as_secs_f64();
        progress.tell(&Event::Session { cell: &cell, repetition, status: status.as_str(), detail, seconds });
    }
    progress.tell(&Event::End { folder: &folder, measured: tally.measured });
    Ok(tally)
}

/// A row for each file that cannot be measured: its name, that no backend and no data set had it, and why.
fn record_unfit(unfit: &[Unfit], seed: u64, store: &mut Store) -> Result<(), Error> {
    for Unfit { network, reason } in unfit {
        let cell = unfit_cell(network, seed);
        let session = SessionKey::new(&cell, 0);
        store.discard(&[session].into())?;
        let mark = Sample {
            status: Status::Error,
            detail: reason.clone(),
            ..Sample::new(&store.run().name, &cell, 0, Phase::Session, ALL_ROLES)
        };
        store.append_session(&Session { samples: vec![mark], ..Session::default() })?;
    }
    Ok(())
}

/// The cell under which a file that cannot be measured is recorded.
pub(crate) fn unfit_cell(network: &str, seed: u64) -> Cell {
    let none = || Cell::NONE.to_owned();
    let (backend, dataset, link) = (none(), none(), none());
    Cell { backend, network: network.to_owned(), dataset, batch: 1, threads: 1, link, images: 1, seed }
}

/// The batches of a session: warm-up over the first images, then all images once. The first batch
/// is cold whatever the warm-up. A batch larger than the images is filled by repeating them.
fn batches(planned: &PlannedCell<'_>, warmup: usize) -> Vec<Batch> {
    let (size, images) = (planned.cell.batch, planned.cell.images);
    let cold = Batch { first: 0, images: size, warm: false, counted: false };
    let counted = (0..images).step_by(size).enumerate().map(|(index, first)| Batch {
        first,
        images: size.min(images.max(size) - first),
        warm: warmup + index > 0,
        counted: true,
    });
    std::iter::repeat_n(cold, warmup).chain(counted).collect()
}

/// This invocation, so that a shell reads it back.
fn command_line() -> String {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    shlex::try_join(words.iter().map(String::as_str)).expect("arguments of a program have no zero byte")
}

/// Adds what these cells are made of to the run's description.
fn describe(cells: &[PlannedCell<'_>], store: &mut Store) -> Result<(), Error> {
    change::check(cells, store)?;
    let record = |planned: &PlannedCell<'_>| -> Result<_, serde_json::Error> {
        let threat_model =
            serde_json::to_value(&planned.backend.profile_under(&planned.job.settings).protection)?;
        Ok((threat_model, planned.plan.as_ref().ok().map(serde_json::to_value).transpose()?))
    };
    let records = cells.iter().map(record).collect::<Result<Vec<_>, _>>().map_err(Error::Record)?;
    Ok(store.update_run(|run| {
        run.commands.push(command_line());
        for (planned, (threat_model, plan_record)) in cells.iter().zip(records) {
            let (profile, workload) =
                (planned.backend.profile_under(&planned.job.settings), planned.workload);
            run.networks.insert(workload.name().to_owned(), workload.network_record());
            run.datasets.insert(workload.dataset().to_owned(), workload.dataset_record());
            note_external(planned, run);
            let security_bits = planned.plan.as_ref().ok().and_then(|plan| plan.security_bits);
            let data_owner = profile.roles.iter().find(|role| role.private_input == PrivateInput::Images);
            let backend = run.backends.entry(planned.cell.backend.clone()).or_insert_with(|| BackendRecord {
                technology: profile.technology.name().to_owned(),
                roles: profile.roles.iter().map(|role| role.name.to_string()).collect(),
                data_owner: data_owner.map_or_else(String::new, |role| role.name.to_string()),
                settings: planned.job.settings.clone(),
                threat_model,
                threat_model_summary: profile.protection.label.to_string(),
                security_bits,
                simulated: profile.protection.simulated,
            });
            backend.security_bits = match (backend.security_bits, security_bits) {
                (Some(known), Some(other)) => Some(known.min(other)),
                (known, other) => known.or(other),
            };
            if let Some(plan) = plan_record {
                run.plans.insert(planned.cell.id(), plan);
            }
        }
    })?)
}
