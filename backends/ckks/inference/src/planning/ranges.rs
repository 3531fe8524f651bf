//! Stated ranges that cannot be those of the network: scales chosen from them would drown every value in noise.

use veilbench_networks::{Architecture, Op, Parameters, Range};

use crate::circuits::circuit::magnitude;
use veilbench_api::Unsupported;

/// The smallest magnitude a range may have: single precision holds no digits of smaller values. Scales are relative to ranges, so that
/// what is larger keeps its digits however small it is.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// How many times smaller a layer's range may be than what goes through it unchanged, on images other than those it was
/// calibrated with.
const TIMES: f64 = 16.0;

/// Whether every stated range is wide enough for values, and that of a layer that hands on what it reads about as wide
/// as the range of that. What other layers make of theirs depends on weights, which plans know nothing of.
///
/// # Errors
/// [`Unsupported`], naming the layer and what to do.
pub(crate) fn check(architecture: &Architecture) -> Result<(), Unsupported> {
    wide(None, architecture.input_range)?;
    for (index, layer) in architecture.layers.iter().enumerate() {
        wide(Some(&layer.name), layer.range)?;
        if let (Some(read), Some(made)) = (range_read(architecture, index), layer.range) {
            let least = match layer.op {
                Op::Flatten => magnitude(read, 0.0),
                Op::Relu => f64::from(read.high.max(0.0)),
                _ => 0.0,
            };
            if magnitude(made, 0.0) < least / TIMES {
                return Err(refusal(
                    Some(&layer.name),
                    made,
                    &format!("though it hands on values up to {least}"),
                ));
            }
        }
    }
    Ok(())
}

/// The stated range of what a layer reads first.
fn range_read(architecture: &Architecture, index: usize) -> Option<Range> {
    architecture.sources(index).first().and_then(|&source| architecture.range_of(source))
}

/// Whether the weights can take every layer from the stated range of what it reads to its own.
///
/// # Errors
/// [`Unsupported`], naming the layer whose inputs must reach further than their range says.
pub(crate) fn check_weights(
    architecture: &Architecture,
    parameters: &[Parameters],
) -> Result<(), Unsupported> {
    for (index, (layer, own)) in architecture.layers.iter().zip(parameters).enumerate() {
        let read = range_read(architecture, index);
        if let (Some(read), Some(made), Some(reach)) = (read, layer.range, reach(layer.op, own)) {
            let most = reach(magnitude(read, 0.0));
            if magnitude(made, 0.0) > TIMES * most {
                let why = format!("where its inputs, as their range says, give {most:.1e} at most");
                return Err(refusal(Some(&layer.name), made, &why));
            }
        }
    }
    Ok(())
}

/// What a layer can make at most, in magnitude, of inputs of a magnitude; `None` if its weights do not say.
fn reach(op: Op, parameters: &Parameters) -> Option<Box<dyn Fn(f64) -> f64 + '_>> {
    let size = |values: &[f32]| values.iter().map(|value| f64::from(value.abs())).sum::<f64>();
    match (op, parameters) {
        (Op::Dense(_) | Op::Conv2d(_), Parameters::Affine { weights, bias }) => {
            let rows = weights.chunks_exact((weights.len() / bias.len().max(1)).max(1));
            let rows: Vec<(f64, f64)> =
                rows.zip(bias).map(|(row, bias)| (size(row), f64::from(bias.abs()))).collect();
            Some(Box::new(move |input| {
                rows.iter().map(|(weights, bias)| weights * input + bias).fold(0.0, f64::max)
            }))
        }
        (Op::Polynomial(polynomial), Parameters::Polynomial { coefficients }) => {
            Some(Box::new(move |input| {
                let value = |own: &[f32]| {
                    own.iter().rev().fold(0.0, |sum, &next| sum * input + f64::from(next.abs()))
                };
                coefficients.chunks_exact(polynomial.degree + 1).map(value).fold(0.0, f64::max)
            }))
        }
        _ => None,
    }
}

fn wide(layer: Option<&str>, range: Option<Range>) -> Result<(), Unsupported> {
    match range {
        Some(range) if f64::from(range.low.abs().max(range.high.abs())) < LEAST => {
            Err(refusal(layer, range, "and no values are that small"))
        }
        _ => Ok(()),
    }
}

fn refusal(layer: Option<&str>, Range { low, high }: Range, why: &str) -> Unsupported {
    let of = if layer.is_none() { " of its input" } else { "" };
    let reason = format!(
        "the stated range{of} is {low} to {high}, {why}; state the range that calibration finds, or none: `run` and \
         `verify` calibrate a model without ranges"
    );
    Unsupported { layer: layer.map(str::to_owned), reason }
}

#[cfg(test)]
mod tests;
