//! Images of legal pixels that no camera takes: each is answered as the clear network answers it, or refused by name.

use veilbench_datasets::{Split, Store, load};
use veilbench_networks::evaluate::evaluate;

use super::real_images::normalised;
use super::*;

/// A difference of a logit beyond this, relative to the largest one, is an overflow, not a rounding.
const ROUNDING: f64 = 1.0 / 64.0;

/// Pixels from 0 to 255 of every kind of image that is far from those the networks were trained on.
fn unusual(real: &[u8], shape: veilbench_networks::Shape, seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    let plane = shape.values_per_channel();
    let side = (plane as f64).sqrt() as usize;
    let noise = noise(seed, shape.len());
    let by_place = |value: &dyn Fn(usize, usize, usize) -> bool| -> Vec<u8> {
        let place = |at: usize| value(at / plane, at % plane / side, at % side);
        (0..shape.len()).map(|at| if place(at) { 255 } else { 0 }).collect()
    };
    vec![
        ("as it is", real.to_vec()),
        ("black", vec![0; shape.len()]),
        ("white", vec![255; shape.len()]),
        ("inverted", real.iter().map(|pixel| 255 - pixel).collect()),
        ("striped", by_place(&|_, row, _| row % 2 == 0)),
        ("in wide stripes", by_place(&|_, _, column| column / 4 % 2 == 0)),
        ("a checkerboard", by_place(&|channel, row, column| (row + column + channel) % 2 == 0)),
        ("noise", noise.iter().map(|word| *word as u8).collect()),
        (
            "black and white noise",
            noise.iter().map(|word| if word >> 9 & 1 == 1 { 255 } else { 0 }).collect(),
        ),
    ]
}

fn noise(seed: u64, count: usize) -> Vec<u64> {
    use rand::{RngExt, SeedableRng};
    let mut generator = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
    (0..count).map(|_| generator.random()).collect()
}

/// Flips blocks of black and white pixels as long as that makes the largest logit larger.
fn climbed(network: &Network, start: &[u8], seed: u64) -> Vec<u8> {
    let shape = network.architecture.input;
    let (plane, block) = (shape.values_per_channel(), 4);
    let side = (plane as f64).sqrt() as usize;
    let height = |pixels: &[u8]| {
        let image = Tensor::new(1, shape, normalised(network, pixels)).unwrap();
        let logits: Tensor<f64> = evaluate(network, &image).unwrap();
        logits.data().iter().fold(0f64, |most, logit| most.max(logit.abs()))
    };
    let (mut best, mut pixels) = (height(start), start.to_vec());
    for step in noise(seed, 120) {
        let (row, column) =
            (step as usize % side / block * block, (step >> 16) as usize % side / block * block);
        let channel = (step >> 32) as usize % (shape.len() / plane);
        let mut changed = pixels.clone();
        for (row, column) in (0..block * block).map(|at| (row + at / block, column + at % block)) {
            if row < side && column < side {
                changed[channel * plane + row * side + column] ^= 255;
            }
        }
        let reached = height(&changed);
        if reached > best {
            (best, pixels) = (reached, changed);
        }
    }
    pixels
}

/// Answers right or refused, and how many were refused.
fn answered_or_refused(
    backend: &dyn Backend,
    network: &Network,
    images: &[(&'static str, Vec<u8>)],
) -> Vec<usize> {
    let shape = network.architecture.input;
    let pixels = images.iter().flat_map(|(_, pixels)| normalised(network, pixels)).collect();
    let batch = Tensor::new(images.len(), shape, pixels).unwrap();
    let mut session = LocalSession::new(backend, network, images.len());
    session.timeout = Duration::from_secs(120);
    let mut done = session.run(std::slice::from_ref(&batch)).unwrap();
    let who = format!("{} on {}", backend.profile().name, network.architecture.name);
    assert!(
        done[1..].iter().all(|role| role.error.is_none()),
        "{who}: the refusal is the data owner's alone"
    );
    let (refused, kept) = match done[0].error.take() {
        None => (Vec::new(), batch.clone()),
        Some(Error::OutOfRange { images: refused, reason }) => {
            assert!(!refused.is_empty() && refused.iter().all(|image| *image < images.len()), "{reason}");
            assert!(done[0].logits.is_empty(), "{who}: logits of a refused batch");
            (refused.clone(), without(&batch, &refused))
        }
        Some(error) => panic!("{who}: {error}"),
    };
    let answers = if refused.is_empty() {
        done.remove(0).logits.remove(0)
    } else if kept.images() == 0 {
        return refused;
    } else {
        let session = LocalSession { job: LocalSession::new(backend, network, kept.images()).job, ..session };
        let mut done = session.run(std::slice::from_ref(&kept)).unwrap();
        assert!(done[0].error.is_none(), "{who}: {:?} after the refused were left out", done[0].error);
        done.remove(0).logits.remove(0)
    };
    let clear: Tensor<f64> = evaluate(network, &kept).unwrap();
    let names = images.iter().enumerate().filter(|(at, _)| !refused.contains(at)).map(|(_, (name, _))| *name);
    for (at, name) in names.enumerate() {
        let (due, got) = (clear.image(at), answers.image(at));
        let largest = due.iter().fold(1f64, |most, logit| most.max(logit.abs()));
        for (due, got) in due.iter().zip(got) {
            let error = (due - f64::from(*got)).abs();
            assert!(error <= ROUNDING * largest, "{who}, {name}: {got} where the clear network has {due}");
        }
    }
    refused
}

fn without(batch: &Tensor, left_out: &[usize]) -> Tensor {
    let size = batch.shape().len();
    let kept = batch.data().chunks_exact(size).enumerate().filter(|(at, _)| !left_out.contains(at));
    let values: Vec<f32> = kept.flat_map(|(_, image)| image.to_vec()).collect();
    Tensor::new(batch.images() - left_out.len(), batch.shape(), values).unwrap()
}

fn sample(data: &str) -> veilbench_datasets::Dataset {
    load(&Store::new("none", "none"), &format!("{data}-sample"), Split::Test).unwrap().subset(4, 0).unwrap()
}

#[test]
fn unusual_images_are_answered_as_in_the_clear_or_refused_by_name() {
    for name in zoo::names() {
        let network = zoo::load(name).unwrap();
        let shape = network.architecture.input;
        let real: Vec<u8> = match name.split('-').next() {
            Some(data @ ("mnist" | "malaria")) => sample(data).image(0).to_vec(),
            Some("cifar") => sample("cifar10-jpeg").image(0).to_vec(),
            // There is no sample of the others: spots on a bright ground.
            _ => (0..shape.len()).map(|at| if at % 64 / 20 == 1 { 90 } else { 200 }).collect(),
        };
        let mut images = unusual(&real, shape, 1);
        images.push(("climbed from noise", climbed(&network, &images[8].1.clone(), 2)));
        images.push(("climbed from a checkerboard", climbed(&network, &images[6].1.clone(), 3)));
        for backend in backends() {
            let refused = answered_or_refused(backend.as_ref(), &network, &images);
            let names: Vec<_> = refused.iter().map(|image| images[*image].0).collect();
            println!("{} on {name} refuses {names:?}", backend.profile().name);
            // Look-alikes of other images are no images like those of training.
            let ordinary = name.starts_with("mnist") || name.starts_with("malaria");
            assert!(!(ordinary && refused.contains(&0)), "an ordinary image was refused");
        }
    }
}

#[test]
fn pixels_beyond_the_declared_range_are_refused_before_anything_is_sent() {
    let network = test_networks::all().remove(0);
    let images = test_networks::images(&network, 3, 3);
    let mut values = images.data().to_vec();
    values[images.shape().len()] = 1e3;
    let images = Tensor::new(3, images.shape(), values).unwrap();
    for backend in backends() {
        let mut session = LocalSession::new(backend.as_ref(), &network, 3);
        session.timeout = Duration::from_secs(1);
        let done = session.run(std::slice::from_ref(&images)).unwrap();
        match &done[0].error {
            Some(Error::OutOfRange { images, .. }) => assert_eq!(images, &[1]),
            other => panic!("{other:?}"),
        }
    }
}

/// Puts a pixel into the second of three images behind the runner, which lets no pixel pass that is no number.
pub(crate) struct Spoilt<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) pixel: f32,
}

impl Backend for Spoilt<'_> {
    fn profile(&self) -> Profile {
        self.backend.profile()
    }

    fn settings(&self) -> &'static [Setting] {
        self.backend.settings()
    }

    fn local_session_settings(&self) -> Settings {
        self.backend.local_session_settings()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        self.backend.plan(architecture, job)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let input = role.architecture.input;
        Ok(Box::new(SpoiltParty { party: self.backend.join(role)?, input, pixel: self.pixel }))
    }
}

struct SpoiltParty {
    party: Box<dyn Party>,
    input: veilbench_networks::Shape,
    pixel: f32,
}

impl Party for SpoiltParty {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.party.offline(images)
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let Some(images) = images else { return self.party.online(None) };
        let mut pixels = images.data().to_vec();
        pixels[images.data().len() / 3] = self.pixel;
        let spoilt = Tensor::new(images.images(), self.input, pixels).unwrap();
        self.party.online(Some(&spoilt))
    }
}

#[test]
fn pixels_that_are_no_numbers_are_refused_by_the_number_of_their_image() {
    let network = test_networks::all().remove(0);
    let images = test_networks::images(&network, 3, 5);
    for backend in backends() {
        for pixel in [f32::NAN, f32::INFINITY] {
            let spoilt = Spoilt { backend: backend.as_ref(), pixel };
            let session = LocalSession::new(&spoilt, &network, 3);
            let error = &session.run(std::slice::from_ref(&images)).unwrap()[0].error;
            let is_named = matches!(error, Some(Error::OutOfRange { images, .. }) if *images == [1]);
            assert!(is_named, "{}: {error:?}", spoilt.profile().name);
        }
    }
}
