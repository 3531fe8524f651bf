//! How long every message of the online phase is, from public data alone.

use super::randomness::masks::Role;
use crate::circuit::{Circuit, Gate};

/// Bytes one party or both send, in the order of the gates.
#[derive(Clone, Copy)]
pub enum Transfer {
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

/// Bytes of logits and of what guards say.
pub(crate) fn last_message(circuit: &Circuit, images: usize) -> usize {
    let narrow = |bits: u32| bits.div_ceil(8) as usize;
    let guards = circuit.gates.iter().filter_map(Gate::guard);
    let sums = guards.map(|guard| guard.groups() * narrow(circuit.ring().bits() - guard.shift));
    images * (circuit.outputs() * narrow(circuit.logit_bits()) + sums.sum::<usize>())
}
