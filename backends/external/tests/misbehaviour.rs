//! Whatever an external party does, the session ends in time with an error that says what happened, and no process of it
//! is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::{LocalSession, PartyOutcome};
use veilbench_api::{Backend, Error};
use veilbench_external::{External, KILLED};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Tensor};

/// Where the test that is killed finds its folder.
const FOLDER: &str = "VEILBENCH_TEST_FOLDER";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A copy of the faulty backend: its parties write the numbers of their processes there.
fn faulty(start: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in
        ["tests/fixtures/faulty/backend.toml", "tests/fixtures/faulty/roles.py", "python/veilbench_party.py"]
    {
        let name = Path::new(file).file_name().unwrap();
        fs::copy(here(file), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("start"), start).unwrap();
    folder
}

fn network() -> Network {
    let network = test_networks::all().remove(0);
    assert_eq!(network.architecture.name, "dense-relu");
    network
}

/// Runs a session of two images in which the model owner misbehaves; what each role did, and how long it took.
fn session(folder: &Path, fault: &str) -> (Vec<PartyOutcome>, Duration) {
    let backend = External::load(folder, folder).unwrap();
    let network = network();
    let mut session = LocalSession::new(&backend, &network, 2);
    session.job.settings.insert("fault".into(), fault.into());
    let began = Instant::now();
    let done = session.run(&[images(&network)]).unwrap();
    (done, began.elapsed())
}

fn images(network: &Network) -> Tensor {
    test_networks::images(network, 2, 2)
}

fn noted(folder: &Path) -> Vec<u32> {
    let noted = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    noted.lines().map(|line| line.parse().unwrap()).collect()
}

fn is_alive(pid: u32) -> bool {
    // The state follows the program's name, which is in parentheses.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits for processes to be gone: killing is instant, the kernel's work after it is not.
fn assert_gone(pids: &[u32]) {
    let until = Instant::now() + Duration::from_secs(5);
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < until, "of {pids:?} some are left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn expected_logits() -> Tensor<f64> {
    let network = network();
    evaluate(&network, &images(&network)).unwrap()
}

fn assert_answered(done: &[PartyOutcome]) {
    for outcome in done {
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
    }
    let logits = &done[0].logits[0];
    for (clear, logit) in expected_logits().data().iter().zip(logits.data()) {
        assert!((clear - f64::from(*logit)).abs() < 1e-5, "{logit} for {clear}");
    }
}

#[test]
fn plain_python_answers_as_the_clear_network_and_bytes_are_counted_by_the_link() {
    let folder = faulty("");
    let (done, _) = session(folder.path(), "none");
    assert_answered(&done);
    let network = network();
    let (input, classes) = (network.architecture.input.len() as u64, network.architecture.classes() as u64);
    let online = |role: usize| &done[role].phases[2];
    let [upload, download] = [online(0), online(1)].map(|phase| phase.exchanged[0].sent_bytes);
    assert_eq!((upload, download), (2 * 4 * input, 2 * 4 * classes));
    assert_eq!(online(0).rounds, 2);
    let span = |role: usize, phase: usize| {
        done[role].phases[phase].spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(span(1, 2), ["evaluate-layers"]);
    assert_eq!(span(1, 0), ["start"]);
    assert_eq!(noted(folder.path()).len(), 2);
    assert_gone(&noted(folder.path()));
}

#[test]
fn what_a_party_prints_and_what_its_children_read_disturbs_nothing() {
    let folder = faulty("");
    let (done, _) = session(folder.path(), "chatter");
    assert_answered(&done);
}

#[test]
fn every_misbehaviour_is_an_error_that_says_so() {
    let cases = [
        ("hang", "said nothing for 3 s"),
        ("crash", "ended with exit status: 3: the last words"),
        ("gives-up", "gave up: RuntimeError: no more"),
        ("no-such-image", "images [7] of a batch of 2"),
        ("nonsense", "does not allow"),
        ("no-such-peer", "no peer `nobody`"),
        ("early", "monotonic clock"),
        ("backwards", "monotonic clock"),
        ("endless-span", "span evaluate took"),
        ("four-gigabytes", "exceeds the limit"),
        ("orphan", "leaves a child behind"),
        ("segfault", "ended with signal: 11"),
        ("killed", KILLED),
        ("memory", "the party is out of memory"),
        ("memory-of-cpp", "the party is out of memory: the party's process ended with signal: 6"),
        ("memory-of-torch", "the party is out of memory: RuntimeError: DefaultCPUAllocator"),
    ];
    for (fault, word) in cases {
        let folder = faulty("");
        let (done, took) = session(folder.path(), fault);
        let error = done[1].error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(error.contains(word), "{fault}: {error}");
        // Spans come with the word that the phase is done, when the answer has gone.
        let answered = fault == "endless-span";
        assert_eq!(done[0].logits.len(), usize::from(answered), "{fault}");
        assert_eq!(done[0].error.is_none(), answered, "{fault}: {:?}", done[0].error);
        assert!(took < Duration::from_secs(15), "{fault}: took {took:?}");
        let pids = noted(folder.path());
        assert_eq!(pids.len(), if fault == "orphan" { 3 } else { 2 }, "{fault}");
        assert_gone(&pids);
    }
}

/// Whether parties have no network here.
fn is_isolated(folder: &Path) -> bool {
    let backend = External::load(folder, folder).unwrap();
    let network = network();
    let plan = backend.plan(&network.architecture, &LocalSession::new(&backend, &network, 2).job).unwrap();
    let isolated = plan.parameters["network"] == "none";
    if !isolated {
        eprintln!("skipped: this machine allows no network namespaces");
    }
    isolated
}

#[test]
fn an_attempt_to_reach_somebody_outside_is_an_error_where_parties_have_no_network() {
    let of_6 = Path::new("/proc/net/if_inet6").exists()
        && ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"].iter().any(|path| Path::new(path).exists());
    let cases = [
        ("phones-home", "running an external party: the party tried to reach the network (1 times)"),
        ("phones-home-over-ipv6", "the party tried to reach the network (1 times)"),
        ("asks-for-a-name", "the party tried to reach the network (1 times)"),
        (
            "phones-home-and-crashes",
            "status: 3: cannot fetch it; before that the party tried to reach the network",
        ),
        ("phones-home-at-the-end", "the party tried to reach the network (1 times)"),
    ];
    for (fault, words) in cases {
        let folder = faulty("");
        if !is_isolated(folder.path()) {
            return;
        }
        let (done, _) = session(folder.path(), fault);
        if fault == "phones-home-over-ipv6" && !of_6 {
            eprintln!("skipped: no IPv6, or no `ip` to bring up loopback for it");
            continue;
        }
        let error = done[1].error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(error.contains(words), "{fault}: {error}");
        assert_gone(&noted(folder.path()));
    }
}

#[test]
fn no_way_leads_out_of_a_partys_network() {
    let folder = faulty("");
    // Out of the machine's own network there is nowhere to go.
    if is_isolated(folder.path()) {
        let (done, _) = session(folder.path(), "leaves-the-network");
        assert_answered(&done);
    }
}

#[test]
fn a_party_that_ends_well_and_leaves_processes_behind_is_an_error_and_they_are_ended() {
    for fault in ["leaves-a-child", "leaves-a-daemon"] {
        let folder = faulty("");
        let (done, took) = session(folder.path(), fault);
        let error = done[1].error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(error.contains("left 1 processes behind (sleep)"), "{fault}: {error}");
        assert!(done[0].error.is_none() && done[0].logits.len() == 1, "{fault}: {:?}", done[0].error);
        assert!(took < Duration::from_secs(15), "{fault}: took {took:?}");
        let pids = noted(folder.path());
        assert_eq!(pids.len(), 3, "{fault}");
        assert_gone(&pids);
    }
}

#[test]
fn a_system_that_counts_itself_is_believed_only_where_its_manifest_says_so() {
    let folder = faulty("");
    let (done, _) = session(folder.path(), "reports");
    let error = done[1].error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(error.contains("a count of bytes, where") && error.contains("`link`"), "{error}");
    let manifest = folder.path().join("backend.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("protocol = 1", "protocol = 1\nbytes = \"self-reported\"")).unwrap();
    let (done, _) = session(folder.path(), "reports");
    assert_answered(&done);
    let told = |role: usize| {
        let [told] = done[role].phases[2].exchanged.as_slice() else { panic!("{:?}", done[role].phases) };
        [told.sent_bytes, told.sent_messages, told.received_bytes, told.received_messages]
    };
    assert_eq!((told(0), told(1)), ([100, 2, 6, 0], [6, 0, 100, 2]));
    assert!(done[0].phases[0].exchanged.is_empty(), "nothing was reported of the setup phase");
}

#[test]
fn cpu_time_of_a_partys_process_is_seen() {
    let folder = faulty("");
    let (done, _) = session(folder.path(), "none");
    // An interpreter takes longer than ten milliseconds to start.
    for outcome in &done {
        assert!(outcome.phases[0].workers_cpu_ns > 5_000_000, "{:?}", outcome.phases[0]);
    }
}

#[test]
fn out_of_range_names_the_images() {
    let folder = faulty("");
    let (done, _) = session(folder.path(), "out-of-range");
    match &done[1].error {
        Some(Error::OutOfRange { images, reason }) => {
            assert_eq!((images.as_slice(), reason.as_str()), ([1].as_slice(), "image 1 is too bright"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn wrong_answers_are_refused() {
    for (fault, word) in [("wrong-count", "28 bytes of logits"), ("not-a-number", "no finite number")] {
        let folder = faulty("");
        let (done, _) = session(folder.path(), fault);
        match &done[0].error {
            Some(Error::Answer(reason)) => assert!(reason.contains(word), "{fault}: {reason}"),
            other => panic!("{fault}: {other:?}"),
        }
        assert!(done[0].logits.is_empty());
        assert_gone(&noted(folder.path()));
    }
}

#[test]
fn a_party_that_never_says_hello_or_speaks_another_version_is_ended() {
    for (start, word) in [("old-version", "speaks version 0"), ("silent-start", "said nothing for 2 s")] {
        let folder = faulty(start);
        let manifest = folder.path().join("backend.toml");
        let text = fs::read_to_string(&manifest).unwrap().replace("start_seconds = 20", "start_seconds = 2");
        fs::write(&manifest, text).unwrap();
        let (done, _) = session(folder.path(), "none");
        for outcome in &done {
            let error = outcome.error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(error.contains(word), "{start}: {error}");
        }
        assert_gone(&noted(folder.path()));
    }
}

#[test]
fn a_missing_interpreter_is_an_error_that_names_it_and_what_is_needed() {
    let folder = faulty("");
    let manifest = folder.path().join("backend.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"python3\"", "\"python-of-the-future\"");
    fs::write(&manifest, text).unwrap();
    let (done, _) = session(folder.path(), "none");
    let error = done[0].error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(error.contains("starting `python-of-the-future ") && error.contains("No such file"), "{error}");
}

#[test]
fn what_is_not_installed_is_refused_by_the_plan_with_what_it_needs() {
    let folder = faulty("");
    let manifest = folder.path().join("backend.toml");
    let text = fs::read_to_string(&manifest).unwrap()
        + "\n[install]\nneeds = \"a shell\"\ncommands = [[\"/bin/sh\", \"-c\", \"echo made; mkdir '{environment}/lib'\"]]\n";
    fs::write(&manifest, text).unwrap();
    let environments = tempfile::tempdir().unwrap();
    let backend = External::load(folder.path(), environments.path()).unwrap();
    let network = network();
    let job = LocalSession::new(&backend, &network, 2).job;
    let refused = backend.plan(&network.architecture, &job).unwrap_err();
    assert!(refused.reason.contains("not installed") && refused.reason.contains("a shell"), "{refused}");
    let mut lines = Vec::new();
    backend.install(|line| lines.push(line.to_owned())).unwrap();
    assert_eq!(lines, ["made"]);
    assert!(environments.path().join("faulty/lib").is_dir());
    backend.plan(&network.architecture, &job).unwrap();
    // `mkdir` would fail if it ran again.
    backend.install(|_| panic!("installed twice")).unwrap();
    let text = fs::read_to_string(&manifest).unwrap().replace("echo made", "echo broken >&2; exit 4");
    fs::write(&manifest, text).unwrap();
    let backend = External::load(folder.path(), environments.path()).unwrap();
    assert!(!backend.is_installed(), "other commands make another environment");
    let error = backend.install(|_| {}).unwrap_err().to_string();
    assert!(error.contains("exit status: 4: broken"), "{error}");
    assert!(!backend.is_installed());
    let refused = backend.plan(&network.architecture, &job).unwrap_err();
    assert!(refused.reason.contains("it was tried: ") && refused.reason.contains("broken"), "{refused}");
}

#[test]
fn a_system_that_cannot_say_its_version_any_more_is_not_installed_until_it_is_made_anew() {
    let folder = faulty("");
    let manifest = folder.path().join("backend.toml");
    let asked = "version = [\"/bin/sh\", \"-c\", \"cat '{environment}/lib'\"]\n";
    let install = "[install]\nneeds = \"a shell\"\nenvironment = \"a-1.0\"\n\
                   commands = [[\"/bin/sh\", \"-c\", \"sleep 0.5; echo one >> '{environment}/lib'\"]]\n";
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replacen("licence = ", &format!("{asked}licence = "), 1);
    fs::write(&manifest, format!("{text}\n{install}")).unwrap();
    let environments = tempfile::tempdir().unwrap();
    let load = || External::load(folder.path(), environments.path()).unwrap();
    // Two at once: the second waits and finds it made.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| load().install(|_| {}).unwrap());
        }
    });
    let network = network();
    let version = |backend: &External| {
        let job = LocalSession::new(backend, &network, 2).job;
        backend.plan(&network.architecture, &job).map(|plan| plan.parameters["version"].clone())
    };
    assert_eq!(version(&load()).unwrap(), "one");
    // What is there is asked, and not what was written down when it was installed.
    fs::write(environments.path().join("a-1.0/lib"), "two").unwrap();
    assert_eq!(version(&load()).unwrap(), "two");
    fs::remove_file(environments.path().join("a-1.0/lib")).unwrap();
    let broken = load();
    assert!(!broken.is_installed());
    let refused = version(&broken).unwrap_err();
    assert!(
        refused.reason.contains("its version cannot be asked") && refused.reason.contains("lib"),
        "{refused}"
    );
    broken.install(|_| {}).unwrap();
    assert_eq!(version(&broken).unwrap(), "one");
}

#[test]
fn an_interpreter_that_no_machine_has_is_named_with_what_is_needed() {
    let folder = faulty("");
    let manifest = folder.path().join("backend.toml");
    let text = fs::read_to_string(&manifest).unwrap()
        + "\n[install]\nneeds = \"Python 3.999\"\ncommands = [[\"{python3.999}\", \"-m\", \"venv\", \"{environment}\"]]\n";
    fs::write(&manifest, text).unwrap();
    let environments = tempfile::tempdir().unwrap();
    let error =
        External::load(folder.path(), environments.path()).unwrap().install(|_| {}).unwrap_err().to_string();
    assert!(error.contains("{python3.999} -m venv") && error.contains("it needs Python 3.999"), "{error}");
}

#[test]
#[ignore = "killed by the test below"]
fn hangs_until_it_is_killed() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    session(&folder, "hang");
}

#[test]
fn parties_do_not_outlive_a_harness_that_is_killed() {
    let folder = faulty("");
    let manifest = folder.path().join("backend.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("silence_seconds = 3", "silence_seconds = 600");
    fs::write(&manifest, text).unwrap();
    let mut harness = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hangs_until_it_is_killed", "--ignored"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while noted(folder.path()).len() < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pids = noted(folder.path());
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    // Long enough for the model owner to be in its sleep, in which it sees nothing of a closed socket.
    std::thread::sleep(Duration::from_secs(2));
    harness.kill().unwrap();
    harness.wait().unwrap();
    assert_gone(&pids);
    let weights = PathBuf::from(fs::read_to_string(folder.path().join("weights")).unwrap());
    let until = Instant::now() + Duration::from_secs(5);
    while weights.parent().unwrap().exists() {
        assert!(Instant::now() < until, "{} is left", weights.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
