//! Generated images that look enough like cells, skin and objects to exercise everything but accuracy.
//!
//! Only exact operations (integers, and `+ - * /` and `sqrt` of IEEE 754), so that every platform
//! makes the same pixels.

use crate::sets::{cifar, malaria, melanoma};
use crate::{Dataset, Split};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const CELLS: usize = 200;
const LESIONS: usize = 100;
const OBJECTS: usize = 200;

type Colour = [f64; 3];

/// Stained red cells on black; those labelled 1 have one to three dark parasites.
pub(crate) fn cells(split: Split) -> Dataset {
    fill(malaria::empty("malaria"), split, CELLS, |draw, label| {
        let side = malaria::SIDE as f64;
        let disc = Blob {
            x: draw.between(0.46, 0.54) * side,
            y: draw.between(0.46, 0.54) * side,
            radius: draw.between(0.40, 0.48) * side,
            edge: 1.2,
            colour: draw.near([205.0, 150.0, 160.0], 18.0),
        };
        let parasites = if label == 1 { 1 + draw.below(3) } else { 0 };
        let mut blobs = vec![disc];
        for _ in 0..parasites {
            let (dx, dy) = draw.in_disc(0.6 * disc.radius);
            let radius = draw.between(1.6, 3.4);
            let colour = draw.near([110.0, 50.0, 125.0], 14.0);
            blobs.push(Blob { x: disc.x + dx, y: disc.y + dy, radius, edge: 1.5, colour });
        }
        Scene { background: [0.0; 3], blobs, noise: 3.0 }
    })
}

/// Lesions on skin; those labelled 1 are darker, larger, and of many overlapping parts.
pub(crate) fn lesions(split: Split) -> Dataset {
    fill(melanoma::empty(), split, LESIONS, |draw, label| {
        let side = melanoma::SIDE as f64;
        let (parts, spread, radius, colour) = match label {
            0 => (3, 0.04, draw.between(0.14, 0.22), [150.0, 100.0, 80.0]),
            _ => (9, 0.16, draw.between(0.11, 0.19), [95.0, 60.0, 60.0]),
        };
        let (x, y) = (draw.between(0.4, 0.6) * side, draw.between(0.4, 0.6) * side);
        let blobs = (0..parts).map(|_| {
            let (dx, dy) = draw.in_disc(spread * side);
            let radius = radius * side * draw.between(0.7, 1.1);
            let (edge, colour) = (draw.between(1.0, 4.0), draw.near(colour, 8.0 + 22.0 * f64::from(label)));
            Blob { x: x + dx, y: y + dy, radius, edge, colour }
        });
        let blobs = blobs.collect();
        Scene { background: draw.near([220.0, 175.0, 155.0], 15.0), blobs, noise: 5.0 }
    })
}

/// Objects before a background: those with an even label are one part, the others several, and every pair of labels
/// has a colour of its own.
pub(crate) fn objects(split: Split) -> Dataset {
    const COLOURS: [Colour; 5] = [
        [200.0, 205.0, 215.0],
        [170.0, 60.0, 50.0],
        [120.0, 90.0, 60.0],
        [70.0, 120.0, 60.0],
        [60.0, 80.0, 140.0],
    ];
    fill(cifar::empty("cifar10"), split, OBJECTS, |draw, label| {
        let side = cifar::SIDE as f64;
        let parts = if label % 2 == 0 { 1 } else { 4 };
        let (x, y) = (draw.between(0.4, 0.6) * side, draw.between(0.4, 0.6) * side);
        let blobs = (0..parts).map(|_| {
            let (dx, dy) = draw.in_disc(0.2 * side);
            let radius = draw.between(0.3, 0.4) * side / f64::from(parts).sqrt();
            let colour = draw.near(COLOURS[usize::from(label / 2) % COLOURS.len()], 20.0);
            Blob { x: x + dx, y: y + dy, radius, edge: draw.between(1.0, 3.0), colour }
        });
        let blobs = blobs.collect();
        Scene { background: draw.near([130.0, 140.0, 140.0], 60.0), blobs, noise: 8.0 }
    })
}

fn fill(
    mut dataset: Dataset,
    split: Split,
    images: usize,
    scene: impl Fn(&mut Draw, u8) -> Scene,
) -> Dataset {
    let mut draw = Draw::new(split);
    for _ in 0..images {
        let label = draw.below(dataset.classes.len() as u32) as u8;
        let scene = scene(&mut draw, label);
        scene.paint(&mut draw, dataset.height, &mut dataset.pixels);
        dataset.labels.push(label);
    }
    dataset.synthetic = true;
    dataset
}

struct Scene {
    background: Colour,
    blobs: Vec<Blob>,
    noise: f64,
}

#[derive(Clone, Copy)]
struct Blob {
    x: f64,
    y: f64,
    radius: f64,
    /// Width of the border in pixels.
    edge: f64,
    colour: Colour,
}

impl Blob {
    /// How opaque the blob is at the centre of a pixel.
    fn cover(&self, x: usize, y: usize) -> f64 {
        let (dx, dy) = (x as f64 + 0.5 - self.x, y as f64 + 0.5 - self.y);
        let inside = self.radius - (dx * dx + dy * dy).sqrt();
        (inside / self.edge + 0.5).clamp(0.0, 1.0)
    }
}

impl Scene {
    /// Appends three planes of `side` x `side`; black stays black.
    fn paint(&self, draw: &mut Draw, side: usize, pixels: &mut Vec<u8>) {
        let start = pixels.len();
        pixels.resize(start + 3 * side * side, 0);
        for (index, (y, x)) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))).enumerate() {
            let mut colour = self.background;
            for blob in &self.blobs {
                let cover = blob.cover(x, y);
                for (level, target) in colour.iter_mut().zip(blob.colour) {
                    *level += cover * (target - *level);
                }
            }
            let grain = draw.between(-self.noise, self.noise);
            for (channel, level) in colour.into_iter().enumerate() {
                let level = if level > 0.0 { level + grain } else { 0.0 };
                pixels[start + channel * side * side + index] = (level + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
}

struct Draw(ChaCha20Rng);

impl Draw {
    fn new(split: Split) -> Draw {
        let mut seed = [0; 32];
        seed[0] = 1 + split as u8;
        Draw(ChaCha20Rng::from_seed(seed))
    }

    fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    fn near(&mut self, colour: Colour, spread: f64) -> Colour {
        colour.map(|level| level + self.between(-spread, spread))
    }

    fn in_disc(&mut self, radius: f64) -> (f64, f64) {
        loop {
            let (x, y) = (self.between(-radius, radius), self.between(-radius, radius));
            if x * x + y * y <= radius * radius {
                return (x, y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_images_are_made_everywhere() {
        let made = [
            cells(Split::Train),
            cells(Split::Test),
            lesions(Split::Train),
            lesions(Split::Test),
            objects(Split::Train),
            objects(Split::Test),
        ];
        let expected = [
            "db163cd6cd65dd35d4e0d4fa10b8cd91641a609f2c98faf3667af138352b3207",
            "1f549938d26634030268d0f226fdfb1bac09f8655bd59ad7bb0aa7805bd75ceb",
            "d0be1e5d3bb441070b81d1127fd3b145e51492d4a5a4bc032c5ad2686b0b8be0",
            "29909b804944366569a03fc907e91bf5b2b3709e954902a230858933ea1aea9a",
            "1f671e258d320ea9787a6fb45521f4758c8a37498a067dd3b3058000c66545c4",
            "67aa7e6313cf41a5d74acb181598e8a41e986720088763d93d9ef8885431fd42",
        ];
        assert_eq!(made.map(|dataset| dataset.fingerprint()), expected);
    }

    #[test]
    fn look_alikes_say_that_they_are_synthetic_and_have_every_class() {
        for dataset in [cells(Split::Test), lesions(Split::Test), objects(Split::Test)] {
            assert!(dataset.synthetic);
            assert_eq!(dataset.pixels.len(), dataset.len() * dataset.image_len());
            let all = 0..dataset.classes.len() as u8;
            assert!(all.into_iter().all(|label| dataset.labels.contains(&label)));
        }
    }

    #[test]
    fn parasites_darken_a_cell_and_malignant_lesions_are_darker() {
        for dataset in [cells(Split::Test), lesions(Split::Test)] {
            let darkest = |label| {
                let of_label = (0..dataset.len()).filter(|&i| dataset.labels[i] == label);
                let levels: Vec<u64> =
                    of_label.map(|i| dataset.image(i).iter().map(|&p| u64::from(p)).sum()).collect();
                levels.iter().sum::<u64>() / levels.len() as u64
            };
            assert!(darkest(1) < darkest(0), "{}", dataset.id);
        }
    }
}
