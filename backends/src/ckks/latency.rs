//! One image at a time, across the slots of few ciphertexts: see [`super::program`].

use serde::Serialize;
use veilbench_ckks::{Ciphertext, Evaluator, Plaintext, SecretKey, Transform};
use veilbench_networks::Tensor;

use super::circuit::Circuit;
use super::packing::{NONE, Packing, spread};
use super::program::{LatencyLayer, Program};
use super::scheme::Scheme;
use super::throughput::{decrypt, encrypt, receive, split};
use crate::{Error, Link, Recorder};

/// The data owner's half.
pub(super) struct Client {
    pub(super) secret: SecretKey,
    pub(super) scheme: Scheme,
    pub(super) input: Packing,
    pub(super) logits: Vec<(usize, usize)>,
    pub(super) logit_unit: f64,
    pub(super) recorder: Recorder,
}

impl Client {
    /// Sends one image after the other and returns their logits.
    pub(super) fn classify(&self, server: &mut Link, images: &Tensor) -> Result<Vec<f32>, Error> {
        let mut logits = Vec::with_capacity(images.images() * self.logits.len());
        for image in 0..images.images() {
            let message = self.recorder.span("encrypt", || self.encrypt(images.image(image)))?;
            self.recorder.span("send", || server.send(&message))?;
            let answer = self.recorder.span("wait", || server.receive())?;
            logits.extend(self.recorder.span("decrypt", || self.decrypt(&answer))?);
        }
        Ok(logits)
    }

    fn encrypt(&self, image: &[f32]) -> Result<Vec<u8>, Error> {
        let mut message = Vec::new();
        for values in spread(&self.input, |input| f64::from(image[input])) {
            let ciphertext = encrypt(&self.secret, &values, self.scheme.input_scale(), self.scheme.depth())?;
            let bytes = ciphertext.to_bytes(self.secret.context());
            message.extend(bytes.map_err(Error::engine("writing a ciphertext"))?);
        }
        Ok(message)
    }

    fn decrypt(&self, answer: &[u8]) -> Result<Vec<f32>, Error> {
        let ciphertexts = 1 + self.logits.iter().map(|&(ciphertext, _)| ciphertext).max().unwrap_or(0);
        let slots = split(answer, ciphertexts)?
            .into_iter()
            .map(|bytes| decrypt(&self.secret, self.secret.context(), bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let logit = |&(ciphertext, slot): &(usize, usize)| (slots[ciphertext][slot] * self.logit_unit) as f32;
        Ok(self.logits.iter().map(logit).collect())
    }
}

/// How precise the encrypted values after a layer are, in the units of the circuit, where ranges are one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LayerTrace {
    pub(super) layer: String,
    pub(super) level: usize,
    pub(super) largest_value: f64,
    pub(super) largest_error: f64,
    pub(super) precision_bits: f64,
}

/// The model owner's half.
pub(super) struct Server {
    evaluator: Evaluator,
    scheme: Scheme,
    layers: Vec<Layer>,
    inputs: usize,
    recorder: Recorder,
}

struct Layer {
    name: String,
    gather: Vec<i64>,
    transform: Transform,
    folds: Vec<i64>,
    bias: Vec<Plaintext>,
    square: bool,
    packing: Packing,
}

impl Server {
    /// Encodes the weights, each layer's for the level it is used at.
    pub(super) fn new(
        evaluator: Evaluator,
        scheme: Scheme,
        program: Program,
        recorder: Recorder,
    ) -> Result<Self, Error> {
        let inputs = program.input.len();
        let (mut level, mut scale) = (scheme.depth(), scheme.input_scale());
        let mut layers = Vec::with_capacity(program.layers.len());
        for layer in program.layers {
            let (encoded, after) = Layer::new(&evaluator, &scheme, layer, level, scale)
                .map_err(Error::engine("encoding the weights"))?;
            (level, scale) = after;
            layers.push(encoded);
        }
        Ok(Self { evaluator, scheme, layers, inputs, recorder })
    }

    /// Computes one image with the data owner's key at hand and holds every layer against the clear circuit.
    pub(super) fn insecure_debug_trace(
        &self,
        secret: &SecretKey,
        circuit: &Circuit,
        inputs: Vec<Ciphertext>,
        image: &[f32],
    ) -> veilbench_ckks::Result<Vec<LayerTrace>> {
        let context = self.evaluator.context();
        let mut clear: Vec<f64> = image.iter().map(|&value| f64::from(value)).collect();
        let (mut values, mut layers) = (inputs, Vec::new());
        for (layer, stage) in self.layers.iter().zip(&circuit.stages) {
            values = layer.apply(&self.evaluator, values)?;
            let map = stage.map.apply(&clear);
            let squares: Vec<f64> = map.iter().map(|value| value * value).collect();
            let expected = if layer.square { &squares } else { &map };
            let mut error: f64 = 0.0;
            for (value, labels) in values.iter().zip(&layer.packing) {
                let slots = context.decode(&secret.decrypt(value)?)?;
                for (slot, &label) in slots.iter().zip(labels).filter(|&(_, &label)| label != NONE) {
                    error = error.max((slot - expected[label as usize]).abs());
                }
            }
            let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            layers.push(LayerTrace {
                layer: layer.name.clone(),
                level: values.first().map_or(0, Ciphertext::level),
                largest_value: largest,
                largest_error: error,
                precision_bits: -error.log2(),
            });
            if let Some(activation) = &stage.activation {
                let sum = |sum: &Vec<u32>| sum.iter().map(|&value| squares[value as usize]).sum();
                clear = activation.sums.iter().map(sum).collect();
            }
        }
        Ok(layers)
    }

    /// Answers one image.
    pub(super) fn answer(&self, client: &mut Link) -> Result<(), Error> {
        let context = self.evaluator.context();
        let message = self.recorder.span("wait", || client.receive())?;
        let mut values =
            self.recorder.span("receive", || receive(context, &self.scheme, &message, self.inputs))?;
        for layer in &self.layers {
            values = self
                .recorder
                .span(&format!("layer:{}", layer.name), || layer.apply(&self.evaluator, values))
                .map_err(Error::engine("computing a layer"))?;
        }
        let mut message = Vec::new();
        for value in &values {
            message.extend(value.to_bytes(context).map_err(Error::engine("writing a ciphertext"))?);
        }
        self.recorder.span("send", || client.send(&message))?;
        Ok(())
    }
}

impl Layer {
    /// The layer, and the level and scale after it.
    fn new(
        evaluator: &Evaluator,
        scheme: &Scheme,
        layer: LatencyLayer,
        level: usize,
        scale: f64,
    ) -> veilbench_ckks::Result<(Self, (usize, f64))> {
        let context = evaluator.context();
        let prime = |level: usize| context.parameters().data_primes()[level] as f64;
        let target = f64::from(scheme.map_scale_bits).exp2();
        let weight_scale = target * prime(level) / scale;
        let LatencyLayer { name, gather, inputs, diagonals, outline, folds, square, packing, .. } = layer;
        let transform = Transform::with_outline(context, inputs, &diagonals, outline, weight_scale, level)?;
        let result_scale = scale * weight_scale / prime(level);
        let bias = layer
            .bias
            .iter()
            .map(|bias| context.encode(bias, result_scale, level - 1))
            .collect::<veilbench_ckks::Result<_>>()?;
        let after = match square {
            true => (level - 2, result_scale * result_scale / prime(level - 1)),
            false => (level - 1, result_scale),
        };
        Ok((Self { name, gather, transform, folds, bias, square, packing }, after))
    }

    fn apply(
        &self,
        evaluator: &Evaluator,
        mut values: Vec<Ciphertext>,
    ) -> veilbench_ckks::Result<Vec<Ciphertext>> {
        sum_rotations(evaluator, &mut values, &self.gather)?;
        let mut results = evaluator.transform(&self.transform, &values)?;
        sum_rotations(evaluator, &mut results, &self.folds)?;
        let finish = |(result, bias): (&Ciphertext, &Plaintext)| {
            let result = evaluator.add_plain(&evaluator.rescale(result)?, bias)?;
            if self.square { evaluator.rescale(&evaluator.square(&result)?) } else { Ok(result) }
        };
        results.iter().zip(&self.bias).map(finish).collect()
    }
}

/// Adds every ciphertext to itself rotated by each of these in turn.
fn sum_rotations(
    evaluator: &Evaluator,
    values: &mut [Ciphertext],
    rotations: &[i64],
) -> veilbench_ckks::Result<()> {
    for value in values {
        for &steps in rotations {
            let rotated = evaluator.rotate(value, steps)?;
            evaluator.add_assign(value, &rotated)?;
        }
    }
    Ok(())
}

/// Bytes of the encoded weights in memory.
pub(super) fn weight_memory_bytes(program: &Program, scheme: &Scheme) -> usize {
    let mut level = scheme.depth();
    let mut bytes = 0;
    for layer in &program.layers {
        bytes += layer.outline.diagonals() * (level + 1) * scheme.degree * size_of::<u64>();
        level = level.saturating_sub(2);
    }
    bytes
}
