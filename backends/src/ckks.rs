//! Homomorphic encryption: the model owner computes on CKKS ciphertexts whose key only the data owner has.
//!
//! [`Ckks`] evaluates networks with polynomial activations without interaction. What is computed where, the plan
//! says, which is made from the architecture alone and read by both parties.

mod circuit;
mod map;
mod plan;
mod schedule;
mod scheme;
mod throughput;

use std::sync::Arc;

use veilbench_ckks::{Evaluator, KeyRequest, Randomness, SecretKey, SeededEvaluationKeys};
use veilbench_networks::{Architecture, Range, Shape, Tensor};

use crate::{
    Adversary, Backend, Error, Job, Knowledge, Link, Party, Plan, Profile, Role, Seat, Technology,
    ThreatModel, Unsupported,
};
use circuit::Circuit;
use plan::CkksPlan;
use schedule::Schedule;

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
        Ok(CkksPlan::new(architecture, job)?.into_plan(Vec::new()))
    }

    fn join(&self, mut seat: Seat) -> Result<Box<dyn Party>, Error> {
        let plan = CkksPlan::from_plan(&seat.plan)?;
        let context = plan.scheme.context()?;
        let recorder = seat.recorder.clone();
        let impossible = |unsupported: Unsupported| Error::Input(unsupported.to_string());
        if seat.role == 0 {
            let mut server = seat.links.take("model-owner")?;
            let circuit = Circuit::new(&seat.architecture, None).map_err(impossible)?;
            let request = KeyRequest { relinearisation: true, ..KeyRequest::default() };
            let secret = recorder.span("generate keys", || -> veilbench_ckks::Result<_> {
                let mut random = Randomness::from_system()?;
                let secret = SecretKey::generate(&context, &mut random);
                let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
                Ok((keys.to_bytes(&context)?, secret))
            });
            let (keys, secret) = secret.map_err(Error::engine("generating keys"))?;
            recorder.span("send", || server.send(&keys))?;
            let client = throughput::Client {
                secret,
                schedule: Schedule::new(&circuit),
                classes: seat.architecture.classes(),
                logit_unit: circuit.logit_unit(),
                scheme: plan.scheme,
                recorder,
            };
            let images = Expected::new(&seat.architecture, seat.job.batch);
            return Ok(Box::new(DataOwner { server, client, images }));
        }
        let network = seat.take_network()?;
        let mut client = seat.links.take("data-owner")?;
        let circuit = recorder
            .span("fold", || Circuit::new(&seat.architecture, Some(&network.parameters)))
            .map_err(impossible)?;
        let keys = recorder.span("wait", || client.receive())?;
        let evaluator = recorder
            .span("expand keys", || {
                let keys = SeededEvaluationKeys::from_bytes(&context, &keys)?.expand(&context)?;
                Evaluator::new(&context, Arc::new(keys))
            })
            .map_err(Error::engine("reading the evaluation keys"))?;
        let schedule = Schedule::new(&circuit);
        let server = throughput::Server { evaluator, scheme: plan.scheme, circuit, schedule, recorder };
        Ok(Box::new(ModelOwner { client, server, images: 0 }))
    }
}

fn learns(role: &'static str, activations: bool, logits: bool) -> Knowledge {
    Knowledge { role: role.into(), images: false, weights: false, activations, logits, architecture: true }
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

struct DataOwner {
    server: Link,
    client: throughput::Client,
    images: Expected,
}

impl Party for DataOwner {
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.images.check(images)?;
        let logits = self.client.classify(&mut self.server, images)?;
        let shape = Shape::Flat(self.client.classes);
        let logits = Tensor::new(images.images(), shape, logits);
        Ok(Some(logits.ok_or_else(|| Error::protocol("logits are missing"))?))
    }
}

struct ModelOwner {
    client: Link,
    server: throughput::Server,
    images: usize,
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        for _ in 0..self.images.div_ceil(self.server.scheme.slots()) {
            self.server.answer(&mut self.client)?;
        }
        Ok(None)
    }
}
