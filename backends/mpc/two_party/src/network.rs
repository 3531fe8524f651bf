//! A whole network between two parties, in three phases: gates in their order, messages over a [`Channel`].
//!
//! Wires are additive shares modulo `2^L`, for every layer a bit more than its ring in the circuit has, so that sums of guards keep a sign. The data owner begins with its
//! images as its shares and zeros at the model owner. Of every gate:
//!
//! | gate | offline | online |
//! |---|---|---|
//! | linear | masks encrypted, masked products back ([`crate::linear`]) | inputs less masks, to the model owner |
//! | ReLU | transfers extended ([`veilbench_ot::relu`]) | shares truncated by each party, comparison, lift into the next layer's ring, multiplexer |
//! | maximum | the same | `b + max(a - b, 0)` |
//! | polynomial | products of masks (`src/quadratic.rs`) | shares truncated and lifted into a wider ring, opened under masks, truncated back |
//! | truncation | a transfer extended | lift (`src/truncation.rs`) |
//! | sums, joins | | local |
//! | guard | transfers extended ([`veilbench_ot::equality`]) | with the logits: the data owner's choices in front of them, sums of keys behind them |
//! | logits | | the model owner's shares, truncated, to the data owner |
//!
//! The data owner's share of what a linear layer writes is known offline. So are its choices in the comparisons and lifts behind it, which it sends there and then
//! (`src/network/settled.rs`); only where other shares are joined in do they follow online.
//!
//! Wires have `L` bits, polynomials' values and squares `W`: those of the circuit's ring, up to 64. The model owner proves that the former leave a bit of their shares and the latter
//! what truncation takes ([`Plan::analyse`]).
//!
//! # Views
//! Those of the building blocks. Choices that are sent early are under the same random ones, and follow from shares that depend on masks alone, not on images. Of what they give out, the data owner opens two things, both with the last message:
//! - *Logits*, also of an image that a guard refuses, modulo the ring, since both are in one message: shares of both parties are truncated, and the data owner knows its own before. So it learns `y` rounded at a threshold that it knows, and that is fresh and uniform
//!   within a unit in every run: many runs on one image tell more bits of `y` than one does, up to all.
//! - *Guards*: of each group of activations, whether its sum is below a threshold that the data owner knows: `2^k` and the lower k bits of its own share, so uniform
//!   from `2^k` to `2^(k + 1)` and fresh in every run. One run says on which side a hidden sum is, one bit; many runs on an image whose sum is between the two
//!   tell where it is. Sums below `2^k` are always accepted, from `2^(k + 1)` on always refused.
//!
//! The model owner opens nothing. Masks, keys and transfers are consumed by value and belong to one batch; after an error, also while a batch runs, they are gone and so is the session. Refusing images follows the
//! last message, and sends none.

mod cost;
mod data_owner;
mod guards;
mod material;
mod memory;
mod model_owner;
mod noise;
mod plan;
mod settled;

pub use data_owner::{DataOwner, DataOwnerMaterial};
pub use memory::Memory;
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

/// Goes on with a comparison to its end. Returns this party's shares.
fn converse<C: Channel>(turn: Turn, channel: &mut C) -> Result<Shares, C::Error> {
    let party = match turn {
        Turn::Send(party, message) => {
            channel.send(&message)?;
            party
        }
        Turn::Last(shares, message) => {
            channel.send(&message)?;
            return Ok(shares);
        }
        Turn::Done(shares) => return Ok(shares),
    };
    listen(party, channel)
}

/// Goes on with a comparison that waits for a message.
fn listen<C: Channel>(party: Party, channel: &mut C) -> Result<Shares, C::Error> {
    let message = channel.receive(party.expects().1)?;
    converse(party.receive(&message).map_err(Error::from)?, channel)
}

/// Takes the next part of a message.
fn part<'a>(what: &'static str, rest: &mut &'a [u8], bytes: usize) -> Result<&'a [u8], Error> {
    let actual = rest.len();
    let (part, others) =
        rest.split_at_checked(bytes).ok_or(Error::Length { what, expected: bytes, actual })?;
    *rest = others;
    Ok(part)
}
