//! Homomorphic encryption: the model owner computes on CKKS ciphertexts whose key only the data owner has.
//!
//! [`Ckks`] evaluates networks with polynomial activations without interaction, [`CkksClientAided`] any other with the
//! help of the data owner. What is computed where, the plan
//! says, which is made from the architecture alone and read by both parties.

mod circuits;
mod client_aided;
mod deep;
mod planning;
mod roles;

use std::sync::Arc;

use veilbench_ckks::{
    Context, Evaluator, HalfSecret, KeyRequest, PublicKey, Randomness, SecretKey, SeededEvaluationKeys,
};
use veilbench_networks::{Architecture, Network, Shape, Tensor};

use circuits::circuit::Circuit;
use circuits::program::PackedCircuit;
use planning::pairs::SLOTS;
use planning::plan::{CkksPlan, LAYOUT, Layout, PRECISION};
use planning::release::{self, RELEASE, RELEASE_IMAGES};
use planning::schedule::Schedule;
use planning::scheme::{FRESH_LEVEL, RotationKeys, Scheme};
use roles::guard::Guard;
use roles::image_range::ImageRange;
use roles::release::{Budget, labels};
use veilbench_api::{
    Adversary, Answers, Backend, Error, ImagesAtHand, Job, Leakage, Learned, Link, LinkProfile, LogitNoise,
    Party, Plan, Profile, Protection, Recorder, Reveals, Role, RoleContext, Setting, Settings, Technology,
    Unsupported,
};

pub use client_aided::CkksClientAided;

/// Whom results are kept from.
const KEEPS_RESULTS: &str = "the data owner keeps decrypted results to itself: shown to the model owner, they would reveal \
                             its key bit by bit (Li and Micciancio, 2021); the setting release adds noise to those that are to be shown";

/// The same where they may be shown.
const SHOWS_RESULTS: &str = "results may be shown to anyone, the model owner included: noise is added to them that hides what their errors tell of the key, \
     with 30 bits of statistical security, of as many images a session as the setting release-images says (Li, Micciancio, Schultz and Sorrell, \
     2022); which images are refused is shown as well. The noise is from a bound on errors for images in the calibrated range and for weights \
     that the model owner has to check: nothing proves that it did";

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
            protection: Protection {
                label: "semi-honest server, encrypted inputs".into(),
                adversary: Adversary::SemiHonest,
                colluding: 0,
                trusted: vec![
                    "the model owner computes the network it promised: nothing proves that it did".into(),
                    KEEPS_RESULTS.into(),
                    "ring learning with errors at the table's parameters, and circular security of evaluation keys"
                        .into(),
                    "answers are re-randomised, so that a ciphertext says no more than what it decrypts to; its noise is not \
                     flooded, and with the logits it still follows from the weights: circuit privacy is not provided"
                        .into(),
                    "logits tell the data owner about the weights: enough of them let it train or solve for a copy".into(),
                    "the guard, a fixed sum of the logits, tells the data owner nothing that they do not".into(),
                    "where activations are approximated, it is told whether a value of its image left their range, within noise: of an \
                     image that is refused it learns by how far, of an image asked for many times a sum over all values"
                        .into(),
                ],
                learns: vec![learns("data-owner", false, true), learns("model-owner", false, false)],
                simulated: false,
            },
        }
    }

    /// Results that may be shown are another protection: the data owner need not keep them to itself.
    fn profile_under(&self, settings: &Settings) -> Profile {
        let mut profile = self.profile();
        if settings.get(RELEASE.key).is_some_and(|value| value != "no") {
            let Protection { label, trusted, .. } = &mut profile.protection;
            label.to_mut().push_str(", results may be shown");
            for text in trusted.iter_mut().filter(|text| **text == *KEEPS_RESULTS) {
                *text = SHOWS_RESULTS.into();
            }
        }
        profile
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        CkksPlan::new(architecture, job)?.into_plan()
    }

    fn draw_noise(
        &self,
        network: &Network,
        plan: &Plan,
        images: ImagesAtHand<'_>,
    ) -> Result<Option<LogitNoise>, Unsupported> {
        let Ok(own) = CkksPlan::from_plan(plan) else { return Ok(None) };
        let deviation = plan.prediction.as_ref().and_then(|predicted| predicted.logit_error_deviation);
        match (own.layout, own.release, deviation) {
            (Layout::Deep, ..) => deep::roles::draw_noise(network, &own, images),
            (_, Some(_), Some(deviation)) => release::draw_noise(deviation, network, images),
            _ => Ok(None),
        }
    }

    fn insecure_debug_trace(
        &self,
        network: &Network,
        image: &Tensor,
    ) -> Option<Result<serde_json::Value, Error>> {
        Some(trace(network, image))
    }

    fn measure_rates(&self) -> Option<Result<serde_json::Value, Error>> {
        let rates = || {
            let rates = planning::calibration::measure()?;
            serde_json::to_value(rates).map_err(Error::engine("writing the rates"))
        };
        Some(rates())
    }

    fn adopt_rates(&self, rates: &serde_json::Value) -> Result<(), Error> {
        planning::rates::adopt(rates)
    }

    fn rates_source(&self) -> Option<&'static str> {
        Some(planning::rates::source())
    }

    fn settings(&self) -> &'static [Setting] {
        &[LAYOUT, PRECISION, SLOTS, RELEASE, RELEASE_IMAGES]
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let plan = CkksPlan::from_plan(&role.plan)?;
        let context = plan.scheme.context()?;
        match (plan.layout, role.index) {
            (Layout::Deep, 0) => deep::roles::join_data_owner(role, &plan, &context),
            (Layout::Deep, _) => deep::roles::join_model_owner(role, &plan, &context),
            (_, 0) => join_data_owner(role, &plan, &context),
            (_, _) => join_model_owner(role, &plan, &context),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn impossible(unsupported: Unsupported) -> Error {
    Error::Input(unsupported.to_string())
}

fn join_data_owner(
    mut role: RoleContext,
    plan: &CkksPlan,
    context: &Context,
) -> Result<Box<dyn Party>, Error> {
    let (recorder, scheme) = (role.recorder.clone(), plan.scheme.clone());
    let mut server = role.links.take("model-owner")?;
    let generating = "generating keys";
    let mut random = Randomness::from_system().map_err(Error::engine(generating))?;
    let secret = SecretKey::generate(context, &mut random);
    // First, since its name is what the model owner waits for.
    let public = PublicKey::generate_for_level(&secret, FRESH_LEVEL, &mut random);
    let public = public.to_bytes(context).map_err(Error::engine(generating))?;
    recorder.span("send", || server.send(&public))?;
    let circuit = Circuit::new(&role.architecture, None).map_err(impossible)?;
    scheme.check_depth(circuit.depth())?;
    let program = recorder.span("lay out", || program(&circuit, plan))?;
    check_halved(plan, program.as_ref())?;
    let request = request(program.as_ref(), &scheme);
    let keys = recorder.span("generate keys", || {
        SeededEvaluationKeys::generate(&secret, &request, &mut random).to_bytes(context)
    });
    recorder.span("send", || Ok::<_, Error>(server.send(&keys.map_err(Error::engine(generating))?)?))?;
    let half = match plan.halved {
        true => Some(Box::new(send_halving_key(&secret, &mut server, &mut random, &recorder)?)),
        false => None,
    };
    let logit_unit = circuit.logit_unit();
    let deviation = circuit.logit_deviation(&scheme, program.is_some()) / logit_unit;
    let budget = plan.release.map(|release| Budget::new(release, &circuit, &scheme, program.is_some()));
    let budget = budget.transpose()?;
    let client = match program {
        Some(program) => {
            let places = roles::latency::Places::new(program, deviation);
            let images = 1;
            Client::Latency(roles::latency::Client {
                secret,
                half,
                scheme,
                places,
                images,
                logit_unit,
                recorder,
            })
        }
        None => {
            let classes = circuit.logits();
            let guard = Guard::new(secret.id(), 0, classes, scheme.period(context));
            Client::Throughput(roles::throughput::Client {
                secret,
                schedule: Schedule::new(&circuit.guarded(&guard)),
                guard,
                tolerance: roles::guard::tolerance(deviation, deviation, classes),
                classes,
                logit_unit,
                scheme,
                recorder,
            })
        }
    };
    let images = ImageRange::of(&role.architecture);
    Ok(Box::new(DataOwner { server, client, images, logits: role.architecture.output(), budget }))
}

fn join_model_owner(
    mut role: RoleContext,
    plan: &CkksPlan,
    context: &Context,
) -> Result<Box<dyn Party>, Error> {
    let (recorder, scheme) = (role.recorder.clone(), plan.scheme.clone());
    let network = role.take_network()?;
    let mut client = role.links.take("data-owner")?;
    let circuit = recorder
        .span("fold", || Circuit::new(&role.architecture, Some(&network.parameters)))
        .map_err(impossible)?;
    scheme.check_depth(circuit.depth())?;
    let program = recorder.span("lay out", || program(&circuit, plan))?;
    check_halved(plan, program.as_ref())?;
    if let Some(release) = plan.release {
        release::check(release, &circuit, program.as_ref(), &scheme)?;
    }
    let rotations = rotation_keys(program.as_ref(), &scheme);
    let (public, evaluator) =
        roles::keys::receive(&mut client, &scheme, context, &rotations, &recorder, |keys| match &program {
            Some(program) => roles::keys::check_program(keys, context, program, &scheme),
            None => roles::keys::check_circuit(keys, context, &circuit, &scheme),
        })?;
    let halving = match plan.halved {
        true => Some(roles::keys::receive_halving(&mut client, &scheme, context, public.key(), &recorder)?),
        false => None,
    };
    let images_at_once = scheme.images();
    let server = match program {
        Some(program) => {
            let encode = || roles::latency::Server::new(evaluator, public, scheme, program, recorder.clone());
            Server::Latency(recorder.span("encode weights", encode)?.with_halving(halving))
        }
        None => {
            let guard = Guard::new(public.key(), 0, circuit.logits(), scheme.period(context));
            let circuit = circuit.guarded(&guard);
            let schedule = Schedule::new(&circuit);
            Server::Throughput(roles::throughput::Server {
                evaluator,
                public,
                scheme,
                circuit,
                schedule,
                recorder,
            })
        }
    };
    Ok(Box::new(ModelOwner { client, server, images_at_once, images: 0 }))
}

/// Whether results can be taken to a ring of half the degree, if a plan says that they are.
fn check_halved(plan: &CkksPlan, program: Option<&PackedCircuit>) -> Result<(), Error> {
    if !plan.halved || program.is_some_and(|program| plan.scheme.can_halve(program.period)) {
        return Ok(());
    }
    Err(Error::protocol("the plan takes results to a smaller ring that has no room for them: plan it anew"))
}

/// Makes a secret of half the degree for results and sends the key to it.
fn send_halving_key(
    secret: &SecretKey,
    server: &mut Link,
    random: &mut Randomness,
    recorder: &Recorder,
) -> Result<HalfSecret, Error> {
    let generating = "generating the key for results";
    let context = secret.context();
    let half = HalfSecret::generate(context, random).map_err(Error::engine(generating))?;
    let key = recorder.span("generate keys", || half.halving_key(secret, random)?.to_bytes(context));
    recorder.span("send", || Ok::<_, Error>(server.send(&key.map_err(Error::engine(generating))?)?))?;
    Ok(half)
}

/// The rotations that a program has keys for.
fn rotation_keys(program: Option<&PackedCircuit>, scheme: &Scheme) -> RotationKeys {
    scheme.rotation_keys(program.iter().flat_map(|program| program.rotations(scheme.depth())))
}

/// The evaluation keys a plan asks for.
fn request(program: Option<&PackedCircuit>, scheme: &Scheme) -> KeyRequest {
    scheme.key_request(&rotation_keys(program, scheme))
}

/// Both roles at once, with an image across the slots: the secret key stands beside the weights.
fn trace(network: &Network, image: &Tensor) -> Result<serde_json::Value, Error> {
    if image.shape() != network.architecture.input {
        let (found, expected) = (image.shape(), network.architecture.input);
        return Err(Error::Input(format!("an image of {found} was given where one of {expected} is traced")));
    }
    let plan = CkksPlan::new(&network.architecture, &Job::new(1, 1, LinkProfile::loopback()));
    if let Some(plan) = plan.ok().filter(|plan| plan.layout == Layout::Deep) {
        return deep::roles::trace(network, &plan, image);
    }
    let plan = CkksPlan::latency(&Circuit::new(&network.architecture, None).map_err(impossible)?)
        .ok_or_else(|| {
            Error::Input(
                "only images across the slots are traced, and this network has no such layout".into(),
            )
        })?;
    let circuit = Circuit::new(&network.architecture, Some(&network.parameters)).map_err(impossible)?;
    let images = ImageRange::of(&network.architecture).check(Some(image))?;
    let context = plan.scheme.context()?;
    let Some(program) = program(&circuit, &plan)? else { return Ok(serde_json::Value::Null) };
    let tracing = || -> veilbench_ckks::Result<_> {
        let mut random = Randomness::from_system()?;
        let secret = SecretKey::generate(&context, &mut random);
        let request = request(Some(&program), &plan.scheme);
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random).expand(&context)?;
        let inputs = planning::packing::spread(&program.input, |input| f64::from(images.image(0)[input]))
            .iter()
            .map(|values| {
                let plaintext = context.encode(values, plan.scheme.input_scale(), plan.scheme.depth())?;
                secret.encrypt(&plaintext, &mut random)?.expand(&context)
            })
            .collect::<veilbench_ckks::Result<Vec<_>>>()?;
        let public = PublicKey::generate_for_level(&secret, FRESH_LEVEL, &mut random);
        Ok((Evaluator::new(&context, Arc::new(keys))?, public, secret, inputs))
    };
    let (evaluator, public, secret, inputs) = tracing().map_err(Error::engine("encrypting"))?;
    let server = roles::latency::Server::new(evaluator, public, plan.scheme, program, Recorder::default())?;
    let layers = server
        .insecure_debug_trace(&secret, &circuit, inputs, images.image(0))
        .map_err(Error::engine("tracing"))?;
    let logits = layers.last().map_or(0.0, |last| last.largest_error) * circuit.logit_unit();
    Ok(serde_json::json!({ "layers": layers, "largest_logit_error": logits }))
}

/// The program, if the plan asks for one.
fn program(circuit: &Circuit, plan: &CkksPlan) -> Result<Option<PackedCircuit>, Error> {
    if plan.layout == Layout::Throughput {
        return Ok(None);
    }
    let program = PackedCircuit::new(circuit, plan.scheme.slots());
    let program = program.map(|program| program.with_key_cost(plan.key_cost));
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

enum Client {
    Latency(roles::latency::Client),
    Throughput(roles::throughput::Client),
}

struct DataOwner {
    server: Link,
    client: Client,
    images: ImageRange,
    logits: Shape,
    /// Set if results may be shown.
    budget: Option<Budget>,
}

impl Party for DataOwner {
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.images.check(images)?;
        let flooding = self.budget.as_mut().map(|budget| budget.take(images.images())).transpose()?;
        let flooding = flooding.as_ref();
        let logits = match &self.client {
            Client::Latency(client) => client.classify(&mut self.server, images, flooding)?,
            Client::Throughput(client) => client.classify(&mut self.server, images, flooding)?,
        };
        let logits = Tensor::new(images.images(), self.logits, logits);
        Ok(Some(logits.ok_or_else(|| Error::protocol("logits are missing"))?))
    }

    fn answer(&mut self, images: Option<&Tensor>) -> Result<Option<Answers>, Error> {
        let logits = self.online(images)?;
        Ok(logits.map(|logits| match &self.budget {
            Some(budget) if budget.reveals == Reveals::Labels => {
                Answers::Labels(labels(logits.data(), self.logits.len()))
            }
            _ => Answers::Logits(logits),
        }))
    }
}

enum Server {
    Deep(deep::roles::Server),
    Latency(roles::latency::Server),
    Throughput(roles::throughput::Server),
}

struct ModelOwner {
    client: Link,
    server: Server,
    /// Of one ciphertext, if more than one image is in it.
    images_at_once: usize,
    images: usize,
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        match &self.server {
            Server::Deep(server) => {
                for _ in 0..self.images.div_ceil(self.images_at_once) {
                    server.answer(&mut self.client)?;
                }
            }
            Server::Latency(server) => {
                for _ in 0..self.images {
                    server.answer(&mut self.client)?;
                }
            }
            Server::Throughput(server) => {
                for _ in 0..self.images.div_ceil(self.images_at_once) {
                    server.answer(&mut self.client)?;
                }
            }
        }
        Ok(None)
    }
}
