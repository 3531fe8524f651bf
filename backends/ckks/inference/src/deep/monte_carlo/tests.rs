//! Drawn noise against that of ciphertexts, and what is refused for it.

use super::*;
use crate::deep::planning::plan;
use crate::deep::roles::trace;
use crate::planning::rates;
use veilbench_api::conformance::test_networks;
use veilbench_networks::evaluate::ranges;
use veilbench_networks::{Conv2d, Dense, Op, Parameters, Polynomial, Shape, Window};

/// Convolutions with quadratics between them, and images it was calibrated with.
fn chain() -> (Network, Tensor) {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = |inputs| Op::Conv2d(Conv2d { inputs, outputs: 4, groups: 1, dilation: [1; 2], window });
    let square = Op::Polynomial(Polynomial { channels: 4, degree: 2 });
    let dense = Op::Dense(Dense { inputs: 256, outputs: 3 });
    let ops = [conv(1), square, conv(4), square, conv(4), square, Op::Flatten, dense];
    let image = Shape::Image { channels: 1, height: 8, width: 8 };
    let mut network = test_networks::test_network("chain", image, &ops);
    let images = test_networks::images(&network, MOST_IMAGES, 4);
    ranges(&mut network, &images).expect("it is sound");
    (network, images)
}

#[test]
fn drawn_noise_is_about_that_of_ciphertexts() {
    let (network, images) = chain();
    let (plan, ..) = plan(&network.architecture, 1, 10, rates::reference()).expect("it is supported");
    let program = Program::new(&network.architecture, 1, plan.key_cost, 10).expect("it is supported");
    let drawn = draw(&program, &network, &images).expect("its logits are finite");
    assert_eq!(drawn, draw(&program, &network, &images).expect("its logits are finite"), "it is repeatable");
    let measured = (0..3)
        .map(|image| trace(&network, &plan, &images.slice(image, 1)).expect("it is computed"))
        .map(|trace| trace["largest_logit_error"].as_f64().expect("it is a number"))
        .fold(0.0, f64::max);
    println!("{drawn:?}, measured {measured:.2e}");
    assert!((0.5..2.0).contains(&(measured / drawn.largest_error)), "{measured} of {drawn:?}");
    assert!(check(&drawn, FEWER_LAYERS).is_ok());
}

#[test]
fn a_network_whose_logits_are_closer_than_noise_is_refused() {
    let (mut network, images) = chain();
    // The three logits of an image differ by a millionth of what they are.
    if let Some(Parameters::Affine { weights, bias }) = network.parameters.last_mut() {
        let first = weights[..256].to_vec();
        *weights = [1.0, 1.0 + 1e-6, 1.0 - 1e-6]
            .iter()
            .flat_map(|by| first.iter().map(move |own| by * own))
            .collect();
        bias.fill(0.0);
    }
    let program = Program::new(&network.architecture, 1, 1, 10).expect("it is supported");
    let drawn = draw(&program, &network, &images).expect("its logits are finite");
    let refused = check(&drawn, FEWER_LAYERS).expect_err("noise is larger");
    assert!(refused.reason.contains("32 image(s)") && refused.reason.contains("a quarter"), "{refused}");
}

#[test]
fn logits_that_overflow_in_the_clear_are_refused() {
    let (mut network, images) = chain();
    for parameters in &mut network.parameters {
        if let Parameters::Polynomial { coefficients } = parameters {
            *coefficients = [0.0, 0.0, 1e38].repeat(4);
        }
    }
    let program = Program::new(&network.architecture, 1, 1, 10).expect("it is supported");
    let values = images.image(0).iter().map(|value| value * 1e30).collect();
    let huge = Tensor::new(1, network.architecture.input, values).expect("it is an image");
    let refused = draw(&program, &network, &huge).expect_err("eighth powers of it are infinite");
    assert!(refused.reason.contains("no finite number"), "{refused}");
}

#[test]
fn leads_and_medians() {
    assert_eq!(lead(&[1.0, 5.0, 3.0]), 2.0);
    assert_eq!(lead(&[1.0]), f64::INFINITY);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    let drawn = |largest_error, median_lead| {
        check(&LogitNoise { images: 1, largest_error, median_lead }, FEWER_LAYERS)
    };
    assert!(drawn(f64::NAN, 1.0).is_err());
    // Of a single logit, the lead is infinite.
    assert!(drawn(1.0, f64::INFINITY).is_ok());
    assert!(drawn(f64::INFINITY, f64::INFINITY).is_err());
}
