//! How much randomness each gate takes, and how long every message of the online phase is, from public data alone.

use super::Masked;
use super::comparison::Layout;
use super::selection::SELECTION_WORDS;
use crate::circuit::pool::pairs;
use crate::circuit::{Circuit, Gate, SignProtocol};
use crate::session::Protocol;
use crate::session::schedule::{Transfer, last_message};
use crate::session::sizes::Sizes;

/// With `K` the truncation's offset: `K`, `K^2`, `alpha K`, `alpha K^2 + beta K`, each for both values of `K`.
pub(super) const QUADRATIC_WORDS: usize = 8;

impl Protocol for Masked {
    fn sizes(gate: &Gate, circuit: &Circuit, images: usize) -> Sizes {
        let ring = circuit.ring();
        let (inputs, outputs) = (images * gate.inputs(), images * gate.outputs());
        let sums = images * gate.guard().map_or(0, |guard| guard.groups());
        let compare = |compared| match circuit.format.signs {
            SignProtocol::Tree => {
                Sizes { compared, bits: Layout::new(ring, compared).words(), ..Sizes::default() }
            }
            SignProtocol::Function => Sizes { compared, keys: compared, ..Sizes::default() },
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
        let elements = |count: usize| images * count * circuit.ring().bytes();
        let mut transfers = vec![Transfer::ToModelOwner(elements(circuit.inputs))];
        for (index, gate) in circuit.gates.iter().enumerate() {
            let Sizes { compared, .. } = Self::sizes(gate, circuit, images);
            if compared > 0 && circuit.format.signs == SignProtocol::Tree {
                let plane = compared.div_ceil(8);
                transfers.push(Transfer::Both(Layout::new(circuit.ring(), compared).planes() * plane));
                transfers.push(Transfer::Both(plane));
            }
            let outputs = elements(gate.outputs());
            let sums = elements(gate.guard().map_or(0, |guard| guard.groups()));
            match gate {
                Gate::Linear { .. } | Gate::Add { .. } if circuit.is_merged(index) => {}
                Gate::Linear { .. } | Gate::Add { .. } => transfers.push(Transfer::ToDataOwner(outputs)),
                Gate::Output { .. } => transfers.push(Transfer::ToDataOwner(last_message(circuit, images))),
                Gate::Sum(_)
                | Gate::Spread { .. }
                | Gate::Keep { .. }
                | Gate::Recall { .. }
                | Gate::Concat { .. } => {}
                Gate::Max { .. } if compared == 0 => {}
                Gate::Max { .. } => transfers.push(Transfer::Both(compared * circuit.ring().bytes())),
                Gate::Quadratic { .. } => {
                    transfers.extend([Transfer::Both(outputs), Transfer::ToModelOwner(outputs + sums)]);
                }
                Gate::Relu { .. } | Gate::Truncate { .. } => {
                    transfers.push(Transfer::ToModelOwner(outputs + sums));
                }
            }
        }
        transfers
    }
}
