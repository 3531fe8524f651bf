//! Images of whatever origin as the harness takes them: published sets, samples, and a user's own.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::{Dataset, Error, dataset};

/// Values of pixels, `images x channels x height x width`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Levels of 8 bits: 255 stands for one.
    Bytes(Vec<u8>),
    /// Values of more bits, scaled: white is one.
    Reals(Vec<f32>),
}

impl Pixels {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Pixels::Bytes(values) => values.len(),
            Pixels::Reals(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values with white as one.
    pub fn scaled(&self) -> Cow<'_, [f32]> {
        match self {
            Pixels::Bytes(values) => values.iter().map(|&value| f32::from(value) / 255.0).collect(),
            Pixels::Reals(values) => Cow::Borrowed(values),
        }
    }
}

/// Images of one split, with labels or without.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSet {
    /// Name of the data set.
    pub id: String,
    /// Class names, by label; of a user's data without names the labels themselves.
    pub classes: Vec<String>,
    /// Channels of an image.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `images x channels x height x width`.
    pub pixels: Pixels,
    /// One label per image, or none at all.
    pub labels: Option<Vec<u32>>,
    /// Whether the images are generated look-alikes: accuracy on them means nothing.
    pub synthetic: bool,
    /// Checksum, for a user's own images: of the files and of how they are prepared.
    pub(crate) checksum: Option<String>,
    pub(crate) images: usize,
    /// Whether `classes` are names, and not the numbers that a user's data has for labels.
    pub(crate) named: bool,
}

impl From<Dataset> for ImageSet {
    fn from(dataset: Dataset) -> Self {
        let images = dataset.len();
        let Dataset { id, classes, channels, height, width, pixels, labels, synthetic } = dataset;
        let labels = Some(labels.into_iter().map(u32::from).collect());
        let pixels = Pixels::Bytes(pixels);
        Self {
            id,
            classes,
            channels,
            height,
            width,
            pixels,
            labels,
            synthetic,
            checksum: None,
            images,
            named: true,
        }
    }
}

impl ImageSet {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.images
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.images == 0
    }

    /// Values an image has: channels x height x width.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether they are a user's own.
    pub fn is_own(&self) -> bool {
        self.checksum.is_some()
    }

    /// Whether labels stand for classes by name; else they are numbers, and [`classes`](Self::classes) repeats them.
    pub fn names_classes(&self) -> bool {
        self.named
    }

    /// Places of `count` images, as [`Dataset::draw`] has them.
    ///
    /// # Errors
    /// [`Error::TooFewImages`].
    pub fn draw(&self, count: usize, seed: u64) -> Result<Vec<usize>, Error> {
        dataset::draw(&self.id, self.images, count, seed)
    }

    /// The images [`draw`](Self::draw) names.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    pub fn subset(&self, count: usize, seed: u64) -> Result<ImageSet, Error> {
        Ok(self.select(&self.draw(count, seed)?))
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn select(&self, indices: &[usize]) -> ImageSet {
        let size = self.image_len();
        let pixels = match &self.pixels {
            Pixels::Bytes(values) => Pixels::Bytes(gathered(values, size, indices)),
            Pixels::Reals(values) => Pixels::Reals(gathered(values, size, indices)),
        };
        ImageSet {
            id: self.id.clone(),
            classes: self.classes.clone(),
            pixels,
            labels: self.labels.as_ref().map(|labels| indices.iter().map(|&index| labels[index]).collect()),
            checksum: self.checksum.clone(),
            images: indices.len(),
            ..*self
        }
    }

    /// What tells these images from others of the same name: of a user's own the checksum of files and preparation, else
    /// [`Dataset::fingerprint`].
    pub fn fingerprint(&self) -> String {
        if let Some(checksum) = &self.checksum {
            return checksum.clone();
        }
        let mut hash = Sha256::new();
        for size in [self.len(), self.channels, self.height, self.width] {
            hash.update((size as u64).to_le_bytes());
        }
        for label in self.labels.iter().flatten() {
            match u8::try_from(*label) {
                Ok(label) => hash.update([label]),
                Err(_) => hash.update(label.to_le_bytes()),
            }
        }
        match &self.pixels {
            Pixels::Bytes(values) => hash.update(values),
            Pixels::Reals(values) => values.iter().for_each(|value| hash.update(value.to_le_bytes())),
        }
        hex::encode(hash.finalize())
    }
}

fn gathered<T: Copy>(values: &[T], size: usize, indices: &[usize]) -> Vec<T> {
    let mut gathered = Vec::with_capacity(indices.len() * size);
    for &index in indices {
        gathered.extend_from_slice(&values[index * size..(index + 1) * size]);
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;
    use crate::sets::sample;

    #[test]
    fn a_published_set_keeps_its_fingerprint_draw_and_values() {
        let dataset = sample::dataset("mnist", Split::Test).unwrap();
        let set = ImageSet::from(dataset.clone());
        assert_eq!(set.fingerprint(), dataset.fingerprint());
        assert_eq!(set.draw(20, 3).unwrap(), dataset.draw(20, 3).unwrap());
        let (ours, theirs) = (set.subset(20, 3).unwrap(), dataset.subset(20, 3).unwrap());
        assert_eq!(ours, ImageSet::from(theirs.clone()));
        assert_eq!(ours.pixels.scaled()[300], f32::from(theirs.pixels[300]) / 255.0);
        assert!(matches!(set.draw(501, 0), Err(Error::TooFewImages { wanted: 501, present: 500, .. })));
    }
}
