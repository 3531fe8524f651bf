//! Decoded images and deterministic subsets of them.

use crate::Error;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Which half of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Images networks are trained on.
    Train,
    /// Images accuracy is reported on.
    Test,
}

impl Split {
    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
        }
    }
}

/// Decoded images of one split, 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// One of [`IDS`](crate::IDS), or one of these with `-sample` or `-unverified` behind it.
    pub id: String,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Channels of an image.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `images x channels x height x width`.
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u8>,
    /// Whether the images are generated look-alikes: accuracy on them means nothing.
    pub synthetic: bool,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values an image has: channels x height x width.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Pixels of one image, `channels x height x width`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_len();
        &self.pixels[index * size..(index + 1) * size]
    }

    /// Places of `count` images drawn without replacement: the first `count` of a permutation that
    /// the seed and the number of images alone determine (Fisher-Yates on a ChaCha20 stream), on every
    /// platform. So a smaller draw with the same seed is the beginning of a larger one.
    ///
    /// # Errors
    /// [`Error::TooFewImages`] if there are fewer than `count`.
    pub fn draw(&self, count: usize, seed: u64) -> Result<Vec<usize>, Error> {
        draw(&self.id, self.len(), count, seed)
    }

    /// The images [`draw`](Self::draw) names.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    pub fn subset(&self, count: usize, seed: u64) -> Result<Dataset, Error> {
        Ok(self.select(&self.draw(count, seed)?))
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn select(&self, indices: &[usize]) -> Dataset {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_len());
        for &index in indices {
            pixels.extend_from_slice(self.image(index));
        }
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        Dataset { id: self.id.clone(), classes: self.classes.clone(), pixels, labels, ..*self }
    }

    /// SHA-256, in hex, of what a classifier sees: count and shape (four little-endian 64-bit numbers:
    /// images, channels, height, width), then the labels, then the pixels.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for size in [self.len(), self.channels, self.height, self.width] {
            hash.update((size as u64).to_le_bytes());
        }
        hash.update(&self.labels);
        hash.update(&self.pixels);
        hex::encode(hash.finalize())
    }
}

/// Places of `count` of `present` images; see [`Dataset::draw`].
pub(crate) fn draw(id: &str, present: usize, count: usize, seed: u64) -> Result<Vec<usize>, Error> {
    if count > present {
        return Err(Error::TooFewImages { id: id.into(), wanted: count, present });
    }
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut stream = ChaCha20Rng::from_seed(key);
    let mut order: Vec<usize> = (0..present).collect();
    for position in 0..count {
        let left = (present - position) as u128;
        let step = (u128::from(stream.next_u64()) * left) >> 64;
        order.swap(position, position + step as usize);
    }
    order.truncate(count);
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(images: usize) -> Dataset {
        Dataset {
            id: "counting".into(),
            classes: vec!["even".into(), "odd".into()],
            channels: 1,
            height: 1,
            width: 2,
            pixels: (0..images).flat_map(|i| [i as u8, (i >> 8) as u8]).collect(),
            labels: (0..images).map(|i| (i % 2) as u8).collect(),
            synthetic: false,
        }
    }

    #[test]
    fn a_small_subset_is_the_beginning_of_a_larger_one() {
        let all = counting(1000);
        let large = all.subset(100, 7).unwrap();
        let small = all.subset(10, 7).unwrap();
        assert_eq!(small.pixels, large.pixels[..20]);
        assert_eq!(small.labels, large.labels[..10]);
    }

    #[test]
    fn a_subset_repeats_no_image_and_keeps_pixels_with_their_label() {
        let all = counting(1000);
        let drawn = all.subset(1000, 1).unwrap();
        let mut seen: Vec<u16> = drawn.pixels.chunks(2).map(|p| u16::from_le_bytes([p[0], p[1]])).collect();
        for (pixel, label) in seen.iter().zip(&drawn.labels) {
            assert_eq!(pixel % 2, u16::from(*label));
        }
        assert_ne!(drawn, all);
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..1000));
    }

    #[test]
    fn another_seed_draws_other_images() {
        let all = counting(1000);
        assert_ne!(all.subset(10, 1).unwrap().pixels, all.subset(10, 2).unwrap().pixels);
    }

    #[test]
    fn more_images_than_there_are_is_an_error() {
        assert!(matches!(counting(3).subset(4, 0), Err(Error::TooFewImages { wanted: 4, present: 3, .. })));
    }

    #[test]
    fn the_fingerprint_sees_pixels_labels_and_shape() {
        let all = counting(4);
        let mut pixel = all.clone();
        pixel.pixels[0] ^= 1;
        let mut label = all.clone();
        label.labels[0] ^= 1;
        let mut shape = all.clone();
        (shape.height, shape.width) = (2, 1);
        for changed in [pixel, label, shape] {
            assert_ne!(all.fingerprint(), changed.fingerprint());
        }
        assert_eq!(all.fingerprint().len(), 64);
    }
}
