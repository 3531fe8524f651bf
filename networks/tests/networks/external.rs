//! Files beside a model, and functions in it: whatever they say, nothing outside the model's folder is read, nothing
//! panics and nothing grows without end. `PROPTEST_CASES=100000` makes a long run of it.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use prost::Message;
use tract_onnx::pb::{FunctionProto, ModelProto, NodeProto};
use veilbench_networks::import;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn model(name: &str) -> ModelProto {
    ModelProto::decode(&std::fs::read(fixtures().join(format!("{name}.onnx"))).unwrap()[..]).unwrap()
}

/// An empty folder of its own.
fn folder(name: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("external-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

const DATA: &str = "external-data-13.bin";

#[test]
fn the_bytes_of_a_model_with_files_beside_it_hold_all_weights() {
    let path = fixtures().join("external-data-13.onnx");
    let bytes = import::read_bytes(&path).unwrap();
    let whole = import::parse(&bytes, "external-data-13.onnx").unwrap();
    assert_eq!(whole, import::read(&path).unwrap());
    let alone = import::parse(&std::fs::read(&path).unwrap(), "alone.onnx").unwrap_err().to_string();
    assert!(alone.contains("external data") && alone.contains("from its folder"), "{alone}");
}

#[test]
fn a_file_without_files_beside_it_keeps_its_bytes() {
    let path = fixtures().join("residual-13.onnx");
    assert_eq!(import::read_bytes(&path).unwrap(), std::fs::read(&path).unwrap());
}

#[cfg(unix)]
#[test]
fn links_are_followed_within_the_folder_of_the_model_alone() {
    use std::os::unix::fs::symlink;

    let (models, secrets, cache) = (folder("models"), folder("secrets"), folder("cache"));
    let name = "external-data-13.onnx";
    std::fs::copy(fixtures().join(name), models.join(name)).unwrap();
    std::fs::copy(fixtures().join(DATA), secrets.join("data")).unwrap();
    symlink(secrets.join("data"), models.join(DATA)).unwrap();
    let error = import::read(&models.join(name)).unwrap_err().to_string();
    assert!(error.contains("a link out of the model's folder"), "{error}");

    // A cache of downloads: model and weights are links to one folder.
    std::fs::copy(fixtures().join(name), secrets.join("model")).unwrap();
    symlink(secrets.join("model"), cache.join(name)).unwrap();
    symlink(secrets.join("data"), cache.join(DATA)).unwrap();
    assert_eq!(import::read(&cache.join(name)).unwrap(), import::read(&fixtures().join(name)).unwrap());
    for folder in [models, secrets, cache] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// A function of two calls of the next, `depth` times.
fn doubling(depth: usize, name_bytes: usize) -> ModelProto {
    let mut model = model("functions-17");
    let own = |name: String| FunctionProto {
        name: Some(name),
        domain: Some("own".into()),
        input: vec!["a".into()],
        output: vec!["c".into()],
        ..FunctionProto::default()
    };
    let call = |to: String, input: &str, output: &str| NodeProto {
        op_type: to,
        domain: "own".into(),
        input: vec![input.into()],
        output: vec![output.into()],
        ..NodeProto::default()
    };
    for level in 0..depth {
        let next = format!("f{}", level + 1);
        let node = vec![call(next.clone(), "a", "b"), call(next, "b", "c")];
        model.functions.push(FunctionProto { node, ..own(format!("f{level}")) });
    }
    let relu = NodeProto { op_type: "Relu".into(), domain: String::new(), ..call(String::new(), "a", "c") };
    model.functions.push(FunctionProto { node: vec![relu], ..own(format!("f{depth}")) });
    let graph = model.graph.as_mut().unwrap();
    let first = NodeProto { name: "n".repeat(name_bytes), ..call("f0".into(), "x", "doubled") };
    for input in graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|input| *input == "x") {
        *input = "doubled".into();
    }
    graph.node.insert(0, first);
    model
}

#[test]
fn functions_that_call_each_other_are_put_in_place_up_to_a_bound() {
    let few = import::parse(&doubling(5, 10).encode_to_vec(), "few.onnx").unwrap();
    let relus = few.architecture.layers.iter().filter(|layer| layer.name.starts_with("nnnnnnnnnn/")).count();
    assert_eq!(relus, 32);
    let deep = import::parse(&doubling(30, 10).encode_to_vec(), "deep.onnx").unwrap_err().to_string();
    assert!(deep.contains("16 deep"), "{deep}");
    let many = import::parse(&doubling(15, 100_000).encode_to_vec(), "many.onnx").unwrap_err().to_string();
    assert!(many.contains("take more than"), "{many}");
}

#[test]
fn a_function_may_give_its_input_as_its_output() {
    let mut model = doubling(0, 10);
    model.functions.last_mut().unwrap().output = vec!["a".into()];
    let passed = import::parse(&model.encode_to_vec(), "passed.onnx").unwrap();
    assert_eq!(
        passed.architecture,
        import::read(&fixtures().join("functions-17.onnx")).unwrap().architecture
    );
}

/// What a hostile file may say in place of a number or a path.
const TEXTS: [&str; 12] = [
    "",
    "0",
    "-1",
    "3",
    "64",
    "18446744073709551615",
    "9223372036854775808",
    "1e3",
    ".",
    "/",
    "../fixtures/make.py",
    DATA,
];

/// Changes one thing of a model to another that its format allows.
fn change(model: &mut ModelProto, what: u8, place: usize, value: u64) {
    let pick = |length: usize| (length > 0).then(|| place % length);
    let calls: Vec<(String, String)> = model
        .functions
        .iter()
        .map(|own| (own.domain.clone().unwrap_or_default(), own.name.clone().unwrap_or_default()))
        .chain([(String::new(), "Identity".to_owned()), (String::new(), "Concat".to_owned())])
        .collect();
    let Some(graph) = model.graph.as_mut() else { return };
    let text = TEXTS[value as usize % TEXTS.len()].to_owned();
    let functions = model.functions.iter_mut().flat_map(|function| &mut function.node);
    let mut nodes: Vec<&mut NodeProto> = graph.node.iter_mut().chain(functions).collect();
    let names: Vec<String> =
        nodes.iter().flat_map(|node| node.input.iter().chain(&node.output)).cloned().collect();
    let Some(index) = pick(nodes.len()) else { return };
    let node = &mut nodes[index];
    match what % 10 {
        0 => {
            let mut entries: Vec<_> =
                graph.initializer.iter_mut().flat_map(|tensor| &mut tensor.external_data).collect();
            if let Some(index) = pick(entries.len()) {
                entries[index].value = text;
            }
        }
        1 => {
            let mut dims: Vec<_> = graph.initializer.iter_mut().flat_map(|tensor| &mut tensor.dims).collect();
            if let Some(index) = pick(dims.len()) {
                *dims[index] = value as i64 >> (value % 64);
            }
        }
        2 => {
            if let Some(index) = pick(graph.initializer.len()) {
                graph.initializer[index].data_type = (value % 24) as i32;
            }
        }
        3 | 4 => {
            let list = if what % 10 == 3 { &mut node.input } else { &mut node.output };
            if let Some(index) = (!list.is_empty()).then(|| value as usize % list.len()) {
                list[index] = names[value as usize / 7 % names.len()].clone();
            }
        }
        5 => (node.domain, node.op_type) = calls[value as usize % calls.len()].clone(),
        6 => {
            for attribute in &mut node.attribute {
                attribute.i = value as i64 >> (value % 64);
                attribute.ints.iter_mut().for_each(|int| *int ^= value as i64 >> (value % 64));
            }
        }
        7 => {
            for attribute in &mut node.attribute {
                attribute.ref_attr_name =
                    if value.is_multiple_of(2) { "of_pads".into() } else { attribute.name.clone() };
            }
        }
        8 => {
            let twin = node.input.clone();
            node.input.extend(twin);
        }
        _ => node.attribute.clear(),
    }
}

proptest! {
    #[test]
    fn whatever_a_model_says_of_files_functions_and_constants_is_survived(
        which in 0..5_usize,
        changes in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u64>()), 1..5),
        bytes in proptest::collection::vec(any::<(u32, u8)>(), 0..3),
    ) {
        let names =
            ["external-data-13", "functions-17", "padding-as-arithmetic-11", "shuffle-as-arithmetic-17", "expanded-bias-18"];
        let mut changed = model(names[which]);
        for (what, place, value) in changes {
            change(&mut changed, what, place, value);
        }
        let mut encoded = changed.encode_to_vec();
        for (place, value) in bytes {
            let place = place as usize % encoded.len();
            encoded[place] = value;
        }
        // Beside the fixtures' own data, so that what is right is read.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        if which == 0 && !folder.join(DATA).exists() {
            std::fs::copy(fixtures().join(DATA), folder.join(DATA)).unwrap();
        }
        let path = folder.join("model.onnx");
        std::fs::write(&path, encoded).unwrap();
        if let Ok(network) = import::read(&path) {
            prop_assert_eq!(network.check(), Ok(()));
        }
    }
}
