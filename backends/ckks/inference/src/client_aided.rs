//! The protocol of HE-Transformer: the model owner computes the linear layers on ciphertexts, the data owner
//! decrypts, applies the activations, pools and joins in the clear, and encrypts again.
//!
//! Every linear stage, a *round*, takes fresh ciphertexts with one level to spare, so that the smallest ring serves
//! networks of any depth. Slot `i` is image `i`, and no evaluation keys are needed ([`slots`]), or an image is across the
//! slots of few ciphertexts, which are rotated ([`packed`]).
//!
//! It protects the images and gives the weights away: the data owner sees what every linear layer makes of inputs it
//! knows, and solves for them. Every result is held against its layer's range as in [`crate::roles::guard`].

mod data_owner;
mod exchange;
mod model_owner;
mod packed;
mod rounds;
mod slots;
mod steps;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_ckks::{Evaluator, KeyRequest, Randomness, SecretKey, SeededEvaluationKeys};
use veilbench_networks::Architecture;

use super::{impossible, learns};
use crate::planning::memory::{KEYS_HEADER_BYTES, too_little_memory, total_memory_bytes};
use crate::planning::rates;
use crate::planning::scheme::Scheme;
use crate::roles::guard::Guard;
use crate::roles::image_range::ImageRange;
use data_owner::{ClientRound, DataOwner, client_steps};
use model_owner::ModelOwner;
use packed::PackedPlan;
use rounds::Round;
use steps::{rounds, steps};
use veilbench_api::{
    Adversary, Backend, Error, Job, Leakage, Learned, Party, Plan, Profile, Protection, Role, RoleContext,
    Setting, Technology, Unsupported,
};

/// What both layouts do.
const PROTOCOL: &str = "linear layers encrypted, activations in the clear at the data owner";

/// Levels of a round: its map takes one.
const DEPTH: usize = 1;

/// Largest error of a logit a plan may expect.
const LOGIT_ERROR: f64 = 1.0 / 1024.0;

/// Copies of a batch that the data owner has: as read, as activations, and the part that goes through a round.
const IMAGE_COPIES: usize = 4;

/// Where the values of an image are.
const LAYOUT: Setting = Setting {
    key: "layout",
    values: &["auto", "packed", "slots"],
    summary: "an image across the slots (packed), one in every slot (slots: as many bytes for one as for thousands), or what is \
              predicted to be faster for the batch (auto)",
};

/// Interactive inference on networks with any activations.
#[derive(Clone, Copy, Debug)]
pub struct CkksClientAided;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AidedPlan {
    protocol: Cow<'static, str>,
    scheme: Scheme,
    rounds: usize,
    /// If every round is across the slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packed: Option<PackedPlan>,
}

/// The plan for a machine with so much memory: the one place where the layout is chosen.
fn plan(architecture: &Architecture, job: &Job, memory: usize) -> Result<Plan, Unsupported> {
    match job.setting(&LAYOUT) {
        "auto" => {
            let plans = |memory| [packed::plan, slots::plan].map(|plan| plan(architecture, job, memory));
            let [across, slots] = plans(memory);
            faster(across, slots).map_err(|refused| {
                // With memory for any layout, that of the one which needs less is what is lacking.
                let needed = plans(usize::MAX)
                    .into_iter()
                    .filter_map(|plan| plan.ok()?.prediction?.session_peak_rss_bytes)
                    .min();
                needed.map_or(refused, |needed| too_little_memory(needed as usize, memory))
            })
        }
        "packed" => packed::plan(architecture, job, memory),
        "slots" => slots::plan(architecture, job, memory),
        other => {
            let known = LAYOUT.values.join(", ");
            let reason = format!("the setting layout is {other:?}, not one of {known}");
            Err(Unsupported { layer: None, reason })
        }
    }
}

/// Of two plans the one whose batch is predicted to be done first on the reference machine; of two refusals the second.
fn faster(one: Result<Plan, Unsupported>, other: Result<Plan, Unsupported>) -> Result<Plan, Unsupported> {
    match (one, other) {
        (Ok(one), Ok(other)) if other.predicted_batch_ns < one.predicted_batch_ns => Ok(other),
        (Ok(plan), _) | (Err(_), Ok(plan)) => Ok(plan),
        (Err(_), refused) => refused,
    }
}

/// Who must be trusted with what in either layout.
fn profile() -> Profile {
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
                "answers with one image across the slots are re-randomised, so that a ciphertext says no more than what it \
                 decrypts to; its noise is not flooded, and with the results it still follows from the weights: circuit \
                 privacy is not provided"
                    .into(),
                "answers with an image in every slot are not re-randomised: they are a function of query and weights, and lattice \
                 reduction of a single one gives a convolution filter"
                    .into(),
                "the data owner applies the activations it is asked to".into(),
                "the model owner computes the network it promised: nothing proves that it did".into(),
                "the data owner sends fresh encryptions of activations only, never decrypted results: those would \
                 reveal its key bit by bit (Li and Micciancio, 2021)"
                    .into(),
                "ring learning with errors at the table's parameters, and circular security of evaluation keys where an \
                 image is across the slots"
                    .into(),
            ],
            learns: vec![
                Leakage {
                    weights: Learned::derivable(
                        "one image for a convolution, about as many images as it has inputs for a dense layer",
                    ),
                    ..learns("data-owner", true, true)
                },
                learns("model-owner", false, false),
            ],
            simulated: false,
        },
    }
}

impl Backend for CkksClientAided {
    fn profile(&self) -> Profile {
        profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        plan(architecture, job, total_memory_bytes())
    }

    fn rates_source(&self) -> Option<&'static str> {
        Some(rates::source())
    }

    fn settings(&self) -> &'static [Setting] {
        &[LAYOUT]
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let plan: AidedPlan = serde_json::from_value(role.plan.parameters.clone())
            .map_err(Error::engine("reading the plan"))?;
        let scheme = plan.scheme;
        let context = scheme.context()?;
        scheme.check_depth(DEPTH)?;
        let recorder = role.recorder.clone();
        if role.index == 0 {
            let mut server = role.links.take("model-owner")?;
            let steps = steps(&role.architecture, None).map_err(impossible)?;
            let mut random = Randomness::from_system().map_err(Error::engine("drawing randomness"))?;
            let secret = SecretKey::generate(&context, &mut random);
            let (steps, together) = match &plan.packed {
                Some(plan) => {
                    let own =
                        packed::DataOwner { scheme: &scheme, plan, secret: &secret, recorder: &recorder };
                    (own.join(&mut server, steps, &mut random)?, packed::IMAGES_TOGETHER)
                }
                None => {
                    // No keys at all, but the name of the secret one, from which guards follow.
                    let keys = SeededEvaluationKeys::generate(&secret, &KeyRequest::default(), &mut random);
                    server
                        .send(&keys.to_bytes(&context).map_err(Error::engine("writing the key's name"))?)?;
                    let (period, mut rounds) = (scheme.period(&context), 0..);
                    let play = |round: Round| {
                        let index = rounds.next().unwrap_or_default();
                        let guard = Guard::new(secret.id(), index, round.shape.len(), period);
                        Ok(ClientRound::Slots(exchange::ClientRound::new(round, guard, &scheme)))
                    };
                    (client_steps(steps, play)?, scheme.slots())
                }
            };
            let images = ImageRange::of(&role.architecture);
            return Ok(Box::new(DataOwner { server, secret, scheme, steps, together, images, recorder }));
        }
        let network = role.take_network()?;
        let mut client = role.links.take("data-owner")?;
        let steps = steps(&role.architecture, Some(&network.parameters)).map_err(impossible)?;
        if let Some(plan) = &plan.packed {
            return packed::join_model_owner(client, &context, scheme, plan, steps, recorder);
        }
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
