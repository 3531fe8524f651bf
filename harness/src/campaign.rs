//! Measuring cells: sessions in shuffled order, each recorded before the next one starts.

use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use veilbench_results::{BackendRecord, SessionKey, Status, Store};

use crate::matrix::{Options, PlannedCell};
use crate::progress::{Event, Progress};
use crate::rows::Rows;
use crate::session::{Assignment, Batch, perform};

/// How a campaign went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Sessions measured now.
    pub(crate) measured: usize,
    /// Sessions that were on record already.
    pub(crate) before: usize,
    /// Sessions that ended in an error, a timeout or for want of memory, now.
    pub(crate) failed: usize,
    /// Whether the user stopped it.
    pub(crate) interrupted: bool,
}

/// Measures every session that is not on record yet. The outer loop is the repetition, and within
/// each the cells come in an order drawn from the seed: drift of the machine then spreads over all cells.
///
/// # Errors
/// If results cannot be written.
pub(crate) async fn measure(
    cells: &[PlannedCell<'_>],
    options: &Options,
    store: &mut Store,
    progress: &mut Progress,
    interrupt: &mut watch::Receiver<bool>,
) -> Result<Tally, veilbench_results::Error> {
    describe(cells, store)?;
    let mut schedule = Vec::new();
    for repetition in 0..options.repetitions() {
        let mut order: Vec<_> = cells.iter().filter(|cell| cell.plan.is_ok() || repetition == 0).collect();
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
        let profile = planned.backend.profile();
        let batches = batches(planned, options.warmup);
        let rows = Rows { run: &run, planned, repetition, roles: &profile.roles, batches: &batches };
        let started = Instant::now();
        let session = match &planned.plan {
            Err(unsupported) => rows.unsupported(&unsupported.to_string()),
            Ok(plan) => {
                let assignment = Assignment {
                    backend: &profile.name,
                    roles: &profile.roles,
                    architecture: planned.subject.architecture(),
                    plan,
                    job: &planned.job,
                    weights: planned.subject.weights_file(),
                    images: planned.subject.images_file(),
                    batches: &batches,
                    timeout: options.timeout(),
                };
                let (record, failure) = perform(&assignment, interrupt).await;
                rows.session(&record, failure.as_ref())
            }
        };
        let (status, detail) =
            session.samples.last().map(|mark| (mark.status, &*mark.detail)).unwrap_or_default();
        if status == Status::Interrupted {
            tally.interrupted = true;
            break;
        }
        tally.measured += 1;
        tally.failed += usize::from(!matches!(status, Status::Ok | Status::Unsupported));
        store.append_session(&session)?;
        let cell = planned.cell.id();
        let seconds = started.elapsed().as_secs_f64();
        progress.tell(&Event::Session { cell: &cell, repetition, status: status.as_str(), detail, seconds });
    }
    progress.tell(&Event::End { folder: &folder, failed: tally.failed });
    Ok(tally)
}

/// The batches of a session: warm-up over the first images, then all images once.
fn batches(planned: &PlannedCell<'_>, warmup: usize) -> Vec<Batch> {
    let (size, images) = (planned.cell.batch, planned.cell.images);
    let cold = Batch { first: 0, images: size.min(images), warm: false };
    let counted =
        (0..images).step_by(size).map(|first| Batch { first, images: size.min(images - first), warm: true });
    std::iter::repeat_n(cold, warmup).chain(counted).collect()
}

/// Adds what these cells are made of to the run's description.
fn describe(cells: &[PlannedCell<'_>], store: &mut Store) -> Result<(), veilbench_results::Error> {
    store.update_run(|run| {
        run.commands.push(std::env::args().collect::<Vec<_>>().join(" "));
        for planned in cells {
            let (profile, subject) = (planned.backend.profile(), planned.subject);
            run.networks.entry(subject.name().to_owned()).or_insert_with(|| subject.network_record());
            run.datasets.entry(subject.dataset().to_owned()).or_insert_with(|| subject.dataset_record());
            let plan = planned.plan.as_ref().ok();
            let security_bits = plan.and_then(|plan| plan.security_bits);
            let backend = run.backends.entry(profile.name.to_string()).or_insert_with(|| BackendRecord {
                technology: profile.technology.name().to_owned(),
                roles: profile.roles.iter().map(|role| role.name.to_string()).collect(),
                threat_model: serde_json::to_value(&profile.threat_model).unwrap_or_default(),
                threat_model_summary: profile.threat_model.label.to_string(),
                security_bits,
                simulated: profile.threat_model.simulated,
            });
            backend.security_bits = backend.security_bits.min(security_bits).or(security_bits);
            if let Some(plan) = plan {
                run.plans.insert(planned.cell.id(), serde_json::to_value(plan).unwrap_or_default());
            }
        }
    })
}
