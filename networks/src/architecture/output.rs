//! The shape of what an operator computes.

use super::{ActivationKind, ArchitectureError, Conv2d, Op, Shape, Window, limits};

impl Op {
    /// Output shape for the shapes of its inputs; `layer` names the layer in errors.
    pub(crate) fn output(&self, inputs: &[Shape], layer: &str) -> Result<Shape, ArchitectureError> {
        match (self, inputs) {
            (Op::Add, [first, other]) if first == other => Ok(*first),
            (Op::Add, &[first, other]) => Err(ArchitectureError::Join { layer: layer.into(), first, other }),
            (Op::Concat, [first, _, ..]) => {
                inputs[1..].iter().try_fold(*first, |sum, &next| concatenated(sum, next, layer))
            }
            (Op::Add | Op::Concat, _) => Err(ArchitectureError::Inputs {
                layer: layer.into(),
                expected: if *self == Op::Add { "two different ones" } else { "two or more" },
                found: inputs.len(),
            }),
            (_, &[input]) => self.output_of_one(input, layer),
            _ => Err(ArchitectureError::Inputs { layer: layer.into(), expected: "one", found: inputs.len() }),
        }
    }

    fn output_of_one(&self, input: Shape, layer: &str) -> Result<Shape, ArchitectureError> {
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
            Op::Activation(kind) if !kind.is_sound() => {
                Err(ArchitectureError::Activation { layer: layer.into() })
            }
            Op::Activation(ActivationKind::PRelu { channels }) if channels != input.channels() => {
                Err(expected(format!("{channels} channels")))
            }
            Op::Activation(_) => Ok(input),
            Op::Flatten if matches!(input, Shape::Flat(_)) => Err(expected("an image".into())),
            Op::Flatten => Ok(Shape::Flat(input.len())),
            Op::Add | Op::Concat => Err(expected("more than one layer".into())),
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

/// Shape of one input's channels after another's.
fn concatenated(first: Shape, next: Shape, layer: &str) -> Result<Shape, ArchitectureError> {
    let refusal = || ArchitectureError::Join { layer: layer.into(), first, other: next };
    let sum = |a: usize, b: usize| a.checked_add(b).ok_or_else(refusal);
    match (first, next) {
        (Shape::Flat(a), Shape::Flat(b)) => Ok(Shape::Flat(sum(a, b)?)),
        (
            Shape::Image { channels: a, height, width },
            Shape::Image { channels: b, height: next_height, width: next_width },
        ) if (height, width) == (next_height, next_width) => {
            Ok(Shape::Image { channels: sum(a, b)?, height, width })
        }
        _ => Err(refusal()),
    }
}
