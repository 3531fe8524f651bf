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

/// What bounds a wire.
#[derive(Clone, Copy)]
struct Bound {
    /// Expected magnitude of the last product or sum.
    read: f64,
    /// Whether a guard is behind every way from the image to it.
    is_guarded: bool,
    /// How much more than expected its guard lets pass, where that is not what guards usually do: 1.
    excess: f64,
    /// Room beyond what is expected of the last product.
    headroom: f64,
}

impl Bound {
    /// The range of wires that meet.
    fn with(self, other: Self) -> Self {
        Self {
            read: self.read,
            is_guarded: self.is_guarded && other.is_guarded,
            excess: self.excess.max(other.excess),
            headroom: self.headroom.max(other.headroom),
        }
    }
}

impl Circuit {
    /// The narrowest ring in which the model owner can expect to prove that nothing overflows, from public magnitudes
    /// alone; compile again for it. `None` if a linear or quadratic layer has no magnitude or 8 bytes are not enough.
    pub fn calibrated_ring(&self) -> Option<Ring> {
        let [wires, squares] = self.calibrated_rings()?;
        Some(if squares.bits() > wires.bits() { squares } else { wires })
    }

    /// The same for the values of polynomials apart from all other wires: first the ring of these, then that of polynomials.
    pub fn calibrated_rings(&self) -> Option<[Ring; 2]> {
        let bits = self.format.activation_bits + self.format.weight_bits;
        let more = |value: f64| value.max(f64::MIN_POSITIVE).log2().ceil().max(0.0) as u32;
        let mut needed = [bits + 1, 0];
        let mut wire = Bound { read: 1.0, is_guarded: false, excess: 1.0, headroom: 1.0 };
        let mut kept: Vec<Bound> = Vec::new();
        for (index, gate) in self.gates.iter().enumerate() {
            let is_last = matches!(self.gates.get(index + 1), Some(Gate::Output { .. }));
            let usual = if is_last { OUTPUT_HEADROOM / 2.0 } else { HEADROOM };
            let here = match gate {
                Gate::Linear { shape } => {
                    let read = self.expected[index]?;
                    let spread = UNGUARDED_HEADROOM * (shape.weights_per_output() as f64).sqrt();
                    let headroom = match (wire.is_guarded, wire.excess > 1.0) {
                        (false, _) => HEADROOM.max(spread * wire.excess),
                        (true, true) => usual.max(spread * wire.excess),
                        (true, false) => usual,
                    };
                    let passes = self.passed_by_pieces(index);
                    let excess = (passes / read.max(f64::MIN_POSITIVE)).max(wire.excess);
                    wire = Bound { read, excess, headroom, ..wire };
                    bits + more((read * headroom).max(2.0 * passes))
                }
                Gate::Quadratic { pools, guard, .. } => {
                    let written = self.expected[index]?;
                    let area = pools.iter().map(|pool| pool.area() as f64).product::<f64>();
                    let square = f64::from(self.format.activation_bits).exp2() * wire.read;
                    let passes = guard.map_or(1.0, |guard| guard.limit() as f64 / (square * square));
                    let headroom = if wire.is_guarded { SQUARE_HEADROOM * passes } else { HEADROOM };
                    bits + self.format.activation_bits + more(written * area * headroom)
                }
                Gate::Add { kept: number, .. } => {
                    wire = wire.with(kept[*number]);
                    wire.read = self.expected[index]?;
                    let headroom = if wire.is_guarded && wire.excess == 1.0 { usual } else { wire.headroom };
                    bits + more(wire.read * headroom)
                }
                Gate::Concat { kept: number, .. } => {
                    wire = wire.with(kept[*number]);
                    0
                }
                Gate::Keep { .. } => {
                    kept.push(wire);
                    0
                }
                Gate::Recall { kept: number, .. } => {
                    wire = kept[*number];
                    0
                }
                // Of a wire that is smaller than the knots these are more.
                Gate::Spread { .. } => bits + more(self.expected[index]? + wire.read * wire.headroom),
                Gate::Relu { .. } => bits + more(self.expected[index]? * usual) - self.format.weight_bits,
                Gate::Sum(_) | Gate::Max { .. } | Gate::Truncate { .. } | Gate::Output { .. } => 0,
            };
            let of = &mut needed[usize::from(matches!(gate, Gate::Quadratic { .. }))];
            *of = here.max(*of);
            if gate.guard().is_some() {
                (wire.is_guarded, wire.excess) = (true, 1.0);
            }
            if matches!(self.before(index, 1), Some(Gate::Spread { is_bounded: true, .. })) {
                (wire.is_guarded, wire.excess) = (true, 1.0);
            }
        }
        // One bit for the sign, one for the offset of truncation.
        let [wires, squares] = needed.map(|needed| Ring::new((needed + 2).div_ceil(8).max(2)).ok());
        Some([wires?, squares?])
    }

    fn before(&self, index: usize, gates: usize) -> Option<&Gate> {
        index.checked_sub(gates).and_then(|at| self.gates.get(at))
    }

    /// The most that the guard of a function's pieces lets pass, at the product that puts them together; 0 at others.
    fn passed_by_pieces(&self, index: usize) -> f64 {
        let pieces = self.before(index, 1).and_then(Gate::guard);
        match (self.before(index, 2), pieces) {
            (Some(Gate::Spread { .. }), Some(guard)) => {
                let unit = f64::from(self.format.activation_bits).exp2();
                guard.limit() as f64 / unit / self.divisors[index] * self.scales[index]
            }
            _ => 0.0,
        }
    }
}
