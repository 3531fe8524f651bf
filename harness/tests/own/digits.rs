//! The embedded digits as a stranger would bring them, and runs that answer them.

use crate::bench::{Bench, Output};
use image::{GrayImage, RgbImage};
use std::fs;
use std::path::{Path, PathBuf};
use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::{Metadata, Network, export, zoo};
use veilbench_results::{Answer, Run, RunData};

/// The sample that is part of the program.
pub(crate) fn sample(id: &str, split: Split) -> Dataset {
    load(&Store::new("none", "none"), &format!("{id}-sample"), split).unwrap()
}

/// A folder per class below `folder`.
pub(crate) fn in_folders(dataset: &Dataset, folder: &Path) {
    for index in 0..dataset.len() {
        let class = &dataset.classes[usize::from(dataset.labels[index])];
        let path = folder.join(class).join(format!("{index:04}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        png(dataset, index, &path);
    }
}

pub(crate) fn png(dataset: &Dataset, index: usize, path: &Path) {
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
pub(crate) fn bare(name: &str) -> Network {
    let mut network = zoo::load(name).unwrap();
    network.metadata = Metadata::default();
    network.architecture.input_range = None;
    network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
    network
}

pub(crate) fn save(network: &Network, path: &Path) {
    fs::write(path, export::to_bytes(network).unwrap()).unwrap();
}

/// All images of the sample on the clear backend.
pub(crate) fn run(bench: &Bench, out: &str, more: &[&str]) -> Output {
    let arguments =
        ["run", "--out", out, "-b", "clear", "--images", "500", "--batch", "500", "--repetitions", "1"];
    bench.command(&[&arguments, more].concat())
}

pub(crate) fn answers(bench: &Bench, out: &str) -> Vec<Answer> {
    RunData::load(&bench.folder().join(out)).unwrap().answers
}

pub(crate) fn right(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.label == Some(answer.private)).count()
}

/// Images right of all, of the network of the zoo on the sample as published.
pub(crate) fn published(bench: &Bench, network: &str) -> (usize, usize) {
    let output = run(bench, "published", &["-n", network]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let answers = answers(bench, "published");
    (right(&answers), answers.len())
}

pub(crate) fn assumptions(bench: &Bench, out: &str, network: &str) -> String {
    Run::load(&bench.folder().join(out)).unwrap().networks[network].assumptions.join("\n")
}

pub(crate) fn digits(bench: &Bench) -> PathBuf {
    let folder = bench.folder().join("digits");
    in_folders(&sample("mnist", Split::Test), &folder);
    folder
}
