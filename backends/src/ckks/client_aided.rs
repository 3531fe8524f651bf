//! The protocol of HE-Transformer: the model owner computes the linear layers on ciphertexts, the data owner
//! decrypts, applies the activations and pools in the clear, and encrypts again.
//!
//! Slot `i` is image `i`. Every linear stage takes fresh ciphertexts with one level to spare, so that the smallest
//! ring serves networks of any depth, without evaluation keys.
//!
//! It protects the images and gives the weights away: the data owner sees what every linear layer makes of inputs it
//! knows, and solves for them. Every result is held against its layer's range as in [`super::guard`].

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use veilbench_ckks::{Ciphertext, Evaluator, KeyRequest, Randomness, SecretKey, SeededEvaluationKeys};
use veilbench_networks::evaluate::Evaluator as ClearEvaluator;
use veilbench_networks::{Architecture, Layer, Metadata, Network, Op, Parameters, Shape, Tensor};
use zeroize::Zeroizing;

use super::circuit::{MARGIN, magnitude, uncalibrated};
use super::cost::Cost;
use super::expected::Expected;
use super::findings::Findings;
use super::guard::{Difference, Guard, tolerance};
use super::learns;
use super::map::Map;
use super::plan::{
    CLIENT_BYTES, KEYS_HEADER_BYTES, Prediction, three_digits, too_little_memory, total_memory_bytes,
};
use super::precision::{Inputs, logit_deviation};
use super::schedule::MESSAGE_CIPHERTEXTS;
use super::scheme::{Demand, Scheme};
use super::throughput::{decrypt, encrypt, receive, split};
use crate::{
    Adversary, Backend, Error, Job, Leakage, Learned, Link, Party, Plan, Profile, Recorder, Role, Seat,
    Technology, ThreatModel, Unsupported,
};

/// Largest error of a logit a plan may expect.
const LOGIT_ERROR: f64 = 1.0 / 1024.0;

/// Memory of the model owner's process and its messages beside ciphertexts: there are no keys and few buffers.
const PROCESS_BYTES: usize = 30 << 20;

/// Copies of a batch that the data owner has: as read, as activations, and the part that fills the slots.
const IMAGE_COPIES: usize = 4;

/// Interactive inference on networks with any activations.
#[derive(Clone, Copy, Debug)]
pub struct CkksClientAided;

/// A linear map at the model owner and what the data owner does with its result.
#[derive(Debug)]
struct Round {
    name: String,
    map: Map,
    shape: Shape,
    /// What one unit of the encrypted inputs and outputs is worth.
    units: [f64; 2],
    /// The most values one result reads.
    fan_in: usize,
    /// Without weights: evaluated in the clear by the data owner.
    activations: Vec<Layer>,
}

impl Round {
    /// The round with one result more, after its values.
    fn guarded(mut self, guard: &Guard) -> Self {
        guard.append(&mut self.map);
        self
    }

    /// Standard deviation of the errors of its results, in units, if each reads so many values.
    fn deviation(&self, scheme: &Scheme, reads: usize) -> f64 {
        logit_deviation(scheme, &[Inputs { count: reads, magnitude: 1.0, fresh: true }], false, 1.0)
    }

    /// How far the guard may be from the results, in units.
    fn tolerance(&self, scheme: &Scheme) -> f64 {
        let (guard, result) = (self.deviation(scheme, self.map.inputs), self.deviation(scheme, self.fan_in));
        tolerance(guard, result, self.shape.len())
    }
}

#[derive(Serialize, Deserialize)]
struct AidedPlan {
    protocol: Cow<'static, str>,
    scheme: Scheme,
    rounds: usize,
    predicted: Prediction,
}

/// Linear layers up to the next activation, again and again.
fn rounds(architecture: &Architecture, parameters: Option<&[Parameters]>) -> Result<Vec<Round>, Unsupported> {
    let unit = |range: Option<veilbench_networks::Range>, layer: Option<&Layer>| {
        let range = range.ok_or_else(|| uncalibrated(layer.map(|layer| layer.name.clone())))?;
        Ok::<f64, Unsupported>(MARGIN * magnitude(range, 0.0))
    };
    let mut rounds: Vec<Round> = Vec::new();
    let start = |shape: Shape, unit: f64| Round {
        name: String::new(),
        map: Map::identity(shape.len()),
        shape,
        units: [unit, unit],
        fan_in: 1,
        activations: Vec::new(),
    };
    let mut round = start(architecture.input, unit(architecture.input_range, None)?);
    for (index, (input, layer)) in architecture.steps().enumerate() {
        let own = parameters.and_then(|parameters| parameters.get(index));
        let is_free = |op: Op| matches!(op, Op::Relu | Op::MaxPool(_) | Op::AveragePool(_) | Op::Flatten);
        let begun = !round.name.is_empty();
        if begun && !round.activations.is_empty() && !is_free(layer.op) {
            let before = index.checked_sub(1).map(|before| &architecture.layers[before]);
            let next = unit(before.and_then(|layer| layer.range), before)?;
            rounds.push(std::mem::replace(&mut round, start(input, next)));
        }
        if is_free(layer.op)
            && (!round.activations.is_empty() || (!round.name.is_empty() && layer.op != Op::Flatten))
        {
            round.activations.push(layer.clone());
            continue;
        }
        let Some(map) = Map::of(input, layer, own) else {
            let reason = match layer.op {
                Op::Polynomial(_) => {
                    "the data owner applies the activations and must not learn their coefficients; see ckks"
                }
                _ => "a network cannot begin with an activation here",
            };
            return Err(Unsupported { layer: Some(layer.name.clone()), reason: reason.into() });
        };
        if !round.name.is_empty() {
            round.name.push_str(" + ");
        }
        round.name.push_str(&layer.name);
        round.map = round.map.then(&map);
        round.fan_in = round.map.fan_in();
        round.shape = layer.output;
        round.units[1] = unit(layer.range, Some(layer))?;
    }
    rounds.push(round);
    if let Some(round) =
        rounds.iter().find(|round| round.map.blocks.iter().any(|block| block.inputs.is_empty()))
    {
        let reason = format!("{}: a window reads nothing but padding; use less padding", round.name);
        return Err(Unsupported { layer: None, reason });
    }
    for round in rounds.iter_mut().filter(|_| parameters.is_some()) {
        let [from, to] = round.units;
        round
            .map
            .blocks
            .iter_mut()
            .flat_map(|block| &mut block.weights)
            .for_each(|weight| *weight *= from / to);
        round.map.bias.iter_mut().for_each(|bias| *bias /= to);
    }
    Ok(rounds)
}

/// The plan for a machine with so much memory.
fn plan(architecture: &Architecture, job: &Job, memory: usize) -> Result<Plan, Unsupported> {
    let guarded = |round: Round| {
        let guard = Guard::structure(round.shape.len());
        round.guarded(&guard)
    };
    let rounds: Vec<Round> = rounds(architecture, None)?.into_iter().map(guarded).collect();
    let largest = rounds.iter().map(|round| round.units[1]).fold(1.0, f64::max);
    let demand = Demand {
        depth: 1,
        slots: 1,
        degree: 32_768,
        vectors: false,
        rotations: false,
        lower_input_bits: 0,
        logits: largest * (rounds.len() as f64).sqrt(),
        error: LOGIT_ERROR,
    };
    let scheme = Scheme::choose(&demand)?;
    let passes = job.batch.div_ceil(scheme.slots());
    let cost = Cost::new(&scheme, job.threads);
    let exchanges: Vec<_> = rounds.iter().map(|round| cost.exchange(&round.map)).collect();
    // A round's inputs and results are in memory together.
    let held = |round: &Round| {
        round.map.inputs * scheme.memory_bytes(1) + round.map.outputs() * scheme.wire_bytes(0, false)
    };
    let peak_rss_bytes = PROCESS_BYTES + rounds.iter().map(held).max().unwrap_or(0);
    let images = job.batch * architecture.input.len() * size_of::<f32>();
    let session_peak_rss_bytes = peak_rss_bytes + CLIENT_BYTES + IMAGE_COPIES * images;
    if session_peak_rss_bytes > memory {
        return Err(too_little_memory(session_peak_rss_bytes, memory));
    }
    let stages: Vec<Inputs> =
        rounds.iter().map(|round| Inputs { count: round.fan_in, magnitude: 1.0, fresh: true }).collect();
    let magnitude = rounds.last().map_or(0.0, |round| round.units[1]);
    let pass_ns: f64 = exchanges.iter().map(|exchange| exchange.wall_ns(job)).sum();
    let online_wall_ns = passes as u64 * pass_ns as u64;
    let upload_bytes = passes * exchanges.iter().map(|exchange| exchange.up_bytes).sum::<usize>();
    let download_bytes = passes * exchanges.iter().map(|exchange| exchange.down_bytes).sum::<usize>();
    let predicted = Prediction {
        online_wall_ns,
        setup_bytes: KEYS_HEADER_BYTES,
        online_bytes: upload_bytes + download_bytes,
        upload_bytes,
        download_bytes,
        peak_rss_bytes,
        session_peak_rss_bytes,
        max_logit_error: three_digits(scheme.logit_error(&demand)),
        logit_error_deviation: three_digits(logit_deviation(&scheme, &stages, false, magnitude)),
        logits: architecture.classes(),
    };
    let plan = AidedPlan {
        protocol: "linear layers encrypted, activations in the clear at the data owner".into(),
        rounds: rounds.len(),
        predicted,
        scheme,
    };
    let parameters = serde_json::to_value(plan).unwrap_or_default();
    let notes = vec!["the data owner sees every activation".into()];
    let security_bits = Some(veilbench_ckks::SECURITY_BITS);
    Ok(Plan { security_bits, parameters, notes, predicted_batch_ns: Some(online_wall_ns) })
}

impl Backend for CkksClientAided {
    fn profile(&self) -> Profile {
        Profile {
            name: "ckks-client-aided".into(),
            summary: "CKKS for linear layers, activations by the data owner in the clear (as HE-Transformer)".into(),
            technology: Technology::Fhe,
            roles: vec![Role::data_owner(), Role::model_owner()],
            threat_model: ThreatModel {
                label: "semi-honest server, client sees activations".into(),
                adversary: Adversary::SemiHonest,
                colluding: 0,
                trusted: vec![
                    "the data owner sees the result of every linear layer and of chosen inputs: it can solve for the weights \
                     (least squares on one batch of about 2,048 images gave a copy of mnist-mlp that agreed on 7,952 of 7,952 \
                     others), so the model owner must be willing to give them away"
                        .into(),
                    "answers are not re-randomised: they are a function of query and weights, and lattice reduction of a single \
                     one gives a convolution filter"
                        .into(),
                    "the data owner applies the activations it is asked to".into(),
                    "the model owner computes the network it promised: nothing proves that it did".into(),
                    "the data owner sends fresh encryptions of activations only, never decrypted results: those would \
                     reveal its key bit by bit (Li and Micciancio, 2021)"
                        .into(),
                ],
                learns: vec![
                    Leakage {
                        weights: Learned::derivable("one batch of about 2,048 images"),
                        ..learns("data-owner", true, true)
                    },
                    learns("model-owner", false, false),
                ],
                simulated: false,
            },
        }
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        plan(architecture, job, total_memory_bytes())
    }

    fn join(&self, mut seat: Seat) -> Result<Box<dyn Party>, Error> {
        let plan: AidedPlan = serde_json::from_value(seat.plan.parameters.clone())
            .map_err(Error::engine("reading the plan"))?;
        let scheme = plan.scheme;
        let context = scheme.context()?;
        let impossible = |unsupported: Unsupported| Error::Input(unsupported.to_string());
        let recorder = seat.recorder.clone();
        if seat.role == 0 {
            let mut server = seat.links.take("model-owner")?;
            let rounds = rounds(&seat.architecture, None).map_err(impossible)?;
            let mut random = Randomness::from_system().map_err(Error::engine("drawing randomness"))?;
            let secret = SecretKey::generate(&context, &mut random);
            // No keys at all, but the name of the secret one, from which guards follow.
            let keys = SeededEvaluationKeys::generate(&secret, &KeyRequest::default(), &mut random);
            server.send(&keys.to_bytes(&context).map_err(Error::engine("writing the key's name"))?)?;
            let images = Expected::new(&seat.architecture, seat.job.batch);
            let client_round = |(index, round): (usize, Round)| {
                let guard = Guard::new(secret.id(), index, round.shape.len());
                ClientRound::new(round, guard, &scheme)
            };
            let rounds = rounds.into_iter().enumerate().map(client_round).collect::<Result<Vec<_>, _>>()?;
            return Ok(Box::new(DataOwner { server, secret, scheme, rounds, images, recorder }));
        }
        let network = seat.take_network()?;
        let mut client = seat.links.take("data-owner")?;
        let rounds = rounds(&seat.architecture, Some(&network.parameters)).map_err(impossible)?;
        let keys = client.receive_exactly(KEYS_HEADER_BYTES)?;
        let reading = "reading the key's name";
        let keys = SeededEvaluationKeys::from_bytes(&context, &keys).map_err(Error::engine(reading))?;
        let guarded = |(index, round): (usize, Round)| {
            let guard = Guard::new(keys.key(), index, round.shape.len());
            round.guarded(&guard)
        };
        let rounds = rounds.into_iter().enumerate().map(guarded).collect();
        let evaluator = keys
            .expand(&context)
            .and_then(|keys| Evaluator::new(&context, Arc::new(keys)))
            .map_err(Error::engine(reading))?;
        Ok(Box::new(ModelOwner { client, evaluator, scheme, rounds, images: 0, recorder }))
    }
}

/// A round as the data owner plays it.
struct ClientRound {
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
    fn new(round: Round, guard: Guard, scheme: &Scheme) -> Result<Self, Error> {
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

struct DataOwner {
    server: Link,
    secret: SecretKey,
    scheme: Scheme,
    rounds: Vec<ClientRound>,
    images: Expected,
    recorder: Recorder,
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

struct ModelOwner {
    client: Link,
    evaluator: Evaluator,
    scheme: Scheme,
    rounds: Vec<Round>,
    images: usize,
    recorder: Recorder,
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
        block: &super::map::Block,
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
                let rescaled = self.evaluator.rescale(sum)?;
                let result = self.evaluator.add_scalar(&rescaled, round.map.bias[output as usize])?;
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

#[cfg(test)]
mod tests {
    use veilbench_networks::zoo;

    use super::*;
    use crate::LinkProfile;

    #[test]
    fn a_machine_with_too_little_memory_is_told_how_much_is_needed() {
        let architecture = zoo::load("malaria-cnn").unwrap().architecture;
        let job = Job::new(1, 1, LinkProfile::loopback());
        let roomy = plan(&architecture, &job, usize::MAX).unwrap();
        let needed = roomy.parameters["predicted"]["session_peak_rss_bytes"].as_u64().unwrap() as usize;
        assert!(needed < 8 << 30, "{needed}");
        assert_eq!(plan(&architecture, &job, needed).unwrap(), roomy);
        let refused = plan(&architecture, &job, needed - 1).unwrap_err().to_string();
        assert!(refused.contains(&format!("it needs {} MB of memory", needed >> 20)), "{refused}");
    }
}
