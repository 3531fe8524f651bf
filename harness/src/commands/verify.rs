//! `veilbench verify`.

use std::io::Write;

use clap::Args;
use tempfile::TempDir;
use veilbench_backends::Backend;
use veilbench_results::{RunData, Severity, Status};

use super::run::{conduct, open};
use crate::error::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Error};
use crate::interrupt::Interrupt;
use crate::matrix::{Options, PlannedCell};
use crate::progress::Progress;
use crate::provenance;
use crate::workspace::{Depth, Workspace};

#[derive(Args, Debug)]
pub(super) struct Verify {
    #[command(flatten)]
    options: Options,
    /// Largest difference of a logit from the clear network
    #[arg(long, value_name = "X", default_value_t = 1.0 / 256.0)]
    tolerance: f64,
}

impl Verify {
    pub(super) fn run(mut self, backends: &[Box<dyn Backend>]) -> Result<u8, Error> {
        self.options.verify_once();
        let interrupt = Interrupt::install()?;
        let mut progress = Progress::new(false);
        let workspace = Workspace::prepare(backends, &self.options, Depth::Measure, &mut progress)?;
        let cells = workspace.cells(backends, &self.options)?;
        let folder = TempDir::with_prefix("veilbench-verify-").map_err(Error::Folder)?;
        let description =
            provenance::describe(self.options.seed, self.options.warmup).map_err(Error::Executable)?;
        let mut store = open(folder.path(), description)?;
        let tally = conduct(&cells, &self.options, &mut store, &mut progress, &interrupt)?;
        if tally.interrupted {
            return Ok(EXIT_INTERRUPTED);
        }
        drop(store);
        let data = RunData::load(folder.path())?;
        let mut out = std::io::stdout().lock();
        let mut broken = 0;
        for planned in &cells {
            let verdict = self.judge(planned, &data);
            broken += usize::from(verdict.is_err());
            let (mark, text) = match verdict {
                Ok(text) => ("ok    ", text),
                Err(text) => ("FAILED", text),
            };
            writeln!(out, "{mark}  {}  {text}", planned.cell)?;
        }
        for finding in data.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            broken += 1;
            writeln!(out, "FAILED  {finding}")?;
        }
        writeln!(out, "{} passed, {broken} failed", cells.len().saturating_sub(broken))?;
        Ok(if broken == 0 { EXIT_OK } else { EXIT_FAILED })
    }

    /// Whether a cell ran, answered every image, and answered as the clear network does: logits within
    /// the tolerance, and the same class wherever the clear network's lead is wider than it.
    fn judge(&self, planned: &PlannedCell<'_>, data: &RunData) -> Result<String, String> {
        let id = planned.cell.id();
        let mark = data.samples.iter().find(|sample| sample.cell == id && sample.is_commit_mark());
        let mark = mark.ok_or("it was not measured")?;
        match mark.status {
            Status::Ok => {}
            Status::Unsupported => return Ok(format!("unsupported: {}", mark.detail)),
            status => return Err(format!("{status}: {}", mark.detail)),
        }
        let answers: Vec<_> = data.answers.iter().filter(|answer| answer.cell == id).collect();
        if answers.len() != planned.cell.images {
            return Err(format!("{} answers for {} images", answers.len(), planned.cell.images));
        }
        let worst = answers.iter().map(|answer| answer.max_logit_error).fold(0.0, f64::max);
        if worst > self.tolerance {
            return Err(format!("a logit is off by {worst:.2e}, more than {:.2e}", self.tolerance));
        }
        let leads = (0..planned.cell.images).map(|at| planned.subject.clear_lead(at));
        let wrong = answers
            .iter()
            .zip(leads)
            .filter(|(answer, lead)| answer.clear != answer.private && *lead > 2.0 * self.tolerance)
            .count();
        if wrong > 0 {
            return Err(format!("{wrong} predictions differ from the clear network's"));
        }
        let agree = answers.iter().filter(|answer| answer.clear == answer.private).count();
        Ok(format!("{agree}/{} agree, logits within {worst:.1e}", answers.len()))
    }
}
