//! What makes an architecture that arrived as data safe to compute with.

use std::collections::HashSet;

use thiserror::Error;

use crate::text::is_deceptive;

use super::{Architecture, Op, Range, Shape, Source};

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
    /// Inputs of one layer.
    pub const INPUTS: usize = 256;
    /// Values of one image at all layers that something is still to read, together.
    pub const LIVE_VALUES: usize = 1 << 27;
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
    /// The layer reads more or fewer layers than its operator joins.
    #[error("layer {layer:?} reads {found} layers, its operator {expected}")]
    Inputs {
        /// Name of the layer.
        layer: String,
        /// How many the operator reads.
        expected: &'static str,
        /// How many it states.
        found: usize,
    },
    /// The layer reads itself, a later layer or none that there is.
    #[error("layer {layer:?} reads layer number {source_index}, which does not come before it")]
    Reference {
        /// Name of the layer.
        layer: String,
        /// What it names.
        source_index: usize,
    },
    /// Layers of different shapes are joined.
    #[error(
        "layer {layer:?} joins {first} and {other}: a sum needs equal shapes, a concatenation vectors or images of one \
         height and width"
    )]
    Join {
        /// Name of the layer.
        layer: String,
        /// Shape of its first input.
        first: Shape,
        /// Shape of the input that differs.
        other: Shape,
    },
    /// A layer is computed for nothing.
    #[error("no layer reads the output of layer {layer:?}, and it is not the last: leave it out")]
    Unused {
        /// Name of the layer.
        layer: String,
    },
    /// An activation's parameters are not finite, out of order or those of a simpler operator.
    #[error(
        "layer {layer:?} has unusable parameters: they must be finite, a clip needs bounds in order, and one from 0 \
         upwards is a ReLU"
    )]
    Activation {
        /// Name of the layer.
        layer: String,
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
        /// What there is too much of.
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
    /// names, every layer after those it reads and read by another unless it is the last, shapes that follow
    /// from each other, sound ranges, and sizes within [`limits`], so that no size computed from a checked
    /// architecture overflows.
    ///
    /// # Errors
    /// [`ArchitectureError`] with the first that does not hold, and where.
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
        for (index, layer) in self.layers.iter().enumerate() {
            let place = || format!("layer {:?}", layer.name);
            check_name(&layer.name, || format!("layer {index}"))?;
            if !names.insert(&layer.name) {
                return Err(ArchitectureError::DuplicateName { layer: layer.name.clone() });
            }
            let computed = layer.op.output(&self.input_shapes(index)?, &layer.name)?;
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
        self.check_uses()
    }

    /// Shapes of what a layer reads, all of them images or layers before it.
    fn input_shapes(&self, index: usize) -> Result<Vec<Shape>, ArchitectureError> {
        let layer = &self.layers[index];
        let refusal = |expected| {
            let (layer, found) = (layer.name.clone(), layer.inputs.len());
            Err(ArchitectureError::Inputs { layer, expected, found })
        };
        if layer.inputs.len() > limits::INPUTS {
            return refusal("no more than 256");
        }
        if layer.op == Op::Add && matches!(layer.inputs[..], [a, b] if a == b) {
            return refusal("two different ones");
        }
        let shape = |source| match source {
            Source::Layer(before) if before >= index => {
                Err(ArchitectureError::Reference { layer: layer.name.clone(), source_index: before })
            }
            Source::Layer(before) => Ok(self.layers[before].output),
            Source::Image => Ok(self.input),
        };
        self.sources(index).into_iter().map(shape).collect()
    }

    /// Every layer but the last is read, and what is to be kept for later layers fits [`limits::LIVE_VALUES`].
    fn check_uses(&self) -> Result<(), ArchitectureError> {
        let last_uses = self.last_uses();
        let mut is_read = vec![false; self.layers.len()];
        let mut live = self.input.len();
        for (layer, uses) in self.layers.iter().zip(&last_uses) {
            live += layer.output.len();
            if live > limits::LIVE_VALUES {
                return Err(ArchitectureError::Size {
                    place: format!("layer {:?}", layer.name),
                    what: "the number of values that wait for later layers",
                    limit: limits::LIVE_VALUES,
                });
            }
            for &source in uses {
                live -= self.shape_of(source).map_or(0, |shape| shape.len());
                if let Source::Layer(index) = source {
                    is_read[index] = true;
                }
            }
        }
        match is_read.iter().rev().skip(1).position(|&read| !read) {
            None => Ok(()),
            Some(from_end) => {
                let unread = self.layers.len() - 2 - from_end;
                Err(ArchitectureError::Unused { layer: self.layers[unread].name.clone() })
            }
        }
    }
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
mod tests;
