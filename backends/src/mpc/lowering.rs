//! From the network format to the layers the protocols run, and back to names in errors.

use veilbench_mpc as core;
use veilbench_mpc::model::LayerParameters;
use veilbench_mpc::network::Layer;
use veilbench_networks::{Architecture, Conv2d, Network, Op, Parameters, Polynomial, Range, Shape, Window};

use super::format::rounded_up;
use crate::{Error, Unsupported};

/// An architecture as the protocols see it.
pub(super) struct Lowered {
    pub(super) architecture: core::network::Architecture,
    names: Vec<String>,
    /// Largest magnitude of an input value, if the architecture states it.
    pub(super) input_magnitude: Option<f64>,
}

/// The layers, each as it is.
///
/// # Errors
/// For a polynomial of degree three or more, and an activation or pool without a linear layer before it.
pub(super) fn lower(architecture: &Architecture) -> Result<Lowered, Unsupported> {
    let magnitude =
        |range: Option<Range>| range.map(|range| f64::from(range.low.abs().max(range.high.abs())));
    let input_magnitude = magnitude(architecture.input_range);
    let mut lowered = Lowered {
        architecture: core::network::Architecture {
            input: shape(architecture.input),
            layers: Vec::new(),
            magnitudes: Vec::new(),
        },
        names: architecture.layers.iter().map(|layer| layer.name.clone()).collect(),
        input_magnitude,
    };
    refuse_constants(architecture)?;
    let mut wire = Wire::Held;
    for layer in &architecture.layers {
        let own = match layer.op {
            Op::Dense(dense) => Layer::Dense { outputs: dense.outputs },
            Op::Conv2d(conv) => Layer::Conv2d(convolution(conv)),
            Op::AveragePool(pool) => Layer::AveragePool(window(pool)),
            Op::MaxPool(pool) => Layer::MaxPool(window(pool)),
            Op::Relu => Layer::Relu,
            Op::Polynomial(Polynomial { degree: 0..=2, .. }) => Layer::Quadratic,
            Op::Flatten => Layer::Flatten,
            other => {
                let reason = match other {
                    Op::Polynomial(Polynomial { degree, .. }) => {
                        format!("its polynomial has degree {degree}; this backend runs degrees up to 2")
                    }
                    _ => "this backend does not run such a layer".into(),
                };
                return Err(Unsupported { layer: Some(layer.name.clone()), reason });
            }
        };
        if wire.lacks_a_linear_layer(own) {
            let reason = "it needs a dense or convolution layer between it and what comes before it".into();
            return Err(Unsupported { layer: Some(layer.name.clone()), reason });
        }
        lowered.architecture.layers.push(own);
        lowered
            .architecture
            .magnitudes
            .push(magnitude(layer.range).map(|range| f64::from(rounded_up(range)).exp2()));
        wire = wire.after(own);
    }
    Ok(lowered)
}

/// A layer that writes nothing but zeros leaves all that follow constant: ranges that say otherwise are wrong.
fn refuse_constants(architecture: &Architecture) -> Result<(), Unsupported> {
    let varies = |range: Option<Range>| range.is_some_and(|range| range.low < range.high);
    for (at, layer) in architecture.layers.iter().enumerate() {
        let zero = layer.range.is_some_and(|range| range.low == 0.0 && range.high == 0.0);
        if zero && architecture.layers[at + 1..].iter().any(|layer| varies(layer.range)) {
            let reason =
                "its stated range is 0 to 0, though what follows varies; state the range that calibration \
                          images give, or leave all ranges out"
                    .into();
            return Err(Unsupported { layer: Some(layer.name.clone()), reason });
        }
    }
    Ok(())
}

/// What the protocols have where a layer begins.
#[derive(Clone, Copy, PartialEq)]
enum Wire {
    /// The input, or what follows a pooled input.
    Held,
    /// After a linear layer.
    Open,
    /// After a ReLU behind which max-pools may still be moved.
    Rectified,
    /// After an activation.
    Activated,
}

impl Wire {
    fn lacks_a_linear_layer(self, layer: Layer) -> bool {
        match layer {
            Layer::Relu | Layer::Quadratic => self != Wire::Open,
            Layer::MaxPool(_) => !matches!(self, Wire::Open | Wire::Rectified),
            Layer::AveragePool(_) | Layer::SumPool(_) => self == Wire::Held,
            Layer::Dense { .. } | Layer::Conv2d(_) | Layer::Flatten => false,
        }
    }

    fn after(self, layer: Layer) -> Wire {
        match layer {
            Layer::Dense { .. } | Layer::Conv2d(_) => Wire::Open,
            Layer::Relu => Wire::Rectified,
            Layer::Quadratic => Wire::Activated,
            Layer::MaxPool(_) => self,
            Layer::AveragePool(_) | Layer::SumPool(_) | Layer::Flatten if self == Wire::Rectified => {
                Wire::Activated
            }
            Layer::AveragePool(_) | Layer::SumPool(_) | Layer::Flatten => self,
        }
    }
}

impl Lowered {
    /// The layers' names, in order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    fn name(&self, layer: usize) -> Option<String> {
        self.names.get(layer).cloned()
    }

    /// Whether every layer that needs one has a calibrated range.
    pub(super) fn calibrated(&self) -> bool {
        self.input_magnitude.is_some() && self.architecture.magnitudes.iter().all(Option::is_some)
    }

    /// Whether squares occur.
    pub(super) fn squares(&self) -> bool {
        self.architecture.layers.iter().any(|layer| matches!(layer, Layer::Quadratic))
    }

    /// An error of planning, with the layer's name.
    pub(super) fn unsupported(&self, error: &core::Error) -> Unsupported {
        match error {
            core::Error::Unsupported { layer, reason } => {
                Unsupported { layer: self.name(*layer), reason: reason.clone() }
            }
            other => Unsupported { layer: None, reason: other.to_string() },
        }
    }

    /// An error about the weights, with the layer's name.
    pub(super) fn refusal(&self, error: core::Error) -> Error {
        match error {
            core::Error::Overflow { layer, limit_bits } => Error::Input(format!(
                "layer {}: with these weights some image may drive values beyond the {limit_bits} bits that are safe; \
                 try the setting ring=wide, give the model calibrated ranges, or smaller weights",
                self.name(layer).unwrap_or_default()
            )),
            other => Error::engine("preparing the model")(other),
        }
    }

    /// The weights of every layer.
    pub(super) fn parameters(&self, network: Network) -> Vec<LayerParameters> {
        let Network { architecture, parameters, .. } = network;
        let convert = |(layer, parameters): (usize, Parameters)| match parameters {
            Parameters::Affine { weights, bias } => LayerParameters::Affine { weights, bias },
            Parameters::Polynomial { coefficients } => quadratic(&architecture, layer, &coefficients),
            _ => LayerParameters::None,
        };
        parameters.into_iter().enumerate().map(convert).collect()
    }
}

/// `channels x (degree + 1)` ascending powers as three vectors; powers that are missing are zero.
fn quadratic(architecture: &Architecture, layer: usize, coefficients: &[f32]) -> LayerParameters {
    let degree = match architecture.layers.get(layer).map(|layer| layer.op) {
        Some(Op::Polynomial(polynomial)) => polynomial.degree,
        _ => 2,
    };
    let power = |power: usize| -> Vec<f32> {
        coefficients.chunks_exact(degree + 1).map(|row| row.get(power).copied().unwrap_or(0.0)).collect()
    };
    LayerParameters::Quadratic { a: power(2), b: power(1), c: power(0) }
}

fn shape(shape: Shape) -> core::network::Shape {
    match shape {
        Shape::Image { channels, height, width } => core::network::Shape::image(channels, height, width),
        Shape::Flat(features) => core::network::Shape::vector(features),
    }
}

fn window(window: Window) -> core::network::Window {
    core::network::Window { kernel: window.kernel, stride: window.stride, padding: window.padding }
}

fn convolution(conv: Conv2d) -> core::network::Conv2d {
    core::network::Conv2d {
        outputs: conv.outputs,
        groups: conv.groups,
        dilation: conv.dilation,
        window: window(conv.window),
    }
}
