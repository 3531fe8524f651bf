//! What a hostile network and host can do to a session of the `tee` backend, and what its user reads then.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use veilbench_api::Backend;
use veilbench_api::conformance::test_networks;
use veilbench_api::link::{Forward, Interceptor};
use veilbench_api::local_session::LocalSession;
use veilbench_tee_inference::Tee;

type Change = fn(Vec<u8>) -> Forward;

/// Changes message number `index` from one role to another.
struct Attack {
    from: &'static str,
    to: &'static str,
    index: usize,
    change: Change,
    struck: AtomicUsize,
}

impl Interceptor for Attack {
    fn message(&self, from: &str, to: &str, index: usize, payload: Vec<u8>) -> Forward {
        if (from, to, index) == (self.from, self.to, self.index) {
            self.struck.fetch_add(1, Ordering::Relaxed);
            return (self.change)(payload);
        }
        Forward::Messages(vec![payload])
    }
}

/// Everything the four parties say when a session with two batches is attacked.
fn attacked(from: &'static str, to: &'static str, index: usize, change: Change) -> String {
    let network = test_networks::all().remove(0);
    let attack = Arc::new(Attack { from, to, index, change, struck: AtomicUsize::new(0) });
    let mut session = LocalSession::new(&Tee, &network, 1);
    session.timeout = Duration::from_secs(2);
    session.interceptor = Some(Arc::clone(&attack) as Arc<dyn Interceptor>);
    let batches = [test_networks::images(&network, 1, 1), test_networks::images(&network, 1, 2)];
    let start = Instant::now();
    let done = session.run(&batches).unwrap();
    assert!(start.elapsed() < Duration::from_secs(30), "the session hung");
    assert_eq!(attack.struck.load(Ordering::Relaxed), 1, "message {index} from {from} to {to} was not sent");
    let errors: Vec<_> =
        done.iter().filter_map(|done| done.error.as_ref().map(ToString::to_string)).collect();
    assert!(!errors.is_empty(), "nobody noticed");
    errors.join("; ")
}

fn flip(at: usize, mut payload: Vec<u8>) -> Forward {
    payload[at] ^= 1;
    Forward::Messages(vec![payload])
}

// Evidence: key 32, nonce 32, model 32, protections (4 + text), quote (4 + 48 of header + report).
fn report_at(payload: &[u8]) -> usize {
    let words = u32::from_le_bytes([payload[96], payload[97], payload[98], payload[99]]) as usize;
    100 + words + 4 + 48
}

#[test]
fn a_flipped_measurement_or_report_is_told_to_the_user() {
    let measurement: Change = |payload| flip(report_at(&payload) + 64, payload);
    let report_data: Change = |payload| flip(report_at(&payload) + 320, payload);
    for change in [measurement, report_data] {
        for client in ["data-owner", "model-owner"] {
            let said = attacked("enclave-host", client, 0, change);
            assert!(said.contains("quote: not genuine (ISV enclave report signature is invalid)"), "{said}");
        }
    }
}

#[test]
fn another_key_nonce_or_model_is_told_to_the_user() {
    let said = attacked("enclave-host", "data-owner", 0, |payload| flip(0, payload));
    assert!(said.contains("quote: its report data are not those of this key"), "{said}");
    let said = attacked("enclave-host", "data-owner", 0, |payload| flip(32, payload));
    assert!(said.contains("an old quote was replayed"), "{said}");
    let said = attacked("enclave-host", "data-owner", 0, |payload| flip(64, payload));
    assert!(said.contains("quote: the enclave is to run model"), "{said}");
    // The challenge changed on its way to the host: the quote is for a nonce nobody asked for.
    let said = attacked("data-owner", "enclave-host", 0, |payload| flip(0, payload));
    assert!(said.contains("an old quote was replayed"), "{said}");
}

#[test]
fn a_changed_release_is_told_to_the_user() {
    let said = attacked("model-owner", "data-owner", 0, |payload| flip(0, payload));
    assert!(said.contains("release: its signature is not valid"), "{said}");
    let said = attacked("model-owner", "enclave-host", 0, |payload| flip(0, payload));
    assert!(said.contains("release: its signature is not valid"), "{said}");
}

#[test]
fn a_host_that_changes_the_launch_is_found_out_by_the_enclave() {
    let said = attacked("enclave-host", "enclave", 0, |payload| flip(0, payload));
    assert!(said.contains("launch token: not made by this processor, or changed since"), "{said}");
    // The image's measurement follows the token of 101 bytes.
    let said = attacked("enclave-host", "enclave", 0, |payload| flip(101, payload));
    assert!(said.contains("launch: the image measures"), "{said}");
}

#[test]
fn a_launch_for_another_cell_is_refused_by_the_enclave() {
    // Token of 101 bytes, image, architecture and model come before the batch and the threads.
    let (batch, threads): (Change, Change) =
        (|payload| flip(101 + 32 + 64, payload), |payload| flip(101 + 32 + 68, payload));
    for change in [batch, threads] {
        let said = attacked("enclave-host", "enclave", 0, change);
        assert!(said.contains("launch: the configuration is not that of this cell"), "{said}");
    }
}

#[test]
fn a_changed_report_gets_no_quote() {
    let said = attacked("enclave", "enclave-host", 0, |mut payload| {
        let last = payload.len() - 1;
        payload[last] ^= 1;
        Forward::Messages(vec![payload])
    });
    assert!(said.contains("report: not made by this processor, or changed since"), "{said}");
}

#[test]
fn a_changed_provision_or_sealed_model_is_refused_by_the_enclave() {
    let said = attacked("model-owner", "enclave-host", 1, |payload| flip(100, payload));
    assert!(said.contains("channel to the model-owner: record 0 does not authenticate"), "{said}");
    let sealed = 3;
    let said = attacked("enclave-host", "enclave", sealed, |payload| flip(200, payload));
    assert!(said.contains("sealed model: it does not open here"), "{said}");
}

/// Messages of the enclave and its host: launch, provision, hello and sealed model, then an allowance
/// and a request for each batch.
const FIRST_REQUEST: usize = 5;

#[test]
fn a_tampered_record_is_refused() {
    let said = attacked("enclave-host", "enclave", FIRST_REQUEST, |payload| flip(30, payload));
    assert!(said.contains("channel to the data-owner: record 1 does not authenticate"), "{said}");
    // Its clients hear a confirmation before the first answer.
    let said = attacked("enclave-host", "data-owner", 2, |payload| flip(9, payload));
    assert!(said.contains("channel to the data-owner: record 1 does not authenticate"), "{said}");
}

#[test]
fn truncated_and_oversized_records_are_refused() {
    let said = attacked("enclave-host", "enclave", FIRST_REQUEST, |mut payload| {
        payload.truncate(20);
        Forward::Messages(vec![payload])
    });
    assert!(said.contains("20 bytes are no record; it was cut short on the way"), "{said}");
    let said = attacked("enclave-host", "enclave", FIRST_REQUEST, |mut payload| {
        payload.resize(payload.len() + 4, 0);
        Forward::Messages(vec![payload])
    });
    assert!(said.contains("a record of 108 bytes where at most 104 are allowed"), "{said}");
}

#[test]
fn a_host_that_lies_about_lengths_ends_the_session() {
    let said = attacked("enclave-host", "enclave", FIRST_REQUEST, |_| Forward::Announce(u32::MAX));
    assert!(said.contains("a message of 4294967295 bytes exceeds the limit"), "{said}");
    let said = attacked("enclave-host", "data-owner", 0, |mut payload| {
        payload[96..100].copy_from_slice(&u32::MAX.to_le_bytes());
        Forward::Messages(vec![payload])
    });
    assert!(said.contains("evidence: a field of 4294967295 bytes where at most 512 are allowed"), "{said}");
    let said = attacked("enclave-host", "enclave", 0, |mut payload| {
        payload.pop();
        Forward::Messages(vec![payload])
    });
    assert!(said.contains("launch: 32 bytes are announced where 31 are left"), "{said}");
}

#[test]
fn an_enclave_without_protections_is_refused_by_both_owners_before_anything_secret_is_sent() {
    /// Counts what the owners send to the host beyond release and nonce.
    #[derive(Default)]
    struct Sent(AtomicUsize);
    impl Interceptor for Sent {
        fn message(&self, from: &str, to: &str, index: usize, payload: Vec<u8>) -> Forward {
            if to == "enclave-host" && from != "enclave" && index > 0 {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            Forward::Messages(vec![payload])
        }
    }

    let network = test_networks::all().remove(0);
    let images = test_networks::images(&network, 1, 1);
    for (value, refused) in [(None, true), (Some("off"), true), (Some("on"), false)] {
        let sent = Arc::new(Sent::default());
        let mut session = LocalSession::new(&Tee, &network, 1);
        session.timeout = Duration::from_secs(2);
        session.job.settings =
            value.map(|value| ("allow-unprotected".to_owned(), value.to_owned())).into_iter().collect();
        session.interceptor = Some(Arc::clone(&sent) as Arc<dyn Interceptor>);
        let plan = Tee.plan(&network.architecture, &session.job).unwrap();
        assert_eq!(plan.notes.iter().any(|note| note.starts_with("allow-unprotected=on")), !refused);
        let done = session.run(std::slice::from_ref(&images)).unwrap();
        if !refused {
            assert!(done.iter().all(|done| done.error.is_none()));
            continue;
        }
        for owner in &done[..2] {
            let said = owner.error.as_ref().unwrap().to_string();
            assert!(
                said.contains(
                    "protections: seccomp, landlock from v3, no-dump not in force where the policy demands it"
                ),
                "{said}"
            );
            assert!(said.ends_with("consent to less: the setting allow-unprotected=on"), "{said}");
        }
        assert_eq!(sent.0.load(Ordering::Relaxed), 0, "no key exchange, and nothing under its key");
    }
}

/// The host keeps the first request and puts it in the place of the second.
#[derive(Default)]
struct Replay {
    first: std::sync::Mutex<Option<Vec<u8>>>,
}

impl Interceptor for Replay {
    fn message(&self, from: &str, to: &str, index: usize, payload: Vec<u8>) -> Forward {
        let mut first = self.first.lock().unwrap();
        match (from, to, index) {
            ("enclave-host", "enclave", FIRST_REQUEST) => *first = Some(payload.clone()),
            ("enclave-host", "enclave", 7) => return Forward::Messages(first.take().into_iter().collect()),
            _ => {}
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn a_replayed_request_is_refused() {
    let network = test_networks::all().remove(0);
    let mut session = LocalSession::new(&Tee, &network, 1);
    session.interceptor = Some(Arc::new(Replay::default()));
    let batches = [test_networks::images(&network, 1, 1), test_networks::images(&network, 1, 2)];
    let done = session.run(&batches).unwrap();
    let errors: Vec<_> =
        done.iter().filter_map(|done| done.error.as_ref().map(ToString::to_string)).collect();
    let said = errors.join("; ");
    assert!(said.contains("record 1 came again where 2 is due; it was replayed"), "{said}");
    assert_eq!(done[0].logits.len(), 1, "only the first batch was answered");
}

#[test]
fn a_request_whose_records_are_lost_or_reordered_on_the_way_is_refused() {
    /// Drops the first record of a request, or swaps it with the second.
    struct Reorder {
        swap: bool,
        held: std::sync::Mutex<Option<Vec<u8>>>,
    }
    impl Interceptor for Reorder {
        fn message(&self, from: &str, to: &str, index: usize, payload: Vec<u8>) -> Forward {
            let mut held = self.held.lock().unwrap();
            match (from, to, index) {
                ("enclave-host", "enclave", FIRST_REQUEST) => {
                    *held = self.swap.then_some(payload);
                    Forward::Messages(Vec::new())
                }
                ("enclave-host", "enclave", _) if held.is_some() => {
                    Forward::Messages([Some(payload), held.take()].into_iter().flatten().collect())
                }
                _ => Forward::Messages(vec![payload]),
            }
        }
    }

    let network = test_networks::all().remove(0);
    let images = 300_000 / (4 * network.architecture.input.len());
    for swap in [false, true] {
        let mut session = LocalSession::new(&Tee, &network, images);
        session.timeout = Duration::from_secs(2);
        session.interceptor = Some(Arc::new(Reorder { swap, held: Default::default() }));
        let done = session.run(&[test_networks::images(&network, images, 1)]).unwrap();
        let errors: Vec<_> =
            done.iter().filter_map(|done| done.error.as_ref().map(ToString::to_string)).collect();
        let said = errors.join("; ");
        assert!(said.contains("record 2 came where 1 is due; records were lost or reordered"), "{said}");
    }
}
