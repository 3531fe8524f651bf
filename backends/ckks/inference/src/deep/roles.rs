//! What the parties of a deep circuit do: the data owner is that of the latency layout, with keys sent one by one.

mod keys;
mod server;
mod watch;

pub(crate) use keys::{Keys, key_bytes};
pub(crate) use server::Server;

use std::sync::Arc;

use veilbench_api::{Error, ImagesAtHand, LogitNoise, Party, Recorder, RoleContext, Unsupported};
use veilbench_ckks::{Context, Evaluator, PublicKey, Randomness, SecretKey};
use veilbench_networks::{Network, Tensor};

use crate::deep::layout;
use crate::deep::monte_carlo;
use crate::deep::planning::deviation;
use crate::deep::program::{MOST_SLOTS, Program, lay_out, slots};
use crate::deep::simulator;
use crate::planning::packing::{places, spare};
use crate::planning::plan::CkksPlan;
use crate::planning::ranges;
use crate::planning::scheme::{FRESH_LEVEL, Scheme};
use crate::roles::guard::spare_tolerance;
use crate::roles::image_range::ImageRange;
use crate::roles::latency::{Client, Places};
use crate::roles::throughput::encrypt;
use crate::{DataOwner, ModelOwner, impossible};

/// Sends the keys and becomes the data owner.
pub(crate) fn join_data_owner(
    mut role: RoleContext,
    plan: &CkksPlan,
    context: &Context,
) -> Result<Box<dyn Party>, Error> {
    let (recorder, scheme) = (role.recorder.clone(), plan.scheme.clone());
    let mut server = role.links.take("model-owner")?;
    let (deep, layouts) = recorder
        .span("lay out", || lay_out(&role.architecture, plan.images, plan.precision()))
        .map_err(impossible)?;
    scheme.check_depth(deep.depth())?;
    check_slots(&scheme, &layouts)?;
    let generating = "generating keys";
    let mut random = Randomness::from_system().map_err(Error::engine(generating))?;
    let secret = SecretKey::generate(context, &mut random);
    let public = PublicKey::generate_for_level(&secret, FRESH_LEVEL, &mut random);
    let public = public.to_bytes(context).map_err(Error::engine(generating))?;
    recorder.span("send", || server.send(&public))?;
    keys::send(&secret, &plan.deep_keys(), &mut server, &recorder)?;
    let (Some(first), Some(last)) = (layouts.first(), layouts.last()) else {
        return Err(Error::protocol("the network has no layers"));
    };
    let result = vec![last.labels(scheme.slots())];
    let logits = places(&result, last.values());
    let client = Client {
        secret,
        half: None,
        places: Places {
            input: vec![first.labels(scheme.slots())],
            period: scheme.slots(),
            results: logits.ok_or_else(|| Error::protocol("a logit has no slot"))?,
            spare: spare(&result),
            tolerance: spare_tolerance(deviation(&deep, &scheme)),
        },
        images: plan.images,
        logit_unit: deep.logit_unit(),
        scheme,
        recorder,
    };
    let images = ImageRange::of(&role.architecture);
    Ok(Box::new(DataOwner {
        server,
        client: crate::Client::Latency(client),
        images,
        logits: role.architecture.output(),
        budget: None,
    }))
}

/// Whether a plan's ring has the slots that the values of a network take.
fn check_slots(scheme: &Scheme, layouts: &[layout::Layout]) -> Result<(), Error> {
    let (own, needed) = (scheme.slots(), slots(layouts));
    if needed <= own {
        return Ok(());
    }
    Err(Error::protocol(format!("the plan's ring has {own} slots, the network takes {needed}: plan it anew")))
}

/// Rounds the weights, takes the keys as they come, and becomes the model owner.
pub(crate) fn join_model_owner(
    mut role: RoleContext,
    plan: &CkksPlan,
    context: &Context,
) -> Result<Box<dyn Party>, Error> {
    let (recorder, scheme) = (role.recorder.clone(), plan.scheme.clone());
    let network = role.take_network()?;
    let mut client = role.links.take("data-owner")?;
    ranges::check_weights(&role.architecture, &network.parameters).map_err(impossible)?;
    let lay_out = || Program::new(&role.architecture, plan.images, plan.key_cost, plan.precision());
    let program = recorder.span("lay out", lay_out).map_err(impossible)?;
    scheme.check_depth(program.deep.depth())?;
    check_slots(&scheme, &program.layouts)?;
    if Keys::of(&program) != plan.deep_keys() {
        return Err(Error::protocol("the plan asks for other keys than the network needs: plan it anew"));
    }
    let public = recorder.span("wait", || client.receive_exactly(scheme.public_key_bytes()))?;
    let public = PublicKey::from_bytes(context, &public)
        .map_err(Error::engine("reading the data owner's public key"))?;
    let keys = keys::receive(context, &scheme, &plan.deep_keys(), public.key(), &mut client, &recorder)?;
    let evaluator =
        Evaluator::new(context, Arc::new(keys)).map_err(Error::engine("reading the evaluation keys"))?;
    let encode = || Server::new(evaluator, public, scheme.clone(), &program, &network, recorder.clone());
    let server = recorder.span("encode weights", encode)?;
    let images_at_once = plan.images;
    Ok(Box::new(ModelOwner { client, server: crate::Server::Deep(server), images_at_once, images: 0 }))
}

/// How far noise takes the logits of images at hand in a deep circuit.
///
/// # Errors
/// [`Unsupported`] as [`monte_carlo::check`].
pub(crate) fn draw_noise(
    network: &Network,
    plan: &CkksPlan,
    images: ImagesAtHand<'_>,
) -> Result<Option<LogitNoise>, Unsupported> {
    let Some(images) = images(monte_carlo::MOST_IMAGES) else { return Ok(None) };
    let program = Program::new(&network.architecture, plan.images, plan.key_cost, plan.precision())?;
    let drawn = monte_carlo::draw(&program, network, &images)?;
    monte_carlo::check(&drawn, monte_carlo::FEWER_LAYERS)?;
    Ok(Some(drawn))
}

/// Both roles at once: the secret key stands beside the weights. How precise every wire is for an image.
pub(crate) fn trace(network: &Network, plan: &CkksPlan, image: &Tensor) -> Result<serde_json::Value, Error> {
    let images = ImageRange::of(&network.architecture).check(Some(image))?;
    let (context, scheme) = (plan.scheme.context()?, plan.scheme.clone());
    let program = Program::new(&network.architecture, plan.images, plan.key_cost, plan.precision())
        .map_err(impossible)?;
    let expected = simulator::wires(&program, network, images.image(0));
    let encrypting = "encrypting";
    let mut random = Randomness::from_system().map_err(Error::engine(encrypting))?;
    let secret = SecretKey::generate(&context, &mut random);
    let keys = keys::expanded(&secret, &plan.deep_keys(), &mut random).map_err(Error::engine(encrypting))?;
    let public = PublicKey::generate_for_level(&secret, FRESH_LEVEL, &mut random);
    let evaluator = Evaluator::new(&context, Arc::new(keys)).map_err(Error::engine(encrypting))?;
    let packed = expected.first().and_then(|slots| slots.get(..scheme.slots().min(MOST_SLOTS)));
    let packed = packed.ok_or_else(|| Error::protocol("the network has no layers"))?;
    let input = encrypt(&secret, packed, scheme.input_scale(), scheme.depth())?;
    let input = input.expand(&context).map_err(Error::engine(encrypting))?;
    let unit = program.deep.logit_unit();
    let server = Server::new(evaluator, public, scheme, &program, network, Recorder::default())?;
    let layers = server.insecure_debug_trace(&secret, input, &expected).map_err(Error::engine("tracing"))?;
    let logits = layers.last().map_or(0.0, |last| last.largest_error) * unit;
    Ok(serde_json::json!({ "layers": layers, "largest_logit_error": logits }))
}
