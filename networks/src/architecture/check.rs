//! What makes an architecture that arrived as data safe to compute with.

use std::collections::HashSet;

use thiserror::Error;

use crate::text::is_deceptive;

use super::{Architecture, Conv2d, Op, Range, Shape, Window};

/// Bounds that every architecture keeps, so that sizes derived from one neither overflow nor exhaust
/// memory.
pub mod limits {
    /// Layers of a network.
    pub const LAYERS: usize = 1024;
    /// Bytes of a name.
    pub const NAME_BYTES: usize = 256;
    /// Values of one image at any layer.
    pub const VALUES: usize = 1 << 26;
    /// Weights, biases and coefficients of all layers together.
    pub const PARAMETERS: usize = 1 << 28;
    /// Multiply-accumulates and pooled values of one image.
    pub const WORK: usize = 1 << 36;
    /// Degree of a polynomial.
    pub const DEGREE: usize = 64;
}

/// Why an architecture cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// There is nothing to compute.
    #[error("the network has no layers")]
    NoLayers,
    /// More layers than [`limits::LAYERS`].
    #[error("the network has {layers} layers, at most {} are accepted", limits::LAYERS)]
    TooManyLayers {
        /// How many it has.
        layers: usize,
    },
    /// A name is empty, too long or holds characters that deceive a reader.
    #[error(
        "{what} has the unusable name {name:?}: give it 1 to {} bytes without control and bidirectional characters",
        limits::NAME_BYTES
    )]
    Name {
        /// `the network`, or `layer 3`.
        what: String,
        /// The name, cut short.
        name: String,
    },
    /// Two layers share a name.
    #[error("two layers are named {layer:?}: give each its own name")]
    DuplicateName {
        /// The name.
        layer: String,
    },
    /// A dense layer got an image, a window a vector, or the like.
    #[error("layer {layer:?} expects {expected} as its input but gets {input}")]
    Input {
        /// Name of the layer.
        layer: String,
        /// What it takes.
        expected: String,
        /// What comes.
        input: Shape,
    },
    /// The layer cannot be computed on an input of this shape.
    #[error("layer {layer:?} cannot be computed on an input of {input}: {reason}")]
    Geometry {
        /// Name of the layer.
        layer: String,
        /// What comes.
        input: Shape,
        /// Which attribute does not fit.
        reason: &'static str,
    },
    /// The stated output shape is not the computed one.
    #[error("layer {layer:?} claims an output of {claimed} but computes {computed}")]
    Output {
        /// Name of the layer.
        layer: String,
        /// What the architecture says.
        claimed: Shape,
        /// What the input shape and the operator give.
        computed: Shape,
    },
    /// A size is zero, or larger than its limit.
    #[error("{place}: {what} must be between 1 and {limit}")]
    Size {
        /// `the input`, or the layer.
        place: String,
        /// Of what.
        what: &'static str,
        /// The largest accepted.
        limit: usize,
    },
    /// A range is not finite or upside down.
    #[error("{place}: the calibration range must be finite, lowest value first")]
    Range {
        /// `the input`, or the layer.
        place: String,
    },
}

impl Architecture {
    /// Checks everything a user of the architecture relies on: at least one layer, usable and unique
    /// names, shapes that follow from each other, sound ranges, and sizes within [`limits`], so that
    /// no size computed from a checked architecture overflows.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        if self.layers.is_empty() {
            return Err(ArchitectureError::NoLayers);
        }
        if self.layers.len() > limits::LAYERS {
            return Err(ArchitectureError::TooManyLayers { layers: self.layers.len() });
        }
        check_name(&self.name, || "the network".into())?;
        check_values(self.input, || "the input".into())?;
        check_range(self.input_range, || "the input".into())?;

        let mut names = HashSet::new();
        let (mut parameters, mut work) = (0_usize, 0_usize);
        for (index, (input, layer)) in self.steps().enumerate() {
            let place = || format!("layer {:?}", layer.name);
            check_name(&layer.name, || format!("layer {index}"))?;
            if !names.insert(&layer.name) {
                return Err(ArchitectureError::DuplicateName { layer: layer.name.clone() });
            }
            let computed = layer.op.output(input, &layer.name)?;
            if layer.output != computed {
                let (layer, claimed) = (layer.name.clone(), layer.output);
                return Err(ArchitectureError::Output { layer, claimed, computed });
            }
            check_values(computed, place)?;
            check_range(layer.range, place)?;
            let add = |total: usize, more: Option<usize>, what, limit| {
                let sum = more.and_then(|more| total.checked_add(more)).filter(|&sum| sum <= limit);
                sum.ok_or_else(|| ArchitectureError::Size { place: place(), what, limit })
            };
            parameters = add(
                parameters,
                layer.op.checked_parameters(),
                "the number of parameters so far",
                limits::PARAMETERS,
            )?;
            work = add(work, layer.op.checked_work(computed), "the work for an image so far", limits::WORK)?;
        }
        Ok(())
    }
}

impl Op {
    /// Output shape for an input shape; `layer` names the layer in errors.
    pub(crate) fn output(&self, input: Shape, layer: &str) -> Result<Shape, ArchitectureError> {
        let expected = |expected: String| ArchitectureError::Input { layer: layer.into(), expected, input };
        let geometry = |reason| ArchitectureError::Geometry { layer: layer.into(), input, reason };
        match *self {
            Op::Dense(dense) if input == Shape::Flat(dense.inputs) => Ok(Shape::Flat(dense.outputs)),
            Op::Dense(dense) => Err(expected(format!("{} features", dense.inputs))),
            Op::Conv2d(conv) => match input {
                Shape::Image { channels, height, width } if channels == conv.inputs => {
                    check_groups(&conv).map_err(geometry)?;
                    let size = conv.window.output(height, width, conv.dilation);
                    let [height, width] = size.ok_or_else(|| geometry(WINDOW_DOES_NOT_FIT))?;
                    Ok(Shape::Image { channels: conv.outputs, height, width })
                }
                _ => Err(expected(format!("an image of {} channels", conv.inputs))),
            },
            Op::AveragePool(window) | Op::MaxPool(window) => match input {
                Shape::Image { channels, height, width } => {
                    if !padding_is_smaller_than_kernel(&window) {
                        return Err(geometry("a pooling window may lie in the padding alone"));
                    }
                    let size = window.output(height, width, [1, 1]);
                    let [height, width] = size.ok_or_else(|| geometry(WINDOW_DOES_NOT_FIT))?;
                    Ok(Shape::Image { channels, height, width })
                }
                Shape::Flat(_) => Err(expected("an image".into())),
            },
            Op::Relu => Ok(input),
            Op::Polynomial(polynomial) if polynomial.channels != input.channels() => {
                Err(expected(format!("{} channels", polynomial.channels)))
            }
            Op::Polynomial(polynomial) if (1..=limits::DEGREE).contains(&polynomial.degree) => Ok(input),
            Op::Polynomial(_) => Err(ArchitectureError::Size {
                place: format!("layer {layer:?}"),
                what: "the degree of the polynomial",
                limit: limits::DEGREE,
            }),
            Op::Flatten if matches!(input, Shape::Flat(_)) => Err(expected("an image".into())),
            Op::Flatten => Ok(Shape::Flat(input.len())),
        }
    }
}

const WINDOW_DOES_NOT_FIT: &str = "the window does not fit, or its stride is zero";

fn check_groups(conv: &Conv2d) -> Result<(), &'static str> {
    let divides = |channels: usize| channels.checked_rem(conv.groups) == Some(0);
    if !divides(conv.inputs) || !divides(conv.outputs) {
        return Err("the groups do not divide its channels");
    }
    if conv.dilation.contains(&0) { Err("a dilation is zero") } else { Ok(()) }
}

fn padding_is_smaller_than_kernel(window: &Window) -> bool {
    window.padding.iter().enumerate().all(|(side, &padding)| padding < window.kernel[side % 2])
}

fn check_name(name: &str, what: impl Fn() -> String) -> Result<(), ArchitectureError> {
    if name.is_empty() || name.len() > limits::NAME_BYTES || name.chars().any(is_deceptive) {
        return Err(ArchitectureError::Name { what: what(), name: name.chars().take(40).collect() });
    }
    Ok(())
}

fn check_values(shape: Shape, place: impl Fn() -> String) -> Result<(), ArchitectureError> {
    match shape.checked_len() {
        Some(1..=limits::VALUES) => Ok(()),
        _ => Err(ArchitectureError::Size {
            place: place(),
            what: "the number of values",
            limit: limits::VALUES,
        }),
    }
}

fn check_range(range: Option<Range>, place: impl Fn() -> String) -> Result<(), ArchitectureError> {
    match range {
        Some(Range { low, high }) if !(low.is_finite() && high.is_finite() && low <= high) => {
            Err(ArchitectureError::Range { place: place() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dense, Layer, Polynomial};

    fn chain(input: Shape, layers: &[(&str, Op, Shape)]) -> Architecture {
        let layer =
            |&(name, op, output): &(&str, Op, Shape)| Layer { name: name.into(), op, output, range: None };
        Architecture {
            name: "test".into(),
            input,
            input_range: None,
            layers: layers.iter().map(layer).collect(),
        }
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
        assert!(matches!(
            chain(huge, &[("act", Op::Relu, huge)]).check(),
            Err(ArchitectureError::Size { .. })
        ));
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
}
