//! Which images are accepted.

use veilbench_networks::{Architecture, Range, Tensor};

use veilbench_api::Error;

/// The calibrated range of pixels. Shape, number and finiteness of images are the runner's to check.
pub(crate) struct ImageRange {
    range: Option<Range>,
}

impl ImageRange {
    pub(crate) fn of(architecture: &Architecture) -> Self {
        Self { range: architecture.input_range }
    }

    /// The batch, if its values are near the calibrated range.
    ///
    /// Half a range beyond either end is accepted: images to calibrate with need not have the darkest or brightest pixel
    /// there is, and results are checked on their own. What is further off was not normalised as the network expects.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with all images that hold values too far off; [`Error::Protocol`] without images.
    pub(crate) fn check<'a>(&self, images: Option<&'a Tensor>) -> Result<&'a Tensor, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        let Some(range) = self.range else { return Ok(images) };
        let slack = (range.high - range.low) / 2.0;
        let outside = |value: &f32| !(range.low - slack..=range.high + slack).contains(value);
        let Some(at) = images.data().iter().position(outside) else { return Ok(images) };
        let concerned =
            (0..images.images()).filter(|&image| images.image(image).iter().any(outside)).collect();
        let length = images.shape().len().max(1);
        Err(Error::OutOfRange {
            images: concerned,
            reason: format!(
                "value {} of image {} is {}, far from the calibrated range of {} to {}: normalise images as the network \
                 expects, or calibrate it with images like these",
                at % length,
                at / length,
                images.data()[at],
                range.low,
                range.high
            ),
        })
    }
}
