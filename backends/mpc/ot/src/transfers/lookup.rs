//! Lookup of one or two bits in a table of the sender at an index of the receiver, the result in shares: 1-of-16 transfers, the leaves of comparisons.
//!
//! The receiver sends its index plus its random choice, once the index is known; the sender every entry plus its share of the
//! result, under the pad that the receiver has for that index alone. The share is chosen so that the message for index 0 is zero, and is not sent.
//! A lookup takes 26 bits of extension at k = 8 ([`crate::Kind::Sixteen`]), 4 bits of the receiver, and 15 per bit looked up.
//!
//! # Views
//! The sender sees indices under the receiver's random choices. The receiver sees entries under pads that it has no key of, but the one it asked
//! for, which is under the sender's share.

use crate::Error;
use crate::bits::{Reader, Writer, mask};
use crate::error::expect_count;
use crate::extension::correlation::{ReceiverRows, SenderRows};
use veilbench_ring::wiped::Wiped;

/// Bits of a choice among sixteen.
pub(crate) const CHOICE_BITS: u32 = 4;

/// Results of a lookup.
pub const MOST_OUTPUTS: usize = 2;

/// Tables of a lookup: bit `v` of each is the result at index `v`.
pub type Tables = [u16; MOST_OUTPUTS];

/// Public size of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    index_bits: u32,
    outputs: usize,
}

impl Shape {
    /// A table of `2^index_bits` entries, up to sixteen, of `outputs` bits, one or two.
    ///
    /// # Errors
    /// [`Error::Count`] for other sizes.
    pub fn new(index_bits: u32, outputs: usize) -> Result<Self, Error> {
        let within = |what, most: usize, size: usize| expect_count(what, size.min(most), size);
        within("bits of an index, at most,", CHOICE_BITS as usize, index_bits as usize)?;
        expect_count("results of a lookup", outputs.clamp(1, MOST_OUTPUTS), outputs)?;
        Ok(Self::of(index_bits, outputs))
    }

    pub(crate) const fn of(index_bits: u32, outputs: usize) -> Self {
        Self { index_bits, outputs }
    }

    /// Bits that the sender sends.
    pub fn bits(self) -> usize {
        self.outputs * self.sent_entries() as usize
    }

    fn sent_entries(self) -> u32 {
        (1 << self.index_bits) - 1
    }
}

/// Refuses to look nothing up.
fn expect_shapes(shapes: &[Shape]) -> Result<(), Error> {
    expect_count("shapes", shapes.len().max(1), shapes.len())
}

/// Bits of the sender's message for transfers of these shapes in turn.
fn message_bits(shapes: &[Shape], transfers: usize) -> usize {
    shapes.iter().cycle().take(transfers).map(|shape| shape.bits()).sum()
}

/// Pads of all entries, at the sender.
pub struct TableKeys {
    pads: Wiped<Tables>,
}

impl TableKeys {
    /// Hashes extended 1-of-16 transfers.
    ///
    /// # Errors
    /// [`Error::Count`] if these are 1-of-2.
    pub fn new(rows: SenderRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", 16, rows.keys())?;
        let mut pads = Wiped::with_capacity(rows.len());
        rows.for_each_keys(|keys| {
            let mut of_entries = Tables::default();
            for (entry, key) in keys.iter().enumerate() {
                for (bit, pads) in of_entries.iter_mut().enumerate() {
                    *pads |= ((key >> bit & 1) as u16) << entry;
                }
            }
            pads.push(of_entries);
        });
        Ok(Self { pads })
    }

    /// Number of lookups.
    pub fn len(&self) -> usize {
        self.pads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pads.is_empty()
    }

    /// Offers a table per lookup, of these shapes in turn, to the receiver that sent `choices`. Returns this party's shares, of the first
    /// result in the lowest bit, and the message.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of tables, [`Error::Length`] for choices that are none.
    pub fn offer(
        self,
        choices: &[u8],
        shapes: &[Shape],
        tables: &[Tables],
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        expect_count("tables", self.len(), tables.len())?;
        expect_shapes(shapes)?;
        let mut choices = Reader::new("choices of lookups", CHOICE_BITS as usize * self.len(), choices)?;
        let mut message = Writer::new(message_bits(shapes, self.len()));
        let mut shares = self.offer_into(&mut choices, shapes, tables.iter().copied(), &mut message);
        Ok((std::mem::take(&mut *shares), message.finish()))
    }

    pub(crate) fn offer_into(
        self,
        choices: &mut Reader<'_>,
        shapes: &[Shape],
        tables: impl Iterator<Item = Tables>,
        message: &mut Writer,
    ) -> Wiped<u8> {
        let mut shares = Wiped::with_capacity(self.len());
        for ((pads, tables), shape) in self.pads.iter().zip(tables).zip(shapes.iter().cycle()) {
            let choice = choices.pop(CHOICE_BITS) as u32;
            let mut share = 0;
            for (output, (pads, table)) in pads.iter().zip(tables).enumerate().take(shape.outputs) {
                let masked = table ^ permuted(*pads, choice);
                let bit = masked & 1;
                share |= (bit as u8) << output;
                let entries = masked ^ mask(u64::from(bit)) as u16;
                message.push(u64::from(entries >> 1), shape.sent_entries());
            }
            shares.push(share);
        }
        shares
    }
}

/// Bits with their numbers exclusive-or'ed with `flip`, which is public.
fn permuted(mut bits: u16, flip: u32) -> u16 {
    for (step, mask) in [(1, 0x5555), (2, 0x3333), (4, 0x0f0f), (8, 0x00ff)] {
        if flip & step != 0 {
            bits = (bits & mask) << step | bits >> step & mask;
        }
    }
    bits
}

/// Pad of one entry, at the receiver.
pub struct IndexKeys {
    choices: Wiped<u8>,
    pads: Wiped<u8>,
}

impl IndexKeys {
    /// Hashes extended 1-of-16 transfers.
    ///
    /// # Errors
    /// [`Error::Count`] if these are 1-of-2.
    pub fn new(rows: ReceiverRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", 16, rows.keys())?;
        let (choices, keys) = rows.into_hashes();
        let pads = keys.iter().map(|key| *key as u8).collect::<Vec<_>>();
        Ok(Self { choices, pads: pads.into() })
    }

    /// Number of lookups.
    pub fn len(&self) -> usize {
        self.pads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pads.is_empty()
    }

    /// Asks for these indices into tables of these shapes in turn. Returns the message to the sender, of four bits per lookup.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of indices, [`Error::Index`] for one beyond its table.
    pub fn choose(self, shapes: &[Shape], indices: &[u8]) -> Result<(Indexed, Vec<u8>), Error> {
        expect_count("indices", self.len(), indices.len())?;
        expect_shapes(shapes)?;
        let mut sized = indices.iter().zip(shapes.iter().cycle());
        if let Some(lookup) = sized.position(|(index, shape)| index >> shape.index_bits != 0) {
            return Err(Error::Index { lookup });
        }
        let mut message = Writer::new(CHOICE_BITS as usize * self.len());
        let chosen = self.choose_into(Wiped::from(indices.to_vec()), &mut message);
        Ok((chosen, message.finish()))
    }

    pub(crate) fn choose_into(self, indices: Wiped<u8>, message: &mut Writer) -> Indexed {
        for (index, choice) in indices.iter().zip(self.choices.iter()) {
            message.push(u64::from(index ^ choice), CHOICE_BITS);
        }
        Indexed { indices, pads: self.pads }
    }
}

/// Lookups whose tables are on their way.
pub struct Indexed {
    indices: Wiped<u8>,
    pads: Wiped<u8>,
}

impl Indexed {
    /// Shares of the results, the first in the lowest bit.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none.
    pub fn look_up(self, shapes: &[Shape], message: &[u8]) -> Result<Vec<u8>, Error> {
        expect_shapes(shapes)?;
        let bits = message_bits(shapes, self.pads.len());
        let mut message = Reader::new("tables of lookups", bits, message)?;
        Ok(std::mem::take(&mut *self.look_up_in(shapes, &mut message)))
    }

    pub(crate) fn look_up_in(self, shapes: &[Shape], message: &mut Reader<'_>) -> Wiped<u8> {
        let mut shares = Wiped::with_capacity(self.pads.len());
        for ((index, pad), shape) in self.indices.iter().zip(self.pads.iter()).zip(shapes.iter().cycle()) {
            let mut share = 0;
            for output in 0..shape.outputs {
                let entries = message.pop(shape.sent_entries()) << 1;
                share |= ((entries >> index & 1) as u8 ^ pad >> output & 1) << output;
            }
            shares.push(share);
        }
        shares
    }
}
