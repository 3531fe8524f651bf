//! Slot `i` is image `i`, or a pair of images: one ciphertext for every value, weights are numbers, nothing rotates. What is
//! computed streams, so that memory stays bounded.

use std::mem::take;
use std::ops::Range;

use rayon::prelude::*;
use veilbench_ckks::{
    Ciphertext, Context, DecodedPairs, Evaluator, Flooding, Plaintext, PublicKey, Randomness, SecretKey,
    SeededCiphertext, WeightedBlock,
};
use veilbench_networks::Tensor;
use zeroize::Zeroizing;

use crate::circuits::circuit::Circuit;
use crate::planning::schedule::{Schedule, Step};
use crate::planning::scheme::Scheme;
use crate::roles::findings::Findings;
use crate::roles::guard::{Difference, Guard};
use crate::roles::release::flood;
use veilbench_api::{Error, Link, Recorder};

/// The data owner's half.
pub(crate) struct Client {
    pub(crate) secret: SecretKey,
    pub(crate) scheme: Scheme,
    pub(crate) schedule: Schedule,
    pub(crate) guard: Guard,
    /// How far the guard may be from the logits, in units.
    pub(crate) tolerance: f64,
    pub(crate) classes: usize,
    pub(crate) logit_unit: f64,
    pub(crate) recorder: Recorder,
}

impl Client {
    /// Sends the images, as many at a time as ciphertexts hold, and returns their logits, image after image, flooded if they may
    /// be shown.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if any logit cannot be what it was decoded to, or is beyond the limit.
    pub(crate) fn classify(
        &self,
        server: &mut Link,
        images: &Tensor,
        flooding: Option<&Flooding>,
    ) -> Result<Vec<f32>, Error> {
        let answer_bytes = (self.classes + 1) * self.scheme.wire_bytes(0, false);
        let mut findings = Findings::default();
        let at_once = self.scheme.images();
        let mut logits = Vec::with_capacity(images.images() * self.classes);
        for first in (0..images.images()).step_by(at_once) {
            let batch = images.slice(first, at_once.min(images.images() - first));
            for inputs in self.schedule.messages() {
                let message = self.recorder.span("encrypt", || self.encrypt(&batch, inputs))?;
                self.recorder.span("send", || server.send(&message))?;
            }
            let answer = self.recorder.span("wait", || server.receive_exactly(answer_bytes))?;
            let columns = self.recorder.span("decrypt", || self.decrypt(&answer))?;
            let range = first..first + batch.images();
            match columns {
                None => findings.wrapped_together(range),
                Some(mut columns) => {
                    for column in &mut columns {
                        // Those of images that fill the slots are not shown.
                        column.truncate(batch.images());
                        *column = flood(flooding, take(column))?;
                    }
                    for image in range {
                        let units = || columns.iter().map(|column| column[image - first]);
                        findings.note(image, units());
                        logits.extend(units().map(|unit| (unit * self.logit_unit) as f32));
                    }
                }
            }
        }
        let alone = "the setting layout=latency computes images one by one and names them";
        findings.into_result("logits", alone)?;
        Ok(logits)
    }

    fn encrypt(&self, batch: &Tensor, inputs: &[u32]) -> Result<Vec<u8>, Error> {
        let context = self.secret.context();
        let one = |&input: &u32| {
            // Places that are left repeat the images: zeros may be far from any image the network was calibrated for.
            let image = |place: usize| f64::from(batch.image(place % batch.images())[input as usize]);
            let values = Zeroizing::new((0..self.scheme.images()).map(image).collect::<Vec<f64>>());
            encrypt_images(
                &self.secret,
                &self.scheme,
                &values,
                self.scheme.input_scale(),
                self.scheme.depth(),
            )?
            .to_bytes(context)
            .map_err(Error::engine("writing a ciphertext"))
        };
        let parts = inputs.par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.concat())
    }

    /// Every logit of all images at once, in units; `None` if they are not what the guard was computed from.
    fn decrypt(&self, answer: &[u8]) -> Result<Option<Vec<Vec<f64>>>, Error> {
        let decoded = split(answer, self.classes + 1)?
            .into_par_iter()
            .map(|bytes| decrypt(&self.secret, &self.scheme, bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let mut difference = Difference::new(&self.guard, self.scheme.degree);
        for (index, own) in decoded.iter().enumerate() {
            difference.take(index, &own.coefficients);
        }
        let holds = difference.largest() <= self.tolerance;
        Ok(holds.then(|| decoded.into_iter().take(self.classes).map(|own| own.slots).collect()))
    }
}

/// Encodes a value of as many images as a ciphertext holds and encrypts them with fresh randomness: of pairs, the first numbers of all
/// slots come first.
fn encrypt_images(
    secret: &SecretKey,
    scheme: &Scheme,
    values: &[f64],
    scale: f64,
    level: usize,
) -> Result<SeededCiphertext, Error> {
    if scheme.pairs.is_none() {
        return encrypt(secret, values, scale, level);
    }
    let (first, second) = values.split_at(scheme.slots().min(values.len()));
    encrypt_encoded(secret, secret.context().encode_pairs(first, second, scale, level))
}

/// Encodes and encrypts with fresh randomness.
pub(crate) fn encrypt(
    secret: &SecretKey,
    values: &[f64],
    scale: f64,
    level: usize,
) -> Result<SeededCiphertext, Error> {
    encrypt_encoded(secret, secret.context().encode(values, scale, level))
}

fn encrypt_encoded(
    secret: &SecretKey,
    plaintext: veilbench_ckks::Result<Plaintext>,
) -> Result<SeededCiphertext, Error> {
    let mut random = Randomness::from_system().map_err(Error::engine("drawing randomness"))?;
    let plaintext = plaintext.map_err(Error::engine("encoding images"))?;
    secret.encrypt(&plaintext, &mut random).map_err(Error::engine("encrypting images"))
}

/// A decrypted result, in units.
pub(crate) struct Decoded {
    /// The value of every slot; of pairs, first those of all first numbers.
    pub(crate) slots: Vec<f64>,
    /// What the slots are made of, each within half of the [period](Scheme::period).
    pub(crate) coefficients: Zeroizing<Vec<f64>>,
}

/// Reads and decrypts one result, which must be at the agreed level and scale.
pub(crate) fn decrypt(secret: &SecretKey, scheme: &Scheme, bytes: &[u8]) -> Result<Decoded, Error> {
    let (reading, context) = ("reading the model owner's answer", secret.context());
    let ciphertext = Ciphertext::from_bytes(context, bytes).map_err(Error::engine(reading))?;
    scheme.check_answer(&ciphertext)?;
    let plaintext = secret.decrypt(&ciphertext).map_err(Error::engine(reading))?;
    let decoded = match scheme.pairs {
        None => context.decode_with_coefficients(&plaintext),
        Some(_) => context
            .decode_pairs_with_coefficients(&plaintext)
            .map(|DecodedPairs { numbers, coefficients }| (numbers.concat(), coefficients)),
    };
    let (slots, coefficients) = decoded.map_err(Error::engine(reading))?;
    Ok(Decoded { slots, coefficients })
}

/// A message as its ciphertexts, which are of one length.
pub(crate) fn split(message: &[u8], count: usize) -> Result<Vec<&[u8]>, Error> {
    if count == 0 || message.is_empty() || !message.len().is_multiple_of(count) {
        let reason = format!("{} bytes are no message of {count} ciphertexts", message.len());
        return Err(Error::Protocol(reason));
    }
    Ok(message.chunks_exact(message.len() / count).collect())
}

/// Reads the seeded ciphertexts of a message; each must be fresh.
pub(crate) fn receive(
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
pub(crate) struct Server {
    pub(crate) evaluator: Evaluator,
    /// The data owner's; answers are re-randomised with it.
    pub(crate) public: PublicKey,
    pub(crate) scheme: Scheme,
    pub(crate) circuit: Circuit,
    pub(crate) schedule: Schedule,
    pub(crate) recorder: Recorder,
}

impl Server {
    /// Answers as many images as a ciphertext holds.
    pub(crate) fn answer(&self, client: &mut Link) -> Result<(), Error> {
        let mut values = Values::new(&self.schedule);
        for step in &self.schedule.steps {
            match step {
                Step::Receive(inputs) => {
                    let bytes = inputs.len() * self.scheme.wire_bytes(self.scheme.depth(), true);
                    let message = self.recorder.span("wait", || client.receive_exactly(bytes))?;
                    let context = self.evaluator.context();
                    let ciphertexts = self
                        .recorder
                        .span("receive", || receive(context, &self.scheme, &message, inputs.len()))?;
                    for (&input, ciphertext) in inputs.iter().zip(ciphertexts) {
                        values.inputs[0].put(input, ciphertext);
                    }
                }
                Step::Blocks { stage, blocks } => {
                    let name = format!("layer:{}", self.circuit.stages[*stage].name);
                    self.recorder.span(&name, || self.blocks(*stage, blocks.clone(), &mut values))?;
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

    fn blocks(&self, stage: usize, blocks: Range<usize>, values: &mut Values) -> Result<(), Error> {
        let map = &self.circuit.stages[stage].map;
        let blocks = &map.blocks[blocks];
        let weighted = blocks.iter().map(|block| {
            let ciphertexts = values.inputs[stage].get(&block.inputs)?;
            Ok(WeightedBlock { ciphertexts, weights: &block.weights })
        });
        let weighted = weighted.collect::<Result<Vec<_>, Error>>()?;
        let Some(first) = weighted.first().and_then(|block| block.ciphertexts.first()) else {
            return Err(missing());
        };
        let scale = self.scheme.weight_scale(self.evaluator.context(), first);
        let computing = "computing a linear layer";
        let mut sums =
            self.evaluator.weighted_sums_of_blocks(&weighted, scale).map_err(Error::engine(computing))?;
        if stage + 1 == self.circuit.stages.len() {
            let fresh = |sum: &mut Ciphertext| rerandomise(&self.public, self.evaluator.context(), sum);
            sums.par_iter_mut().try_for_each(fresh).map_err(Error::engine("re-randomising an answer"))?;
        }
        let outputs: Vec<u32> = blocks.iter().flat_map(|block| &block.outputs).copied().collect();
        // A sum gives its memory back as soon as it is rescaled: there may be thousands.
        let finish = |(sum, &output): (Ciphertext, &u32)| {
            let mut rescaled = self.evaluator.rescale(&sum)?;
            drop(sum);
            self.evaluator.add_scalar_assign(&mut rescaled, map.bias[output as usize])?;
            Ok(rescaled)
        };
        let results = sums
            .into_par_iter()
            .zip(&outputs)
            .map(finish)
            .collect::<veilbench_ckks::Result<Vec<_>>>()
            .map_err(Error::engine(computing))?;
        drop(weighted);
        for block in blocks {
            values.inputs[stage].read(&block.inputs);
        }
        for (&output, result) in outputs.iter().zip(results) {
            values.outputs[stage].put(output, result);
        }
        Ok(())
    }

    fn squares(&self, stage: usize, sums: &[u32], values: &mut Values) -> Result<(), Error> {
        let Some(activation) = &self.circuit.stages[stage].activation else { return Err(missing()) };
        let outputs = &values.outputs[stage];
        let one = |&sum: &u32| {
            let inputs = outputs.get(&activation.sums[sum as usize])?;
            let sum = match self.scheme.pairs {
                None => self.evaluator.sum_of_squares(&inputs),
                Some(_) => self.evaluator.sum_of_pair_squares(&inputs),
            };
            sum.and_then(|square| self.evaluator.rescale(&square))
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

/// Adds an encryption of zero with fresh randomness.
pub(crate) fn rerandomise(
    public: &PublicKey,
    context: &Context,
    ciphertext: &mut Ciphertext,
) -> veilbench_ckks::Result<()> {
    public.rerandomise(context, ciphertext, &mut Randomness::from_system()?)
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

#[cfg(test)]
mod tests;
