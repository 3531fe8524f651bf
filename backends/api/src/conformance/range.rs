//! Checks that no image, however odd, gets a wrong answer: a right one or a refusal.

use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Network, Parameters, Range, Tensor};
use veilbench_results::Tolerance;

use super::odd_images::{ODD_IMAGES, odd_images};
use super::{Check, Verdict, ensure, test_networks};
use crate::local_session::{LocalSession, PartyOutcome};
use crate::{Backend, Error, PrivateInput};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "odd images are answered rightly or refused as out of range", run: odd },
    Check { name: "an odd image in a batch spoils no other's answer", run: mixed },
];

/// Most images of a batch of these checks.
const LARGEST_BATCH: usize = 3;

/// Polynomials ten times as steep as the test networks', calibrated on images a tenth as bright as what is legal: white
/// is far beyond every range.
fn tight(mut network: Network) -> Result<Network, String> {
    for parameters in &mut network.parameters {
        if let Parameters::Polynomial { coefficients } = parameters {
            coefficients.iter_mut().for_each(|coefficient| *coefficient *= 10.0);
        }
    }
    let dim = test_networks::images(&network, 64, 4);
    let values = dim.data().iter().map(|value| value * 0.1).collect();
    let dim = Tensor::new(64, dim.shape(), values).ok_or("dim images have the wrong size")?;
    ranges(&mut network, &dim).map_err(|error| error.to_string())?;
    // Legal images are as bright as ever.
    network.architecture.input_range = Some(Range { low: -1.0, high: 1.0 });
    Ok(network)
}

/// The test networks as they are, and those with polynomials under tight ranges.
fn networks(backend: &dyn Backend) -> Result<Vec<Network>, String> {
    let polynomial = |network: &Network| {
        network.parameters.iter().any(|parameters| matches!(parameters, Parameters::Polynomial { .. }))
    };
    let plain = test_networks::all();
    let tight: Vec<Network> =
        plain.iter().filter(|network| polynomial(network)).cloned().map(tight).collect::<Result<_, _>>()?;
    let job = LocalSession::new(backend, &plain[0], LARGEST_BATCH).job;
    let all = plain.into_iter().chain(tight);
    Ok(all.filter(|network| backend.plan(&network.architecture, &job).is_ok()).collect())
}

fn odd(backend: &dyn Backend) -> Result<Verdict, String> {
    let mut verdict = Verdict::no_network(LARGEST_BATCH);
    for network in networks(backend)? {
        let odd =
            odd_images(&network, &test_networks::images(&network, 2, 5), 6).map_err(|e| e.to_string())?;
        let batches = ODD_IMAGES.iter().enumerate().map(|(at, &name)| {
            Tensor::new(1, odd.shape(), odd.image(at).to_vec())
                .map(|batch| (name.to_owned(), batch))
                .ok_or_else(|| "an odd image has the wrong size".to_owned())
        });
        judge_all(backend, &network, &batches.collect::<Result<Vec<_>, _>>()?)?;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

fn mixed(backend: &dyn Backend) -> Result<Verdict, String> {
    let mut verdict = Verdict::no_network(LARGEST_BATCH);
    for network in networks(backend)? {
        let ordinary = test_networks::images(&network, 2, 5);
        let odd = odd_images(&network, &ordinary, 6).map_err(|error| error.to_string())?;
        let batches = [1, ODD_IMAGES.len() - 1].map(|at| {
            let batch = [ordinary.image(0), odd.image(at), ordinary.image(1)].concat();
            let batch = Tensor::new(3, odd.shape(), batch).ok_or("a mixed batch has the wrong size")?;
            Ok::<_, String>((format!("{} between two others", ODD_IMAGES[at]), batch))
        });
        judge_all(backend, &network, &batches.into_iter().collect::<Result<Vec<_>, _>>()?)?;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

/// Every batch is answered as by the clear network, logits within the plan's tolerance (as a share of the image's
/// largest logit where that is above one), or the role that holds the images refuses it. One session serves batches
/// until it refuses one; another goes on behind that.
fn judge_all(backend: &dyn Backend, network: &Network, batches: &[(String, Tensor)]) -> Result<(), String> {
    let name = &network.architecture.name;
    let size = batches.iter().map(|(_, batch)| batch.images()).max().unwrap_or(1);
    let session = LocalSession::new(backend, network, size);
    let plan = backend.plan(&network.architecture, &session.job).map_err(|error| error.to_string())?;
    let roles = backend.profile().roles;
    let owner = roles
        .iter()
        .position(|role| role.private_input == PrivateInput::Images)
        .ok_or("nobody holds the images")?;
    let mut rest = batches;
    while !rest.is_empty() {
        let tensors: Vec<Tensor> = rest.iter().map(|(_, batch)| batch.clone()).collect();
        let done = session.run(&tensors).map_err(|error| error.to_string())?;
        let answered = done[owner].answered();
        for (at, (what, batch)) in rest.iter().enumerate().take(answered) {
            judge(network, plan.tolerance, &done[owner], at, batch)
                .map_err(|why| format!("{name}, {what}: {why}"))?;
        }
        let Some((what, batch)) = rest.get(answered) else {
            return match failed(&done) {
                Some((role, error)) => {
                    Err(format!("{name}: {} stopped after the last answer: {error}", roles[role].name))
                }
                None => Ok(()),
            };
        };
        let at_fault = |why: String| format!("{name}, {what}: {why}");
        match (&done[owner].error, failed(&done)) {
            (Some(Error::OutOfRange { images, reason }), _) => {
                judge_refusal(images, reason, batch).map_err(at_fault)?;
            }
            (_, Some((role, error))) => {
                return Err(at_fault(format!("{} stopped: {error}", roles[role].name)));
            }
            (_, None) => return Err(at_fault("no answer came".into())),
        }
        rest = &rest[answered + 1..];
    }
    Ok(())
}

fn judge_refusal(images: &[usize], reason: &str, batch: &Tensor) -> Result<(), String> {
    ensure!(!reason.is_empty(), "refused without a reason");
    let count = batch.images();
    ensure!(images.iter().all(|image| *image < count), "refuses images {images:?} of {count}");
    Ok(())
}

/// Holds the answers to the `at`-th batch of a session against the clear network's.
fn judge(
    network: &Network,
    tolerance: Tolerance,
    owner: &PartyOutcome,
    at: usize,
    batch: &Tensor,
) -> Result<(), String> {
    let clear: Tensor<f64> = evaluate(network, batch).map_err(|error| error.to_string())?;
    if let Some(labels) = owner.labels.get(at) {
        return judge_labels(&clear, labels, tolerance);
    }
    let logits = owner.logits.get(at).ok_or("no logits came")?;
    for image in 0..batch.images() {
        let largest = clear.image(image).iter().fold(1.0f64, |largest, logit| largest.max(logit.abs()));
        for (clear, &logit) in clear.image(image).iter().zip(logits.image(image)) {
            let off = (clear - f64::from(logit)).abs();
            let is_near = off <= tolerance.get() * largest;
            ensure!(
                is_near,
                "a logit of image {image} is {logit} where the clear network has {clear}, and nobody refused"
            );
        }
    }
    Ok(())
}

/// Labels are right whose logit in the clear is the largest, up to the tolerance of two logits.
fn judge_labels(clear: &Tensor<f64>, labels: &[u32], tolerance: Tolerance) -> Result<(), String> {
    for (image, &label) in labels.iter().enumerate() {
        let logits = clear.image(image);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let allowed =
            2.0 * tolerance.get() * logits.iter().fold(1.0f64, |largest, logit| largest.max(logit.abs()));
        let given = logits.get(label as usize).copied().unwrap_or(f64::NEG_INFINITY);
        let is_largest = largest - given <= allowed;
        ensure!(is_largest, "image {image} is of class {label}, and nobody refused");
    }
    Ok(())
}

fn failed(done: &[PartyOutcome]) -> Option<(usize, &Error)> {
    done.iter().enumerate().find_map(|(role, one)| one.error.as_ref().map(|error| (role, error)))
}
