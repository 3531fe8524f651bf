//! Homomorphic encryption: the model owner computes on CKKS ciphertexts whose key only the data owner has.
//!
//! [`Ckks`] evaluates networks with polynomial activations without interaction, [`CkksClientAided`] any other with the
//! help of the data owner. What is computed where, the plan
//! says, which is made from the architecture alone and read by both parties.

mod circuit;
mod client_aided;
mod cost;
mod keys;
mod latency;
mod map;
mod packing;
mod plan;
mod precision;
mod program;
mod schedule;
mod scheme;
mod throughput;

use std::sync::Arc;

use veilbench_ckks::{Evaluator, Randomness, SecretKey, SeededEvaluationKeys};
use veilbench_networks::{Architecture, Network, Range, Shape, Tensor};

use crate::{
    Adversary, Backend, Error, Job, Leakage, Learned, Link, Party, Plan, Profile, Recorder, Role, Seat,
    Technology, ThreatModel, Unsupported,
};
use circuit::Circuit;
use plan::{CkksPlan, Layout};
use program::Program;
use schedule::Schedule;

pub use client_aided::CkksClientAided;
pub use plan::LAYOUT_VARIABLE;

/// Non-interactive inference on networks with polynomial activations.
#[derive(Clone, Copy, Debug)]
pub struct Ckks;

impl Backend for Ckks {
    fn profile(&self) -> Profile {
        Profile {
            name: "ckks".into(),
            summary: "CKKS homomorphic encryption, non-interactive: the server computes on ciphertexts".into(),
            technology: Technology::Fhe,
            roles: vec![Role::data_owner(), Role::model_owner()],
            threat_model: ThreatModel {
                label: "semi-honest server, encrypted inputs".into(),
                adversary: Adversary::SemiHonest,
                colluding: 0,
                trusted: vec![
                    "the model owner computes the network it promised: nothing proves that it did".into(),
                    "the data owner keeps decrypted results to itself: shown to the model owner, they would reveal \
                     its key bit by bit (Li and Micciancio, 2021)"
                        .into(),
                    "ring learning with errors at the table's parameters, and circular security of evaluation keys"
                        .into(),
                    "logits and the noise on them may tell the data owner something about the weights".into(),
                ],
                learns: vec![learns("data-owner", false, true), learns("model-owner", false, false)],
                simulated: false,
            },
        }
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        Ok(CkksPlan::new(architecture, job)?.into_plan())
    }

    fn insecure_debug_trace(
        &self,
        network: &Network,
        image: &Tensor,
    ) -> Option<Result<serde_json::Value, Error>> {
        Some(trace(network, image))
    }

    fn join(&self, mut seat: Seat) -> Result<Box<dyn Party>, Error> {
        let plan = CkksPlan::from_plan(&seat.plan)?;
        let context = plan.scheme.context()?;
        let recorder = seat.recorder.clone();
        let impossible = |unsupported: Unsupported| Error::Input(unsupported.to_string());
        if seat.role == 0 {
            let mut server = seat.links.take("model-owner")?;
            let circuit = Circuit::new(&seat.architecture, None).map_err(impossible)?;
            let program = recorder.span("lay out", || program(&circuit, &plan))?;
            let rotations = program.as_ref().map(|program| program.rotations(plan.scheme.depth()));
            let request = plan.scheme.key_request(&rotations.unwrap_or_default());
            let generated = recorder.span("generate keys", || -> veilbench_ckks::Result<_> {
                let mut random = Randomness::from_system()?;
                let secret = SecretKey::generate(&context, &mut random);
                let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
                Ok((keys.to_bytes(&context)?, secret))
            });
            let (keys, secret) = generated.map_err(Error::engine("generating keys"))?;
            recorder.span("send", || server.send(&keys))?;
            let (scheme, logit_unit) = (plan.scheme, circuit.logit_unit());
            let client = match program {
                Some(Program { input, logits, .. }) => {
                    Client::Latency(latency::Client { secret, scheme, input, logits, logit_unit, recorder })
                }
                None => Client::Throughput(throughput::Client {
                    secret,
                    schedule: Schedule::new(&circuit),
                    classes: seat.architecture.classes(),
                    logit_unit,
                    scheme,
                    recorder,
                }),
            };
            let images = Expected::new(&seat.architecture, seat.job.batch);
            return Ok(Box::new(DataOwner { server, client, images, logits: seat.architecture.output() }));
        }
        let network = seat.take_network()?;
        let mut client = seat.links.take("data-owner")?;
        let circuit = recorder
            .span("fold", || Circuit::new(&seat.architecture, Some(&network.parameters)))
            .map_err(impossible)?;
        let program = recorder.span("lay out", || program(&circuit, &plan))?;
        let keys = recorder.span("wait", || client.receive())?;
        let keys = recorder
            .span("expand keys", || SeededEvaluationKeys::from_bytes(&context, &keys)?.expand(&context))
            .map_err(Error::engine("reading the evaluation keys"))?;
        let scheme = plan.scheme;
        match &program {
            Some(program) => keys::check_program(&keys, &context, program, scheme.depth())?,
            None => keys::check_circuit(&keys, &circuit)?,
        }
        let evaluator =
            Evaluator::new(&context, Arc::new(keys)).map_err(Error::engine("reading the evaluation keys"))?;
        let slots = scheme.slots();
        let server = match program {
            Some(program) => {
                let encode = || latency::Server::new(evaluator, scheme, program, recorder.clone());
                Server::Latency(recorder.span("encode weights", encode)?)
            }
            None => {
                let schedule = Schedule::new(&circuit);
                Server::Throughput(throughput::Server { evaluator, scheme, circuit, schedule, recorder })
            }
        };
        Ok(Box::new(ModelOwner { client, server, slots, images: 0 }))
    }
}

/// Both roles at once, in the latency layout: the secret key stands beside the weights.
fn trace(network: &Network, image: &Tensor) -> Result<serde_json::Value, Error> {
    let impossible = |unsupported: Unsupported| Error::Input(unsupported.to_string());
    let plan = CkksPlan::latency(&Circuit::new(&network.architecture, None).map_err(impossible)?)
        .ok_or_else(|| Error::Input("only the latency layout is traced, and this network has none".into()))?;
    let circuit = Circuit::new(&network.architecture, Some(&network.parameters)).map_err(impossible)?;
    let images = Expected::new(&network.architecture, 1).check(Some(image))?;
    let context = plan.scheme.context()?;
    let Some(program) = program(&circuit, &plan)? else { return Ok(serde_json::Value::Null) };
    let tracing = || -> veilbench_ckks::Result<_> {
        let mut random = Randomness::from_system()?;
        let secret = SecretKey::generate(&context, &mut random);
        let request = plan.scheme.key_request(&program.rotations(plan.scheme.depth()));
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random).expand(&context)?;
        let inputs = packing::spread(&program.input, |input| f64::from(images.image(0)[input]))
            .iter()
            .map(|values| {
                let plaintext = context.encode(values, plan.scheme.input_scale(), plan.scheme.depth())?;
                secret.encrypt(&plaintext, &mut random)?.expand(&context)
            })
            .collect::<veilbench_ckks::Result<Vec<_>>>()?;
        Ok((Evaluator::new(&context, Arc::new(keys))?, secret, inputs))
    };
    let (evaluator, secret, inputs) = tracing().map_err(Error::engine("encrypting"))?;
    let server = latency::Server::new(evaluator, plan.scheme, program, Recorder::default())?;
    let layers = server
        .insecure_debug_trace(&secret, &circuit, inputs, images.image(0))
        .map_err(Error::engine("tracing"))?;
    let logits = layers.last().map_or(0.0, |last| last.largest_error) * circuit.logit_unit();
    Ok(serde_json::json!({ "layers": layers, "largest_logit_error": logits }))
}

/// The program, if the plan asks for one.
fn program(circuit: &Circuit, plan: &CkksPlan) -> Result<Option<Program>, Error> {
    if plan.layout == Layout::Throughput {
        return Ok(None);
    }
    let program = Program::new(circuit, plan.scheme.slots());
    let program = program.map(|program| program.weighing_keys(plan.key_cost));
    program.map(Some).ok_or_else(|| Error::Input("the network does not suit the planned layout".into()))
}

fn learns(role: &'static str, activations: bool, logits: bool) -> Leakage {
    Leakage {
        activations: Learned::seen(activations),
        logits: Learned::seen(logits),
        ranges: Learned::Yes,
        ..Leakage::none(role)
    }
}

/// Which batches are accepted.
struct Expected {
    shape: Shape,
    batch: usize,
    range: Option<Range>,
}

impl Expected {
    fn new(architecture: &Architecture, batch: usize) -> Self {
        Self { shape: architecture.input, batch, range: architecture.input_range }
    }

    /// The batch, if it has the shape and size that were planned and finite values near the calibrated range.
    fn check<'a>(&self, images: Option<&'a Tensor>) -> Result<&'a Tensor, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        if images.shape() != self.shape || images.images() == 0 || images.images() > self.batch {
            return Err(Error::Input(format!(
                "a batch of {} images of {} was given where 1 to {} images of {} were planned",
                images.images(),
                images.shape(),
                self.batch,
                self.shape
            )));
        }
        let range = self.range.unwrap_or(Range { low: f32::MIN, high: f32::MAX });
        let slack = (range.high - range.low).min(f32::MAX) / 2.0;
        let inside =
            |value: f32| value.is_finite() && value >= range.low - slack && value <= range.high + slack;
        if let Some(at) = images.data().iter().position(|&value| !inside(value)) {
            return Err(Error::Input(format!(
                "value {} of image {} is {}, far from the calibrated range of {} to {}: the results would be noise",
                at % self.shape.len(),
                at / self.shape.len(),
                images.data()[at],
                range.low,
                range.high
            )));
        }
        Ok(images)
    }
}

enum Client {
    Latency(latency::Client),
    Throughput(throughput::Client),
}

struct DataOwner {
    server: Link,
    client: Client,
    images: Expected,
    logits: Shape,
}

impl Party for DataOwner {
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.images.check(images)?;
        let logits = match &self.client {
            Client::Latency(client) => client.classify(&mut self.server, images)?,
            Client::Throughput(client) => client.classify(&mut self.server, images)?,
        };
        let logits = Tensor::new(images.images(), self.logits, logits);
        Ok(Some(logits.ok_or_else(|| Error::protocol("logits are missing"))?))
    }
}

enum Server {
    Latency(latency::Server),
    Throughput(throughput::Server),
}

struct ModelOwner {
    client: Link,
    server: Server,
    slots: usize,
    images: usize,
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        match &self.server {
            Server::Latency(server) => {
                for _ in 0..self.images {
                    server.answer(&mut self.client)?;
                }
            }
            Server::Throughput(server) => {
                for _ in 0..self.images.div_ceil(self.slots) {
                    server.answer(&mut self.client)?;
                }
            }
        }
        Ok(None)
    }
}
