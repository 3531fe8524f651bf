//! How long every message of the online phase is, from public data alone.

use super::randomness::masks::Role;
use crate::circuit::Circuit;
use crate::ring::packed;

/// Bytes one party or both send, in the order of the gates.
#[derive(Clone, Copy)]
pub enum Transfer {
    /// The gate of an index begins, and what follows is its.
    Gate(usize),
    ToModelOwner(usize),
    ToDataOwner(usize),
    Both(usize),
    /// What this party has written by now, if anything, leaves as a message of its own, which its next one follows.
    Ahead(Role),
    /// Both, but not as much.
    Uneven {
        to_model_owner: usize,
        to_data_owner: usize,
    },
}

#[derive(Clone, Copy)]
enum Step {
    Begin(usize),
    Send(usize),
    Receive,
    Ahead,
}

/// A message that a party receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) bytes: usize,
    /// Whether another one follows before its receiver sends anything.
    pub(crate) is_followed: bool,
}

/// Every message `role` receives, first to last.
pub(crate) fn incoming(transfers: &[Transfer], role: Role) -> Vec<Incoming> {
    let [data_owner, model_owner] = follow(transfers).incoming;
    match role {
        Role::DataOwner => data_owner,
        Role::ModelOwner => model_owner,
    }
}

/// For every message of the data owner's, of which several in a row are one, the number of gates that either party has begun by the time
/// that the data owner is about to send the next one, or has the logits.
pub(crate) fn begun(transfers: &[Transfer]) -> Vec<usize> {
    follow(transfers).begun.into_iter().skip(2).step_by(2).collect()
}

struct Followed {
    /// The messages that the data owner receives, and those that the model owner does.
    incoming: [Vec<Incoming>; 2],
    /// Gates that either party has begun by the end of each turn. The data owner's is the first and the last, and they alternate.
    begun: Vec<usize>,
}

/// Both parties are followed through their steps as they take them: each goes on until it needs what has not come, and what it
/// has written by then is one message, or more where some of it leaves ahead.
fn follow(transfers: &[Transfer]) -> Followed {
    let mut steps =
        [Role::DataOwner, Role::ModelOwner].map(|role| steps(transfers, role).into_iter().peekable());
    let mut lengths = [Vec::new(), Vec::new()];
    // Items of what was sent last.
    let mut sent = 0;
    let (mut gates, mut begun) = (0, Vec::new());
    for turn in (0..2).cycle() {
        let (mut items, mut written) = (sent, Vec::new());
        sent = 0;
        while let Some(step) = steps[turn].next_if(|step| items > 0 || !matches!(step, Step::Receive)) {
            match step {
                Step::Begin(index) => gates = gates.max(index + 1),
                Step::Send(bytes) => written.push(bytes),
                Step::Receive => items -= 1,
                Step::Ahead if items > 0 || written.is_empty() => {}
                Step::Ahead => {
                    sent += written.len();
                    let bytes = std::mem::take(&mut written).iter().sum();
                    lengths[1 - turn].push(Incoming { bytes, is_followed: true });
                }
            }
        }
        begun.push(gates);
        if written.is_empty() {
            break;
        }
        sent += written.len();
        lengths[1 - turn].push(Incoming { bytes: written.iter().sum(), is_followed: false });
    }
    Followed { incoming: lengths, begun }
}

fn steps(transfers: &[Transfer], role: Role) -> Vec<Step> {
    let of_transfer = |transfer: &Transfer| match (*transfer, role) {
        (Transfer::Gate(index), _) => [Some(Step::Begin(index)), None],
        (Transfer::Both(bytes), _)
        | (Transfer::Uneven { to_model_owner: bytes, .. }, Role::DataOwner)
        | (Transfer::Uneven { to_data_owner: bytes, .. }, Role::ModelOwner) => {
            [Some(Step::Send(bytes)), Some(Step::Receive)]
        }
        (Transfer::ToModelOwner(bytes), Role::DataOwner)
        | (Transfer::ToDataOwner(bytes), Role::ModelOwner) => [Some(Step::Send(bytes)), None],
        (Transfer::Ahead(sender), role) => [(sender == role).then_some(Step::Ahead), None],
        _ => [Some(Step::Receive), None],
    };
    transfers.iter().flat_map(of_transfer).flatten().collect()
}

/// Bytes of logits and of what guards say.
pub(crate) fn last_message(circuit: &Circuit, images: usize) -> usize {
    let bytes = |bits: u32, count: usize| packed(circuit.format.width.on_the_wire(bits), images * count);
    let guards = circuit.gates.iter().enumerate().filter_map(|(at, gate)| Some((at, gate.guard()?)));
    let sums =
        guards.map(|(at, guard)| bytes(circuit.ring_of_shares(at).bits() - guard.shift, guard.groups()));
    bytes(circuit.logit_bits(), circuit.outputs()) + sums.sum::<usize>()
}
