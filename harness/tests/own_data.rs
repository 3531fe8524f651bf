//! A user's own images and model: the embedded digits as a stranger would bring them, held against the same digits as published.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

mod bench;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bench::{Bench, Output};
use image::{GrayImage, RgbImage};
use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::{Metadata, Network, Parameters, export, zoo};
use veilbench_results::{Answer, Run, RunData};

/// The sample that is part of the program.
fn sample(id: &str, split: Split) -> Dataset {
    load(&Store::new("none", "none"), &format!("{id}-sample"), split).unwrap()
}

/// A folder per class below `folder`.
fn in_folders(dataset: &Dataset, folder: &Path) {
    for index in 0..dataset.len() {
        let class = &dataset.classes[usize::from(dataset.labels[index])];
        let path = folder.join(class).join(format!("{index:04}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        png(dataset, index, &path);
    }
}

fn png(dataset: &Dataset, index: usize, path: &Path) {
    let (width, height, pixels) = (dataset.width as u32, dataset.height as u32, dataset.image(index));
    if dataset.channels == 1 {
        GrayImage::from_raw(width, height, pixels.to_vec()).unwrap().save(path).unwrap();
    } else {
        let size = (width * height) as usize;
        let colour = |x, y| {
            let at = (y * width + x) as usize;
            image::Rgb([pixels[at], pixels[size + at], pixels[2 * size + at]])
        };
        RgbImage::from_fn(width, height, colour).save(path).unwrap();
    }
}

/// A network that says nothing of its images, classes and ranges.
fn bare(name: &str) -> Network {
    let mut network = zoo::load(name).unwrap();
    network.metadata = Metadata::default();
    network.architecture.input_range = None;
    network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
    network
}

fn save(network: &Network, path: &Path) {
    fs::write(path, export::to_bytes(network).unwrap()).unwrap();
}

/// All images of the sample on the clear backend.
fn run(bench: &Bench, out: &str, more: &[&str]) -> Output {
    let arguments =
        ["run", "--out", out, "-b", "clear", "--images", "500", "--batch", "500", "--repetitions", "1"];
    bench.command(&[&arguments, more].concat())
}

fn answers(bench: &Bench, out: &str) -> Vec<Answer> {
    RunData::load(&bench.folder().join(out)).unwrap().answers
}

fn right(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.label == Some(answer.private)).count()
}

/// Images right of all, of the network of the zoo on the sample as published.
fn published(bench: &Bench, network: &str) -> (usize, usize) {
    let output = run(bench, "published", &["-n", network]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let answers = answers(bench, "published");
    (right(&answers), answers.len())
}

fn assumptions(bench: &Bench, out: &str, network: &str) -> String {
    Run::load(&bench.folder().join(out)).unwrap().networks[network].assumptions.join("\n")
}

fn digits(bench: &Bench) -> PathBuf {
    let folder = bench.folder().join("digits");
    in_folders(&sample("mnist", Split::Test), &folder);
    folder
}

#[test]
fn digits_in_a_folder_per_class_are_answered_as_the_published_ones_are() {
    let bench = Bench::new();
    digits(&bench);
    fs::write(bench.folder().join("my.onnx"), zoo::bytes("mnist-cnn").unwrap()).unwrap();
    let output = run(&bench, "own", &["--model", "my.onnx", "--data", "digits"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let own = answers(&bench, "own");
    assert_eq!((right(&own), own.len()), published(&bench, "mnist-cnn"));
    let record = Run::load(&bench.folder().join("own")).unwrap();
    assert_eq!(
        record.networks.keys().collect::<Vec<_>>(),
        ["my"],
        "own images are for the user's file alone"
    );
    let digits = &record.datasets["digits"];
    assert_eq!((digits.images, digits.fingerprint.len(), digits.classes.len()), (500, 64, 10));
    let assumed = assumptions(&bench, "own", "my");
    assert!(!assumed.contains("by index"), "both sides name their classes: {assumed}");
}

#[test]
fn a_bare_file_is_measured_rightly_with_what_the_command_line_says() {
    let bench = Bench::new();
    in_folders(&sample("mnist", Split::Test), &bench.folder().join("digits/test"));
    in_folders(&sample("mnist", Split::Train), &bench.folder().join("digits/train"));
    save(&bare("mnist-cnn"), &bench.folder().join("my.onnx"));
    let said = ["--model", "my.onnx", "--data", "digits", "--mean", "0.1307", "--std", "0.3081"];
    let output = run(&bench, "own", &said);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!((right(&answers(&bench, "own")), 500), published(&bench, "mnist-cnn"));
    let assumed = assumptions(&bench, "own", "my");
    for line in
        ["classes by index", "ranges of its activations from 500 training images of digits", "less 0.1307"]
    {
        assert!(assumed.contains(line), "{line}: {assumed}");
    }
    // The same, said of pixels from 0 to 255.
    let said = [
        "--model", "my.onnx", "--data", "digits", "--scale", "0..255", "--mean", "33.3285", "--std",
        "78.5655",
    ];
    assert_eq!(run(&bench, "bytes", &said).code, 0);
    assert_eq!(right(&answers(&bench, "bytes")), right(&answers(&bench, "own")));
}

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
}

#[test]
fn a_network_that_takes_blue_first_gets_it_first() {
    let bench = Bench::new();
    in_folders(&sample("malaria", Split::Test), &bench.folder().join("cells"));
    let network = zoo::load("malaria-cnn").unwrap();
    save(&network, &bench.folder().join("rgb.onnx"));
    let mut turned = network;
    let Some(Parameters::Affine { weights, bias }) = turned.parameters.first_mut() else {
        panic!("a convolution")
    };
    let window = weights.len() / bias.len() / 3;
    for filter in weights.chunks_exact_mut(3 * window) {
        let (red, rest) = filter.split_at_mut(window);
        red.swap_with_slice(&mut rest[window..]);
    }
    save(&turned, &bench.folder().join("bgr.onnx"));
    for (name, order) in [("rgb", "rgb"), ("bgr", "bgr"), ("bgr", "rgb")] {
        let model = format!("{name}.onnx");
        let out = format!("{name}-{order}");
        let output = run(&bench, &out, &["--model", &model, "--data", "cells", "--channels", order]);
        assert!(output.code <= 1, "{}", output.stderr);
    }
    let clear = |out: &str| answers(&bench, out).iter().map(|answer| answer.clear).collect::<Vec<_>>();
    assert_eq!(clear("rgb-rgb"), clear("bgr-bgr"));
    assert_ne!(clear("rgb-rgb"), clear("bgr-rgb"));
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

#[test]
fn a_run_folder_does_not_mix_two_data_sets_of_one_name() {
    let bench = Bench::new();
    let folder = digits(&bench);
    fs::write(bench.folder().join("my.onnx"), zoo::bytes("mnist-cnn").unwrap()).unwrap();
    let arguments = ["--model", "my.onnx", "--data", "digits"];
    assert_eq!(run(&bench, "own", &arguments).code, 0);
    let again = run(&bench, "own", &arguments);
    assert!(
        again.code == 0 && again.stdout.contains("0 sessions measured"),
        "{}{}",
        again.stdout,
        again.stderr
    );
    let other = fs::read_dir(folder.join("3")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(other).unwrap();
    let mixed = run(&bench, "own", &arguments);
    assert_eq!(mixed.code, 3);
    assert!(mixed.stderr.contains("digits is not what the sessions on record"), "{}", mixed.stderr);
}

#[test]
fn ranges_come_from_images_that_were_asked_for() {
    let bench = Bench::new();
    digits(&bench);
    in_folders(&sample("mnist", Split::Train), &bench.folder().join("others"));
    save(&bare("mnist-cnn"), &bench.folder().join("my.onnx"));
    let list = |more: &[&str]| {
        let output = bench
            .command(&[&["list", "-b", "clear", "--model", "my.onnx", "--data", "digits"], more].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stderr
    };
    assert!(list(&["--calibrate", "20"]).contains("from 20 images of digits"));
    assert!(list(&["--calibrate", "others"]).contains("from 500 images of others"));
    assert!(list(&[]).contains("made-up images"));
    let none = bench.command(&["list", "--model", "my.onnx", "--data", "digits", "--calibrate", "0"]);
    assert!(none.code == 2 && none.stderr.contains("no image"), "{}", none.stderr);
}

#[test]
fn an_image_that_cannot_be_read_is_named_and_a_choice_settles_what_can_be() {
    let bench = Bench::new();
    let folder = digits(&bench);
    fs::write(bench.folder().join("my.onnx"), zoo::bytes("mnist-cnn").unwrap()).unwrap();
    let list = |more: &[&str]| {
        bench.command(
            &[&["list", "-b", "clear", "--batch", "1", "--model", "my.onnx", "--data", "digits"], more]
                .concat(),
        )
    };
    RgbImage::from_fn(30, 28, |x, _| image::Rgb([x as u8, 0, 9])).save(folder.join("7/wide.png")).unwrap();
    let refused = list(&[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stdout.contains("7/wide.png") && refused.stdout.contains("--allow grey"),
        "{}",
        refused.stdout
    );
    let still = list(&["--allow", "grey"]);
    assert!(still.stdout.contains("30 wide and 28 high"), "{}", still.stdout);
    let settled = list(&["--allow", "grey,stretch"]);
    assert_eq!(settled.code, 0, "{}", settled.stdout);
    assert!(settled.stderr.contains("1 of 501 images: colour, turned grey by luma"), "{}", settled.stderr);
    fs::write(folder.join("7/wide.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let corrupt = list(&[]);
    assert!(corrupt.code == 1 && corrupt.stdout.contains("7/wide.png"), "{}", corrupt.stdout);
}

#[test]
fn options_that_say_nothing_and_data_that_is_not_there_are_refused() {
    let bench = Bench::new();
    for (arguments, reason) in [
        (&["list", "--data", "x"][..], "--data needs the network"),
        (&["list", "--mean", "1"], "about a file"),
        (&["list", "--allow", "crop"], "--data PATH"),
        (&["list", "--data", "x", "-n", "mnist-cnn", "--allow", "crop,stretch"], "contradict"),
        (&["list", "--data", "x", "-n", "mnist-cnn", "--allow", "gray"], "drop-alpha"),
        (&["list", "--mean", "a", "--model", "x"], "0.485,0.456,0.406"),
        (&["list", "--channels", "rbg", "--model", "x"], "expected rgb or bgr"),
    ] {
        let output = bench.command(arguments);
        assert!(output.code == 2 && output.stderr.contains(reason), "{arguments:?}: {}", output.stderr);
    }
    let missing = bench.command(&["list", "--data", "nowhere", "-n", "mnist-cnn"]);
    assert!(missing.code == 3 && missing.stderr.contains("nowhere is neither"), "{}", missing.stderr);
}

#[test]
fn data_is_kept_listed_measured_and_removed_by_its_name() {
    let bench = Bench::new();
    let folder = digits(&bench);
    let added = bench.command(&["data", "add", "mine", "digits"]);
    assert!(added.code == 0 && added.stdout.contains("500 files"), "{}{}", added.stdout, added.stderr);
    fs::remove_dir_all(folder).unwrap();
    assert!(bench.command(&["data", "list"]).stdout.contains("mine  your own"));
    let listed = bench.command(&["list", "-b", "clear", "-n", "mnist-cnn", "--batch", "1", "--data", "mine"]);
    assert_eq!(listed.stdout.trim(), "clear/mnist-cnn/mine/b1/t1/loopback/n100/s0", "{}", listed.stderr);
    let image = bench.folder().join("data/own/mine/data/0");
    let image = fs::read_dir(image).unwrap().next().unwrap().unwrap().path();
    fs::write(&image, b"x").unwrap();
    let damaged = bench.command(&["data", "list"]);
    assert!(damaged.code == 1 && damaged.stdout.contains("mine  unusable"), "{}", damaged.stdout);
    let refused = bench.command(&["list", "-n", "mnist-cnn", "--data", "mine"]);
    assert!(refused.code == 3 && refused.stderr.contains("not as it was"), "{}", refused.stderr);
    assert_eq!(bench.command(&["data", "remove", "mine"]).code, 0);
    assert_eq!(bench.command(&["data", "remove", "mine"]).code, 3);
    assert_eq!(bench.command(&["data", "add", "mnist", "."]).code, 3);
}

#[test]
fn an_annotated_file_needs_no_word_on_the_command_line() {
    let bench = Bench::new();
    digits(&bench);
    save(&bare("mnist-cnn"), &bench.folder().join("my.onnx"));
    let said =
        ["--mean", "[0.1307]", "--std", "0.3081", "--classes", "0,1,2,3,4,5,6,7,8,9", "--channels", "rgb"];
    let nothing = bench.command(&["networks", "annotate", "my.onnx"]);
    assert!(nothing.code == 2 && nothing.stderr.contains("say what to write"), "{}", nothing.stderr);
    let written =
        bench.command(&[&["networks", "annotate", "my.onnx", "--out", "said.onnx"], &said[..]].concat());
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert!(written.stdout.contains("classes: 0, 1, 2"), "{}", written.stdout);
    let output = run(&bench, "own", &["--model", "said.onnx", "--data", "digits", "--calibrate", "500"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!((right(&answers(&bench, "own")), 500), published(&bench, "mnist-cnn"));
    let assumed = assumptions(&bench, "own", "said");
    assert!(!assumed.contains("by index") && !assumed.contains("without normalisation"), "{assumed}");
    let wrong = bench.command(&["networks", "annotate", "my.onnx", "--classes", "a,b"]);
    assert!(wrong.code == 3 && wrong.stderr.contains("--classes names 2, it has 10"), "{}", wrong.stderr);
    assert_eq!(bench.command(&["networks", "annotate", "my.onnx", "--channels", "bgr"]).code, 0);
    let shown = bench.command(&["networks", "my.onnx"]).stdout;
    assert!(shown.contains("veilbench.channels: bgr"), "{shown}");
}

#[test]
fn a_plan_takes_own_images_to_calibrate_and_to_trace() {
    let bench = Bench::new();
    digits(&bench);
    save(&bare("mnist-cnn-poly"), &bench.folder().join("my.onnx"));
    let arguments = [
        "plan",
        "my.onnx",
        "-b",
        "ckks",
        "--data",
        "digits",
        "--calibrate",
        "100",
        "--trace",
        "--image",
        "499",
    ];
    let plan = bench.command(&arguments);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stdout.contains("trace of test image 499 of digits"), "{}", plan.stdout);
}

#[test]
fn every_backend_measures_own_images() {
    let bench = Bench::new();
    digits(&bench);
    fs::write(bench.folder().join("my.onnx"), zoo::bytes("mnist-cnn-poly").unwrap()).unwrap();
    let output = bench.command(&[
        "verify", "--model", "my.onnx", "--data", "digits", "--images", "8", "--batch", "8", "--no-odd",
    ]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    for line in output.stdout.lines().filter(|line| line.starts_with("ok") && line.contains("/my/digits/")) {
        *passed.entry(line.split_whitespace().nth(1).unwrap().split('/').next().unwrap()).or_default() += 1;
    }
    for backend in ["clear", "tee", "mpc", "mpc-fss", "mpc-beaver", "ckks"] {
        assert_eq!(passed.get(backend), Some(&1), "{backend}: {}", output.stdout);
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

#[test]
fn images_that_calibrate_are_read_as_what_they_are_and_what_was_done_to_them_is_said() {
    let bench = Bench::new();
    // Twelve bits to classify, eight bits to calibrate.
    let dataset = sample("mnist", Split::Test);
    fs::create_dir(bench.folder().join("deep")).unwrap();
    for index in 0..60 {
        let values: Vec<u16> = dataset.image(index).iter().map(|&level| u16::from(level) * 16).collect();
        let deep: image::ImageBuffer<image::Luma<u16>, Vec<u16>> =
            image::ImageBuffer::from_raw(28, 28, values).unwrap();
        deep.save(bench.folder().join(format!("deep/{index}.png"))).unwrap();
    }
    in_folders(&sample("mnist", Split::Train), &bench.folder().join("others"));
    GrayImage::from_pixel(56, 56, image::Luma([9])).save(bench.folder().join("others/0/large.png")).unwrap();
    save(&bare("mnist-cnn"), &bench.folder().join("my.onnx"));
    let arguments = ["--model", "my.onnx", "--data", "deep", "--pixel-max", "4080", "--calibrate", "others"];
    let calibrated = |out: &str, more: &[&str]| {
        let output = run(&bench, out, &[&arguments, more].concat());
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        let record = Run::load(&bench.folder().join(out)).unwrap().networks["my"].clone();
        let said = record.assumptions.join("\n");
        assert!(said.contains("others, to calibrate: 1 of 501 images: resized to 28x28"), "{said}");
        (record, said)
    };
    let (plain, said) = calibrated("plain", &[]);
    assert!(
        !said.contains("8 bits divided by 4080"),
        "what is white in the data says nothing of these: {said}"
    );
    assert!(said.contains("16 bits a channel, divided by 4080"), "{said}");
    let (darker, said) = calibrated("darker", &["--calibrate-pixel-max", "510"]);
    assert!(
        said.contains("others, to calibrate: 501 of 501 images: values of 8 bits divided by 510"),
        "{said}"
    );
    assert!(plain.calibration_sha256.len() == 64 && plain.calibration_sha256 != darker.calibration_sha256);
    let (again, _) = calibrated("again", &[]);
    assert_eq!(again.calibration_sha256, plain.calibration_sha256);

    let refused = bench.command(&[&["list"], &arguments[..6], &["--calibrate-pixel-max", "1"]].concat());
    assert!(refused.code == 2 && refused.stderr.contains("--calibrate PATH"), "{}", refused.stderr);
    fs::write(bench.folder().join("wild.npy"), npy_of_words()).unwrap();
    let wild = [&["list", "-b", "clear"], &arguments[..7], &["wild.npy"]].concat();
    let output = bench.command(&wild);
    assert!(output.stderr.contains("--calibrate-pixel-max says"), "{}{}", output.stdout, output.stderr);
}

/// Two images of 28x28 whose values are 16-bit numbers, as NumPy writes them.
fn npy_of_words() -> Vec<u8> {
    let header = "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 28, 28), }\n";
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend((0..2 * 784_u16).flat_map(u16::to_le_bytes));
    file
}

#[test]
fn a_plan_says_which_images_calibrate_and_takes_the_seed_that_draws_them() {
    let bench = Bench::new();
    digits(&bench);
    save(&bare("mnist-cnn-poly"), &bench.folder().join("my.onnx"));
    let arguments = ["plan", "my.onnx", "-b", "ckks", "--data", "digits", "--calibrate", "3", "--seed", "5"];
    let plan = bench.command(&arguments);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stderr.contains("ranges of its activations from 3 images of digits"), "{}", plan.stderr);
}
