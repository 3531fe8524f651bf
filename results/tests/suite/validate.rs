//! Every kind of damage is found, with its file and line, and the rest is still used.

use crate::fixture::{cell, run, session};
use std::{fs, path::Path};
use tempfile::TempDir;
use veilbench_results::{ExternalRecord, Finding, RunData, Session, Severity, Store, validate};

fn healthy() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut store = Store::create(folder.path(), &run()).unwrap();
    for backend in ["clear", "mpc"] {
        store.append_session(&session(&cell(backend), 0)).unwrap();
    }
    folder
}

/// Changes the line with this number, counted from 1.
fn damage(folder: &Path, file: &str, line: usize, change: impl Fn(&str) -> String) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.lines().enumerate().map(|(index, text)| {
        let text = if index + 1 == line { change(text) } else { text.to_owned() };
        if text.is_empty() { text } else { text + "\n" }
    });
    fs::write(&path, changed.collect::<String>()).unwrap();
}

/// Replaces the field with this name.
fn set(file: &str, column: &str, value: &str) -> impl Fn(&str) -> String {
    let columns: &[&str] = match file {
        "samples.csv" => <veilbench_results::Sample as veilbench_results::Row>::columns(),
        "traffic.csv" => <veilbench_results::Traffic as veilbench_results::Row>::columns(),
        _ => <veilbench_results::Answer as veilbench_results::Row>::columns(),
    };
    let index = columns.iter().position(|known| *known == column).unwrap();
    let value = value.to_owned();
    move |line| {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields[index] = &value;
        fields.join(",")
    }
}

#[track_caller]
fn assert_found(findings: &[Finding], file: &str, line: usize, words: &str) {
    let found = findings
        .iter()
        .any(|finding| finding.file == file && finding.line == Some(line) && finding.message.contains(words));
    assert!(found, "no finding at {file}:{line} with `{words}` in {findings:#?}");
}

#[test]
fn a_healthy_run_has_no_findings() {
    assert_eq!(validate(healthy().path()).unwrap(), []);
}

#[test]
fn a_field_that_does_not_fit_its_column_is_named_with_its_line() {
    for (file, line, column, value, words) in [
        ("samples.csv", 4, "wall_ns", "soon", "column wall_ns"),
        ("samples.csv", 5, "wall_ns", "-1", "column wall_ns"),
        ("samples.csv", 6, "sent_bytes", "358.8K", "column sent_bytes"),
        ("samples.csv", 7, "status", "fine", "unknown variant `fine`"),
        ("samples.csv", 8, "phase", "warm-up", "unknown variant `warm-up`"),
        ("samples.csv", 9, "wall_ns", "99999999999999999999", "column wall_ns"),
        ("traffic.csv", 3, "bytes", "", "column bytes"),
        ("answers.csv", 2, "private", "cat", "column private"),
    ] {
        let folder = healthy();
        damage(folder.path(), file, line, set(file, column, value));
        assert_found(&validate(folder.path()).unwrap(), file, line, words);
    }
}

#[test]
fn damaged_lines_cost_themselves_alone() {
    let folder = healthy();
    let whole = RunData::load(folder.path()).unwrap().samples.len();
    damage(folder.path(), "samples.csv", 3, |_| "\"an unclosed quote,".to_owned());
    damage(folder.path(), "samples.csv", 6, |line| line.replace(',', ";"));
    damage(folder.path(), "samples.csv", 9, |line| format!("{line},1"));
    damage(folder.path(), "samples.csv", 12, |_| "\0\0\0\0".to_owned());
    let data = RunData::load(folder.path()).unwrap();
    assert_eq!(data.samples.len(), whole - 4);
    for (line, words) in
        [(3, "fields instead of"), (6, "fields instead of"), (9, "fields instead of"), (12, "NUL")]
    {
        assert_found(&data.findings, "samples.csv", line, words);
    }
}

#[test]
fn text_that_is_not_utf8_is_found() {
    let folder = healthy();
    let path = folder.path().join("answers.csv");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"\xff\xfe\n");
    fs::write(&path, bytes).unwrap();
    assert_found(&validate(folder.path()).unwrap(), "answers.csv", 10, "UTF-8");
}

#[test]
fn a_cut_off_line_is_found() {
    let folder = healthy();
    let path = folder.path().join("traffic.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.trim_end()).unwrap();
    let last = text.lines().count();
    assert_found(&validate(folder.path()).unwrap(), "traffic.csv", last, "cut off");
}

#[test]
fn a_wrong_header_an_empty_file_and_a_missing_one_are_found() {
    let folder = healthy();
    damage(folder.path(), "samples.csv", 1, |line| line.replace("wall_ns", "wall_ms"));
    assert_found(&validate(folder.path()).unwrap(), "samples.csv", 1, "header");
    fs::write(folder.path().join("traffic.csv"), "").unwrap();
    fs::remove_file(folder.path().join("answers.csv")).unwrap();
    let findings = validate(folder.path()).unwrap();
    for (file, words) in [("traffic.csv", "empty"), ("answers.csv", "missing")] {
        assert!(findings.iter().any(|finding| finding.file == file && finding.message.contains(words)));
    }
}

#[test]
fn rows_that_contradict_others_are_found() {
    for (file, line, column, value, words) in [
        ("samples.csv", 2, "sent_bytes", "11", "sent_bytes is 11 but traffic.csv adds up to 10"),
        ("samples.csv", 4, "sent_bytes", "28", "sent_bytes is 28 but traffic.csv adds up to 14"),
        ("samples.csv", 3, "received_bytes", "0", "received_bytes is 0"),
        ("samples.csv", 2, "network", "mnist-cnn", "contradict"),
        ("samples.csv", 2, "cell", "clear", "is no cell"),
        ("samples.csv", 2, "run", "other", "run `other`"),
        ("samples.csv", 2, "role", "server", "column"),
        ("samples.csv", 10, "images", "3", "a batch of 3 images has 2 answers"),
        ("samples.csv", 17, "repetition", "5", "the session is ok but no row times its setup phase"),
        ("traffic.csv", 3, "from", "owner", "repeats"),
        ("answers.csv", 2, "image", "10000", "image 10000 of a data set of 10000"),
        ("answers.csv", 2, "iteration", "9", "no online row"),
    ] {
        let folder = healthy();
        damage(folder.path(), file, line, set(file, column, value));
        let findings = validate(folder.path()).unwrap();
        let (line, words) = match (column, words) {
            ("role", _) => (3, "repeats line 2"),
            ("from", _) => {
                damage(folder.path(), file, line, set(file, "to", "server"));
                assert_found(&validate(folder.path()).unwrap(), file, 3, "repeats line 2");
                continue;
            }
            _ => (line, words),
        };
        assert_found(&findings, file, line, words);
    }
}

#[test]
fn a_session_without_its_mark_does_not_count_and_is_warned_of_in_every_file() {
    let folder = healthy();
    damage(folder.path(), "samples.csv", 17, |_| String::new());
    let data = RunData::load(folder.path()).unwrap();
    assert!(data.samples.iter().all(|sample| sample.backend == "mpc"));
    assert!(data.answers.len() == 4 && data.traffic.len() == 10);
    for file in ["samples.csv", "traffic.csv", "answers.csv"] {
        assert_found(&data.findings, file, 2, "does not count");
    }
    assert!(data.findings.iter().all(|finding| finding.severity == Severity::Warning));
}

#[test]
fn what_run_json_does_not_describe_is_warned_of_once() {
    let folder = healthy();
    let mut described = run();
    described.networks.clear();
    described.save(folder.path()).unwrap();
    let findings = validate(folder.path()).unwrap();
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
    assert_eq!(warnings.count(), 1);
    assert_found(&findings, "samples.csv", 2, "network `mnist-mlp` is not described");
}

/// A session in which the owner sends this many bytes more than usual in every phase.
fn with_more_bytes(repetition: usize, more: u64) -> Session {
    let mut session = session(&cell("mpc"), repetition);
    for row in session.samples.iter_mut().filter(|row| row.sent_bytes.is_some()) {
        let sends = row.role != "server";
        let receives = row.role != "owner";
        row.sent_bytes = row.sent_bytes.map(|bytes| bytes + if sends { more } else { 0 });
        row.received_bytes = row.received_bytes.map(|bytes| bytes + if receives { more } else { 0 });
    }
    for row in session.traffic.iter_mut().filter(|row| row.from == "owner") {
        row.bytes += more;
        row.received_bytes = Some(row.bytes);
    }
    session
}

#[test]
fn the_kernels_counts_of_two_sessions_may_differ_by_their_framing_and_no_more() {
    let found = |counted_by: &str, more: u64| found(counted_by, false, more);
    assert_eq!(found("kernel", 150_000), []);
    assert!(differ(&found("kernel", 200_000)));
    assert!(differ(&found("link", 900)) && differ(&found("self-reported", 900)));
}

#[test]
fn messages_of_a_system_of_others_may_vary_in_length_by_a_thousandth() {
    assert_eq!(found("link", true, 900), []);
    assert!(differ(&found("link", true, 2_000)));
}

#[test]
fn a_system_of_others_alone_may_exchange_more_for_the_first_images() {
    let is_found = |is_external: bool| {
        let (folder, mut run) = (TempDir::new().unwrap(), run());
        if is_external {
            run.external.insert("mpc".to_owned(), ExternalRecord::default());
        }
        let (mut session, usual) = (with_more_bytes(0, 1_000_000), session(&cell("mpc"), 0));
        for (row, usual) in session.samples.iter_mut().zip(usual.samples).filter(|(row, _)| row.warm) {
            *row = usual;
        }
        for (row, usual) in session.traffic.iter_mut().zip(usual.traffic).filter(|(row, _)| row.iteration > 0)
        {
            *row = usual;
        }
        Store::create(folder.path(), &run).unwrap().append_session(&session).unwrap();
        differ(&validate(folder.path()).unwrap())
    };
    assert!(is_found(false));
    assert!(!is_found(true));
}

fn differ(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.message.contains("were not measured under the same conditions"))
}

/// Findings of two sessions, one of which sends so much more than a megabyte and its usual bytes in every phase.
fn found(counted_by: &str, is_external: bool, more: u64) -> Vec<Finding> {
    let folder = TempDir::new().unwrap();
    let mut run = run();
    run.plans.insert(cell("mpc").id(), serde_json::json!({ "counted_by": counted_by }));
    if is_external {
        run.external.insert("mpc".to_owned(), ExternalRecord::default());
    }
    let mut store = Store::create(folder.path(), &run).unwrap();
    for (repetition, more) in [(0, 1_000_000), (1, 1_000_000 + more)] {
        store.append_session(&with_more_bytes(repetition, more)).unwrap();
    }
    validate(folder.path()).unwrap()
}
