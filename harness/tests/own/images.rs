//! A user's own images and model: the embedded digits as a stranger would bring them, held against the same digits as published.

use crate::bench::Bench;
use crate::digits::{answers, assumptions, bare, digits, in_folders, published, right, run, sample, save};
use image::RgbImage;
use std::collections::BTreeMap;
use std::fs;
use veilbench_datasets::Split;
use veilbench_networks::{Parameters, zoo};
use veilbench_results::Run;

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

#[test]
fn a_run_of_one_model_on_other_images_is_refused_with_what_differs_and_what_helps() {
    let bench = Bench::new();
    let digits = digits(&bench);
    in_folders(&sample("mnist", Split::Train), &bench.folder().join("others"));
    save(&zoo::load("mnist-cnn").unwrap(), &bench.folder().join("my.onnx"));
    let on = |data: &str, more: &[&str]| {
        run(&bench, "own", &[&["--model", "my.onnx", "--data", data], more].concat())
    };
    assert_eq!(on("digits", &[]).code, 0);
    for more in [&[][..], &["--fresh"]] {
        let other = on("others", more);
        assert!(other.code == 3, "{}", other.stderr);
        let told = "it is measured on others, there on digits; choose another --out\n";
        assert!(other.stderr.ends_with(told), "{}", other.stderr);
    }
    // Images are no place for a run, and are not touched.
    let among = run(&bench, "digits", &["--model", "my.onnx", "--data", "digits"]);
    assert!(among.code == 3 && among.stderr.contains("holds other files and no run"), "{}", among.stderr);
    assert!(!digits.join("run.json").exists() && !digits.join("lock").exists());
    let first = |class: &str| fs::read_dir(digits.join(class)).unwrap().next().unwrap().unwrap().path();
    fs::copy(first("1"), first("0")).unwrap();
    let other = on("digits", &[]);
    assert!(other.stderr.contains("choose another --out, or --fresh"), "{}", other.stderr);
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

/// Rows of a network's inputs, as NumPy writes them: nothing in them tells which values are red.
#[test]
fn an_order_of_channels_that_images_do_not_have_is_refused() {
    let bench = Bench::new();
    let network = bare("mnist-mlp");
    let size = network.architecture.input.len();
    save(&network, &bench.folder().join("my.onnx"));
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': (2, {size}), }}\n");
    let mut rows = b"\x93NUMPY\x01\x00".to_vec();
    rows.extend((header.len() as u16).to_le_bytes());
    rows.extend(header.as_bytes());
    rows.extend((0..2 * size).map(|value| value as u8));
    fs::write(bench.folder().join("rows.npy"), rows).unwrap();
    let list = |more: &[&str]| {
        let arguments = ["list", "-b", "clear", "--batch", "1", "--model", "my.onnx", "--data", "rows.npy"];
        bench.command(&[&arguments, more].concat())
    };
    let turned = list(&["--channels", "bgr"]);
    assert_eq!(turned.code, 1, "{}{}", turned.stdout, turned.stderr);
    for said in [
        "blue before red",
        "images of rows have 1 channel(s)",
        "(images, 3, rows, columns)",
        "--channels rgb",
    ] {
        assert!(turned.stdout.contains(said), "{said}: {}", turned.stdout);
    }
    let said_in_the_file = bench.command(&["networks", "annotate", "my.onnx", "--channels", "bgr"]);
    assert_eq!(said_in_the_file.code, 0, "{}", said_in_the_file.stderr);
    assert_eq!(list(&[]).code, 1);
    assert_eq!(list(&["--channels", "rgb"]).code, 0);
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
