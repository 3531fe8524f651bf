//! Client-aided inference with an image across the slots.

use std::sync::Arc;
use std::time::Duration;

use veilbench_api::conformance::{self, test_networks};
use veilbench_api::link::Interceptor;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, RoleContext, Unsupported};
use veilbench_ckks::{KeyRequest, LongDigits};
use veilbench_ckks_inference::CkksClientAided;
use veilbench_datasets::{Split, Store, load};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Architecture, Conv2d, Dense, Network, Op, Shape, Tensor, Window, zoo};

use crate::fixture::*;
use crate::interceptors::*;

/// The backend with the layout chosen.
struct In(&'static str);

const PACKED: In = In("packed");

impl Backend for In {
    fn profile(&self) -> Profile {
        CkksClientAided.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        CkksClientAided.plan(architecture, &Job { settings: settings(Some(self.0)), ..job.clone() })
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        CkksClientAided.join(role)
    }
}

/// Images of a sample that ships, as a network wants them.
pub(crate) fn sample(network: &Network, data: &str, count: usize) -> Tensor {
    let known = load(&Store::new("none", "none"), &format!("{data}-sample"), Split::Test).unwrap();
    let normalisation = network.metadata.normalisation.clone().unwrap();
    let shape = network.architecture.input;
    let value = |(place, &pixel): (usize, &u8)| {
        let channel = place / shape.values_per_channel();
        (f32::from(pixel) / 255.0 - normalisation.mean[channel]) / normalisation.deviation[channel]
    };
    let values =
        (0..count).flat_map(|index| known.image(index).iter().enumerate().map(value).collect::<Vec<_>>());
    Tensor::new(count, shape, values.collect()).unwrap()
}

/// Logits of a batch, held against the oracle and the plan's precision, and its bytes against the plan's.
fn holds(network: &Network, images: &Tensor) {
    let name = &network.architecture.name;
    let plan = PACKED.plan(&network.architecture, &job(images.images())).unwrap();
    let predicted = plan.prediction.unwrap();
    let expected = evaluate::<f64>(network, images).unwrap();
    let mut session = LocalSession::new(&PACKED, network, images.images());
    session.timeout = Duration::from_secs(300);
    let done = session.run(std::slice::from_ref(images)).unwrap();
    for outcome in &done {
        assert!(outcome.error.is_none(), "{name}: {:?}", outcome.error);
    }
    let pairs = || done[0].logits[0].data().iter().zip(expected.data());
    assert_eq!(pairs().count(), images.images() * network.architecture.classes(), "{name}");
    let error = pairs().map(|(own, due)| (f64::from(*own) - due).abs()).fold(0.0, f64::max);
    let (largest, deviation) = (predicted.max_logit_error.unwrap(), predicted.logit_error_deviation.unwrap());
    println!(
        "{name}: off by {error:.1e}, {largest:.1e} are allowed, a deviation of {deviation:.1e} is expected"
    );
    assert!(error < largest, "{name}: off by {error:.1e}");
    let bytes = |phase: usize| -> [u64; 2] {
        let own = &done[0].phases[phase].exchanged;
        [own.iter().map(|peer| peer.sent_bytes).sum(), own.iter().map(|peer| peer.received_bytes).sum()]
    };
    assert_eq!(bytes(0), [predicted.setup_bytes.unwrap(), 0], "{name}");
    assert_eq!(bytes(1), [0, 0], "{name}");
    assert_eq!(bytes(2).iter().sum::<u64>(), predicted.online_bytes.unwrap(), "{name}");
}

#[test]
fn either_layout_keeps_every_promise_of_the_contract() {
    conformance::check(&PACKED).unwrap();
    conformance::check(&In("slots")).unwrap();
}

#[test]
fn digits_have_the_logits_of_the_oracle_and_the_bytes_of_the_plan() {
    for name in ["mnist-mlp", "mnist-cnn"] {
        let network = zoo::load(name).unwrap();
        // More than go through a round together.
        holds(&network, &sample(&network, "mnist", 10));
    }
}

#[test]
fn cells_and_lesions_have_the_logits_of_the_oracle_and_the_bytes_of_the_plan() {
    for (name, data) in [("malaria-cnn", "malaria"), ("melanoma-lenet", "melanoma")] {
        let network = zoo::load(name).unwrap();
        holds(&network, &sample(&network, data, 1));
    }
}

/// A convolution of windows of three by three, padded by one, over channels of 16 by 16, and classes.
fn padded(channels: [usize; 2]) -> Network {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let convolution =
        Conv2d { inputs: channels[0], outputs: channels[1], window, dilation: [1; 2], groups: 1 };
    test_networks::test_network(
        &format!("padded-{}-{}", channels[0], channels[1]),
        Shape::Image { channels: channels[0], height: 16, width: 16 },
        &[
            Op::Conv2d(convolution),
            Op::Relu,
            Op::Flatten,
            Op::Dense(Dense { inputs: 256 * channels[1], outputs: 3 }),
        ],
    )
}

#[test]
fn steps_that_go_around_the_slots_take_no_key_and_equal_ones_share_one() {
    for channels in [[1, 8], [3, 8]] {
        let network = padded(channels);
        holds(&network, &test_networks::images(&network, 2, 6));
    }
}

#[test]
fn joins_are_computed_from_what_was_decrypted() {
    let joined = |network: &Network| network.architecture.first_branch().is_some();
    let supported = |network: &Network| PACKED.plan(&network.architecture, &job(1)).is_ok();
    let networks: Vec<Network> =
        test_networks::all().into_iter().filter(|own| joined(own) && supported(own)).collect();
    assert!(!networks.is_empty());
    for network in networks {
        holds(&network, &test_networks::images(&network, 2, 5));
    }
}

/// Gives the last layer so many outputs.
fn widen(architecture: &mut Architecture, outputs: usize) {
    let last = architecture.layers.last_mut().unwrap();
    let Op::Dense(dense) = &mut last.op else { panic!("not dense") };
    dense.outputs = outputs;
    last.output = Shape::Flat(outputs);
}

#[test]
fn a_layer_of_too_many_values_is_refused_by_name_with_the_other_layout() {
    let mut architecture = aided().architecture;
    widen(&mut architecture, 20_000);
    let last = architecture.layers.len() - 1;
    let refused = PACKED.plan(&architecture, &job(1)).unwrap_err();
    assert_eq!(refused.layer.as_deref(), Some(&*architecture.layers[last].name));
    assert!(refused.reason.contains("set layout to slots"), "{refused}");
}

#[test]
fn the_layout_of_the_faster_batch_is_chosen_and_the_other_where_one_is_refused() {
    let architecture = zoo::load("mnist-mlp").unwrap().architecture;
    let planned = |batch: usize, layout: &str| {
        let mut job = job(batch);
        job.settings.insert("layout".into(), layout.into());
        CkksClientAided.plan(&architecture, &job).unwrap()
    };
    for (batch, layout) in [(1, "packed"), (8, "packed"), (2048, "slots"), (4096, "slots")] {
        assert_eq!(planned(batch, "auto"), planned(batch, layout), "a batch of {batch}");
        assert_eq!(CkksClientAided.plan(&architecture, &job(batch)), Ok(planned(batch, layout)));
    }
    let mut wide = aided().architecture;
    widen(&mut wide, 20_000);
    let plan = CkksClientAided.plan(&wide, &job(1)).unwrap();
    assert!(plan.parameters.get("packed").is_none(), "{:?}", plan.parameters);
}

#[test]
fn the_statement_says_which_answers_are_rerandomised() {
    let protection = CkksClientAided.profile().protection;
    let says = |words: &str| protection.trusted.iter().any(|own| own.starts_with(words));
    assert!(says("answers with one image across the slots are re-randomised"));
    assert!(says("answers with an image in every slot are not re-randomised"));
    let derivable = protection.learns[0].weights.to_string();
    assert!(derivable.starts_with("derivable after one image for a convolution"), "{derivable}");
}

#[test]
fn the_same_query_never_gets_the_same_answer_in_any_round() {
    let network = aided();
    let images = test_networks::images(&network, 1, 3);
    let rounds = PACKED.plan(&network.architecture, &job(1)).unwrap().parameters["rounds"].as_u64().unwrap();
    let interceptor = Arc::new(SameQuery::of(2, rounds as usize));
    let mut session = LocalSession::new(&PACKED, &network, 1);
    session.interceptor = Some(Arc::clone(&interceptor) as Arc<dyn Interceptor>);
    let done = session.run(&[images.clone(), images]).unwrap();
    assert!(done[0].error.is_none(), "{:?}", done[0].error);
    let answers = interceptor.answers.lock().unwrap();
    let rounds = rounds as usize;
    assert_eq!(answers.len(), 2 * rounds);
    // The second half of a ciphertext, which would be a function of the query and the weights.
    let mask = |answer: &Vec<u8>| answer[47 + (answer.len() - 47) / 2..].to_vec();
    for round in 0..rounds {
        assert_ne!(mask(&answers[round]), mask(&answers[rounds + round]), "round {round}");
    }
}

#[test]
fn keys_of_another_session_and_other_keys_than_planned_are_refused() {
    let network = aided();
    let images = || test_networks::images(&network, 1, 4);
    for (messages, expected) in [
        (0..2, "was used where key"),
        (0..1, "came after the public key of"),
        (1..2, "came after the public key of"),
    ] {
        let interceptor = Arc::new(OtherKeys::new(messages));
        let mut session = LocalSession::new(&PACKED, &network, 1);
        session.interceptor = Some(Arc::clone(&interceptor) as Arc<dyn Interceptor>);
        let first = session.run(&[images()]).unwrap();
        assert!(first.iter().all(|outcome| outcome.error.is_none()), "the session's own keys");
        let reason = error(&PACKED, &network, images(), Some(interceptor));
        assert!(reason.contains(expected), "{reason}");
    }
    let reason = error(&PACKED, &network, images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    let reason = error(&PACKED, &network, images(), Some(Arc::new(HalfScale)));
    assert!(reason.contains("slots and is at scale 2^") && reason.contains("were agreed"), "{reason}");
    let reason = error(&PACKED, &network, images(), Some(Arc::new(Cut)));
    assert!(reason.contains("link to model-owner: a message of") && reason.contains("were due"), "{reason}");
}

#[test]
fn a_key_for_another_rotation_in_the_place_of_one_is_refused_by_the_name_of_the_layer() {
    let network = aided();
    let plan = PACKED.plan(&network.architecture, &job(1)).unwrap();
    let own = plan.prediction.as_ref().unwrap().setup_bytes.unwrap();
    // As many keys as planned, of usual and of long digits, have the right length, whatever they are for.
    let keys = |short: u64, long: u64| {
        let steps = |count: u64| 1000..1000 + count as i64;
        let long =
            LongDigits { rotations: steps(long).map(|steps| (steps, 1)).collect(), ..LongDigits::default() };
        crate::keys::keys_for(
            &plan,
            &KeyRequest { rotations: steps(short).collect(), long, ..KeyRequest::default() },
        )
    };
    let scheme = &plan.parameters["scheme"];
    let bits: u64 =
        scheme["data_prime_bits"].as_array().unwrap().iter().map(|bits| bits.as_u64().unwrap()).sum();
    let public = scheme["degree"].as_u64().unwrap() / 8 * bits + 71;
    let length = |short: u64, long: u64| keys(short, long).len() as u64;
    let (none, [short, long]) =
        (length(0, 0), [length(1, 0), length(0, 1)].map(|bytes| bytes - length(0, 0)));
    let rest = own - public - none;
    let counts =
        (0..=rest / short).map(|count| (count, rest - count * short)).find(|(_, rest)| rest % long == 0);
    let (short_ones, long_ones) = counts.map(|(count, rest)| (count, rest / long)).unwrap();
    assert_eq!(length(short_ones, long_ones) + public, own);
    let reason = error(
        &PACKED,
        &network,
        test_networks::images(&network, 1, 3),
        Some(Arc::new(Instead(keys(short_ones, long_ones)))),
    );
    assert!(reason.contains("the data owner's evaluation keys do not serve layer"), "{reason}");
    assert!(reason.contains("no key for rotation by"), "{reason}");
}
