//! The protocol of HE-Transformer: the model owner computes the linear layers on ciphertexts, the data owner
//! decrypts, applies the activations, pools and joins in the clear, and encrypts again.
//!
//! Slot `i` is image `i`. Every linear stage takes fresh ciphertexts with one level to spare, so that the smallest
//! ring serves networks of any depth, without evaluation keys.
//!
//! It protects the images and gives the weights away: the data owner sees what every linear layer makes of inputs it
//! knows, and solves for them. Every result is held against its layer's range as in [`crate::roles::guard`].

mod data_owner;
mod exchange;
mod model_owner;
mod rounds;
mod steps;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_ckks::{Evaluator, KeyRequest, Randomness, SecretKey, SeededEvaluationKeys};
use veilbench_networks::Architecture;

use super::learns;
use crate::planning::cost::Cost;
use crate::planning::plan::{
    CLIENT_BYTES, KEYS_HEADER_BYTES, too_little_memory, total_memory_bytes, unwritten,
};
use crate::planning::precision::{Inputs, logit_deviation};
use crate::planning::prediction::{Prediction, three_digits};
use crate::planning::rates;
use crate::planning::scheme::{Demand, Scheme};
use crate::roles::guard::Guard;
use crate::roles::image_range::ImageRange;
use data_owner::DataOwner;
use model_owner::ModelOwner;
use rounds::Round;
use steps::{kept_values, rounds, steps};
use veilbench_api::{
    Adversary, Backend, Error, Job, Leakage, Learned, Party, Plan, Profile, Protection, Role, RoleContext,
    Technology, Unsupported,
};

/// Levels of a round: its map takes one.
const DEPTH: usize = 1;

/// Largest error of a logit a plan may expect.
const LOGIT_ERROR: f64 = 1.0 / 1024.0;

/// One in this many bytes that a round takes is kept by every thread but the first when it is freed.
const KEPT_SHARE: usize = 8;

/// Memory of the model owner's process and its messages beside ciphertexts: there are no keys and few buffers.
const PROCESS_BYTES: usize = 30 << 20;

/// Copies of a batch that the data owner has: as read, as activations, and the part that fills the slots.
const IMAGE_COPIES: usize = 4;

/// Interactive inference on networks with any activations.
#[derive(Clone, Copy, Debug)]
pub struct CkksClientAided;

#[derive(Serialize, Deserialize)]
struct AidedPlan {
    protocol: Cow<'static, str>,
    scheme: Scheme,
    rounds: usize,
}

/// The plan for a machine with so much memory.
fn plan(architecture: &Architecture, job: &Job, memory: usize) -> Result<Plan, Unsupported> {
    let guarded = |round: Round| {
        let guard = Guard::structure(round.shape.len());
        round.guarded(&guard)
    };
    let steps = steps(architecture, None)?;
    let kept_bytes = job.batch * kept_values(architecture, &steps) * size_of::<f32>();
    let rounds: Vec<Round> = rounds(steps).map(guarded).collect();
    let largest = rounds.iter().map(|round| round.units[1]).fold(1.0, f64::max);
    let demand = Demand {
        depth: DEPTH,
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
    let exchanges = |rates| -> Vec<_> {
        let cost = Cost::new(rates, &scheme, job.threads);
        rounds.iter().map(|round| cost.exchange(&round.map)).collect()
    };
    let (exchanges, at_reference) = (exchanges(rates::here()), exchanges(rates::reference()));
    // A round's inputs and results are in memory together.
    let held = |round: &Round| {
        round.map.inputs * scheme.memory_bytes(1) + round.map.outputs() * scheme.wire_bytes(0, false)
    };
    let held = rounds.iter().map(held).max().unwrap_or(0);
    let kept = job.threads.saturating_sub(1) * (held / KEPT_SHARE);
    let peak_rss_bytes = PROCESS_BYTES + held + kept;
    let images = job.batch * architecture.input.len() * size_of::<f32>();
    let session_peak_rss_bytes = peak_rss_bytes + CLIENT_BYTES + IMAGE_COPIES * images + kept_bytes;
    if session_peak_rss_bytes > memory {
        return Err(too_little_memory(session_peak_rss_bytes, memory));
    }
    let stages: Vec<Inputs> =
        rounds.iter().map(|round| Inputs { count: round.fan_in, magnitude: 1.0, fresh: true }).collect();
    let magnitude = rounds.last().map_or(0.0, |round| round.units[1]);
    let [online_wall_ns, reference_ns] = [&exchanges, &at_reference].map(|exchanges| {
        let pass_ns: f64 = exchanges.iter().map(|exchange| exchange.wall_ns(job)).sum();
        (passes as u64).saturating_mul(pass_ns as u64)
    });
    let upload_bytes = passes * exchanges.iter().map(|exchange| exchange.up_bytes).sum::<usize>();
    let download_bytes = passes * exchanges.iter().map(|exchange| exchange.down_bytes).sum::<usize>();
    let predicted = Prediction {
        online_wall_ns,
        reference_ns,
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
        scheme,
    };
    Ok(Plan {
        security_bits: Some(veilbench_ckks::SECURITY_BITS),
        parameters: serde_json::to_value(plan).map_err(unwritten)?,
        prediction: Some(predicted.figures()),
        notes: vec!["the data owner sees every activation".into()],
        predicted_batch_ns: Some(reference_ns),
        ..Plan::default()
    })
}

impl Backend for CkksClientAided {
    fn profile(&self) -> Profile {
        Profile {
            name: "ckks-client-aided".into(),
            summary: "CKKS for linear layers, activations by the data owner in the clear (as HE-Transformer)".into(),
            technology: Technology::Fhe,
            roles: vec![Role::data_owner(), Role::model_owner()],
            protection: Protection {
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

    fn rates_source(&self) -> Option<&'static str> {
        Some(rates::source())
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let plan: AidedPlan = serde_json::from_value(role.plan.parameters.clone())
            .map_err(Error::engine("reading the plan"))?;
        let scheme = plan.scheme;
        let context = scheme.context()?;
        scheme.check_depth(DEPTH)?;
        let impossible = |unsupported: Unsupported| Error::Input(unsupported.to_string());
        let recorder = role.recorder.clone();
        if role.index == 0 {
            let mut server = role.links.take("model-owner")?;
            let steps = steps(&role.architecture, None).map_err(impossible)?;
            let mut random = Randomness::from_system().map_err(Error::engine("drawing randomness"))?;
            let secret = SecretKey::generate(&context, &mut random);
            // No keys at all, but the name of the secret one, from which guards follow.
            let keys = SeededEvaluationKeys::generate(&secret, &KeyRequest::default(), &mut random);
            server.send(&keys.to_bytes(&context).map_err(Error::engine("writing the key's name"))?)?;
            let images = ImageRange::of(&role.architecture);
            return Ok(Box::new(DataOwner::new(server, secret, scheme, steps, images, recorder)?));
        }
        let network = role.take_network()?;
        let mut client = role.links.take("data-owner")?;
        let steps = steps(&role.architecture, Some(&network.parameters)).map_err(impossible)?;
        let keys = client.receive_exactly(KEYS_HEADER_BYTES)?;
        let reading = "reading the key's name";
        let keys = SeededEvaluationKeys::from_bytes(&context, &keys).map_err(Error::engine(reading))?;
        let guarded = |(index, round): (usize, Round)| {
            let guard = Guard::new(keys.key(), index, round.shape.len(), scheme.period(&context));
            round.guarded(&guard)
        };
        let rounds = rounds(steps).enumerate().map(guarded).collect();
        let evaluator = keys
            .expand(&context)
            .and_then(|keys| Evaluator::new(&context, Arc::new(keys)))
            .map_err(Error::engine(reading))?;
        Ok(Box::new(ModelOwner { client, evaluator, scheme, rounds, images: 0, recorder }))
    }
}

#[cfg(test)]
mod tests;
