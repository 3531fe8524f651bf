//! Sessions of the CKKS backends, and what their parties say when they end early.

use std::sync::Arc;

use veilbench_backends::ckks::{Ckks, CkksClientAided};
use veilbench_backends::conformance::specimens;
use veilbench_backends::link::Tap;
use veilbench_backends::rehearsal::{Performance, Rehearsal};
use veilbench_backends::{Backend, Job, LinkProfile};
use veilbench_networks::{Network, Tensor};

pub(crate) fn polynomial() -> Network {
    specimens::supported(&Ckks, 1).unwrap()
}

pub(crate) fn aided() -> Network {
    specimens::supported(&CkksClientAided, 1).unwrap()
}

pub(crate) fn job(batch: usize) -> Job {
    Job::new(batch, 1, LinkProfile::loopback())
}

pub(crate) fn error(
    backend: &dyn Backend,
    network: &Network,
    images: Tensor,
    tap: Option<Arc<dyn Tap>>,
) -> String {
    error_of_batch(backend, network, 1, images, tap)
}

pub(crate) fn error_of_batch(
    backend: &dyn Backend,
    network: &Network,
    batch: usize,
    images: Tensor,
    tap: Option<Arc<dyn Tap>>,
) -> String {
    let mut rehearsal = Rehearsal::new(backend, network, batch);
    rehearsal.tap = tap;
    let done = rehearsal.run(&[images]).unwrap();
    assert!(done.iter().all(|performance| performance.logits.is_empty()));
    let errors: Vec<String> =
        done.iter().filter_map(|performance| performance.error.as_ref().map(ToString::to_string)).collect();
    errors.join("; ")
}

/// How many messages of the data owner come before its first ciphertexts: keys.
pub(crate) fn key_messages(backend: &dyn Backend) -> usize {
    if backend.profile().name == "ckks" { 2 } else { 1 }
}

/// A session with one batch in a layout, or in the plan's own.
pub(crate) fn session(
    backend: &dyn Backend,
    network: &Network,
    layout: Option<&str>,
    images: &Tensor,
) -> Vec<Performance> {
    tapped(backend, network, layout, images, None)
}

/// The same with something on its link.
pub(crate) fn tapped(
    backend: &dyn Backend,
    network: &Network,
    layout: Option<&str>,
    images: &Tensor,
    tap: Option<Arc<dyn Tap>>,
) -> Vec<Performance> {
    let mut rehearsal = Rehearsal::new(backend, network, images.images());
    rehearsal.tap = tap;
    rehearsal.job.settings.extend(layout.map(|layout| ("layout".to_owned(), layout.to_owned())));
    rehearsal.run(std::slice::from_ref(images)).unwrap()
}

/// Every way a network is computed: the backend, its network and the layout.
pub(crate) fn ways() -> [(&'static dyn Backend, Network, Option<&'static str>); 3] {
    [
        (&Ckks, polynomial(), Some("latency")),
        (&Ckks, polynomial(), Some("throughput")),
        (&CkksClientAided, aided(), None),
    ]
}
