//! How much randomness each gate takes, and how long every message of the online phase is, from public data alone.

use super::Masked;
use super::comparison::Layout;
use super::selection::SELECTION_WORDS;
use crate::circuit::pool::pairs;
use crate::circuit::{Circuit, Gate, SignProtocol, Width};
use crate::ring::{Ring, packed};
use crate::session::Protocol;
use crate::session::randomness::masks::Role;
use crate::session::schedule::{Transfer, last_message};
use crate::session::sizes::Sizes;

/// With `K` the truncation's offset: `K`, `K^2`, `alpha K`, `alpha K^2 + beta K`, each for both values of `K`.
pub(super) const QUADRATIC_WORDS: usize = 8;

/// Whether signs are opened under masks; otherwise what is selected by them comes without a message.
pub(super) fn opens_signs(circuit: &Circuit) -> bool {
    circuit.format.signs == SignProtocol::Tree || circuit.format.width == Width::Bits
}

impl Protocol for Masked {
    fn sizes(index: usize, circuit: &Circuit, images: usize) -> Sizes {
        let gate = &circuit.gates[index];
        let (inputs, outputs) = (images * gate.inputs(), images * gate.outputs());
        let sums = images * gate.guard().map_or(0, |guard| guard.groups());
        let compare = |compared: usize| match (circuit.format.signs, circuit.format.width) {
            (SignProtocol::Tree, _) => {
                Sizes { compared, bits: Layout::new(circuit, index, compared).words(), ..Sizes::default() }
            }
            (SignProtocol::Function, Width::Bytes) => Sizes { compared, keys: compared, ..Sizes::default() },
            (SignProtocol::Function, Width::Bits) => {
                Sizes { compared, keys: compared, bits: compared.div_ceil(64), ..Sizes::default() }
            }
        };
        match gate {
            Gate::Linear { .. }
            | Gate::Sum(_)
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. } => Sizes::default(),
            Gate::Max { slots, .. } => {
                let pairs = images * pairs(slots);
                Sizes { values: (SELECTION_WORDS + 1) * pairs, opening: pairs, ..compare(pairs) }
            }
            Gate::Relu { .. } => Sizes {
                values: SELECTION_WORDS * inputs + sums,
                opening: sums,
                held: outputs,
                ..compare(inputs)
            },
            Gate::Quadratic { .. } => Sizes {
                values: QUADRATIC_WORDS * inputs + 2 * outputs + sums,
                opening: outputs + sums,
                held: outputs,
                ..Sizes::default()
            },
            Gate::Truncate { .. } => Sizes { values: 2 * inputs, held: outputs, ..Sizes::default() },
            Gate::Output { open, .. } => Sizes { values: if *open { inputs } else { 0 }, ..Sizes::default() },
        }
    }

    fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer> {
        let elements = |ring: Ring, count: usize| ring.packed(images * count);
        let mut transfers = vec![Transfer::ToModelOwner(elements(circuit.ring_of(0), circuit.inputs))];
        for (index, gate) in circuit.gates.iter().enumerate() {
            transfers.push(Transfer::Gate(index));
            let Sizes { compared, .. } = Self::sizes(index, circuit, images);
            let plane = compared.div_ceil(8);
            if compared > 0 && circuit.format.signs == SignProtocol::Tree {
                transfers.push(Transfer::Both(Layout::new(circuit, index, compared).planes() * plane));
            }
            if compared > 0 && opens_signs(circuit) {
                if circuit.format.signs == SignProtocol::Function {
                    transfers.push(Transfer::Ahead(Role::ModelOwner));
                }
                transfers.push(Transfer::Both(plane));
            }
            let outputs = elements(circuit.ring_behind(index), gate.outputs());
            let guard = gate.guard().map_or(0, |guard| guard.groups());
            let sums = elements(circuit.ring_of_shares(index), guard);
            match gate {
                Gate::Linear { .. } | Gate::Add { .. } if circuit.is_merged(index) => {}
                Gate::Linear { .. } | Gate::Add { .. } => {
                    let bits = circuit.ring_of(index).bits() - circuit.dropped(index);
                    transfers.push(Transfer::ToDataOwner(packed(bits, images * gate.outputs())));
                }
                Gate::Output { .. } => transfers.push(Transfer::ToDataOwner(last_message(circuit, images))),
                Gate::Sum(_)
                | Gate::Spread { .. }
                | Gate::Keep { .. }
                | Gate::Recall { .. }
                | Gate::Concat { .. } => {}
                Gate::Max { .. } if compared == 0 => {}
                Gate::Max { .. } => transfers.push(Transfer::Both(circuit.ring_of(index).packed(compared))),
                Gate::Quadratic { .. } => {
                    let opened = elements(circuit.ring_of_shares(index), gate.outputs());
                    match circuit.format.width {
                        Width::Bytes => transfers.push(Transfer::Both(opened)),
                        Width::Bits => {
                            let wraps = (images * gate.outputs()).div_ceil(8);
                            let one_way = [Transfer::ToDataOwner(opened), Transfer::ToModelOwner(wraps)];
                            transfers.extend(one_way);
                        }
                    }
                    transfers.push(Transfer::ToModelOwner(outputs + sums));
                }
                Gate::Relu { .. } | Gate::Truncate { .. } => {
                    transfers.push(Transfer::ToModelOwner(outputs + sums));
                }
            }
        }
        transfers
    }
}
