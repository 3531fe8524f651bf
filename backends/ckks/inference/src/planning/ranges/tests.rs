//! Ranges that are plausible are planned with, all others are refused with a remedy.

use veilbench_networks::{Tensor, zoo};

use super::*;
use veilbench_api::conformance::test_networks;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Job, LinkProfile};

fn planned(backend: &dyn Backend, architecture: &Architecture) -> Result<(), Unsupported> {
    backend.plan(architecture, &Job::new(1, 1, LinkProfile::loopback())).map(drop)
}

#[test]
fn ranges_of_the_networks_that_ship_are_plausible() {
    for name in zoo::names() {
        check(&zoo::load(name).unwrap().architecture).unwrap();
    }
    test_networks::all().iter().for_each(|network| check(&network.architecture).unwrap());
}

#[test]
fn ranges_without_a_width_are_refused_by_both_protocols_with_the_remedy() {
    let backends: [&dyn Backend; 2] = [&crate::Ckks, &crate::CkksClientAided];
    for backend in backends {
        let network = test_networks::supported(backend, 1).unwrap().architecture;
        planned(backend, &network).unwrap();
        for layer in 0..network.layers.len() {
            for range in [Range { low: 0.0, high: 0.0 }, Range { low: -1e-40, high: 1e-39 }] {
                let mut narrow = network.clone();
                narrow.layers[layer].range = Some(range);
                let refused = planned(backend, &narrow).unwrap_err();
                assert_eq!(refused.layer.as_deref(), Some(&*narrow.layers[layer].name));
                assert!(
                    refused.reason.contains("state the range that calibration finds"),
                    "{}",
                    refused.reason
                );
            }
        }
        let mut narrow = network;
        narrow.input_range = Some(Range { low: 0.0, high: 0.0 });
        let refused = planned(backend, &narrow).unwrap_err().to_string();
        assert!(refused.contains("the stated range of its input is 0 to 0"), "{refused}");
    }
}

#[test]
fn logits_of_a_billionth_keep_their_digits() {
    let mut network = test_networks::supported(&crate::Ckks, 2).unwrap();
    if let Some(Parameters::Affine { weights, bias }) = network.parameters.last_mut() {
        weights.iter_mut().chain(bias).for_each(|value| *value *= 1e-9);
    }
    let calibration = test_networks::images(&network, 60, 12);
    veilbench_networks::evaluate::ranges(&mut network, &calibration).unwrap();
    let images = test_networks::images(&network, 2, 11);
    let clear: Tensor<f64> = veilbench_networks::evaluate::evaluate(&network, &images).unwrap();
    let done = LocalSession::new(&crate::Ckks, &network, 2).run(std::slice::from_ref(&images)).unwrap();
    assert!(done.iter().all(|role| role.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
    let largest = clear.data().iter().fold(0f64, |most, logit| most.max(logit.abs()));
    assert!(largest < 1e-8);
    for (due, got) in clear.data().iter().zip(done[0].logits[0].data()) {
        assert!((due - f64::from(*got)).abs() < largest / 256.0, "{got} where {due} is due");
    }
}

#[test]
fn layers_that_hand_on_what_they_read_have_ranges_like_it() {
    let mut network = test_networks::all().remove(0).architecture;
    assert_eq!(network.layers[1].op, Op::Relu);
    for (low, high, plausible) in [(0.0, 8.0, true), (0.0, 0.6, true), (0.0, 0.4, false), (0.0, 0.001, false)]
    {
        network.layers[1].range = Some(Range { low, high });
        let verdict = check(&network);
        assert_eq!(verdict.is_ok(), plausible, "{low} to {high}: {verdict:?}");
    }
    // What a rectifier makes of negative values alone is nothing, and rightly so.
    network.layers[0].range = Some(Range { low: -8.0, high: 0.01 });
    network.layers[1].range = Some(Range { low: 0.0, high: 0.01 });
    check(&network).unwrap();
}

#[test]
fn weights_that_cannot_reach_a_range_are_refused_by_the_layer_that_must() {
    for name in zoo::names() {
        let network = zoo::load(name).unwrap();
        check_weights(&network.architecture, &network.parameters).unwrap();
    }
    for network in test_networks::all() {
        check_weights(&network.architecture, &network.parameters).unwrap();
    }
    let mut network =
        test_networks::all().into_iter().find(|own| own.architecture.name == "dense-poly").unwrap();
    network.architecture.layers[0].range = Some(Range { low: -0.001, high: 0.001 });
    let refused = check_weights(&network.architecture, &network.parameters).unwrap_err();
    assert_eq!(refused.layer.as_deref(), Some("layer1"), "the polynomial cannot come from 0.001 to 8");
    assert!(refused.reason.contains("as their range says"), "{}", refused.reason);
}
