//! What is wrong with the results of a batch, image by image.

use std::ops::Range;

use crate::roles::guard::LIMIT;
use veilbench_api::Error;

/// Images whose results are refused.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    beyond: Vec<usize>,
    wrapped: Vec<Range<usize>>,
}

impl Findings {
    /// Results of one image, in units: notes it if one is beyond the limit.
    pub(crate) fn note(&mut self, image: usize, results: impl IntoIterator<Item = f64>) {
        if self.beyond.last() != Some(&image)
            && results.into_iter().any(|result| result.is_nan() || result.abs() > LIMIT)
        {
            self.beyond.push(image);
        }
    }

    /// This image was computed alone and its results wrapped.
    pub(crate) fn wrapped_alone(&mut self, image: usize) {
        self.beyond.push(image);
    }

    /// One of these images, it cannot be said which, made the results of all of them wrap.
    pub(crate) fn wrapped_together(&mut self, images: Range<usize>) {
        if images.len() == 1 {
            self.wrapped_alone(images.start);
        } else {
            self.wrapped.push(images);
        }
    }

    /// Nothing if all is well.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with what was found; `of` names the results, `alone` says how to have images computed one by
    /// one.
    pub(crate) fn into_result(self, of: &str, alone: &str) -> Result<(), Error> {
        let Self { mut beyond, wrapped } = self;
        beyond.sort_unstable();
        beyond.dedup();
        let mut reasons = Vec::new();
        if let Some(first) = beyond.first() {
            reasons.push(format!(
                "{of} of {} image(s), the first of them image {first}, are too far beyond the calibrated range, of which 2.5 \
                 times are accepted: leave these images out, or calibrate the network with images like them",
                beyond.len()
            ));
        }
        if let Some(first) = wrapped.first() {
            reasons.push(format!(
                "{of} of some of the images {} to {} exceed the last modulus, which changes those of all images computed \
                 together: which ones do, cannot be told; {alone}",
                first.start,
                first.end - 1
            ));
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Error::OutOfRange { images: beyond, reason: reasons.join("; ") })
    }
}

#[cfg(test)]
mod tests;
