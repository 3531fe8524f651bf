//! No file, however damaged, makes the import panic or take memory it has no bytes for.

use std::path::PathBuf;

use crate::support::networks;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use veilbench_networks::{export, import};

fn fixtures() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let models = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.map(|path| std::fs::read(path).unwrap()).collect()
}

/// What was imported must be a sound network.
fn import_and_check(bytes: &[u8]) {
    if let Ok(network) = import::parse(bytes, "hostile.onnx") {
        assert_eq!(network.check(), Ok(()));
    }
}

#[test]
fn mutated_files_and_random_bytes_are_survived() {
    let mut runner = TestRunner::deterministic();
    let random =
        (0..20).map(|_| export::to_bytes(&networks().new_tree(&mut runner).unwrap().current()).unwrap());
    let seeds: Vec<_> = random.chain(fixtures()).collect();
    veilbench_hostile::fuzz("onnx", 3, |draw, bytes| {
        *bytes = match draw.below(8) {
            0 => (0..draw.below(400)).map(|_| draw.word() as u8).collect(),
            _ => draw.mutated(&seeds, &[]),
        };
        import_and_check(bytes);
        Ok(())
    });
}

#[test]
fn every_truncation_of_every_fixture_is_survived() {
    for bytes in fixtures() {
        let step = (bytes.len() / 300).max(1);
        for end in (0..bytes.len()).step_by(step) {
            import_and_check(&bytes[..end]);
        }
    }
}

#[test]
fn fixtures_with_any_byte_changed_are_survived() {
    for mut bytes in fixtures() {
        let step = (bytes.len() / 300).max(1);
        for place in (0..bytes.len()).step_by(step) {
            for value in [0x00, 0x7f, 0xff, bytes[place] ^ 1, bytes[place] ^ 0x80] {
                let old = std::mem::replace(&mut bytes[place], value);
                import_and_check(&bytes);
                bytes[place] = old;
            }
        }
    }
}

#[test]
fn a_million_empty_nodes_are_refused_before_they_are_decoded() {
    let body = [0x0a, 0x00].repeat(10_000_000);
    let bytes = field(7, &body);
    let error = import::parse(&bytes, "nodes.onnx").unwrap_err().to_string();
    assert!(error.contains("nodes.onnx") && error.contains("are not weights"), "{error}");
}

#[test]
fn graphs_nested_a_thousand_deep_are_refused() {
    let mut graph: Vec<u8> = Vec::new();
    for _ in 0..1000 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    let error = import::parse(&field(7, &graph), "deep.onnx").unwrap_err().to_string();
    assert!(error.contains("deep.onnx"), "{error}");
}

/// A length-delimited protobuf field.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    bytes
}
