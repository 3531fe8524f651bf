//! Signs and ReLUs of numbers that two parties share: a state machine for each, messages as bytes.
//!
//! Numbers `t = t0 + t1 mod 2^n` of both parties give shares of the sign, or of `max(t, 0)` modulo `2^m`. The *chooser* looks up digits
//! of its share in tables that the *offerer* makes of its own; a chooser that knows its share early can send its choices early.
//!
//! - *Sign*: `msb(t) = msb(t0) + msb(t1) + carry`, and there is a carry out of the low `n - 1` bits if `~t0 < t1` there
//!   (`src/shares/comparison.rs`).
//! - *Lift* from `n` to `m > n` bits: where `t >= 0`, `t = t0 + t1 - 2^n (msb(t0) or msb(t1))` in the integers, because a sum of shares that
//!   wraps has at least one upper bit, and one that does not has none; with `a or b = a + b - a b` one correlated transfer of `m - n` bits
//!   gives shares of it. Where `t < 0` the result is zero anyway.
//! - *Multiplexer* of the lifted number by the bit `t >= 0` ([`crate::multiplexer`]).
//!
//! Both parties send all they can and then wait, so messages alternate, beginning with the chooser's choices (message 0). The tree over
//! `q` digits has `ceil(log2 q)` levels: with them, ReLUs take that and four messages, signs two. [`Layout::message_bytes`] has every length.
//!
//! # Views
//! Message 0: digits and the upper bit under random choices. Message 1: entries of tables, and the offerer's upper bit, under keys of which the chooser has those for
//! its digits only, and there under the offerer's share. Then factors under triples ([`crate::gates`]), bits and numbers of the multiplexer
//! ([`crate::multiplexer`]). Every mask is a key or a choice of one extended transfer, and serves once.

mod layout;
mod party;
mod preparation;

use zeroize::Zeroizing;

pub use layout::{Layout, Output};
pub use party::Party;
pub use preparation::{Requested, answer, request};

use crate::Error;
use crate::error::expect_count;
use crate::extension::correlation::{ReceiverRows, SenderRows};
use crate::shares::gates::Triple;
use crate::shares::multiplexer::Multiplexer;
use crate::transfers::correlated::{Receiver, Sender};
use crate::transfers::lookup::{IndexKeys, TableKeys};

/// Shares of all results: a number modulo `2^m` each, or a bit each, 64 to a word.
pub type Shares = Zeroizing<Vec<u64>>;

/// What a party does next.
#[expect(clippy::large_enum_variant, reason = "there is one per message")]
pub enum Turn {
    /// Sends this message and waits for one.
    Send(Party, Vec<u8>),
    /// Sends this message and has its shares.
    Last(Shares, Vec<u8>),
    /// Has its shares.
    Done(Shares),
}

/// Keys of the products and of the multiplexer, at either party.
struct Keys {
    triples: Vec<Triple>,
    multiplexer: Option<Multiplexer>,
}

impl Keys {
    /// `sent` and `received` begin with the transfers of triples and end with those of the multiplexer.
    fn new(layout: &Layout, sent: SenderRows, received: ReceiverRows) -> Result<Self, Error> {
        let (mut sent, mut received) = (sent, received);
        let gates = layout.gates();
        let (sent_numbers, received_numbers) = (sent.split_off(gates)?, received.split_off(gates)?);
        let triples = Triple::from_transfers(layout.lanes(), sent, received)?;
        let multiplexer = match layout.output() {
            Output::Signs => None,
            Output::Relu { bits } => {
                let (sent, received) = (Sender::new(sent_numbers)?, Receiver::new(received_numbers)?);
                Some(Multiplexer::new(bits, sent, received)?)
            }
        };
        Ok(Self { triples, multiplexer })
    }
}

/// The party that offers tables, with all keys it needs.
pub struct Offerer {
    layout: Layout,
    tables: TableKeys,
    lift: Option<Sender>,
    keys: Keys,
}

impl Offerer {
    /// Hashes extended transfers: [`Layout::lookups`] 1-of-16 and [`Layout::offered`] 1-of-2 as sender, [`Layout::returned`] as receiver.
    ///
    /// # Errors
    /// [`Error::Count`] for others.
    pub fn new(
        layout: Layout,
        lookups: SenderRows,
        offered: SenderRows,
        returned: ReceiverRows,
    ) -> Result<Self, Error> {
        layout.expect(lookups.len(), offered.len(), returned.len())?;
        let (mut offered, from) = (offered, layout.offered() - layout.lifts());
        let lift = Sender::new(offered.split_off(from)?)?;
        let lift = (layout.lifts() > 0).then_some(lift);
        let keys = Keys::new(&layout, offered, returned)?;
        Ok(Self { layout, tables: TableKeys::new(lookups)?, lift, keys })
    }

    /// Waits for message 0 with these shares, modulo `2^n`.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them.
    pub fn start(self, shares: &[u64]) -> Result<Party, Error> {
        expect_count("shares", self.layout.lanes(), shares.len())?;
        Ok(Party::offering(self, shares))
    }
}

/// The party that chooses entries of tables, with all keys it needs.
pub struct Chooser {
    layout: Layout,
    indices: IndexKeys,
    lift: Option<Receiver>,
    keys: Keys,
}

impl Chooser {
    /// Hashes extended transfers: [`Layout::lookups`] 1-of-16 and [`Layout::offered`] 1-of-2 as receiver, [`Layout::returned`] as sender.
    ///
    /// # Errors
    /// [`Error::Count`] for others.
    pub fn new(
        layout: Layout,
        lookups: ReceiverRows,
        offered: ReceiverRows,
        returned: SenderRows,
    ) -> Result<Self, Error> {
        layout.expect(lookups.len(), offered.len(), returned.len())?;
        let (mut offered, from) = (offered, layout.offered() - layout.lifts());
        let lift = Receiver::new(offered.split_off(from)?)?;
        let lift = (layout.lifts() > 0).then_some(lift);
        let keys = Keys::new(&layout, returned, offered)?;
        Ok(Self { layout, indices: IndexKeys::new(lookups)?, lift, keys })
    }

    /// Chooses by these shares, modulo `2^n`. Returns message 0.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them.
    pub fn start(self, shares: &[u64]) -> Result<(Party, Vec<u8>), Error> {
        expect_count("shares", self.layout.lanes(), shares.len())?;
        Ok(Party::choosing(self, shares))
    }
}

/// Drops the low `bits` bits of a share modulo `2^ring_bits`, without a message: both shares together are `floor(y / 2^bits)` or one less,
/// modulo `2^(ring_bits - bits)`. One of the parties may add `2^(bits - 1)` before, which halves the mean error of one unit.
pub fn truncate(ring_bits: u32, bits: u32, share: u64) -> u64 {
    (share & crate::bits::low(ring_bits)).checked_shr(bits).unwrap_or(0)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod views;
