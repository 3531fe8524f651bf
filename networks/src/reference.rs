//! A second opinion, and the engine of the clear backend: tract.

use std::sync::Arc;

use rayon::prelude::*;
use thiserror::Error;
use tract_onnx::prelude::*;

use crate::network::NetworkError;
use crate::{Network, Shape, Tensor};

/// Why tract did not compute logits.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The network does not pass [`Network::check`].
    #[error("the network cannot be handed to tract: {0}")]
    Network(#[from] NetworkError),
    /// tract refuses the model, or fails to run it.
    #[error("tract cannot {doing} the model: {reason}")]
    Tract {
        /// `load` or `run`.
        doing: &'static str,
        /// What tract said.
        reason: String,
    },
    /// The images are not of the model's input shape.
    #[error("the model takes images of {expected}, not {found}")]
    Input {
        /// Shape that the model takes.
        expected: Shape,
        /// Shape of the images.
        found: Shape,
    },
}

/// Images in one run of a plan with a symbolic batch: enough for its matrices to be matrices.
const IMAGES_PER_RUN: usize = 64;

/// A model optimised by tract.
///
/// Runs on the ambient rayon pool: a batch is split over its threads, each of which runs a plan whose
/// batch is symbolic. Measured, such a plan takes within 15 % of the time of one for exactly that batch,
/// also for one image; image by image, dense networks take four times as long and convolutions the same.
#[derive(Clone, Debug)]
pub struct Reference {
    plan: Arc<TypedSimplePlan>,
    images_per_run: usize,
    input: Shape,
    output: Shape,
}

impl Reference {
    /// Hands the network to tract as the ONNX file that [`export`](crate::export) makes of it.
    ///
    /// # Errors
    /// [`ReferenceError::Network`], and [`ReferenceError::Tract`] if tract does not take it.
    pub fn new(network: &Network) -> Result<Self, ReferenceError> {
        let bytes = crate::export::to_bytes(network)?;
        let architecture = &network.architecture;
        let (input, output) = (architecture.input, architecture.output());
        // Some of tract's rewrites fail on a symbolic batch, and some of those on a batch of one too.
        let (plan, images_per_run) = plan(&bytes, None, true)
            .map(|plan| (plan, IMAGES_PER_RUN))
            .or_else(|_| plan(&bytes, Some(input), true).map(|plan| (plan, 1)))
            .or_else(|_| plan(&bytes, Some(input), false).map(|plan| (plan, 1)))
            .map_err(|error| failure("load", &error))?;
        Ok(Self { plan, images_per_run, input, output })
    }

    /// Hands an ONNX file to tract as it is, for one image at a time. `input` has the file's own axes,
    /// be they channels last; the logits are those of its first output, as a vector. tract trusts its
    /// files: try [`import`](crate::import) first.
    ///
    /// # Errors
    /// [`ReferenceError::Tract`] if tract does not take it.
    pub fn from_bytes(bytes: &[u8], input: Shape) -> Result<Self, ReferenceError> {
        let load = || {
            let plan = plan(bytes, Some(input), true)?;
            let fact = plan.model().output_fact(0)?;
            let values: usize = fact.shape.as_concrete().map_or(0, |dims| dims.iter().product());
            Ok((plan, values))
        };
        let (plan, values) = load().map_err(|error: TractError| failure("load", &error))?;
        Ok(Self { plan, images_per_run: 1, input, output: Shape::Flat(values) })
    }

    /// Computes the logits of a batch, `images x classes`.
    ///
    /// # Errors
    /// [`ReferenceError::Input`], and [`ReferenceError::Tract`] if tract fails.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor, ReferenceError> {
        let (expected, found) = (self.input, images.shape());
        if expected != found {
            return Err(ReferenceError::Input { expected, found });
        }
        let count = images.images();
        let a_thread = count.div_ceil(rayon::current_num_threads());
        let run_length = a_thread.clamp(1, self.images_per_run) * self.input.len();
        let runs = || images.data().chunks(run_length);
        let logits: Result<Vec<Vec<f32>>, TractError> = if count * self.input.len() <= run_length {
            runs().map(|images| self.run(images)).collect()
        } else {
            runs().collect::<Vec<_>>().into_par_iter().map(|images| self.run(images)).collect()
        };
        let logits = logits.map_err(|error| failure("run", &error))?;
        Ok(Tensor::from_images(count, self.output, logits.concat()))
    }

    /// The logits of images that fit one run.
    fn run(&self, images: &[f32]) -> TractResult<Vec<f32>> {
        let count = images.len() / self.input.len();
        let dims = [vec![count], self.input.dims()].concat();
        let input = tract_onnx::prelude::Tensor::from_shape(&dims, images)?;
        let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
        let logits = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?;
        let expected = count * self.output.len();
        if logits.len() != expected {
            return Err(TractError::msg(format!("{} values instead of {expected}", logits.len())));
        }
        Ok(logits.to_vec())
    }
}

/// `one` fixes the input to one image of a shape; without it the file's own declaration holds.
fn plan(mut bytes: &[u8], one: Option<Shape>, optimised: bool) -> TractResult<Arc<TypedSimplePlan>> {
    let mut model = onnx().model_for_read(&mut bytes)?;
    if let Some(shape) = one {
        let dims = [vec![1], shape.dims()].concat();
        model = model.with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), dims))?;
    }
    let first = model.output_outlets()?[..1].to_vec();
    model.select_output_outlets(&first)?;
    if optimised { model.into_optimized()?.into_runnable() } else { model.into_typed()?.into_runnable() }
}

fn failure(doing: &'static str, error: &TractError) -> ReferenceError {
    ReferenceError::Tract { doing, reason: format!("{error:#}") }
}
