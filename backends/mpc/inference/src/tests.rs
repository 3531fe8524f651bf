//! The backends against the fixed-point oracle, and what happens when a party or a link fails.

mod any_order;
pub(super) mod out_of_range;
mod predictions;
mod prepared_once;
pub(super) mod real_images;
mod scales;
mod smooth;
mod streamed;

use std::sync::Arc;
use std::time::{Duration, Instant};

use veilbench_mpc::model::Model;
use veilbench_mpc::oracle;
use veilbench_mpc::ring::encode;
use veilbench_networks::{Network, Tensor, zoo};

use super::*;
use veilbench_api::Settings;
use veilbench_api::conformance::test_networks;
use veilbench_api::link::{Forward, Interceptor};
use veilbench_api::local_session::LocalSession;

fn backends() -> Vec<Box<dyn Backend>> {
    vec![Box::new(comparison_tree()), Box::new(fss()), Box::new(beaver())]
}

/// The same, and masked wires in whole bytes.
fn backends_of_either_width() -> Vec<Box<dyn Backend>> {
    let in_bytes: [Box<dyn Backend>; 2] = [Box::new(Wide(comparison_tree())), Box::new(Wide(fss()))];
    backends().into_iter().chain(in_bytes).collect()
}

/// A backend whose local sessions have the widest ring, of whole bytes.
struct Wide(Mpc<Masked>);

fn wide() -> Settings {
    Settings::from([("ring".to_owned(), "wide".to_owned())])
}

impl Backend for Wide {
    fn profile(&self) -> Profile {
        self.0.profile()
    }

    fn settings(&self) -> &'static [Setting] {
        self.0.settings()
    }

    fn local_session_settings(&self) -> Settings {
        wide()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        self.0.plan(architecture, job)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        self.0.join(role)
    }
}

/// Strokes on a dark ground, as far from noise as digits and cells are.
pub(super) fn images(network: &Network, count: usize) -> Tensor {
    let shape = network.architecture.input;
    let veilbench_networks::Range { low, high } = network.architecture.input_range.unwrap();
    let side = (shape.values_per_channel() as f64).sqrt() as usize;
    let values = (0..count * shape.len()).map(|at| {
        let (image, position) = (at / shape.len(), at % shape.values_per_channel());
        let (row, column) = ((position / side) as f32, (position % side) as f32);
        let wave = ((row * 0.4 + image as f32).sin() * (column * 0.3 - image as f32).cos()).max(0.0);
        low + (high - low) * wave
    });
    Tensor::new(count, shape, values.collect()).unwrap()
}

#[test]
fn logits_of_the_zoo_are_within_two_to_the_minus_ten_of_the_oracle() {
    for (name, count) in [
        ("mnist-mlp", 20),
        ("mnist-mlp-poly", 20),
        ("mnist-cnn", 20),
        ("mnist-cnn-poly", 20),
        ("malaria-cnn", 2),
        ("malaria-cnn-poly", 2),
    ] {
        let network = zoo::load(name).unwrap();
        let images = images(&network, count);
        let errors = distances(&network, &images).map(|(_, error)| error);
        assert!(errors.iter().all(|error| *error < 2f64.powi(-10)), "{name}: off by {errors:?}");
    }
}

/// Polynomials have fewer fractional bits in the widest ring, so that their units are larger: networks with ReLU alone.
#[test]
fn logits_in_the_widest_ring_are_within_two_to_the_minus_ten_of_the_oracle() {
    for (name, count) in [("mnist-mlp", 20), ("mnist-cnn", 20), ("malaria-cnn", 2)] {
        let network = zoo::load(name).unwrap();
        let images = images(&network, count);
        let errors = [comparison_tree(), fss()].map(|backend| distance(&backend, &wide(), &network, &images));
        assert!(errors.iter().all(|error| *error < 2f64.powi(-10)), "{name}: off by {errors:?}");
    }
}

/// Of every backend, its name and the largest difference of a logit from the fixed-point oracle's.
fn distances(network: &Network, images: &Tensor) -> [(&'static str, f64); 3] {
    [
        ("mpc", distance(&comparison_tree(), &Settings::new(), network, images)),
        ("mpc-fss", distance(&fss(), &Settings::new(), network, images)),
        ("mpc-beaver", distance(&beaver(), &Settings::new(), network, images)),
    ]
}

pub(super) fn distance<P: Dealing>(
    backend: &Mpc<P>,
    settings: &Settings,
    network: &Network,
    images: &Tensor,
) -> f64 {
    let mut session = LocalSession::new(backend, network, images.images());
    session.job.settings = settings.clone();
    session.timeout = Duration::from_secs(60);
    let plan = backend.plan(&network.architecture, &session.job).unwrap();
    let (lowered, circuit, _) = backend.compile(&network.architecture, &plan).unwrap();
    let model = Model::encode(&circuit, &lowered.parameters(network.clone())).unwrap();
    let bits = circuit.format().activation_bits;
    let inputs: Vec<u64> =
        images.data().iter().map(|&value| encode(f64::from(value), bits).unwrap()).collect();
    let expected = oracle::evaluate(&circuit, &model, &inputs);
    let done = session.run(std::slice::from_ref(images)).unwrap();
    let errors: Vec<_> = done.iter().filter_map(|role| role.error.as_ref()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let logits = done[0].logits[0].data();
    assert_eq!(logits.len(), expected.len());
    assert!(logits.iter().all(|logit| logit.is_finite()));
    let errors =
        logits.iter().zip(expected).map(|(logit, due)| (f64::from(*logit) - circuit.decode(due)).abs());
    errors.fold(0.0, f64::max)
}

#[test]
fn formats_of_the_zoo_leave_the_model_owner_nothing_to_refuse() {
    for name in zoo::names() {
        leaves_nothing_to_refuse(&comparison_tree(), name);
        leaves_nothing_to_refuse(&beaver(), name);
    }
}

fn leaves_nothing_to_refuse<P: Dealing>(backend: &Mpc<P>, network: &str) {
    let name = format!("{} of {network}", backend.name);
    let network = zoo::load(network).unwrap();
    let job = LocalSession::new(backend, &network, 1).job;
    let plan = backend.plan(&network.architecture, &job).unwrap();
    let (lowered, circuit, _) = backend.compile(&network.architecture, &plan).unwrap();
    let model = Model::encode(&circuit, &lowered.parameters(network)).unwrap();
    println!("{name}: {}", plan.notes[0]);
    oracle::analyse(&circuit, &model).unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn what_cannot_run_is_refused_with_the_layers_name() {
    let mut network = test_networks::all().remove(1);
    let job = LocalSession::new(&comparison_tree(), &network, 1).job;
    for layer in &mut network.architecture.layers {
        if let veilbench_networks::Op::Polynomial(polynomial) = &mut layer.op {
            polynomial.degree = 3;
        }
    }
    let refused = comparison_tree().plan(&network.architecture, &job).unwrap_err();
    assert_eq!(refused.layer.as_deref(), Some("layer1"));
    assert!(refused.reason.contains("degree 3"), "{refused}");
}

#[test]
fn weights_that_could_overflow_are_refused_by_their_owner_with_the_layers_name() {
    let mut network = test_networks::all().remove(0);
    network.architecture.input_range = None;
    for layer in &mut network.architecture.layers {
        layer.range = None;
    }
    for parameters in &mut network.parameters {
        if let veilbench_networks::Parameters::Affine { weights, .. } = parameters {
            weights.iter_mut().for_each(|weight| *weight *= 1e6);
        }
    }
    for backend in backends_of_either_width() {
        let mut session = LocalSession::new(backend.as_ref(), &network, 1);
        session.timeout = Duration::from_secs(1);
        let done = session.run(&[test_networks::images(&network, 1, 1)]).unwrap();
        let refusal = done[1].error.as_ref().unwrap().to_string();
        assert!(refusal.contains("layer layer2") && refusal.contains("calibrated"), "{refusal}");
    }
}

/// What becomes of every message of one link but the first.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Stops,
    Lags,
    SendsTooMuch,
    SendsTooLittle,
    SendsGarbage,
    Replays,
}

const PATIENCE: Duration = Duration::from_secs(1);

struct Faulty {
    from: &'static str,
    to: &'static str,
    fault: Fault,
}

impl Interceptor for Faulty {
    fn message(&self, from: &str, to: &str, number: usize, mut payload: Vec<u8>) -> Forward {
        if from != self.from || to != self.to || number == 0 {
            return Forward::Messages(vec![payload]);
        }
        match self.fault {
            Fault::Stops => return Forward::Messages(Vec::new()),
            Fault::Lags => std::thread::sleep(2 * PATIENCE),
            Fault::SendsTooMuch => payload.push(0),
            Fault::SendsTooLittle => drop(payload.pop()),
            Fault::SendsGarbage => return Forward::Verbatim(vec![0xa5; payload.len() + 64]),
            Fault::Replays => return Forward::Replay(payload),
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn a_party_that_stops_lags_or_sends_anything_else_is_named_within_the_timeout() {
    let network = test_networks::all().remove(0);
    let images = [3, 4].map(|seed| test_networks::images(&network, 2, seed));
    let faults = [
        Fault::Stops,
        Fault::Lags,
        Fault::SendsTooMuch,
        Fault::SendsTooLittle,
        Fault::SendsGarbage,
        Fault::Replays,
    ];
    let run = |backend: &dyn Backend, from: &'static str, to: &'static str, receiver: usize| {
        for fault in faults {
            let mut session = LocalSession::new(backend, &network, 2);
            session.timeout = PATIENCE;
            session.interceptor = Some(Arc::new(Faulty { from, to, fault }));
            let start = Instant::now();
            let done = session.run(&images).unwrap();
            assert!(start.elapsed() < Duration::from_secs(10), "{fault:?}: it took {:?}", start.elapsed());
            let error = done[receiver].error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(error.contains(&format!("link to {from}")), "{fault:?}: {to} says {error:?} of {from}");
            let unnoticed = if matches!(fault, Fault::Replays) { images.len() - 1 } else { 0 };
            assert!(done[0].logits.len() <= unnoticed, "{fault:?}: logits came");
        }
    };
    std::thread::scope(|scope| {
        for (from, to, receiver) in [
            (DATA_OWNER, MODEL_OWNER, 1),
            (MODEL_OWNER, DATA_OWNER, 0),
            (DEALER, MODEL_OWNER, 1),
            (DEALER, DATA_OWNER, 0),
        ] {
            scope.spawn(move || {
                let backends = backends_of_either_width();
                backends.iter().for_each(|backend| run(backend.as_ref(), from, to, receiver));
            });
        }
    });
}

/// Keeps what the dealer and the data owner send to the model owner.
#[derive(Default)]
struct Listener(std::sync::Mutex<Vec<Vec<u8>>>);

impl Interceptor for Listener {
    fn message(&self, _: &str, to: &str, _: usize, payload: Vec<u8>) -> Forward {
        if to == MODEL_OWNER {
            self.0.lock().unwrap().push(payload.clone());
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn batches_of_one_image_share_no_randomness() {
    let network = test_networks::all().remove(2);
    let images = test_networks::images(&network, 1, 3);
    for backend in backends_of_either_width() {
        let listener = Arc::new(Listener::default());
        let mut session = LocalSession::new(backend.as_ref(), &network, 4);
        session.interceptor = Some(Arc::clone(&listener) as Arc<dyn Interceptor>);
        let done = session.run(&[images.clone(), images.clone(), images.clone()]).unwrap();
        assert!(done.iter().all(|role| role.error.is_none()));
        let heard = listener.0.lock().unwrap();
        let mut seen = std::collections::HashSet::new();
        // Fifty-six bytes name session, circuit, batch, gate and part in messages of the dealer; what follows is uniform.
        for block in heard.iter().flat_map(|message| message.get(56..).unwrap_or_default().chunks_exact(16)) {
            assert!(seen.insert(block.to_vec()), "sixteen bytes came twice");
        }
        assert!(seen.len() > 100);
    }
}
