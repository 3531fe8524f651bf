//! What a store promises about a folder that is written, killed, resumed and shared.

use crate::fixture::{RUN, cell, mark, run, session};
use flate2::{Compression, write::GzEncoder};
use std::{collections::BTreeSet, fs, io::Write, path::Path};
use tempfile::TempDir;
use veilbench_results::{
    ALL_ROLES, Cell, Error, Row, RunData, Sample, Session, SessionKey, Severity, Status, Store, Traffic,
    validate,
};

/// A run folder in memory where the system has room there: these tests sync it thousands of times.
fn folder_with(sessions: &[Session]) -> TempDir {
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let mut store = Store::create(folder.path(), &run()).unwrap();
    for session in sessions {
        store.append_session(session).unwrap();
    }
    folder
}

/// Samples without the digests that a store puts into commit marks.
fn bare(samples: Vec<Sample>) -> Vec<Sample> {
    let bare = |sample| Sample { rows_sha256: String::new(), run_sha256: String::new(), ..sample };
    samples.into_iter().map(bare).collect()
}

fn files(folder: &TempDir) -> Vec<Vec<u8>> {
    ["samples.csv", "traffic.csv", "answers.csv"]
        .map(|name| fs::read(folder.path().join(name)).unwrap())
        .into()
}

#[test]
fn what_is_appended_is_read_back() {
    let sessions = [session(&cell("clear"), 0), session(&cell("clear"), 1), session(&cell("mpc"), 0)];
    let folder = folder_with(&sessions);
    let data = RunData::load(folder.path()).unwrap();
    assert_eq!(data.findings, []);
    assert_eq!(data.run, run());
    assert_eq!(bare(data.samples), sessions.iter().flat_map(|s| s.samples.clone()).collect::<Vec<_>>());
    assert_eq!(data.traffic, sessions.iter().flat_map(|s| s.traffic.clone()).collect::<Vec<_>>());
    assert_eq!(data.answers, sessions.iter().flat_map(|s| s.answers.clone()).collect::<Vec<_>>());
}

/// The first batch of a session without the rows of single roles: small enough to cut at every byte.
fn small_session(backend: &str) -> Session {
    let mut session = session(&cell(backend), 0);
    session.samples.retain(|sample| sample.iteration == 0 && sample.role == ALL_ROLES);
    session.traffic.retain(|row| row.iteration == 0);
    session.answers.retain(|answer| answer.iteration == 0);
    session
}

#[test]
fn samples_cut_at_any_byte_leave_the_sessions_whose_mark_survived_and_resuming_restores_the_rest() {
    let sessions = [small_session("clear"), small_session("mpc")];
    let folder = folder_with(&sessions);
    let whole = files(&folder);
    let first_ends = {
        let text = String::from_utf8(whole[0].clone()).unwrap();
        text.match_indices('\n').nth(sessions[0].samples.len()).unwrap().0 + 1
    };
    for cut in 0..whole[0].len() {
        fs::write(folder.path().join("samples.csv"), &whole[0][..cut]).unwrap();
        fs::write(folder.path().join("traffic.csv"), &whole[1]).unwrap();
        fs::write(folder.path().join("answers.csv"), &whole[2]).unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let expected = usize::from(cut >= first_ends);
        assert_eq!(store.completed().len(), expected, "cut at {cut}");
        assert_eq!(validate(folder.path()).unwrap(), [], "cut at {cut}");
        for session in &sessions[expected..] {
            store.append_session(session).unwrap();
        }
        assert!(files(&folder) == whole, "cut at {cut}");
    }
}

#[test]
fn traffic_and_answers_cut_at_any_byte_before_their_mark_was_written_are_restored_too() {
    let sessions = [small_session("clear"), small_session("mpc")];
    let folder = folder_with(&sessions[..1]);
    let before = files(&folder);
    Store::open(folder.path()).unwrap().append_session(&sessions[1]).unwrap();
    let whole = files(&folder);
    for (index, name) in [(1, "traffic.csv"), (2, "answers.csv")] {
        for cut in before[index].len()..whole[index].len() {
            for (bytes, name) in before.iter().zip(["samples.csv", "traffic.csv", "answers.csv"]) {
                fs::write(folder.path().join(name), bytes).unwrap();
            }
            fs::write(folder.path().join(name), &whole[index][..cut]).unwrap();
            let mut store = Store::open(folder.path()).unwrap();
            assert!(files(&folder) == before, "{name} cut at {cut}");
            store.append_session(&sessions[1]).unwrap();
            assert!(files(&folder) == whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_session_of_which_rows_were_cut_or_changed_is_measured_again() {
    let sessions = [small_session("clear"), small_session("mpc")];
    type Edit = (&'static str, fn(String) -> String);
    let edits: [Edit; 5] = [
        ("traffic.csv", |text| text.lines().take(1).map(|line| line.to_owned() + "\n").collect()),
        ("answers.csv", |_| String::new()),
        ("answers.csv", |text| text.replacen(",0.125", ",0.0625", 1)),
        ("samples.csv", |text| text.replacen(",1000,", ",999,", 1)),
        ("samples.csv", |text| text.replacen("clear,mnist-mlp", "clear,mnist-cnn", 1)),
    ];
    for (name, edit) in edits {
        let folder = folder_with(&sessions);
        let whole = files(&folder);
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert_ne!(edit(text.clone()), text, "the edit of {name} does nothing");
        fs::write(&path, edit(text)).unwrap();
        let found = validate(folder.path()).unwrap();
        assert!(found.iter().any(|finding| finding.severity == Severity::Error), "{name}: {found:?}");
        let mut store = Store::open(folder.path()).unwrap();
        let clear = SessionKey::new(&cell("clear"), 0);
        assert!(store.damaged().contains(&clear) && !store.completed().contains(&clear), "{name}");
        for session in sessions
            .iter()
            .filter(|session| store.damaged().contains(&key(session)))
            .cloned()
            .collect::<Vec<_>>()
        {
            store.append_session(&session).unwrap();
        }
        assert_eq!(validate(folder.path()).unwrap(), [], "{name}");
        let lines = |file: &[u8]| {
            let text = String::from_utf8(file.to_vec()).unwrap();
            text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let restored = files(&folder);
        assert!(restored.iter().zip(&whole).all(|(now, before)| lines(now) == lines(before)), "{name}");
    }
}

fn key(session: &Session) -> SessionKey {
    let mark = session.samples.last().unwrap();
    SessionKey { cell: mark.cell.clone(), repetition: mark.repetition }
}

#[test]
fn a_changed_description_is_found_and_its_sessions_are_measured_again() {
    let folder = folder_with(&[session(&cell("clear"), 0), session(&cell("mpc"), 0)]);
    let path = folder.path().join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"technology\": \"clear\"", "\"technology\": \"mpc\"", 1)).unwrap();
    let found = validate(folder.path()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("what run.json says about clear/"), "{}", found[0]);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.damaged(), &BTreeSet::from([SessionKey::new(&cell("clear"), 0)]));
    assert_eq!(store.completed(), &BTreeSet::from([SessionKey::new(&cell("mpc"), 0)]));
}

#[test]
fn a_run_of_the_first_version_is_read_and_not_gone_on_with() {
    let folder = folder_with(&[session(&cell("clear"), 0)]);
    first_version(folder.path());
    let data = RunData::load(folder.path()).unwrap();
    assert_eq!(data.findings, []);
    assert_eq!(data.run.schema_version, 1);
    assert_eq!(data.samples.len(), session(&cell("clear"), 0).samples.len());
    assert!(data.traffic.iter().all(|row| row.received_bytes.is_none() && !row.local));
    assert!(matches!(Store::open(folder.path()), Err(Error::OldRun { found: 1, .. })));
}

/// Takes from a folder what version 1 did not have.
fn first_version(folder: &Path) {
    let path = folder.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"schema_version\": 4", "\"schema_version\": 1", 1)).unwrap();
    for (name, added) in [("samples.csv", Sample::ADDED.len()), ("traffic.csv", Traffic::ADDED.len())] {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let line = |line: &str| {
            let fields: Vec<_> = line.split(',').collect();
            fields[..fields.len() - added].join(",") + "\n"
        };
        fs::write(&path, text.lines().map(line).collect::<String>()).unwrap();
    }
}

#[test]
fn an_interrupted_session_is_measured_again_and_a_failed_one_is_not() {
    let folder = folder_with(&[]);
    let mut store = Store::open(folder.path()).unwrap();
    for (backend, status) in [("clear", Status::Interrupted), ("mpc", Status::Timeout)] {
        let samples = vec![mark(&cell(backend), 0, status)];
        store.append_session(&Session { samples, ..Session::default() }).unwrap();
    }
    assert_eq!(store.completed(), &BTreeSet::from([SessionKey::new(&cell("mpc"), 0)]));
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    store.append_session(&session(&cell("clear"), 0)).unwrap();
    assert_eq!(store.completed().len(), 2);
    let samples = RunData::load(folder.path()).unwrap().samples;
    assert!(samples.iter().all(|sample| sample.status != Status::Interrupted));
}

#[test]
fn a_discarded_session_leaves_every_file_and_can_be_appended_again() {
    let sessions = [session(&cell("clear"), 0), session(&cell("mpc"), 0)];
    let folder = folder_with(&sessions);
    let mut store = Store::open(folder.path()).unwrap();
    store.discard(&BTreeSet::from([SessionKey::new(&cell("clear"), 0)])).unwrap();
    assert!(files(&folder) == files(&folder_with(&sessions[1..])));
    store.append_session(&sessions[0]).unwrap();
    assert_eq!(RunData::load(folder.path()).unwrap().samples.len(), 2 * sessions[0].samples.len());
}

#[test]
fn a_folder_has_one_writer_at_a_time_and_readers_do_not_mind() {
    let folder = folder_with(&[]);
    let store = Store::open(folder.path()).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(Error::Locked { .. })));
    assert!(RunData::load(folder.path()).is_ok());
    drop(store);
    assert!(Store::open(folder.path()).is_ok());
}

#[test]
fn a_run_is_neither_created_twice_nor_opened_where_none_is() {
    let folder = folder_with(&[]);
    assert!(matches!(Store::create(folder.path(), &run()), Err(Error::RunExists { .. })));
    assert!(matches!(Store::open(&folder.path().join("nowhere")), Err(Error::NoRun { .. })));
}

#[test]
fn a_run_is_not_begun_among_other_files_and_leaves_them_as_they_are() {
    let folder = TempDir::new().unwrap();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    fs::write(folder.path().join("two.png"), "an image").unwrap();
    let refused = Store::create(folder.path(), &run());
    assert!(matches!(refused, Err(Error::Occupied { .. })), "{refused:?}");
    assert_eq!(names(), ["two.png"]);
    // What a run leaves that is killed before it has its description.
    fs::rename(folder.path().join("two.png"), folder.path().join("lock")).unwrap();
    assert!(Store::create(folder.path(), &run()).is_ok());
}

#[test]
fn rows_that_are_not_one_whole_session_of_the_run_are_refused_and_leave_no_trace() {
    let folder = folder_with(&[session(&cell("clear"), 0)]);
    let before = files(&folder);
    let mut store = Store::open(folder.path()).unwrap();
    let whole = session(&cell("mpc"), 0);
    let mut unmarked = whole.clone();
    unmarked.samples.pop();
    let mut mixed = whole.clone();
    mixed.traffic[0].repetition = 1;
    let mut foreign = whole.clone();
    foreign.answers[0].run = "another".to_owned();
    let mut twice = whole.clone();
    twice.samples.insert(0, mark(&cell("mpc"), 0, Status::Ok));
    let misnamed = Cell { backend: "a/b".to_owned(), ..cell("clear") };
    let again = session(&cell("clear"), 0);
    for refused in [unmarked, mixed, foreign, twice, session(&misnamed, 0), again, Session::default()] {
        assert!(store.append_session(&refused).is_err());
    }
    assert!(files(&folder) == before);
    store.append_session(&whole).unwrap();
}

#[test]
fn a_message_with_line_breaks_stays_one_row() {
    let folder = folder_with(&[]);
    let mut store = Store::open(folder.path()).unwrap();
    let detail = "thread panicked,\n\"index\"\r\nout of bounds".to_owned();
    let samples = vec![Sample { detail, ..mark(&cell("mpc"), 0, Status::Error) }];
    store.append_session(&Session { samples, ..Session::default() }).unwrap();
    let data = RunData::load(folder.path()).unwrap();
    assert_eq!(data.samples[0].detail, "thread panicked, \"index\"  out of bounds");
    assert_eq!(fs::read_to_string(folder.path().join("samples.csv")).unwrap().lines().count(), 2);
}

#[test]
fn columns_of_another_version_are_left_alone() {
    let folder = folder_with(&[session(&cell("clear"), 0)]);
    let path = folder.path().join("samples.csv");
    let text = fs::read_to_string(&path).unwrap().replacen("wall_ns", "wall_ms", 1);
    fs::write(&path, &text).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(Error::Columns { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_run_description_can_grow_and_survives_a_reopening() {
    let folder = folder_with(&[]);
    let mut store = Store::open(folder.path()).unwrap();
    store.update_run(|run| run.commands.push("veilbench run".to_owned())).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.run().commands, ["veilbench run"]);
    assert_eq!(store.run().name, RUN);
}

#[test]
fn packed_tables_read_the_same_and_cannot_be_gone_on_with() {
    let folder = folder_with(&[session(&cell("clear"), 0)]);
    let plain = RunData::load(folder.path()).unwrap();
    for (name, bytes) in ["samples.csv", "traffic.csv", "answers.csv"].into_iter().zip(files(&folder)) {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&bytes).unwrap();
        fs::write(folder.path().join(format!("{name}.gz")), packed.finish().unwrap()).unwrap();
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let packed = RunData::load(folder.path()).unwrap();
    assert_eq!(packed.findings, []);
    assert_eq!((packed.samples, packed.traffic), (plain.samples, plain.traffic));
    assert_eq!(packed.answers, plain.answers);
    assert!(matches!(Store::open(folder.path()), Err(Error::Packed { .. })));
    fs::write(folder.path().join("samples.csv.gz"), b"no gzip").unwrap();
    let error = RunData::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("samples.csv.gz"), "{error}");
}
