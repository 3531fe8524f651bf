//! That a role holds no secret of another's is a fact about processes: their memory, arguments and environment are
//! searched while a session stands still.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

mod bench;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use bench::Bench;
use rustix::process::{Pid, Signal, kill_process};
use veilbench_backends::conformance::secret_patterns::SecretPatterns;
use veilbench_backends::{Backend, Holding, Learned};
use veilbench_networks::{Network, Parameters, zoo};

/// Places of a secret that are looked for.
const PLACES: usize = 24;

/// Readable memory of a process, mapping by mapping; what the kernel keeps from everybody is left out.
fn memory(pid: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let file = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mapping = |line: &str| {
        let mut fields = line.split_whitespace();
        let (range, mode) = (fields.next()?, fields.next()?);
        // The program's own text and constants hold the networks that ship.
        if !mode.starts_with("rw") {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, start).ok()?;
        Some(bytes)
    };
    maps.lines().filter_map(mapping).collect()
}

fn weights(network: &Network) -> Vec<f32> {
    let first = network.parameters.iter().find_map(|parameters| match parameters {
        Parameters::Affine { weights, .. } => Some(weights.clone()),
        _ => None,
    });
    first.unwrap()
}

/// What each role's process holds, (images, weights), in the order of the roles, in the middle of a session.
fn holdings(backend: &dyn Backend, network: &str) -> Vec<(bool, bool)> {
    let bench = Bench::new();
    let temporary = bench.folder().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let name = format!("^{}$", backend.profile().name);
    let arguments = [
        "-b",
        &name,
        "-n",
        network,
        "--images",
        "40",
        "--batch",
        "1",
        "--repetitions",
        "200",
        "--timeout",
        "60s",
    ];
    let mut harness = bench.spawn_with(&arguments, &[("TMPDIR", temporary.to_str().unwrap())]);
    // One session is over, so that the next is well under way soon; then nobody gets orders any more.
    bench.wait_for_sessions(1);
    let parties = bench.wait_for_parties(harness.id(), backend.profile().roles.len());
    let pid = Pid::from_raw(harness.id() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let folder = fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.path()).next().unwrap();
    let images = fs::read(folder.join(format!("{network}.images"))).unwrap();
    let images: Vec<f32> = images.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let weights = weights(&zoo::load(network).unwrap());
    let [pixels, weights] = [images, weights].map(|secret| SecretPatterns::of(&secret, PLACES));
    assert!(!pixels.is_empty() && !weights.is_empty());
    let holdings = parties
        .iter()
        .map(|&party| {
            let mut held = memory(party);
            for file in ["cmdline", "environ"] {
                held.push(fs::read(format!("/proc/{party}/{file}")).unwrap());
            }
            let any = |patterns: &SecretPatterns| held.iter().any(|memory| patterns.stand_in(memory));
            (any(&pixels), any(&weights))
        })
        .collect();
    kill_process(pid, Signal::KILL).unwrap();
    harness.wait().unwrap();
    bench::assert_gone(&parties);
    holdings
}

fn check(backend: &dyn Backend, network: &str) {
    let profile = backend.profile();
    let held = holdings(backend, network);
    for ((role, leakage), (images, weights)) in
        profile.roles.iter().zip(&profile.threat_model.learns).zip(held)
    {
        let name = format!("{} of {}", role.name, profile.name);
        // A search that finds nothing where there is something would prove nothing.
        match role.holds {
            Holding::Weights => assert!(weights, "{name} holds the weights and they are not found"),
            Holding::Images => assert!(images || !weights, "{name}"),
            Holding::Nothing => {}
        }
        let may = |learned: &Learned, holding| *learned == Learned::Yes || role.holds == holding;
        assert!(!images || may(&leakage.images, Holding::Images), "{name} holds pixels in its memory");
        assert!(!weights || may(&leakage.weights, Holding::Weights), "{name} holds weights in its memory");
    }
}

#[test]
fn the_search_finds_images_at_a_role_that_is_given_them() {
    let held = holdings(&veilbench_backends::clear::Clear, "mnist-mlp");
    assert!(held[0].0, "the data owner of clear has its images");
    assert!(held[1].0, "the model owner of clear is sent them");
    assert_eq!([held[0].1, held[1].1], [false, true], "the weights are the model owner's alone");
}

#[test]
fn no_role_of_mpc_holds_a_secret_of_anothers() {
    check(&veilbench_backends::mpc::tree(), "mnist-mlp");
    check(&veilbench_backends::mpc::function(), "mnist-mlp");
    check(&veilbench_backends::mpc::beaver(), "mnist-mlp-poly");
}

#[test]
fn no_role_of_ckks_holds_a_secret_of_anothers() {
    check(&veilbench_backends::ckks::Ckks, "mnist-mlp-poly");
}

#[test]
fn no_role_of_tee_but_the_enclave_holds_a_secret_of_anothers() {
    check(&veilbench_backends::tee::Tee, "mnist-mlp");
}
