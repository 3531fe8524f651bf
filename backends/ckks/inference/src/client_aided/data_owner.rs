//! Encrypts what a round reads, decrypts what comes of it, and applies the activations in the clear.

use std::ops::Range;

use rayon::prelude::*;
use veilbench_ckks::SecretKey;
use veilbench_networks::evaluate::Evaluator as ClearEvaluator;
use veilbench_networks::{Architecture, Metadata, Network, Parameters, Shape, Tensor};
use zeroize::Zeroizing;

use super::rounds::Round;
use crate::planning::schedule::MESSAGE_CIPHERTEXTS;
use crate::planning::scheme::Scheme;
use crate::roles::findings::Findings;
use crate::roles::guard::{Difference, Guard};
use crate::roles::image_range::ImageRange;
use crate::roles::throughput::{decrypt, encrypt, split};
use veilbench_api::{Error, Link, Party, Recorder};

/// A round as the data owner plays it.
pub(super) struct ClientRound {
    name: String,
    guard: Guard,
    /// How far the guard may be from the results, in units.
    tolerance: f64,
    inputs: usize,
    shape: Shape,
    units: [f64; 2],
    /// `None` after the last map.
    activations: Option<(ClearEvaluator<f32>, Shape)>,
}

impl ClientRound {
    pub(super) fn new(round: Round, guard: Guard, scheme: &Scheme) -> Result<Self, Error> {
        let tolerance = round.tolerance(scheme);
        let activations = match round.activations.last().map(|layer| layer.output) {
            None => None,
            Some(output) => {
                let parameters = vec![Parameters::None; round.activations.len()];
                let architecture = Architecture {
                    name: "activations".into(),
                    input: round.shape,
                    input_range: None,
                    layers: round.activations,
                };
                let network = Network { architecture, parameters, metadata: Metadata::default() };
                let evaluator =
                    ClearEvaluator::new(&network).map_err(Error::engine("reading the activations"))?;
                Some((evaluator, output))
            }
        };
        let (name, inputs, shape, units) = (round.name, round.map.inputs, round.shape, round.units);
        Ok(Self { name, guard, tolerance, inputs, shape, units, activations })
    }
}

pub(super) struct DataOwner {
    pub(super) server: Link,
    pub(super) secret: SecretKey,
    pub(super) scheme: Scheme,
    pub(super) rounds: Vec<ClientRound>,
    pub(super) images: ImageRange,
    pub(super) recorder: Recorder,
}

impl DataOwner {
    /// The logits of images that fill the slots at most; the first of them is image `first` of the batch.
    fn classify(&mut self, images: &Tensor, first: usize) -> Result<Tensor, Error> {
        let mut values = images.clone();
        for index in 0..self.rounds.len() {
            self.send(index, &values)?;
            let result = self.receive(index, first..first + values.images())?;
            values = match &self.rounds[index].activations {
                None => result,
                Some((evaluator, output)) => {
                    let activations = self
                        .recorder
                        .span("activations", || evaluator.evaluate(&result))
                        .map_err(Error::engine("applying activations"))?;
                    Tensor::new(result.images(), *output, activations.into_data())
                        .ok_or_else(|| Error::protocol("activations are missing"))?
                }
            };
        }
        Ok(values)
    }

    fn send(&mut self, round: usize, values: &Tensor) -> Result<(), Error> {
        let (round, context) = (&self.rounds[round], self.secret.context());
        let one = |input: usize| {
            // Slots that are left repeat the images, so that all results are those of images.
            let image = |slot: usize| f64::from(values.image(slot % values.images())[input]) / round.units[0];
            let column = Zeroizing::new((0..self.scheme.slots()).map(image).collect::<Vec<f64>>());
            encrypt(&self.secret, &column, self.scheme.input_scale(), 1)?
                .to_bytes(context)
                .map_err(Error::engine("writing a ciphertext"))
        };
        for first in (0..round.inputs).step_by(MESSAGE_CIPHERTEXTS) {
            let chunk = first..(first + MESSAGE_CIPHERTEXTS).min(round.inputs);
            let message = self
                .recorder
                .span("encrypt", || chunk.into_par_iter().map(one).collect::<Result<Vec<_>, _>>())?;
            self.recorder.span("send", || self.server.send(&message.concat()))?;
        }
        Ok(())
    }

    /// The results of a round for these images of the batch.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if one cannot be what it was decoded to, or is beyond the limit.
    fn receive(&mut self, round: usize, images: Range<usize>) -> Result<Tensor, Error> {
        let (round, context) = (&self.rounds[round], self.secret.context());
        let outputs = round.shape.len();
        let mut data = vec![0.0; images.len() * outputs];
        let mut largest = vec![0.0f64; images.len()];
        let mut difference = Difference::new(&round.guard, self.scheme.degree);
        for first in (0..=outputs).step_by(MESSAGE_CIPHERTEXTS) {
            let count = MESSAGE_CIPHERTEXTS.min(outputs + 1 - first);
            let bytes = count * self.scheme.wire_bytes(0, false);
            let message = self.recorder.span("wait", || self.server.receive_exactly(bytes))?;
            self.recorder.span("decrypt", || {
                let one = |bytes: &[u8]| decrypt(&self.secret, &self.scheme, bytes);
                let results =
                    split(&message, count)?.into_par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
                for (output, result) in (first..).zip(&results) {
                    difference.take(output, &result.coefficients);
                    if output == outputs {
                        break;
                    }
                    for (image, value) in result.slots.iter().take(images.len()).enumerate() {
                        data[image * outputs + output] = (value * round.units[1]) as f32;
                        largest[image] = largest[image].max(value.abs());
                    }
                }
                Ok::<_, Error>(())
            })?;
        }
        let mut findings = Findings::default();
        if difference.largest(self.scheme.period(context)) <= round.tolerance {
            largest.iter().zip(images.clone()).for_each(|(&value, image)| findings.note(image, [value]));
        } else {
            findings.wrapped_together(images.clone());
        }
        findings.into_result(&format!("results of layer {}", round.name), "batches of one image tell")?;
        Tensor::new(images.len(), round.shape, data).ok_or_else(|| Error::protocol("results are missing"))
    }
}

impl Party for DataOwner {
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.images.check(images)?.clone();
        let slots = self.scheme.slots();
        let mut logits = Vec::new();
        let mut shape = Shape::Flat(0);
        for first in (0..images.images()).step_by(slots) {
            let answer = self.classify(&images.slice(first, slots.min(images.images() - first)), first)?;
            shape = answer.shape();
            logits.extend(answer.into_data());
        }
        let logits = Tensor::new(images.images(), shape, logits);
        Ok(Some(logits.ok_or_else(|| Error::protocol("logits are missing"))?))
    }
}
