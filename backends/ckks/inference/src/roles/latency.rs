//! One image at a time, or a few of a batch together, across the slots of few ciphertexts: see [`crate::circuits::program`].

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use veilbench_ckks::{
    Ciphertext, Context, Evaluator, Flooding, FoldedCiphertext, HalfSecret, HalvedCiphertext, HalvingKey,
    Plaintext, PublicKey, SecretKey, Transform,
};
use veilbench_networks::Tensor;
use zeroize::Zeroizing;

use crate::circuits::circuit::Circuit;
use crate::circuits::program::{LatencyLayer, PackedCircuit};
use crate::planning::packing::{NONE, Packing, spread};
use crate::planning::scheme::Scheme;
use crate::roles::findings::Findings;
use crate::roles::guard::spare_tolerance;
use crate::roles::release::flood;
use crate::roles::throughput::{encrypt, receive, rerandomise, split};
use veilbench_api::{Error, Link, Recorder};

/// What fails where an answer is none.
const READING: &str = "reading the model owner's answer";

/// Where values are in the ciphertexts that one side sends and the other answers.
pub(crate) struct Places {
    /// What is encrypted.
    pub(crate) input: Packing,
    /// After how many slots results repeat.
    pub(crate) period: usize,
    /// Ciphertext and slot of every result.
    pub(crate) results: Vec<(usize, usize)>,
    /// Slots of results that are zero unless a coefficient wrapped.
    pub(crate) spare: Vec<(usize, usize)>,
    /// How far from zero they may be, in units.
    pub(crate) tolerance: f64,
}

impl Places {
    /// Those of a program; errors of results have such a deviation, in units.
    pub(crate) fn new(program: PackedCircuit, deviation: f64) -> Self {
        let PackedCircuit { input, period, logits: results, spare, .. } = program;
        Self { input, period, results, spare, tolerance: spare_tolerance(deviation) }
    }

    /// Ciphertexts of an answer.
    pub(crate) fn answers(&self) -> usize {
        1 + self.results.iter().map(|&(ciphertext, _)| ciphertext).max().unwrap_or(0)
    }

    /// The results among the slots of an answer, in units; `None` if a slot that holds none is not zero.
    pub(crate) fn read(&self, slots: &[Vec<f64>]) -> Option<Vec<f64>> {
        let at = |&(ciphertext, slot): &(usize, usize)| slots[ciphertext][slot];
        let holds = self.spare.iter().map(at).all(|value| value.abs() <= self.tolerance);
        holds.then(|| self.results.iter().map(at).collect())
    }
}

/// The data owner's half.
pub(crate) struct Client {
    pub(crate) secret: SecretKey,
    /// What results are under, if not under the secret key.
    pub(crate) half: Option<Box<HalfSecret>>,
    pub(crate) scheme: Scheme,
    pub(crate) places: Places,
    /// Images that are computed together.
    pub(crate) images: usize,
    pub(crate) logit_unit: f64,
    pub(crate) recorder: Recorder,
}

impl Client {
    /// Sends one image after the other, or as many at a time as are computed together, and returns their logits, flooded if they may be
    /// shown.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with all images whose logits cannot be what they were decoded to, or are beyond the limit; which of several that
    /// were computed together wrapped, cannot be told.
    pub(crate) fn classify(
        &self,
        server: &mut Link,
        images: &Tensor,
        flooding: Option<&Flooding>,
    ) -> Result<Vec<f32>, Error> {
        let answer_bytes = self.places.answers() * self.result_bytes();
        let mut findings = Findings::default();
        let mut logits = Vec::with_capacity(images.images() * self.places.results.len());
        for first in (0..images.images()).step_by(self.images) {
            let together = first..images.images().min(first + self.images);
            let message = self.recorder.span("encrypt", || self.encrypt(images, together.clone()))?;
            self.recorder.span("send", || server.send(&message))?;
            let answer = self.recorder.span("wait", || server.receive_exactly(answer_bytes))?;
            let units = self.recorder.span("decrypt", || self.decrypt(&answer))?;
            match units {
                None => findings.wrapped_together(together),
                Some(units) => {
                    let units = flood(flooding, units)?;
                    for (image, units) in together.zip(units.chunks_exact(units.len() / self.images)) {
                        findings.note(image, units.iter().copied());
                        logits.extend(units.iter().map(|unit| (unit * self.logit_unit) as f32));
                    }
                }
            }
        }
        findings.into_result("logits", "ask for batches of one image to have them computed alone")?;
        Ok(logits)
    }

    fn result_bytes(&self) -> usize {
        let (scheme, period) = (&self.scheme, self.places.period);
        if self.half.is_some() { scheme.halved_bytes(period) } else { scheme.folded_bytes(period) }
    }

    /// The last image stands for those that a group is short of.
    fn encrypt(&self, images: &Tensor, together: Range<usize>) -> Result<Vec<u8>, Error> {
        let length = images.shape().len();
        let value = |input: usize| {
            let image = (together.start + input / length).min(together.end - 1);
            f64::from(images.image(image)[input % length])
        };
        let mut message = Vec::new();
        for values in spread(&self.places.input, value).into_iter().map(Zeroizing::new) {
            message.extend(encrypted(&self.secret, &self.scheme, &values)?);
        }
        Ok(message)
    }

    /// The logits in units; `None` if a slot that holds none is not zero.
    fn decrypt(&self, answer: &[u8]) -> Result<Option<Vec<f64>>, Error> {
        let slots = split(answer, self.places.answers())?
            .into_iter()
            .map(|bytes| match &self.half {
                None => decrypt_folded(&self.secret, &self.scheme, self.places.period, bytes),
                Some(half) => {
                    decrypt_halved(half, self.secret.context(), &self.scheme, self.places.period, bytes)
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.places.read(&slots))
    }
}

/// Slots of values, freshly encrypted, as sent.
pub(crate) fn encrypted(secret: &SecretKey, scheme: &Scheme, values: &[f64]) -> Result<Vec<u8>, Error> {
    encrypt(secret, values, scheme.input_scale(), scheme.depth())?
        .to_bytes(secret.context())
        .map_err(Error::engine("writing a ciphertext"))
}

/// Reads and decrypts one period of a result, which must be of the agreed period and scale.
pub(crate) fn decrypt_folded(
    secret: &SecretKey,
    scheme: &Scheme,
    period: usize,
    bytes: &[u8],
) -> Result<Vec<f64>, Error> {
    let folded = FoldedCiphertext::from_bytes(secret.context(), bytes).map_err(Error::engine(READING))?;
    scheme.check_folded((folded.period(), folded.scale()), period)?;
    secret.decrypt_folded(&folded).map_err(Error::engine(READING))
}

/// The same of a result in a ring of half the degree.
fn decrypt_halved(
    half: &HalfSecret,
    context: &Context,
    scheme: &Scheme,
    period: usize,
    bytes: &[u8],
) -> Result<Vec<f64>, Error> {
    let halved = HalvedCiphertext::from_bytes(context, bytes).map_err(Error::engine(READING))?;
    scheme.check_folded((halved.period(), halved.scale()), period)?;
    half.decrypt(&halved).map_err(Error::engine(READING))
}

/// How precise the encrypted values after a layer are, in the units of the circuit, where ranges are one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LayerTrace {
    pub(crate) layer: String,
    pub(crate) level: usize,
    pub(crate) largest_value: f64,
    pub(crate) largest_error: f64,
    pub(crate) precision_bits: f64,
}

/// The model owner's half.
pub(crate) struct Server {
    evaluator: Evaluator,
    scheme: Scheme,
    layers: Vec<Layer>,
    inputs: usize,
    results: Results,
    recorder: Recorder,
}

/// How results leave the model owner's side.
pub(crate) struct Results {
    /// The data owner's key; answers are re-randomised with it.
    public: Arc<PublicKey>,
    /// Of a secret of half the degree, where they are taken to it.
    halving: Option<HalvingKey>,
    /// After how many slots they repeat.
    period: usize,
    /// Parts that are summed by whoever reads them.
    parts: usize,
}

impl Results {
    /// Those of a program.
    pub(crate) fn new(public: Arc<PublicKey>, program: &PackedCircuit) -> Self {
        Self { public, halving: None, period: program.period, parts: program.parts() }
    }

    /// Before the last rescaling.
    fn prepare(&self, evaluator: &Evaluator, product: &mut Ciphertext) -> veilbench_ckks::Result<()> {
        if self.parts > 1 {
            // What is read is their mean.
            *product = evaluator.multiply_scalar(product, self.parts as f64, 1.0)?;
        }
        rerandomise(&self.public, evaluator.context(), product)
    }

    /// A result as it is read: of `c0` no more than that, since the rest holds parts of sums.
    pub(crate) fn fold(
        &self,
        evaluator: &Evaluator,
        result: &Ciphertext,
    ) -> veilbench_ckks::Result<FoldedCiphertext> {
        evaluator.fold(result, self.period)
    }

    /// The same as sent.
    pub(crate) fn to_bytes(
        &self,
        evaluator: &Evaluator,
        result: &Ciphertext,
    ) -> veilbench_ckks::Result<Vec<u8>> {
        match &self.halving {
            None => self.fold(evaluator, result)?.to_bytes(evaluator.context()),
            Some(key) => evaluator.halve(result, self.period, key)?.to_bytes(evaluator.context()),
        }
    }
}

/// A transform with its weights encoded, and what surrounds it.
pub(crate) struct Layer {
    pub(crate) name: String,
    pre_rotations: Vec<i64>,
    transform: Transform,
    post_rotations: Vec<i64>,
    bias: Vec<Plaintext>,
    square: bool,
    packing: Packing,
}

impl Server {
    /// Encodes the weights, each layer's for the level it is used at.
    pub(crate) fn new(
        evaluator: Evaluator,
        public: PublicKey,
        scheme: Scheme,
        program: PackedCircuit,
        recorder: Recorder,
    ) -> Result<Self, Error> {
        let inputs = program.input.len();
        let results = Results::new(Arc::new(public), &program);
        let (mut level, mut scale) = (scheme.depth(), scheme.input_scale());
        let mut layers = Vec::with_capacity(program.layers.len());
        for layer in program.layers {
            let (encoded, after) = Layer::new(&evaluator, &scheme, layer, level, scale)
                .map_err(Error::engine("encoding the weights"))?;
            (level, scale) = after;
            layers.push(encoded);
        }
        Ok(Self { evaluator, scheme, layers, inputs, results, recorder })
    }

    /// The same with results in a ring of half the degree, by the data owner's key.
    pub(crate) fn with_halving(mut self, key: Option<HalvingKey>) -> Self {
        self.results.halving = key;
        self
    }

    /// What becomes of the results of a layer: only the last ones leave this side.
    fn results_of(&self, index: usize) -> Option<&Results> {
        (index + 1 == self.layers.len()).then_some(&self.results)
    }

    /// Computes one image with the data owner's key at hand and holds every layer against the clear circuit.
    pub(crate) fn insecure_debug_trace(
        &self,
        secret: &SecretKey,
        circuit: &Circuit,
        inputs: Vec<Ciphertext>,
        image: &[f32],
    ) -> veilbench_ckks::Result<Vec<LayerTrace>> {
        let context = self.evaluator.context();
        let mut clear: Vec<f64> = image.iter().map(|&value| f64::from(value)).collect();
        let (mut values, mut layers) = (inputs, Vec::new());
        for (index, (layer, stage)) in self.layers.iter().zip(&circuit.stages).enumerate() {
            let results = self.results_of(index);
            values = layer.apply(&self.evaluator, values, results)?;
            let map = stage.map.apply(&clear);
            let squares: Vec<f64> = map.iter().map(|value| value * value).collect();
            let expected = if layer.square { &squares } else { &map };
            let mut error: f64 = 0.0;
            for (value, labels) in values.iter().zip(&layer.packing) {
                let slots = match results {
                    None => context.decode(&secret.decrypt(value)?)?,
                    Some(results) => secret.decrypt_folded(&results.fold(&self.evaluator, value)?)?,
                };
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
    pub(crate) fn answer(&self, client: &mut Link) -> Result<(), Error> {
        let context = self.evaluator.context();
        let bytes = self.inputs * self.scheme.wire_bytes(self.scheme.depth(), true);
        let message = self.recorder.span("wait", || client.receive_exactly(bytes))?;
        let values =
            self.recorder.span("receive", || receive(context, &self.scheme, &message, self.inputs))?;
        let mut message = Vec::new();
        for value in &self.compute(values)? {
            let bytes = self.results.to_bytes(&self.evaluator, value);
            message.extend(bytes.map_err(Error::engine("writing a ciphertext"))?);
        }
        self.recorder.span("send", || client.send(&message))?;
        Ok(())
    }

    /// The results of one image.
    pub(crate) fn compute(&self, mut values: Vec<Ciphertext>) -> Result<Vec<Ciphertext>, Error> {
        for (index, layer) in self.layers.iter().enumerate() {
            let results = self.results_of(index);
            values = self
                .recorder
                .span(&format!("layer:{}", layer.name), || layer.apply(&self.evaluator, values, results))
                .map_err(Error::engine("computing a layer"))?;
        }
        Ok(values)
    }
}

impl Layer {
    /// The layer, and the level and scale after it.
    pub(crate) fn new(
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
        let LatencyLayer {
            name,
            pre_rotations,
            inputs,
            diagonals,
            outline,
            post_rotations,
            square,
            packing,
            ..
        } = layer;
        let transform = Transform::with_outline(context, inputs, &diagonals, outline, weight_scale, level)?;
        let result_scale = scale * weight_scale / prime(level);
        let bias = layer
            .bias
            .iter()
            .map(|bias| context.encode_wrapping(bias, result_scale, level - 1))
            .collect::<veilbench_ckks::Result<_>>()?;
        let after = match square {
            true => (level - 2, result_scale * result_scale / prime(level - 1)),
            false => (level - 1, result_scale),
        };
        Ok((Self { name, pre_rotations, transform, post_rotations, bias, square, packing }, after))
    }

    /// What it makes of ciphertexts, which leave this side if they are results.
    pub(crate) fn apply(
        &self,
        evaluator: &Evaluator,
        mut values: Vec<Ciphertext>,
        leave: Option<&Results>,
    ) -> veilbench_ckks::Result<Vec<Ciphertext>> {
        sum_rotations(evaluator, Evaluator::rotate, &mut values, &self.pre_rotations)?;
        let mut results = evaluator.transform(&self.transform, &values)?;
        sum_rotations(evaluator, Evaluator::rotate_product, &mut results, &self.post_rotations)?;
        if let Some(leave) = leave {
            results.iter_mut().try_for_each(|result| leave.prepare(evaluator, result))?;
        }
        let finish = |(result, bias): (&Ciphertext, &Plaintext)| {
            let mut result = evaluator.rescale(result)?;
            evaluator.add_plain_assign(&mut result, bias)?;
            if self.square { evaluator.rescale(&evaluator.square(&result)?) } else { Ok(result) }
        };
        results.iter().zip(&self.bias).map(finish).collect()
    }
}

/// Adds every ciphertext to itself rotated by each of these in turn.
fn sum_rotations(
    evaluator: &Evaluator,
    rotate: fn(&Evaluator, &Ciphertext, i64) -> veilbench_ckks::Result<Ciphertext>,
    values: &mut [Ciphertext],
    rotations: &[i64],
) -> veilbench_ckks::Result<()> {
    for value in values {
        for &steps in rotations {
            let rotated = rotate(evaluator, value, steps)?;
            evaluator.add_assign(value, &rotated)?;
        }
    }
    Ok(())
}

/// Bytes of the encoded weights in memory, and of what meets them: rotations of the inputs and results on the way, which are not packed, take
/// as much as a tenth of weights that are not.
pub(crate) fn weight_memory_bytes(program: &PackedCircuit, scheme: &Scheme) -> usize {
    let mut level = scheme.depth();
    let mut bytes = 0;
    for layer in &program.layers {
        let unpacked = (level + 1) * scheme.degree * size_of::<u64>();
        bytes += layer.outline.diagonals() * (scheme.diagonal_memory_bytes(level) + unpacked / 10);
        level = level.saturating_sub(2);
    }
    bytes
}

#[cfg(test)]
mod tests;
