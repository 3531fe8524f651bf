//! The model owner's secret: fixed-point parameters of every gate.

use crate::circuit::parameters::GateParameters;
use crate::circuit::{Circuit, Gate};
use crate::ring::encode;
use crate::{Error, linear::LinearShape};

/// Trained parameters of one layer, as numbers.
#[derive(Clone, PartialEq)]
pub enum LayerParameters {
    /// None, as the layer has none.
    None,
    /// A dense layer's or convolution's.
    Affine {
        /// Row-major, output first.
        weights: Vec<f32>,
        /// One an output channel.
        bias: Vec<f32>,
    },
    /// Those of `a x^2 + b x + c`, one of each per channel.
    Quadratic {
        /// Coefficients of the square.
        a: Vec<f32>,
        /// Linear coefficients.
        b: Vec<f32>,
        /// Constants.
        c: Vec<f32>,
    },
}

impl std::fmt::Debug for LayerParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Affine { weights, bias } => {
                write!(f, "Affine({} weights, {} biases)", weights.len(), bias.len())
            }
            Self::Quadratic { a, .. } => write!(f, "Quadratic({} channels)", a.len()),
        }
    }
}

/// Fixed-point parameters of every gate of one circuit. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Model {
    pub(crate) gates: Vec<GateParameters>,
    /// The circuit's.
    pub(crate) encoding: u64,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Model(..)")
    }
}

impl Model {
    /// Rounds the parameters of every layer to the circuit's format.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::NotRepresentable`].
    pub fn encode(circuit: &Circuit, layers: &[LayerParameters]) -> Result<Self, Error> {
        let weight_bits = circuit.format.weight_bits;
        let activation_bits = circuit.format.activation_bits;
        let mut gates = Vec::with_capacity(circuit.gates.len());
        let sources = circuit.gates.iter().zip(&circuit.layers).zip(&circuit.divisors).zip(&circuit.scales);
        for (((gate, &layer), &divisor), &scale) in sources {
            let parameters = layers.get(layer).unwrap_or(&LayerParameters::None);
            gates.push(match gate {
                Gate::Linear { shape } => {
                    let (weights, bias) = affine(shape, parameters)?;
                    GateParameters::Linear {
                        weights: encode_all(weights, divisor / scale, weight_bits)?,
                        bias: encode_all(bias, 1.0 / scale, activation_bits + weight_bits)?,
                    }
                }
                Gate::Quadratic { channels, .. } => {
                    let LayerParameters::Quadratic { a, b, c } = parameters else {
                        return Err(missing("coefficients", *channels));
                    };
                    for coefficients in [a, b, c] {
                        check("coefficients", *channels, coefficients.len())?;
                    }
                    GateParameters::Quadratic {
                        a: encode_all(a, divisor * divisor / scale, weight_bits)?,
                        b: encode_all(b, divisor / scale, activation_bits + weight_bits)?,
                        c: encode_all(c, 1.0 / scale, 2 * activation_bits + weight_bits)?,
                    }
                }
                _ => GateParameters::None,
            });
        }
        Ok(Self { gates, encoding: circuit.encoding })
    }
}

impl Model {
    /// Weights and biases of a linear gate, as integers modulo `2^64`; `None` for other gates.
    pub fn linear(&self, gate: usize) -> Option<(&[u64], &[u64])> {
        match self.gates.get(gate)? {
            GateParameters::Linear { weights, bias } => Some((weights, bias)),
            _ => None,
        }
    }

    /// Coefficients of a quadratic gate, of squares, of numbers and constants, of each channel, as integers modulo `2^64`; `None` for other gates.
    pub fn quadratic(&self, gate: usize) -> Option<[&[u64]; 3]> {
        match self.gates.get(gate)? {
            GateParameters::Quadratic { a, b, c } => Some([a, b, c]),
            _ => None,
        }
    }
}

fn affine<'a>(shape: &LinearShape, parameters: &'a LayerParameters) -> Result<(&'a [f32], &'a [f32]), Error> {
    let LayerParameters::Affine { weights, bias } = parameters else {
        return Err(missing("weights", shape.weights()));
    };
    check("weights", shape.weights(), weights.len())?;
    check("biases", shape.channels(), bias.len())?;
    Ok((weights, bias))
}

fn check(what: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Shape { what, expected, actual }) }
}

fn missing(what: &'static str, expected: usize) -> Error {
    Error::Shape { what, expected, actual: 0 }
}

fn encode_all(values: &[f32], divisor: f64, fraction_bits: u32) -> Result<Vec<u64>, Error> {
    let encoded = |(index, &value): (usize, &f32)| {
        let refused = Error::NotRepresentable { what: "parameter", index, fraction_bits };
        encode(f64::from(value) / divisor, fraction_bits).ok_or(refused)
    };
    values.iter().enumerate().map(encoded).collect()
}
