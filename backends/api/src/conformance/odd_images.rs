//! Images that are legal and unlike any a network was trained on: they drive values beyond calibrated ranges.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use veilbench_networks::evaluate::{EvaluateError, evaluate};
use veilbench_networks::{Network, Shape, Tensor};

/// Blocks of pixels a hill climber tries to turn black or white.
const STEPS: usize = 60;

/// Names of the images [`odd_images`] makes, in their order.
pub const ODD_IMAGES: [&str; 10] = [
    "black",
    "white",
    "inverted",
    "inverted, another",
    "striped",
    "checkered",
    "uniform noise",
    "black and white noise",
    "black and white noise, another",
    "hill-climbed",
];

/// One image for each of [`ODD_IMAGES`], as a network takes them. `ordinary` are two images or more to invert.
///
/// Pixels stay between black and white: what the network's normalisation makes of 0 and 1, or the ends of its
/// calibrated input range if it states none. The last is found by flipping blocks of pixels so long as the largest
/// logit of the clear network grows.
///
/// # Errors
/// If the network cannot be evaluated on one of them.
///
/// # Panics
/// If `ordinary` holds fewer than two images or images of another shape.
pub fn odd_images(network: &Network, ordinary: &Tensor, seed: u64) -> Result<Tensor, EvaluateError> {
    let shape = network.architecture.input;
    assert!(ordinary.images() >= 2 && ordinary.shape() == shape, "two images of {shape} to invert");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let ends = Ends::of(network);
    let fill = |grey: &mut dyn FnMut(usize) -> f32| -> Vec<f32> {
        (0..shape.len()).map(|at| ends.value(at, grey(at))).collect()
    };
    let width = match shape {
        Shape::Image { width, .. } => width,
        Shape::Flat(features) => (features as f64).sqrt() as usize,
    };
    let (row, column) = (|at: usize| at / width.max(1), |at: usize| at % width.max(1));
    let inverted = |image: usize| -> Vec<f32> {
        let values = ordinary.image(image).iter().enumerate();
        values.map(|(at, &value)| ends.value(at, 1.0 - ends.grey(at, value))).collect()
    };
    let mut images = vec![
        fill(&mut |_| 0.0),
        fill(&mut |_| 1.0),
        inverted(0),
        inverted(1),
        fill(&mut |at| f32::from(row(at) % 2 == 0)),
        fill(&mut |at| f32::from((row(at) / 2 + column(at) / 2) % 2 == 0)),
        fill(&mut |_| random.random_range(0.0..=1.0)),
    ];
    for _ in 0..2 {
        images.push(fill(&mut |_| f32::from(random.random_bool(0.5))));
    }
    let top = climbed(network, &ends, &images[images.len() - 1], &mut random)?;
    images.push(top);
    let count = images.len();
    let tensor = Tensor::new(count, shape, images.concat());
    Ok(tensor.unwrap_or_else(|| unreachable!("every image has as many values as the shape")))
}

/// What black and white are for each channel.
struct Ends {
    ends: Vec<(f32, f32)>,
    values_per_channel: usize,
}

impl Ends {
    fn of(network: &Network) -> Self {
        let shape = network.architecture.input;
        match &network.metadata.normalisation {
            Some(normalisation) => {
                let pairs = normalisation.mean.iter().zip(&normalisation.deviation);
                let ends: Vec<_> =
                    pairs.map(|(mean, deviation)| (-mean / deviation, (1.0 - mean) / deviation)).collect();
                let values_per_channel = shape.len() / ends.len().max(1);
                Self { ends, values_per_channel }
            }
            None => {
                let ends =
                    network.architecture.input_range.map_or((0.0, 1.0), |range| (range.low, range.high));
                Self { ends: vec![ends], values_per_channel: shape.len() }
            }
        }
    }

    fn at(&self, at: usize) -> (f32, f32) {
        self.ends[(at / self.values_per_channel.max(1)).min(self.ends.len() - 1)]
    }

    /// The network's value of a grey between 0, black, and 1, white.
    fn value(&self, at: usize, grey: f32) -> f32 {
        let (black, white) = self.at(at);
        black + (white - black) * grey
    }

    fn grey(&self, at: usize, value: f32) -> f32 {
        let (black, white) = self.at(at);
        ((value - black) / (white - black)).clamp(0.0, 1.0)
    }
}

/// Turns blocks of an image black or white as long as the largest logit grows.
fn climbed(
    network: &Network,
    ends: &Ends,
    start: &[f32],
    random: &mut ChaCha8Rng,
) -> Result<Vec<f32>, EvaluateError> {
    let shape = network.architecture.input;
    let height = |image: &[f32]| -> Result<f64, EvaluateError> {
        let tensor = Tensor::new(1, shape, image.to_vec());
        let tensor = tensor.unwrap_or_else(|| unreachable!("an image has as many values as the shape"));
        let logits: Tensor<f64> = evaluate(network, &tensor)?;
        Ok(logits.data().iter().fold(0.0, |largest: f64, logit| largest.max(logit.abs())))
    };
    let (mut image, mut best) = (start.to_vec(), height(start)?);
    let block = (shape.len() / 16).max(1);
    for _ in 0..STEPS {
        let (from, grey) = (random.random_range(0..=shape.len() - block), f32::from(random.random_bool(0.5)));
        let mut tried = image.clone();
        for (at, value) in tried.iter_mut().enumerate().skip(from).take(block) {
            *value = ends.value(at, grey);
        }
        let reached = height(&tried)?;
        if reached > best {
            (image, best) = (tried, reached);
        }
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::super::test_networks;
    use super::*;

    #[test]
    fn odd_images_are_legal_different_and_the_last_is_higher_than_where_it_began() {
        let network = &test_networks::all()[4];
        let ordinary = test_networks::images(network, 2, 1);
        let odd = odd_images(network, &ordinary, 3).unwrap();
        assert_eq!(odd.images(), ODD_IMAGES.len());
        assert!(odd.data().iter().all(|value| (-1.0..=1.0).contains(value)));
        let logits: Tensor<f64> = evaluate(network, &odd).unwrap();
        let largest = |image: usize| logits.image(image).iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let last = ODD_IMAGES.len() - 1;
        assert!(largest(last) > largest(last - 1));
        for (one, name) in ODD_IMAGES.iter().enumerate() {
            assert!((0..one).all(|other| odd.image(one) != odd.image(other)), "{name}");
        }
    }

    #[test]
    fn black_and_white_are_what_the_normalisation_makes_of_them() {
        let mut network = test_networks::all().remove(2);
        network.metadata.normalisation =
            Some(veilbench_networks::Normalisation { mean: vec![0.5, 0.25], deviation: vec![0.5, 0.5] });
        let ordinary = test_networks::images(&network, 2, 1);
        let odd = odd_images(&network, &ordinary, 3).unwrap();
        let half = odd.shape().len() / 2;
        assert_eq!((odd.image(0)[0], odd.image(0)[half]), (-1.0, -0.5));
        assert_eq!((odd.image(1)[0], odd.image(1)[half]), (1.0, 1.5));
    }
}
