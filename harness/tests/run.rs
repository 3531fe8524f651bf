//! The real executable, measuring the embedded sample.

mod bench;

use std::time::{Duration, Instant};

use bench::Bench;
use veilbench_results::{Phase, RunData, Status, validate};

const SMALL: &[&str] =
    &["-b", "clear", "-n", "mnist-mlp", "--images", "6", "--batch", "4", "--repetitions", "2"];

#[test]
fn a_run_leaves_every_phase_every_answer_and_no_finding() {
    let bench = Bench::new();
    let output = bench.run(SMALL);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("using `mnist-sample` instead"), "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    assert!(data.samples.iter().all(|sample| sample.status == Status::Ok));
    for phase in [Phase::Setup, Phase::Offline, Phase::Online] {
        for role in ["all", "data-owner", "model-owner"] {
            let rows = data
                .samples
                .iter()
                .filter(|row| row.phase == phase && row.role == role && row.span.is_empty());
            // Two sessions; in each one warm-up batch and two counted ones, four images and two.
            assert_eq!(rows.count(), if phase == Phase::Setup { 2 } else { 6 }, "{phase} {role}");
        }
    }
    let online = |role: &str| {
        let mut rows = data.samples.iter().filter(|row| {
            row.phase == Phase::Online
                && row.role == role
                && row.warm
                && row.images == Some(4)
                && row.span.is_empty()
        });
        rows.next().unwrap().clone()
    };
    let (upload, download) = (4 * 784 * 4, 4 * 10 * 4);
    assert_eq!(online("data-owner").sent_bytes, Some(upload));
    assert_eq!(online("data-owner").received_bytes, Some(download));
    assert_eq!(online("model-owner").sent_bytes, Some(download));
    assert_eq!(online("all").sent_bytes, Some(upload + download));
    assert_eq!(online("all").rounds, Some(2));
    assert!(online("all").wall_ns.unwrap() >= online("model-owner").wall_ns.unwrap());
    let peaks: Vec<_> = data.samples.iter().filter_map(|row| row.peak_rss_bytes).collect();
    assert!(peaks.len() == 6 && peaks.iter().all(|&bytes| bytes > 1 << 20), "{peaks:?}");
    assert_eq!(data.answers.len(), 12);
    assert!(
        data.answers
            .iter()
            .all(|answer| answer.clear == answer.private && answer.max_logit_error.unwrap() < 1e-4)
    );
    assert!(data.answers.iter().all(|answer| answer.label.is_some()));
    assert_eq!(data.run.backends["clear"].roles, ["data-owner", "model-owner"]);
    for file in ["summary.csv", "summary.md", "plots"] {
        assert!(bench.out().join(file).exists(), "{file}");
    }
}

#[test]
fn the_same_command_measures_nothing_twice_and_fresh_does() {
    let bench = Bench::new();
    assert_eq!(bench.run(SMALL).code, 0);
    let samples = || std::fs::read_to_string(bench.out().join("samples.csv")).unwrap();
    let before = samples();
    let again = bench.run(SMALL);
    assert!(again.stdout.contains("0 sessions measured, 2 were on record"), "{}", again.stdout);
    assert_eq!(samples(), before);
    let fresh = bench.run(&[SMALL, &["--fresh"]].concat());
    assert!(fresh.stdout.contains("2 sessions measured"), "{}", fresh.stdout);
    assert_ne!(samples(), before);
    assert!(validate(&bench.out()).unwrap().is_empty());
}

/// Sessions of about a second each: forty round trips of 20 ms and more.
const SLOW: &[&str] = &[
    "-b",
    "clear",
    "-n",
    "mnist-mlp",
    "--images",
    "40",
    "--batch",
    "1",
    "--repetitions",
    "4",
    "--link",
    "1gbit/20ms",
];

#[test]
fn a_run_that_is_killed_goes_on_where_it_stopped_and_leaves_no_process() {
    let bench = Bench::new();
    let mut child = bench.spawn(SLOW);
    bench.wait_for_sessions(1);
    let parties = bench.wait_for_parties(child.id(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    bench::assert_gone(&parties);
    let done = bench.sessions();
    assert!((1..4).contains(&done), "{done} of 4 sessions were done");
    let output = bench.run(SLOW);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(
        output.stdout.contains(&match done {
            1 => "3 sessions measured, 1 was on record".to_owned(),
            3 => "1 session measured, 3 were on record".to_owned(),
            done => format!("{} sessions measured, {done} were on record", 4 - done),
        }),
        "{}",
        output.stdout
    );
    assert!(validate(&bench.out()).unwrap().is_empty());
    assert_eq!(bench.sessions(), 4);
}

#[test]
fn interrupting_ends_the_parties_keeps_what_is_done_and_exits_with_130() {
    let bench = Bench::new();
    let mut child = bench.spawn(SLOW);
    bench.wait_for_sessions(1);
    let parties = bench.wait_for_parties(child.id(), 2);
    bench::interrupt(child.id());
    let status = bench::wait(&mut child, Duration::from_secs(10));
    assert_eq!(status.code(), Some(130));
    bench::assert_gone(&parties);
    assert!(validate(&bench.out()).unwrap().is_empty());
    let done = bench.sessions();
    assert!((1..4).contains(&done), "{done}");
}

#[test]
fn a_party_that_dies_is_a_row_and_its_siblings_are_ended() {
    let bench = Bench::new();
    let mut child = bench.spawn(SLOW);
    bench.wait_for_sessions(1);
    let parties = bench.wait_for_parties(child.id(), 2);
    bench::kill(parties[1]);
    let status = bench::wait(&mut child, Duration::from_secs(60));
    assert_eq!(status.code(), Some(1));
    bench::assert_gone(&parties);
    let data = RunData::load(&bench.out()).unwrap();
    let failed: Vec<_> = data.samples.iter().filter(|row| row.status == Status::Error).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].is_commit_mark());
    assert!(failed[0].detail.contains("model-owner: ended by signal: 9"), "{}", failed[0].detail);
    assert_eq!(bench.sessions(), 4, "the other sessions were measured");
}

#[test]
fn a_session_over_its_time_is_a_timeout_row() {
    let bench = Bench::new();
    let start = Instant::now();
    let output = bench.run(&[SLOW, &["--repetitions", "1", "--timeout", "1s", "--images", "80"]].concat());
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(start.elapsed() < Duration::from_secs(60));
    let data = RunData::load(&bench.out()).unwrap();
    let mark = data.samples.iter().find(|row| row.is_commit_mark()).unwrap();
    assert_eq!(mark.status, Status::Timeout);
    assert!(mark.detail.contains("--timeout"), "{}", mark.detail);
    assert!(data.answers.len() < 80);
    let again = [SLOW, &["--repetitions", "1", "--images", "80"]].concat();
    let kept = bench.run(&again);
    assert_eq!(kept.code, 1, "a failure on record is still a failure: {}", kept.stdout);
    assert!(kept.stdout.contains("--retry-failed"), "{}", kept.stdout);
    let retried = bench.run(&[&again[..], &["--retry-failed"]].concat());
    assert_eq!(retried.code, 0, "{}", retried.stdout);
}

#[test]
fn without_warm_up_the_first_batch_is_cold_and_counts() {
    let bench = Bench::new();
    assert_eq!(bench.run(&[SMALL, &["--warmup", "0"]].concat()).code, 0);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    assert_eq!(data.answers.len(), 12);
    let online = data.samples.iter().filter(|row| row.phase == Phase::Online && row.role == "all");
    assert!(online.clone().all(|row| row.warm == (row.iteration > 0)));
    assert_eq!(online.count(), 4);
}

#[test]
fn sessions_of_another_model_are_not_mixed() {
    let bench = Bench::new();
    let file = bench.folder().join("own.onnx");
    let arguments = [
        "-b",
        "clear",
        "-n",
        "own",
        "--model",
        "own.onnx",
        "--images",
        "4",
        "--batch",
        "2",
        "--repetitions",
        "1",
    ];
    std::fs::write(&file, veilbench_networks::zoo::bytes("mnist-cnn").unwrap()).unwrap();
    assert_eq!(bench.run(&arguments).code, 0);
    std::fs::write(&file, veilbench_networks::zoo::bytes("mnist-mlp").unwrap()).unwrap();
    let other = bench.run(&arguments);
    assert_eq!(other.code, 3);
    assert!(other.stderr.contains("own is not what the sessions on record"), "{}", other.stderr);
    assert!(other.stderr.contains("its file has the SHA-256"), "{}", other.stderr);
    assert!(other.stderr.contains("choose another --out, or --fresh"), "{}", other.stderr);
    assert_eq!(bench.run(&[&arguments[..], &["--fresh"]].concat()).code, 0);
}

#[test]
fn a_run_of_another_seed_is_not_gone_on_with() {
    let bench = Bench::new();
    assert_eq!(bench.run(SMALL).code, 0);
    let other = bench.run(&[SMALL, &["--seed", "1"]].concat());
    assert_eq!(other.code, 3);
    assert!(other.stderr.contains("another seed"), "{}", other.stderr);
    let colder = bench.run(&[SMALL, &["--warmup", "2"]].concat());
    assert_eq!(colder.code, 3, "{}", colder.stderr);
}

#[test]
fn progress_for_machines_is_json_lines() {
    let bench = Bench::new();
    let output = bench.run(&[SMALL, &["--json"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let events: Vec<serde_json::Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((named("start"), named("session"), named("end")), (1, 2, 1));
}

#[test]
fn a_batch_larger_than_the_images_is_filled_and_each_image_answered_once() {
    let bench = Bench::new();
    let chosen = ["-b", "clear", "-n", "mnist-mlp", "--images", "6", "--batch", "16", "--repetitions", "1"];
    let output = bench.run(&chosen);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    let mut batches = data.samples.iter().filter(|row| row.phase == Phase::Online && row.role == "all");
    assert!(batches.all(|row| row.images == Some(16)), "{:?}", data.samples);
    let images: std::collections::BTreeSet<_> = data.answers.iter().map(|answer| answer.image).collect();
    assert_eq!((data.answers.len(), images.len()), (6, 6));
    assert!(data.answers.iter().all(|answer| answer.clear == answer.private));
    let rows = veilbench_report::summarise(&data);
    assert!(rows[0].detail.contains("the 6 images are repeated"), "{}", rows[0].detail);
    let seconds = rows[0].online_wall_ns.unwrap() as f64 / 1e9;
    assert!((rows[0].images_per_second.unwrap() * seconds - 16.0).abs() < 1e-6, "all that was computed");
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let bench = Bench::new();
    for command in [&["networks"][..], &["completions", "bash"], &["completions", "fish"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench.piped(command, writer);
        assert_eq!((output.code, &*output.stderr), (0, ""), "{command:?}");
    }
}
