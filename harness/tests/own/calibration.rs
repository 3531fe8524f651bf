//! Images that the ranges of a network's activations come from.

use crate::bench::Bench;
use crate::digits::{bare, digits, in_folders, run, sample, save};
use image::GrayImage;
use std::fs;
use veilbench_datasets::Split;
use veilbench_results::Run;

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
    let misspelt = bench.command(&["plan", "my.onnx", "--calibrate", "nosuch"]);
    assert_eq!(
        (misspelt.code, &*misspelt.stderr),
        (3, "error: --calibrate: nosuch is neither a file or folder nor data that was added\n")
    );
    let none = bench.command(&["list", "--model", "my.onnx", "--data", "digits", "--calibrate", "0"]);
    assert!(none.code == 2 && none.stderr.contains("no image"), "{}", none.stderr);
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
