//! The formats: what is written is read back, and other versions are told apart.

use crate::fixture::{cell, run};
use proptest::prelude::*;
use std::{fmt::Debug, fs, path::Path};
use tempfile::TempDir;
use veilbench_results::{
    Answer, Cell, Error, Known, Phase, Published, Row, Run, Sample, Status, Summary, Table, Traffic,
    write_table,
};

/// Any text on one line, with what CSV has to quote.
fn text() -> impl Strategy<Value = String> {
    "[ -~äß€,\"']{0,12}"
}

fn phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(vec![Phase::Session, Phase::Setup, Phase::Offline, Phase::Online])
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec![
        Status::Ok,
        Status::Error,
        Status::Timeout,
        Status::OutOfMemory,
        Status::Unsupported,
        Status::Interrupted,
    ])
}

prop_compose! {
    fn sample()(
        texts in prop::array::uniform7(text()),
        numbers in prop::array::uniform12(any::<Option<u64>>()),
        counts in prop::array::uniform4(any::<usize>()),
        images in any::<Option<usize>>(),
        warm in any::<bool>(),
        phase in phase(),
        status in status(),
    ) -> Sample {
        let [run, backend, span, role, detail, rows_sha256, run_sha256] = texts;
        let [
            wall_ns, cpu_ns, sent_bytes, received_bytes, messages, rounds, peak_rss_bytes, start_ns, local_bytes,
            others_cpu_ns, steal_ns, involuntary_switches,
        ] = numbers;
        let [batch, threads, repetition, iteration] = counts;
        Sample {
            run, backend, span, detail, batch, threads, iteration, images, warm, status, wall_ns, cpu_ns, sent_bytes,
            received_bytes, messages, rounds, peak_rss_bytes, start_ns, local_bytes, others_cpu_ns, steal_ns,
            involuntary_switches, rows_sha256, run_sha256,
            ..Sample::new("", &cell("clear"), repetition, phase, &role)
        }
    }
}

prop_compose! {
    fn traffic()(
        [run, cell, from, to] in prop::array::uniform4(text()),
        [repetition, iteration] in prop::array::uniform2(any::<usize>()),
        bytes in any::<u64>(),
        [messages, received_bytes, received_messages] in prop::array::uniform3(any::<Option<u64>>()),
        local in any::<bool>(),
        phase in phase(),
    ) -> Traffic {
        Traffic {
            run, cell, repetition, iteration, phase, from, to, bytes, messages, received_bytes, received_messages, local,
        }
    }
}

prop_compose! {
    fn answer()(
        [run, cell] in prop::array::uniform2(text()),
        [repetition, iteration, image, clear, private] in prop::array::uniform5(any::<usize>()),
        label in any::<Option<usize>>(),
        max_logit_error in prop::option::of(
            prop::num::f64::POSITIVE | prop::num::f64::ZERO | prop::num::f64::INFINITE
        ),
    ) -> Answer {
        Answer { run, cell, repetition, iteration, image, label, clear, private, max_logit_error }
    }
}

fn read_back<R: Row + PartialEq + Debug>(rows: &[R]) -> Result<(), TestCaseError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(R::FILE);
    write_table(&path, rows).unwrap();
    let table = Table::<R>::read(&path).unwrap();
    prop_assert_eq!(table.findings, []);
    let read: Vec<R> = table.rows.into_iter().map(|(_, row)| row).collect();
    prop_assert_eq!(&read[..], rows);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn samples_are_read_back_as_written(rows in prop::collection::vec(sample(), 0..4)) {
        read_back(&rows)?;
    }

    #[test]
    fn traffic_is_read_back_as_written(rows in prop::collection::vec(traffic(), 0..4)) {
        read_back(&rows)?;
    }

    #[test]
    fn answers_are_read_back_as_written(rows in prop::collection::vec(answer(), 0..4)) {
        read_back(&rows)?;
    }

    #[test]
    fn cells_are_read_back_from_their_ids(
        [backend, network, dataset, link] in prop::array::uniform4("[A-Za-z0-9_.+:@=-]{1,12}"),
        [batch, threads, images] in prop::array::uniform3(1..usize::MAX),
        seed in any::<u64>(),
    ) {
        let cell = Cell { backend, network, dataset, batch, threads, link, images, seed };
        prop_assert_eq!(cell.id().parse::<Cell>().unwrap(), cell);
    }

    #[test]
    fn any_bytes_at_all_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let header = Sample::columns().join(",").into_bytes();
        assert!(Table::<Sample>::parse(&bytes).rows.len() <= bytes.len());
        let bytes = [header, vec![b'\n'], bytes].concat();
        assert!(Table::<Sample>::parse(&bytes).rows.len() <= bytes.len());
    }
}

#[test]
fn an_id_reads_as_the_conditions_of_its_cell() {
    assert_eq!(cell("clear").id(), "clear/mnist-mlp/mnist/b2/t1/loopback/n4/s0");
    for id in [
        "",
        "clear",
        "clear/mnist-mlp/mnist/b0/t1/loopback/n4/s0",
        "clear/mnist-mlp/mnist/b02/t1/loopback/n4/s0",
        "clear/mnist-mlp/mnist/b2/t1/loopback/n4/s-1",
        "clear/mnist-mlp/mnist/b2/t1//n4/s0",
        "clear/mnist mlp/mnist/b2/t1/loopback/n4/s0",
        "clear/mnist-mlp/mnist/b2/t1/loopback/n4/s0/",
        "clear/mnist-mlp/mnist/b99999999999999999999/t1/loopback/n4/s0",
    ] {
        assert!(matches!(id.parse::<Cell>(), Err(Error::Cell { .. })), "{id}");
    }
}

/// Writes a row and reads the header that serde gives it.
fn header_by_serde<R: Row>(row: &R) -> Vec<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(row).unwrap();
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    text.lines().next().unwrap().split(',').map(str::to_owned).collect()
}

#[test]
fn headers_name_the_fields_in_their_order() {
    let session = crate::fixture::session(&cell("clear"), 0);
    assert_eq!(header_by_serde(&session.samples[0]), Sample::columns());
    assert_eq!(header_by_serde(&session.traffic[0]), Traffic::columns());
    assert_eq!(header_by_serde(&session.answers[0]), Answer::columns());
    assert_eq!(header_by_serde(&Summary::default()), Summary::columns());
}

#[test]
fn a_summary_begins_with_the_columns_others_rely_on() {
    let promised = "backend,network,dataset,batch,threads,link,images,status,setup_wall_ns,offline_wall_ns,\
                    online_wall_ns,online_wall_ns_low,online_wall_ns_high,images_per_second,setup_bytes,offline_bytes,\
                    online_bytes,online_bytes_max_party,online_rounds,peak_rss_bytes,accuracy,agreement,\
                    max_logit_error,security_bits,threat_model,simulated";
    assert!(Summary::columns().join(",").starts_with(promised));
}

#[test]
fn what_was_not_measured_is_an_empty_field() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("summary.csv");
    write_table(&path, &[Summary { setup_bytes: Some(0), ..Summary::default() }]).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    let field = |name: &str| row[Summary::columns().iter().position(|column| *column == name).unwrap()];
    assert_eq!(field("setup_bytes"), "0");
    assert_eq!(field("online_bytes"), "");
    assert_eq!(field("accuracy"), "");
}

#[test]
fn a_run_description_is_read_back_and_lacks_nothing_when_fields_are_missing() {
    let folder = TempDir::new().unwrap();
    run().save(folder.path()).unwrap();
    assert_eq!(Run::load(folder.path()).unwrap(), run());
    fs::write(folder.path().join("run.json"), r#"{"schema_version": 1, "name": "old"}"#).unwrap();
    let old = Run::load(folder.path()).unwrap();
    assert_eq!(old, Run { schema_version: 1, name: "old".to_owned(), ..Run::default() });
    // Version 3 knew no hosts: all roles were on one machine.
    fs::write(folder.path().join("run.json"), r#"{"schema_version": 3, "machines": {"m": {"cores": 2}}}"#)
        .unwrap();
    let old = Run::load(folder.path()).unwrap();
    assert!(old.hosts.is_empty() && old.machines["m"].cores == 2);
}

#[test]
fn other_schema_versions_and_other_files_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    assert!(matches!(Run::load(folder.path()), Err(Error::NoRun { .. })));
    fs::write(&path, r#"{"schema_version": 5, "name": {"in": "another shape"}}"#).unwrap();
    let error = Run::load(folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("has schema version 5 and this veilbench reads versions up to 4"),
        "{error}"
    );
    for text in ["", "{", "[]", r#"{"name": "no version"}"#, r#"{"schema_version": 1, "seed": "x"}"#] {
        fs::write(&path, text).unwrap();
        assert!(matches!(Run::load(folder.path()), Err(Error::RunDescription { .. })), "{text}");
    }
}

#[test]
fn published_figures_are_readable_cited_and_say_why_they_do_not_compare() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("published");
    let (rows, findings) = Published::load_all(&folder).unwrap();
    assert_eq!(findings, []);
    assert!(!rows.is_empty());
    for row in &rows {
        assert!(row.address.starts_with("https://"), "{row:?}");
        assert!(!row.citation.is_empty() && !row.not_comparable_because.is_empty(), "{row:?}");
        let switched_off = row.security_enforced == Known::No || row.key_on_server == Known::Yes;
        let says_so = ["security", "decrypts"].iter().any(|word| row.not_comparable_because.contains(word));
        assert!(!switched_off || says_so, "{row:?}");
        let measured = [row.online_wall_ns.is_some(), row.images_per_hour.is_some(), row.accuracy.is_some()];
        assert!(measured.contains(&true), "{row:?}");
        assert!(row.accuracy.is_none_or(|share| (0.0..=1.0).contains(&share)), "{row:?}");
    }
}
