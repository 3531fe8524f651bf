//! The enclave answers bit for bit as the clear backend does: the same engine, fed the same numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Technology};
use veilbench_clear::Clear;
use veilbench_networks::zoo;
use veilbench_tee_inference::Tee;

fn logit_bits(backend: &dyn Backend, name: &str) -> Vec<u32> {
    let network = zoo::load(name).unwrap();
    // Of several records, and of more than the engine takes at once.
    let batches = [test_networks::images(&network, 150, 3), test_networks::images(&network, 1, 4)];
    let done = LocalSession::new(backend, &network, 150).run(&batches).unwrap();
    for (role, outcome) in backend.profile().roles.iter().zip(&done) {
        assert!(outcome.error.is_none(), "{name}, {}: {:?}", role.name, outcome.error);
    }
    done.iter().flat_map(|done| &done.logits).flat_map(|logits| logits.data()).map(|x| x.to_bits()).collect()
}

#[test]
fn every_network_of_the_zoo_gives_the_same_bits_inside_and_outside() {
    for name in zoo::names() {
        let (outside, inside) = (logit_bits(&Clear, name), logit_bits(&Tee, name));
        assert!(!outside.is_empty() && outside == inside, "{name}");
    }
}

#[test]
fn everything_about_it_says_that_it_is_simulated() {
    let profile = Tee.profile();
    assert_eq!(profile.technology, Technology::Tee);
    assert!(profile.protection.simulated && profile.protection.label.contains("simulated"));
    assert!(profile.summary.contains("SIMULATED"));
    let network = test_networks::all().remove(0);
    let plan = Tee.plan(&network.architecture, &LocalSession::new(&Tee, &network, 1).job).unwrap();
    assert_eq!(plan.parameters["simulated"], true);
    assert!(plan.notes.iter().any(|note| note.starts_with("SIMULATED")), "{:?}", plan.notes);
}
