//! Checks of answers and of the counters around them.

use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Tensor};
use veilbench_results::Tolerance;

use super::{Check, Verdict, ensure, test_networks};
use crate::local_session::{LocalSession, PartyOutcome};
use crate::{Backend, Learned, PrivateInput};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "logits agree with the clear network on every supported test network", run: logits },
    Check { name: "one session serves batches of different sizes", run: many_batches },
    Check { name: "only the data owner gets answers, and its leakage says so", run: receiver_of_logits },
    Check { name: "rounds and bytes are counted", run: counters },
];

pub(super) fn all_well(outcomes: Vec<PartyOutcome>) -> Result<Vec<PartyOutcome>, String> {
    match outcomes.iter().enumerate().find_map(|(role, done)| done.error.as_ref().map(|error| (role, error)))
    {
        Some((role, error)) => Err(format!("role {role} stopped: {error}")),
        None => Ok(outcomes),
    }
}

/// Logits of the test networks are of order one: the tolerance is absolute.
fn compare(network: &Network, images: &Tensor, logits: &Tensor, tolerance: Tolerance) -> Result<(), String> {
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
    network: &Network,
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
    network: &Network,
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

fn logits(backend: &dyn Backend) -> Result<Verdict, String> {
    let mut verdict = Verdict::no_network(1);
    for network in test_networks::all() {
        for batch in [1, 3] {
            let session = LocalSession::new(backend, &network, batch);
            let Ok(plan) = backend.plan(&network.architecture, &session.job) else { continue };
            let images = test_networks::images(&network, batch, 2);
            let done =
                all_well(session.run(std::slice::from_ref(&images)).map_err(|error| error.to_string())?)?;
            compare_all(&network, std::slice::from_ref(&images), &done, plan.tolerance)?;
            verdict = Verdict::Kept;
        }
    }
    Ok(verdict)
}

fn many_batches(backend: &dyn Backend) -> Result<Verdict, String> {
    let Some(network) = test_networks::supported(backend, 4) else { return Ok(Verdict::no_network(4)) };
    let batches: Vec<_> = [4, 1, 3]
        .into_iter()
        .zip(3..)
        .map(|(count, seed)| test_networks::images(&network, count, seed))
        .collect();
    let session = LocalSession::new(backend, &network, 4);
    let plan = backend.plan(&network.architecture, &session.job).map_err(|error| error.to_string())?;
    let done = all_well(session.run(&batches).map_err(|error| error.to_string())?)?;
    compare_all(&network, &batches, &done, plan.tolerance).map(|()| Verdict::Kept)
}

fn receiver_of_logits(backend: &dyn Backend) -> Result<Verdict, String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(Verdict::no_network(2)) };
    let done = one_batch(backend, &network)?;
    let profile = backend.profile();
    for ((role, leakage), outcome) in profile.roles.iter().zip(&profile.protection.learns).zip(&done) {
        let gets = usize::from(role.private_input == PrivateInput::Images);
        ensure!(outcome.answered() == gets, "{} got {} sets of answers", role.name, outcome.answered());
        let declared = outcome.logits.is_empty() || leakage.logits == Learned::Yes;
        ensure!(declared, "{} gets logits, and what it learns of them is `{}`", role.name, leakage.logits);
        ensure!(outcome.phases.len() == 3, "{} went through {} phases", role.name, outcome.phases.len());
    }
    Ok(Verdict::Kept)
}

fn counters(backend: &dyn Backend) -> Result<Verdict, String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(Verdict::no_network(2)) };
    if let Some(not_seen) = past_the_links(backend, &network) {
        return Ok(not_seen);
    }
    let done = one_batch(backend, &network)?;
    let online = || done.iter().filter_map(|outcome| outcome.phases.get(2));
    let bytes: u64 = online().flat_map(|phase| &phase.exchanged).map(|peer| peer.sent_bytes).sum();
    let rounds = online().map(|phase| phase.rounds).max().unwrap_or(0);
    ensure!(bytes > 0 && rounds > 0, "the online phase sent {bytes} bytes in {rounds} rounds");
    Ok(Verdict::Kept)
}

/// One session with one batch of two images, which every role ends well.
fn one_batch(backend: &dyn Backend, network: &Network) -> Result<Vec<PartyOutcome>, String> {
    let images = test_networks::images(network, 2, 6);
    let session = LocalSession::new(backend, network, 2);
    all_well(session.run(&[images]).map_err(|error| error.to_string())?)
}

/// Says that messages are out of sight, where they pass by the links on which the checks listen, count and interfere.
pub(super) fn past_the_links(backend: &dyn Backend, network: &Network) -> Option<Verdict> {
    let job = LocalSession::new(backend, network, 1).job;
    let counted_by = backend.plan(&network.architecture, &job).ok()?.counted_by;
    let reason = format!("its messages pass by veilbench's links (`bytes = \"{}\"`)", counted_by.as_str());
    (!counted_by.is_link()).then_some(Verdict::NotSeen(reason))
}
