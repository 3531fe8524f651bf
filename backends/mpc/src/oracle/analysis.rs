//! How large values can become, and how far a protocol's logits can be from the oracle's.

use crate::Error;
use crate::circuit::{Circuit, Gate, Pool};
use crate::linear::LinearShape;
use crate::model::{GateParameters, Model};

/// What holds for every input within the circuit's magnitude. Computed from secret weights: the model
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

/// Bounds every wire by the weights' magnitudes, or by calibration where the architecture has any and it is tighter.
///
/// # Errors
/// [`Error::Overflow`] naming the first layer whose values could leave the ring's limit, [`Error::OtherCircuit`] if the model
/// was encoded for other layers or another format.
pub fn analyse(circuit: &Circuit, model: &Model) -> Result<Analysis, Error> {
    if model.encoding != circuit.encoding {
        return Err(Error::OtherCircuit);
    }
    let unit = (circuit.format.activation_bits as f64).exp2();
    let mut wire = Wire {
        magnitude: (circuit.format.input_magnitude * unit).ceil() as u128,
        error: 0,
        calibrated: false,
    };
    let mut magnitudes = Vec::with_capacity(circuit.gates.len());
    let (x_bits, w_bits) = (circuit.format.activation_bits, circuit.format.weight_bits);
    let gates = circuit.gates.iter().zip(&model.gates).zip(&circuit.layers).zip(&circuit.bounds);
    for (((gate, parameters), &layer), &bound) in gates {
        let opened = |wire: Wire| wire.within(circuit, layer);
        wire = match (gate, parameters) {
            (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                opened(wire.linear(shape, weights, bias).at_most(bound, x_bits + w_bits))?
            }
            (Gate::Sum(pool), _) => opened(wire.times(pool.area()))?,
            (Gate::Max { .. }, _) => {
                opened(wire.times(2))?;
                wire
            }
            (Gate::Relu { shift, pools, .. }, _) => opened(
                pools.iter().fold(wire.shifted(*shift).at_most(bound, x_bits), |wire, pool: &Pool| {
                    wire.times(pool.area())
                }),
            )?,
            (Gate::Quadratic { shift, square_shift, pools, .. }, GateParameters::Quadratic { a, b, c }) => {
                let square = wire.shifted(*shift).quadratic(a, b, c).at_most(bound, 2 * x_bits + w_bits);
                opened(pools.iter().fold(square, |wire, pool| wire.times(pool.area())))?
                    .shifted(*square_shift)
            }
            (Gate::Truncate { shift, .. }, _) => wire.shifted(*shift),
            _ => wire,
        };
        magnitudes.push(wire.magnitude);
    }
    Ok(Analysis { magnitudes, logit_error: wire.error })
}

#[derive(Clone, Copy)]
struct Wire {
    magnitude: u128,
    error: u128,
    /// Whether calibration stands behind the magnitude. It does so for the protocol's value too, up to one more bit:
    /// worst cases of rounding alone would rule out networks whose values never come near.
    calibrated: bool,
}

impl Wire {
    fn within(self, circuit: &Circuit, layer: usize) -> Result<Wire, Error> {
        let error = if self.calibrated { self.error.min(self.magnitude) } else { self.error };
        let reached = self.magnitude.saturating_add(error);
        if reached < u128::from(circuit.ring().limit()) {
            return Ok(self);
        }
        let limit_bits = circuit.ring().bits() - 2;
        Err(Error::Overflow { layer, limit_bits })
    }

    fn at_most(self, bound: Option<f64>, fraction_bits: u32) -> Wire {
        let bound = bound.map_or(u128::MAX, |bound| (bound * f64::from(fraction_bits).exp2()).ceil() as u128);
        let calibrated = self.calibrated || bound < self.magnitude;
        Wire { magnitude: self.magnitude.min(bound), calibrated, ..self }
    }

    fn times(self, count: usize) -> Wire {
        let count = count as u128;
        Wire {
            magnitude: self.magnitude.saturating_mul(count),
            error: self.error.saturating_mul(count),
            ..self
        }
    }

    fn shifted(self, shift: u32) -> Wire {
        let up = |value: u128| (value >> shift) + 1;
        let error = if self.error == 0 { 1 } else { up(self.error) + 1 };
        Wire { magnitude: up(self.magnitude), error, ..self }
    }

    fn linear(self, shape: &LinearShape, weights: &[u64], bias: &[u64]) -> Wire {
        let rows = weights.chunks_exact(shape.weights_per_output());
        let mut output = Wire { magnitude: 0, error: 0, ..self };
        for (row, bias) in rows.zip(bias) {
            let norm: u128 = row.iter().map(|&weight| magnitude(weight)).sum();
            let reached = norm.saturating_mul(self.magnitude).saturating_add(magnitude(*bias));
            output.magnitude = output.magnitude.max(reached);
            output.error = output.error.max(norm.saturating_mul(self.error));
        }
        output
    }

    fn quadratic(self, a: &[u64], b: &[u64], c: &[u64]) -> Wire {
        let mut output = Wire { magnitude: 0, error: 0, ..self };
        let (t, e) = (self.magnitude, self.error);
        for ((a, b), c) in a.iter().zip(b).zip(c) {
            let (a, b, c) = (magnitude(*a), magnitude(*b), magnitude(*c));
            let slope = |by: u128| a.saturating_mul(by).saturating_add(b);
            output.magnitude = output.magnitude.max(slope(t).saturating_mul(t).saturating_add(c));
            output.error = output.error.max(slope(t.saturating_mul(2).saturating_add(e)).saturating_mul(e));
        }
        output
    }
}

fn magnitude(value: u64) -> u128 {
    u128::from((value as i64).unsigned_abs())
}
