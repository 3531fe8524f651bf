//! Systems of others, where they can be installed: TenSEAL always, the larger ones where they were installed before.
//! Skipped, with a word, where one cannot be had.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Job, LinkProfile};
use veilbench_external::External;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Tensor};

/// Where larger systems are looked for; they are installed by `veilbench backends install`, not by a test.
const ENVIRONMENTS: &str = "VEILBENCH_TEST_ENVIRONMENTS";

fn load(name: &str, environments: &Path) -> External {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systems").join(name);
    External::load(&folder, environments).unwrap()
}

/// TenSEAL with its environment, which stays in the target folder.
fn tenseal() -> Option<External> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let backend = load("tenseal", &Path::new(env!("CARGO_TARGET_TMPDIR")).join("environments"));
    let _one_at_a_time = INSTALLING.lock().unwrap();
    match backend.install(|line| eprintln!("{line}")) {
        Ok(()) => Some(backend),
        Err(error) => {
            eprintln!("skipped: TenSEAL cannot be installed here: {error}");
            None
        }
    }
}

/// The largest difference of a logit from the clear network's, over a batch of images.
fn largest_error(backend: &External, network: &Network, images: &Tensor) -> f64 {
    let mut session = LocalSession::new(backend, network, images.images());
    session.timeout = Duration::from_secs(300);
    let done = session.run(std::slice::from_ref(images)).unwrap();
    for (role, outcome) in backend.profile().roles.iter().zip(&done) {
        assert!(outcome.error.is_none(), "{}: {}: {:?}", network.architecture.name, role.name, outcome.error);
    }
    let clear: Tensor<f64> = evaluate(network, images).unwrap();
    let logits = done[0].logits[0].data();
    assert_eq!(clear.data().len(), logits.len());
    clear
        .data()
        .iter()
        .zip(logits)
        .map(|(clear, logit)| (clear - f64::from(*logit)).abs())
        .fold(0.0, f64::max)
}

/// Every supported test network is answered as the clear one answers it; returns how many there were.
fn agrees_on_the_test_networks(backend: &External) -> usize {
    let mut supported = 0;
    for network in test_networks::all() {
        let job = Job::new(2, 1, LinkProfile::loopback());
        if backend.plan(&network.architecture, &job).is_ok() {
            let off = largest_error(backend, &network, &test_networks::images(&network, 2, 2));
            assert!(off <= backend.manifest().tolerance.unwrap(), "{}: {off}", network.architecture.name);
            supported += 1;
        }
    }
    supported
}

#[test]
fn tenseal_answers_as_the_clear_network() {
    let Some(backend) = tenseal() else { return };
    assert_eq!(agrees_on_the_test_networks(&backend), 2);
    let version = backend.version().unwrap().unwrap();
    assert!(version.contains("tenseal 0.3.18"), "{version}");
}

/// Systems that are larger, with the number of test networks they run.
const LARGER: [(&str, usize); 8] = [
    ("crypten", 7),
    ("spu-semi2k", 7),
    ("spu-cheetah", 7),
    ("spu-aby3", 7),
    ("pysyft", 2),
    ("helayers", 2),
    ("orion", 2),
    ("concrete-ml", 2),
];

#[test]
fn larger_systems_answer_as_the_clear_network() {
    let Some(environments) = std::env::var_os(ENVIRONMENTS).map(PathBuf::from) else {
        eprintln!("skipped: {ENVIRONMENTS} names no folder with larger systems");
        return;
    };
    for (name, networks) in LARGER {
        let backend = load(name, &environments);
        if backend.is_installed() {
            assert_eq!(agrees_on_the_test_networks(&backend), networks, "{name}");
        } else {
            eprintln!("skipped: {name} is not installed in {}", environments.display());
        }
    }
}
