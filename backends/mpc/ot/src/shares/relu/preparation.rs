//! Keys for signs or ReLUs from the extensions of a session: a message each way, which depends on no number of either party.
//!
//! At k = 8 a ReLU from 27 to 48 bits takes 7 * 26 + 8 * 15 bits from the chooser and 7 * 15 back.

use super::{Chooser, Layout, Offerer};
use crate::Error;
use crate::error::expect_length;
use crate::extension::correlation::ReceiverRows;
use crate::setup::{ChooserExtensions, OffererExtensions};

/// A chooser that waits for the offerer's corrections.
pub struct Requested {
    layout: Layout,
    lookups: ReceiverRows,
    offered: ReceiverRows,
    /// Number of the portion that the offerer answers with.
    portion: u64,
}

/// Begins at the chooser. Returns the message to the offerer.
pub fn request(extensions: &mut ChooserExtensions, layout: Layout) -> (Requested, Vec<u8>) {
    let (lookups, mut message) = extensions.lookups.extend(layout.lookups());
    let (offered, corrections) = extensions.received.extend(layout.offered());
    message.extend(corrections);
    let portion = extensions.requested;
    extensions.requested += 1;
    (Requested { layout, lookups, offered, portion }, message)
}

/// Takes the chooser's message at the offerer. Returns its keys, and the message to the chooser.
///
/// # Errors
/// [`Error::Length`] for a message that is none.
pub fn answer(
    extensions: &mut OffererExtensions,
    layout: Layout,
    message: &[u8],
) -> Result<(Offerer, Vec<u8>), Error> {
    let of_lookups = extensions.lookups.parameters().portion_bytes(layout.lookups());
    let of_pairs = extensions.sent.parameters().portion_bytes(layout.offered());
    expect_length("corrections for lookups and transfers", of_lookups + of_pairs, message)?;
    let (of_lookups, of_pairs) = message.split_at(of_lookups);
    let lookups = extensions.lookups.extend(layout.lookups(), of_lookups)?;
    let offered = extensions.sent.extend(layout.offered(), of_pairs)?;
    let (returned, corrections) = extensions.received.extend(layout.returned());
    Ok((Offerer::new(layout, lookups, offered, returned)?, corrections))
}

impl Requested {
    /// Takes the offerer's message. Returns the chooser's keys.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none, [`Error::Order`] if an earlier request is not finished.
    pub fn finish(self, extensions: &mut ChooserExtensions, message: &[u8]) -> Result<Chooser, Error> {
        let (expected, actual) = (extensions.finished, self.portion);
        if expected != actual {
            return Err(Error::Order { expected, actual });
        }
        extensions.finished += 1;
        let returned = extensions.sent.extend(self.layout.returned(), message)?;
        Chooser::new(self.layout, self.lookups, self.offered, returned)
    }
}
