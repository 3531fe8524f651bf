//! Nothing that changes a figure goes unrecorded, and nothing that is recorded changes unnoticed.

mod bench;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bench::Bench;
use veilbench_networks::{export, zoo};
use veilbench_results::{Phase, RunData, Severity, Status, Summary, Table};

const SMALL: &[&str] =
    &["-b", "clear", "-n", "mnist-mlp", "--images", "6", "--batch", "4", "--repetitions", "2"];

#[test]
fn sessions_whose_rows_were_cut_are_measured_again() {
    let bench = Bench::new();
    assert_eq!(bench.run(SMALL).code, 0);
    let answers = fs::read_to_string(bench.out().join("answers.csv")).unwrap();
    for (file, rest) in [("answers.csv", ""), ("traffic.csv", "run,cell\n")] {
        if rest.is_empty() {
            fs::remove_file(bench.out().join(file)).unwrap();
        } else {
            let text = fs::read_to_string(bench.out().join(file)).unwrap();
            let half: String =
                text.lines().take(text.lines().count() / 2).map(|l| l.to_owned() + "\n").collect();
            fs::write(bench.out().join(file), half).unwrap();
        }
        let report = bench.command(&["report", "run"]);
        assert_eq!(report.code, 1, "{file} was cut: {}", report.stderr);
        let diff = bench.command(&["diff", "run", "run"]);
        assert_eq!(diff.code, 1, "{file} was cut: {}", diff.stdout);
        let again = bench.run(SMALL);
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert!(again.stderr.contains("measured again"), "{}", again.stderr);
        assert!(again.stdout.contains(" measured"), "{}", again.stdout);
        assert!(RunData::load(&bench.out()).unwrap().findings.is_empty());
    }
    let restored = fs::read_to_string(bench.out().join("answers.csv")).unwrap();
    assert_eq!(restored.lines().count(), answers.lines().count());
}

#[test]
fn what_run_json_says_cannot_be_edited_unnoticed() {
    let bench = Bench::new();
    assert_eq!(bench.run(SMALL).code, 0);
    let path = bench.out().join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    let edited = text.replacen("\"cores\": ", "\"cores\": 9", 1);
    assert_ne!(text, edited);
    fs::write(&path, edited).unwrap();
    let report = bench.command(&["report", "run"]);
    assert_eq!(report.code, 1);
    assert!(report.stderr.contains("what run.json says about"), "{}", report.stderr);
}

#[test]
fn parties_find_nothing_of_the_users_environment() {
    let bench = Bench::new();
    let arguments =
        ["-b", "clear", "-n", "mnist-mlp", "--images", "300", "--batch", "1", "--repetitions", "500"];
    let mut harness =
        bench.spawn_with(&arguments, &[("GLIBC_TUNABLES", "glibc.malloc.check=3"), ("MARKER", "user")]);
    let parties = bench.wait_for_parties(harness.id(), 2);
    let environments: Vec<_> =
        parties.iter().filter_map(|pid| fs::read(format!("/proc/{pid}/environ")).ok()).collect();
    bench::interrupt(harness.id());
    harness.wait().unwrap();
    assert!(!environments.is_empty());
    for environment in environments {
        let text = String::from_utf8(environment).unwrap();
        let recorded = RunData::load(&bench.out()).unwrap().run.environment;
        let recorded: Vec<_> = recorded.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // Older versions of glibc cut its tunables at the colons, in place.
        let ends = |text: &str| text.trim_end_matches('\0').replace(':', "\0");
        assert_eq!(ends(&text), ends(&recorded.join("\0")), "run.json holds all of it");
    }
}

#[test]
fn prepared_images_are_for_this_user_alone_and_go_with_a_killed_harness() {
    let bench = Bench::new();
    let temporary = bench.folder().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let variables = [("TMPDIR", temporary.to_str().unwrap())];
    let folders = || -> Vec<_> {
        let entries = fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.join("mnist-mlp.images").exists()).collect()
    };
    let mut harness = bench.spawn_with(&[SMALL, &["--repetitions", "500"]].concat(), &variables);
    bench.wait_for_sessions(1);
    let used = folders();
    assert_eq!(used.len(), 1);
    for path in [used[0].clone(), used[0].join("mnist-mlp.images"), used[0].join("mnist-mlp.onnx")] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
    harness.kill().unwrap();
    harness.wait().unwrap();
    assert_eq!(folders().len(), 1, "a killed harness cannot clean up");
    let mut next = bench.spawn_with(&[SMALL, &["--repetitions", "1"]].concat(), &variables);
    next.wait().unwrap();
    assert!(folders().is_empty(), "the next one did");
}

#[test]
fn a_model_that_cannot_be_measured_is_a_row_and_stops_nothing() {
    let bench = Bench::new();
    let broken = bench.folder().join("broken.onnx");
    fs::write(&broken, b"no model").unwrap();
    let output = bench.run(&[SMALL, &["-n", "broken", "--model", "broken.onnx"]].concat());
    assert_eq!(output.code, 1, "what was asked for could not be measured: {}", output.stderr);
    let rows = Table::<Summary>::read(&bench.out().join("summary.csv")).unwrap().rows;
    let row = |network: &str| rows.iter().map(|(_, row)| row).find(|row| row.network == network).unwrap();
    assert_eq!(row("mnist-mlp").status, Status::Ok);
    assert_eq!(row("broken").status, Status::Error);
    assert!(row("broken").detail.contains("not an ONNX model"), "{}", row("broken").detail);
    assert!(!output.stderr.contains("is not described"), "{}", output.stderr);
    let told = output.stdout.contains("; 1 file of --model cannot be measured\n");
    assert!(told && !output.stdout.contains("--retry-failed"), "{}", output.stdout);
    let list = bench.command(&["list", "-n", "broken", "--model", "broken.onnx"]);
    assert!(list.code == 1 && list.stdout.contains("broken  cannot be measured"), "{}", list.stdout);
}

#[test]
fn a_pipe_given_as_a_model_is_refused_at_once() {
    let bench = Bench::new();
    let made = std::process::Command::new("mkfifo").arg(bench.folder().join("pipe.onnx")).status().unwrap();
    assert!(made.success());
    let output = bench.command(&["networks", "pipe.onnx"]);
    assert!(output.code == 3 && output.stderr.contains("not a regular file"), "{}", output.stderr);
}

#[test]
fn classes_are_matched_by_name_and_an_accuracy_far_below_chance_is_an_error() {
    let bench = Bench::new();
    let mut network = zoo::load("mnist-mlp").unwrap();
    let last = network.parameters.len() - 1;
    let veilbench_networks::Parameters::Affine { weights, bias } = &mut network.parameters[last] else {
        panic!("the last layer is dense")
    };
    let inputs = weights.len() / bias.len();
    *weights = weights.chunks(inputs).rev().flatten().copied().collect();
    bias.reverse();
    let write = |network: &veilbench_networks::Network, name: &str| {
        fs::write(bench.folder().join(name), export::to_bytes(network).unwrap()).unwrap();
    };
    network.metadata.classes.reverse();
    write(&network, "named.onnx");
    network.metadata.classes.clear();
    write(&network, "unnamed.onnx");
    let arguments = ["-b", "clear", "--images", "60", "--batch", "60", "--repetitions", "1"];
    let run = |name: &str| {
        let model = format!("{name}.onnx");
        bench.command(&[&["run", "--out", name, "-n", name, "--model", &model], &arguments[..]].concat())
    };
    let named = run("named");
    assert_eq!(named.code, 0, "{}", named.stderr);
    let accuracy = |name: &str| {
        let rows = Table::<Summary>::read(&bench.folder().join(name).join("summary.csv")).unwrap().rows;
        rows[0].1.accuracy.unwrap()
    };
    assert!(accuracy("named") > 0.9, "the names say which logit is which digit");
    let unnamed = run("unnamed");
    assert!(accuracy("unnamed") < 0.1);
    assert_eq!(unnamed.code, 1, "{}", unnamed.stderr);
    assert!(unnamed.stderr.contains("far below chance"), "{}", unnamed.stderr);
    assert!(unnamed.stderr.contains("classes by index"), "{}", unnamed.stderr);
    let run = RunData::load(&bench.folder().join("unnamed")).unwrap().run;
    let assumptions = &run.networks["unnamed"].assumptions;
    assert!(assumptions.iter().any(|text| text.contains("classes by index")), "{assumptions:?}");
}

#[test]
fn batches_and_threads_beyond_the_machine_are_refused_before_anything_is_written() {
    let bench = Bench::new();
    let list = bench.command(&["list", "-b", "clear|tee|mpc", "-n", "mnist-mlp", "--batch", "100000000000"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    assert_eq!(list.stdout.lines().filter(|line| line.contains("unsupported")).count(), 3, "{}", list.stdout);
    let output = bench.run(&["-b", "clear", "-n", "mnist-mlp", "--batch", "1000000", "--repetitions", "1"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains("exceeds the"), "{}", output.stdout);
    let threads = bench.command(&["list", "-b", "clear", "--threads", "100000"]);
    assert!(threads.code == 2 && threads.stderr.contains("cores"), "{}", threads.stderr);
}

#[test]
fn who_says_how_many_images_gets_them() {
    let bench = Bench::new();
    let list = bench.command(&["list", "-b", "clear", "-n", "mnist-mlp", "--images", "150", "--batch", "1"]);
    assert!(list.stdout.contains("/n150/"), "{}", list.stdout);
}

#[test]
fn a_resumption_that_is_refused_says_what_differs() {
    let bench = Bench::new();
    assert_eq!(bench.run(SMALL).code, 0);
    let output = bench.run(&[SMALL, &["--seed", "4", "--warmup", "2"]].concat());
    assert_eq!(output.code, 3);
    for words in ["another seed (0; this is 4)", "another warm-up (1; this is 2)"] {
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    assert!(!output.stderr.contains("another build") && !output.stderr.contains("another machine"));
}

#[test]
fn settings_are_checked_and_part_of_the_cell() {
    let bench = Bench::new();
    let wrong = bench.command(&["list", "--set", "ckks.layuot=latency"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("layout"), "{}", wrong.stderr);
    let wrong = bench.command(&["list", "--set", "ckks.layout=sideways"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("throughput"), "{}", wrong.stderr);
    let wrong = bench.command(&["list", "--set", "mpc.ring=bits"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("it is one of narrow, wide"), "{}", wrong.stderr);
    let list = |value: &str| {
        let setting = format!("ckks.layout={value}");
        bench
            .command(&["list", "-b", "ckks", "-n", "mnist-mlp-poly", "--batch", "1", "--set", &setting])
            .stdout
    };
    assert!(list("latency").starts_with("ckks@layout=latency/mnist-mlp-poly/"), "{}", list("latency"));
    assert!(list("auto").starts_with("ckks/mnist-mlp-poly/"), "the default is no setting: {}", list("auto"));
}

#[test]
fn both_ends_count_and_other_work_is_recorded() {
    let bench = Bench::new();
    let output =
        bench.run(&["-b", "tee", "-n", "mnist-mlp", "--images", "4", "--batch", "4", "--repetitions", "1"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.iter().all(|finding| finding.severity != Severity::Error), "{:?}", data.findings);
    assert!(data.traffic.iter().all(|row| row.received_bytes == Some(row.bytes)));
    let local: Vec<_> = data.traffic.iter().filter(|row| row.local).collect();
    let pairs = ["enclave", "enclave-host"];
    assert!(!local.is_empty());
    assert!(local.iter().all(|row| pairs.contains(&&*row.from) && pairs.contains(&&*row.to)));
    let online = |role: &str| {
        let mut rows = data.samples.iter().filter(|row| row.phase == Phase::Online && row.role == role);
        rows.next().unwrap().clone()
    };
    // The image there and the logits back: shared memory is no network.
    assert_eq!(online("all").rounds, Some(2));
    assert!(online("all").local_bytes.unwrap() > 0);
    assert!(online("data-owner").start_ns.is_some());
    let mark = data.samples.iter().find(|row| row.is_commit_mark()).unwrap();
    assert!(mark.others_cpu_ns.is_some() && mark.steal_ns.is_some() && mark.wall_ns.is_some());
    assert!(mark.involuntary_switches.is_some());
}

#[test]
fn an_offline_phase_without_work_has_no_time() {
    let bench = Bench::new();
    assert_eq!(bench.run(SMALL).code, 0);
    let rows = Table::<Summary>::read(&bench.out().join("summary.csv")).unwrap().rows;
    assert_eq!(rows[0].1.offline_wall_ns, None);
    assert!(rows[0].1.online_wall_ns.is_some() && rows[0].1.images_per_second_sustained.is_some());
    assert!(rows[0].1.online_occupancy_ns >= rows[0].1.online_wall_ns);
}
