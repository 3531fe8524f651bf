//! What an enclave is started with, what it measures as, and what its clients insist on.

use std::fs::File;
use std::num::NonZero;
use std::sync::OnceLock;

use veilbench_api::{Error, Job, Reveals};
use veilbench_networks::Architecture;
use veilbench_tee::{Configuration, LeastProtections, Measurement, Policy};

use super::{allows_unprotected, failure, reveals};

/// What clients of a cell insist on.
pub(super) fn policy(job: &Job) -> Result<Policy, Error> {
    let mut policy = Policy::simulated().map_err(failure)?;
    if allows_unprotected(job) {
        policy.protections = LeastProtections::none();
    }
    Ok(policy)
}

/// What an enclave is started with for this cell and a model. It is measured, so that a host cannot make it reveal more than both
/// owners expect.
pub(super) fn configuration(
    architecture: &Architecture,
    job: &Job,
    model: Measurement,
) -> Result<Configuration, Error> {
    let text = match reveals(job) {
        Reveals::Logits => serde_json::to_vec(architecture),
        reveals => serde_json::to_vec(&(architecture, reveals)),
    };
    let text = text.map_err(Error::engine("describing the architecture"))?;
    let number = |value: usize| u32::try_from(value).map_err(Error::engine("describing the cell"));
    Ok(Configuration {
        architecture: Measurement::of(&text),
        model,
        batch: number(job.batch)?,
        threads: number(job.threads)?,
    })
}

/// Measurement of this program's own file, for the record: clients trust [`own_program`].
pub(super) fn own_image() -> Result<Measurement, veilbench_tee::Error> {
    static IMAGE: OnceLock<Measurement> = OnceLock::new();
    if let Some(image) = IMAGE.get() {
        return Ok(*image);
    }
    let file = File::open("/proc/self/exe").map_err(|source| veilbench_tee::Error::System {
        doing: "opening this program's own file",
        source,
    })?;
    Ok(*IMAGE.get_or_init({
        let image = Measurement::of_image(&file, NonZero::<usize>::MIN)?;
        move || image
    }))
}

/// Measurement of the program, loader and libraries that this very process runs: what a client expects of an enclave.
pub(super) fn own_program(job: &Job) -> Result<Measurement, Error> {
    Measurement::of_this_process(measuring_threads(job)).map_err(failure)
}

/// Threads that measure: no more than the cell's.
pub(super) fn measuring_threads(job: &Job) -> NonZero<usize> {
    NonZero::new(job.threads).unwrap_or(NonZero::<usize>::MIN)
}

#[cfg(test)]
mod tests {
    use super::super::REVEAL;
    use super::*;

    #[test]
    fn an_enclave_that_would_reveal_more_has_another_measurement() {
        let architecture = veilbench_networks::zoo::load("mnist-mlp").unwrap().architecture;
        let configured = |reveal: Option<&str>| {
            let mut job = Job::new(1, 1, veilbench_api::LinkProfile::loopback());
            job.settings.extend(reveal.map(|value| (REVEAL.key.to_owned(), value.to_owned())));
            configuration(&architecture, &job, Measurement::of(b"model")).unwrap()
        };
        let image = Measurement::of(b"program");
        let measured = |reveal| Measurement::of_enclave(&image, &configured(reveal));
        assert!(configured(None) == configured(Some("logits")) && measured(None) == measured(Some("logits")));
        assert!(configured(None) != configured(Some("label")) && measured(None) != measured(Some("label")));
    }
}
