//! Checks of answers and of the counters around them.

use veilbench_networks::Tensor;
use veilbench_networks::evaluate::evaluate;
use veilbench_results::Tolerance;

use super::{Check, ensure, test_networks};
use crate::local_session::{LocalSession, PartyOutcome};
use crate::{Backend, PrivateInput};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "logits agree with the clear network on every supported test network", run: logits },
    Check { name: "one session serves batches of different sizes", run: many_batches },
    Check { name: "only the data owner gets logits, and rounds and bytes are counted", run: counters },
];

pub(super) fn all_well(outcomes: Vec<PartyOutcome>) -> Result<Vec<PartyOutcome>, String> {
    match outcomes.iter().enumerate().find_map(|(role, done)| done.error.as_ref().map(|error| (role, error)))
    {
        Some((role, error)) => Err(format!("role {role} stopped: {error}")),
        None => Ok(outcomes),
    }
}

/// Logits of the test networks are of order one: the tolerance is absolute.
fn compare(
    network: &veilbench_networks::Network,
    images: &Tensor,
    logits: &Tensor,
    tolerance: Tolerance,
) -> Result<(), String> {
    let clear: Tensor<f64> = evaluate(network, images).map_err(|error| error.to_string())?;
    let name = &network.architecture.name;
    ensure!(
        logits.images() == images.images(),
        "{name}: {} answers for {} images",
        logits.images(),
        images.images()
    );
    ensure!(logits.shape() == clear.shape(), "{name}: logits of shape {}", logits.shape());
    let near = |clear: f64, logit: f32| (clear - f64::from(logit)).abs() <= tolerance.get();
    let far = clear.data().iter().zip(logits.data()).find(|&(&clear, &logit)| !near(clear, logit));
    if let Some((clear, logit)) = far {
        return Err(format!("{name}: a logit is {logit} where the clear network has {clear}"));
    }
    Ok(())
}

/// Labels have to be those of the clear network, wherever its lead is wider than the tolerance.
fn compare_labels(
    network: &veilbench_networks::Network,
    images: &Tensor,
    labels: &[u32],
    tolerance: Tolerance,
) -> Result<(), String> {
    let clear: Tensor<f64> = evaluate(network, images).map_err(|error| error.to_string())?;
    let name = &network.architecture.name;
    ensure!(
        labels.len() == images.images(),
        "{name}: {} labels for {} images",
        labels.len(),
        images.images()
    );
    for (image, &label) in labels.iter().enumerate() {
        let logits = clear.image(image);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let given =
            logits.get(label as usize).copied().ok_or(format!("{name}: there is no class {label}"))?;
        let is_largest = largest - given <= 2.0 * tolerance.get();
        ensure!(
            is_largest,
            "{name}: image {image} is of class {label}, whose logit is {given} where the largest is {largest}"
        );
    }
    Ok(())
}

/// Holds what the data owner got of each batch against the clear network.
fn compare_all(
    network: &veilbench_networks::Network,
    batches: &[Tensor],
    done: &[PartyOutcome],
    tolerance: Tolerance,
) -> Result<(), String> {
    let (logits, labels): (Vec<_>, Vec<_>) = (
        done.iter().flat_map(|outcome| &outcome.logits).collect(),
        done.iter().flat_map(|outcome| &outcome.labels).collect(),
    );
    if labels.is_empty() {
        ensure!(
            logits.len() == batches.len(),
            "{} sets of logits for {} batches",
            logits.len(),
            batches.len()
        );
        return batches
            .iter()
            .zip(logits)
            .try_for_each(|(images, logits)| compare(network, images, logits, tolerance));
    }
    ensure!(logits.is_empty(), "both logits and labels came");
    ensure!(labels.len() == batches.len(), "{} sets of labels for {} batches", labels.len(), batches.len());
    batches
        .iter()
        .zip(labels)
        .try_for_each(|(images, labels)| compare_labels(network, images, labels, tolerance))
}

fn logits(backend: &dyn Backend) -> Result<(), String> {
    for network in test_networks::all() {
        for batch in [1, 3] {
            let session = LocalSession::new(backend, &network, batch);
            let Ok(plan) = backend.plan(&network.architecture, &session.job) else { continue };
            let images = test_networks::images(&network, batch, 2);
            let done =
                all_well(session.run(std::slice::from_ref(&images)).map_err(|error| error.to_string())?)?;
            compare_all(&network, std::slice::from_ref(&images), &done, plan.tolerance)?;
        }
    }
    Ok(())
}

fn many_batches(backend: &dyn Backend) -> Result<(), String> {
    let Some(network) = test_networks::supported(backend, 4) else { return Ok(()) };
    let batches: Vec<_> = [4, 1, 3]
        .into_iter()
        .zip(3..)
        .map(|(count, seed)| test_networks::images(&network, count, seed))
        .collect();
    let session = LocalSession::new(backend, &network, 4);
    let plan = backend.plan(&network.architecture, &session.job).map_err(|error| error.to_string())?;
    let done = all_well(session.run(&batches).map_err(|error| error.to_string())?)?;
    compare_all(&network, &batches, &done, plan.tolerance)
}

fn counters(backend: &dyn Backend) -> Result<(), String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(()) };
    let images = test_networks::images(&network, 2, 6);
    let session = LocalSession::new(backend, &network, 2);
    let done = all_well(session.run(&[images]).map_err(|error| error.to_string())?)?;
    for (role, outcome) in backend.profile().roles.iter().zip(&done) {
        let gets = usize::from(role.private_input == PrivateInput::Images);
        ensure!(outcome.answered() == gets, "{} got {} sets of answers", role.name, outcome.answered());
        ensure!(outcome.phases.len() == 3, "{} went through {} phases", role.name, outcome.phases.len());
    }
    let online =
        |pick: fn(&crate::PhaseMetrics) -> u64| done.iter().map(move |outcome| pick(&outcome.phases[2]));
    let bytes: u64 = online(|phase| phase.exchanged.iter().map(|peer| peer.sent_bytes).sum()).sum();
    let rounds = online(|phase| u64::from(phase.rounds)).max().unwrap_or(0);
    let counted_by = session
        .backend
        .plan(&network.architecture, &session.job)
        .map_err(|error| error.to_string())?
        .counted_by;
    // What others count is not known at one moment to parties that do not wait for each other, and has no rounds.
    let counted = !counted_by.is_link() || (bytes > 0 && rounds > 0);
    ensure!(counted, "the online phase sent {bytes} bytes in {rounds} rounds");
    Ok(())
}
