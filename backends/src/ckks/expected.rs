//! Which batches are accepted.

use veilbench_networks::{Architecture, Range, Shape, Tensor};

use crate::Error;

/// The shape, size and range of a batch.
pub(super) struct Expected {
    shape: Shape,
    batch: usize,
    range: Option<Range>,
}

impl Expected {
    pub(super) fn new(architecture: &Architecture, batch: usize) -> Self {
        Self { shape: architecture.input, batch, range: architecture.input_range }
    }

    /// The batch, if it has the shape and size that were planned and finite values near the calibrated range.
    ///
    /// Half a range beyond either end is accepted: images to calibrate with need not have the darkest or brightest pixel
    /// there is, and results are checked on their own. What is further off was not normalised as the network expects.
    ///
    /// # Errors
    /// [`Error::Input`] for another shape or size and values that are no numbers; [`Error::OutOfRange`] with all images
    /// that hold values too far off.
    pub(super) fn check<'a>(&self, images: Option<&'a Tensor>) -> Result<&'a Tensor, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        if images.shape() != self.shape || images.images() == 0 || images.images() > self.batch {
            return Err(Error::Input(format!(
                "a batch of {} images of {} was given where 1 to {} images of {} were planned",
                images.images(),
                images.shape(),
                self.batch,
                self.shape
            )));
        }
        let length = self.shape.len().max(1);
        let place =
            |at: usize| format!("value {} of image {} is {}", at % length, at / length, images.data()[at]);
        if let Some(at) = images.data().iter().position(|value| !value.is_finite()) {
            return Err(Error::Input(format!("{}, which is no finite number", place(at))));
        }
        let Some(range) = self.range else { return Ok(images) };
        let slack = (range.high - range.low) / 2.0;
        let outside = |value: &f32| !(range.low - slack..=range.high + slack).contains(value);
        let Some(at) = images.data().iter().position(outside) else { return Ok(images) };
        let concerned =
            (0..images.images()).filter(|&image| images.image(image).iter().any(outside)).collect();
        Err(Error::OutOfRange {
            images: concerned,
            reason: format!(
                "{}, far from the calibrated range of {} to {}: normalise images as the network expects, or calibrate it with \
                 images like these",
                place(at),
                range.low,
                range.high
            ),
        })
    }
}
