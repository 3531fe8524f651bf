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
        /// Of the model.
        expected: Shape,
        /// Of the images.
        found: Shape,
    },
}

/// A model optimised by tract for one image at a time.
///
/// A batch is spread over the ambient rayon pool image by image: measured against plans for a whole or a
/// symbolic batch this is the fastest, and on one thread none is slower by more than noise.
#[derive(Clone, Debug)]
pub struct Reference {
    plan: Arc<TypedSimplePlan>,
    input: Shape,
    output: Shape,
}

impl Reference {
    /// Hands the network to tract as the ONNX file that [`export`](crate::export) makes of it.
    pub fn new(network: &Network) -> Result<Self, ReferenceError> {
        let bytes = crate::export::to_bytes(network)?;
        let architecture = &network.architecture;
        let plan = plan(&bytes, architecture.input).map_err(|error| failure("load", &error))?;
        Ok(Self { plan, input: architecture.input, output: architecture.output() })
    }

    /// Hands an ONNX file to tract as it is. `input` has the file's own axes, be they channels last; the
    /// logits are those of its first output, as a vector. tract trusts its files: try [`import`](crate::import) first.
    pub fn from_bytes(bytes: &[u8], input: Shape) -> Result<Self, ReferenceError> {
        let load = || {
            let plan = plan(bytes, input)?;
            let fact = plan.model().output_fact(0)?;
            let values: usize = fact.shape.as_concrete().map_or(0, |dims| dims.iter().product());
            Ok((plan, values))
        };
        let (plan, values) = load().map_err(|error: TractError| failure("load", &error))?;
        Ok(Self { plan, input, output: Shape::Flat(values) })
    }

    /// The logits of a batch.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor, ReferenceError> {
        let (expected, found) = (self.input, images.shape());
        if expected != found {
            return Err(ReferenceError::Input { expected, found });
        }
        let run = |index: usize| self.run(images.image(index)).map_err(|error| failure("run", &error));
        let count = images.images();
        let logits: Vec<Vec<f32>> = match count {
            1 => vec![run(0)?],
            _ => (0..count).into_par_iter().map(run).collect::<Result<_, _>>()?,
        };
        Ok(Tensor::from_images(count, self.output, logits.concat()))
    }

    fn run(&self, image: &[f32]) -> TractResult<Vec<f32>> {
        let input = tract_onnx::prelude::Tensor::from_shape(&batch_of_one(self.input), image)?;
        let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
        let logits = outputs[0].try_as_plain_ram()?.as_slice::<f32>()?;
        ensure_len(logits, self.output.len())?;
        Ok(logits.to_vec())
    }
}

fn ensure_len(logits: &[f32], expected: usize) -> TractResult<()> {
    if logits.len() == expected {
        Ok(())
    } else {
        Err(TractError::msg(format!("{} values instead of {expected}", logits.len())))
    }
}

fn plan(mut bytes: &[u8], input: Shape) -> TractResult<Arc<TypedSimplePlan>> {
    let fact = InferenceFact::dt_shape(f32::datum_type(), batch_of_one(input));
    let mut model = tract_onnx::onnx().model_for_read(&mut bytes)?.with_input_fact(0, fact)?;
    let first = model.output_outlets()?[..1].to_vec();
    model.select_output_outlets(&first)?;
    model.into_optimized()?.into_runnable()
}

fn batch_of_one(shape: Shape) -> Vec<usize> {
    [vec![1], shape.dims()].concat()
}

fn failure(doing: &'static str, error: &TractError) -> ReferenceError {
    ReferenceError::Tract { doing, reason: format!("{error:#}") }
}
