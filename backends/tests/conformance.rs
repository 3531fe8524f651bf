//! Every registered backend keeps every promise.

use veilbench_backends::{all, conformance};

#[test]
fn every_backend_conforms() {
    for backend in all() {
        conformance::check(backend.as_ref()).unwrap();
    }
}

#[test]
fn backends_have_unique_names() {
    let mut names: Vec<_> = all().iter().map(|backend| backend.profile().name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
