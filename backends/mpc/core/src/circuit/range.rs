//! The ring a calibrated network needs.

use super::{Circuit, Gate};
use crate::ring::Ring;

/// What a wire before the logits may be larger than expected, so that the model owner's proof has room: weights of the networks that
/// ship bound their wires by up to 100 times the expected magnitudes.
const HEADROOM: f64 = 128.0;
/// The same of what is computed from images that no guard bounds, for each square root of the values that a result is a sum of.
const UNGUARDED_HEADROOM: f64 = 4.0;
/// The same of logits behind a guard, which are opened as they are.
const OUTPUT_HEADROOM: f64 = 32.0;
/// What a guard lets pass beyond the expected squares, and coefficients beyond those the expected magnitudes tell.
const SQUARE_HEADROOM: f64 = 4.0;

impl Circuit {
    /// The narrowest ring in which the model owner can expect to prove that nothing overflows, from public magnitudes
    /// alone; compile again for it. `None` if a linear or quadratic layer has no magnitude or 8 bytes are not enough.
    pub fn calibrated_ring(&self) -> Option<Ring> {
        let bits = self.format.activation_bits + self.format.weight_bits;
        let mut needed = bits + 1;
        let mut read = 1.0;
        for (index, gate) in self.gates.iter().enumerate() {
            let is_last = matches!(self.gates.get(index + 1), Some(Gate::Output { .. }));
            let first = !self.gates[..index].iter().any(|gate| gate.guard().is_some());
            let headroom = match gate {
                Gate::Linear { shape } if first => {
                    HEADROOM.max(UNGUARDED_HEADROOM * (shape.weights_per_output() as f64).sqrt())
                }
                _ if is_last => OUTPUT_HEADROOM / 2.0,
                _ => HEADROOM,
            };
            let more = |value: f64| value.max(f64::MIN_POSITIVE).log2().ceil().max(0.0) as u32;
            needed = needed.max(match gate {
                Gate::Linear { .. } => {
                    read = self.expected[index]?;
                    bits + more(read * headroom)
                }
                Gate::Quadratic { pools, guard, .. } => {
                    let written = self.expected[index]?;
                    let area = pools.iter().map(|pool| pool.area() as f64).product::<f64>();
                    let square = f64::from(self.format.activation_bits).exp2() * read;
                    let passes = guard.map_or(1.0, |guard| guard.limit() as f64 / (square * square));
                    let headroom = if first { HEADROOM } else { SQUARE_HEADROOM * passes };
                    bits + self.format.activation_bits + more(written * area * headroom)
                }
                Gate::Add { .. } => {
                    read = self.expected[index]?;
                    bits + more(read * headroom)
                }
                Gate::Recall { .. } => {
                    read = self.expected[index].unwrap_or(read);
                    0
                }
                Gate::Relu { .. } => bits + more(self.expected[index]? * headroom) - self.format.weight_bits,
                _ => 0,
            });
        }
        // One bit for the sign, one for the offset of truncation.
        Ring::new((needed + 2).div_ceil(8).max(2)).ok()
    }
}
