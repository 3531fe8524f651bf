//! From layers to gates.

use super::digest::digests;
use super::guard::{SQUARES, SUMS, read_by_products};
use super::pool::levels_of_maxima;
use super::scale::{refuse_lost, scales_log2};
use super::{Circuit, Format, Gate, Guard, Pool};
use crate::Error;
use crate::linear::LinearShape;
use crate::program::{Knots, Operation, Program};
use crate::ring::encode;
use veilbench_networks::Shape;

impl Circuit {
    /// The gates of a network.
    ///
    /// Divisors of means move to the next weights, and `ReLU, MaxPool` becomes `MaxPool, ReLU`.
    ///
    /// # Errors
    /// [`Error::Unsupported`], naming the layer.
    pub fn compile(program: &Program, format: Format) -> Result<Self, Error> {
        let shapes = program.shapes()?;
        let (digest, encoding) = digests(program, &format);
        let circuit = Circuit {
            format,
            inputs: program.input.len(),
            gates: Vec::new(),
            layers: Vec::new(),
            rings: Vec::new(),
            divisors: Vec::new(),
            scales: Vec::new(),
            expected: Vec::new(),
            output_shift: 0,
            output_bits: format.activation_bits,
            output_divisor: 1.0,
            digest,
            encoding,
        };
        let shift = format.activation_bits.saturating_add(format.weight_bits);
        if shift > format.ring.bits() - 2 {
            let reason = format!("{shift} fractional bits leave no room in {} bits", format.ring.bits());
            return Err(Error::Unsupported { layer: 0, reason });
        }
        let magnitudes = &program.magnitudes;
        let is_bound =
            |magnitude: &Option<f64>| magnitude.is_none_or(|value| value.is_finite() && value >= 0.0);
        if let Some(layer) = magnitudes.iter().position(|magnitude| !is_bound(magnitude)) {
            let reason = "its calibrated magnitude is no finite number from 0 up".to_owned();
            return Err(Error::Unsupported { layer, reason });
        }
        let scales = scales_log2(program);
        refuse_lost(program, &scales)?;
        let mut builder = Builder {
            circuit,
            magnitudes,
            scales,
            open: false,
            divisor: 1.0,
            reached: Vec::new(),
            wire: None,
            kept: Vec::new(),
        };
        let mut input = program.input;
        let layers = relu_after_max(program);
        for (index, layer) in layers {
            let output = match layer {
                Operation::Relu => input,
                _ => shapes[index],
            };
            builder.layer(index, layer, input, output)?;
            builder.reach(index);
            input = output;
        }
        Ok(builder.finish(input.len(), program.operations.len()))
    }
}

/// The layers with their indices, every ReLU moved behind the max-pools that follow it.
fn relu_after_max(program: &Program) -> Vec<(usize, Operation)> {
    let mut layers: Vec<(usize, Operation)> = program.operations.iter().copied().enumerate().collect();
    for index in 1..layers.len() {
        if matches!((layers[index - 1].1, layers[index].1), (Operation::Relu, Operation::MaxPool(_))) {
            layers.swap(index - 1, index);
        }
    }
    layers
}

struct Builder<'a> {
    circuit: Circuit,
    magnitudes: &'a [Option<f64>],
    /// Logarithms, for every layer.
    scales: Vec<i32>,
    open: bool,
    divisor: f64,
    /// Expected magnitudes of what each gate reads and, with its pools, writes.
    reached: Vec<[Option<f64>; 2]>,
    /// Expected magnitude of the wire.
    wire: Option<f64>,
    kept: Vec<Kept>,
}

/// A wire as it was kept.
#[derive(Clone, Copy)]
struct Kept {
    open: bool,
    divisor: f64,
    shape: Shape,
}

/// Fewest fractional bits of open logits.
const OUTPUT_BITS: u32 = 15;
/// Bits of open logits below the largest expected one.
const OUTPUT_PRECISION: f64 = 20.0;

impl Builder<'_> {
    fn push(&mut self, layer: usize, gate: Gate, divisor: f64) {
        let calibrated = match gate {
            Gate::Linear { .. }
            | Gate::Relu { .. }
            | Gate::Quadratic { .. }
            | Gate::Spread { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. } => self.magnitudes.get(layer),
            _ => None,
        };
        let expected = calibrated.copied().flatten().map(|value| value * self.divisor);
        self.circuit.expected.push(expected);
        self.reached.push([self.wire, None]);
        self.circuit.gates.push(gate);
        self.circuit.layers.push(layer);
        self.circuit.divisors.push(divisor);
        let scaled = matches!(self.circuit.gates.last(), Some(Gate::Linear { .. } | Gate::Quadratic { .. }));
        self.circuit.scales.push(if scaled { self.scale(layer) } else { 1.0 });
    }

    fn scale(&self, layer: usize) -> f64 {
        self.scales.get(layer).map_or(1.0, |power| f64::from(*power).exp2())
    }

    /// The wire is what the layer writes.
    fn reach(&mut self, layer: usize) {
        self.wire = self.magnitudes.get(layer).copied().flatten().map(|value| value * self.divisor);
        if let Some([_, written]) = self.reached.last_mut() {
            *written = self.wire;
        }
    }

    /// The guard of an activation that weights read.
    fn guard(&self, index: usize) -> Option<Guard> {
        let gates = &self.circuit.gates;
        let Format { activation_bits, ring, .. } = self.circuit.format;
        let [read, written] = self.reached[index];
        let copies = match index.checked_sub(1).map(|before| &gates[before]) {
            Some(Gate::Spread { is_bounded: true, .. }) => return None,
            Some(Gate::Spread { offsets, .. }) => offsets.len(),
            _ => 1,
        };
        let fixed = |value: f64| value * f64::from(activation_bits).exp2();
        match &gates[index] {
            Gate::Relu { .. } => {
                Guard::new(gates[index].outputs(), copies, SUMS, fixed(written?), ring.bits())
            }
            Gate::Quadratic { .. } => {
                Guard::new(gates[index].inputs(), 1, SQUARES, fixed(read?).powi(2), ring.bits())
            }
            _ => None,
        }
    }

    fn layer(&mut self, index: usize, layer: Operation, input: Shape, output: Shape) -> Result<(), Error> {
        let refuse = |reason: &str| Error::Unsupported { layer: index, reason: reason.to_owned() };
        let Format { activation_bits, weight_bits, .. } = self.circuit.format;
        match layer {
            Operation::Flatten => {}
            Operation::Keep => {
                self.push(index, Gate::Keep { units: input.len(), open: self.open }, 1.0);
                self.kept.push(Kept { open: self.open, divisor: self.divisor, shape: input });
            }
            Operation::Hold => self.hold(index, input),
            Operation::Recall(kept) | Operation::Add(kept) | Operation::Concat(kept) => {
                let known = self.kept.get(kept).copied();
                let wire = known.ok_or_else(|| refuse("nothing is kept under its number"))?;
                self.join(index, layer, kept, wire, input)?;
            }
            Operation::Dense { outputs } => {
                self.linear(index, LinearShape::Dense { inputs: input.len(), outputs });
            }
            Operation::Conv2d(conv) => {
                let output = [output.height(), output.width()];
                self.linear(index, LinearShape::Conv2d { conv, input, output });
            }
            Operation::SumPool(window) | Operation::AveragePool(window) => {
                let pool = Pool::new(&window, input, output);
                if self.open {
                    self.push(index, Gate::Sum(pool), 1.0);
                } else {
                    match self.circuit.gates.last_mut() {
                        Some(Gate::Relu { pools, .. } | Gate::Quadratic { pools, .. }) => pools.push(pool),
                        _ => return Err(refuse("a pool needs a linear layer or an activation before it")),
                    }
                }
                if matches!(layer, Operation::AveragePool(_)) {
                    self.divisor *= window.area() as f64;
                }
            }
            _ if !self.open => {
                return Err(refuse("a non-linear layer needs a linear layer before it"));
            }
            Operation::Spread(knots) => self.spread(index, &knots, input)?,
            Operation::MaxPool(window) => {
                let levels = levels_of_maxima(&window, input, output)
                    .ok_or_else(|| refuse("a window lies in the padding altogether"))?;
                let mut inputs = input.len();
                for slots in levels {
                    let outputs = slots.len();
                    self.push(index, Gate::Max { inputs, slots }, 1.0);
                    inputs = outputs;
                }
            }
            Operation::Relu => {
                let gate =
                    Gate::Relu { units: input.len(), shift: weight_bits, pools: Vec::new(), guard: None };
                self.push(index, gate, 1.0);
                self.open = false;
            }
            Operation::Quadratic => {
                let gate = Gate::Quadratic {
                    channels: input.channels(),
                    positions: input.values_per_channel(),
                    shift: weight_bits,
                    square_shift: activation_bits + weight_bits,
                    pools: Vec::new(),
                    guard: None,
                };
                let scale = self.scale(index);
                let divisor = std::mem::replace(&mut self.divisor, scale);
                self.push(index, gate, divisor);
                self.open = false;
            }
        }
        Ok(())
    }

    /// Copies of an open wire less each of the knots, which are of the wire's scale.
    fn spread(&mut self, index: usize, knots: &Knots, input: Shape) -> Result<(), Error> {
        let Format { activation_bits, weight_bits, .. } = self.circuit.format;
        let offset = |knot: f64| encode(knot * self.divisor, activation_bits + weight_bits);
        let offsets = knots.values().map(offset).collect::<Option<Vec<u64>>>();
        let offsets = offsets.ok_or_else(|| Error::Unsupported {
            layer: index,
            reason: "its pieces end where the ring does; scale its inputs down".to_owned(),
        })?;
        let (channels, positions) = (input.channels(), input.values_per_channel());
        let is_bounded = knots.is_bounded();
        self.push(index, Gate::Spread { channels, positions, offsets, is_bounded }, 1.0);
        Ok(())
    }

    /// Truncates an open wire.
    fn hold(&mut self, index: usize, input: Shape) {
        if self.open {
            let gate = Gate::Truncate { units: input.len(), shift: self.circuit.format.weight_bits };
            self.push(index, gate, 1.0);
            self.open = false;
        }
    }

    /// Reads what is kept under a number, instead of the wire or with it.
    fn join(
        &mut self,
        index: usize,
        layer: Operation,
        kept: usize,
        wire: Kept,
        input: Shape,
    ) -> Result<(), Error> {
        let refuse = |reason: &str| Error::Unsupported { layer: index, reason: reason.to_owned() };
        let units = wire.shape.len();
        if let Operation::Recall(_) = layer {
            (self.open, self.divisor) = (wire.open, wire.divisor);
            self.push(index, Gate::Recall { kept, units }, 1.0);
            return Ok(());
        }
        if wire.divisor != self.divisor {
            return Err(refuse(
                "a mean is still to be divided on one of its branches: put a linear layer behind the pool",
            ));
        }
        if let Operation::Add(_) = layer {
            if !matches!(self.circuit.gates.last(), Some(Gate::Linear { .. })) {
                return Err(refuse("a sum needs a linear layer just before it"));
            }
            let shift = if wire.open { 0 } else { self.circuit.format.weight_bits };
            self.push(index, Gate::Add { kept, units, shift }, 1.0);
            return Ok(());
        }
        if wire.open {
            return Err(refuse("what was kept is not in the format of activations"));
        }
        self.hold(index, input);
        let channels = [wire.shape.channels(), input.channels()];
        self.push(index, Gate::Concat { kept, units: [units, input.len()], channels }, 1.0);
        Ok(())
    }

    fn linear(&mut self, index: usize, shape: LinearShape) {
        if self.open {
            let gate = Gate::Truncate { units: shape.inputs(), shift: self.circuit.format.weight_bits };
            self.push(index, gate, 1.0);
        }
        let scale = self.scale(index);
        let divisor = std::mem::replace(&mut self.divisor, scale);
        self.push(index, Gate::Linear { shape }, divisor);
        self.open = true;
    }

    fn finish(mut self, units: usize, layers: usize) -> Circuit {
        if self.open {
            let bits = self.circuit.format.activation_bits + self.circuit.format.weight_bits;
            let needed = self.wire.map_or(bits, |largest| {
                let precise = OUTPUT_PRECISION - largest.max(f64::MIN_POSITIVE).log2().ceil();
                (precise.max(0.0) as u32).clamp(OUTPUT_BITS.min(bits), bits)
            });
            self.circuit.output_bits = needed;
            self.circuit.output_shift = bits - needed;
        }
        self.push(layers.saturating_sub(1), Gate::Output { units, open: self.open }, 1.0);
        self.circuit.output_divisor = self.divisor;
        for (index, is_read) in read_by_products(&self.circuit.gates).into_iter().enumerate() {
            let found = if is_read { self.guard(index) } else { None };
            if let Gate::Relu { guard, .. } | Gate::Quadratic { guard, .. } = &mut self.circuit.gates[index] {
                *guard = found;
            }
        }
        self.circuit.rings = self.circuit.rings();
        self.circuit
    }
}
