//! How much randomness each gate takes, and what the parties send each other for a batch, from public data alone.

use super::Beaver;
use super::comparison::Layout;
use crate::circuit::pool::pairs;
use crate::circuit::{Circuit, Gate};
use crate::session::Protocol;
use crate::session::schedule::{Transfer, last_message};
use crate::session::sizes::Sizes;

/// Dealt per value of a ReLU: both offsets of the truncation, the bit that masks the sign, the triple's product.
pub(super) const SELECTION_VALUES: usize = 4;
/// Opened per value of a ReLU: the mask of the value, and of both factors of the selection.
pub(super) const SELECTION_OPENINGS: usize = 3;

impl Protocol for Beaver {
    fn sizes(gate: usize, circuit: &Circuit, images: usize) -> Sizes {
        let gate = &circuit.gates[gate];
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

    fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer> {
        let elements = |count: usize| images * count * circuit.ring().bytes();
        let mut transfers = vec![Transfer::ToModelOwner(elements(circuit.inputs))];
        // Sums for a guard go with the data owner's next message.
        let mut waiting = 0;
        let mut both = |bytes: usize, sums: usize| match std::mem::replace(&mut waiting, sums) {
            0 => Transfer::Both(bytes),
            sums => Transfer::Uneven { to_model_owner: bytes + sums, to_data_owner: bytes },
        };
        for (index, gate) in circuit.gates.iter().enumerate() {
            transfers.push(Transfer::Gate(index));
            let sums = elements(gate.guard().map_or(0, |guard| guard.groups()));
            let inputs = elements(gate.inputs());
            match gate {
                Gate::Sum(_)
                | Gate::Spread { .. }
                | Gate::Keep { .. }
                | Gate::Recall { .. }
                | Gate::Add { .. }
                | Gate::Concat { .. } => {}
                Gate::Linear { .. } | Gate::Truncate { .. } => transfers.push(both(inputs, 0)),
                Gate::Quadratic { .. } => {
                    let given = [both(inputs, 0), both(inputs, 0), both(inputs, sums)];
                    transfers.extend(given);
                    transfers.push(both(elements(gate.outputs()), 0));
                }
                Gate::Relu { .. } | Gate::Max { .. } => {
                    let compared = Self::sizes(index, circuit, images).compared;
                    if compared > 0 {
                        let (masked, plane) = (compared * circuit.ring().bytes(), compared.div_ceil(8));
                        let levels = Layout::new(circuit.ring(), compared).planes();
                        transfers.push(both(masked, 0));
                        transfers.extend(levels.map(|planes| Transfer::Both(planes * plane)));
                        transfers.push(Transfer::Both(plane));
                        transfers.push(both(2 * masked, sums));
                    }
                }
                Gate::Output { .. } => transfers.push(Transfer::ToDataOwner(last_message(circuit, images))),
            }
        }
        transfers
    }
}
