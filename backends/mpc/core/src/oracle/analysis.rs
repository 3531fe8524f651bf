//! How large values can become, and how far a protocol's logits can be from the oracle's.

use super::interval::{Interval, Wire, magnitude};
use super::pieces::Pieces;
use crate::Error;
use crate::circuit::parameters::GateParameters;
use crate::circuit::{Circuit, Gate};
use crate::model::Model;

/// What holds for every input within the circuit's magnitude whose guards are accepted. Computed from secret weights: the model
/// owner keeps it to itself.
#[derive(Clone, PartialEq)]
pub struct Analysis {
    /// Largest magnitude each gate can write, in units of the last place.
    pub magnitudes: Vec<u128>,
    /// No logit of a protocol that truncates to within one unit differs more from the oracle's, in units
    /// of the last place.
    pub logit_error: u128,
}

impl std::fmt::Debug for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analysis(..)")
    }
}

/// Bounds every wire by interval arithmetic over the weights, from the input's magnitude and, behind each guard, from what
/// the data owner accepts. Nothing rests on calibration: what it lets pass cannot overflow, whatever the image.
///
/// # Errors
/// [`Error::Overflow`] naming the first layer whose values could leave the ring's limit or slip past a guard,
/// [`Error::OtherCircuit`] if the model was encoded for other layers or another format.
pub fn analyse(circuit: &Circuit, model: &Model) -> Result<Analysis, Error> {
    analyse_with(circuit, model, circuit.ring().bits(), false)
}

/// The same for parties that truncate shares, each its own: all but the values of polynomials and squares is shared in a ring of so many bits, which may be fewer than
/// the circuit's has; products carry noise of up to half of what the truncation behind them drops; and that of polynomials' values adds all but one of what it drops.
///
/// # Errors
/// As [`analyse`].
pub fn analyse_within(circuit: &Circuit, model: &Model, wire_bits: u32) -> Result<Analysis, Error> {
    analyse_with(circuit, model, wire_bits, true)
}

fn analyse_with(
    circuit: &Circuit,
    model: &Model,
    wire_bits: u32,
    on_shares: bool,
) -> Result<Analysis, Error> {
    if model.encoding != circuit.encoding {
        return Err(Error::OtherCircuit);
    }
    let unit = f64::from(circuit.format.activation_bits).exp2();
    let mut wire = Wire::symmetric((circuit.format.input_magnitude * unit).ceil() as i128);
    let mut magnitudes = Vec::with_capacity(circuit.gates.len());
    let mut kept: Vec<Wire> = Vec::new();
    for (index, (gate, parameters)) in circuit.gates.iter().zip(&model.gates).enumerate() {
        wire =
            Step { circuit, wire_bits, on_shares, index, kept: &mut kept }.write(gate, parameters, wire)?;
        magnitudes.push(wire.largest());
    }
    Ok(Analysis { magnitudes, logit_error: wire.error })
}

/// One gate.
struct Step<'a> {
    circuit: &'a Circuit,
    wire_bits: u32,
    /// Whether each party truncates its own shares.
    on_shares: bool,
    index: usize,
    /// The wires that were kept.
    kept: &'a mut Vec<Wire>,
}

impl Step<'_> {
    /// What the gate writes.
    fn write(&mut self, gate: &Gate, parameters: &GateParameters, wire: Wire) -> Result<Wire, Error> {
        let [limit, limit_behind] = [self.bits(), self.bits_behind()].map(|bits| 1_u128 << (bits - 2));
        // Logits are not truncated by the ring's halves: they only need to fit it, rounded up. What is added to is never looked at.
        let of_products = match self.circuit.gates.get(self.index + 1) {
            Some(Gate::Output { .. }) => 2 * limit - (1 << self.circuit.output_shift),
            Some(Gate::Add { .. }) => u128::MAX,
            _ => limit,
        };
        match (gate, parameters) {
            (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                self.within(wire.linear(shape, weights, bias), of_products)
            }
            (Gate::Spread { channels, offsets, .. }, _) => {
                let pieces = Pieces::new(wire.spread_over(*channels), offsets);
                let wire = Wire { channels: pieces.copies(), error: wire.error, guard: None, pieces: None };
                Ok(Wire { pieces: Some(pieces), ..self.within(wire, limit)? })
            }
            (Gate::Sum(pool), _) => self.within(wire.summed(pool.area()), limit),
            (Gate::Max { .. }, _) => {
                let differences = wire.channels.iter().map(|channel| channel.width());
                if differences.max().unwrap_or(0) >= limit { Err(self.overflow()) } else { Ok(wire) }
            }
            (Gate::Relu { shift, pools, guard, .. }, _) => {
                let pieces = wire.pieces.clone().filter(|_| pools.is_empty());
                let wire = wire.map(|channel| Interval::new(0, channel.high.max(0)));
                // Noise makes no value negative here: what is negative is zero.
                let wire = self.truncated(wire, *shift).map(|channel| Interval::new(0, channel.high));
                let wire = pools.iter().fold(wire, |wire, pool| wire.summed(pool.area()));
                let mut wire = self.within(wire, limit_behind)?;
                if let Some(guard) = *guard {
                    self.ensure(guard.holds(wire.largest(), self.bits_behind()))?;
                    wire = wire.map(|channel| channel.at_most(guard.limit()));
                    wire.guard = Some(guard);
                }
                let most = guard.map(|guard| guard.limit());
                wire.pieces = pieces.map(|pieces| pieces.rectified(*shift, most, self.units()));
                Ok(wire)
            }
            (
                Gate::Quadratic { shift, square_shift, pools, guard, .. },
                GateParameters::Quadratic { a, b, c },
            ) => {
                let dropped = if self.on_shares { 1 << square_shift } else { 0 };
                let mut wire = self.truncated(wire, *shift);
                if let Some(guard) = *guard {
                    let square = wire.largest().saturating_mul(wire.largest());
                    self.ensure(guard.holds(square, self.circuit.ring().bits()))?;
                    wire = wire.map(|channel| channel.at_most(guard.limit().isqrt() + 1));
                }
                let wire = wire.quadratic(a, b, c);
                let wire = pools.iter().fold(wire, |wire, pool| wire.summed(pool.area()));
                let limit = u128::from(self.circuit.ring().limit()) - dropped;
                Ok(self.within(wire, limit)?.shifted(*square_shift))
            }
            (Gate::Truncate { shift, .. }, _) => Ok(self.truncated(wire, *shift)),
            (Gate::Output { .. }, _) => {
                // What a polynomial wrote was proved to fit its own ring, which is wider.
                Ok(self.within(wire, 2 * limit)?.shifted(self.circuit.output_shift))
            }
            (Gate::Keep { .. }, _) => {
                self.kept.push(wire.clone());
                Ok(wire)
            }
            (Gate::Recall { kept, .. }, _) => Ok(self.kept[*kept].clone()),
            (Gate::Add { kept, shift, .. }, _) => {
                self.within(wire.plus(&self.kept[*kept], *shift), of_products)
            }
            (Gate::Concat { kept, channels, .. }, _) => Ok(wire.behind(&self.kept[*kept], *channels)),
            (Gate::Linear { .. } | Gate::Quadratic { .. }, _) => Err(Error::OtherCircuit),
        }
    }

    /// After a truncation of products.
    fn truncated(&self, wire: Wire, shift: u32) -> Wire {
        if self.on_shares { wire.shifted_on_shares(shift) } else { wire.shifted(shift) }
    }

    /// Units of the last place that such a truncation is off at most.
    fn units(&self) -> i128 {
        if self.on_shares { 2 } else { 1 }
    }

    /// Bits of the ring of the wire that the gate reads.
    fn bits(&self) -> u32 {
        self.circuit.ring_of(self.index).bits().min(self.wire_bits)
    }

    /// Bits of the ring of the wire that the gate writes.
    fn bits_behind(&self) -> u32 {
        self.circuit.ring_behind(self.index).bits().min(self.wire_bits)
    }

    fn within(&self, wire: Wire, limit: u128) -> Result<Wire, Error> {
        self.ensure(wire.largest() < limit)?;
        Ok(wire)
    }

    fn ensure(&self, fits: bool) -> Result<(), Error> {
        if fits { Ok(()) } else { Err(self.overflow()) }
    }

    fn overflow(&self) -> Error {
        let limit_bits = match self.circuit.gates[self.index] {
            Gate::Quadratic { .. } => self.circuit.ring().bits() - 2,
            _ => self.bits() - 2,
        };
        Error::Overflow { layer: self.circuit.layers[self.index], limit_bits }
    }
}

/// Whether a shift rounds at all: then a protocol may be off by one unit.
pub(super) fn unit_of(shift: u32) -> u128 {
    u128::from(shift > 0)
}

/// The largest error of a row of weights, for inputs off by `error`.
pub(super) fn row_error(row: &[u64], error: u128) -> u128 {
    row.iter().map(|&weight| magnitude(weight)).sum::<u128>().saturating_mul(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Format, SignProtocol, Width};
    use crate::model::LayerParameters;
    use crate::program::{Knots, Operation, Program};
    use crate::ring::Ring;
    use veilbench_networks::{Conv2d, Shape, Window};

    /// A wide layer, one whose values are a thousandth of its, and logits.
    fn found(width: Width, weight: f32) -> Result<(), Error> {
        let dense = || Operation::Dense { outputs: 1 };
        let operations = vec![dense(), Operation::Relu, dense(), Operation::Relu, dense()];
        let magnitudes = [512.0, 512.0, 0.5, 0.5, 0.5].map(Some).to_vec();
        let program = Program { input: Shape::Flat(1), operations, magnitudes };
        let format = Format {
            activation_bits: 12,
            weight_bits: 12,
            ring: Ring::new(6).unwrap(),
            width,
            signs: SignProtocol::Tree,
            input_magnitude: 4.0,
        };
        let circuit = Circuit::compile(&program, format).unwrap();
        let affine = |weight| LayerParameters::Affine { weights: vec![weight], bias: vec![0.0] };
        let none = || LayerParameters::None;
        let layers = [affine(64.0), none(), affine(weight), none(), affine(0.5)];
        analyse(&circuit, &Model::encode(&circuit, &layers).unwrap()).map(|_| ())
    }

    /// Logits of a polynomial, which were calibrated to reach 1024 and reach 25 times the coefficient.
    fn found_behind_a_polynomial(width: Width, coefficient: f32) -> Result<(), Error> {
        let operations = vec![Operation::Dense { outputs: 1 }, Operation::Quadratic];
        let program =
            Program { input: Shape::Flat(1), operations, magnitudes: vec![Some(0.5), Some(1024.0)] };
        let format = Format {
            activation_bits: 12,
            weight_bits: 12,
            ring: Ring::FULL,
            width,
            signs: SignProtocol::Tree,
            input_magnitude: 5.0,
        };
        let circuit = Circuit::compile(&program, format).unwrap();
        let dense = LayerParameters::Affine { weights: vec![1.0], bias: vec![0.0] };
        let square = LayerParameters::Quadratic { a: vec![coefficient], b: vec![0.0], c: vec![0.0] };
        analyse(&circuit, &Model::encode(&circuit, &[dense, square]).unwrap()).map(|_| ())
    }

    #[test]
    fn logits_of_a_polynomial_that_the_ring_of_the_layer_before_does_not_hold_are_refused() {
        assert_eq!(found_behind_a_polynomial(Width::Bits, 16.0), Ok(()));
        assert!(matches!(found_behind_a_polynomial(Width::Bits, 65_536.0), Err(Error::Overflow { .. })));
        assert_eq!(found_behind_a_polynomial(Width::Bytes, 65_536.0), Ok(()));
    }

    #[test]
    fn what_a_layers_own_ring_does_not_hold_is_refused() {
        // The layer before writes up to 256, the ring of this one holds 64.
        assert_eq!(found(Width::Bits, 1.0 / 8.0), Ok(()));
        assert_eq!(found(Width::Bits, 1.0 / 2.0), Err(Error::Overflow { layer: 2, limit_bits: 30 }));
        assert_eq!(found(Width::Bytes, 1.0 / 2.0), Ok(()));
    }

    /// Products whose bits that are dropped are more than half of a unit, so that noise takes them to the next one.
    #[test]
    fn noise_of_products_is_in_the_bounds_of_what_is_read_on_shares() {
        let dense = || Operation::Dense { outputs: 1 };
        for operations in [vec![dense(), Operation::Relu, dense()], vec![dense(), dense()]] {
            let format = Format {
                activation_bits: 12,
                weight_bits: 12,
                ring: Ring::FULL,
                width: Width::Bytes,
                signs: SignProtocol::Tree,
                input_magnitude: 1.0,
            };
            let layers: Vec<LayerParameters> = operations
                .iter()
                .map(|operation| match operation {
                    Operation::Dense { .. } => {
                        LayerParameters::Affine { weights: vec![1.5], bias: vec![0.9 * (-12_f32).exp2()] }
                    }
                    _ => LayerParameters::None,
                })
                .collect();
            let program = Program { input: Shape::Flat(1), operations, magnitudes: vec![] };
            let circuit = Circuit::compile(&program, format).unwrap();
            let model = Model::encode(&circuit, &layers).unwrap();
            let truncates = |(at, gate): (usize, &Gate)| match gate {
                Gate::Relu { shift, .. } | Gate::Truncate { shift, .. } => Some((at, *shift)),
                _ => None,
            };
            let (at, shift) = circuit.gates.iter().enumerate().find_map(truncates).unwrap();
            let masked = analyse(&circuit, &model).unwrap().magnitudes;
            let on_shares = analyse_within(&circuit, &model, 63).unwrap().magnitudes;
            let (product, unit) = (masked[at - 1], 1_u128 << shift);
            assert!(on_shares[at - 1] == product && product % unit > unit / 2);
            assert_eq!([masked[at], on_shares[at]], [product / unit + 1, product / unit + 2]);
        }
    }

    /// Each copy of a value is off by a unit more on shares, times its weight.
    #[test]
    fn noise_of_copies_is_in_the_bounds_of_functions_made_of_pieces_on_shares() {
        let knots = Knots::new(&[-3072, 0, 4096], true).unwrap();
        let window = Window::tiles(1);
        let together = Conv2d { inputs: 3, outputs: 1, groups: 1, dilation: [1; 2], window };
        let operations = vec![
            Operation::Dense { outputs: 1 },
            Operation::Spread(knots),
            Operation::Relu,
            Operation::Conv2d(together),
        ];
        let format = Format {
            activation_bits: 12,
            weight_bits: 12,
            ring: Ring::FULL,
            width: Width::Bytes,
            signs: SignProtocol::Tree,
            input_magnitude: 4.0,
        };
        let program = Program { input: Shape::Flat(1), operations, magnitudes: vec![] };
        let circuit = Circuit::compile(&program, format).unwrap();
        let affine = |weights: Vec<f32>| LayerParameters::Affine { weights, bias: vec![0.0] };
        let none = || LayerParameters::None;
        // Constant at both ends, so that the value itself bounds nothing.
        let layers = [affine(vec![1e6]), none(), none(), affine(vec![2.0, -3.0, 1.0])];
        let model = Model::encode(&circuit, &layers).unwrap();
        let GateParameters::Linear { weights, .. } = &model.gates[3] else { panic!("no linear layer") };
        let masked = analyse(&circuit, &model).unwrap().magnitudes;
        let on_shares = analyse_within(&circuit, &model, 63).unwrap().magnitudes;
        assert_eq!(on_shares[3] - masked[3], row_error(weights, 1));
    }
}
