//! The report of a folder: every file, the same bytes each time, for runs of every shape.

use crate::fixture::{Costs, cell, failed, run, session};
use std::{collections::BTreeSet, fs, path::PathBuf};
use tempfile::TempDir;
use veilbench_report::generate;
use veilbench_results::{Status, Store, Summary, Table};

/// A folder that stays after the test, to be looked at.
fn kept(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report-fixtures").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

const FILES: [&str; 11] = [
    "summary.csv",
    "summary.md",
    "plots/runtime.svg",
    "plots/runtime.png",
    "plots/communication.svg",
    "plots/communication.png",
    "plots/accuracy.svg",
    "plots/accuracy.png",
    "plots/throughput.svg",
    "plots/throughput.png",
    "index.html",
];

#[test]
fn runs_of_one_and_of_seven_backends_make_every_file_the_same_twice() {
    for (name, backends, batches) in [("one-backend", 1, &[1][..]), ("seven-backends", 7, &[1, 8, 64])] {
        let folder = kept(name);
        crate::fixture::write(&folder, backends, 8, batches);
        let report = generate(&folder).unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(report.files, FILES.map(|file| folder.join(file)));
        let read = || FILES.map(|file| fs::read(folder.join(file)).unwrap());
        let first = read();
        for (file, bytes) in FILES.iter().zip(&first).filter(|(file, _)| file.ends_with("png")) {
            assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{file}");
        }
        generate(&folder).unwrap();
        assert!(read() == first);
        let summary = Table::<Summary>::read(&folder.join("summary.csv")).unwrap();
        assert_eq!(summary.findings, []);
        assert_eq!(summary.rows.len(), backends * 8 * batches.len());
    }
}

#[test]
fn a_plot_says_machine_threat_models_failures_and_which_data_are_synthetic() {
    let folder = kept("words");
    crate::fixture::write(&folder, 7, 8, &[1]);
    generate(&folder).unwrap();
    for plot in ["runtime", "communication", "accuracy", "throughput"] {
        let svg = fs::read_to_string(folder.join("plots").join(plot).with_extension("svg")).unwrap();
        for words in [
            "Made-up CPU @ 3.00GHz, 2 cores",
            "enclave hardware and its vendor are trusted; 128-bit; simulated (tee)",
            "at most one of three servers corrupt",
            "unsupported",
            "timeout",
            "melanoma-sample (synthetic)",
        ] {
            assert!(svg.contains(words), "{plot} lacks `{words}`");
        }
    }
    let svg = fs::read_to_string(folder.join("plots/accuracy.svg")).unwrap();
    assert!(svg.contains("no accuracy: synthetic images"));
}

#[test]
fn a_run_without_a_session_has_a_report_that_says_so() {
    let folder = TempDir::new().unwrap();
    drop(Store::create(folder.path(), &run(3)).unwrap());
    assert_eq!(generate(folder.path()).unwrap().files.len(), FILES.len());
    let svg = fs::read_to_string(folder.path().join("plots/runtime.svg")).unwrap();
    assert!(svg.contains("no cell has been measured yet"));
}

#[test]
fn failures_alone_are_drawn_as_words() {
    let folder = kept("failures");
    let mut store = Store::create(&folder, &run(2)).unwrap();
    for (backend, status) in [("clear", Status::OutOfMemory), ("tee", Status::Error)] {
        let cell = cell(backend, "mnist-mlp", "mnist", 1);
        store.append_session(&failed(&cell, 0, status, "a | b <c> & d")).unwrap();
    }
    generate(&folder).unwrap();
    let svg = fs::read_to_string(folder.join("plots/runtime.svg")).unwrap();
    assert!(svg.contains("✕ out-of-memory: a | b &lt;c&gt; &amp; d"));
    let table = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(table.contains(r"out-of-memory: a \| b \<c\> & d"));
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(
        page.contains("<td>out-of-memory: a | b &lt;c&gt; &amp; d</td>") && page.matches("<svg").count() == 4
    );
}

#[test]
fn extreme_values_are_drawn_inside_the_figure() {
    let folder = kept("extremes");
    let mut store = Store::create(&folder, &run(4)).unwrap();
    let hours = 72 * 3_600_000_000_000;
    for (backend, online) in [
        ("clear", vec![(1, 0), (1, 0), (2, 0)]),
        ("tee", vec![(hours, 4), (hours, 4), (hours + 7, 4)]),
        ("mpc-dealer", vec![(u64::MAX, u64::MAX / 8), (u64::MAX, u64::MAX / 8)]),
        ("mpc-3pc", vec![(0, 1), (0, 1), (0, 1)]),
    ] {
        let cell = cell(backend, "mnist-mlp", "mnist", 1);
        let costs = Costs { setup: (0, 0), offline: (1, 0), online, rounds: 0, wrong_every: 1 };
        store.append_session(&session(&cell, 0, &costs)).unwrap();
    }
    assert_eq!(generate(&folder).unwrap().findings, []);
    let svg = fs::read_to_string(folder.join("plots/runtime.svg")).unwrap();
    let ends = svg.split("x=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let positions: BTreeSet<i64> = ends.filter_map(|number| number.parse().ok()).collect();
    assert!(positions.first() >= Some(&0) && positions.last() <= Some(&1280), "{positions:?}");
    for words in ["1 ns", "72 h", "0 ns"] {
        assert!(svg.contains(words), "{words}");
    }
}

#[test]
fn damage_is_reported_and_the_rest_summarised() {
    let folder = kept("damage");
    crate::fixture::write(&folder, 2, 1, &[1]);
    let path = folder.join("samples.csv");
    let text = fs::read_to_string(&path).unwrap().replacen(
        "loopback,0,0,false,1,online",
        "loopback,0,0,maybe,1,online",
        1,
    );
    fs::write(&path, text).unwrap();
    let report = generate(&folder).unwrap();
    assert!(report.findings[0].message.contains("column warm"), "{:?}", report.findings);
    let table = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(table.contains("## Damage") && table.contains("samples.csv:"));
    assert_eq!(Table::<Summary>::read(&folder.join("summary.csv")).unwrap().rows.len(), 2);
}
