//! Labels and classes: named, numbered, in another order, or none.

use crate::bench::Bench;
use crate::digits::{answers, assumptions, bare, digits, png, published, right, run, sample, save};
use std::fs;
use veilbench_datasets::Split;
use veilbench_networks::{Network, Parameters, zoo};
use veilbench_results::RunData;

/// The network with the logits of its last layer the other way round.
fn reversed(name: &str) -> Network {
    let mut network = zoo::load(name).unwrap();
    let Some(Parameters::Affine { weights, bias }) = network.parameters.last_mut() else {
        panic!("a dense layer")
    };
    let inputs = weights.len() / bias.len();
    let rows: Vec<f32> = weights.chunks_exact(inputs).rev().flatten().copied().collect();
    *weights = rows;
    bias.reverse();
    network.metadata.classes.clear();
    network
}

#[test]
fn classes_in_another_order_are_a_finding_until_they_are_named() {
    let bench = Bench::new();
    digits(&bench);
    save(&reversed("mnist-cnn"), &bench.folder().join("my.onnx"));
    let output = run(&bench, "unnamed", &["--model", "my.onnx", "--data", "digits"]);
    assert!(
        output.code == 1 && output.stderr.contains("far below chance"),
        "{}{}",
        output.stdout,
        output.stderr
    );
    assert!(assumptions(&bench, "unnamed", "my").contains("classes by index"));
    let named = ["--model", "my.onnx", "--data", "digits", "--classes", "9,8,7,6,5,4,3,2,1,0"];
    let output = run(&bench, "named", &named);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!((right(&answers(&bench, "named")), 500), published(&bench, "mnist-cnn"));
}

#[test]
fn images_of_some_of_the_classes_are_matched_by_name_or_refused() {
    let bench = Bench::new();
    let folder = digits(&bench);
    for class in ["0", "1", "4", "5", "6", "8"] {
        fs::remove_dir_all(folder.join(class)).unwrap();
    }
    fs::write(bench.folder().join("my.onnx"), zoo::bytes("mnist-cnn").unwrap()).unwrap();
    let output = run(&bench, "some", &["--model", "my.onnx", "--data", "digits"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let answers = answers(&bench, "some");
    assert!(
        right(&answers) * 100 >= answers.len() * 95 && answers.iter().any(|answer| answer.label == Some(9))
    );
    let mut silent = zoo::load("mnist-cnn").unwrap();
    silent.metadata.classes.clear();
    save(&silent, &bench.folder().join("silent.onnx"));
    let output = run(&bench, "silent", &["--model", "silent.onnx", "--data", "digits"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("tells 10 classes apart, digits has 4 (2, 3, 7, 9)"), "{}", output.stderr);
    assert!(output.stderr.contains("--classes"), "{}", output.stderr);
    fs::rename(folder.join("2"), folder.join("two")).unwrap();
    let output = run(&bench, "misnamed", &["--model", "my.onnx", "--data", "digits"]);
    assert!(output.code == 1 && output.stderr.contains("is among its own"), "{}", output.stderr);
    assert!(output.stderr.contains("call the classes of the images as it does"), "{}", output.stderr);
}

#[test]
fn without_labels_there_is_agreement_and_no_accuracy() {
    let bench = Bench::new();
    let dataset = sample("mnist", Split::Test);
    fs::create_dir(bench.folder().join("scans")).unwrap();
    for index in 0..60 {
        png(&dataset, index, &bench.folder().join(format!("scans/{index}.png")));
    }
    save(&bare("mnist-cnn"), &bench.folder().join("my.onnx"));
    let output = bench.run(&[
        "-b",
        "clear",
        "--batch",
        "60",
        "--repetitions",
        "1",
        "--model",
        "my.onnx",
        "--data",
        "scans",
    ]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.answers.len() == 60 && data.answers.iter().all(|answer| answer.label.is_none()));
    let summary = fs::read_to_string(bench.out().join("summary.csv")).unwrap();
    let column = |name: &str| {
        let mut lines = summary.lines();
        let at = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
        lines.next().unwrap().split(',').nth(at).unwrap().to_owned()
    };
    assert_eq!((column("accuracy").as_str(), column("agreement").parse::<f64>().unwrap()), ("", 1.0));
    let assumed = assumptions(&bench, "run", "my");
    for line in ["without labels there is agreement", "64 made-up images of all pixel values"] {
        assert!(assumed.contains(line), "{line}: {assumed}");
    }
}

/// Labels that are numbers are places of logits, whatever a network calls its classes.
#[test]
fn numbers_for_labels_are_not_names_even_where_classes_are_called_by_numbers() {
    let bench = Bench::new();
    let dataset = sample("mnist", Split::Test);
    let mut table = "file,label\n".to_owned();
    fs::create_dir(bench.folder().join("scans")).unwrap();
    for index in 0..dataset.len() {
        png(&dataset, index, &bench.folder().join(format!("scans/{index}.png")));
        table += &format!("{index}.png,{}\n", dataset.labels[index]);
    }
    fs::write(bench.folder().join("scans/labels.csv"), table).unwrap();
    let mut network = zoo::load("mnist-cnn").unwrap();
    save(&network, &bench.folder().join("counted.onnx"));
    // A network that counts its classes from one: class "1" is the digit zero.
    network.metadata.classes = (1..=10).map(|class| class.to_string()).collect();
    save(&network, &bench.folder().join("from-one.onnx"));
    // And one whose names are the other way round.
    network.metadata.classes = (0..10).rev().map(|class| class.to_string()).collect();
    save(&network, &bench.folder().join("reversed.onnx"));
    let whole = published(&bench, "mnist-cnn");
    for (name, by_index) in [("counted", false), ("from-one", true), ("reversed", true)] {
        let output = run(&bench, name, &["--model", &format!("{name}.onnx"), "--data", "scans"]);
        assert_eq!(output.code, 0, "{name}: {}{}", output.stdout, output.stderr);
        assert_eq!((right(&answers(&bench, name)), 500), whole, "{name}");
        let assumed = assumptions(&bench, name, name);
        assert_eq!(
            assumed.contains("labels of scans are numbers, taken as places"),
            by_index,
            "{name}: {assumed}"
        );
    }
}
