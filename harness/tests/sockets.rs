//! A system that owns its sockets, through the real executable: the kernel counts its bytes, and every file says so.

mod bench;

use bench::Bench;
use veilbench_results::{CountedBy, Phase, RunData, Sample};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../backends/external/tests/fixtures/sockets");

/// Images of a batch.
const BATCH: u64 = 20;

#[test]
fn the_kernels_count_is_the_payload_and_at_most_two_percent_of_framing() {
    let bench = Bench::new();
    let size = BATCH.to_string();
    let chosen = ["--backend-file", FOLDER, "-b", "clear|sockets", "-n", "mnist-mlp"];
    let output = bench
        .run(&[&chosen, ["--images", &*size, "--batch", &size, "--repetitions", "2"].as_slice()].concat());
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    if output.stdout.contains("which this machine does not allow") {
        eprintln!("skipped: this machine allows no network of a session's own");
        return;
    }
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    let rows = |backend: &'static str, role: &'static str| {
        let of = move |row: &&Sample| {
            row.backend == backend && row.role == role && row.phase == Phase::Online && row.span.is_empty()
        };
        data.samples.iter().filter(of)
    };
    let payload = BATCH * 4 * (784 + 10);
    for row in rows("clear", "all") {
        assert_eq!((row.sent_bytes, row.received_bytes), (Some(payload), Some(payload)));
    }
    let cell = &rows("sockets", "all").next().unwrap().cell;
    assert_eq!(data.run.counted_by(cell), Some(CountedBy::Kernel));
    assert_eq!(rows("sockets", "all").count(), 4);
    for row in rows("sockets", "all") {
        let sent = row.sent_bytes.unwrap();
        eprintln!("{payload} bytes of payload are {sent} with their framing");
        assert!(payload < sent && sent < payload + payload / 50, "{sent} for {payload}");
        assert_eq!((row.received_bytes, row.messages, row.rounds), (Some(sent), None, None));
    }
    // Nobody speaks to the third role, which is joined to the others all the same.
    assert!(rows("sockets", "bystander").all(|row| row.sent_bytes == Some(0) && row.wall_ns.is_some()));
    let traffic: Vec<_> = data.traffic.iter().filter(|row| row.cell == *cell).collect();
    assert!(traffic.iter().all(|row| row.messages.is_none() && row.received_bytes == Some(row.bytes)));
    // Two sessions of three roles, each of which could speak to the others.
    assert_eq!(traffic.iter().filter(|row| row.phase == Phase::Setup).count(), 2 * 6);
    let summary = std::fs::read_to_string(bench.out().join("summary.csv")).unwrap();
    let line = |backend: &str| summary.lines().find(|line| line.starts_with(backend)).unwrap().to_owned();
    assert!(line("sockets,").contains(",kernel,") && line("clear,").contains(",link,"), "{summary}");
    assert!(output.stdout.contains(" (kernel)"), "{}", output.stdout);
}

#[test]
fn over_a_link_that_would_have_to_be_shaped_it_is_a_row_that_says_why_not() {
    let bench = Bench::new();
    let chosen = ["--backend-file", FOLDER, "-b", "sockets", "-n", "mnist-mlp", "--link", "wan"];
    let output = bench.run(&[&chosen, ["--images", "1", "--batch", "1"].as_slice()].concat());
    assert!(output.stdout.contains("it owns its sockets"), "{}{}", output.stdout, output.stderr);
}
