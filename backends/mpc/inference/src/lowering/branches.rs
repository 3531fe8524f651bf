//! The layers of a graph in an order in which one wire runs through all of them: what more than one layer reads, or not the next, is
//! kept and recalled, which costs the protocols nothing.

use std::collections::HashMap;

use veilbench_mpc::program::{Operation, Program};
use veilbench_networks::{ActivationKind, Architecture, Op, Polynomial, Range, Source};

use super::piecewise::{Given, each_channel, mixed, pieces};
use super::splines::Spline;
use super::{Lowered, Origin};
use crate::planning::format::rounded_up;
use veilbench_api::Unsupported;

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
    fn lacks_a_linear_layer(self, operation: Operation) -> bool {
        match operation {
            Operation::Relu | Operation::Quadratic | Operation::Spread(_) => self != Wire::Open,
            Operation::MaxPool(_) => !matches!(self, Wire::Open | Wire::Rectified),
            Operation::AveragePool(_) | Operation::SumPool(_) => self == Wire::Held,
            _ => false,
        }
    }

    fn after(self, operation: Operation) -> Wire {
        match operation {
            Operation::Dense { .. } | Operation::Conv2d(_) => Wire::Open,
            Operation::Relu => Wire::Rectified,
            Operation::Quadratic => Wire::Activated,
            Operation::MaxPool(_) => self,
            Operation::AveragePool(_) | Operation::SumPool(_) | Operation::Flatten
                if self == Wire::Rectified =>
            {
                Wire::Activated
            }
            _ => self,
        }
    }
}

/// The layers so far and the wire behind them.
pub(super) struct Lowering<'a> {
    architecture: &'a Architecture,
    pub(super) lowered: Lowered,
    /// What the wire is.
    current: Source,
    wire: Wire,
    /// Whether the wire holds sums in place of means.
    pooled: bool,
    /// What its values are not expected to exceed.
    reached: Option<f64>,
    /// Sources that are to be kept, and whether a concatenation reads them.
    wanted: HashMap<Source, bool>,
    kept: HashMap<Source, Kept>,
    /// Number of the next wire that is kept.
    next: usize,
}

/// A wire that was kept.
#[derive(Clone, Copy)]
struct Kept {
    number: usize,
    wire: Wire,
    reached: Option<f64>,
}

fn magnitude(range: Option<Range>) -> Option<f64> {
    range.map(|range| f64::from(range.low.abs().max(range.high.abs())))
}

fn power_above(magnitude: f64) -> f64 {
    f64::from(rounded_up(magnitude)).exp2()
}

impl<'a> Lowering<'a> {
    pub(super) fn new(architecture: &'a Architecture) -> Self {
        let input_magnitude = magnitude(architecture.input_range);
        let lowered = Lowered {
            program: Program { input: architecture.input, operations: Vec::new(), magnitudes: Vec::new() },
            sources: Vec::new(),
            names: architecture.layers.iter().map(|layer| layer.name.clone()).collect(),
            splines: Vec::new(),
            input_magnitude,
        };
        let mut wanted = HashMap::new();
        for (index, layer) in architecture.layers.iter().enumerate() {
            let concatenates = layer.op == Op::Concat;
            for source in architecture.sources(index) {
                if concatenates || source != Source::before(index) {
                    *wanted.entry(source).or_insert(false) |= concatenates;
                }
            }
        }
        Self {
            architecture,
            lowered,
            current: Source::Image,
            wire: Wire::Held,
            pooled: false,
            reached: input_magnitude.map(power_above),
            wanted,
            kept: HashMap::new(),
            next: 0,
        }
    }

    /// Keeps the wire, which is what `source` gives, if another than the next layer reads it.
    pub(super) fn keep(&mut self, source: Source, layer: usize) {
        self.current = source;
        let Some(&concatenated) = self.wanted.get(&source) else { return };
        if self.pooled {
            self.identity(layer, self.channels(source));
        }
        if concatenated && self.wire == Wire::Open {
            self.plain(layer, Operation::Hold, self.reached);
            self.wire = Wire::Held;
        }
        let number = self.keep_wire(layer);
        self.kept.insert(source, Kept { number, wire: self.wire, reached: self.reached });
    }

    fn keep_wire(&mut self, layer: usize) -> usize {
        self.plain(layer, Operation::Keep, self.reached);
        if self.wire != Wire::Open {
            self.wire = Wire::Held;
        }
        self.next += 1;
        self.next - 1
    }

    /// Makes the wire what `source` gives.
    fn recall(&mut self, source: Source, layer: usize) -> Result<(), Unsupported> {
        if self.current != source {
            let Kept { number, wire, reached } = self.kept(source, layer)?;
            self.plain(layer, Operation::Recall(number), reached);
            (self.wire, self.reached, self.current, self.pooled) = (wire, reached, source, false);
        }
        Ok(())
    }

    /// What was kept of a source for a later layer.
    fn kept(&self, source: Source, layer: usize) -> Result<Kept, Unsupported> {
        let name = |at: usize| self.architecture.layers.get(at).map(|layer| layer.name.clone());
        self.kept.get(&source).copied().ok_or_else(|| {
            let wire = match source {
                Source::Image => "the image".to_owned(),
                Source::Layer(at) => format!("what layer {} writes", name(at).unwrap_or_default()),
            };
            Unsupported { layer: name(layer), reason: format!("it reads {wire}, which is not there yet") }
        })
    }

    fn channels(&self, source: Source) -> usize {
        self.architecture.shape_of(source).map_or(0, |shape| shape.channels())
    }

    /// A layer that has no parameters and leaves the state of the wire to the caller.
    fn plain(&mut self, layer: usize, own: Operation, magnitude: Option<f64>) {
        self.lowered.push(own, Origin { layer, parameters: Given::Nothing }, magnitude);
    }

    /// A product by ones, which is exact.
    fn identity(&mut self, layer: usize, channels: usize) {
        let parameters = Given::Public { channels, weight: 1.0, bias: 0.0 };
        self.lowered.push(each_channel(channels), Origin { layer, parameters }, self.reached);
        (self.wire, self.pooled) = (Wire::Open, false);
    }

    /// A layer that reads a wire of so many channels, after an identity if it needs a linear layer before it.
    fn append(&mut self, operation: Operation, origin: Origin, channels: usize, written: Option<f64>) {
        if self.wire.lacks_a_linear_layer(operation) {
            self.identity(origin.layer, channels);
        }
        self.lowered.push(operation, origin, written);
        self.wire = self.wire.after(operation);
        self.pooled = match operation {
            Operation::AveragePool(_) | Operation::SumPool(_) => true,
            Operation::Dense { .. } | Operation::Conv2d(_) | Operation::Quadratic => false,
            _ => self.pooled,
        };
        self.reached = written;
    }

    /// The network's layer of an index.
    pub(super) fn layer(&mut self, index: usize) -> Result<(), Unsupported> {
        let layer = &self.architecture.layers[index];
        let sources = self.architecture.sources(index);
        let written = magnitude(layer.range).map(power_above);
        match layer.op {
            Op::Add => self.add(index, &sources, written),
            Op::Concat => self.concat(index, &sources, written),
            _ => {
                self.recall(sources[0], index)?;
                self.unary(index, self.channels(sources[0]), written)
            }
        }
    }

    fn add(&mut self, index: usize, sources: &[Source], written: Option<f64>) -> Result<(), Unsupported> {
        let own = sources.iter().position(|&source| source == self.current).unwrap_or(0);
        self.recall(sources[own], index)?;
        let is_linear =
            |operation: &Operation| matches!(operation, Operation::Dense { .. } | Operation::Conv2d(_));
        if !self.lowered.program.operations.last().is_some_and(is_linear) {
            self.identity(index, self.channels(self.current));
        }
        for (place, &other) in sources.iter().enumerate() {
            if place != own {
                let kept = self.kept(other, index)?;
                self.plain(index, Operation::Add(kept.number), written);
            }
        }
        (self.wire, self.reached) = (Wire::Open, written);
        Ok(())
    }

    fn concat(&mut self, index: usize, sources: &[Source], written: Option<f64>) -> Result<(), Unsupported> {
        let mut before = self.kept(sources[0], index)?;
        for (place, &source) in sources.iter().enumerate().skip(1) {
            self.recall(source, index)?;
            self.plain(index, Operation::Concat(before.number), written);
            (self.wire, self.reached, self.pooled) = (Wire::Held, written, false);
            if place + 1 < sources.len() {
                let number = self.keep_wire(index);
                before = Kept { number, wire: self.wire, reached: self.reached };
                self.current = Source::Layer(index);
            }
        }
        Ok(())
    }

    /// A function of one value, by a spline.
    fn smooth(
        &mut self,
        index: usize,
        channels: usize,
        kind: ActivationKind,
        written: Option<f64>,
    ) -> Result<(), Unsupported> {
        let name = &self.architecture.layers[index].name;
        let known = self.lowered.splines.iter().find(|(_, spline)| spline.kind() == kind);
        let spline = known.map_or_else(|| Spline::new(kind), |(_, spline)| Ok(spline.clone()));
        let spline = spline.map_err(|reason| Unsupported { layer: Some(name.clone()), reason })?;
        // Knots are compared with values, not with sums in place of their means.
        if self.pooled {
            self.identity(index, channels);
        }
        let copied = self.reached.map(|reached| power_above(reached + spline.reach()));
        let copies = channels * spline.knots.count();
        let plain = Origin { layer: index, parameters: Given::Nothing };
        self.append(Operation::Spread(spline.knots), plain, channels, copied);
        self.append(Operation::Relu, plain, copies, copied);
        let together = Origin { layer: index, parameters: Given::Spline { channels, kind } };
        self.append(mixed(copies, channels, channels), together, copies, written);
        self.lowered.splines.push((index, spline));
        Ok(())
    }

    fn unary(&mut self, index: usize, channels: usize, written: Option<f64>) -> Result<(), Unsupported> {
        let layer = &self.architecture.layers[index];
        if let Op::Activation(kind) = layer.op {
            let Some(mut pieces) = pieces(kind, channels, self.reached) else {
                return self.smooth(index, channels, kind, written);
            };
            if let Some(last) = pieces.last_mut() {
                last.magnitude = written;
            }
            for piece in pieces {
                let origin = Origin { layer: index, parameters: piece.given };
                self.append(piece.operation, origin, channels, piece.magnitude.map(power_above));
            }
            return Ok(());
        }
        let mut parameters = Given::Layer;
        let own = match layer.op {
            Op::Dense(dense) => Operation::Dense { outputs: dense.outputs },
            Op::Conv2d(conv) => Operation::Conv2d(conv),
            Op::AveragePool(pool) => Operation::AveragePool(pool),
            Op::MaxPool(pool) => Operation::MaxPool(pool),
            Op::Relu => Operation::Relu,
            Op::Polynomial(Polynomial { degree: degree @ 0..=1, .. }) => {
                parameters = Given::Affine { degree };
                each_channel(channels)
            }
            Op::Polynomial(Polynomial { degree: 2, .. }) => Operation::Quadratic,
            Op::Flatten => Operation::Flatten,
            Op::Polynomial(Polynomial { degree, .. }) => {
                let reason = format!("its polynomial has degree {degree}; this backend runs degrees up to 2");
                return Err(Unsupported { layer: Some(layer.name.clone()), reason });
            }
            other => {
                let reason = format!("this backend does not run {other}");
                return Err(Unsupported { layer: Some(layer.name.clone()), reason });
            }
        };
        self.append(own, Origin { layer: index, parameters }, channels, written);
        Ok(())
    }
}
