//! A whole network between two parties, in three phases: gates in their order, messages over a [`Channel`].
//!
//! Wires are additive shares modulo `2^L`, a bit more than the circuit's ring has, so that sums of guards keep a sign. The data owner begins with its
//! images as its shares and zeros at the model owner. Of every gate:
//!
//! | gate | offline | online |
//! |---|---|---|
//! | linear | masks encrypted, masked products back ([`crate::linear`]) | inputs less masks, to the model owner |
//! | ReLU | transfers extended ([`veilbench_ot::relu`]) | shares truncated by each party, comparison, lift, multiplexer |
//! | maximum | the same | `b + max(a - b, 0)` |
//! | guard | the same | signs of sums of groups, of all guards side by side, before the logits |
//! | truncation | a transfer extended | lift (`src/truncation.rs`) |
//! | sums, joins | | local |
//! | logits | | the model owner's shares, truncated, to the data owner; with them its bits of all guards |
//!
//! # Views
//! Those of the building blocks. Of what they give out, the data owner opens two things, both with the last message:
//! - *Logits*: shares of both parties are truncated, and the data owner knows its own before. So it learns `y` rounded at a threshold that it knows, and that is fresh and uniform
//!   within a unit in every run: many runs on one image tell more bits of `y` than one does, up to all.
//! - *Guards*: of each group of activations, whether its sum is below a threshold that the data owner knows: `2^k` and the lower k bits of its own share, so uniform
//!   from `2^k` to `2^(k + 1)` and fresh in every run. One run says on which side a hidden sum is, one bit; many runs on an image whose sum is between the two
//!   tell where it is. Sums below `2^k` are always accepted, from `2^(k + 1)` on always refused.
//!
//! The model owner opens nothing. Masks, keys and transfers are consumed by value and belong to one batch; after an error they are gone. Refusing images follows the
//! last message, and sends none.

mod cost;
mod data_owner;
mod material;
mod model_owner;
mod noise;
mod plan;

pub use cost::setup_bytes;
pub use data_owner::{DataOwner, DataOwnerMaterial};
pub use model_owner::{ModelOwner, ModelOwnerMaterial};
pub use plan::Plan;

use veilbench_ot::relu::{Party, Shares, Turn};

use crate::Error;

/// A way to the other party. Messages have lengths that both know beforehand.
pub trait Channel {
    /// What a session fails with.
    type Error: From<Error>;

    /// Sends a message.
    ///
    /// # Errors
    /// If the other party is gone.
    fn send(&mut self, message: &[u8]) -> Result<(), Self::Error>;

    /// Waits for a message of so many bytes.
    ///
    /// # Errors
    /// If the other party is gone, or sends another length.
    fn receive(&mut self, bytes: usize) -> Result<Vec<u8>, Self::Error>;
}

/// Runs parties of comparisons side by side to their ends: the messages of all of them in one. Returns the shares of each.
fn converse<C: Channel>(parties: Vec<Party>, channel: &mut C) -> Result<Vec<Shares>, C::Error> {
    let mut shares: Vec<Option<Shares>> = parties.iter().map(|_| None).collect();
    let mut waiting: Vec<(usize, Party)> = parties.into_iter().enumerate().collect();
    while !waiting.is_empty() {
        let expected = waiting.iter().map(|(_, party)| party.expects().1).sum();
        let message = channel.receive(expected)?;
        let (mut rest, mut answer) = (&message[..], Vec::new());
        for (number, party) in std::mem::take(&mut waiting) {
            let (what, actual) = ("messages of comparisons", message.len());
            let parts = rest.split_at_checked(party.expects().1);
            let (of_party, others) = parts.ok_or(Error::Length { what, expected, actual })?;
            rest = others;
            match party.receive(of_party).map_err(Error::from)? {
                Turn::Send(next, message) => {
                    answer.extend(message);
                    waiting.push((number, next));
                }
                Turn::Last(result, message) => {
                    answer.extend(message);
                    shares[number] = Some(result);
                }
                Turn::Done(result) => shares[number] = Some(result),
            }
        }
        if !answer.is_empty() {
            channel.send(&answer)?;
        }
    }
    Ok(shares.into_iter().flatten().collect())
}
