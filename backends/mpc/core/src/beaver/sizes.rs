//! How much randomness a gate takes.

use super::comparison::Layout;
use super::schedule::transfers;
use crate::circuit::{Circuit, Gate};
use crate::cost::Cost;
use crate::masked::gates::{Sizes, pairs};

/// Words one gate takes for a batch.
pub(super) fn sizes(gate: &Gate, circuit: &Circuit, images: usize) -> Sizes {
    let (inputs, outputs) = (images * gate.inputs(), images * gate.outputs());
    let sums = images * gate.guard().map_or(0, |guard| guard.groups());
    let compare = |compared| Sizes {
        compared,
        bits: Layout::new(circuit.ring(), compared).words(),
        values: SELECTION_VALUES * compared,
        opening: SELECTION_OPENINGS * compared,
        ..Sizes::default()
    };
    match gate {
        Gate::Linear { .. } => Sizes { values: outputs, opening: inputs, ..Sizes::default() },
        Gate::Sum(_)
        | Gate::Spread { .. }
        | Gate::Keep { .. }
        | Gate::Recall { .. }
        | Gate::Add { .. }
        | Gate::Concat { .. }
        | Gate::Output { .. } => Sizes::default(),
        Gate::Max { slots, .. } => compare(images * pairs(slots)),
        Gate::Relu { .. } => {
            let compared = compare(inputs);
            Sizes { values: compared.values + sums, opening: compared.opening + sums, ..compared }
        }
        Gate::Quadratic { .. } => {
            let (values, opening) = (5 * inputs + 2 * outputs + sums, 3 * inputs + outputs + sums);
            Sizes { values, opening, ..Sizes::default() }
        }
        Gate::Truncate { .. } => Sizes { values: 2 * inputs, opening: inputs, ..Sizes::default() },
    }
}

/// Of a ReLU, a value: both offsets of the truncation, the bit that masks the sign, the triple's product.
pub(super) const SELECTION_VALUES: usize = 4;
/// Of a ReLU, a value: the mask of the value, and of both factors of the selection.
pub(super) const SELECTION_OPENINGS: usize = 3;

/// What the circuit costs.
pub fn cost(circuit: &Circuit) -> Cost<'_> {
    Cost { circuit, sizes, transfers, products_ahead: false }
}

/// Bytes of randomness that one image takes in a party's memory.
pub fn randomness_bytes(circuit: &Circuit) -> usize {
    let words = |gate: &Gate| {
        let sizes = sizes(gate, circuit, 1);
        sizes.bits + sizes.values + sizes.opening
    };
    8 * (circuit.inputs + circuit.gates.iter().map(words).sum::<usize>())
}
