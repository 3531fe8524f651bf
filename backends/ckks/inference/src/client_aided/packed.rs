//! One image across the slots of few ciphertexts, round by round: see [`crate::circuits::program`].
//!
//! Every round is a program of one layer: the data owner lays its values out as suits the map, the model owner rotates and
//! sums them with keys it was sent once, and re-randomises what it returns. A few images go through a round together, so
//! that a batch waits for the link less often.

mod model_owner;
mod planning;
mod rounds;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_ckks::{Context, PublicKey, Randomness, SecretKey, SeededEvaluationKeys};

use super::DEPTH;
use super::data_owner::{ClientRound, ClientStep, client_steps};
use super::rounds::{Round, deviation};
use super::steps::{self, Step};
use crate::circuits::circuit::Stage;
use crate::circuits::program::PackedCircuit;
use crate::planning::scheme::{FRESH_LEVEL, RotationKeys, Scheme};
use crate::roles::keys;
use crate::roles::latency::{Layer, Results};
use veilbench_api::{Error, Link, Party, Recorder};

pub(super) use planning::plan;
pub(super) use rounds::{ClientRound as PackedRound, run};

/// Images that go through a round together.
pub(super) const IMAGES_TOGETHER: usize = 8;

/// What both parties derive the programs of all rounds from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PackedPlan {
    /// What a rotation key counts when transforms are laid out, in halves of a hoisted rotation.
    key_cost: usize,
    rounds: Vec<RoundPlan>,
}

/// One round, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RoundPlan {
    layer: String,
    /// Ciphertexts that come and go.
    inputs: usize,
    results: usize,
    weights: usize,
    rotations: usize,
    online_ns: u64,
}

/// The program of a round, as planned.
fn program(stage: &Stage, scheme: &Scheme, plan: &PackedPlan) -> Result<PackedCircuit, Error> {
    let program = PackedCircuit::round(stage, scheme.slots());
    let program = program.map(|program| program.with_key_cost(plan.key_cost));
    program.ok_or_else(|| {
        Error::Input(format!("layer {} does not suit the planned layout: plan it anew", stage.name))
    })
}

/// The rotations of all rounds that need a key.
fn rotations(programs: &[PackedCircuit], scheme: &Scheme) -> RotationKeys {
    scheme.rotation_keys(programs.iter().flat_map(|program| program.rotations(DEPTH)))
}

/// Who joins as the data owner.
pub(super) struct DataOwner<'a> {
    pub(super) scheme: &'a Scheme,
    pub(super) plan: &'a PackedPlan,
    pub(super) secret: &'a SecretKey,
    pub(super) recorder: &'a Recorder,
}

impl DataOwner<'_> {
    /// Lays out every round and sends the keys that all of them need, the public one first.
    pub(super) fn join(
        &self,
        server: &mut Link,
        steps: Vec<Step>,
        random: &mut Randomness,
    ) -> Result<Vec<ClientStep>, Error> {
        let &Self { scheme, plan, secret, recorder } = self;
        let generating = "generating keys";
        let context = secret.context();
        let public = PublicKey::generate_for_level(secret, FRESH_LEVEL, random).to_bytes(context);
        let public = public.map_err(Error::engine(generating))?;
        recorder.span("send", || server.send(&public))?;
        let mut rotations = Vec::new();
        let play = |round: Round| {
            let (shape, units) = (round.shape, round.units);
            let stage = round.into_stage();
            let program = program(&stage, scheme, plan)?;
            rotations.extend(program.rotations(DEPTH));
            let deviation = deviation(scheme, program.terms(), true);
            Ok(ClientRound::Packed(rounds::ClientRound::new(stage.name, shape, units, program, deviation)))
        };
        let steps = recorder.span("lay out", || client_steps(steps, play))?;
        let request = scheme.key_request(&scheme.rotation_keys(rotations));
        let keys = recorder.span("generate keys", || {
            SeededEvaluationKeys::generate(secret, &request, random).to_bytes(context)
        });
        recorder.span("send", || Ok::<_, Error>(server.send(&keys.map_err(Error::engine(generating))?)?))?;
        Ok(steps)
    }
}

/// The model owner of these steps, with every weight encoded.
pub(super) fn join_model_owner(
    mut client: Link,
    context: &Context,
    scheme: Scheme,
    plan: &PackedPlan,
    steps: Vec<Step>,
    recorder: Recorder,
) -> Result<Box<dyn Party>, Error> {
    let programs = recorder.span("lay out", || {
        let lay_out = |round: Round| program(&round.into_stage(), &scheme, plan);
        steps::rounds(steps).map(lay_out).collect::<Result<Vec<_>, _>>()
    })?;
    let rotations = rotations(&programs, &scheme);
    let (public, evaluator) = keys::receive(&mut client, &scheme, context, &rotations, &recorder, |keys| {
        let check = |program| keys::check_program(keys, context, program, &scheme);
        programs.iter().try_for_each(check)
    })?;
    let public = Arc::new(public);
    let encode = |program: PackedCircuit| -> Result<_, Error> {
        let inputs = program.input.len();
        let results = Results::new(public.clone(), &program);
        let layer =
            program.layers.into_iter().next().ok_or_else(|| Error::protocol("a round without a layer"))?;
        let (layer, _) = Layer::new(&evaluator, &scheme, layer, DEPTH, scheme.input_scale())
            .map_err(Error::engine("encoding the weights"))?;
        Ok(model_owner::Round { inputs, layer, results })
    };
    let rounds = recorder
        .span("encode weights", || programs.into_iter().map(encode).collect::<Result<Vec<_>, _>>())?;
    Ok(Box::new(model_owner::ModelOwner { client, evaluator, scheme, rounds, images: 0, recorder }))
}

#[cfg(test)]
mod tests;
