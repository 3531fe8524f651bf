//! `veilbench verify`.

use std::io::Write;

use clap::Args;
use tempfile::TempDir;
use veilbench_api::Backend;
use veilbench_results::{RunData, Severity, Status, Tolerance};

use super::run::{conduct, open};
use crate::error::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Error};
use crate::interrupt::Interrupt;
use crate::matrix::{Options, PlannedCell};
use crate::progress::Progress;
use crate::record::provenance;
use crate::workload::odd;
use crate::workload::workspace::{Purpose, Unfit, Workspace};

/// Least share of images whose prediction has to be the clear network's, however close its logits lie.
const LEAST_AGREEMENT: f64 = 0.95;

#[derive(Args, Debug)]
pub(super) struct Verify {
    #[command(flatten)]
    options: Options,
    /// Largest difference of a logit from the clear network, and as a share of the logits' spread where that is below
    /// one; by default what the backend's plan states
    #[arg(long, value_name = "X", value_parser = tolerance)]
    tolerance: Option<Tolerance>,
    /// Leave out the odd images (black, white, inverted, striped, noise, hill-climbed), each of which has to be
    /// answered rightly or refused
    #[arg(long)]
    no_odd: bool,
}

/// What became of one cell.
enum Outcome {
    Passed(String),
    Failed(String),
    Unsupported(String),
}

impl Verify {
    pub(super) fn run(mut self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        self.options.verify_once();
        let backends = &self.options.with_external(backends, None)?;
        let interrupt = Interrupt::install()?;
        let mut progress = Progress::new(false);
        let workspace = Workspace::prepare(backends, &self.options, Purpose::Measure, &mut progress)?;
        let cells = workspace.cells(backends, &self.options)?;
        let folder = TempDir::with_prefix("veilbench-verify-").map_err(Error::Folder)?;
        let description =
            provenance::describe(self.options.seed, self.options.warmup).map_err(Error::Executable)?;
        let mut store = open(folder.path(), description)?;
        let tally =
            conduct(&cells, workspace.unfit(), &self.options, None, &mut store, &mut progress, &interrupt)?;
        if tally.interrupted {
            return Ok(EXIT_INTERRUPTED);
        }
        drop(store);
        let data = RunData::load(folder.path())?;
        let mut tally = Tally::default();
        for planned in &cells {
            tally.tell(&planned.cell.id(), self.judge(planned, &data))?;
        }
        for Unfit { network, reason } in workspace.unfit() {
            tally.tell(network, Outcome::Failed(format!("cannot be measured: {reason}")))?;
        }
        for finding in data.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            tally.tell("", Outcome::Failed(finding.to_string()))?;
        }
        for pair in self.cells_for_odd_images(&cells) {
            let (terms, workspace) =
                ((self.tolerance_of(pair.single), self.options.seed, self.options.timeout()), &workspace);
            let verdict = interrupt
                .supervise(|mut stop| async move { odd::judge(pair, workspace, terms, &mut stop).await })?;
            if verdict.interrupted {
                return Ok(EXIT_INTERRUPTED);
            }
            let cell = &pair.single.cell;
            tally.tell(&format!("{}/{}, odd images", cell.backend, cell.network), odd_outcome(&verdict))?;
        }
        tally.conclude()
    }

    fn tolerance_of(&self, planned: &PlannedCell<'_>) -> f64 {
        let stated = planned.plan.as_ref().map_or_else(|_| Tolerance::default(), |plan| plan.tolerance);
        self.tolerance.unwrap_or(stated).get()
    }

    /// For every backend and network the cells with the smallest and the largest batch.
    fn cells_for_odd_images<'a>(&self, cells: &'a [PlannedCell<'a>]) -> Vec<odd::Pair<'a>> {
        if self.no_odd {
            return Vec::new();
        }
        let mut pairs: Vec<odd::Pair<'a>> = Vec::new();
        for planned in cells.iter().filter(|cell| cell.plan.is_ok()) {
            let same = |pair: &&mut odd::Pair<'a>| {
                (&pair.single.cell.backend, &pair.single.cell.network)
                    == (&planned.cell.backend, &planned.cell.network)
            };
            match pairs.iter_mut().find(same) {
                None => pairs.push(odd::Pair { single: planned, mixed: planned }),
                Some(pair) if planned.cell.batch < pair.single.cell.batch => pair.single = planned,
                Some(pair) if planned.cell.batch > pair.mixed.cell.batch => pair.mixed = planned,
                Some(_) => {}
            }
        }
        pairs
    }

    /// Whether a cell ran, answered every image, and answered as the clear network does: logits within
    /// the tolerance, the same class wherever the clear network's lead is wider than it, and nearly always.
    fn judge(&self, planned: &PlannedCell<'_>, data: &RunData) -> Outcome {
        let failed = |reason: String| Outcome::Failed(reason);
        let id = planned.cell.id();
        let mark = data.samples.iter().find(|sample| sample.cell == id && sample.is_commit_mark());
        let Some(mark) = mark else { return failed("it was not measured".into()) };
        match mark.status {
            Status::Ok => {}
            Status::Unsupported => return Outcome::Unsupported(mark.detail.clone()),
            status => return failed(format!("{status}: {}", mark.detail)),
        }
        let answers: Vec<_> = data.answers.iter().filter(|answer| answer.cell == id).collect();
        if answers.len() != planned.cell.images {
            return failed(format!("{} answers for {} images", answers.len(), planned.cell.images));
        }
        let tolerance = self.tolerance_of(planned) * planned.workload.logit_spread().min(1.0);
        let worst = answers.iter().filter_map(|answer| answer.max_logit_error).reduce(f64::max);
        if let Some(worst) = worst.filter(|worst| *worst > tolerance) {
            return failed(format!("a logit is off by {worst:.2e}, more than {tolerance:.2e}"));
        }
        let leads = (0..planned.cell.images).map(|at| planned.workload.clear_lead(at));
        let wrong = answers
            .iter()
            .zip(leads)
            .filter(|(answer, lead)| answer.clear != answer.private && *lead > 2.0 * tolerance)
            .count();
        if wrong > 0 {
            return failed(format!("{wrong} predictions differ from the clear network's"));
        }
        let agree = answers.iter().filter(|answer| answer.clear == answer.private).count();
        let within = match worst {
            Some(worst) => format!("logits within {worst:.1e}"),
            None => "by labels alone".to_owned(),
        };
        let text = format!("{agree}/{} agree, {within}", answers.len());
        if (agree as f64) < LEAST_AGREEMENT * answers.len() as f64 {
            return failed(format!("{text}: at least {:.0} % have to", 100.0 * LEAST_AGREEMENT));
        }
        Outcome::Passed(text)
    }
}

fn tolerance(text: &str) -> Result<Tolerance, String> {
    let number = text.parse().map_err(|_| format!("{text} is not a number"))?;
    Tolerance::new(number).ok_or_else(|| format!("{text} is not a number above zero"))
}

fn odd_outcome(verdict: &odd::Verdict) -> Outcome {
    let odd::Verdict { right, refused, wrong, .. } = verdict;
    if !wrong.is_empty() {
        return Outcome::Failed(wrong.join("; "));
    }
    let refusals =
        if refused.is_empty() { String::new() } else { format!(", out of range: {}", refused.join(", ")) };
    Outcome::Passed(format!("{right} answered rightly{refusals}"))
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    unsupported: usize,
}

impl Tally {
    fn tell(&mut self, what: &str, outcome: Outcome) -> Result<(), Error> {
        let (mark, text, count) = match outcome {
            Outcome::Passed(text) => ("ok    ", text, &mut self.passed),
            Outcome::Failed(text) => ("FAILED", text, &mut self.failed),
            Outcome::Unsupported(text) => ("-     ", format!("unsupported: {text}"), &mut self.unsupported),
        };
        *count += 1;
        Ok(writeln!(std::io::stdout(), "{mark}  {what}  {text}")?)
    }

    fn conclude(&self) -> Result<u8, Error> {
        let Self { passed, failed, unsupported } = self;
        writeln!(std::io::stdout(), "{passed} passed, {failed} failed, {unsupported} skipped")?;
        Ok(if *failed == 0 { EXIT_OK } else { EXIT_FAILED })
    }
}
