//! What noise does to logits, found by drawing it.

use veilbench_networks::Tensor;

/// Where a backend gets images from that it draws noise for: at most as many as it asks for, and none if there are none.
pub type ImagesAtHand<'a> = &'a dyn Fn(usize) -> Option<Tensor>;

/// How far noise takes the logits of some images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitNoise {
    /// Images it was drawn for.
    pub images: usize,
    /// Largest error of a logit.
    pub largest_error: f64,
    /// The median, over images, of the distance between the two largest logits; infinite where there is but one.
    pub median_lead: f64,
}
