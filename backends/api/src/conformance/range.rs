//! Checks that no image, however odd, gets a wrong answer: a right one or a refusal.

use veilbench_networks::evaluate::{evaluate, ranges};
use veilbench_networks::{Network, Parameters, Range, Tensor};
use veilbench_results::Tolerance;

use super::odd_images::{ODD_IMAGES, odd_images};
use super::{Check, ensure, test_networks};
use crate::local_session::{LocalSession, PartyOutcome};
use crate::{Backend, Error, PrivateInput};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "odd images are answered rightly or refused as out of range", run: odd },
    Check { name: "an odd image in a batch spoils no other's answer", run: mixed },
];

/// Polynomials ten times as steep as the test_networks', calibrated on images a tenth as bright as what is legal: white
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

/// The test_networks as they are, and those with polynomials under tight ranges.
fn networks(backend: &dyn Backend) -> Result<Vec<Network>, String> {
    let polynomial = |network: &Network| {
        network.parameters.iter().any(|parameters| matches!(parameters, Parameters::Polynomial { .. }))
    };
    let plain = test_networks::all();
    let tight: Vec<Network> =
        plain.iter().filter(|network| polynomial(network)).cloned().map(tight).collect::<Result<_, _>>()?;
    let job = LocalSession::new(backend, &plain[0], 3).job;
    let all = plain.into_iter().chain(tight);
    Ok(all.filter(|network| backend.plan(&network.architecture, &job).is_ok()).collect())
}

fn odd(backend: &dyn Backend) -> Result<(), String> {
    for network in networks(backend)? {
        let odd =
            odd_images(&network, &test_networks::images(&network, 2, 5), 6).map_err(|e| e.to_string())?;
        for (at, name) in ODD_IMAGES.iter().enumerate() {
            let image = pick(&odd, &[at])?;
            judge(backend, &network, &image, name)?;
        }
    }
    Ok(())
}

fn mixed(backend: &dyn Backend) -> Result<(), String> {
    for network in networks(backend)? {
        let ordinary = test_networks::images(&network, 2, 5);
        let odd = odd_images(&network, &ordinary, 6).map_err(|error| error.to_string())?;
        for at in [1, ODD_IMAGES.len() - 1] {
            let batch = [ordinary.image(0), odd.image(at), ordinary.image(1)].concat();
            let batch = Tensor::new(3, odd.shape(), batch).ok_or("a mixed batch has the wrong size")?;
            judge(backend, &network, &batch, &format!("{} between two others", ODD_IMAGES[at]))?;
        }
    }
    Ok(())
}

fn pick(images: &Tensor, places: &[usize]) -> Result<Tensor, String> {
    let values = places.iter().flat_map(|&at| images.image(at)).copied().collect();
    Tensor::new(places.len(), images.shape(), values).ok_or_else(|| "an image has the wrong size".into())
}

/// A batch is answered as by the clear network, logits within the plan's tolerance (as a share of the image's largest
/// logit where that is above one), or the role that holds the images refuses it.
fn judge(backend: &dyn Backend, network: &Network, batch: &Tensor, what: &str) -> Result<(), String> {
    let name = &network.architecture.name;
    let session = LocalSession::new(backend, network, batch.images());
    let plan = backend.plan(&network.architecture, &session.job).map_err(|error| error.to_string())?;
    let done = session.run(std::slice::from_ref(batch));
    let done = done.map_err(|error| error.to_string())?;
    let roles = backend.profile().roles;
    let owner = roles
        .iter()
        .position(|role| role.private_input == PrivateInput::Images)
        .ok_or("nobody holds the images")?;
    if let Some(Error::OutOfRange { images, reason }) = &done[owner].error {
        ensure!(done[owner].answered() == 0, "{name}, {what}: refused and answered at once");
        ensure!(!reason.is_empty(), "{name}, {what}: refused without a reason");
        ensure!(
            images.iter().all(|image| *image < batch.images()),
            "{name}, {what}: refuses images {images:?} of {}",
            batch.images()
        );
        return Ok(());
    }
    if let Some((role, error)) = failed(&done) {
        return Err(format!("{name}, {what}: {} stopped: {error}", roles[role].name));
    }
    let clear: Tensor<f64> = evaluate(network, batch).map_err(|error| error.to_string())?;
    if let Some(labels) = done[owner].labels.first() {
        return judge_labels(&clear, labels, plan.tolerance, &format!("{name}, {what}"));
    }
    let logits = done[owner].logits.first().ok_or("no logits came")?;
    for image in 0..batch.images() {
        let largest = clear.image(image).iter().fold(1.0f64, |largest, logit| largest.max(logit.abs()));
        for (clear, &logit) in clear.image(image).iter().zip(logits.image(image)) {
            let off = (clear - f64::from(logit)).abs();
            if off.is_nan() || off > plan.tolerance.get() * largest {
                return Err(format!(
                    "{name}, {what}: a logit of image {image} is {logit} where the clear network has {clear}, and nobody \
                     refused"
                ));
            }
        }
    }
    Ok(())
}

/// Labels are right whose logit in the clear is the largest, up to the tolerance of two logits.
fn judge_labels(clear: &Tensor<f64>, labels: &[u32], tolerance: Tolerance, what: &str) -> Result<(), String> {
    for (image, &label) in labels.iter().enumerate() {
        let logits = clear.image(image);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let allowed =
            2.0 * tolerance.get() * logits.iter().fold(1.0f64, |largest, logit| largest.max(logit.abs()));
        let given = logits.get(label as usize).copied().unwrap_or(f64::NEG_INFINITY);
        let is_largest = largest - given <= allowed;
        ensure!(is_largest, "{what}: image {image} is of class {label}, and nobody refused");
    }
    Ok(())
}

fn failed(done: &[PartyOutcome]) -> Option<(usize, &Error)> {
    done.iter().enumerate().find_map(|(role, one)| one.error.as_ref().map(|error| (role, error)))
}
