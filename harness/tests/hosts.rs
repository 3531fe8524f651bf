//! The real executable with roles started through a launcher, and with encrypted links. Network namespaces as hosts are for
//! `tests/hosts/run`, which needs root.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

mod bench;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use bench::{Bench, interrupt, wait};
use veilbench_report::summarise;
use veilbench_results::{Phase, RunData, Status, validate};

const SMALL: &[&str] =
    &["-b", "clear", "-n", "mnist-mlp", "--images", "6", "--batch", "4", "--repetitions", "2"];

/// Two addresses of loopback as two hosts; the launcher does nothing but start what it is given.
const HOSTS: &[&str] =
    &["--host", "data-owner=127.0.0.1", "--host", "model-owner=127.0.0.2", "--launch", "env HOST={host}"];

fn measured(bench: &Bench, options: &[&str]) -> RunData {
    let output = bench.run(options);
    assert_eq!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    assert!(validate(&bench.out()).unwrap().is_empty());
    data
}

#[test]
fn roles_on_hosts_are_measured_with_their_machines_and_the_network_between_them() {
    let bench = Bench::new();
    let data = measured(&bench, &[SMALL, HOSTS, &["-l", "measured:lab"]].concat());
    assert!(data.samples.iter().all(|row| row.status == Status::Ok && row.link == "measured:lab"));
    assert!(data.answers.len() == 12 && data.answers.iter().all(|answer| answer.clear == answer.private));
    let machines = |role: &str| -> BTreeSet<&str> {
        data.samples.iter().filter(|row| row.role == role).map(|row| &*row.machine).collect()
    };
    for (role, host) in [("data-owner", "127.0.0.1"), ("model-owner", "127.0.0.2"), ("all", "127.0.0.1")] {
        let machines = machines(role);
        let [machine] = Vec::from_iter(machines)[..] else { panic!("{role} has one machine") };
        assert!(
            machine.starts_with(&format!("{host}-")) && data.run.machines.contains_key(machine),
            "{machine}"
        );
        if role != "all" {
            assert_eq!(data.run.hosts[host].machine, machine);
            assert_eq!(data.run.hosts[host].roles, [role]);
        }
    }
    // Both directions of both sessions: a round trip and a burst.
    let link: Vec<_> = data.samples.iter().filter(|row| row.span.contains(" to ")).collect();
    assert_eq!(link.len(), 8);
    assert!(link.iter().all(|row| row.phase == Phase::Session && row.wall_ns.is_some_and(|time| time > 0)));
    assert_eq!(link.iter().filter(|row| row.sent_bytes.is_some_and(|bytes| bytes >= 64 << 10)).count(), 4);
    // What measuring the links sent is in no phase.
    let mut online = data.samples.iter().filter(|row| {
        row.phase == Phase::Online && row.role == "data-owner" && row.images == Some(4) && row.span.is_empty()
    });
    assert_eq!(online.next().unwrap().sent_bytes, Some(4 * 784 * 4));
    let setup = data.samples.iter().find(|row| row.phase == Phase::Setup && row.role == "all").unwrap();
    assert!(setup.sent_bytes.unwrap() < 4096, "{:?}", setup.sent_bytes);
    // Clocks of hosts are in no figure, and a launcher's memory and time are not a party's.
    assert!(data.samples.iter().all(|row| row.start_ns.is_none()));
    // What else a host did stands in the rows of its roles, with the time they were there.
    for row in &data.samples {
        let of_host = row.phase == Phase::Session && row.role != "all" && row.span.is_empty();
        assert_eq!((row.others_cpu_ns.is_some(), row.steal_ns.is_some()), (of_host, of_host), "{row:?}");
        assert!(!of_host || row.wall_ns.is_some_and(|time| time > 0), "{row:?}");
    }
    let peaks: Vec<_> = data.samples.iter().filter_map(|row| row.peak_rss_bytes).collect();
    let program = fs::metadata(env!("CARGO_BIN_EXE_veilbench")).unwrap().len();
    assert!(peaks.len() == 6 && peaks.iter().all(|bytes| (4 << 20..program).contains(bytes)), "{peaks:?}");
    let resumed = bench.run(&[SMALL, HOSTS, &["-l", "measured:lab"]].concat());
    assert!(resumed.code == 0 && resumed.stdout.contains("2 were on record already"), "{}", resumed.stdout);
    let elsewhere = bench.run(SMALL);
    assert_eq!(elsewhere.code, 3);
    assert!(elsewhere.stderr.contains("set of hosts"), "{}", elsewhere.stderr);
}

#[test]
fn four_technologies_run_across_hosts_and_over_encrypted_links() {
    let matrix = ["-b", "clear|tee|mpc|ckks", "-n", "mnist-mlp-poly", "--images", "2", "--batch", "1"];
    let once = ["--repetitions", "1", "--threads", "1"];
    let third =
        ["--host", "dealer=127.0.0.1", "--host", "enclave-host=127.0.0.3", "--host", "enclave=127.0.0.3"];
    let bench = Bench::new();
    let data = measured(&bench, &[&matrix[..], &once, HOSTS, &third].concat());
    assert_eq!(data.samples.iter().filter(|row| row.is_commit_mark()).count(), 4);
    let bench = Bench::new();
    let both = ["--set", "link.tls=on", "-l", "loopback", "-l", "100mbit/1ms"];
    let data = measured(&bench, &[&matrix[..], &once, &both].concat());
    let links: BTreeSet<&str> = data.samples.iter().map(|row| &*row.link).collect();
    assert_eq!(links, BTreeSet::from(["loopback+tls", "100mbit+1ms+tls"]));
    assert!(data.run.hosts.is_empty());
}

#[test]
fn another_program_on_a_host_ends_the_run_before_it_begins() {
    let bench = Bench::new();
    let other = bench.folder().join("other");
    let mut program = fs::read(env!("CARGO_BIN_EXE_veilbench")).unwrap();
    program.push(0);
    fs::write(&other, program).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let output = bench.run(&[SMALL, HOSTS, &["--program", other.to_str().unwrap()]].concat());
    assert_eq!(output.code, 3);
    assert!(
        output.stderr.contains("host 127.0.0.1: another veilbench is there (SHA-256 "),
        "{}",
        output.stderr
    );
    assert!(!bench.out().exists());
}

#[test]
fn a_launcher_that_fails_is_named_with_its_last_words() {
    let bench = Bench::new();
    let launch = ["--launch", "sh -c 'echo no route to {host} >&2; exit 255'"];
    let output = bench.run(&[SMALL, &HOSTS[..4], &launch].concat());
    assert_eq!(output.code, 3);
    let told = "host 127.0.0.1: no party can be launched there: no route to 127.0.0.1";
    assert!(output.stderr.contains(told), "{}", output.stderr);
}

#[test]
fn who_does_not_wait_for_a_host_that_is_silent_stops_the_run_before_it_begins() {
    let bench = Bench::new();
    let launch = ["--launch", "sh -c 'touch asked; sleep 60' {host}"];
    let mut harness = bench.spawn(&[SMALL, &HOSTS[..4], &launch].concat());
    while !bench.folder().join("asked").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(harness.id());
    assert_eq!(wait(&mut harness, Duration::from_secs(5)).code(), Some(130));
    assert!(!bench.out().exists());
}

#[test]
fn other_work_on_a_host_marks_what_was_measured_there() {
    let bench = Bench::new();
    let mut other = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let data = measured(&bench, &[SMALL, HOSTS].concat());
    other.kill().unwrap();
    other.wait().unwrap();
    let [row] = &summarise(&data)[..] else { panic!("one cell was measured") };
    // A core of however many there are, if it got that.
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    assert!(row.others_cpu_share.is_some_and(|share| share > 0.2 / cores), "{:?}", row.others_cpu_share);
}

/// What one host does while it waits for another is not what it does in the session.
#[test]
fn hosts_are_watched_for_one_time_however_late_one_of_them_comes() {
    let bench = Bench::new();
    let launch = ["--launch", "sh -c 'test \"$0\" = 127.0.0.1 || sleep 2; exec \"$@\"' {host}"];
    let data = measured(&bench, &[SMALL, &HOSTS[..4], &launch].concat());
    for repetition in 0..2 {
        let rows = data.samples.iter().filter(|row| row.phase == Phase::Session && row.span.is_empty());
        let rows = rows.filter(|row| row.repetition == repetition);
        let (marks, roles): (Vec<_>, Vec<_>) = rows.partition(|row| row.is_commit_mark());
        let [mark] = marks[..] else { panic!("{marks:?}") };
        let times = roles.iter().map(|row| row.wall_ns.unwrap());
        let (shortest, longest) = (times.clone().min().unwrap(), times.max().unwrap());
        assert!(roles.len() == 2 && longest + 1_900_000_000 < mark.wall_ns.unwrap(), "{roles:?}; {mark:?}");
        assert!(longest - shortest < 500_000_000, "{roles:?}");
    }
}

#[test]
fn a_launcher_that_outlasts_its_party_does_not_spoil_what_was_measured() {
    let bench = Bench::new();
    let launch = ["--launch", "sh -c '\"$@\"; sleep 8; exit 3' {host}"];
    let data = measured(&bench, &[SMALL, &HOSTS[..4], &launch].concat());
    assert!(data.samples.iter().all(|row| row.status == Status::Ok));
}

/// As `podman exec` and `kubectl exec` have it: what started a party in a container ends as soon as it runs.
#[test]
fn a_launcher_that_ends_before_its_party_does_not_take_it_along() {
    let bench = Bench::new();
    let launch = ["--launch", "sh -c 'exec 3<&0; \"$@\" <&3 & sleep 0.5' {host}"];
    let data = measured(&bench, &[SMALL, &HOSTS[..4], &launch].concat());
    assert!(data.samples.iter().all(|row| row.status == Status::Ok));
}

#[test]
fn files_are_sent_once_to_a_host_that_keeps_them_and_another_one_in_their_place_is_refused() {
    let bench = Bench::new();
    let kept = bench.folder().join("kept");
    fs::create_dir(&kept).unwrap();
    let folders = ["127.0.0.1", "127.0.0.2"].map(|host| format!("{host}={}", kept.display()));
    let options = [SMALL, HOSTS, &["--files", folders[0].as_str(), "--files", folders[1].as_str()]].concat();
    measured(&bench, &options);
    let names = || -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&kept)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names
    };
    let images = names().into_iter().find(|name| name.ends_with(".images")).unwrap();
    assert_eq!(names().len(), 2, "{:?}", names());
    assert_eq!(fs::metadata(kept.join(&images)).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(kept.join(&images), b"other images").unwrap();
    let output = bench.run(&[&options[..], &["--fresh"]].concat());
    assert_eq!(output.code, 1);
    let data = RunData::load(&bench.out()).unwrap();
    let mark = data.samples.iter().find(|row| row.is_commit_mark()).unwrap();
    assert_eq!(mark.status, Status::Error);
    let told = format!("data-owner on 127.0.0.1: its file: {}/{images} has SHA-256 ", kept.display());
    assert!(mark.detail.contains(&told), "{}", mark.detail);
}

#[test]
fn options_about_hosts_that_cannot_work_are_wrong_usage() {
    let bench = Bench::new();
    let shaped = [HOSTS, &["-l", "lan"]].concat();
    let bare = [HOSTS, &["--set", "link.tls=off"]].concat();
    for (options, told) in [
        (&["--host", "data-owner=a"][..], "--launch"),
        (&["--launch", "ssh {host}"], "--host"),
        (&["--host", "data-owner=a", "--launch", "ssh {host}"], "model-owner of clear has none"),
        (&["-l", "measured:lab"], "is measured with --host and --launch"),
        (&shaped[..], "name it with --link measured:NAME"),
        (&bare[..], "links between hosts are always encrypted"),
        (&["--set", "link.tls=yes"], "links have tls to set, one of off, on"),
    ] {
        let output = bench.run(&[SMALL, options].concat());
        assert_eq!(output.code, 2, "{options:?}: {}", output.stderr);
        assert!(output.stderr.contains(told), "{options:?}: {}", output.stderr);
    }
}
