//! Answers of one image in many slots, and those that are none.

use veilbench_ckks::{KeyRequest, Randomness, SeededEvaluationKeys};

use super::*;
use crate::planning::plan::CkksPlan;
use veilbench_api::Backend;
use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Dense, Network, Op, Polynomial, Shape};

fn random() -> Randomness {
    Randomness::from_system().unwrap()
}

/// The data owner of a small network, with the name of its key drawn anew.
fn client() -> Client {
    let network = test_networks::supported(&crate::Ckks, 1).unwrap();
    let circuit = Circuit::new(&network.architecture, None).unwrap();
    let plan = CkksPlan::latency(&circuit).unwrap();
    let program = PackedCircuit::new(&circuit, plan.scheme.slots()).unwrap().with_key_cost(plan.key_cost);
    let secret = SecretKey::generate(&plan.scheme.context().unwrap(), &mut random());
    let places = Places::new(program, circuit.logit_deviation(&plan.scheme, true) / circuit.logit_unit());
    let (scheme, logit_unit, recorder) = (plan.scheme, circuit.logit_unit(), Recorder::default());
    let half = None;
    Client { secret, half, scheme, places, images: 1, logit_unit, recorder }
}

/// What the client makes of logits of one half beside spare slots of which the first holds `rest`.
fn decrypted(client: &Client, rest: f64) -> Option<Vec<f64>> {
    let period = client.places.period;
    let mut slots = vec![0.5; client.scheme.slots()];
    for copy in slots.chunks_exact_mut(period) {
        client.places.spare.iter().for_each(|&(_, slot)| copy[slot] = 0.0);
        copy[client.places.spare[0].1] = rest;
    }
    let scale = f64::from(client.scheme.map_scale_bits).exp2();
    let context = client.secret.context();
    let answer = encrypt(&client.secret, &slots, scale, 0).unwrap().expand(context).unwrap();
    let keys = SeededEvaluationKeys::generate(&client.secret, &KeyRequest::default(), &mut random());
    let evaluator = Evaluator::new(context, Arc::new(keys.expand(context).unwrap())).unwrap();
    client.decrypt(&evaluator.fold(&answer, period).unwrap().to_bytes(context).unwrap()).unwrap()
}

#[test]
fn logits_beside_spare_slots_that_are_not_zero_are_no_answer() {
    let client = client();
    assert!(client.places.spare.len() >= client.places.period / 4);
    assert!(client.places.tolerance < 1.0 / 64.0, "{}", client.places.tolerance);
    let logits = decrypted(&client, 0.0).unwrap();
    assert!(
        logits.len() == client.places.results.len() && logits.iter().all(|logit| (logit - 0.5).abs() < 1e-3)
    );
    for rest in [4.0 * client.places.tolerance, -0.1, 1.0] {
        assert_eq!(decrypted(&client, rest), None, "{rest}");
    }
}

/// Parts of the single logit are summed where it is read.
#[test]
fn a_network_with_one_logit_has_an_answer() {
    let dense = |inputs, outputs| Op::Dense(Dense { inputs, outputs });
    let layers = [dense(60, 20), Op::Polynomial(Polynomial { channels: 20, degree: 2 }), dense(20, 1)];
    let network = test_networks::test_network("one", Shape::Flat(60), &layers);
    answers(&crate::Ckks, &network);
    let relu = [dense(16, 12), Op::Relu, dense(12, 1)];
    answers(&crate::CkksClientAided, &test_networks::test_network("one-aided", Shape::Flat(16), &relu));
}

/// Whether a backend answers an image as the clear network does.
fn answers(backend: &dyn Backend, network: &Network) {
    let images = test_networks::images(network, 1, 3);
    let done = LocalSession::new(backend, network, 1).run(std::slice::from_ref(&images)).unwrap();
    assert!(done.iter().all(|outcome| outcome.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
    let expected = evaluate::<f64>(network, &images).unwrap();
    let logits = done.iter().flat_map(|outcome| &outcome.logits).next().unwrap();
    let close = |(own, due): (&f32, &f64)| (f64::from(*own) - due).abs() < 1e-2 * due.abs().max(1.0);
    assert!(logits.data().iter().zip(expected.data()).all(close), "{logits:?} {expected:?}");
}

/// Of a network whose last biases are many times the range of its logits.
#[test]
fn biases_that_exceed_the_last_prime_cancel_what_they_are_added_to() {
    let dense = |inputs, outputs| Op::Dense(Dense { inputs, outputs });
    let quadratic = |channels| Op::Polynomial(Polynomial { channels, degree: 2 });
    let layers = [dense(120, 40), quadratic(40), dense(40, 24), quadratic(24), dense(24, 7)];
    let network = test_networks::test_network("two-layers", Shape::Flat(120), &layers);
    let circuit = Circuit::new(&network.architecture, Some(&network.parameters)).unwrap();
    let biases = &circuit.stages[2].map.bias;
    assert!(biases.iter().any(|bias| bias.abs() > 10.0), "{biases:?}");
    answers(&crate::Ckks, &network);
}
