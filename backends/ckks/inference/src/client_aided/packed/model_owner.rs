//! Computes the transform of every round on the ciphertexts of one image after the other.

use veilbench_ckks::{Ciphertext, Evaluator};
use veilbench_networks::Tensor;

use super::IMAGES_TOGETHER;
use crate::planning::schedule::MESSAGE_CIPHERTEXTS;
use crate::planning::scheme::Scheme;
use crate::roles::latency::{Layer, Results};
use crate::roles::throughput::receive;
use veilbench_api::{Error, Link, Party, Recorder};

/// A round with its weights encoded.
pub(super) struct Round {
    /// Ciphertexts of an image.
    pub(super) inputs: usize,
    pub(super) layer: Layer,
    pub(super) results: Results,
}

pub(super) struct ModelOwner {
    pub(super) client: Link,
    pub(super) evaluator: Evaluator,
    pub(super) scheme: Scheme,
    pub(super) rounds: Vec<Round>,
    pub(super) images: usize,
    pub(super) recorder: Recorder,
}

impl ModelOwner {
    /// Answers a round of so many images: all are received before the first result is sent, so that neither side waits
    /// for the other to read.
    fn answer(&mut self, round: usize, images: usize) -> Result<(), Error> {
        let mut answers = Vec::with_capacity(images);
        for _ in 0..images {
            let values = self.receive(self.rounds[round].inputs)?;
            answers.push(self.compute(&self.rounds[round], values)?);
        }
        for message in answers.iter().flat_map(|answer| answer.chunks(MESSAGE_CIPHERTEXTS)) {
            self.recorder.span("send", || self.client.send(&message.concat()))?;
        }
        Ok(())
    }

    fn receive(&mut self, inputs: usize) -> Result<Vec<Ciphertext>, Error> {
        let (scheme, context) = (&self.scheme, self.evaluator.context());
        let mut values = Vec::with_capacity(inputs);
        for first in (0..inputs).step_by(MESSAGE_CIPHERTEXTS) {
            let count = MESSAGE_CIPHERTEXTS.min(inputs - first);
            let bytes = count * scheme.wire_bytes(scheme.depth(), true);
            let message = self.recorder.span("wait", || self.client.receive_exactly(bytes))?;
            values.extend(self.recorder.span("receive", || receive(context, scheme, &message, count))?);
        }
        Ok(values)
    }

    /// The results of a round, as sent.
    fn compute(&self, round: &Round, values: Vec<Ciphertext>) -> Result<Vec<Vec<u8>>, Error> {
        let (evaluator, own) = (&self.evaluator, &round.results);
        self.recorder
            .span(&format!("layer:{}", round.layer.name), || {
                let results = round.layer.apply(evaluator, values, Some(own))?;
                results
                    .iter()
                    .map(|result| own.to_bytes(evaluator, result))
                    .collect::<veilbench_ckks::Result<_>>()
            })
            .map_err(Error::engine("computing a linear layer"))
    }
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        for first in (0..self.images).step_by(IMAGES_TOGETHER) {
            for round in 0..self.rounds.len() {
                self.answer(round, IMAGES_TOGETHER.min(self.images - first))?;
            }
        }
        Ok(None)
    }
}
