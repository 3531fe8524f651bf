//! A system that owns its sockets is in a network of the session's own, and the kernel counts what passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::{LocalSession, PartyOutcome};
use veilbench_api::{Backend, CountedBy, Job, LinkProfile};
use veilbench_external::External;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Tensor};

fn backend() -> External {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sockets");
    External::load(&folder, &folder).unwrap()
}

fn network() -> Network {
    let network = test_networks::all().remove(0);
    assert_eq!(network.architecture.name, "dense-relu");
    network
}

/// Two batches of 64 images; nothing where this machine allows no network of a session's own.
fn session(fault: &str) -> Option<(Network, Tensor, Vec<PartyOutcome>)> {
    let (backend, network) = (backend(), network());
    let images = test_networks::images(&network, 64, 2);
    let mut session = LocalSession::new(&backend, &network, 64);
    session.job.settings.insert("fault".into(), fault.into());
    if let Err(refused) = backend.plan(&network.architecture, &session.job) {
        assert!(refused.reason.contains("which this machine does not allow"), "{refused}");
        eprintln!("skipped: {refused}");
        return None;
    }
    let done = session.run(&[images.clone(), images.clone()]).unwrap();
    Some((network, images, done))
}

fn error(outcome: &PartyOutcome) -> String {
    outcome.error.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn answers_are_the_clear_networks_and_bytes_are_what_the_interfaces_carried() {
    let Some((network, images, done)) = session("none") else { return };
    for outcome in &done {
        assert!(outcome.error.is_none(), "{}", error(outcome));
    }
    let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
    for (clear, logit) in clear.data().iter().zip(done[0].logits[1].data()) {
        assert!((clear - f64::from(*logit)).abs() < 1e-5, "{logit} for {clear}");
    }
    let sent = |role: usize, peer: &str| -> u64 {
        let exchanged = done[role].phases.iter().flat_map(|phase| &phase.exchanged);
        exchanged.filter(|exchanged| exchanged.peer == peer).map(|exchanged| exchanged.sent_bytes).sum()
    };
    let values = |each: usize| (2 * 64 * 4 * each) as u64;
    let [upload, download] = [network.architecture.input.len(), network.architecture.classes()].map(values);
    // Ten packets' headers are more than a handshake and four messages need.
    let framed = |payload: u64| payload + 40..payload + payload / 100 + 1000;
    assert!(framed(upload).contains(&sent(0, "model-owner")), "{} for {upload}", sent(0, "model-owner"));
    assert!(framed(download).contains(&sent(1, "data-owner")), "{} for {download}", sent(1, "data-owner"));
    assert_eq!([sent(0, "bystander"), sent(2, "data-owner"), sent(2, "model-owner")], [0; 3]);
    let network = done[0].phases[0].spans.iter().find(|span| span.name == "network").unwrap();
    assert!(network.wall_ns > 0);
}

#[test]
fn messages_past_the_sockets_counts_of_its_own_and_attempts_to_get_out_are_errors() {
    let cases = [
        ("sends", "a message for veilbench's links"),
        ("reports", "a count of bytes"),
        ("phones-home", "tried to reach the network"),
    ];
    for (fault, word) in cases {
        let Some((_, _, done)) = session(fault) else { return };
        assert!(error(&done[1]).contains(word), "{fault}: {}", error(&done[1]));
    }
}

#[test]
fn a_plan_says_who_counts_and_refuses_what_nothing_would_shape_or_encrypt() {
    let (backend, network) = (backend(), network());
    let plan = |link| backend.plan(&network.architecture, &Job::new(2, 1, link));
    match plan(LinkProfile::loopback()) {
        Ok(plan) => assert_eq!(plan.counted_by, CountedBy::Kernel),
        Err(refused) => assert!(refused.reason.contains("which this machine does not allow"), "{refused}"),
    }
    for link in [LinkProfile::wan(), LinkProfile::loopback().with_tls()] {
        let refused = plan(link).unwrap_err();
        assert!(refused.reason.contains("over loopback"), "{refused}");
    }
}
