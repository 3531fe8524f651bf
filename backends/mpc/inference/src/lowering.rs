//! From the network format to the layers the protocols run, and back to names in errors.

use veilbench_mpc as core;
use veilbench_mpc::model::LayerParameters;
use veilbench_mpc::network::Layer;
use veilbench_networks::{Architecture, Conv2d, Network, Op, Parameters, Polynomial, Range, Shape, Window};

use super::format::rounded_up;
use veilbench_api::{Error, Unsupported};

/// An architecture as the protocols see it.
pub(super) struct Lowered {
    pub(super) architecture: core::network::Architecture,
    /// What each of its layers stands for.
    sources: Vec<Source>,
    /// Names of the network's layers.
    names: Vec<String>,
    /// Largest magnitude of an input value, if the architecture states it.
    pub(super) input_magnitude: Option<f64>,
}

/// Where a layer comes from.
#[derive(Clone, Copy)]
struct Source {
    /// Number of the network's layer.
    layer: usize,
    parameters: Given,
}

/// Where the parameters of a layer come from.
#[derive(Clone, Copy)]
enum Given {
    /// The network's layer.
    Layer,
    /// The network's polynomial `b x + c`, which is linear.
    Affine { degree: usize },
    /// None: `x` of so many channels, exactly.
    Identity { channels: usize },
}

/// The layers. Protocols begin with products by weights and continue after an activation with them, so an activation or a pool
/// that has neither before it is given an identity, whose fixed-point product is exact. A polynomial of degree one is a product by
/// weights itself, so that its coefficients stay the model owner's.
///
/// # Errors
/// For a polynomial of degree three or more.
pub(super) fn lower(architecture: &Architecture) -> Result<Lowered, Unsupported> {
    let magnitude =
        |range: Option<Range>| range.map(|range| f64::from(range.low.abs().max(range.high.abs())));
    let power_above = |magnitude: f64| f64::from(rounded_up(magnitude)).exp2();
    let input_magnitude = magnitude(architecture.input_range);
    refuse_constants(architecture)?;
    let mut lowered = Lowered {
        architecture: core::network::Architecture {
            input: shape(architecture.input),
            layers: Vec::new(),
            magnitudes: Vec::new(),
        },
        sources: Vec::new(),
        names: architecture.layers.iter().map(|layer| layer.name.clone()).collect(),
        input_magnitude,
    };
    let mut wire = Wire::Held;
    let mut reached = input_magnitude.map(power_above);
    for (index, (input, layer)) in architecture.steps().enumerate() {
        let channels = shape(input).channels;
        let mut parameters = Given::Layer;
        let own = match layer.op {
            Op::Dense(dense) => Layer::Dense { outputs: dense.outputs },
            Op::Conv2d(conv) => Layer::Conv2d(convolution(conv)),
            Op::AveragePool(pool) => Layer::AveragePool(window(pool)),
            Op::MaxPool(pool) => Layer::MaxPool(window(pool)),
            Op::Relu => Layer::Relu,
            Op::Polynomial(Polynomial { degree: degree @ 0..=1, .. }) => {
                parameters = Given::Affine { degree };
                each_channel(channels)
            }
            Op::Polynomial(Polynomial { degree: 2, .. }) => Layer::Quadratic,
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
            let identity = Source { layer: index, parameters: Given::Identity { channels } };
            lowered.push(each_channel(channels), identity, reached);
            wire = Wire::Open;
        }
        reached = magnitude(layer.range).map(power_above);
        lowered.push(own, Source { layer: index, parameters }, reached);
        wire = wire.after(own);
    }
    Ok(lowered)
}

/// A product of every channel by a weight of its own, with a bias.
fn each_channel(channels: usize) -> Layer {
    let window = core::network::Window::tiles(1);
    Layer::Conv2d(core::network::Conv2d { outputs: channels, groups: channels, dilation: [1; 2], window })
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
    fn push(&mut self, layer: Layer, source: Source, magnitude: Option<f64>) {
        self.architecture.layers.push(layer);
        self.architecture.magnitudes.push(magnitude);
        self.sources.push(source);
    }

    /// Of every layer, the name of the network's layer it stands for.
    pub(super) fn names(&self) -> Vec<String> {
        self.sources.iter().filter_map(|source| self.names.get(source.layer).cloned()).collect()
    }

    fn name(&self, layer: usize) -> Option<String> {
        self.sources.get(layer).and_then(|source| self.names.get(source.layer)).cloned()
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
        let Network { mut parameters, .. } = network;
        let convert = |source: &Source| {
            if let Given::Identity { channels } = source.parameters {
                return LayerParameters::Affine { weights: vec![1.0; channels], bias: vec![0.0; channels] };
            }
            let given = parameters
                .get_mut(source.layer)
                .map_or(Parameters::None, |given| std::mem::replace(given, Parameters::None));
            match (source.parameters, given) {
                (_, Parameters::Affine { weights, bias }) => LayerParameters::Affine { weights, bias },
                (Given::Affine { degree }, Parameters::Polynomial { coefficients }) => {
                    LayerParameters::Affine {
                        weights: power(&coefficients, degree, 1),
                        bias: power(&coefficients, degree, 0),
                    }
                }
                (_, Parameters::Polynomial { coefficients }) => LayerParameters::Quadratic {
                    a: power(&coefficients, 2, 2),
                    b: power(&coefficients, 2, 1),
                    c: power(&coefficients, 2, 0),
                },
                _ => LayerParameters::None,
            }
        };
        self.sources.iter().map(convert).collect()
    }
}

/// The coefficients of one power, of `channels x (degree + 1)` ascending ones; those of a power that is missing are zero.
fn power(coefficients: &[f32], degree: usize, power: usize) -> Vec<f32> {
    coefficients.chunks_exact(degree + 1).map(|row| row.get(power).copied().unwrap_or(0.0)).collect()
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
