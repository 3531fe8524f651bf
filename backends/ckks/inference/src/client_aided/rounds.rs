//! The rounds of a network: linear layers up to the next activation, again and again.

use veilbench_networks::{ActivationKind, Architecture, Layer, Op, Parameters, Shape};

use crate::circuits::circuit::{MARGIN, magnitude, refuse_branches, uncalibrated};
use crate::circuits::map::AffineMap;
use crate::planning::precision::{Inputs, logit_deviation};
use crate::planning::ranges;
use crate::planning::scheme::Scheme;
use crate::roles::guard::{Guard, tolerance};
use veilbench_api::Unsupported;

/// A linear map at the model owner and what the data owner does with its result.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) name: String,
    pub(super) map: AffineMap,
    pub(super) shape: Shape,
    /// What one unit of the encrypted inputs and outputs is worth.
    pub(super) units: [f64; 2],
    /// The most values one result reads.
    pub(super) fan_in: usize,
    /// Without weights: evaluated in the clear by the data owner.
    pub(super) activations: Vec<Layer>,
}

impl Round {
    /// The round with one result more, after its values.
    pub(super) fn guarded(mut self, guard: &Guard) -> Self {
        guard.append(&mut self.map);
        self
    }

    /// Standard deviation of the errors of its results, in units, if each reads so many values.
    fn deviation(&self, scheme: &Scheme, reads: usize) -> f64 {
        logit_deviation(scheme, &[Inputs { count: reads, magnitude: 1.0, fresh: true }], false, 1.0)
    }

    /// How far the guard may be from the results, in units.
    pub(super) fn tolerance(&self, scheme: &Scheme) -> f64 {
        let (guard, result) = (self.deviation(scheme, self.map.inputs), self.deviation(scheme, self.fan_in));
        tolerance(guard, result, self.shape.len())
    }
}

/// Whether the data owner can compute a layer: it has no weights.
fn is_free(op: Op) -> bool {
    match op {
        Op::Activation(kind) => !matches!(kind, ActivationKind::PRelu { .. }),
        _ => matches!(op, Op::Relu | Op::MaxPool(_) | Op::AveragePool(_) | Op::Flatten),
    }
}

/// Linear layers up to the next activation, again and again.
pub(super) fn rounds(
    architecture: &Architecture,
    parameters: Option<&[Parameters]>,
) -> Result<Vec<Round>, Unsupported> {
    refuse_branches(architecture)?;
    ranges::check(architecture)?;
    parameters.map_or(Ok(()), |parameters| ranges::check_weights(architecture, parameters))?;
    let unit = |range: Option<veilbench_networks::Range>, layer: Option<&Layer>| {
        let range = range.ok_or_else(|| uncalibrated(layer.map(|layer| layer.name.clone())))?;
        Ok::<f64, Unsupported>(MARGIN * magnitude(range, 0.0))
    };
    let mut rounds: Vec<Round> = Vec::new();
    let start = |shape: Shape, unit: f64| Round {
        name: String::new(),
        map: AffineMap::identity(shape.len()),
        shape,
        units: [unit, unit],
        fan_in: 1,
        activations: Vec::new(),
    };
    let mut round = start(architecture.input, unit(architecture.input_range, None)?);
    for (index, (input, layer)) in architecture.steps().enumerate() {
        let own = parameters.and_then(|parameters| parameters.get(index));
        let begun = !round.name.is_empty();
        if begun && !round.activations.is_empty() && !is_free(layer.op) {
            let before = index.checked_sub(1).map(|before| &architecture.layers[before]);
            let next = unit(before.and_then(|layer| layer.range), before)?;
            rounds.push(std::mem::replace(&mut round, start(input, next)));
        }
        if is_free(layer.op)
            && (!round.activations.is_empty() || (!round.name.is_empty() && layer.op != Op::Flatten))
        {
            round.activations.push(Layer { inputs: Vec::new(), ..layer.clone() });
            continue;
        }
        let Some(map) = AffineMap::of(input, layer, own) else {
            let reason = match layer.op {
                Op::Polynomial(_) | Op::Activation(ActivationKind::PRelu { .. }) => {
                    "the data owner applies the activations and must not learn their coefficients; see ckks"
                }
                _ => "a network cannot begin with an activation here",
            };
            return Err(Unsupported { layer: Some(layer.name.clone()), reason: reason.into() });
        };
        if !round.name.is_empty() {
            round.name.push_str(" + ");
        }
        round.name.push_str(&layer.name);
        round.map = round.map.then(&map);
        round.fan_in = round.map.fan_in();
        round.shape = layer.output;
        round.units[1] = unit(layer.range, Some(layer))?;
    }
    rounds.push(round);
    if let Some(round) =
        rounds.iter().find(|round| round.map.blocks.iter().any(|block| block.inputs.is_empty()))
    {
        let reason = format!("{}: a window reads nothing but padding; use less padding", round.name);
        return Err(Unsupported { layer: None, reason });
    }
    for round in rounds.iter_mut().filter(|_| parameters.is_some()) {
        let [from, to] = round.units;
        round
            .map
            .blocks
            .iter_mut()
            .flat_map(|block| &mut block.weights)
            .for_each(|weight| *weight *= from / to);
        round.map.bias.iter_mut().for_each(|bias| *bias /= to);
    }
    Ok(rounds)
}
