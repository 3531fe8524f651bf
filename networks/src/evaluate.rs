//! The clear evaluator: plain loops over the IR in `f32` or `f64`, the oracle every private backend
//! is checked against.
//!
//! Images are spread over the ambient rayon pool; the result does not depend on the number of
//! threads. Of one image, the output of a layer is kept until the last layer that reads it is computed.

mod kernels;
mod real;
mod step;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use thiserror::Error;

use crate::network::NetworkError;
use crate::{Network, Range, Shape, Tensor};
use step::{Live, Step};

pub use real::Real;

/// Why a network was not evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The network does not pass [`Network::check`].
    #[error("the network cannot be evaluated: {0}")]
    Network(#[from] NetworkError),
    /// The images are not of the network's input shape.
    #[error("the network takes images of {expected}, not {found}")]
    Input {
        /// Shape that the network takes.
        expected: Shape,
        /// Shape of the images.
        found: Shape,
    },
    /// There is no image to take a range from.
    #[error("the ranges of no images at all are undefined: pass at least one")]
    NoImages,
    /// The network computes a value that is not finite for one of the images.
    #[error("{place} is not finite for some calibration image")]
    NotFinite {
        /// `the input`, or the layer.
        place: String,
    },
}

/// Computes the logits of a batch, `images x classes`.
///
/// # Errors
/// [`EvaluateError::Network`] or [`EvaluateError::Input`].
pub fn evaluate<T: Real>(network: &Network, images: &Tensor) -> Result<Tensor<T>, EvaluateError> {
    Evaluator::new(network)?.evaluate(images)
}

/// Computes the output of every layer for a batch, in layer order, each `images x` the layer's shape. Holds them all at once: for
/// whole test sets see [`ranges`] or go batch by batch.
///
/// # Errors
/// [`EvaluateError::Network`] or [`EvaluateError::Input`].
pub fn trace<T: Real>(network: &Network, images: &Tensor) -> Result<Vec<Tensor<T>>, EvaluateError> {
    Evaluator::new(network)?.trace(images)
}

/// Fills the `input_range` and every layer's `range` with the smallest and largest value seen over
/// the calibration images, evaluated in `f32`.
///
/// # Errors
/// [`EvaluateError`]: any of them.
pub fn ranges(network: &mut Network, images: &Tensor) -> Result<(), EvaluateError> {
    ranges_telling(network, images, |_| ())
}

/// [`ranges`], which says after each image how many are done: those of a large network take minutes.
///
/// # Errors
/// As [`ranges`].
pub fn ranges_telling(
    network: &mut Network,
    images: &Tensor,
    done: impl Fn(usize) + Sync,
) -> Result<(), EvaluateError> {
    let seen = Evaluator::<f32>::new(network)?.ranges(images, done)?;
    let architecture = &mut network.architecture;
    architecture.input_range = seen.first().copied();
    for (layer, range) in architecture.layers.iter_mut().zip(&seen[1..]) {
        layer.range = Some(*range);
    }
    Ok(())
}

/// A checked network with its weights in the evaluator's precision, for repeated use.
#[derive(Debug)]
pub struct Evaluator<T> {
    input: Shape,
    steps: Vec<Step<T>>,
}

impl<T: Real> Evaluator<T> {
    /// Checks the network and converts its weights.
    ///
    /// # Errors
    /// [`EvaluateError::Network`].
    pub fn new(network: &Network) -> Result<Self, EvaluateError> {
        network.check()?;
        Ok(Self { input: network.architecture.input, steps: step::steps(network) })
    }

    /// Computes the logits of a batch, `images x classes`.
    ///
    /// # Errors
    /// [`EvaluateError::Input`].
    pub fn evaluate(&self, images: &Tensor) -> Result<Tensor<T>, EvaluateError> {
        self.check_input(images)?;
        let logits = self.par_images(images, |image| self.walk(image, |_, _| ())).flatten_iter().collect();
        Ok(self.batch(images.images(), self.steps.len() - 1, logits))
    }

    /// Computes the output of every layer for a batch, in layer order, each `images x` the layer's shape.
    ///
    /// # Errors
    /// [`EvaluateError::Input`].
    pub fn trace(&self, images: &Tensor) -> Result<Vec<Tensor<T>>, EvaluateError> {
        self.check_input(images)?;
        let traces: Vec<Vec<Vec<T>>> = self
            .par_images(images, |image| {
                let mut layers = Vec::with_capacity(self.steps.len());
                self.walk(image, |_, values| layers.push(values.to_vec()));
                layers
            })
            .collect();
        let layer = |index: usize| {
            let values = traces.iter().flat_map(|layers| &layers[index]).copied().collect();
            self.batch(images.images(), index, values)
        };
        Ok((0..self.steps.len()).map(layer).collect())
    }

    /// Ranges of the input and of every layer's output.
    fn ranges(&self, images: &Tensor, done: impl Fn(usize) + Sync) -> Result<Vec<Range>, EvaluateError> {
        self.check_input(images)?;
        let count = AtomicUsize::new(0);
        let of_image = |image: &[f32]| {
            let mut ranges = vec![range(image.iter().copied())];
            self.walk(image, |_, values| ranges.push(range(values.iter().map(|value| value.to_f32()))));
            done(count.fetch_add(1, Ordering::Relaxed) + 1);
            ranges
        };
        let widest = self.par_images(images, of_image).reduce_with(|mut all, one| {
            for (all, one) in all.iter_mut().zip(one) {
                *all = Range { low: all.low.min(one.low), high: all.high.max(one.high) };
            }
            all
        });
        let ranges = widest.ok_or(EvaluateError::NoImages)?;
        match ranges.iter().position(|range| !(range.low.is_finite() && range.high.is_finite())) {
            None => Ok(ranges),
            Some(0) => Err(EvaluateError::NotFinite { place: "the input".into() }),
            Some(index) => {
                Err(EvaluateError::NotFinite { place: format!("layer {:?}", self.steps[index - 1].name) })
            }
        }
    }

    fn check_input(&self, images: &Tensor) -> Result<(), EvaluateError> {
        let (expected, found) = (self.input, images.shape());
        if expected == found { Ok(()) } else { Err(EvaluateError::Input { expected, found }) }
    }

    fn par_images<'a, R: Send>(
        &'a self,
        images: &'a Tensor,
        one: impl Fn(&[f32]) -> R + Sync + Send + 'a,
    ) -> impl IndexedParallelIterator<Item = R> + 'a {
        (0..images.images()).into_par_iter().map(move |index| one(images.image(index)))
    }

    /// Evaluates one image, shows every layer's output to `see` and returns the last.
    fn walk(&self, image: &[f32], mut see: impl FnMut(usize, &[T])) -> Vec<T> {
        let mut live = Live::new(image.iter().map(|&value| T::from_f32(value)).collect(), self.steps.len());
        for (index, step) in self.steps.iter().enumerate() {
            let values = step.apply(&mut live);
            see(index, &values);
            live.keep(index, values);
        }
        live.into_last()
    }

    fn batch(&self, images: usize, layer: usize, values: Vec<T>) -> Tensor<T> {
        Tensor::from_images(images, self.steps[layer].output, values)
    }
}

/// NaN if any value is: a plain minimum would hide it.
fn range(values: impl Iterator<Item = f32>) -> Range {
    values.fold(Range { low: f32::INFINITY, high: f32::NEG_INFINITY }, |seen, value| {
        if value.is_nan() || seen.low.is_nan() {
            return Range { low: f32::NAN, high: f32::NAN };
        }
        Range { low: seen.low.min(value), high: seen.high.max(value) }
    })
}
