//! What runs in a process beside its own file changes its measurement: this very test program, started again
//! in other ways.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "the fixture serves several tests")]

mod fixture;

use std::io::{BufRead, BufReader};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use veilbench_tee::*;

const CHILD: &str = "VEILBENCH_TEE_MEASURED";
const THREADS: NonZero<usize> = NonZero::<usize>::MIN;

/// Waits to be measured; does nothing unless started by a test below.
#[test]
fn inside() {
    if std::env::var_os(CHILD).is_some() {
        println!("\nstarted");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
}

/// Measurement of a child that a command starts.
fn measured(command: &mut Command) -> Measurement {
    let command = command.args(["inside", "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    let mut child: Child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "started"));
    let shown = ShownProcess::open(Some(child.id())).unwrap();
    let measurement = Measurement::of_process(child.id(), &shown, THREADS).unwrap();
    drop(child.stdin.take());
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    measurement
}

fn me() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn own() -> Measurement {
    Measurement::of_process(std::process::id(), &ShownProcess::open(None).unwrap(), THREADS).unwrap()
}

fn preloaded(folder: &Path) -> Measurement {
    let (source, library) = (folder.join("look.c"), folder.join("look.so"));
    std::fs::write(&source, "int looks_into_the_enclave(void) { return 1; }\n").unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.unwrap().success());
    measured(Command::new(me()).env("LD_PRELOAD", library))
}

/// The path of the loader that this process runs under.
fn loader() -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    paths.find(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("ld-"))).unwrap().into()
}

#[test]
fn the_same_program_measures_as_its_owner_s_own_copy() {
    assert_eq!(measured(&mut Command::new(me())), own());
}

#[test]
fn a_preloaded_library_changes_the_measurement_and_clients_refuse_it_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (own, found) = (own(), preloaded(folder.path()));
    assert_ne!(found, own);

    let configuration = fixture::configuration();
    let sign = |program: &Measurement| {
        let measurement = Measurement::of_enclave(program, &configuration);
        SimulatedPublisher::default().sign(measurement, configuration.model)
    };
    let (released, forged) = (sign(&own), sign(&found));
    let processor = SimulatedProcessor::new();
    let refusal = fixture::refusal(processor.launch(&found, &configuration, &released));
    assert!(refusal.starts_with("launch: the image measures"), "{refusal}");

    let policy = fixture::policy();
    let refusal = fixture::refusal(policy.check_release(&forged, &own, &configuration));
    assert!(refusal.contains("this client's own copy of the program measures"), "{refusal}");

    let token = processor.launch(&found, &configuration, &forged).unwrap();
    let launch = Launch { token, image: found, configuration, model_owner: [1; 32], data_owner: [2; 32] };
    let (_, introduction) = fixture::start(&launch);
    let evidence = fixture::evidence(&introduction, &introduction.data_owner, [2; 32]);
    let judged = policy.judge(Client::DataOwner, &released, &[2; 32], &evidence, fixture::NOW);
    let refusal = fixture::refusal(judged);
    assert!(refusal.contains("the host runs another enclave"), "{refusal}");
}

#[test]
fn another_loader_or_a_loader_started_by_hand_changes_the_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let by_hand = measured(Command::new(loader()).arg(me()));
    assert_ne!(by_hand, own());
    let other = folder.path().join("ld-other.so");
    let mut bytes = std::fs::read(loader()).unwrap();
    bytes.push(0);
    std::fs::write(&other, bytes).unwrap();
    std::fs::set_permissions(&other, std::fs::metadata(loader()).unwrap().permissions()).unwrap();
    let changed = measured(Command::new(other).arg(me()));
    assert_ne!(changed, own());
    assert_ne!(changed, by_hand);
}

#[test]
fn a_changed_library_changes_the_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let libc = Path::new(paths.find(|path| path.contains("/libc.so") || path.contains("/libc-")).unwrap());
    let mut bytes = std::fs::read(libc).unwrap();
    bytes.push(0);
    std::fs::write(folder.path().join("libc.so.6"), bytes).unwrap();
    assert_ne!(measured(Command::new(me()).env("LD_LIBRARY_PATH", folder.path())), own());
}

#[test]
fn a_changed_program_changes_the_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("program");
    std::fs::copy(me(), &changed).unwrap();
    let unchanged = measured(&mut Command::new(&changed));
    assert_eq!(unchanged, own(), "wherever it lies");
    let mut file = std::fs::OpenOptions::new().append(true).open(&changed).unwrap();
    std::io::Write::write_all(&mut file, &[0]).unwrap();
    drop(file);
    assert_ne!(measured(&mut Command::new(&changed)), own());
}

/// A process of another program, ended with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        // Until it executes its own program it is a copy of this one.
        while std::fs::read_link(format!("/proc/{}/exe", child.id())).unwrap() == me() {}
        Self(child)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn a_process_that_shows_another_one_or_another_program_is_refused() {
    let Sleeper(child) = &Sleeper::start();
    let open = |process| ShownProcess::open(process).unwrap();
    let refused = |process: u32, shown: &ShownProcess| {
        fixture::refusal(Measurement::of_process(process, shown, THREADS))
    };
    let own = std::process::id();
    let said = refused(own, &open(Some(child.id())));
    assert!(said.contains("what it shows are not its mappings"), "{said}");
    let said = refused(child.id(), &open(None));
    assert!(said.contains("what it shows are not its mappings"), "{said}");
    let copies = |shown: &ShownProcess| shown.descriptors().map(|shown| shown.try_clone_to_owned().unwrap());
    let ([mappings, _, mounts], [_, program, _]) = (copies(&open(None)), copies(&open(Some(child.id()))));
    let said = refused(own, &ShownProcess::from_descriptors([mappings, program, mounts]));
    assert!(said.contains("it does not execute the program it shows"), "{said}");
    let [mappings, program, _] = copies(&open(None));
    let other = std::fs::File::open("/proc/self/ns/net").unwrap().into();
    let said = refused(own, &ShownProcess::from_descriptors([mappings, program, other]));
    assert!(said.contains("it is in another mount namespace"), "{said}");
    // A file with the right contents is not the kernel's word.
    let folder = tempfile::tempdir().unwrap();
    let forged = folder.path().join("smaps");
    std::fs::copy("/proc/self/smaps", &forged).unwrap();
    let [_, program, mounts] = copies(&open(None));
    let forged = std::fs::File::open(forged).unwrap().into();
    let said = refused(own, &ShownProcess::from_descriptors([forged, program, mounts]));
    assert!(said.contains("what it shows are not its mappings"), "{said}");
}
