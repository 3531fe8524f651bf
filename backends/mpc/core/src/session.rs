//! A session between a data owner and a model owner, one state machine for each, whichever [`Protocol`] they follow; and the
//! [`Dealer`] of those protocols that have one ([`Dealing`]).
//!
//! The order is that of [the example](crate#a-session): seeds and masked parameters once; for every batch the messages that each party
//! [awaits](ModelOwnerBatch::awaits) before the images are there; then the [`Online`] phase, which the data owner begins. Batches of all
//! roles come in one order and are of the same sizes; work on different batches may run on different threads. A batch may come in windows
//! of gates, so that nobody holds all of its randomness: the first before the images, the others where a [`cost::GateWindow`] says.
//!
//! What a protocol has of its own is what the owners prepare and send each other ahead of the images (`Preparation`), what is computed
//! between messages (`Evaluation`), in which order messages follow each other ([`Protocol::transfers`]: a party may send several in a row), and, where a
//! dealer is part of it, what that deals for a gate ([`Dealing`]); seeds, headers, shares, keys, guards and the lengths of messages are here.
//! Randomness that is corrected or has keys comes from a [`Peer::Dealer`], and [`setup`](cost::Cost::setup) counts a dealer's two seeds, whichever protocol.

pub(crate) mod checks;
pub mod cost;
mod data_owner;
pub(crate) mod dealer;
#[cfg(test)]
mod gate_windows;
pub(crate) mod message;
mod model_owner;
pub(crate) mod online;
pub(crate) mod preparation;
pub(crate) mod randomness;
#[cfg(test)]
mod reuse;
pub(crate) mod schedule;
pub(crate) mod sizes;
pub(crate) mod truncation;
#[cfg(test)]
mod without_dealer;

pub use data_owner::{DataOwner, DataOwnerBatch, Reservation};
pub use dealer::{Corrections, Dealer, DealerBatch, Dealing};
pub use model_owner::{ModelOwner, ModelOwnerBatch, ModelOwnerReservation};
pub use online::{Online, Step, Watch};
pub use randomness::setup_seed::{HEADER_BYTES, SetupSeed, SetupSeeds};

use crate::circuit::Circuit;
use online::Evaluation;
use schedule::Transfer;
use sizes::Sizes;

/// A protocol between a data owner and a model owner: [`Masked`](crate::masked::Masked) or [`Beaver`](crate::beaver::Beaver), both of
/// which have a dealer.
pub trait Protocol: Evaluation {
    /// Randomness that the gate of an index takes for so many images.
    fn sizes(gate: usize, circuit: &Circuit, images: usize) -> Sizes;

    /// What the parties send each other online for so many images.
    fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer>;
}

/// A role, as the one that a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It deals randomness.
    Dealer,
    /// It has the images.
    DataOwner,
    /// It has the weights.
    ModelOwner,
}
