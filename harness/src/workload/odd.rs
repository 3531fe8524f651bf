//! Odd but legal images through the cells of a backend and a network: each is answered as by the clear network, or refused as out of range.

use std::time::Duration;

use tokio::sync::watch;
use veilbench_api::conformance::odd_images::{ODD_IMAGES, odd_images};
use veilbench_networks::Tensor;
use veilbench_networks::evaluate::evaluate;

use crate::error::Error;
use crate::matrix::PlannedCell;
use crate::record::rows::prediction;
use crate::session::control::{ImageAnswer, Phase};
use crate::session::{Batch, Failure, Record, SessionSpec, run_session};
use crate::workload::WorkloadError;
use crate::workload::files::write_images;
use crate::workload::workspace::Workspace;

/// How odd images fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) right: usize,
    /// Names of images the backend refused as out of range.
    pub(crate) refused: Vec<String>,
    /// What went wrong, by image.
    pub(crate) wrong: Vec<String>,
    pub(crate) interrupted: bool,
}

/// The cells of one backend and network that odd images go through.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    /// With the smallest batch: every image is one of its own.
    pub(crate) single: &'a PlannedCell<'a>,
    /// With the largest: odd images between ordinary ones, as far as it holds them.
    pub(crate) mixed: &'a PlannedCell<'a>,
}

/// Runs every odd image as a batch of its own, then all of them between ordinary ones.
///
/// # Errors
/// If the images cannot be made or written.
pub(crate) async fn judge(
    Pair { single, mixed }: Pair<'_>,
    workspace: &Workspace,
    (tolerance, seed, timeout): (f64, u64, Duration),
    interrupt: &mut watch::Receiver<bool>,
) -> Result<Verdict, Error> {
    let ordinary = single.workload.prepared_images()?;
    let odd = odd_images(single.workload.network(), &ordinary, seed).map_err(WorkloadError::from)?;
    let mut verdict = Verdict::default();
    let mut trial = Trial { planned: single, workspace, tolerance, timeout, verdict: &mut verdict };
    let mut first = 0;
    while first < odd.images() {
        let batches: Vec<Batch> = (first..odd.images()).map(|first| batch(first, 1)).collect();
        first += trial.run(&odd, &batches, &|at| ODD_IMAGES[at].to_owned(), interrupt).await?;
    }
    let size = mixed.cell.batch.min(2 * odd.images());
    if size > 1 {
        let between = |at: usize| {
            if at.is_multiple_of(2) { ordinary.image(at / 2 % ordinary.images()) } else { odd.image(at / 2) }
        };
        let values = (0..size).flat_map(between).copied().collect();
        let images =
            Tensor::new(size, odd.shape(), values).unwrap_or_else(|| unreachable!("images of one shape"));
        let name = |at: usize| match at % 2 {
            0 => format!("ordinary image {at} of a mixed batch"),
            _ => format!("{} in a mixed batch", ODD_IMAGES[at / 2]),
        };
        trial.planned = mixed;
        trial.run(&images, &[batch(0, size)], &name, interrupt).await?;
    }
    Ok(verdict)
}

fn batch(first: usize, images: usize) -> Batch {
    Batch { first, images, warm: false, counted: false }
}

struct Trial<'a> {
    planned: &'a PlannedCell<'a>,
    workspace: &'a Workspace,
    tolerance: f64,
    timeout: Duration,
    verdict: &'a mut Verdict,
}

impl Trial<'_> {
    /// Runs batches until one is refused or fails, and says how many are done with.
    async fn run(
        &mut self,
        images: &Tensor,
        batches: &[Batch],
        name: &(dyn Fn(usize) -> String + Sync),
        interrupt: &mut watch::Receiver<bool>,
    ) -> Result<usize, Error> {
        let file = self.workspace.folder().join("odd.images");
        write_images(&file, images)?;
        let Ok(plan) = &self.planned.plan else { return Ok(batches.len()) };
        let profile = self.planned.backend.profile_under(&self.planned.job.settings);
        let spec = SessionSpec {
            profile: &profile,
            origin: self.planned.backend.origin(),
            architecture: self.planned.workload.architecture(),
            plan,
            job: &self.planned.job,
            weights: self.planned.workload.weights_file(),
            images: &file,
            batches,
            timeout: self.timeout,
            hosts: None,
        };
        let (record, failure) = run_session(&spec, interrupt).await;
        let answered = self.compare(&record, images, batches, name)?;
        match failure {
            None => return Ok(batches.len()),
            Some(Failure::Interrupted) => {
                self.verdict.interrupted = true;
                return Ok(batches.len());
            }
            Some(Failure::OutOfRange { .. }) => {
                let refused =
                    batches.get(answered).map_or(0..0, |batch| batch.first..batch.first + batch.images);
                let name = if refused.len() == 1 { name(refused.start) } else { "mixed batch".into() };
                self.verdict.refused.push(name);
            }
            Some(Failure::Error(detail) | Failure::Timeout(detail) | Failure::OutOfMemory(detail)) => {
                self.verdict.wrong.push(detail);
                return Ok(batches.len());
            }
        }
        Ok(answered + 1)
    }

    /// Holds the answers of a session against the oracle, and says how many batches have them.
    fn compare(
        &mut self,
        record: &Record,
        images: &Tensor,
        batches: &[Batch],
        name: &dyn Fn(usize) -> String,
    ) -> Result<usize, Error> {
        let clear: Tensor<f64> =
            evaluate(self.planned.workload.network(), images).map_err(WorkloadError::from)?;
        let online = record.phases.iter().filter(|phase| matches!(phase.phase, Phase::Online { .. }));
        let mut answered = 0;
        for (batch, phase) in batches.iter().zip(online) {
            let answers = phase.parties.iter().find_map(|party| party.answers.as_ref());
            for (offset, answer) in answers.into_iter().flat_map(|got| got.each(batch.images)).enumerate() {
                let at = batch.first + offset;
                match self.difference(clear.image(at), answer) {
                    None => self.verdict.right += 1,
                    Some(reason) => self.verdict.wrong.push(format!("{}: {reason}", name(at))),
                }
            }
            answered += 1;
        }
        Ok(answered)
    }

    /// What is wrong with an answer, if anything is: off by more than the tolerance, as a share of the largest logit
    /// where that is beyond one; a label alone, if two such errors do not make its logit the largest.
    fn difference(&self, clear: &[f64], answer: ImageAnswer<'_>) -> Option<String> {
        let allowed = clear.iter().fold(self.tolerance, |most, logit| most.max(self.tolerance * logit.abs()));
        let (expected, found) = (prediction(clear), answer.class());
        match answer.error(clear) {
            Some(worst) if worst <= allowed => None,
            Some(worst) => Some(format!(
                "a logit is off by {worst:.2e}, class {found} where the clear network has {expected}"
            )),
            None => {
                let behind = clear.get(expected).zip(clear.get(found)).map(|(most, found)| most - found);
                let is_right = behind.is_some_and(|behind| behind <= 2.0 * allowed);
                (!is_right).then(|| format!("class {found} where the clear network has {expected}"))
            }
        }
    }
}
