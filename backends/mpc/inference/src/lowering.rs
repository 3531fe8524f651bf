//! From the network format to the layers the protocols run, and back to names in errors.

mod branches;
mod piecewise;
mod splines;

use veilbench_mpc as core;
use veilbench_mpc::model::LayerParameters;
use veilbench_mpc::program::{Operation, Program};
use veilbench_networks::{Architecture, Network, Parameters, Source};

use branches::Lowering;
use piecewise::Given;
use splines::Spline;
use veilbench_api::{Error, Unsupported};

/// An architecture as the protocols run it.
pub(super) struct Lowered {
    pub(super) program: Program,
    /// What each of its operations stands for.
    pub(super) sources: Vec<Origin>,
    /// Names of the network's layers.
    pub(super) names: Vec<String>,
    /// Layers that are approximated, and by what.
    pub(super) splines: Vec<(usize, Spline)>,
    /// Largest magnitude of an input value, if the architecture states it.
    pub(super) input_magnitude: Option<f64>,
}

/// Where a layer comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// Number of the network's layer.
    pub(super) layer: usize,
    pub(super) parameters: Given,
}

/// The layers. Protocols begin with products by weights and continue after an activation with them, so an activation or a pool
/// that has neither before it is given an identity, whose fixed-point product is exact. A polynomial of degree one is a product by
/// weights itself, so that its coefficients stay the model owner's. Piecewise linear activations become ReLUs between products by
/// public weights, others such ones that are close to them.
///
/// # Errors
/// For a polynomial of degree three or more, and for activations of parameters that no spline comes close to.
pub(super) fn lower(architecture: &Architecture) -> Result<Lowered, Unsupported> {
    refuse_constants(architecture)?;
    let mut lowering = Lowering::new(architecture);
    lowering.keep(Source::Image, 0);
    for index in 0..architecture.layers.len() {
        lowering.layer(index)?;
        lowering.keep(Source::Layer(index), index);
    }
    Ok(lowering.lowered)
}

/// What is computed of nothing but zeros is constant: ranges that say otherwise are wrong.
fn refuse_constants(architecture: &Architecture) -> Result<(), Unsupported> {
    // Of every layer, the one that makes it constant.
    let mut constant: Vec<Option<usize>> = Vec::with_capacity(architecture.layers.len());
    for (at, layer) in architecture.layers.iter().enumerate() {
        let reads = architecture.sources(at).into_iter().map(|source| match source {
            Source::Image => None,
            Source::Layer(before) => constant.get(before).copied().flatten(),
        });
        let behind = reads.collect::<Option<Vec<usize>>>().and_then(|zeros| zeros.first().copied());
        if let (Some(zeros), Some(true)) = (behind, layer.range.map(|range| range.low < range.high)) {
            let reason =
                "its stated range is 0 to 0, though what follows varies; state the range that calibration \
                          images give, or leave all ranges out"
                    .into();
            return Err(Unsupported { layer: Some(architecture.layers[zeros].name.clone()), reason });
        }
        let is_zero = layer.range.is_some_and(|range| range.low == 0.0 && range.high == 0.0);
        constant.push(behind.or(is_zero.then_some(at)));
    }
    Ok(())
}

impl Lowered {
    pub(super) fn push(&mut self, operation: Operation, source: Origin, magnitude: Option<f64>) {
        self.program.operations.push(operation);
        self.program.magnitudes.push(magnitude);
        self.sources.push(source);
    }

    /// Names of the network's layers that the operations stand for.
    pub(super) fn names(&self) -> Vec<String> {
        self.sources.iter().filter_map(|source| self.names.get(source.layer).cloned()).collect()
    }

    /// What the logits are off by besides the rounding of fixed point, one note for each kind of function.
    pub(super) fn approximations(&self) -> Vec<String> {
        let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
        for (layer, spline) in &self.splines {
            let note = spline.to_string();
            let name = self.names.get(*layer).map_or("", String::as_str);
            match notes.iter_mut().find(|(own, _)| *own == note) {
                Some((_, names)) => names.push(name),
                None => notes.push((note, vec![name])),
            }
        }
        notes
            .into_iter()
            .map(|(note, names)| format!("approximated: {note} (layers: {})", names.join(", ")))
            .collect()
    }

    /// How far the activations of the approximated layers are from the functions that they stand for, added up.
    pub(super) fn approximation_error(&self) -> f64 {
        self.splines.iter().map(|(_, spline)| spline.error()).sum()
    }

    fn name(&self, layer: usize) -> Option<String> {
        self.sources.get(layer).and_then(|source| self.names.get(source.layer)).cloned()
    }

    /// Whether every layer that needs one has a calibrated range.
    pub(super) fn calibrated(&self) -> bool {
        self.input_magnitude.is_some() && self.program.magnitudes.iter().all(Option::is_some)
    }

    /// Whether squares occur.
    pub(super) fn squares(&self) -> bool {
        self.program.operations.contains(&Operation::Quadratic)
    }

    /// Whether layers are added or put side by side.
    pub(super) fn joins(&self) -> bool {
        let is_join = |operation: &Operation| matches!(operation, Operation::Add(_) | Operation::Concat(_));
        self.program.operations.iter().any(is_join)
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
        let convert = |source: &Origin| {
            let public = |weights: Vec<f32>, bias: Vec<f32>| LayerParameters::Affine { weights, bias };
            match source.parameters {
                Given::Nothing => return LayerParameters::None,
                Given::Public { channels, weight, bias } => {
                    return public(vec![weight; channels], vec![bias; channels]);
                }
                Given::Mirrored { channels } => {
                    return public([1.0, -1.0].repeat(channels), vec![0.0; 2 * channels]);
                }
                Given::Slope { channels, slope } => {
                    return public([1.0, -slope].repeat(channels), vec![0.0; channels]);
                }
                Given::Spline { channels, kind } => {
                    let spline = self.splines.iter().find(|(_, spline)| spline.kind() == kind);
                    return spline.map_or(LayerParameters::None, |(_, spline)| {
                        public(spline.bends.repeat(channels), vec![spline.start; channels])
                    });
                }
                Given::Layer | Given::Affine { .. } | Given::Slopes => {}
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
                (_, Parameters::Slopes { slopes }) => LayerParameters::Affine {
                    weights: slopes.iter().flat_map(|&slope| [1.0, -slope]).collect(),
                    bias: vec![0.0; slopes.len()],
                },
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
