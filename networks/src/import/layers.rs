//! The layers found so far. Branches that end nowhere cost nothing: the network is what the output depends
//! on.

use std::collections::{HashMap, HashSet};

use super::error::{Reason, Refusal};
use super::file::budget::Budget;
use super::functions::Origin;
use super::values::activation::{Activation, LayerId, Polynomial};
use super::values::layout::Layout;
use super::views::View;
use crate::architecture::limits;
use crate::text::is_deceptive;
use crate::{Architecture, Dense, Layer, Op, Parameters, Shape, Source};

/// The input (number 0) and the layers.
pub(super) struct Layers {
    input: Shape,
    layers: Vec<Found>,
    pub(super) budget: Budget,
    /// What activations were applied to.
    pub(super) origins: HashMap<LayerId, Origin>,
    /// How layers move values that do nothing else.
    pub(super) views: HashMap<LayerId, View>,
    /// Activations that were written as products, whose last factors may still come.
    pub(super) composed: HashSet<LayerId>,
    /// What a polynomial of a layer has become, so that all that read it share one layer.
    settled: HashMap<LayerId, Vec<(Polynomial, LayerId)>>,
    /// The flattened image a node made of a layer.
    flattened: HashMap<(LayerId, String), LayerId>,
}

/// Polynomials of one layer among which one is looked for, so that a file of a million of them takes no day.
const RECENT: usize = 16;

/// A layer and what it reads.
#[derive(Clone)]
struct Found {
    parents: Vec<LayerId>,
    layer: Layer,
    parameters: Parameters,
}

/// Where a pending polynomial goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settle {
    /// Affine ones into the layer before, if it is affine too.
    Fold,
    /// Into a layer of their own.
    Keep,
}

impl Layers {
    pub(super) fn new(input: Shape, budget: Budget) -> Self {
        Self {
            input,
            layers: Vec::new(),
            budget,
            origins: HashMap::new(),
            views: HashMap::new(),
            composed: HashSet::new(),
            settled: HashMap::new(),
            flattened: HashMap::new(),
        }
    }

    pub(super) fn shape(&self, id: LayerId) -> Shape {
        id.checked_sub(1).map_or(self.input, |index| self.layers[index].layer.output)
    }

    /// A copy of a layer, with the first layer it reads and its parameters; `None` for the input.
    pub(super) fn layer(&self, id: LayerId) -> Option<(LayerId, Layer, Parameters)> {
        let Found { parents, layer, parameters } = self.layers.get(id.checked_sub(1)?)?.clone();
        Some((parents.first().copied().unwrap_or_default(), layer, parameters))
    }

    /// What a layer computes; `None` for the input.
    pub(super) fn op(&self, id: LayerId) -> Option<Op> {
        id.checked_sub(1).map(|index| self.layers[index].layer.op)
    }

    /// Gives a layer the name of the node that ends it.
    pub(super) fn rename(&mut self, id: LayerId, name: &str) {
        if let Some(index) = id.checked_sub(1) {
            name.clone_into(&mut self.layers[index].layer.name);
        }
    }

    /// Appends a layer that reads `parents`.
    pub(super) fn push(
        &mut self,
        parents: &[LayerId],
        name: &str,
        op: Op,
        parameters: Parameters,
    ) -> Result<LayerId, Reason> {
        let inputs: Vec<Shape> = parents.iter().map(|&parent| self.shape(parent)).collect();
        let output = op.output(&inputs, name).map_err(|error| error.to_string())?;
        if !output.checked_len().is_some_and(|len| (1..=limits::VALUES).contains(&len)) {
            return Err(format!("its output of {output} is empty or too large").into());
        }
        let layer = Layer::new(name, op, output);
        self.layers.push(Found { parents: parents.to_vec(), layer, parameters });
        Ok(self.layers.len())
    }

    /// Appends a layer without parameters and returns its output.
    pub(super) fn push_plain(
        &mut self,
        parents: &[LayerId],
        name: &str,
        op: Op,
    ) -> Result<Activation, Reason> {
        let id = self.push(parents, name, op, Parameters::None)?;
        Ok(self.output_of(id))
    }

    pub(super) fn output_of(&self, id: LayerId) -> Activation {
        Activation::of(id, Layout::of(self.shape(id)))
    }

    /// Turns a pending polynomial into a layer, or folds it; the activation is then a layer's output
    /// under some layout.
    pub(super) fn settle(&mut self, activation: Activation, settle: Settle) -> Result<Activation, Reason> {
        let Activation { base, form: Some(form), .. } = &activation else { return Ok(activation) };
        let polynomial = &form.polynomial;
        if settle == Settle::Keep {
            let base = self.push_polynomial(*base, &form.name, polynomial)?;
            return Ok(Activation { base, form: None, ..activation });
        }
        let mut recent = self.settled.get(base).into_iter().flat_map(|known| known.iter().rev().take(RECENT));
        let known = recent.find(|(known, _)| known == polynomial).map(|&(_, settled)| settled);
        let settled = match known {
            Some(settled) => settled,
            None => {
                let settled = if polynomial.degree() == 1 && self.is_affine(*base) {
                    self.fold_into(*base, polynomial)?
                } else {
                    self.push_polynomial(*base, &form.name, polynomial)?
                };
                self.budget.spend(polynomial.values())?;
                self.settled.entry(*base).or_default().push((polynomial.clone(), settled));
                settled
            }
        };
        Ok(Activation { base: settled, form: None, ..activation })
    }

    /// Makes the layer's output a vector in storage order, be the pending polynomial affected or not.
    pub(super) fn flatten(&mut self, activation: Activation) -> Result<Activation, Reason> {
        let shape = self.shape(activation.base);
        if matches!(shape, Shape::Flat(_)) {
            return Ok(activation);
        }
        let name = activation.flatten.as_deref().unwrap_or("flatten");
        let key = (activation.base, name.to_owned());
        let base = match self.flattened.get(&key) {
            Some(&flattened) => flattened,
            None => {
                let flattened = self.push(&[activation.base], name, Op::Flatten, Parameters::None)?;
                self.flattened.insert(key, flattened);
                flattened
            }
        };
        let (features, per_channel) = (shape.len(), shape.values_per_channel());
        let mut form = activation.form.clone();
        if let Some(form) = &mut form {
            if !form.polynomial.is_uniform() {
                self.budget.spend(features.saturating_mul(form.polynomial.degree() + 1))?;
            }
            form.polynomial = form.polynomial.spread(features, |feature| feature / per_channel);
        }
        Ok(Activation { base, form, ..activation })
    }

    /// Appends a dense layer with weights `outputs x inputs`, inputs in the order of the
    /// activation's only axis.
    pub(super) fn dense(
        &mut self,
        activation: Activation,
        name: &str,
        mut weights: Vec<f32>,
        mut bias: Vec<f32>,
    ) -> Result<Activation, Reason> {
        let outputs = bias.len();
        let inputs = activation.layout.len();
        if activation.layout.rank() != 1 {
            let dims = activation.layout.dims();
            return Err(format!("its input has axes {dims:?} besides the batch: flatten it first").into());
        }
        if inputs.checked_mul(outputs) != Some(weights.len()) || outputs == 0 {
            return Err(format!("its weights are not for an input of {inputs} features").into());
        }
        if !activation.layout.is_in_order() {
            self.budget.spend(weights.len() + 2 * inputs)?;
            weights = in_storage_order(&weights, &activation.layout.positions());
        }
        let activation = self.settle_unless_foldable(activation)?;
        let activation = self.flatten(activation)?;
        if let Some(form) = &activation.form {
            fold_before(&form.polynomial, &mut weights, &mut bias, |input| input);
        }
        let op = Op::Dense(Dense { inputs, outputs });
        let id = self.push(&[activation.base], name, op, Parameters::Affine { weights, bias })?;
        Ok(self.output_of(id))
    }

    /// Settles all but an affine polynomial that only the next layer can absorb.
    pub(super) fn settle_unless_foldable(&mut self, activation: Activation) -> Result<Activation, Reason> {
        match &activation.form {
            Some(form) if form.polynomial.degree() == 1 && !self.is_affine(activation.base) => Ok(activation),
            _ => self.settle(activation, Settle::Fold),
        }
    }

    /// True if between the input and a layer's output (included) values never met those of other places.
    pub(super) fn is_pointwise(&self, id: LayerId) -> bool {
        let mut seen = HashSet::new();
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            let Some(index) = id.checked_sub(1) else { continue };
            let Found { parents, layer, .. } = &self.layers[index];
            if !layer.op.is_activation() && layer.op != Op::Add {
                return false;
            }
            left.extend(parents.iter().copied().filter(|&parent| seen.insert(parent)));
        }
        true
    }

    fn is_affine(&self, id: LayerId) -> bool {
        matches!(self.op(id), Some(Op::Dense(_) | Op::Conv2d(_)))
    }

    /// A copy of an affine layer that also applies an affine polynomial to its outputs.
    fn fold_into(&mut self, id: LayerId, polynomial: &Polynomial) -> Result<LayerId, Reason> {
        let Found { parents, layer, parameters } = self.layers[id - 1].clone();
        let Parameters::Affine { mut weights, mut bias } = parameters else {
            return Err("it follows a layer without weights".into());
        };
        self.budget.spend(weights.len() + bias.len())?;
        let row = weights.len() / bias.len();
        for (channel, (weights, bias)) in weights.chunks_exact_mut(row).zip(&mut bias).enumerate() {
            let (offset, scale) = (polynomial.coefficient(0, channel), polynomial.coefficient(1, channel));
            for weight in weights {
                *weight = (f64::from(*weight) * scale) as f32;
            }
            *bias = (f64::from(*bias) * scale + offset) as f32;
        }
        self.push(&parents, &layer.name, layer.op, Parameters::Affine { weights, bias })
    }

    fn push_polynomial(
        &mut self,
        base: LayerId,
        name: &str,
        polynomial: &Polynomial,
    ) -> Result<LayerId, Reason> {
        let (channels, degree) = (self.shape(base).channels(), polynomial.degree());
        self.budget.spend(channels.saturating_mul(degree + 1))?;
        let coefficient =
            |channel| (0..=degree).map(move |power| polynomial.coefficient(power, channel) as f32);
        let coefficients = (0..channels).flat_map(coefficient).collect();
        let op = Op::Polynomial(crate::Polynomial { channels, degree });
        self.push(&[base], name, op, Parameters::Polynomial { coefficients })
    }

    /// The layers that `last` depends on, in the order in which they were found, with usable, unique names.
    pub(super) fn network(
        mut self,
        name: &str,
        last: LayerId,
    ) -> Result<(Architecture, Vec<Parameters>), Refusal> {
        let mut needed = vec![false; self.layers.len() + 1];
        let mut left = vec![last];
        while let Some(id) = left.pop() {
            if !std::mem::replace(&mut needed[id], true) && id > 0 {
                left.extend(&self.layers[id - 1].parents);
            }
        }
        let count = needed[1..].iter().filter(|&&needed| needed).count();
        if count > limits::LAYERS {
            return Err(Refusal::model(format!(
                "it has {count} layers, at most {} are read",
                limits::LAYERS
            )));
        }
        let mut taken = HashSet::new();
        let mut sources = vec![Source::Image; needed.len()];
        let (mut layers, mut parameters) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (index, found) in self.layers.iter_mut().enumerate().filter(|(index, _)| needed[index + 1]) {
            let inputs: Vec<Source> = found.parents.iter().map(|&parent| sources[parent]).collect();
            let is_chained = inputs == [Source::before(layers.len())];
            sources[index + 1] = Source::Layer(layers.len());
            let mut layer = found.layer.clone();
            layer.name = unique(&usable(&layer.name), &mut taken);
            layer.inputs = if is_chained { Vec::new() } else { inputs };
            layers.push(layer);
            parameters.push(std::mem::replace(&mut found.parameters, Parameters::None));
        }
        let name = usable(name);
        Ok((Architecture { name, input: self.input, input_range: None, layers }, parameters))
    }
}

/// Weights `outputs x inputs` with input `i` moved to column `positions[i]`.
fn in_storage_order(weights: &[f32], positions: &[usize]) -> Vec<f32> {
    let mut moved = vec![0.0; weights.len()];
    for (row, moved) in weights.chunks_exact(positions.len()).zip(moved.chunks_exact_mut(positions.len())) {
        for (&weight, &position) in row.iter().zip(positions) {
            moved[position] = weight;
        }
    }
    moved
}

/// Folds an affine polynomial of the inputs into the weights (one row for each bias) that read them;
/// `channel` tells the input channel of a weight's place in its row.
pub(super) fn fold_before(
    polynomial: &Polynomial,
    weights: &mut [f32],
    bias: &mut [f32],
    channel: impl Fn(usize) -> usize,
) {
    let row = weights.len() / bias.len();
    for (weights, bias) in weights.chunks_exact_mut(row).zip(bias) {
        let mut sum = f64::from(*bias);
        for (place, weight) in weights.iter_mut().enumerate() {
            let channel = channel(place);
            sum += f64::from(*weight) * polynomial.coefficient(0, channel);
            *weight = (f64::from(*weight) * polynomial.coefficient(1, channel)) as f32;
        }
        *bias = sum as f32;
    }
}

/// The name cut to the length a layer's may have, without deceptive characters.
fn usable(name: &str) -> String {
    let name: String = name.chars().map(|c| if is_deceptive(c) { '_' } else { c }).collect();
    if name.is_empty() { "unnamed".into() } else { cut(&name, limits::NAME_BYTES).into() }
}

fn cut(name: &str, bytes: usize) -> &str {
    &name[..name.floor_char_boundary(bytes)]
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    const NUMBER_BYTES: usize = 8;
    let mut candidate = name.to_owned();
    let mut copy = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{}#{copy}", cut(name, limits::NAME_BYTES - NUMBER_BYTES));
        copy += 1;
    }
    candidate
}
