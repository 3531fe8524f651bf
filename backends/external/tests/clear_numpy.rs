//! The reference backend in Python keeps the promises of the built-in ones. Skipped, with a word, where NumPy cannot be had.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::OnceLock;

use veilbench_api::conformance;
use veilbench_api::local_session::LocalSession;
use veilbench_external::External;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Shape, Tensor, zoo};

/// `clear-numpy` with its environment, which stays in the target folder.
fn clear_numpy() -> Option<&'static External> {
    static BACKEND: OnceLock<Option<External>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clear-numpy");
        let backend =
            External::load(&folder, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("environments")).unwrap();
        match backend.install(|line| eprintln!("{line}")) {
            Ok(()) => Some(backend),
            Err(error) => {
                eprintln!("skipped: NumPy cannot be installed here: {error}");
                None
            }
        }
    });
    backend.as_ref()
}

#[test]
fn clear_numpy_conforms() {
    let Some(backend) = clear_numpy() else { return };
    let not_seen = conformance::check(backend).unwrap();
    assert!(not_seen.is_empty(), "not put to the test: {not_seen:?}");
}

#[test]
fn its_version_is_that_of_the_interpreter_and_of_numpy() {
    let Some(backend) = clear_numpy() else { return };
    let version = backend.version().unwrap().unwrap();
    assert!(version.starts_with("Python 3.") && version.contains(" numpy "), "{version}");
}

#[test]
fn every_network_of_the_zoo_has_the_clear_evaluators_logits() {
    let Some(backend) = clear_numpy() else { return };
    for name in zoo::names() {
        let network = zoo::load(name).unwrap();
        let shape: Shape = network.architecture.input;
        // A pattern without repetition between channels, rows or columns, between 0 and 1.
        let values = (0..2 * shape.len()).map(|at| ((at * 7919 + at / 13) % 257) as f32 / 256.0).collect();
        let images = Tensor::new(2, shape, values).unwrap();
        let done = LocalSession::new(backend, &network, 2).run(std::slice::from_ref(&images)).unwrap();
        for outcome in &done {
            assert!(outcome.error.is_none(), "{name}: {:?}", outcome.error);
        }
        let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
        let largest = clear.data().iter().fold(1.0f64, |largest, logit| largest.max(logit.abs()));
        for (clear, logit) in clear.data().iter().zip(done[0].logits[0].data()) {
            let off = (clear - f64::from(*logit)).abs();
            assert!(off <= 1e-4 * largest, "{name}: {logit} for {clear}");
        }
    }
}
