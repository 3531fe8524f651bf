//! How long every message of the online phase is, from public data alone.

use super::comparison::Layout;
use super::gates::Sizes;
use super::masks::Role;
use crate::circuit::{Circuit, Gate, SignProtocol};

/// Bytes one party or both send, in the order of the gates.
#[derive(Clone, Copy)]
pub(crate) enum Transfer {
    ToModelOwner(usize),
    ToDataOwner(usize),
    Both(usize),
    /// Both, but not as much.
    Uneven {
        to_model_owner: usize,
        to_data_owner: usize,
    },
}

#[derive(Clone, Copy)]
enum Step {
    Send(usize),
    Receive,
}

/// Bytes of every message `role` receives, first to last.
///
/// Both parties are followed through their steps as they take them: each goes on until it needs what has not come, and what it
/// has written by then is one message.
pub(crate) fn incoming(transfers: &[Transfer], role: Role) -> Vec<usize> {
    let mut steps =
        [Role::DataOwner, Role::ModelOwner].map(|role| steps(transfers, role).into_iter().peekable());
    let mut lengths = [Vec::new(), Vec::new()];
    let mut message = Vec::new();
    for turn in (0..2).cycle() {
        let (mut items, mut answer) = (message.len(), Vec::new());
        while let Some(step) = steps[turn].next_if(|step| items > 0 || matches!(step, Step::Send(_))) {
            match step {
                Step::Send(bytes) => answer.push(bytes),
                Step::Receive => items -= 1,
            }
        }
        if answer.is_empty() {
            break;
        }
        lengths[1 - turn].push(answer.iter().sum());
        message = answer;
    }
    let [data_owner, model_owner] = lengths;
    match role {
        Role::DataOwner => data_owner,
        Role::ModelOwner => model_owner,
    }
}

fn steps(transfers: &[Transfer], role: Role) -> Vec<Step> {
    let of_transfer = |transfer: &Transfer| match (*transfer, role) {
        (Transfer::Both(bytes), _)
        | (Transfer::Uneven { to_model_owner: bytes, .. }, Role::DataOwner)
        | (Transfer::Uneven { to_data_owner: bytes, .. }, Role::ModelOwner) => {
            [Some(Step::Send(bytes)), Some(Step::Receive)]
        }
        (Transfer::ToModelOwner(bytes), Role::DataOwner)
        | (Transfer::ToDataOwner(bytes), Role::ModelOwner) => [Some(Step::Send(bytes)), None],
        _ => [Some(Step::Receive), None],
    };
    transfers.iter().flat_map(of_transfer).flatten().collect()
}

/// What the parties send each other for a batch.
pub(crate) fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer> {
    let elements = |count: usize| images * count * circuit.ring().bytes();
    let mut transfers = vec![Transfer::ToModelOwner(elements(circuit.inputs))];
    for (index, gate) in circuit.gates.iter().enumerate() {
        let Sizes { compared, .. } = Sizes::of(gate, circuit, images);
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

/// Bytes of logits and of what guards say.
pub(crate) fn last_message(circuit: &Circuit, images: usize) -> usize {
    let narrow = |bits: u32| bits.div_ceil(8) as usize;
    let guards = circuit.gates.iter().filter_map(Gate::guard);
    let sums = guards.map(|guard| guard.groups() * narrow(circuit.ring().bits() - guard.shift));
    images * (circuit.outputs() * narrow(circuit.logit_bits()) + sums.sum::<usize>())
}
