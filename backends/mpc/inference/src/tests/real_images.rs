//! Digits and cells against the fixed-point oracle: some of the embedded sample, or every image of the test sets with
//! `VEILBENCH_ORACLE=full`, or with a network's name for that one's.

use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::evaluate::evaluate;

use super::*;

/// Images a batch: enough to fill the parties' lanes.
const BATCH: usize = 100;

#[test]
fn logits_of_real_images_are_within_two_to_the_minus_ten_of_the_oracle() {
    let chosen = std::env::var("VEILBENCH_ORACLE").ok();
    let store = Store::from_env();
    for (name, data, count) in [
        ("mnist-mlp", "mnist", 30),
        ("mnist-mlp-poly", "mnist", 30),
        ("mnist-cnn", "mnist", 30),
        ("mnist-cnn-poly", "mnist", 30),
        ("malaria-cnn", "malaria", 3),
        ("malaria-cnn-poly", "malaria", 3),
    ] {
        if chosen.as_ref().is_some_and(|chosen| chosen != "full" && chosen != name) {
            continue;
        }
        let dataset = if chosen.is_some() {
            load(store.as_ref().unwrap(), data, Split::Test).unwrap()
        } else {
            let store = Store::new("none", "none");
            load(&store, &format!("{data}-sample"), Split::Test).unwrap().subset(count, 0).unwrap()
        };
        let network = zoo::load(name).unwrap();
        furthest_of_all(&network, &dataset);
    }
}

/// Pixels as the network's metadata say.
pub(crate) fn tensor(network: &Network, dataset: &Dataset, range: Range<usize>) -> Tensor {
    let shape = network.architecture.input;
    let normalisation = network.metadata.normalisation.as_ref().unwrap();
    let planes = range.clone().flat_map(|image| dataset.image(image).chunks(shape.values_per_channel()));
    let values = planes.enumerate().flat_map(|(plane, pixels)| {
        let channel = plane % normalisation.mean.len();
        let (mean, deviation) = (normalisation.mean[channel], normalisation.deviation[channel]);
        pixels.iter().map(move |&pixel| (f32::from(pixel) / 255.0 - mean) / deviation)
    });
    Tensor::new(range.len(), shape, values.collect()).unwrap()
}

/// The values of one image of pixels from 0 to 255.
pub(super) fn normalised(network: &Network, pixels: &[u8]) -> Vec<f32> {
    let normalisation = network.metadata.normalisation.as_ref().unwrap();
    let planes = pixels.chunks(network.architecture.input.values_per_channel()).enumerate();
    let values = planes.flat_map(|(channel, plane)| {
        let (mean, deviation) = (normalisation.mean[channel], normalisation.deviation[channel]);
        plane.iter().map(move |&pixel| (f32::from(pixel) / 255.0 - mean) / deviation)
    });
    values.collect()
}

fn furthest_of_all(network: &Network, dataset: &Dataset) {
    let mut furthest = [("", 0f64); 5];
    for start in (0..dataset.len()).step_by(BATCH) {
        let images = tensor(network, dataset, start..dataset.len().min(start + BATCH));
        for (furthest, (backend, here)) in furthest.iter_mut().zip(distances(network, &images)) {
            *furthest = (backend, furthest.1.max(here));
        }
    }
    let (name, count) = (&network.architecture.name, dataset.len());
    for (backend, furthest) in furthest {
        println!("{backend} on {name}: {count} images, logits within {furthest:.2e} of the oracle");
        assert!(furthest < 2f64.powi(-10), "{backend} on {name}: off by {furthest}");
    }
}

#[test]
fn squares_of_the_sample_are_as_near_the_clear_network_as_plans_state() {
    let store = Store::new("none", "none");
    for (name, data) in
        [("mnist-mlp-poly", "mnist"), ("mnist-cnn-poly", "mnist"), ("malaria-cnn-poly", "malaria")]
    {
        let network = zoo::load(name).unwrap();
        let dataset = load(&store, &format!("{data}-sample"), Split::Test).unwrap();
        let images = tensor(&network, &dataset, 0..dataset.len().min(BATCH));
        let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
        for backend in backends() {
            let mut session = LocalSession::new(backend.as_ref(), &network, images.images());
            session.timeout = Duration::from_secs(60);
            let stated = backend.plan(&network.architecture, &session.job).unwrap().tolerance.get();
            let done = session.run(std::slice::from_ref(&images)).unwrap();
            let logits = done[0].logits[0].data();
            assert_eq!(logits.len(), clear.data().len());
            let distances = logits.iter().zip(clear.data()).map(|(own, due)| (f64::from(*own) - due).abs());
            let furthest = distances.fold(0.0, f64::max);
            let protocol = backend.profile().name;
            println!(
                "{protocol} on {name}: {} images, off by {furthest:.2e} of {stated:.2e}",
                images.images()
            );
            assert!(furthest < stated, "{protocol} on {name}: off by {furthest}, {stated} is stated");
        }
    }
}
