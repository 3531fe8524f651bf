//! A network while it learns: one libtorch stage for every layer of an architecture.

use rand::RngExt;
use tch::{Kind, Tensor};
use veilbench_networks::{Architecture, Conv2d, Network, Op, Parameters, Window};

use crate::error::Error;
use crate::fold::BatchNorm;
use crate::random::{Purpose, stream};

/// Added to the variance in every batch norm.
const EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;
/// `c_0`, `c_1`, `c_2` before training: close to half of a ReLU's slope, mildly curved.
const FIRST_COEFFICIENTS: [f32; 3] = [0.0, 0.5, 0.1];

/// A tensor that belongs to the state of a model.
#[derive(Debug)]
pub struct Named {
    /// Index of the layer and role, e.g. `0.weight`.
    pub name: String,
    /// The values; shared with the stage that uses them.
    pub tensor: Tensor,
}

/// Whether batch norms and dropout act as in training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Batch statistics, and dropout of this share.
    Training {
        /// Share of the inputs of dense layers set to zero.
        dropout: f64,
    },
    /// Running statistics, no dropout.
    Inference,
}

#[derive(Debug)]
struct Norm {
    gain: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
}

#[derive(Debug)]
enum Stage {
    Dense { weight: Tensor, bias: Tensor, norm: Option<Norm>, first: bool },
    Conv { weight: Tensor, bias: Tensor, norm: Option<Norm>, geometry: Conv2d },
    AveragePool(Window),
    Relu,
    Quadratic { coefficients: Tensor },
    Flatten,
}

/// Trainable parameters, running statistics and the stages that use them.
#[derive(Debug)]
pub struct Model {
    architecture: Architecture,
    stages: Vec<Stage>,
    parameters: Vec<Named>,
    statistics: Vec<Named>,
}

impl Model {
    /// A model with random weights and a batch norm before every activation. Weights and biases are
    /// uniform within one over the root of the number of inputs, as in PyTorch.
    pub fn new(architecture: &Architecture, seed: u64) -> Result<Self, Error> {
        let mut layers = Vec::with_capacity(architecture.layers.len());
        for (index, layer) in architecture.layers.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Weights, index as u64);
            let mut uniform = |count: usize, inputs: usize| -> Vec<f32> {
                let bound = 1.0 / (inputs as f32).sqrt();
                (0..count).map(|_| rng.random_range(-bound..bound)).collect()
            };
            let mut affine = |outputs: usize, inputs: usize| Parameters::Affine {
                weights: uniform(outputs * inputs, inputs),
                bias: uniform(outputs, inputs),
            };
            layers.push(match layer.op {
                Op::Dense(dense) => affine(dense.outputs, dense.inputs),
                Op::Conv2d(conv) => affine(
                    conv.outputs,
                    conv.inputs / conv.groups * conv.window.kernel.iter().product::<usize>(),
                ),
                Op::Polynomial(polynomial) => {
                    Parameters::Polynomial { coefficients: FIRST_COEFFICIENTS.repeat(polynomial.channels) }
                }
                _ => Parameters::None,
            });
        }
        Self::build(architecture, &layers, true)
    }

    /// The model a finished network is, without batch norms.
    pub fn from_network(network: &Network) -> Result<Self, Error> {
        Self::build(&network.architecture, &network.parameters, false)
    }

    fn build(architecture: &Architecture, layers: &[Parameters], norms: bool) -> Result<Self, Error> {
        let mut model = Self {
            architecture: architecture.clone(),
            stages: Vec::with_capacity(layers.len()),
            parameters: Vec::new(),
            statistics: Vec::new(),
        };
        if let Some(layer) = architecture.first_branch() {
            return Err(Error::UnsupportedLayer {
                network: architecture.name.clone(),
                layer: layer.name.clone(),
                reason: "only chains of layers are trained",
            });
        }
        for (index, (layer, parameters)) in architecture.layers.iter().zip(layers).enumerate() {
            let unsupported = |reason| Error::UnsupportedLayer {
                network: architecture.name.clone(),
                layer: layer.name.clone(),
                reason,
            };
            let activated = architecture
                .layers
                .get(index + 1)
                .is_some_and(|next| matches!(next.op, Op::Relu | Op::Polynomial(_)));
            let stage = match (layer.op, parameters) {
                (Op::Dense(dense), Parameters::Affine { weights, bias }) => Stage::Dense {
                    weight: model.parameter(index, "weight", weights, &[dense.outputs, dense.inputs]),
                    bias: model.parameter(index, "bias", bias, &[dense.outputs]),
                    norm: (norms && activated).then(|| model.norm(index, dense.outputs)),
                    first: model.stages.iter().all(|stage| matches!(stage, Stage::Flatten)),
                },
                (Op::Conv2d(conv), Parameters::Affine { weights, bias }) => {
                    let [rows, columns] = conv.window.kernel;
                    let shape = [conv.outputs, conv.inputs / conv.groups, rows, columns];
                    if !symmetric(conv.window) {
                        return Err(unsupported("its padding differs between opposite sides"));
                    }
                    Stage::Conv {
                        weight: model.parameter(index, "weight", weights, &shape),
                        bias: model.parameter(index, "bias", bias, &[conv.outputs]),
                        norm: (norms && activated).then(|| model.norm(index, conv.outputs)),
                        geometry: conv,
                    }
                }
                (Op::AveragePool(window), _) if symmetric(window) => Stage::AveragePool(window),
                (Op::Relu, _) => Stage::Relu,
                (Op::Polynomial(polynomial), Parameters::Polynomial { coefficients })
                    if polynomial.degree == 2 =>
                {
                    let shape = [polynomial.channels, 3];
                    Stage::Quadratic {
                        coefficients: model.parameter(index, "coefficients", coefficients, &shape),
                    }
                }
                (Op::Flatten, _) => Stage::Flatten,
                _ => return Err(unsupported("the trainer knows no such operator")),
            };
            model.stages.push(stage);
        }
        Ok(model)
    }

    fn parameter(&mut self, layer: usize, role: &str, values: &[f32], shape: &[usize]) -> Tensor {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let tensor = Tensor::from_slice(values).view(shape.as_slice()).copy().set_requires_grad(true);
        self.parameters.push(Named { name: format!("{layer}.{role}"), tensor: tensor.shallow_clone() });
        tensor
    }

    fn norm(&mut self, layer: usize, channels: usize) -> Norm {
        let mut statistic = |role: &str, value: f32| {
            let tensor = Tensor::from_slice(&vec![value; channels]);
            self.statistics.push(Named { name: format!("{layer}.{role}"), tensor: tensor.shallow_clone() });
            tensor
        };
        let (mean, variance) = (statistic("mean", 0.0), statistic("variance", 1.0));
        let gain = self.parameter(layer, "gain", &vec![1.0; channels], &[channels]);
        let shift = self.parameter(layer, "shift", &vec![0.0; channels], &[channels]);
        Norm { gain, shift, mean, variance }
    }

    /// The trainable tensors.
    pub fn parameters(&self) -> &[Named] {
        &self.parameters
    }

    /// The running means and variances of the batch norms.
    pub fn statistics(&self) -> &[Named] {
        &self.statistics
    }

    /// Logits of a batch of normalised images, `images x channels x rows x columns`.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        self.stages.iter().fold(images.shallow_clone(), |x, stage| stage.forward(&x, mode))
    }

    /// The architecture's parameters with the batch norms folded away, as of now.
    pub fn folded(&self) -> Vec<Parameters> {
        self.stages.iter().map(Stage::folded).collect()
    }

    /// A copy that shares no tensor with this model and needs no gradient.
    pub fn detached(&self) -> Result<Self, Error> {
        let values: Vec<Parameters> = self.stages.iter().map(Stage::values).collect();
        let copy = Self::build(&self.architecture, &values, !self.statistics.is_empty())?;
        tch::no_grad(|| {
            let pairs = self.parameters.iter().chain(&self.statistics);
            for (mine, theirs) in pairs.zip(copy.parameters.iter().chain(&copy.statistics)) {
                let mut target = theirs.tensor.shallow_clone().set_requires_grad(false);
                target.copy_(&mine.tensor);
            }
        });
        Ok(copy)
    }
}

impl Norm {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let training = matches!(mode, Mode::Training { .. });
        x.batch_norm(
            Some(&self.gain),
            Some(&self.shift),
            Some(&self.mean),
            Some(&self.variance),
            training,
            MOMENTUM,
            EPSILON,
            false,
        )
    }
}

impl Stage {
    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let normed = |x: Tensor, norm: &Option<Norm>| match norm {
            Some(norm) => norm.forward(&x, mode),
            None => x,
        };
        match self {
            Stage::Dense { weight, bias, norm, first } => {
                let x = match mode {
                    Mode::Training { dropout } if dropout > 0.0 && !first => x.dropout(dropout, true),
                    _ => x.shallow_clone(),
                };
                normed(x.linear(weight, Some(bias)), norm)
            }
            Stage::Conv { weight, bias, norm, geometry } => {
                let Window { stride, padding: [top, left, ..], .. } = geometry.window;
                let (padding, dilation) = (pair([top, left]), pair(geometry.dilation));
                let groups = geometry.groups as i64;
                normed(x.conv2d(weight, Some(bias), pair(stride), padding, dilation, groups), norm)
            }
            Stage::AveragePool(Window { kernel, stride, padding: [top, left, ..] }) => {
                x.avg_pool2d(pair(*kernel), pair(*stride), pair([*top, *left]), false, true, None::<i64>)
            }
            Stage::Relu => x.relu(),
            Stage::Quadratic { coefficients } => {
                let mut shape = vec![1; x.dim()];
                shape[1] = -1;
                let coefficient = |power| coefficients.select(1, power).view(shape.as_slice());
                coefficient(0).addcmul(x, &coefficient(1).addcmul(x, &coefficient(2)))
            }
            Stage::Flatten => x.flatten(1, -1),
        }
    }

    fn values(&self) -> Parameters {
        match self {
            Stage::Dense { weight, bias, .. } | Stage::Conv { weight, bias, .. } => {
                Parameters::Affine { weights: values(weight), bias: values(bias) }
            }
            Stage::Quadratic { coefficients } => {
                Parameters::Polynomial { coefficients: values(coefficients) }
            }
            Stage::AveragePool(_) | Stage::Relu | Stage::Flatten => Parameters::None,
        }
    }

    fn folded(&self) -> Parameters {
        let mut parameters = self.values();
        if let Stage::Dense { norm: Some(norm), .. } | Stage::Conv { norm: Some(norm), .. } = self
            && let Parameters::Affine { weights, bias } = &mut parameters
        {
            let norm = BatchNorm {
                mean: values(&norm.mean),
                variance: values(&norm.variance),
                gain: values(&norm.gain),
                shift: values(&norm.shift),
                epsilon: EPSILON,
            };
            norm.fold_into(weights, bias);
        }
        parameters
    }
}

fn symmetric(window: Window) -> bool {
    let [top, left, bottom, right] = window.padding;
    top == bottom && left == right
}

fn pair(sizes: [usize; 2]) -> [i64; 2] {
    sizes.map(|size| size as i64)
}

/// All values of a tensor, in storage order.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.to_kind(Kind::Float).contiguous().copy_data(&mut values, tensor.numel());
    values
}
