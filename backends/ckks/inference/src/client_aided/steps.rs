//! A network as steps of the data owner: it asks for linear layers, and computes all others in the clear.
//!
//! Both parties derive the same steps from the architecture; the model owner answers the rounds among them, in order.

use veilbench_networks::{ActivationKind, Architecture, Layer, Op, Parameters, Shape, Source};

use super::rounds::Round;
use crate::circuits::circuit::{MARGIN, magnitude, uncalibrated};
use crate::circuits::map::AffineMap;
use crate::planning::ranges;
use veilbench_api::Unsupported;

/// One of the things that happen, in order.
#[derive(Debug)]
pub(super) enum Step {
    /// Through the model owner.
    Round(Round),
    /// Layers without weights that follow each other.
    Clear(Chain),
    /// A sum or a concatenation of what the data owner has.
    Join(Join),
}

/// Layers without weights, each reading the one before it.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) source: Source,
    /// Shape of what it reads.
    pub(super) input: Shape,
    pub(super) layers: Vec<Layer>,
    /// The layer whose output it gives.
    pub(super) layer: usize,
}

impl Chain {
    /// Shape of what it gives.
    pub(super) fn output(&self) -> Shape {
        self.layers.last().map_or(self.input, |layer| layer.output)
    }
}

/// A layer of several inputs.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) sources: Vec<Source>,
    pub(super) op: Op,
    pub(super) shape: Shape,
    /// Its index.
    pub(super) layer: usize,
}

impl Step {
    /// What it reads.
    pub(super) fn sources(&self) -> Vec<Source> {
        match self {
            Step::Round(round) => vec![round.source],
            Step::Clear(chain) => vec![chain.source],
            Step::Join(join) => join.sources.clone(),
        }
    }

    /// The layer whose output it gives.
    pub(super) fn layer(&self) -> usize {
        match self {
            Step::Round(round) => round.layer,
            Step::Clear(chain) => chain.layer,
            Step::Join(join) => join.layer,
        }
    }

    fn round_mut(&mut self) -> Option<&mut Round> {
        if let Step::Round(round) = self { Some(round) } else { None }
    }
}

/// Whether the data owner can compute a layer: it has no weights.
fn is_free(op: Op) -> bool {
    match op {
        Op::Activation(kind) => !matches!(kind, ActivationKind::PRelu { .. }),
        _ => matches!(op, Op::Relu | Op::MaxPool(_) | Op::AveragePool(_) | Op::Flatten),
    }
}

/// Steps that are found so far.
struct Steps<'a> {
    architecture: &'a Architecture,
    /// How often the output of each layer is read.
    readers: Vec<usize>,
    done: Vec<Step>,
    /// Rounds that the next layer may still become a part of.
    open: Vec<Round>,
}

impl Steps<'_> {
    fn unit(&self, source: Source) -> Result<f64, Unsupported> {
        let named = || match source {
            Source::Image => None,
            Source::Layer(index) => Some(self.architecture.layers[index].name.clone()),
        };
        let range = self.architecture.range_of(source).ok_or_else(|| uncalibrated(named()))?;
        Ok(MARGIN * magnitude(range, 0.0))
    }

    /// The open round that ends with what only the next layer reads.
    fn take_open(&mut self, source: Source) -> Option<Round> {
        let at = self.open.iter().position(|round| Source::Layer(round.layer) == source)?;
        (self.readers[self.open[at].layer] == 1).then(|| self.open.remove(at))
    }

    /// Has the data owner know what a source gives.
    fn close(&mut self, source: Source) {
        if let Some(at) = self.open.iter().position(|round| Source::Layer(round.layer) == source) {
            let round = self.open.remove(at);
            self.done.push(Step::Round(round));
        }
    }

    /// A linear layer: more of an open round, or one of its own.
    fn linear(&mut self, index: usize, source: Source, map: &AffineMap) -> Result<(), Unsupported> {
        let layer = &self.architecture.layers[index];
        let to = self.unit(Source::Layer(index))?;
        let mut round = match self.take_open(source) {
            Some(mut round) => {
                round.name.push_str(" + ");
                round
            }
            None => {
                self.close(source);
                let from = self.unit(source)?;
                Round {
                    name: String::new(),
                    source,
                    layer: index,
                    map: AffineMap::identity(map.inputs),
                    shape: layer.output,
                    units: [from, to],
                    fan_in: 1,
                }
            }
        };
        round.name.push_str(&layer.name);
        round.map = round.map.then(map);
        round.fan_in = round.map.fan_in();
        (round.layer, round.shape, round.units[1]) = (index, layer.output, to);
        self.open.push(round);
        Ok(())
    }

    /// A layer without weights: more of the chain before it, or one of its own.
    fn free(&mut self, index: usize, source: Source, input: Shape) {
        self.close(source);
        let layer = Layer { inputs: Vec::new(), ..self.architecture.layers[index].clone() };
        if let Some(Step::Clear(chain)) = self.done.last_mut()
            && Source::Layer(chain.layer) == source
            && self.readers[chain.layer] == 1
        {
            chain.layers.push(layer);
            chain.layer = index;
        } else {
            self.done.push(Step::Clear(Chain { source, input, layers: vec![layer], layer: index }));
        }
    }
}

/// The steps of a network, with the weights of its rounds if there are any.
pub(super) fn steps(
    architecture: &Architecture,
    parameters: Option<&[Parameters]>,
) -> Result<Vec<Step>, Unsupported> {
    ranges::check(architecture)?;
    parameters.map_or(Ok(()), |parameters| ranges::check_weights(architecture, parameters))?;
    let mut readers = vec![0; architecture.layers.len()];
    for index in 0..architecture.layers.len() {
        for source in architecture.sources(index) {
            if let Source::Layer(read) = source {
                readers[read] += 1;
            }
        }
    }
    let mut steps = Steps { architecture, readers, done: Vec::new(), open: Vec::new() };
    for (index, (input, layer)) in architecture.steps().enumerate() {
        let sources = architecture.sources(index);
        let &[source] = &sources[..] else {
            sources.iter().for_each(|&source| steps.close(source));
            steps.done.push(Step::Join(Join { sources, op: layer.op, shape: layer.output, layer: index }));
            continue;
        };
        let follows_open =
            |round: &Round| Source::Layer(round.layer) == source && steps.readers[round.layer] == 1;
        let follows_open = steps.open.iter().any(follows_open);
        let is_linear = !is_free(layer.op) || (layer.op == Op::Flatten && follows_open);
        if !is_linear {
            steps.free(index, source, input);
            continue;
        }
        let own = parameters.and_then(|parameters| parameters.get(index));
        let Some(map) = AffineMap::of(input, layer, own) else {
            let reason =
                "the data owner applies the activations and must not learn their coefficients; see ckks";
            return Err(Unsupported { layer: Some(layer.name.clone()), reason: reason.into() });
        };
        steps.linear(index, source, &map)?;
    }
    steps.close(Source::Layer(architecture.layers.len().saturating_sub(1)));
    let mut steps = steps.done;
    for round in steps.iter_mut().filter_map(Step::round_mut) {
        if round.map.blocks.iter().any(|block| block.inputs.is_empty()) {
            let reason = format!("{}: a window reads nothing but padding; use less padding", round.name);
            return Err(Unsupported { layer: None, reason });
        }
        if parameters.is_some() {
            let [from, to] = round.units;
            let weights = round.map.blocks.iter_mut().flat_map(|block| &mut block.weights);
            weights.for_each(|weight| *weight *= from / to);
            round.map.bias.iter_mut().for_each(|bias| *bias /= to);
        }
    }
    if !steps.iter().any(|step| matches!(step, Step::Round(_))) {
        let reason = "no layer has weights: there is nothing to compute on ciphertexts".into();
        return Err(Unsupported { layer: None, reason });
    }
    Ok(steps)
}

/// The rounds among the steps, in order.
pub(super) fn rounds(steps: Vec<Step>) -> impl Iterator<Item = Round> {
    steps.into_iter().filter_map(|step| if let Step::Round(round) = step { Some(round) } else { None })
}

/// For every step, the sources that no later step reads.
pub(super) fn last_uses(steps: &[Step]) -> Vec<Vec<Source>> {
    let mut seen = std::collections::HashSet::new();
    let mut last: Vec<Vec<Source>> = steps
        .iter()
        .rev()
        .map(|step| step.sources().into_iter().filter(|&source| seen.insert(source)).collect())
        .collect();
    last.reverse();
    last
}

/// The most values per image that the data owner keeps beside those a step reads and gives.
pub(super) fn kept_values(architecture: &Architecture, steps: &[Step]) -> usize {
    let length = |source: &Source| architecture.shape_of(*source).map_or(0, |shape| shape.len());
    let mut kept: Vec<Source> = vec![Source::Image];
    let mut most = 0;
    for (step, last) in steps.iter().zip(last_uses(steps)) {
        let reads = step.sources();
        most = most.max(kept.iter().filter(|source| !reads.contains(source)).map(length).sum());
        kept.retain(|source| !last.contains(source));
        kept.push(Source::Layer(step.layer()));
    }
    most
}
