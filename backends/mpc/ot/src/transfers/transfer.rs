//! Chosen 1-of-2 transfers of blocks of 16 bytes, from random ones that were prepared before choices and messages were known: Beaver,
//! "Precomputing Oblivious Transfer", CRYPTO 1995.
//!
//! The receiver sends its choice plus the random one; the sender exchanges its keys by that, and sends both messages under them.
//!
//! # Views
//! The sender sees choices under random choices. The receiver sees both messages, one of them under a key that it lacks.

use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use crate::Error;
use crate::bits::{Reader, Writer, bit};
use crate::error::{expect_count, expect_length};
use crate::transfers::keys::{ChosenKeys, KeyPairs};
use veilbench_ring::wiped::Wiped;

const BLOCK: usize = 16;

/// Bytes of the receiver's message.
pub fn choices_bytes(transfers: usize) -> usize {
    transfers.div_ceil(8)
}

/// Bytes of the sender's message.
pub fn messages_bytes(transfers: usize) -> usize {
    2 * BLOCK * transfers
}

/// Transfers whose messages are on their way.
pub struct Chosen {
    choices: Wiped<u8>,
    keys: ChosenKeys,
}

/// Chooses one message of each transfer, 0 or 1. Returns the message to the sender, of [`choices_bytes`].
///
/// # Errors
/// [`Error::Count`] for another number of choices.
pub fn choose(keys: ChosenKeys, choices: &[u8]) -> Result<(Chosen, Vec<u8>), Error> {
    expect_count("choices", keys.len(), choices.len())?;
    let mut message = Writer::new(keys.len());
    for (choice, random) in choices.iter().zip(keys.choices()) {
        message.push(u64::from(choice ^ random), 1);
    }
    Ok((Chosen { choices: choices.to_vec().into(), keys }, message.finish()))
}

/// Sends one of two messages each to the receiver that sent `choices`. Returns the message, of [`messages_bytes`].
///
/// # Errors
/// [`Error::Count`] for another number of messages, [`Error::Length`] for choices that are none.
#[expect(clippy::needless_pass_by_value, reason = "keys serve once")]
pub fn send(keys: KeyPairs, choices: &[u8], messages: &[[u128; 2]]) -> Result<Vec<u8>, Error> {
    expect_count("pairs of messages", keys.len(), messages.len())?;
    let flips = Reader::new("choices of transfers", keys.len(), choices)?.plane(keys.len());
    let mut bytes = Vec::with_capacity(messages_bytes(keys.len()));
    for (index, (pair, messages)) in keys.pairs().iter().zip(messages).enumerate() {
        let flip = Choice::from(bit(&flips, index) as u8);
        let kept = u128::conditional_select(&pair[0], &pair[1], flip);
        let other = u128::conditional_select(&pair[1], &pair[0], flip);
        bytes.extend_from_slice(&(kept ^ messages[0]).to_le_bytes());
        bytes.extend_from_slice(&(other ^ messages[1]).to_le_bytes());
    }
    Ok(bytes)
}

impl Chosen {
    /// The chosen messages.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none.
    pub fn receive(self, message: &[u8]) -> Result<Zeroizing<Vec<u128>>, Error> {
        expect_length("messages of transfers", messages_bytes(self.keys.len()), message)?;
        let both = message.as_chunks::<BLOCK>().0.as_chunks::<2>().0;
        let of_choice = self.choices.iter().zip(self.keys.keys()).zip(both).map(|((choice, key), both)| {
            let [first, second] = both.map(u128::from_le_bytes);
            key ^ u128::conditional_select(&first, &second, Choice::from(choice & 1))
        });
        Ok(Zeroizing::new(of_choice.collect()))
    }
}
