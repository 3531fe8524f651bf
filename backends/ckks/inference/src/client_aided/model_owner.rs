//! Computes the linear map of every round on ciphertexts.

use rayon::prelude::*;
use veilbench_ckks::{Ciphertext, Evaluator};
use veilbench_networks::Tensor;

use super::rounds::Round;
use crate::circuits::map::DenseBlock;
use crate::planning::schedule::MESSAGE_CIPHERTEXTS;
use crate::planning::scheme::Scheme;
use crate::roles::throughput::receive;
use veilbench_api::{Error, Link, Party, Recorder};

pub(super) struct ModelOwner {
    pub(super) client: Link,
    pub(super) evaluator: Evaluator,
    pub(super) scheme: Scheme,
    pub(super) rounds: Vec<Round>,
    pub(super) images: usize,
    pub(super) recorder: Recorder,
}

impl ModelOwner {
    fn answer(&mut self, round: usize) -> Result<(), Error> {
        let (round, context) = (&self.rounds[round], self.evaluator.context());
        let mut inputs: Vec<Ciphertext> = Vec::with_capacity(round.map.inputs);
        for first in (0..round.map.inputs).step_by(MESSAGE_CIPHERTEXTS) {
            let count = MESSAGE_CIPHERTEXTS.min(round.map.inputs - first);
            let bytes = count * self.scheme.wire_bytes(1, true);
            let message = self.recorder.span("wait", || self.client.receive_exactly(bytes))?;
            inputs.extend(self.recorder.span("receive", || receive(context, &self.scheme, &message, count))?);
        }
        let mut results: Vec<Vec<u8>> = vec![Vec::new(); round.map.outputs()];
        let name = format!("layer:{}", round.name);
        let done = self.recorder.span(&name, || {
            round
                .map
                .blocks
                .par_iter()
                .map(|block| self.block(round, block, &inputs))
                .collect::<Result<Vec<_>, _>>()
        })?;
        for (output, bytes) in done.into_iter().flatten() {
            results[output as usize] = bytes;
        }
        for chunk in results.chunks(MESSAGE_CIPHERTEXTS) {
            self.recorder.span("send", || self.client.send(&chunk.concat()))?;
        }
        Ok(())
    }

    fn block(
        &self,
        round: &Round,
        block: &DenseBlock,
        inputs: &[Ciphertext],
    ) -> Result<Vec<(u32, Vec<u8>)>, Error> {
        let context = self.evaluator.context();
        let sources: Vec<&Ciphertext> = block.inputs.iter().map(|&input| &inputs[input as usize]).collect();
        let computing = "computing a linear layer";
        let first = sources.first().ok_or_else(|| Error::protocol("a block without inputs"))?;
        let scale = self.scheme.weight_scale(context, first);
        let share = block.outputs.len().div_ceil(rayon::current_num_threads()).max(1);
        let rows = |(outputs, weights): (&[u32], &[f64])| -> veilbench_ckks::Result<Vec<(u32, Vec<u8>)>> {
            let sums = self.evaluator.weighted_sums(&sources, weights, scale)?;
            let finish = |(sum, &output): (&Ciphertext, &u32)| {
                let mut result = self.evaluator.rescale(sum)?;
                self.evaluator.add_scalar_assign(&mut result, round.map.bias[output as usize])?;
                Ok((output, result.to_bytes(context)?))
            };
            sums.iter().zip(outputs).map(finish).collect()
        };
        let results = block
            .outputs
            .par_chunks(share)
            .zip(block.weights.par_chunks(share * block.inputs.len()))
            .map(rows)
            .collect::<veilbench_ckks::Result<Vec<_>>>()
            .map_err(Error::engine(computing))?;
        Ok(results.into_iter().flatten().collect())
    }
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        for _ in 0..self.images.div_ceil(self.scheme.slots()) {
            for round in 0..self.rounds.len() {
                self.answer(round)?;
            }
        }
        Ok(None)
    }
}
