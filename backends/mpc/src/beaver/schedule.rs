//! What the parties send each other for a batch, from public data alone.

use super::comparison::Layout;
use super::sizes::sizes;
use crate::circuit::{Circuit, Gate};
use crate::masked::schedule::Transfer;

pub(super) fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer> {
    let elements = |count: usize| images * count * circuit.ring().bytes();
    let mut transfers = vec![Transfer::ToModelOwner(elements(circuit.inputs))];
    for gate in &circuit.gates {
        let inputs = Transfer::Both(elements(gate.inputs()));
        match gate {
            Gate::Sum(_) => {}
            Gate::Linear { .. } | Gate::Truncate { .. } => transfers.push(inputs),
            Gate::Quadratic { .. } => {
                transfers.extend([inputs, inputs, inputs, Transfer::Both(elements(gate.outputs()))]);
            }
            Gate::Relu { .. } | Gate::Max { .. } => {
                let compared = sizes(gate, circuit, images).compared;
                if compared > 0 {
                    let (masked, plane) = (compared * circuit.ring().bytes(), compared.div_ceil(8));
                    let levels = Layout::new(circuit.ring(), compared).planes();
                    transfers.push(Transfer::Both(masked));
                    transfers.extend(levels.map(|planes| Transfer::Both(planes * plane)));
                    transfers.extend([Transfer::Both(plane), Transfer::Both(2 * masked)]);
                }
            }
            Gate::Output { .. } => transfers.push(Transfer::ToDataOwner(elements(gate.outputs()))),
        }
    }
    transfers
}
