//! The simulated enclave through the real executable: four processes, what they record, and one killed.

use std::time::Duration;

use crate::bench::{self, Bench};
use veilbench_networks::{export, zoo};
use veilbench_results::{Phase, RunData, Status, validate};

const CELL: &[&str] =
    &["-b", "tee", "-n", "mnist-mlp", "--images", "6", "--batch", "4", "--repetitions", "1"];

#[test]
fn a_session_records_its_protections_every_byte_and_that_it_is_simulated() {
    let bench = Bench::new();
    let output = bench.run(CELL);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    assert!(data.run.backends["tee"].simulated);
    assert_eq!(data.run.backends["tee"].roles, ["data-owner", "model-owner", "enclave-host", "enclave"]);
    let spans: Vec<_> =
        data.samples.iter().filter(|row| row.role == "enclave").map(|row| &row.span).collect();
    let report = spans.iter().find(|span| span.starts_with("in force: ")).unwrap();
    assert!(report.contains("seccomp=yes") && report.contains("no-dump=yes"), "{report}");
    assert!(report.ends_with("keys=memfd-secret"), "{report}");
    for span in ["sandbox", "seal-model", "unseal-model", "optimise", "open", "evaluate", "seal"] {
        assert!(spans.iter().any(|recorded| *recorded == span), "{span} in {spans:?}");
    }
    for role in ["data-owner", "model-owner", "enclave-host"] {
        let measures = data.samples.iter().any(|row| row.role == role && row.span == "measure");
        assert!(measures, "{role} measured nothing");
    }
    let sent = |from: &str, to: &str, phase: Phase| -> u64 {
        let rows = data.traffic.iter().filter(|row| row.from == from && row.to == to && row.phase == phase);
        rows.map(|row| row.bytes).max().unwrap_or(0)
    };
    let quote = sent("enclave-host", "data-owner", Phase::Setup);
    assert!((8_000..20_000).contains(&quote), "quote and collateral are {quote} bytes");
    let record = 4 * 784 * 4 + 24;
    assert_eq!(sent("data-owner", "enclave-host", Phase::Online), record);
    assert_eq!(sent("enclave-host", "enclave", Phase::Online), record);
    assert_eq!(sent("enclave", "enclave-host", Phase::Online), 4 * 10 * 4 + 24);
    assert_eq!(sent("enclave", "data-owner", Phase::Online), 0);
    let peaks = data.samples.iter().filter(|row| row.role == "enclave").filter_map(|row| row.peak_rss_bytes);
    assert!(peaks.max().unwrap() > 1 << 20);
    assert!(data.answers.iter().all(|answer| answer.clear == answer.private));
    let modelled = std::fs::read_to_string(bench.out().join("modelled.csv")).unwrap();
    assert!(modelled.contains("HotCalls") && modelled.contains("tee/mnist-mlp"), "{modelled}");
    for file in ["summary.csv", "samples.csv"] {
        let measured = std::fs::read_to_string(bench.out().join(file)).unwrap();
        assert!(!measured.contains("modelled"), "{file} holds a modelled figure");
    }
}

#[test]
fn consent_to_an_unprotected_enclave_is_part_of_the_cell_and_of_the_record() {
    let bench = Bench::new();
    let output = bench.run(&[CELL, &["--set", "tee.allow-unprotected=on"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.samples.iter().all(|row| row.cell.starts_with("tee@allow-unprotected=on/")));
    let run = std::fs::read_to_string(bench.out().join("run.json")).unwrap();
    assert!(run.contains("clients demand no protections of the enclave's process"), "{run}");
}

#[test]
fn a_model_of_ones_own_runs_inside_on_one_thread_and_on_two() {
    let bench = Bench::new();
    let mut network = zoo::load("mnist-cnn").unwrap();
    network.architecture.input_range = None;
    network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
    std::fs::write(bench.folder().join("own.onnx"), export::to_bytes(&network).unwrap()).unwrap();
    let own = ["-b", "clear|tee", "-n", "own", "--model", "own.onnx", "--images", "70", "--batch", "70"];
    let output = bench.run(&[&own[..], &["--threads", "1,2", "--repetitions", "1"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    let inside = |threads| {
        let mut rows = data.samples.iter().filter(move |row| row.role == "enclave" && row.threads == threads);
        rows.find_map(|row| row.span.strip_prefix("in force: ")).unwrap()
    };
    assert_eq!(inside(1), inside(2), "every thread is under the same protections");
    for threads in [1, 2] {
        let answers = |backend: &str| -> Vec<_> {
            let session = format!("{backend}/own/mnist-sample/b70/t{threads}/");
            let rows = data.answers.iter().filter(|row| row.cell.starts_with(&session));
            rows.map(|row| (row.image, row.private, row.max_logit_error.unwrap().to_bits())).collect()
        };
        assert_eq!(answers("tee").len(), 70);
        assert_eq!(answers("tee"), answers("clear"), "{threads} threads");
    }
}

#[test]
fn an_enclave_killed_in_mid_request_is_an_error_row_and_leaves_no_process() {
    // An enclave may die between two requests, when nobody waits for it. A request and what goes before it take 200 ms on
    // this link, so attempts 35 ms apart meet the middle of one.
    let mut details = Vec::new();
    while !details
        .iter()
        .any(|detail: &String| detail.contains("link to enclave: the peer closed the connection"))
    {
        assert!(details.len() < 6, "no host noticed that its enclave was gone: {details:#?}");
        let detail =
            detail_after_killing_the_enclave(Duration::from_millis(1500 + 35 * details.len() as u64));
        assert!(detail.contains("enclave: ended by signal: 9"), "{detail}");
        details.push(detail);
    }
}

/// Kills the enclave of a running session after this while, asserts what holds whenever that is, and returns what the session's row says.
#[expect(clippy::unwrap_used, reason = "a failure here is the test's")]
fn detail_after_killing_the_enclave(after: Duration) -> String {
    let bench = Bench::new();
    let slow = ["-b", "tee", "-n", "mnist-mlp", "--images", "200", "--batch", "1", "--repetitions", "1"];
    let mut child = bench.spawn(&[&slow[..], &["--link", "1gbit/100ms"]].concat());
    let parties = bench.wait_for_parties(child.id(), 4);
    std::thread::sleep(after);
    bench::kill(parties[3]);
    let status = bench::wait(&mut child, Duration::from_secs(30));
    assert_eq!(status.code(), Some(1));
    bench::assert_gone(&parties);
    let data = RunData::load(&bench.out()).unwrap();
    let mark = data.samples.iter().find(|row| row.is_commit_mark()).unwrap();
    assert_eq!(mark.status, Status::Error);
    assert!(validate(&bench.out()).unwrap().is_empty());
    mark.detail.clone()
}
