//! Architectures that are refused, and the reasons given.

use super::*;
use crate::{ActivationKind, Conv2d, Dense, Layer, Polynomial, Window};

fn chain(input: Shape, layers: &[(&str, Op, Shape)]) -> Architecture {
    let layer = |&(name, op, output): &(&str, Op, Shape)| Layer::new(name, op, output);
    Architecture { name: "test".into(), input, input_range: None, layers: layers.iter().map(layer).collect() }
}

fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 4] }
}

const IMAGE: Shape = Shape::Image { channels: 1, height: 8, width: 8 };

#[test]
fn a_dense_layer_of_the_right_size_passes() {
    let op = Op::Dense(Dense { inputs: 4, outputs: 2 });
    assert_eq!(chain(Shape::Flat(4), &[("fc1", op, Shape::Flat(2))]).check(), Ok(()));
}

#[test]
fn an_empty_network_is_refused() {
    assert_eq!(chain(IMAGE, &[]).check(), Err(ArchitectureError::NoLayers));
}

#[test]
fn a_dense_layer_on_an_image_is_refused_by_name() {
    let op = Op::Dense(Dense { inputs: 64, outputs: 2 });
    let error = chain(IMAGE, &[("fc1", op, Shape::Flat(2))]).check().unwrap_err();
    assert_eq!(error.to_string(), "layer \"fc1\" expects 64 features as its input but gets 1x8x8");
}

#[test]
fn a_claimed_output_must_be_the_computed_one() {
    let error = chain(IMAGE, &[("act", Op::Relu, Shape::Flat(64))]).check().unwrap_err();
    assert!(matches!(error, ArchitectureError::Output { .. }), "{error}");
}

#[test]
fn names_are_unique_and_usable() {
    let twice = chain(IMAGE, &[("act", Op::Relu, IMAGE), ("act", Op::Relu, IMAGE)]);
    assert_eq!(twice.check(), Err(ArchitectureError::DuplicateName { layer: "act".into() }));
    for name in ["", "a\nb", "\u{202e}tca"] {
        let named = chain(IMAGE, &[(name, Op::Relu, IMAGE)]);
        assert!(matches!(named.check(), Err(ArchitectureError::Name { .. })), "{name:?}");
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    let huge = Shape::Image { channels: usize::MAX, height: 2, width: 2 };
    assert!(matches!(chain(huge, &[("act", Op::Relu, huge)]).check(), Err(ArchitectureError::Size { .. })));
    let op = Op::Dense(Dense { inputs: 1 << 26, outputs: 1 << 26 });
    let wide = chain(Shape::Flat(1 << 26), &[("fc1", op, Shape::Flat(1 << 26))]);
    assert!(matches!(wide.check(), Err(ArchitectureError::Size { .. })));
}

#[test]
fn a_degree_beyond_the_limit_is_refused() {
    let op = Op::Polynomial(Polynomial { channels: 1, degree: usize::MAX });
    assert!(matches!(chain(IMAGE, &[("act", op, IMAGE)]).check(), Err(ArchitectureError::Size { .. })));
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    for window in [window(9, 1, 0), window(2, 0, 0), window(0, 1, 0), window(2, 2, 2)] {
        let output = Shape::Image { channels: 1, height: 4, width: 4 };
        let error = chain(IMAGE, &[("pool", Op::MaxPool(window), output)]).check().unwrap_err();
        assert!(matches!(error, ArchitectureError::Geometry { .. }), "{error}");
    }
}

#[test]
fn groups_must_divide_the_channels() {
    for groups in [0, 2] {
        let conv = Conv2d { inputs: 1, outputs: 2, groups, dilation: [1, 1], window: window(3, 1, 1) };
        let output = Shape::Image { channels: 2, height: 8, width: 8 };
        let error = chain(IMAGE, &[("conv", Op::Conv2d(conv), output)]).check().unwrap_err();
        assert!(matches!(error, ArchitectureError::Geometry { .. }), "{error}");
    }
}

#[test]
fn a_range_upside_down_is_refused() {
    let mut network = chain(IMAGE, &[("act", Op::Relu, IMAGE)]);
    network.layers[0].range = Some(Range { low: 1.0, high: 0.0 });
    assert!(matches!(network.check(), Err(ArchitectureError::Range { .. })));
}

/// The image through two ReLUs and a join of them of shape `output`.
fn joined(op: Op, inputs: &[Source], output: Shape) -> Architecture {
    let mut network = chain(IMAGE, &[("a", Op::Relu, IMAGE), ("b", Op::Relu, IMAGE), ("join", op, output)]);
    network.layers[2].inputs = inputs.to_vec();
    network
}

const BRANCHES: [Source; 2] = [Source::Layer(0), Source::Layer(1)];

#[test]
fn joins_of_fitting_layers_pass() {
    assert_eq!(joined(Op::Add, &BRANCHES, IMAGE).check(), Ok(()));
    let output = Shape::Image { channels: 2, height: 8, width: 8 };
    assert_eq!(joined(Op::Concat, &BRANCHES, output).check(), Ok(()));
    let of_image = joined(Op::Add, &[Source::Image, Source::Layer(1)], IMAGE);
    assert_eq!(of_image.check(), Ok(()));
}

#[test]
fn unequal_joins_are_refused() {
    let window = Op::MaxPool(window(2, 2, 0));
    let halved = Shape::Image { channels: 1, height: 4, width: 4 };
    for op in [Op::Add, Op::Concat] {
        let mut network = joined(op, &BRANCHES, IMAGE);
        (network.layers[1].op, network.layers[1].output) = (window, halved);
        let error = network.check().unwrap_err();
        assert!(matches!(error, ArchitectureError::Join { .. }), "{error}");
    }
}

#[test]
fn layers_read_as_many_earlier_ones_as_they_join() {
    for inputs in [&[][..], &[Source::Layer(1)], &[Source::Image; 3], &[Source::Layer(1); 2]] {
        let error = joined(Op::Add, inputs, IMAGE).check().unwrap_err();
        assert!(matches!(error, ArchitectureError::Inputs { .. }), "{error}");
    }
    let error = joined(Op::Relu, &BRANCHES, IMAGE).check().unwrap_err();
    assert!(matches!(error, ArchitectureError::Inputs { .. }), "{error}");
    let many = vec![Source::Image; limits::INPUTS + 1];
    let error = joined(Op::Concat, &many, IMAGE).check().unwrap_err();
    assert!(matches!(error, ArchitectureError::Inputs { .. }), "{error}");
}

#[test]
fn references_forward_or_to_nothing_are_refused() {
    for to in [2, 3, usize::MAX] {
        let error = joined(Op::Add, &[Source::Layer(0), Source::Layer(to)], IMAGE).check().unwrap_err();
        assert_eq!(error, ArchitectureError::Reference { layer: "join".into(), source_index: to });
    }
}

#[test]
fn a_layer_that_nothing_reads_is_refused_by_name() {
    let network = joined(Op::Relu, &[Source::Layer(0)], IMAGE);
    assert_eq!(network.check(), Err(ArchitectureError::Unused { layer: "b".into() }));
}

#[test]
fn values_that_wait_for_later_layers_are_bounded() {
    let image = Shape::Image { channels: 1, height: 1 << 13, width: 1 << 13 };
    let mut network = joined(Op::Add, &BRANCHES, image);
    network.input = image;
    network.layers[..2].iter_mut().for_each(|layer| layer.output = image);
    assert!(matches!(network.check(), Err(ArchitectureError::Size { .. })));
}

#[test]
fn activations_need_finite_parameters_and_bounds_in_order() {
    let kinds = [
        ActivationKind::Clip { low: 1.0, high: 0.0 },
        ActivationKind::Clip { low: f32::NAN, high: 0.0 },
        ActivationKind::Clip { low: 0.0, high: f32::MAX },
        ActivationKind::Clip { low: f32::MIN, high: f32::MAX },
        ActivationKind::LeakyRelu { slope: f32::INFINITY },
        ActivationKind::HardSigmoid { slope: 1.0, offset: f32::NAN },
    ];
    for kind in kinds {
        let error = chain(IMAGE, &[("act", Op::Activation(kind), IMAGE)]).check().unwrap_err();
        assert!(matches!(error, ArchitectureError::Activation { .. }), "{error}");
    }
    let op = Op::Activation(ActivationKind::PRelu { channels: 3 });
    let error = chain(IMAGE, &[("act", op, IMAGE)]).check().unwrap_err();
    assert!(matches!(error, ArchitectureError::Input { .. }), "{error}");
}
