//! The README's worked example, line by line.
//!
//! `VEILBENCH_TEST_TORCH` names a Python with torch, torchvision, pillow and onnx, or is `install` to have pip put them into a virtual
//! environment: then the network is trained and exported as the README says, and has to be as accurate here as PyTorch found it.
//! Otherwise the shipped `mnist-cnn` takes the trained network's place, without metadata and with the example's normalisation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use image::GrayImage;
use veilbench_datasets::{Split, Store, load};
use veilbench_networks::{Metadata, Parameters, export, zoo};
use veilbench_results::RunData;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The commands of the README's section on own images.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let (_, section) = readme.split_once("### Your own network on your own images\n").unwrap();
    let block = section.split("```").nth(1).unwrap();
    let command = |line: &str| line.split('#').next().unwrap().trim().to_owned();
    block.lines().map(command).filter(|line| !line.is_empty()).collect()
}

/// The folders the example begins with.
fn digits(folder: &Path) {
    for split in [Split::Train, Split::Test] {
        let dataset = load(&Store::new("none", "none"), "mnist-sample", split).unwrap();
        for index in 0..dataset.len() {
            let class = dataset.labels[index].to_string();
            let path = folder.join(split.name()).join(class).join(format!("{index:04}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            GrayImage::from_raw(28, 28, dataset.image(index).to_vec()).unwrap().save(path).unwrap();
        }
    }
}

/// A Python with torch, if the test is asked for.
fn python() -> Option<PathBuf> {
    let wanted = std::env::var_os("VEILBENCH_TEST_TORCH").filter(|wanted| !wanted.is_empty())?;
    if wanted != "install" {
        return Some(wanted.into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torch");
    let python = folder.join("bin/python");
    if !python.exists() {
        assert!(Command::new("python3").args(["-m", "venv"]).arg(&folder).status().unwrap().success());
    }
    let packages = ["-m", "pip", "install", "--quiet", "torch", "torchvision", "pillow", "onnx"];
    assert!(Command::new(&python).args(packages).status().unwrap().success());
    Some(python)
}

/// Trains and exports in PyTorch, and returns how many of the 500 test digits it had right.
fn trained(python: &Path, folder: &Path, arguments: &[&str]) -> usize {
    let script = Path::new(ROOT).join(arguments[0]);
    let output = Command::new(python).arg(script).args(&arguments[1..]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let right = printed.lines().last().unwrap().strip_suffix(" of 500").unwrap();
    right.parse().unwrap()
}

/// The shipped network, as one that takes `(pixel / 255 - 0.5) / 0.5` and says nothing of itself, and how many of the digits it has right.
fn stand_in(bench: &Bench, file: &str) -> usize {
    let mut network = zoo::load("mnist-cnn").unwrap();
    let own = network.metadata.normalisation.take().unwrap();
    let (slope, offset) = (0.5 / own.deviation[0], (0.5 - own.mean[0]) / own.deviation[0]);
    let Some(Parameters::Affine { weights, bias }) = network.parameters.first_mut() else {
        panic!("a convolution")
    };
    let window = weights.len() / bias.len();
    for (filter, bias) in weights.chunks_exact_mut(window).zip(bias) {
        *bias += offset * filter.iter().sum::<f32>();
        filter.iter_mut().for_each(|weight| *weight *= slope);
    }
    network.metadata = Metadata::default();
    network.architecture.input_range = None;
    network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
    fs::write(bench.folder().join(file), export::to_bytes(&network).unwrap()).unwrap();
    let arguments =
        ["-b", "clear", "-n", "mnist-cnn", "--images", "500", "--batch", "500", "--repetitions", "1"];
    assert_eq!(bench.run(&arguments).code, 0);
    right(&bench.out(), "clear")
}

fn right(run: &Path, backend: &str) -> usize {
    let answers = RunData::load(run).unwrap().answers;
    let of_backend = answers.iter().filter(|answer| answer.cell.starts_with(&format!("{backend}/")));
    of_backend.filter(|answer| answer.label == Some(answer.private)).count()
}

#[test]
fn the_readme_s_example_gives_the_accuracy_it_promises() {
    let bench = Bench::new();
    digits(&bench.folder().join("digits"));
    let mut expected = None;
    let mut measured = false;
    for command in commands() {
        let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        match words[0] {
            "python" => {
                expected = Some(match python() {
                    Some(python) => trained(&python, bench.folder(), &words[1..]),
                    None => {
                        println!("not trained: VEILBENCH_TEST_TORCH is not set");
                        stand_in(&bench, words[3])
                    }
                });
            }
            "veilbench" => {
                let is_run = words[1] == "run";
                let more: &[&str] =
                    if is_run { &["--out", "own", "--batch", "100", "--repetitions", "1"] } else { &[] };
                let output = bench.command(&[&words[1..], more].concat());
                assert_eq!(output.code, 0, "{command}: {}{}", output.stdout, output.stderr);
                measured |= is_run;
            }
            other => panic!("{other} is none of the example's commands"),
        }
    }
    let expected = expected.unwrap();
    assert!(measured && expected > 400, "{expected} of 500");
    for backend in ["clear", "tee", "mpc"] {
        let found = right(&bench.folder().join("own"), backend);
        // Fixed point may turn an image whose two best classes are all but equal.
        let most = if backend == "mpc" { 1 } else { 0 };
        assert!(
            found.abs_diff(expected) <= most,
            "{backend}: {found} of 500, and {expected} where it was trained"
        );
    }
    let run = veilbench_results::Run::load(&bench.folder().join("own")).unwrap();
    let assumed = run.networks["my"].assumptions.join("\n");
    assert!(
        assumed.contains("from 500 training images of digits") && !assumed.contains("by index"),
        "{assumed}"
    );
}
