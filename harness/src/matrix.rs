//! The cells to measure: every backend on every network under every condition that was chosen.

pub(crate) mod choices;
pub(crate) mod counts;
mod noise;
pub(crate) mod patterns;
pub(crate) mod profile;
pub(crate) mod select;
pub(crate) mod shard;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use veilbench_api::{Backend, Job, Plan, Unsupported};
use veilbench_networks::Architecture;
use veilbench_results::Cell;

use crate::error::Error;
use crate::external::{BackendFiles, Installing};
use crate::matrix::choices::Choice;
use crate::matrix::counts::Counts;
use crate::matrix::noise::NoiseDrawn;
use crate::matrix::profile::{Profile, TWIN};
use crate::matrix::select::Selection;
use crate::record::provenance;
use crate::workload::own::OwnOptions;
use crate::workload::{Draw, Workload};

/// Options of every command that deals with cells.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How much to measure; single options override it
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) profile: Profile,
    /// Choose about a backend, e.g. ckks.layout=latency, or link.tls=on about all links; `veilbench backends` lists what there is
    /// (repeatable)
    #[arg(long = "set", value_name = "BACKEND.KEY=VALUE")]
    pub(crate) choices: Vec<Choice>,
    /// Images that a session classifies, drawn from the test set by the seed
    #[arg(long, value_name = "N")]
    images: Option<NonZeroUsize>,
    /// Most batches a session classifies; bounds the images of cells with a small batch
    #[arg(long, value_name = "N")]
    batches: Option<NonZeroUsize>,
    /// Images per batch, one cell each; a batch larger than the images at hand is filled by repeating them
    #[arg(long, value_name = "N,N,...")]
    batch: Vec<Counts>,
    /// Threads per party, one cell each [default of a profile with two: over loopback alone]
    #[arg(long, value_name = "N,N,...")]
    threads: Vec<Counts>,
    /// Sessions a cell
    #[arg(long, value_name = "N")]
    repetitions: Option<NonZeroUsize>,
    /// Batches at the start of a session that count as cold
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) warmup: usize,
    /// Longest a session may take, e.g. 90s or 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Seed of the choice of images and the order of cells
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// An ONNX file of your own, as one more network (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) own: OwnOptions,
    #[command(flatten)]
    backend_files: BackendFiles,
}

/// Threads that a party may have for each core of the machine.
const THREADS_PER_CORE: usize = 16;

/// A time above zero.
fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing can be measured in no time".into()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

impl Options {
    /// Adds to the backends those that the user or the profile names. Under the profile for systems of others, those that
    /// are missing are installed if there is somebody to tell of it, until the user wants to stop.
    ///
    /// # Errors
    /// If one cannot be read, or has the name of another.
    pub(crate) fn with_external(
        &self,
        backends: Vec<Box<dyn Backend>>,
        installing: Option<Installing<'_>>,
    ) -> Result<Vec<Box<dyn Backend>>, Error> {
        match self.profile {
            Profile::Peers => {
                let chosen = |name: &str| self.selection.backend(name);
                self.backend_files.add_peers_to(backends, installing, chosen)
            }
            _ => self.backend_files.add_to(backends),
        }
    }

    /// Images to prepare of each data set: no cell needs more.
    pub(crate) fn draw(&self) -> Draw {
        let batches = self.batch.iter().flat_map(|batches| batches.iter());
        let largest_batch = batches.map(|batch| batch.get()).max().unwrap_or(0);
        let profile = self.profile.amounts().images.max(largest_batch);
        Draw { images: self.asked_images().unwrap_or(profile), seed: self.seed }
    }

    /// Images that a session classifies, if the user says how many.
    pub(crate) fn asked_images(&self) -> Option<usize> {
        self.images.map(NonZeroUsize::get)
    }

    /// The most threads per party, if the user says how many.
    pub(crate) fn asked_threads(&self) -> Option<usize> {
        self.threads.iter().flat_map(|threads| threads.iter()).map(|threads| threads.get()).max()
    }

    /// Every pattern for links has to match one, every choice to be offered by a backend, and threads to have cores.
    ///
    /// # Errors
    /// [`Error::NoMatch`], [`Error::Choice`], [`Error::TooManyThreads`], [`Error::Own`].
    pub(crate) fn check(&self, backends: &[Box<dyn Backend>]) -> Result<(), Error> {
        choices::check(&self.choices, backends)?;
        self.own.check(self.model.len(), self.selection.names_networks())?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let most = THREADS_PER_CORE * cores;
        if let Some(asked) = self.asked_threads().filter(|asked| *asked > most) {
            return Err(Error::TooManyThreads { asked, most, cores });
        }
        self.selection.check_links()
    }

    /// Sessions a cell, but for those whose [batches take long](profile::Amounts::sessions).
    pub(crate) fn repetitions(&self) -> usize {
        self.repetitions.map_or(self.profile.amounts().repetitions, NonZeroUsize::get)
    }

    /// Sessions of a cell with this plan.
    fn repetitions_of(&self, plan: Option<&Plan>) -> usize {
        let batch = plan.and_then(|plan| plan.predicted_batch_ns).map(Duration::from_nanos);
        self.repetitions.map_or_else(|| self.profile.amounts().sessions(batch), NonZeroUsize::get)
    }

    /// Longest a session may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(self.profile.amounts().timeout)
    }

    /// One session a cell, with fewer images unless the user says how many.
    pub(crate) fn verify_once(&mut self) {
        self.repetitions = NonZeroUsize::new(1);
        self.warmup = 0;
        self.batches = self.batches.or(NonZeroUsize::new(20));
    }

    /// Batches that a session has time for, by the backend's prediction.
    fn fitting_batches(&self, plan: Option<&Plan>) -> usize {
        let session_ns = self.profile.amounts().session.as_nanos() as u64;
        match plan.and_then(|plan| plan.predicted_batch_ns) {
            Some(batch_ns) if self.images.is_none() => (session_ns / batch_ns.max(1)).max(1) as usize,
            _ => usize::MAX,
        }
    }

    /// The plan, unless one batch alone is far beyond the profile's time and nobody asked for it by its size.
    fn affordable(&self, images: usize, plan: Result<Plan, Unsupported>) -> Result<Plan, Unsupported> {
        let plan = plan?;
        let predicted = Duration::from_nanos(plan.predicted_batch_ns.unwrap_or(0));
        let amounts = self.profile.amounts();
        let longest = if images == 1 { amounts.longest_image } else { amounts.longest_batch };
        if self.batch.is_empty() && predicted > longest {
            let reason = format!(
                "one batch is predicted to take {} s, too long for the profile {}: ask for it with --batch, or take a longer profile",
                predicted.as_secs(),
                self.profile.name()
            );
            return Err(Unsupported { layer: None, reason });
        }
        Ok(plan)
    }

    /// The plan, and as many of the images as it lets a session classify; who asked for more of them is told.
    fn within_bound(
        &self,
        plan: Result<Plan, Unsupported>,
        batch: usize,
        images: usize,
    ) -> (Result<Plan, Unsupported>, usize) {
        let Some(most) = plan.as_ref().ok().and_then(|plan| plan.most_images) else { return (plan, images) };
        let warmup = self.warmup.saturating_mul(batch);
        let asked = warmup.saturating_add(images.max(batch));
        if asked <= most {
            return (plan, images);
        }
        let whole = most.saturating_sub(warmup) / batch.max(1) * batch;
        if self.images.is_none() && whole > 0 {
            return (plan, whole);
        }
        let reason = format!(
            "a session of {asked} images, {warmup} of them to warm up, where it may classify {most}: ask for fewer (--images, --batch, --warmup), or for more by the \
             backend's settings"
        );
        (Err(Unsupported { layer: None, reason }), images)
    }

    /// Whether a network is in: one that was named, as all are whose data set was, a user's own, or one of the profile's.
    pub(crate) fn has_network(&self, name: &str, is_users: bool) -> bool {
        let selection = &self.selection;
        let is_named = is_users || selection.names_networks() || selection.names_datasets();
        (is_named || self.profile.has_network(name)) && selection.network(name)
    }

    /// Whether a network is the twin of one that the backend can run itself, under a profile in which that is enough.
    fn leaves_out(&self, workload: &Workload, backend: &dyn Backend, workloads: &[Workload]) -> bool {
        if self.selection.names_networks() || !self.profile.has_twins_only_where_needed() {
            return false;
        }
        let Some(name) = workload.name().strip_suffix(TWIN) else { return false };
        let Some(itself) = workloads.iter().find(|known| known.name() == name) else { return false };
        let can_run = |job: &Job| backend.plan(itself.architecture(), job).is_ok();
        self.jobs().iter().any(can_run)
    }

    fn jobs(&self) -> Vec<Job> {
        let amounts = self.profile.amounts();
        let or = |given: &[Counts], default: &[usize]| -> Vec<usize> {
            let given = given.iter().flat_map(|given| given.iter());
            let mut values: Vec<_> = given.map(|value| value.get()).collect();
            if values.is_empty() {
                values.extend(default);
            }
            values.sort_unstable();
            values.dedup();
            values
        };
        let (batches, threads) = (or(&self.batch, amounts.batch), or(&self.threads, amounts.threads));
        let mut jobs = Vec::new();
        let tls = choices::encrypts_links(&self.choices);
        for link in self.selection.links(amounts.links, tls) {
            // What threads change is computing: a profile has them over loopback, users where they ask for them.
            let few = if self.threads.is_empty() && link.name() != "loopback" { 1 } else { usize::MAX };
            for &threads in threads.iter().filter(|threads| **threads <= few) {
                for &batch in &batches {
                    jobs.push(Job::new(batch, threads, link.clone()));
                }
            }
        }
        jobs
    }
}

/// One cell, and whether its backend can run it.
pub(crate) struct PlannedCell<'a> {
    pub(crate) cell: Cell,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) workload: &'a Workload,
    pub(crate) job: Job,
    pub(crate) plan: Result<Plan, Unsupported>,
    /// Sessions, of which there is one if the backend cannot run it.
    pub(crate) repetitions: usize,
}

/// Whether the role that holds the images can hold a batch of them: as they are read, as numbers, and as a message.
fn fits(job: &Job, architecture: &Architecture, memory_bytes: u64) -> Result<(), Unsupported> {
    const COPIES: u128 = 3;
    let needed = COPIES * job.batch as u128 * (architecture.input.len() * size_of::<f32>()) as u128;
    if memory_bytes == 0 || needed <= u128::from(memory_bytes) {
        return Ok(());
    }
    let reason = format!(
        "a batch of {} images takes {} MB at the role that holds them, this machine has {} MB: ask for smaller batches",
        job.batch,
        needed >> 20,
        memory_bytes >> 20
    );
    Err(Unsupported { layer: None, reason })
}

/// Draws the noise of a plan for the first of the images that are to be run.
fn draw_noise(backend: &dyn Backend, workload: &Workload, plan: &Plan) -> Result<(), Unsupported> {
    let images = |count: usize| {
        let all = workload.prepared_images().ok().filter(|all| all.images() > 0)?;
        Some(all.slice(0, count.min(all.images())))
    };
    backend.draw_noise(workload.network(), plan, &images).map(|_| ())
}

/// All cells, in the order they are listed. Batches of the profile that are larger than the images at
/// hand are left to the largest one that is filled; those the user asks for stay as they are.
pub(crate) fn cells<'a>(
    backends: &'a [Box<dyn Backend>],
    workloads: &'a [Workload],
    options: &Options,
) -> Vec<PlannedCell<'a>> {
    // Who says how many images gets them all: the profile's bound on batches is for its own images.
    let profile_batches =
        if options.images.is_some() { usize::MAX } else { options.profile.amounts().batches };
    let batches = options.batches.map_or(profile_batches, NonZeroUsize::get);
    let memory = provenance::machine_memory_bytes();
    let mut cells: Vec<PlannedCell<'a>> = Vec::new();
    let mut drawn = NoiseDrawn::default();
    for workload in workloads {
        for backend in backends.iter().filter(|backend| options.selection.backend(&backend.profile().name)) {
            if options.leaves_out(workload, backend.as_ref(), workloads) {
                continue;
            }
            for mut job in options.jobs() {
                let available = workload.images();
                if options.batch.is_empty() {
                    job.batch = job.batch.min(available);
                }
                job.settings = choices::settings(&options.choices, backend.as_ref());
                let plan = fits(&job, workload.architecture(), memory)
                    .and_then(|()| options.affordable(job.batch, backend.plan(workload.architecture(), &job)))
                    .and_then(|plan| {
                        let draw = |plan: &Plan| draw_noise(backend.as_ref(), workload, plan);
                        let label = choices::label(&backend.profile().name, &job.settings);
                        drawn.check(label, workload.name(), plan, draw)
                    });
                let fitting = options.fitting_batches(plan.as_ref().ok()).min(batches);
                let images = available.min(job.batch.saturating_mul(fitting));
                let (plan, images) = options.within_bound(plan, job.batch, images);
                let cell = Cell {
                    backend: choices::label(&backend.profile().name, &job.settings),
                    network: workload.name().to_owned(),
                    dataset: workload.dataset().to_owned(),
                    batch: job.batch,
                    threads: job.threads,
                    link: job.link.name().to_owned(),
                    images,
                    seed: options.seed,
                };
                if cells.iter().any(|known| known.cell == cell) {
                    continue;
                }
                let repetitions = options.repetitions_of(plan.as_ref().ok());
                cells.push(PlannedCell { cell, backend: backend.as_ref(), workload, job, plan, repetitions });
            }
        }
    }
    cells
}
