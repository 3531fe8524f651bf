//! Sessions of the CKKS backends, and what their parties say when they end early.

use std::sync::Arc;

use veilbench_api::conformance::test_networks;
use veilbench_api::link::Interceptor;
use veilbench_api::local_session::{LocalSession, PartyOutcome};
use veilbench_api::{Backend, Job, LinkProfile, Settings};
use veilbench_ckks_inference::{Ckks, CkksClientAided};
use veilbench_networks::{Network, Tensor};

pub(crate) fn polynomial() -> Network {
    test_networks::supported(&Ckks, 1).unwrap()
}

pub(crate) fn aided() -> Network {
    test_networks::supported(&CkksClientAided, 1).unwrap()
}

pub(crate) fn job(batch: usize) -> Job {
    Job::new(batch, 1, LinkProfile::loopback())
}

pub(crate) fn error(
    backend: &dyn Backend,
    network: &Network,
    images: Tensor,
    interceptor: Option<Arc<dyn Interceptor>>,
) -> String {
    error_of_batch(backend, network, 1, images, interceptor)
}

pub(crate) fn error_of_batch(
    backend: &dyn Backend,
    network: &Network,
    batch: usize,
    images: Tensor,
    interceptor: Option<Arc<dyn Interceptor>>,
) -> String {
    let mut session = LocalSession::new(backend, network, batch);
    session.interceptor = interceptor;
    said(&session.run(&[images]).unwrap())
}

/// The same of a session with one batch in a layout.
pub(crate) fn error_in(
    backend: &dyn Backend,
    network: &Network,
    layout: Option<&str>,
    images: &Tensor,
    interceptor: Option<Arc<dyn Interceptor>>,
) -> String {
    said(&intercepted(backend, network, layout, images, interceptor))
}

fn said(done: &[PartyOutcome]) -> String {
    assert!(done.iter().all(|outcome| outcome.logits.is_empty()));
    let errors: Vec<String> =
        done.iter().filter_map(|outcome| outcome.error.as_ref().map(ToString::to_string)).collect();
    errors.join("; ")
}

/// How many messages of the data owner come before its first ciphertexts: keys.
pub(crate) fn key_messages(backend: &dyn Backend, layout: Option<&str>) -> usize {
    if backend.profile().name == "ckks" || layout == Some("packed") { 2 } else { 1 }
}

/// What is set for a layout: `throughput` is that of batches with an image in every slot, `complex` with two.
pub(crate) fn settings(layout: Option<&str>) -> Settings {
    let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    match layout {
        None => Settings::new(),
        Some("throughput") => [setting("layout", "throughput"), setting("slots", "real")].into(),
        Some("complex") => [setting("layout", "throughput"), setting("slots", "complex")].into(),
        Some(layout) => [setting("layout", layout)].into(),
    }
}

/// A session with one batch in a layout, or in the plan's own.
pub(crate) fn session(
    backend: &dyn Backend,
    network: &Network,
    layout: Option<&str>,
    images: &Tensor,
) -> Vec<PartyOutcome> {
    intercepted(backend, network, layout, images, None)
}

/// The same with something on its link.
pub(crate) fn intercepted(
    backend: &dyn Backend,
    network: &Network,
    layout: Option<&str>,
    images: &Tensor,
    interceptor: Option<Arc<dyn Interceptor>>,
) -> Vec<PartyOutcome> {
    let mut session = LocalSession::new(backend, network, images.images());
    session.interceptor = interceptor;
    session.job.settings.extend(settings(layout));
    session.run(std::slice::from_ref(images)).unwrap()
}

/// Every way a network is computed: the backend, its network and the layout.
pub(crate) fn ways() -> [(&'static dyn Backend, Network, Option<&'static str>); 5] {
    [
        (&Ckks, polynomial(), Some("latency")),
        (&Ckks, polynomial(), Some("throughput")),
        (&Ckks, polynomial(), Some("complex")),
        (&CkksClientAided, aided(), Some("slots")),
        (&CkksClientAided, aided(), Some("packed")),
    ]
}
