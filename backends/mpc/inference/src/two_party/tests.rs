//! The backend against the fixed-point oracle on networks that ship, its counts, and the contract.

use std::time::Duration;

use veilbench_api::conformance;
use veilbench_api::conformance::test_networks::test_network;
use veilbench_api::local_session::{LocalSession, PartyOutcome};
use veilbench_datasets::{Split, Store, load};
use veilbench_mpc::model::Model;
use veilbench_mpc::oracle;
use veilbench_mpc::ring::encode;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Dense, Network, Op, Parameters, Shape, Tensor, zoo};

use super::*;
use crate::tests::images;
use crate::tests::out_of_range::Spoilt;
use crate::tests::real_images::tensor;

#[test]
fn the_contract_is_kept() {
    conformance::check(&TwoParty).unwrap();
}

/// Logits of a batch from a session, and those of the fixed-point oracle.
fn logits(network: &Network, images: &Tensor, settings: &[(&str, &str)]) -> (Vec<f64>, Vec<f64>, Plan) {
    let mut session = LocalSession::new(&TwoParty, network, images.images());
    session.timeout = Duration::from_secs(60);
    session.job.settings = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let plan = TwoParty.plan(&network.architecture, &session.job).unwrap();
    let Compiled { lowered, network: compiled, .. } =
        TwoParty::compile(&network.architecture, &plan).unwrap();
    let circuit = compiled.circuit();
    let model = Model::encode(circuit, &lowered.parameters(network.clone())).unwrap();
    let bits = circuit.format().activation_bits;
    let inputs: Vec<u64> =
        images.data().iter().map(|&value| encode(f64::from(value), bits).unwrap()).collect();
    let expected = oracle::evaluate(circuit, &model, &inputs);
    let done = session.run(std::slice::from_ref(images)).unwrap();
    let errors: Vec<_> = done.iter().filter_map(|role| role.error.as_ref()).collect();
    assert!(errors.is_empty(), "{}: {errors:?}", network.architecture.name);
    let prediction = plan.prediction.as_ref().unwrap();
    let bytes = [prediction.setup_bytes, prediction.offline_bytes, prediction.online_bytes];
    for (phase, predicted) in bytes.into_iter().enumerate() {
        let sent: u64 =
            done.iter().flat_map(|role| &role.phases[phase].exchanged).map(|peer| peer.sent_bytes).sum();
        assert_eq!(Some(sent), predicted, "phase {phase}");
    }
    let logits = done[0].logits[0].data().iter().map(|logit| f64::from(*logit)).collect();
    (logits, expected.into_iter().map(|logit| circuit.decode(logit)).collect(), plan)
}

#[test]
fn logits_of_the_zoo_are_within_two_to_the_minus_ten_of_the_oracle_and_bytes_as_predicted() {
    for (name, count, settings) in [
        ("mnist-mlp", 5, &[][..]),
        ("mnist-cnn", 5, &[("k", "4")]),
        ("malaria-cnn", 1, &[("k", "4")]),
        ("melanoma-lenet", 1, &[("k", "4")]),
        ("mnist-mlp-poly", 3, &[]),
        ("mnist-cnn-poly", 5, &[("k", "4")]),
        ("melanoma-lenet-poly", 1, &[("k", "4")]),
        ("malaria-cnn-poly", 1, &[("k", "4")]),
        ("cifar-resnet20", 1, &[("k", "4")]),
    ] {
        let network = zoo::load(name).unwrap();
        let mut images = images(&network, count);
        if name.starts_with("melanoma") || name.starts_with("cifar") {
            // Strokes as strong as on digits are not what its ranges were calibrated on.
            let faint = images.data().iter().map(|value| value / 8.0).collect();
            images = Tensor::new(count, network.architecture.input, faint).unwrap();
        }
        let (logits, expected, _) = logits(&network, &images, settings);
        let errors = logits.iter().zip(&expected).map(|(logit, expected)| (logit - expected).abs());
        let most = errors.fold(0.0, f64::max);
        assert!(most < 2f64.powi(-10), "{name}: off by {most}");
    }
}

/// The design's goals.
#[test]
fn networks_of_the_zoo_take_few_bytes_and_messages_online() {
    for (name, bytes, messages) in
        [("mnist-mlp", 20_000, 14), ("mnist-cnn", 45_000, 14), ("malaria-cnn", 1_600_000, 20)]
    {
        let network = zoo::load(name).unwrap();
        let mut session = LocalSession::new(&TwoParty, &network, 1);
        session.timeout = Duration::from_secs(60);
        let done = session.run(&[images(&network, 1)]).unwrap();
        let online = done.iter().map(|role| &role.phases[2]);
        let sent: u64 = online.clone().flat_map(|phase| &phase.exchanged).map(|peer| peer.sent_bytes).sum();
        let rounds = online.map(|phase| phase.rounds).max().unwrap();
        assert_eq!(rounds, messages, "{name}");
        assert!(sent <= bytes, "{name}: {sent} bytes");
    }
}

#[test]
fn digits_and_cells_are_classified_as_by_the_clear_network() {
    for (name, data, count) in [
        ("mnist-mlp", "mnist", 30),
        ("mnist-cnn", "mnist", 30),
        ("malaria-cnn", "malaria", 4),
        ("mnist-mlp-poly", "mnist", 30),
        ("mnist-cnn-poly", "mnist", 20),
        ("malaria-cnn-poly", "malaria", 3),
    ] {
        let network = zoo::load(name).unwrap();
        let store = Store::new("none", "none");
        let dataset = load(&store, &format!("{data}-sample"), Split::Test).unwrap().subset(count, 0).unwrap();
        let images = tensor(&network, &dataset, 0..dataset.len());
        let clear: Tensor<f64> = evaluate(&network, &images).unwrap();
        let (logits, _, _) = logits(&network, &images, &[]);
        let class = |logits: &[f64]| (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        let classes = network.architecture.classes();
        for (image, logits) in logits.chunks_exact(classes).enumerate() {
            assert_eq!(class(logits), class(clear.image(image)), "{name}, image {image}");
        }
    }
}

#[test]
fn batches_are_cut_into_windows_that_are_prepared_one_by_one() {
    assert_eq!(BatchSplit::new(3, 3).windows(7).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
    let job = Job::new(100_000, 1, veilbench_api::LinkProfile::loopback());
    // Without comparisons masks and wires alone take memory.
    let dense = Op::Dense(Dense { inputs: 900, outputs: 10 });
    let linear = test_network("linear", Shape::Flat(900), &[dense]).architecture;
    for architecture in [zoo::load("mnist-cnn").unwrap().architecture, linear] {
        let plan = TwoParty.plan(&architecture, &job).unwrap();
        let window = plan.parameters["format"]["images_a_message"].as_u64().unwrap();
        assert!((1..100_000).contains(&window), "{window}");
    }
}

/// With fewer fractional bits there, so within what plans state.
#[test]
fn networks_without_ranges_and_those_asked_to_run_in_the_widest_ring() {
    let (mut network, images) =
        (zoo::load("mnist-cnn").unwrap(), images(&zoo::load("mnist-cnn").unwrap(), 2));
    for settings in [&[("ring", "wide")][..], &[]] {
        let (logits, expected, plan) = logits(&network, &images, settings);
        assert_eq!(plan.parameters["format"]["ring_bits"], 64);
        let errors = logits.iter().zip(&expected).map(|(logit, expected)| (logit - expected).abs());
        let most = errors.fold(0.0, f64::max);
        assert!(most < 2f64.powi(-8), "off by {most}");
        network.architecture = network.architecture.without_ranges();
    }
}

/// Polynomials' squares are what is guarded: an image that drives them further is refused, and nobody else learns of it.
#[test]
fn squares_beyond_a_guard_are_refused_by_the_data_owner() {
    let mut network = zoo::load("mnist-cnn-poly").unwrap();
    let usual = images(&network, 2);
    let session = LocalSession::new(&TwoParty, &network, 2);
    assert!(session.run(std::slice::from_ref(&usual)).unwrap()[0].error.is_none());
    let bound = network.architecture.input_range.unwrap();
    let noisy: Vec<f32> = (0..2 * network.architecture.input.len())
        .map(|at| if at % 2 == 0 { bound.low } else { bound.high } as f32)
        .collect();
    if let Parameters::Affine { weights, .. } = &mut network.parameters[0] {
        weights.iter_mut().for_each(|weight| *weight *= 8.0);
    }
    let noisy = Tensor::new(2, network.architecture.input, noisy).unwrap();
    let session = LocalSession::new(&TwoParty, &network, 2);
    let done = session.run(&[noisy]).unwrap();
    assert!(matches!(&done[0].error, Some(Error::OutOfRange { .. })), "{:?}", done[0].error);
    assert!(done[1].error.is_none(), "{:?}", done[1].error);
}

#[test]
fn pixels_out_of_bounds_are_refused_by_the_data_owner_after_the_last_message() {
    let network = zoo::load("mnist-mlp").unwrap();
    let images = images(&network, 3);
    let session = LocalSession::new(&TwoParty, &network, 3);
    let seen = |done: &[PartyOutcome]| format!("{:?}", done[1].phases[2].exchanged);
    let usual = session.run(std::slice::from_ref(&images)).unwrap();
    for pixel in [1e6, f32::NAN, f32::INFINITY] {
        let spoilt = Spoilt { backend: &TwoParty, pixel };
        let done = LocalSession::new(&spoilt, &network, 3).run(std::slice::from_ref(&images)).unwrap();
        assert!(
            matches!(&done[0].error, Some(Error::OutOfRange { images, .. }) if *images == [1]),
            "{:?}",
            done[0].error
        );
        // The model owner can tell it from no other batch.
        assert!(done[1].error.is_none(), "{:?}", done[1].error);
        assert_eq!(seen(&usual), seen(&done));
    }
}
