//! The trained networks that ship: their files are those of `SHA256SUMS`, and as accurate as they say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use bench::Bench;
use sha2::{Digest, Sha256};
use veilbench_datasets::{Dataset, Input, Options, OwnData, Pixels, Split, Store, load};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Tensor, zoo};

/// Images evaluated at once.
const BATCH: usize = 500;
/// Networks of which a whole test set takes many minutes.
const DEEP: &str = "cifar";

#[test]
fn every_file_has_its_checksum_and_every_checksum_its_file() {
    let sums = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/zoo/SHA256SUMS"));
    let sums = sums.unwrap();
    let listed: BTreeMap<&str, &str> =
        sums.lines().map(|line| line.split_once("  ").unwrap()).map(|(sum, file)| (file, sum)).collect();
    let shipped: BTreeMap<String, String> = zoo::names()
        .map(|name| (format!("{name}.onnx"), hex::encode(Sha256::digest(zoo::bytes(name).unwrap()))))
        .collect();
    assert_eq!(listed, shipped.iter().map(|(file, sum)| (&**file, &**sum)).collect());
}

/// How many images a network classifies as labelled, and of how many: `9899/10000`.
fn right(network: &Network, labels: &[u8], pixels: &[u8]) -> String {
    let shape = network.architecture.input;
    let normalisation = network.metadata.normalisation.as_ref().unwrap();
    let plane = shape.values_per_channel();
    let mut count = 0;
    for (labels, pixels) in labels.chunks(BATCH).zip(pixels.chunks(BATCH * shape.len())) {
        let values = pixels.chunks(plane).enumerate().flat_map(|(index, pixels)| {
            let channel = index % normalisation.mean.len();
            let (mean, deviation) = (normalisation.mean[channel], normalisation.deviation[channel]);
            pixels.iter().map(move |&pixel| (f32::from(pixel) / 255.0 - mean) / deviation)
        });
        let images = Tensor::new(labels.len(), shape, values.collect()).unwrap();
        let logits: Tensor = evaluate(network, &images).unwrap();
        let predicted = |image: usize| {
            let logits = logits.image(image);
            (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()
        };
        count += labels
            .iter()
            .enumerate()
            .filter(|(image, label)| predicted(*image) == usize::from(**label))
            .count();
    }
    format!("{count}/{}", labels.len())
}

/// The published test images of a data set, if they are there.
fn published(id: &str) -> Option<Dataset> {
    env::var_os("VEILBENCH_DATA")?;
    load(&Store::from_env().unwrap(), id, Split::Test).ok().filter(|dataset| dataset.id == id)
}

/// Deep networks only with `VEILBENCH_ACCURACY=full`.
#[test]
fn every_network_is_as_accurate_on_its_test_images_as_its_file_says() {
    let full = env::var("VEILBENCH_ACCURACY").is_ok_and(|wanted| wanted == "full");
    for name in zoo::names().filter(|name| full || !name.starts_with(DEEP)) {
        let network = zoo::load(name).unwrap();
        let Some(test) = published(network.metadata.dataset.as_deref().unwrap()) else { continue };
        let stated = network.metadata.notes["accuracy"].split(' ').next().unwrap();
        assert_eq!(right(&network, &test.labels, &test.pixels), stated, "{name}");
    }
}

#[test]
fn deep_networks_are_as_accurate_on_images_without_loss_as_their_files_say() {
    let Some(data) = env::var_os("VEILBENCH_DATA") else { return };
    let archive = Path::new(&data).join("cifar10/cifar10_lossless_subset.npz");
    for name in zoo::names().filter(|name| name.starts_with(DEEP) && archive.is_file()) {
        let network = zoo::load(name).unwrap();
        let input = Input::Image { channels: 3, height: 32, width: 32 };
        let originals = OwnData::open(&archive, &Options::default()).unwrap();
        let originals = originals.fit(Split::Test, input, network.architecture.classes()).unwrap().images;
        let Pixels::Bytes(pixels) = &originals.pixels else { panic!("8 bits") };
        let labels: Vec<u8> = originals.labels.unwrap().into_iter().map(|label| label as u8).collect();
        let stated = network.metadata.notes["accuracy-lossless"].split(' ').next().unwrap();
        assert_eq!(right(&network, &labels, pixels), stated, "{name}");
    }
}

#[test]
fn deep_networks_are_in_the_longer_profiles_and_where_they_or_their_images_are_named() {
    let bench = Bench::new();
    let listed = |arguments: &[&str]| {
        let output = bench.command(&[&["list", "-b", "clear"], arguments].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stdout.lines().filter(|line| line.contains("cifar-resnet20")).map(str::to_owned).collect()
    };
    let none: Vec<String> = listed(&[]);
    assert!(none.is_empty(), "{none:?}");
    for (arguments, dataset) in [
        (&["--profile", "standard"][..], "cifar10-jpeg-sample"),
        (&["-n", "cifar-resnet20"], "cifar10-jpeg-sample"),
        (&["-d", "cifar10-jpeg"], "cifar10-jpeg-sample"),
        (&["-d", "cifar10"], "cifar10-sample"),
    ] {
        let cells: Vec<String> = listed(arguments);
        assert!(
            !cells.is_empty() && cells.iter().all(|cell| cell.contains(dataset)),
            "{arguments:?}: {cells:?}"
        );
    }
}
