//! Images that cannot be classified, and batches that leave slots without an image.

use std::sync::Arc;

use veilbench_api::Error;
use veilbench_api::conformance::test_networks;
use veilbench_api::link::Interceptor;
use veilbench_ckks_inference::{Ckks, CkksClientAided};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Parameters, Range, Shape, Tensor};

use crate::fixture::*;
use crate::interceptors::*;

#[test]
fn pixels_that_are_no_pixels_are_refused_by_name() {
    let network = polynomial();
    let length = network.architecture.input.len();
    for bad in [f32::NAN, f32::INFINITY, 1e6, -40.0] {
        let mut values = vec![0.5; length];
        values[7] = bad;
        let images = Tensor::new(1, network.architecture.input, values).unwrap();
        let reason = error(&Ckks, &network, images, None);
        assert!(reason.contains("value 7 of image 0"), "{reason}");
    }
}

#[test]
fn the_client_aided_protocol_refuses_the_same_bad_input() {
    let network = aided();
    let images = || test_networks::images(&network, 1, 3);
    let mut values = images().data().to_vec();
    values[3] = f32::NAN;
    let bad = Tensor::new(1, network.architecture.input, values).unwrap();
    let refused = |images: &Tensor, interceptor: Option<Arc<dyn Interceptor>>| {
        error_in(&CkksClientAided, &network, Some("slots"), images, interceptor)
    };
    let reason = refused(&bad, None);
    assert!(reason.contains("value 3 of image 0"), "{reason}");
    let reason = refused(&images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    let reason = refused(&images(), Some(Arc::new(Echo::default())));
    assert!(reason.contains("link to model-owner: a message of"), "{reason}");
    let interceptor: Arc<dyn Interceptor> = Arc::new(OtherKeys::new(0..1));
    let own = Some(Arc::clone(&interceptor));
    let first = intercepted(&CkksClientAided, &network, Some("slots"), &images(), own);
    assert!(first.iter().all(|outcome| outcome.error.is_none()), "the session's own key");
    let reason = refused(&images(), Some(interceptor));
    assert!(reason.contains("was used where key"), "{reason}");
}

#[test]
fn images_of_another_shape_are_refused_with_both_shapes() {
    for (backend, network, layout) in ways() {
        let length = network.architecture.input.len();
        let longer = Tensor::new(1, Shape::Flat(length + 1), vec![0.5; length + 1]).unwrap();
        let reason = error_in(backend, &network, layout, &longer, None);
        assert!(reason.contains(&format!("{} were planned", network.architecture.input)), "{reason}");
    }
}

#[test]
fn images_far_beyond_the_calibrated_range_are_named() {
    for (backend, network, layout) in ways() {
        let length = network.architecture.input.len();
        let mut values = test_networks::images(&network, 4, 3).data().to_vec();
        values[3] = 40.0;
        values[2 * length..2 * length + 5].fill(-7.5);
        let images = Tensor::new(4, network.architecture.input, values).unwrap();
        let done = session(backend, &network, layout, &images);
        let Some(Error::OutOfRange { images, reason }) = &done[0].error else { panic!("{layout:?}") };
        assert_eq!(images, &[0, 2], "{layout:?}");
        assert!(reason.contains("value 3 of image 0 is 40"), "{reason}");
    }
}

/// A network whose inputs are near 0.95, and whose values at an image of zeros are far out of range.
fn without_a_zero(mut network: Network) -> Network {
    network.architecture.input_range = Some(Range { low: 0.9, high: 1.0 });
    let inputs = network.architecture.input.len();
    for (layer, parameters) in network.parameters.iter_mut().enumerate() {
        match parameters {
            Parameters::Affine { weights, bias } if layer == 0 => {
                weights.fill(-100.0 / inputs as f32);
                bias.fill(95.0);
            }
            Parameters::Polynomial { coefficients } => {
                let [_, linear, quadratic]: &mut [f32; 3] = coefficients.first_chunk_mut().unwrap();
                (*linear, *quadratic) = (0.1, 0.5);
            }
            _ => {}
        }
    }
    network
}

#[test]
fn slots_without_an_image_repeat_those_of_the_batch() {
    let network = without_a_zero(polynomial());
    let shape = network.architecture.input;
    let values = (0..3 * shape.len()).map(|at| 0.92 + 0.01 * (at % 7) as f32).collect();
    let images = Tensor::new(3, shape, values).unwrap();
    let expected = evaluate::<f64>(&network, &images).unwrap();
    for layout in ["throughput", "complex"] {
        let done = session(&Ckks, &network, Some(layout), &images);
        let said = done.iter().find_map(|done| done.error.as_ref());
        assert!(said.is_none(), "{layout}: {said:?}");
        for (private, clear) in done[0].logits[0].data().iter().zip(expected.data()) {
            assert!((f64::from(*private) - clear).abs() < 1.0 / 64.0, "{layout}: {private} {clear}");
        }
    }
}
