//! That a role holds no secret of another's is a fact about processes: their memory, arguments and environment are
//! searched while a session stands still.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::bench::{self, Bench};
use rustix::process::{Pid, Signal, kill_process};
use veilbench_api::conformance::secret_patterns::SecretPatterns;
use veilbench_api::{Backend, Learned, PrivateInput};
use veilbench_networks::{Network, Parameters, zoo};

/// Places of the images that are looked for: several of each, as a role may hold the last one alone.
const PIXELS: usize = 2_000;
/// Places of the weights.
const WEIGHTS: usize = 24;

/// Readable and writable memory of a process, mapping by mapping, its arguments and its environment; what the kernel
/// keeps from everybody is left out. `None` if the process is gone.
fn held(pid: u32) -> Option<Vec<Vec<u8>>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let file = File::open(format!("/proc/{pid}/mem")).ok()?;
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
    let mut held: Vec<_> = maps.lines().filter_map(mapping).collect();
    for file in ["cmdline", "environ"] {
        held.push(fs::read(format!("/proc/{pid}/{file}")).ok()?);
    }
    Some(held)
}

fn weights(network: &Network) -> Vec<f32> {
    let first = network.parameters.iter().find_map(|parameters| match parameters {
        Parameters::Affine { weights, .. } => Some(weights.clone()),
        _ => None,
    });
    first.unwrap()
}

/// What each role's process holds, (images, weights), in the order of the roles, in the middle of a session.
fn holdings(backend: &dyn Backend, network: &str, images: &str) -> Vec<(bool, bool)> {
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
        images,
        "--batch",
        "1",
        "--repetitions",
        "200",
        "--timeout",
        "60s",
    ];
    let mut harness = bench.spawn_with(&arguments, &[("TMPDIR", temporary.to_str().unwrap())]);
    bench.wait_for_sessions(1);
    let folder = fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.path()).next().unwrap();
    let pixels = fs::read(folder.join(format!("{network}.images"))).unwrap();
    let pixels: Vec<f32> = pixels.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let weights = weights(&zoo::load(network).unwrap());
    // Black and white are the ends of the input's range, which a model file states: they tell of no image.
    let ends = [f32::min, f32::max].map(|end| pixels.iter().copied().fold(pixels[0], end));
    let pixels: Vec<f32> =
        pixels.iter().map(|&pixel| if ends.contains(&pixel) { 0.0 } else { pixel }).collect();
    let (pixels, weights) = (SecretPatterns::of(&pixels, PIXELS), SecretPatterns::of(&weights, WEIGHTS));
    assert!(!pixels.is_empty() && !weights.is_empty());
    let roles = backend.profile().roles;
    let owner = roles.iter().position(|role| role.private_input == PrivateInput::Images).unwrap();
    let pid = Pid::from_raw(harness.id() as i32).unwrap();
    // A harness that stands still gives no orders. The moment is right when the owner is seen to hold an image: a
    // search that finds nothing where there is something would prove nothing.
    let search = |_| {
        let parties = bench.wait_for_parties(harness.id(), roles.len());
        kill_process(pid, Signal::STOP).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let any =
            |held: &[Vec<u8>], patterns: &SecretPatterns| held.iter().any(|part| patterns.stand_in(part));
        let found = || {
            any(&held(parties[owner])?, &pixels).then_some(())?;
            let role = |&party: &u32| held(party).map(|held| (any(&held, &pixels), any(&held, &weights)));
            Some((parties.iter().map(role).collect::<Option<Vec<_>>>()?, parties.clone()))
        };
        let found = found();
        if found.is_none() {
            kill_process(pid, Signal::CONT).unwrap();
        }
        found
    };
    let (holdings, parties) = (0..60).find_map(search).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    harness.wait().unwrap();
    bench::assert_gone(&parties);
    holdings
}

/// A session of this many images has to last for a second or so.
fn check(backend: &dyn Backend, network: &str, images: &str) {
    let profile = backend.profile();
    let held = holdings(backend, network, images);
    for ((role, leakage), (images, weights)) in profile.roles.iter().zip(&profile.protection.learns).zip(held)
    {
        let name = format!("{} of {}", role.name, profile.name);
        assert!(
            weights || role.private_input != PrivateInput::Network,
            "{name} holds the weights and they are not found"
        );
        let may = |learned: &Learned, input| *learned == Learned::Yes || role.private_input == input;
        assert!(!images || may(&leakage.images, PrivateInput::Images), "{name} holds pixels in its memory");
        assert!(
            !weights || may(&leakage.weights, PrivateInput::Network),
            "{name} holds weights in its memory"
        );
    }
}

#[test]
fn the_search_finds_images_at_a_role_that_is_given_them() {
    let held = holdings(&veilbench_backends::clear::Clear, "mnist-mlp", "300");
    assert!(held[0].0, "the data owner of clear has its images");
    assert!(held[1].0, "the model owner of clear is sent them");
    assert_eq!([held[0].1, held[1].1], [false, true], "the weights are the model owner's alone");
}

#[test]
fn no_role_of_mpc_holds_a_secret_of_anothers() {
    check(&veilbench_backends::mpc::comparison_tree(), "mnist-mlp", "300");
    check(&veilbench_backends::mpc::beaver(), "mnist-mlp-poly", "300");
    check(&veilbench_backends::mpc::TwoParty, "mnist-mlp", "300");
}

#[test]
fn no_role_of_ckks_holds_a_secret_of_anothers() {
    check(&veilbench_backends::ckks::Ckks, "mnist-mlp-poly", "8");
}

#[test]
fn no_role_of_tee_but_the_enclave_holds_a_secret_of_anothers() {
    check(&veilbench_backends::tee::Tee, "mnist-mlp", "300");
}
