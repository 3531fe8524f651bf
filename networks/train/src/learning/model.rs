//! A network while it learns: one libtorch stage for every layer of an architecture.

use rand::RngExt;
use tch::Tensor;
use veilbench_networks::{Architecture, Layer, Network, Op, Parameters, Source, Window, zoo};

use crate::error::Error;
pub use crate::learning::stage::{Mode, values};
use crate::learning::stage::{Norm, Stage};
use crate::random::{Purpose, stream};
use crate::recipes::Norms;
use crate::recipes::twin::QuadraticBounds;

/// A tensor that belongs to the state of a model.
#[derive(Debug)]
pub struct Named {
    /// Index of the layer and role, e.g. `0.weight`.
    pub name: String,
    /// The values; shared with the stage that uses them.
    pub tensor: Tensor,
}

/// Trainable parameters, running statistics and the stages that use them.
#[derive(Debug)]
pub struct Model {
    architecture: Architecture,
    norms: Norms,
    stages: Vec<Stage>,
    /// What each layer reads, and what no later layer does.
    sources: Vec<Vec<Source>>,
    last_uses: Vec<Vec<Source>>,
    parameters: Vec<Named>,
    statistics: Vec<Named>,
}

impl Model {
    /// A model with random weights and batch norms. Weights and biases are uniform within one over the root of the
    /// number of inputs, as in PyTorch; every quadratic is `coefficients`; what the architecture fixes is fixed.
    ///
    /// # Errors
    /// [`Error::UnsupportedLayer`].
    pub fn new(
        architecture: &Architecture,
        norms: Norms,
        coefficients: [f32; 3],
        seed: u64,
    ) -> Result<Self, Error> {
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
            layers.push(match (zoo::fixed(layer), layer.op) {
                (Some(fixed), _) => fixed,
                (_, Op::Dense(dense)) => affine(dense.outputs, dense.inputs),
                (_, Op::Conv2d(conv)) => affine(
                    conv.outputs,
                    conv.inputs / conv.groups * conv.window.kernel.iter().product::<usize>(),
                ),
                (_, Op::Polynomial(polynomial)) => {
                    Parameters::Polynomial { coefficients: coefficients.repeat(polynomial.channels) }
                }
                _ => Parameters::None,
            });
        }
        Self::build(architecture, &layers, norms)
    }

    /// The model a finished network is, without batch norms.
    ///
    /// # Errors
    /// [`Error::UnsupportedLayer`].
    pub fn from_network(network: &Network) -> Result<Self, Error> {
        Self::build(&network.architecture, &network.parameters, Norms::None)
    }

    fn build(architecture: &Architecture, layers: &[Parameters], norms: Norms) -> Result<Self, Error> {
        let count = architecture.layers.len();
        let mut model = Self {
            architecture: architecture.clone(),
            norms,
            stages: Vec::with_capacity(count),
            sources: (0..count).map(|index| architecture.sources(index)).collect(),
            last_uses: architecture.last_uses(),
            parameters: Vec::new(),
            statistics: Vec::new(),
        };
        for (index, (layer, parameters)) in architecture.layers.iter().zip(layers).enumerate() {
            let stage = model.stage(index, layer, parameters).map_err(|reason| Error::UnsupportedLayer {
                network: architecture.name.clone(),
                layer: layer.name.clone(),
                reason,
            })?;
            model.stages.push(stage);
        }
        Ok(model)
    }

    fn stage(&mut self, index: usize, layer: &Layer, parameters: &Parameters) -> Result<Stage, &'static str> {
        let channels = layer.output.channels();
        Ok(match (layer.op, parameters) {
            (Op::Dense(dense), Parameters::Affine { weights, bias }) => Stage::Dense {
                weight: self.parameter(index, "weight", weights, &[dense.outputs, dense.inputs]),
                bias: self.parameter(index, "bias", bias, &[dense.outputs]),
                norm: self.is_normed(index).then(|| self.norm(index, channels)),
                first: self.stages.iter().all(|stage| matches!(stage, Stage::Flatten)),
            },
            (Op::Conv2d(conv), Parameters::Affine { weights, bias }) => {
                let [rows, columns] = conv.window.kernel;
                let shape = [conv.outputs, conv.inputs / conv.groups, rows, columns];
                if !symmetric(conv.window) {
                    return Err("its padding differs between opposite sides");
                }
                let (weight, bias) = if zoo::fixed(layer).is_some() {
                    (constant(weights, &shape), constant(bias, &[conv.outputs]))
                } else {
                    let weight = self.parameter(index, "weight", weights, &shape);
                    (weight, self.parameter(index, "bias", bias, &[conv.outputs]))
                };
                let norm = self.is_normed(index).then(|| self.norm(index, channels));
                Stage::Conv { weight, bias, norm, geometry: conv }
            }
            (Op::AveragePool(window), _) if symmetric(window) => Stage::AveragePool(window),
            (Op::Relu, _) => Stage::Relu { norm: self.is_normed(index).then(|| self.norm(index, channels)) },
            (Op::Polynomial(polynomial), Parameters::Polynomial { coefficients })
                if polynomial.degree == 2 =>
            {
                Stage::Quadratic {
                    norm: self.is_normed(index).then(|| self.norm(index, channels)),
                    coefficients: self.parameter(index, "coefficients", coefficients, &[channels, 3]),
                }
            }
            (Op::Flatten, _) => Stage::Flatten,
            (Op::Add, _) => Stage::Add,
            _ => return Err("the trainer knows no such operator"),
        })
    }

    /// Whether the layer of an index has a batch norm: behind it, or before it if it is an activation.
    fn is_normed(&self, index: usize) -> bool {
        let layer = &self.architecture.layers[index];
        let is_trained = |layer: &Layer| zoo::fixed(layer).is_none();
        match (self.norms, layer.op) {
            (Norms::None, _) => false,
            (Norms::AfterConvolutions, op) => matches!(op, Op::Conv2d(_)) && is_trained(layer),
            (Norms::BeforeActivations, Op::Dense(_) | Op::Conv2d(_)) => {
                is_trained(layer) && self.reader(index).is_some_and(is_activation)
            }
            (Norms::BeforeActivations, _) if is_activation(layer) => match self.sources[index][..] {
                [Source::Layer(from)] => {
                    let from_affine =
                        matches!(self.architecture.layers[from].op, Op::Dense(_) | Op::Conv2d(_));
                    !(from_affine
                        && is_trained(&self.architecture.layers[from])
                        && self.reader(from).is_some())
                }
                _ => true,
            },
            _ => false,
        }
    }

    /// The only layer that reads the layer of an index, if there is one and no other.
    fn reader(&self, index: usize) -> Option<&Layer> {
        let source = Source::Layer(index);
        let mut readers = (0..self.sources.len()).filter(|&layer| self.sources[layer].contains(&source));
        match (readers.next(), readers.next()) {
            (Some(only), None) => Some(&self.architecture.layers[only]),
            _ => None,
        }
    }

    fn parameter(&mut self, layer: usize, role: &str, values: &[f32], shape: &[usize]) -> Tensor {
        let tensor = constant(values, shape).set_requires_grad(true);
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

    /// The layers this model has.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
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
        self.forward_watched(images, mode, &mut |_, _| ())
    }

    /// Logits, as [`forward`](Self::forward); `see` is shown the index of every activation and its normalised input.
    pub fn forward_watched(
        &self,
        images: &Tensor,
        mode: Mode,
        see: &mut dyn FnMut(usize, &Tensor),
    ) -> Tensor {
        let slot = |source: &Source| match *source {
            Source::Image => 0,
            Source::Layer(index) => index + 1,
        };
        let mut live: Vec<Option<Tensor>> = vec![Some(images.shallow_clone())];
        for (index, stage) in self.stages.iter().enumerate() {
            let read = |source: &Source| live[slot(source)].as_ref().map(Tensor::shallow_clone);
            let inputs: Vec<Tensor> = self.sources[index].iter().filter_map(read).collect();
            let output = stage.forward(&inputs, mode, &mut |z| see(index, z));
            for source in &self.last_uses[index] {
                live[slot(source)] = None;
            }
            live.push(Some(output));
        }
        live.pop().flatten().unwrap_or_else(|| images.shallow_clone())
    }

    /// The architecture's parameters with the batch norms folded away, as of now.
    ///
    /// # Errors
    /// [`Error::UnsupportedLayer`] if a batch norm stands before a ReLU and behind nothing it folds into.
    pub fn folded(&self) -> Result<Vec<Parameters>, Error> {
        let pairs = self.stages.iter().zip(&self.architecture.layers);
        let folded = pairs.map(|(stage, layer)| {
            stage.folded().ok_or_else(|| Error::UnsupportedLayer {
                network: self.architecture.name.clone(),
                layer: layer.name.clone(),
                reason: "the batch norm before it folds into nothing",
            })
        });
        folded.collect()
    }

    /// Copies the values of all tensors that `other` has under the same name and in the same shape; returns how many.
    pub fn copy_from(&self, other: &Self) -> usize {
        let own = self.parameters.iter().chain(&self.statistics);
        let pairs = own.filter_map(|own| {
            let mut others = other.parameters.iter().chain(&other.statistics);
            let is_same = |o: &&Named| o.name == own.name && o.tensor.size() == own.tensor.size();
            Some((own, others.find(is_same)?))
        });
        let mut copied = 0;
        tch::no_grad(|| {
            for (own, other) in pairs {
                own.tensor.shallow_clone().copy_(&other.tensor);
                copied += 1;
            }
        });
        copied
    }

    /// Moves every quadratic back within bounds, `c_1` to a half.
    pub fn bound_quadratics(&self, bounds: QuadraticBounds) {
        let [least, largest] = bounds.squares();
        tch::no_grad(|| {
            for stage in &self.stages {
                if let Stage::Quadratic { coefficients, .. } = stage {
                    let _ = coefficients.select(1, 1).fill_(0.5);
                    let _ = coefficients.select(1, 2).clamp_(least, largest);
                }
            }
        });
    }

    /// A copy that shares no tensor with this model and needs no gradient.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn detached(&self) -> Result<Self, Error> {
        let values: Vec<Parameters> = self.stages.iter().map(Stage::values).collect();
        let copy = Self::build(&self.architecture, &values, self.norms)?;
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

fn is_activation(layer: &Layer) -> bool {
    matches!(layer.op, Op::Relu | Op::Polynomial(_))
}

fn constant(values: &[f32], shape: &[usize]) -> Tensor {
    let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    Tensor::from_slice(values).view(shape.as_slice()).copy()
}

fn symmetric(window: Window) -> bool {
    let [top, left, bottom, right] = window.padding;
    top == bottom && left == right
}
