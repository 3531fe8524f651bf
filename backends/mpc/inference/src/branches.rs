//! The layers of a graph in an order in which one wire runs through all of them: what more than one layer reads, or not the next, is
//! kept and recalled, which costs the protocols nothing.

use std::collections::HashMap;

use veilbench_mpc as core;
use veilbench_mpc::network::Layer;
use veilbench_networks::{Architecture, Op, Polynomial, Range, Source};

use super::format::rounded_up;
use super::lowering::{Lowered, Origin, convolution, shape, window};
use super::piecewise::{Given, each_channel, pieces};
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
    fn lacks_a_linear_layer(self, layer: Layer) -> bool {
        match layer {
            Layer::Relu | Layer::Quadratic => self != Wire::Open,
            Layer::MaxPool(_) => !matches!(self, Wire::Open | Wire::Rectified),
            Layer::AveragePool(_) | Layer::SumPool(_) => self == Wire::Held,
            _ => false,
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
            architecture: core::network::Architecture {
                input: shape(architecture.input),
                layers: Vec::new(),
                magnitudes: Vec::new(),
            },
            sources: Vec::new(),
            names: architecture.layers.iter().map(|layer| layer.name.clone()).collect(),
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
            self.plain(layer, Layer::Hold, self.reached);
            self.wire = Wire::Held;
        }
        let number = self.keep_wire(layer);
        self.kept.insert(source, Kept { number, wire: self.wire, reached: self.reached });
    }

    fn keep_wire(&mut self, layer: usize) -> usize {
        self.plain(layer, Layer::Keep, self.reached);
        if self.wire != Wire::Open {
            self.wire = Wire::Held;
        }
        self.next += 1;
        self.next - 1
    }

    /// Makes the wire what `source` gives.
    fn recall(&mut self, source: Source, layer: usize) {
        if self.current == source {
            return;
        }
        if let Some(&Kept { number, wire, reached }) = self.kept.get(&source) {
            self.plain(layer, Layer::Recall(number), reached);
            (self.wire, self.reached, self.current, self.pooled) = (wire, reached, source, false);
        }
    }

    fn channels(&self, source: Source) -> usize {
        self.architecture.shape_of(source).map_or(0, |own| shape(own).channels)
    }

    /// A layer that has no parameters and leaves the state of the wire to the caller.
    fn plain(&mut self, layer: usize, own: Layer, magnitude: Option<f64>) {
        self.lowered.push(own, Origin { layer, parameters: Given::Nothing }, magnitude);
    }

    /// A product by ones, which is exact.
    fn identity(&mut self, layer: usize, channels: usize) {
        let parameters = Given::Public { channels, weight: 1.0, bias: 0.0 };
        self.lowered.push(each_channel(channels), Origin { layer, parameters }, self.reached);
        (self.wire, self.pooled) = (Wire::Open, false);
    }

    /// A layer that reads a wire of so many channels, after an identity if it needs a linear layer before it.
    fn append(&mut self, layer: Layer, origin: Origin, channels: usize, written: Option<f64>) {
        if self.wire.lacks_a_linear_layer(layer) {
            self.identity(origin.layer, channels);
        }
        self.lowered.push(layer, origin, written);
        self.wire = self.wire.after(layer);
        self.pooled = match layer {
            Layer::AveragePool(_) | Layer::SumPool(_) => true,
            Layer::Dense { .. } | Layer::Conv2d(_) | Layer::Quadratic => false,
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
                self.recall(sources[0], index);
                self.unary(index, self.channels(sources[0]), written)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, index: usize, sources: &[Source], written: Option<f64>) {
        if !sources.contains(&self.current) {
            self.recall(sources[0], index);
        }
        let is_linear = |layer: &Layer| matches!(layer, Layer::Dense { .. } | Layer::Conv2d(_));
        if !self.lowered.architecture.layers.last().is_some_and(is_linear) {
            self.identity(index, self.channels(self.current));
        }
        let other = sources.iter().find(|&&source| source != self.current);
        if let Some(kept) = other.and_then(|other| self.kept.get(other)) {
            self.plain(index, Layer::Add(kept.number), written);
        }
        (self.wire, self.reached) = (Wire::Open, written);
    }

    fn concat(&mut self, index: usize, sources: &[Source], written: Option<f64>) {
        let Some(mut before) = self.kept.get(&sources[0]).copied() else { return };
        for (place, &source) in sources.iter().enumerate().skip(1) {
            self.recall(source, index);
            self.plain(index, Layer::Concat(before.number), written);
            (self.wire, self.reached, self.pooled) = (Wire::Held, written, false);
            if place + 1 < sources.len() {
                let number = self.keep_wire(index);
                before = Kept { number, wire: self.wire, reached: self.reached };
                self.current = Source::Layer(index);
            }
        }
    }

    fn unary(&mut self, index: usize, channels: usize, written: Option<f64>) -> Result<(), Unsupported> {
        let layer = &self.architecture.layers[index];
        if let Op::Activation(kind) = layer.op
            && let Some(mut pieces) = pieces(kind, channels, self.reached)
        {
            if let Some(last) = pieces.last_mut() {
                last.magnitude = written;
            }
            for piece in pieces {
                let origin = Origin { layer: index, parameters: piece.given };
                self.append(piece.layer, origin, channels, piece.magnitude.map(power_above));
            }
            return Ok(());
        }
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
            Op::Polynomial(Polynomial { degree, .. }) => {
                let reason = format!("its polynomial has degree {degree}; this backend runs degrees up to 2");
                return Err(Unsupported { layer: Some(layer.name.clone()), reason });
            }
            other => {
                let reason = format!(
                    "this backend does not run {other}; train with ReLU, another piecewise linear activation or a \
                     polynomial of degree 2"
                );
                return Err(Unsupported { layer: Some(layer.name.clone()), reason });
            }
        };
        self.append(own, Origin { layer: index, parameters }, channels, written);
        Ok(())
    }
}
