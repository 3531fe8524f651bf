//! From the sessions of a cell to its row of `summary.csv`.

use crate::aggregate::{
    links::rank,
    statistics::{median, outliers, session_interval, wilson},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use veilbench_results::{
    ALL_ROLES, Answer, Cell, FEWEST_IMAGES, Phase, Run, RunData, Sample, Status, Summary,
};

/// The technology of what has no protection: it comes first, for the others to be seen against.
const BASELINE: &str = "none";

/// One row per cell, ordered by technology (the baseline without protection first), protection, backend, network and conditions
/// (loopback before other links).
///
/// Figures come from the sessions whose status is `ok`: setup from every one, offline and online from warm batches of
/// the full size, and all of them from one machine: of sessions on several, from the one that has most.
#[must_use]
pub fn summarise(data: &RunData) -> Vec<Summary> {
    let samples = by_cell(data);
    let machines: BTreeSet<&str> = data.samples.iter().map(|sample| &*sample.machine).collect();
    let several = machines.len() > 1;
    let mut answers: HashMap<&str, Vec<&Answer>> = HashMap::new();
    for answer in &data.answers {
        answers.entry(&answer.cell).or_default().push(answer);
    }
    let mut rows: Vec<Summary> = samples
        .iter()
        .filter_map(|(id, samples)| {
            let cell = id.parse().ok()?;
            let row = cell_row(&data.run, &cell, samples, answers.get(id).map_or(&[], Vec::as_slice));
            Some(if several { row } else { Summary { machine: String::new(), ..row } })
        })
        .collect();
    rows.sort_by(|a, b| {
        let order = |row: &Summary| {
            let names = [&row.technology, &row.threat_model, &row.backend, &row.network, &row.dataset];
            let protects = row.technology != BASELINE;
            let link = (rank(&row.link), row.link.clone());
            (protects, names.map(Clone::clone), link, row.threads, row.batch, row.images, row.seed)
        };
        order(a).cmp(&order(b))
    });
    rows
}

/// The samples of each cell, by its id.
pub(crate) fn by_cell(data: &RunData) -> BTreeMap<&str, Vec<&Sample>> {
    let mut samples: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in &data.samples {
        samples.entry(&sample.cell).or_default().push(sample);
    }
    samples
}

/// The times of a phase in each `ok` session of a cell: of setups, or of the full warm batches.
pub(crate) fn times(run: &Run, samples: &[&Sample], phase: Phase) -> Vec<Vec<u64>> {
    let sessions = Sessions::of(samples);
    sessions.full_batches(run, samples).grouped(phase, phase != Phase::Setup)
}

/// The role that holds a backend's images, by the name runs gave it that do not say.
fn data_owner<'a>(run: &'a Run, samples: &[&Sample]) -> &'a str {
    let backend = samples.first().and_then(|sample| run.backends.get(&sample.backend));
    backend.map(|backend| &*backend.data_owner).filter(|role| !role.is_empty()).unwrap_or("data-owner")
}

fn cell_row(run: &Run, cell: &Cell, samples: &[&Sample], answers: &[&Answer]) -> Summary {
    let sessions = Sessions::of(samples);
    let backend = run.backends.get(&cell.backend);
    let synthetic = run.datasets.get(&cell.dataset).map(|dataset| dataset.synthetic);
    let mut row = Summary {
        backend: cell.backend.clone(),
        network: cell.network.clone(),
        dataset: cell.dataset.clone(),
        batch: cell.batch,
        threads: cell.threads,
        link: cell.link.clone(),
        images: cell.images,
        status: sessions.worst,
        security_bits: security_bits(run, cell),
        bytes_counted_by: run
            .counted_by(&cell.id())
            .map_or_else(String::new, |counter| counter.as_str().to_owned()),
        threat_model: backend.map(|backend| backend.threat_model_summary.clone()).unwrap_or_default(),
        simulated: backend.map(|backend| backend.simulated),
        technology: backend.map(|backend| backend.technology.clone()).unwrap_or_default(),
        cell: cell.id(),
        seed: cell.seed,
        synthetic,
        repetitions: sessions.recorded,
        repetitions_failed: sessions.recorded - sessions.ok.len(),
        detail: sessions.detail.clone(),
        machine: sessions.machine.clone(),
        logit_tolerance: run.logit_tolerance(&cell.id()),
        ..Summary::default()
    };
    let batches = sessions.full_batches(run, samples);
    batches.fill_times(&mut row);
    batches.fill_traffic(&mut row);
    if row.detail.is_empty() && batches.images.is_some_and(|images| images > cell.images) {
        row.detail =
            format!("the {} images are repeated to fill a batch: all of it is computed", cell.images);
    }
    let elsewhere = sessions.ok.len() - sessions.timed.len();
    if elsewhere > 0 {
        let timed = sessions.timed.len();
        let said =
            format!("times are of {timed} sessions on {}; {elsewhere} ran elsewhere", sessions.machine);
        row.detail = if row.detail.is_empty() { said } else { format!("{}; {said}", row.detail) };
    }
    row.peak_rss_bytes = peak_rss(samples, &sessions);
    row.others_cpu_share = others_cpu_share(run, samples, &sessions);
    let answers: Vec<&Answer> =
        answers.iter().copied().filter(|answer| sessions.ok.contains(&answer.repetition)).collect();
    fill_answers(&mut row, &answers, synthetic == Some(true));
    row
}

/// Security of the plan the backend made for this very cell, else the least of all its plans, bits.
fn security_bits(run: &Run, cell: &Cell) -> Option<u32> {
    match run.plans.get(&cell.id()) {
        Some(plan) => plan.get("security_bits")?.as_u64()?.try_into().ok(),
        None => run.backends.get(&cell.backend)?.security_bits,
    }
}

/// How the sessions of one cell ended.
pub(crate) struct Sessions {
    recorded: usize,
    pub(crate) ok: BTreeSet<usize>,
    /// Those of them on the machine that times are taken from.
    timed: BTreeSet<usize>,
    machine: String,
    worst: Status,
    detail: String,
}

impl Sessions {
    pub(crate) fn of(samples: &[&Sample]) -> Self {
        let marks: Vec<&&Sample> = samples.iter().filter(|sample| sample.is_commit_mark()).collect();
        let worst = marks.iter().map(|mark| mark.status).max().unwrap_or_default();
        let said = marks.iter().find(|mark| mark.status == worst).map(|mark| mark.detail.clone());
        let ok: BTreeSet<usize> =
            marks.iter().filter(|mark| mark.status == Status::Ok).map(|mark| mark.repetition).collect();
        let mut machines: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for mark in &marks {
            let timed = machines.entry(&mark.machine).or_default();
            timed.extend(Some(mark.repetition).filter(|repetition| ok.contains(repetition)));
        }
        // The first of those that have most sessions.
        let most = machines.into_iter().rev().max_by_key(|(_, timed)| timed.len());
        let (machine, timed) = most.unwrap_or_default();
        let machine = machine.to_owned();
        Self { recorded: marks.len(), ok, timed, machine, worst, detail: said.unwrap_or_default() }
    }

    /// The rows of whole phases of `ok` sessions on one machine: setups, and the batches of the full size.
    pub(crate) fn full_batches<'a>(&self, run: &'a Run, samples: &[&'a Sample]) -> Batches<'a> {
        let whole: Vec<&Sample> = samples
            .iter()
            .copied()
            .filter(|sample| sample.phase != Phase::Session && sample.span.is_empty())
            .filter(|sample| sample.status == Status::Ok && self.timed.contains(&sample.repetition))
            .collect();
        let images = whole.iter().filter_map(|sample| sample.images).max();
        let partial: BTreeSet<(usize, usize)> = whole
            .iter()
            .filter(|sample| sample.images.is_some_and(|count| Some(count) != images))
            .map(|sample| (sample.repetition, sample.iteration))
            .collect();
        let full = whole.into_iter().filter(|sample| {
            sample.phase == Phase::Setup || !partial.contains(&(sample.repetition, sample.iteration))
        });
        let rows: Vec<&Sample> = full.collect();
        let owner = data_owner(run, samples);
        let timed = rows.iter().any(|row| row.phase == Phase::Online && row.role == owner);
        Batches { images, latency_role: if timed { owner } else { ALL_ROLES }, rows }
    }
}

pub(crate) struct Batches<'a> {
    /// Images in a full batch.
    images: Option<usize>,
    /// The role whose online time is a batch's latency.
    latency_role: &'a str,
    pub(crate) rows: Vec<&'a Sample>,
}

impl<'a> Batches<'a> {
    fn of(&self, phase: Phase) -> impl Iterator<Item = &'a Sample> {
        self.rows.iter().copied().filter(move |sample| sample.phase == phase)
    }

    fn whole_cell(&self, phase: Phase) -> impl Iterator<Item = &'a Sample> {
        self.of(phase).filter(|sample| sample.role == ALL_ROLES)
    }

    /// The rows that time a phase: the data owner's of the online phase, from its start to its logits, and those from
    /// the first start to the last end of the others.
    pub(crate) fn timed(&self, phase: Phase) -> impl Iterator<Item = &'a Sample> {
        let role = if phase == Phase::Online { self.latency_role } else { ALL_ROLES };
        self.of(phase).filter(move |sample| sample.role == role)
    }

    /// Wall-clock times of warm or cold batches, a group a session.
    pub(crate) fn grouped(&self, phase: Phase, warm: bool) -> Vec<Vec<u64>> {
        let mut sessions: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for sample in self.timed(phase).filter(|sample| sample.warm == warm) {
            sessions.entry(sample.repetition).or_default().extend(sample.wall_ns);
        }
        sessions.into_values().collect()
    }

    /// Median over setups or warm batches; over cold batches where there is no warm one.
    fn median_of(&self, phase: Phase, column: impl Fn(&Sample) -> Option<u64>) -> Option<u64> {
        let of = |warm: bool| {
            let rows = self.whole_cell(phase).filter(|sample| phase == Phase::Setup || sample.warm == warm);
            median(&rows.filter_map(&column).collect::<Vec<_>>())
        };
        of(true).or_else(|| of(false))
    }

    /// The median over batches of the sum over roles, of setups or of warm batches.
    fn cpu(&self, phase: Phase) -> Option<u64> {
        let mut sums: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for sample in self.of(phase).filter(|sample| sample.role != ALL_ROLES) {
            if let Some(cpu) = sample.cpu_ns.filter(|_| sample.warm || phase == Phase::Setup) {
                let sum = sums.entry((sample.repetition, sample.iteration)).or_default();
                *sum = sum.saturating_add(cpu);
            }
        }
        median(&sums.into_values().collect::<Vec<_>>())
    }

    fn fill_times(&self, row: &mut Summary) {
        row.setup_wall_ns = self.median_of(Phase::Setup, |sample| sample.wall_ns);
        row.offline_wall_ns = median(&self.grouped(Phase::Offline, true).concat());
        let warm = self.grouped(Phase::Online, true);
        let pooled = warm.concat();
        row.online_wall_ns = median(&pooled);
        (row.online_wall_ns_low, row.online_wall_ns_high) = session_interval(&warm)
            .zip(row.online_wall_ns)
            .map(|((low, high), median)| (low.min(median), high.max(median)))
            .unzip();
        row.warm_samples = pooled.len();
        row.outliers = outliers(&pooled);
        let first = self.timed(Phase::Online).filter(|sample| sample.iteration == 0 && !sample.warm);
        row.cold_online_wall_ns = median(&first.filter_map(|sample| sample.wall_ns).collect::<Vec<_>>());
        if row.online_wall_ns.is_none() && row.cold_online_wall_ns.is_some() && row.detail.is_empty() {
            row.detail = "no warm batch: only cold_online_wall_ns was measured".to_owned();
        }
        let occupied = self.whole_cell(Phase::Online).filter(|sample| sample.warm);
        row.online_occupancy_ns = median(&occupied.filter_map(|sample| sample.wall_ns).collect::<Vec<_>>());
        let rate = |ns: Option<u64>| {
            let timed = ns.filter(|ns| *ns > 0).zip(self.images);
            timed.map(|(ns, images)| images as f64 * 1e9 / ns as f64)
        };
        row.images_per_second = rate(row.online_wall_ns);
        row.images_per_second_sustained = rate(row.online_wall_ns.and_then(|_| row.work_ns()));
        row.setup_cpu_ns = self.cpu(Phase::Setup);
        row.offline_cpu_ns = self.cpu(Phase::Offline);
        row.online_cpu_ns = self.cpu(Phase::Online);
    }

    fn fill_traffic(&self, row: &mut Summary) {
        row.setup_bytes = self.median_of(Phase::Setup, |sample| sample.sent_bytes);
        row.offline_bytes = self.median_of(Phase::Offline, |sample| sample.sent_bytes);
        row.online_bytes = self.median_of(Phase::Online, |sample| sample.sent_bytes);
        row.setup_rounds = self.median_of(Phase::Setup, |sample| sample.rounds);
        row.offline_rounds = self.median_of(Phase::Offline, |sample| sample.rounds);
        row.online_rounds = self.median_of(Phase::Online, |sample| sample.rounds);
        row.online_messages = self.median_of(Phase::Online, |sample| sample.messages);
        row.online_local_bytes = self.median_of(Phase::Online, |sample| sample.local_bytes);
        let mut parties: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for sample in self.of(Phase::Online).filter(|sample| sample.role != ALL_ROLES) {
            parties.entry(&sample.role).or_default().extend(sample.sent_bytes);
        }
        row.online_bytes_max_party = parties.values().filter_map(|bytes| median(bytes)).max();
    }
}

fn peak_rss(samples: &[&Sample], sessions: &Sessions) -> Option<u64> {
    samples
        .iter()
        .filter(|sample| sample.phase == Phase::Session && sessions.ok.contains(&sample.repetition))
        .filter_map(|sample| sample.peak_rss_bytes)
        .max()
}

/// The busiest session's share: other work's processor time by what the machine has in the session's time; where roles are on
/// hosts, that of the busiest host.
fn others_cpu_share(run: &Run, samples: &[&Sample], sessions: &Sessions) -> Option<f64> {
    let rows = samples.iter().filter(|sample| sample.phase == Phase::Session && sample.span.is_empty());
    let cores =
        |row: &Sample| run.machines.get(&row.machine).map_or(1, |machine| machine.cores.max(1)) as f64;
    rows.filter(|row| sessions.ok.contains(&row.repetition))
        .filter_map(|row| {
            Some(row.others_cpu_ns? as f64 / (row.wall_ns.filter(|ns| *ns > 0)? as f64 * cores(row)))
        })
        .reduce(f64::max)
}

fn fill_answers(row: &mut Summary, answers: &[&Answer], synthetic: bool) {
    let images: BTreeSet<usize> = answers.iter().map(|answer| answer.image).collect();
    row.answers = answers.len();
    row.images_answered = images.len();
    if answers.is_empty() {
        return;
    }
    let agreeing = answers.iter().filter(|answer| answer.private == answer.clear).count();
    let agreement = agreeing as f64 / answers.len() as f64;
    row.agreement = Some(agreement);
    (row.agreement_low, row.agreement_high) = wilson(agreement, images.len()).unzip();
    row.max_logit_error = answers.iter().filter_map(|answer| answer.max_logit_error).reduce(largest_or_nan);
    let labelled: Vec<(usize, bool)> = answers
        .iter()
        .filter_map(|answer| answer.label.map(|label| (answer.image, answer.private == label)))
        .collect();
    let images: BTreeSet<usize> = labelled.iter().map(|(image, _)| *image).collect();
    if synthetic || images.len() < FEWEST_IMAGES {
        return;
    }
    let accuracy = labelled.iter().filter(|(_, right)| *right).count() as f64 / labelled.len() as f64;
    row.accuracy = Some(accuracy);
    (row.accuracy_low, row.accuracy_high) = wilson(accuracy, images.len()).unzip();
}

/// A logit that is not a number is the largest error there is.
fn largest_or_nan(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
