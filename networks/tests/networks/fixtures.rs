//! Models from other people's exporters, and one idiom each by hand: what is imported computes what
//! onnxruntime computed from the original, and what cannot be represented is refused by name.

use std::path::{Path, PathBuf};

use crate::support::{difference, images};
use serde::Deserialize;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Reference, Shape, Tensor, import};

const TOLERANCE: f32 = 1e-4;

/// What a `.json` beside a model holds.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Expected {
    Refused { refused: Vec<String> },
    Computed { dims: Vec<usize>, logits: Vec<Vec<f32>>, end: Option<String> },
}

fn fixtures() -> Vec<(String, PathBuf, Expected)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut fixtures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .map(|path| {
            let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, path, serde_json::from_str(&expected).unwrap())
        })
        .collect();
    fixtures.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    assert!(fixtures.len() > 50);
    fixtures
}

/// The images in the axes of the file, and in those of the network, which has channels first.
fn both_orders(dims: &[usize], input: Shape) -> (Vec<f32>, Tensor) {
    let len: usize = dims.iter().product();
    let in_file = images(2, Shape::Flat(len));
    let channels_last = matches!((dims, input), (&[h, w, c], Shape::Image { channels, height, width })
        if (h, w, c) == (height, width, channels) && c > 1);
    let mut values = in_file.data().to_vec();
    if channels_last {
        let channels = dims[2];
        for image in 0..2 {
            for (index, value) in in_file.image(image).iter().enumerate() {
                let (pixel, channel) = (index / channels, index % channels);
                values[image * len + channel * (len / channels) + pixel] = *value;
            }
        }
    }
    (in_file.into_data(), Tensor::new(2, input, values).unwrap())
}

fn softmax(logits: &[f32], end: Option<&str>) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let log = |logit: &f32| logit - largest - sum.ln();
    match end {
        None => logits.to_vec(),
        Some("LogSoftmax") => logits.iter().map(log).collect(),
        Some("Softmax") => logits.iter().map(|logit| log(logit).exp()).collect(),
        Some("Sigmoid") => logits.iter().copied().map(sigmoid).collect(),
        Some(other) => panic!("unknown end {other}"),
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The largest difference between what onnxruntime computed and what the oracle does.
pub(crate) fn farthest(network: &Network, dims: &[usize], logits: &[Vec<f32>], end: Option<&str>) -> f32 {
    let (_, images) = both_orders(dims, network.architecture.input);
    let ours = evaluate::<f32>(network, &images).unwrap();
    let of_image = |(index, expected): (usize, &Vec<f32>)| {
        let ours = match (ours.image(index), expected.len()) {
            (&[negative, positive], 1) if end.is_none() => vec![positive - negative],
            (&[negative, positive], 1) => vec![sigmoid(positive - negative)],
            (logits, _) => softmax(logits, end),
        };
        assert!(ours.iter().all(|logit| logit.is_finite()));
        difference(expected, &ours)
    };
    logits.iter().enumerate().map(of_image).fold(0.0, f32::max)
}

#[test]
fn imported_models_compute_what_onnxruntime_computed() {
    for (name, path, expected) in fixtures() {
        let Expected::Computed { dims, logits, end } = expected else { continue };
        let network = import::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let difference = farthest(&network, &dims, &logits, end.as_deref());
        assert!(difference < TOLERANCE, "{name}: {difference}");
        let dropped = network.metadata.notes.get("import.dropped");
        assert_eq!(dropped.is_some(), end.is_some(), "{name}: a dropped softmax is noted");
    }
}

#[test]
fn imported_models_survive_our_export() {
    for (name, path, expected) in fixtures() {
        let Expected::Computed { dims, .. } = expected else { continue };
        let network = import::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let bytes = veilbench_networks::export::to_bytes(&network).unwrap();
        assert_eq!(import::parse(&bytes, &name).unwrap(), network, "{name}");
        let (_, images) = both_orders(&dims, network.architecture.input);
        let ours = evaluate::<f32>(&network, &images).unwrap();
        let theirs = Reference::new(&network).unwrap().logits(&images).unwrap();
        let difference = difference(ours.data(), theirs.data());
        assert!(difference < TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn tract_computes_the_same_from_the_original_files_it_can_load() {
    let mut loaded = 0;
    for (name, path, expected) in fixtures() {
        let Expected::Computed { dims, logits, .. } = expected else { continue };
        let shape = match dims[..] {
            [features] => Shape::Flat(features),
            [channels, height, width] => Shape::Image { channels, height, width },
            _ => continue,
        };
        let bytes = std::fs::read(&path).unwrap();
        let (in_file, _) = both_orders(&dims, shape);
        let in_file = Tensor::new(2, shape, in_file).unwrap();
        let theirs =
            match Reference::from_bytes(&bytes, shape).and_then(|reference| reference.logits(&in_file)) {
                Ok(logits) => logits,
                Err(error) => {
                    println!("tract skips {name}: {error}");
                    continue;
                }
            };
        if theirs.shape() != Shape::Flat(logits[0].len()) {
            println!("tract skips {name}: its first output is not the logits");
            continue;
        }
        let difference = difference(&logits.concat(), theirs.data());
        assert!(difference < TOLERANCE, "{name}: {difference}");
        loaded += 1;
    }
    assert!(loaded > 25, "tract loaded {loaded} models only");
}

#[test]
fn what_cannot_be_represented_is_refused_by_name() {
    for (name, path, expected) in fixtures() {
        let Expected::Refused { refused } = expected else { continue };
        let error = match import::read(&path) {
            Ok(network) => panic!("{name} was imported as {:?}", network.architecture),
            Err(error) => error.to_string(),
        };
        let file = format!("{name}.onnx");
        for fragment in refused.iter().chain([&file]) {
            assert!(error.contains(fragment), "{name}: {fragment:?} is not in: {error}");
        }
    }
}

#[test]
fn one_logit_is_read_as_two_with_halved_ranges_and_two_class_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |name: &str| import::read(&folder.join(name)).unwrap();
    let stated = |network: &Network| -> Vec<_> {
        network.architecture.layers.iter().filter_map(|layer| layer.range).map(|r| (r.low, r.high)).collect()
    };

    let dense = read("binary-dense-sigmoid-13.onnx");
    assert_eq!(dense.architecture.classes(), 2);
    assert_eq!(dense.metadata.classes, ["not sick", "sick"]);
    assert_eq!(stated(&dense), [(0.0, 2.0), (-1.5, 1.5)]);
    assert!(dense.metadata.notes["import.binary"].contains("above one half"));

    let pooled = read("binary-pooled-13.onnx");
    assert_eq!(pooled.metadata.classes, ["well", "sick"]);
    assert_eq!(stated(&pooled), [(-2.0, 2.0), (-1.0, 1.0), (-1.0, 1.0)]);
}
