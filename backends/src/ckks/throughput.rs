//! Slot `i` is image `i`: one ciphertext for every value, weights are numbers, nothing rotates. What is computed
//! streams, so that memory stays bounded.

use rayon::prelude::*;
use veilbench_ckks::{Ciphertext, Context, Evaluator, Randomness, SecretKey, SeededCiphertext};
use veilbench_networks::Tensor;

use super::circuit::Circuit;
use super::schedule::{Schedule, Step};
use super::scheme::Scheme;
use crate::{Error, Link, Recorder};

/// The data owner's half.
pub(super) struct Client {
    pub(super) secret: SecretKey,
    pub(super) scheme: Scheme,
    pub(super) schedule: Schedule,
    pub(super) classes: usize,
    pub(super) logit_unit: f64,
    pub(super) recorder: Recorder,
}

impl Client {
    /// Sends the images, slots full at a time, and returns their logits, image after image.
    pub(super) fn classify(&self, server: &mut Link, images: &Tensor) -> Result<Vec<f32>, Error> {
        let slots = self.scheme.slots();
        let mut logits = Vec::with_capacity(images.images() * self.classes);
        for first in (0..images.images()).step_by(slots) {
            let batch = images.slice(first, slots.min(images.images() - first));
            for inputs in self.schedule.messages() {
                let message = self.recorder.span("encrypt", || self.encrypt(&batch, inputs))?;
                self.recorder.span("send", || server.send(&message))?;
            }
            let answer = self.recorder.span("wait", || server.receive())?;
            logits.extend(self.recorder.span("decrypt", || self.decrypt(&answer, batch.images()))?);
        }
        Ok(logits)
    }

    fn encrypt(&self, batch: &Tensor, inputs: &[u32]) -> Result<Vec<u8>, Error> {
        let context = self.secret.context();
        let one = |&input: &u32| {
            let values: Vec<f64> =
                (0..batch.images()).map(|image| f64::from(batch.image(image)[input as usize])).collect();
            encrypt(&self.secret, &values, self.scheme.input_scale(), self.scheme.depth())?
                .to_bytes(context)
                .map_err(Error::engine("writing a ciphertext"))
        };
        let parts = inputs.par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.concat())
    }

    fn decrypt(&self, answer: &[u8], images: usize) -> Result<Vec<f32>, Error> {
        let context = self.secret.context();
        let columns = split(answer, self.classes)?
            .into_par_iter()
            .map(|bytes| decrypt(&self.secret, context, bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let image = |image: usize| columns.iter().map(move |column| (column[image] * self.logit_unit) as f32);
        Ok((0..images).flat_map(image).collect())
    }
}

/// Encodes and encrypts with fresh randomness.
pub(super) fn encrypt(
    secret: &SecretKey,
    values: &[f64],
    scale: f64,
    level: usize,
) -> Result<SeededCiphertext, Error> {
    let mut random = Randomness::from_system().map_err(Error::engine("drawing randomness"))?;
    let plaintext =
        secret.context().encode(values, scale, level).map_err(Error::engine("encoding images"))?;
    secret.encrypt(&plaintext, &mut random).map_err(Error::engine("encrypting images"))
}

/// Reads and decrypts one result.
pub(super) fn decrypt(secret: &SecretKey, context: &Context, bytes: &[u8]) -> Result<Vec<f64>, Error> {
    let reading = "reading the model owner's answer";
    let ciphertext = Ciphertext::from_bytes(context, bytes).map_err(Error::engine(reading))?;
    let plaintext = secret.decrypt(&ciphertext).map_err(Error::engine(reading))?;
    context.decode(&plaintext).map_err(Error::engine(reading))
}

/// A message as its ciphertexts, which are of one length.
pub(super) fn split(message: &[u8], count: usize) -> Result<Vec<&[u8]>, Error> {
    if count == 0 || message.is_empty() || !message.len().is_multiple_of(count) {
        let reason = format!("{} bytes are no message of {count} ciphertexts", message.len());
        return Err(Error::Protocol(reason));
    }
    Ok(message.chunks_exact(message.len() / count).collect())
}

/// Reads the seeded ciphertexts of a message; each must be fresh.
pub(super) fn receive(
    context: &Context,
    scheme: &Scheme,
    message: &[u8],
    count: usize,
) -> Result<Vec<Ciphertext>, Error> {
    let reading = "reading the data owner's ciphertexts";
    let one = |bytes: &[u8]| {
        let ciphertext = SeededCiphertext::from_bytes(context, bytes)
            .and_then(|ciphertext| ciphertext.expand(context))
            .map_err(Error::engine(reading))?;
        if ciphertext.level() != scheme.depth() || ciphertext.scale() != scheme.input_scale() {
            return Err(Error::protocol(format!(
                "a ciphertext at level {} and scale 2^{:.1} came where level {} and scale 2^{} were agreed",
                ciphertext.level(),
                ciphertext.scale().log2(),
                scheme.depth(),
                scheme.input_scale_bits
            )));
        }
        Ok(ciphertext)
    };
    split(message, count)?.into_par_iter().map(one).collect()
}

/// The model owner's half.
pub(super) struct Server {
    pub(super) evaluator: Evaluator,
    pub(super) scheme: Scheme,
    pub(super) circuit: Circuit,
    pub(super) schedule: Schedule,
    pub(super) recorder: Recorder,
}

impl Server {
    /// Answers one ciphertext full of images.
    pub(super) fn answer(&self, client: &mut Link) -> Result<(), Error> {
        let mut values = Values::new(&self.schedule);
        for step in &self.schedule.steps {
            match step {
                Step::Receive(inputs) => {
                    let message = self.recorder.span("wait", || client.receive())?;
                    let context = self.evaluator.context();
                    let ciphertexts = self
                        .recorder
                        .span("receive", || receive(context, &self.scheme, &message, inputs.len()))?;
                    for (&input, ciphertext) in inputs.iter().zip(ciphertexts) {
                        values.inputs[0].put(input, ciphertext);
                    }
                }
                Step::Block { stage, block } => {
                    let name = format!("layer:{}", self.circuit.stages[*stage].name);
                    self.recorder.span(&name, || self.block(*stage, *block, &mut values))?;
                }
                Step::Squares { stage, sums } => self.squares(*stage, sums, &mut values)?,
            }
        }
        let context = self.evaluator.context();
        let logits = values.outputs.last().map_or(&[][..], |last| &last.held[..]);
        let mut message = Vec::new();
        for logit in logits.iter().flatten() {
            message.extend(logit.to_bytes(context).map_err(Error::engine("writing a ciphertext"))?);
        }
        self.recorder.span("send", || client.send(&message))?;
        Ok(())
    }

    fn block(&self, stage: usize, block: usize, values: &mut Values) -> Result<(), Error> {
        let map = &self.circuit.stages[stage].map;
        let block = &map.blocks[block];
        let inputs = values.inputs[stage].get(&block.inputs)?;
        let Some(first) = inputs.first() else { return Err(missing()) };
        let scale = self.scheme.weight_scale(self.evaluator.context(), first);
        let computing = "computing a linear layer";
        let sums =
            self.evaluator.weighted_sums(&inputs, &block.weights, scale).map_err(Error::engine(computing))?;
        let finish = |(sum, &output): (&Ciphertext, &u32)| {
            let rescaled = self.evaluator.rescale(sum)?;
            self.evaluator.add_scalar(&rescaled, map.bias[output as usize])
        };
        let results = sums
            .par_iter()
            .zip(&block.outputs)
            .map(finish)
            .collect::<veilbench_ckks::Result<Vec<_>>>()
            .map_err(Error::engine(computing))?;
        drop(inputs);
        values.inputs[stage].read(&block.inputs);
        for (&output, result) in block.outputs.iter().zip(results) {
            values.outputs[stage].put(output, result);
        }
        Ok(())
    }

    fn squares(&self, stage: usize, sums: &[u32], values: &mut Values) -> Result<(), Error> {
        let Some(activation) = &self.circuit.stages[stage].activation else { return Err(missing()) };
        let outputs = &values.outputs[stage];
        let one = |&sum: &u32| {
            let inputs = outputs.get(&activation.sums[sum as usize])?;
            self.evaluator
                .sum_of_squares(&inputs)
                .and_then(|square| self.evaluator.rescale(&square))
                .map_err(Error::engine("computing an activation"))
        };
        let name = format!("layer:{}", activation.name);
        let results =
            self.recorder.span(&name, || sums.par_iter().map(one).collect::<Result<Vec<_>, Error>>())?;
        for (&sum, result) in sums.iter().zip(results) {
            values.outputs[stage].read(&activation.sums[sum as usize]);
            values.inputs[stage + 1].put(sum, result);
        }
        Ok(())
    }
}

fn missing() -> Error {
    Error::protocol("the schedule reads a value that is not there")
}

/// All ciphertexts in memory.
struct Values {
    inputs: Vec<Held>,
    outputs: Vec<Held>,
}

/// Ciphertexts of one place in the circuit, each until it was read for the last time.
struct Held {
    held: Vec<Option<Ciphertext>>,
    uses: Vec<u32>,
}

impl Values {
    fn new(schedule: &Schedule) -> Self {
        let held = |uses: &Vec<u32>| Held { held: vec![None; uses.len()], uses: uses.clone() };
        Self {
            inputs: schedule.input_uses.iter().map(held).collect(),
            outputs: schedule.output_uses.iter().map(held).collect(),
        }
    }
}

impl Held {
    fn put(&mut self, id: u32, ciphertext: Ciphertext) {
        self.held[id as usize] = Some(ciphertext);
    }

    fn get(&self, ids: &[u32]) -> Result<Vec<&Ciphertext>, Error> {
        ids.iter().map(|&id| self.held[id as usize].as_ref().ok_or_else(missing)).collect()
    }

    fn read(&mut self, ids: &[u32]) {
        for &id in ids {
            self.uses[id as usize] = self.uses[id as usize].saturating_sub(1);
            if self.uses[id as usize] == 0 {
                self.held[id as usize] = None;
            }
        }
    }
}
