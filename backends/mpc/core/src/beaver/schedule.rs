//! What the parties send each other for a batch, from public data alone.

use super::comparison::Layout;
use super::sizes::sizes;
use crate::circuit::{Circuit, Gate};
use crate::masked::schedule::{Transfer, last_message};

pub(super) fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer> {
    let elements = |count: usize| images * count * circuit.ring().bytes();
    let mut transfers = vec![Transfer::ToModelOwner(elements(circuit.inputs))];
    // Sums for a guard go with the data owner's next message.
    let mut waiting = 0;
    let mut both = |bytes: usize, sums: usize| match std::mem::replace(&mut waiting, sums) {
        0 => Transfer::Both(bytes),
        sums => Transfer::Uneven { to_model_owner: bytes + sums, to_data_owner: bytes },
    };
    for gate in &circuit.gates {
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
                let compared = sizes(gate, circuit, images).compared;
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
