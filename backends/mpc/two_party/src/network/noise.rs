//! Noise of masked products, against what truncation drops.

use std::sync::Arc;

use veilbench_mpc::circuit::{Circuit, Gate};

use crate::Error;
use crate::linear::Layout;

/// Follows the noise of linear layers, in units of the last place, to the truncations that drop it.
///
/// A truncation on shares is less than one unit off the quotient, up or down, and a rounded quotient half of one: with noise of up to `2^(shift - 1)`, another half, a
/// truncation is less than two units off the rounded quotient, so one at most. Logits are truncated by what their precision leaves over, be that less: what noise
/// they may keep is the result, in units of the last place of a logit.
///
/// # Errors
/// [`Error::Noise`] where there is more.
pub(super) fn of_logits(circuit: &Circuit, layouts: &[Option<Arc<Layout>>]) -> Result<u64, Error> {
    let (mut noise, mut kept) = (0_u64, Vec::new());
    for (index, (gate, layout)) in circuit.gates().iter().zip(layouts).enumerate() {
        let dropped = |shift: u32| match noise > (1_u64 << shift) / 2 {
            true => Err(Error::Noise { gate: index, shift, noise }),
            false => Ok(0),
        };
        noise = match gate {
            Gate::Linear { .. } => layout.as_ref().map_or(0, |layout| layout.most_noise()),
            Gate::Sum(pool) => {
                let windows = pool.sum(&vec![1; pool.inputs()]);
                noise.saturating_mul(windows.into_iter().max().unwrap_or(1))
            }
            Gate::Relu { shift, .. } | Gate::Truncate { shift, .. } | Gate::Quadratic { shift, .. } => {
                dropped(*shift)?
            }
            Gate::Keep { .. } => {
                kept.push(noise);
                noise
            }
            Gate::Recall { kept: number, .. } => of(&kept, *number),
            Gate::Add { kept: number, shift, .. } => {
                noise.saturating_add(of(&kept, *number).saturating_mul(1 << shift))
            }
            Gate::Concat { kept: number, .. } => noise.max(of(&kept, *number)),
            Gate::Output { .. } => noise.div_ceil(1 << circuit.output_shift()),
            Gate::Max { .. } | Gate::Spread { .. } => noise,
        };
    }
    Ok(noise)
}

fn of(kept: &[u64], number: usize) -> u64 {
    kept.get(number).copied().unwrap_or_default()
}
