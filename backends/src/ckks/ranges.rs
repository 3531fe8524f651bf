//! Stated ranges that cannot be those of the network: scales chosen from them would drown every value in noise.

use veilbench_networks::{Architecture, Op, Range};

use super::circuit::magnitude;
use crate::Unsupported;

/// The smallest magnitude a range may have: of values that are all smaller nothing is left beside the noise.
const LEAST: f64 = 1e-6;

/// How many times smaller a layer's range may be than what goes through it unchanged, on images other than those it was
/// calibrated with.
const TIMES: f64 = 16.0;

/// Whether every stated range is wide enough for values, and that of a layer that hands on what it reads about as wide
/// as the range of that. What other layers make of theirs depends on weights, which plans know nothing of.
///
/// # Errors
/// [`Unsupported`], naming the layer and what to do.
pub(super) fn check(architecture: &Architecture) -> Result<(), Unsupported> {
    wide(None, architecture.input_range)?;
    let mut before = architecture.input_range;
    for layer in &architecture.layers {
        wide(Some(&layer.name), layer.range)?;
        if let (Some(read), Some(made)) = (before, layer.range) {
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
        before = layer.range;
    }
    Ok(())
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
