//! Correlated transfers over Z/2^w, 1 <= w <= 64: shares of the sender's number times the receiver's bit, from random transfers (Asharov,
//! Lindell, Schneider, Zohner, CCS 2013, section 5).
//!
//! With keys `k0, k1` and the correlation `x` the sender sends `y = k0 - k1 + x` and has the share `-k0`; the receiver with bit `b` adds
//! `b y` to its key and has `k0 + b x`. A receiver that wants another bit than it has by chance first sends their sum, and the sender
//! exchanges its keys.
//!
//! # Views
//! The sender sees bits under random choices, the receiver a number under a key that it lacks: if it chose 0, `k1`; if it chose 1, `k0`, its share.

use crate::Error;
use crate::bits::{Reader, Writer, bit, low, mask};
use crate::error::expect_count;
use crate::extension::correlation::{ReceiverRows, SenderRows};
use veilbench_ring::wiped::Wiped;

/// Party that has the numbers.
pub struct Sender {
    pairs: Wiped<[u64; 2]>,
}

impl Sender {
    /// Hashes extended 1-of-2 transfers.
    ///
    /// # Errors
    /// [`Error::Count`] if these are 1-of-16.
    pub fn new(rows: SenderRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", 2, rows.keys())?;
        let mut pairs = Wiped::with_capacity(rows.len());
        rows.for_each_keys(|keys| pairs.push([keys[0] as u64, keys[1] as u64]));
        Ok(Self { pairs })
    }

    /// Hashes extended 1-of-2 transfers for two numbers each, which one bit of the receiver chooses: a half of each key for either.
    ///
    /// # Errors
    /// As [`Sender::new`].
    pub fn of_two(rows: SenderRows) -> Result<[Self; 2], Error> {
        expect_count("keys of a transfer", 2, rows.keys())?;
        let [mut lower, mut upper] = [(); 2].map(|()| Wiped::with_capacity(rows.len()));
        rows.for_each_keys(|keys| {
            lower.push([keys[0] as u64, keys[1] as u64]);
            upper.push([(keys[0] >> u64::BITS) as u64, (keys[1] >> u64::BITS) as u64]);
        });
        Ok([lower, upper].map(|pairs| Self { pairs }))
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Sends a number per transfer, modulo `2^width` for the widths in turn, to the receiver that sent `flips`. Returns this party's shares and
    /// the message.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them, [`Error::Ring`] for a width that does not exist, [`Error::Length`] for flips that are
    /// none.
    pub fn send(self, widths: &[u32], flips: &[u8], numbers: &[u64]) -> Result<(Vec<u64>, Vec<u8>), Error> {
        check(widths)?;
        expect_count("numbers", self.len(), numbers.len())?;
        let mut flips = Reader::new("choices of correlated transfers", self.len(), flips)?;
        let mut message = Writer::new(message_bits(widths, self.len()));
        let mut shares = self.send_into(widths, &mut flips, numbers.iter().copied(), &mut message);
        Ok((std::mem::take(&mut *shares), message.finish()))
    }

    pub(crate) fn send_into(
        self,
        widths: &[u32],
        flips: &mut Reader<'_>,
        numbers: impl Iterator<Item = u64>,
        message: &mut Writer,
    ) -> Wiped<u64> {
        let mut shares = Wiped::with_capacity(self.len());
        let flips = flips.plane(self.len());
        for (index, (([first, second], number), width)) in
            self.pairs.iter().zip(numbers).zip(widths.iter().cycle()).enumerate()
        {
            let exchange = mask(bit(&flips, index)) & (first ^ second);
            let (kept, other) = (first ^ exchange, second ^ exchange);
            message.push(kept.wrapping_sub(other).wrapping_add(number), *width);
            shares.push(kept.wrapping_neg() & low(*width));
        }
        shares
    }
}

/// Party that has the bits.
pub struct Receiver {
    choices: Wiped<u8>,
    keys: Wiped<u64>,
}

impl Receiver {
    /// Hashes extended 1-of-2 transfers.
    ///
    /// # Errors
    /// [`Error::Count`] if these are 1-of-16.
    pub fn new(rows: ReceiverRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", 2, rows.keys())?;
        let (choices, keys) = rows.into_hashes();
        Ok(Self { choices, keys: keys.iter().map(|key| *key as u64).collect::<Vec<_>>().into() })
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Chooses these bits, the lowest of each number. Returns the message to the sender, of one bit per transfer.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of bits.
    pub fn choose(self, bits: &[u8]) -> Result<(Chosen, Vec<u8>), Error> {
        expect_count("choices", self.len(), bits.len())?;
        let mut message = Writer::new(self.len());
        let bits = crate::bits::plane(bits.iter().map(|bit| u64::from(*bit)));
        let chosen = self.choose_into(bits, &mut message);
        Ok((chosen, message.finish()))
    }

    pub(crate) fn choose_into(self, bits: Wiped<u64>, message: &mut Writer) -> Chosen {
        write_flips(&self.choices, &bits, message);
        Chosen { bits, keys: self.keys }
    }
}

/// Party that has bits, each of which chooses two numbers of [`Sender::of_two`].
pub struct ReceiverOfTwo {
    choices: Wiped<u8>,
    keys: [Wiped<u64>; 2],
}

impl ReceiverOfTwo {
    /// Hashes extended 1-of-2 transfers: a half of each key for either number.
    ///
    /// # Errors
    /// As [`Receiver::new`].
    pub fn new(rows: ReceiverRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", 2, rows.keys())?;
        let (choices, keys) = rows.into_hashes();
        let keys =
            [0, u64::BITS].map(|from| keys.iter().map(|key| (key >> from) as u64).collect::<Vec<_>>().into());
        Ok(Self { choices, keys })
    }

    /// As [`Receiver::choose`], for both numbers at once: other bits for the second would show the sender what both differ by.
    ///
    /// # Errors
    /// As [`Receiver::choose`].
    pub fn choose(self, bits: &[u8]) -> Result<([Chosen; 2], Vec<u8>), Error> {
        let Self { choices, keys } = self;
        expect_count("choices", choices.len(), bits.len())?;
        let mut message = Writer::new(choices.len());
        let bits = crate::bits::plane(bits.iter().map(|bit| u64::from(*bit)));
        write_flips(&choices, &bits, &mut message);
        Ok((keys.map(|keys| Chosen { bits: bits.clone(), keys }), message.finish()))
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.choices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }
}

/// Appends what bits differ by from random choices.
fn write_flips(choices: &[u8], bits: &[u64], message: &mut Writer) {
    let mut flips = crate::bits::plane(choices.iter().map(|choice| u64::from(*choice)));
    for (flip, bits) in flips.iter_mut().zip(bits) {
        *flip ^= bits;
    }
    message.plane(&flips, choices.len());
}

/// Transfers whose numbers are on their way.
pub struct Chosen {
    bits: Wiped<u64>,
    keys: Wiped<u64>,
}

impl Chosen {
    /// This party's shares, modulo `2^width` for the widths in turn.
    ///
    /// # Errors
    /// [`Error::Ring`] for a width that does not exist, [`Error::Length`] for a message that is none.
    pub fn receive(self, widths: &[u32], message: &[u8]) -> Result<Vec<u64>, Error> {
        check(widths)?;
        let bits = message_bits(widths, self.keys.len());
        let mut message = Reader::new("numbers of correlated transfers", bits, message)?;
        Ok(std::mem::take(&mut *self.receive_from(widths, &mut message)))
    }

    pub(crate) fn receive_from(self, widths: &[u32], message: &mut Reader<'_>) -> Wiped<u64> {
        let mut shares = Wiped::with_capacity(self.keys.len());
        for (index, (key, width)) in self.keys.iter().zip(widths.iter().cycle()).enumerate() {
            let number = message.pop(*width) & mask(bit(&self.bits, index));
            shares.push(key.wrapping_add(number) & low(*width));
        }
        shares
    }
}

fn check(widths: &[u32]) -> Result<(), Error> {
    expect_count("widths", widths.len().max(1), widths.len())?;
    match widths.iter().find(|width| !(1..=u64::BITS).contains(*width)) {
        Some(width) => Err(Error::Ring { bits: *width, least: 1 }),
        None => Ok(()),
    }
}

/// Bits of numbers of these widths in turn.
fn message_bits(widths: &[u32], transfers: usize) -> usize {
    widths.iter().cycle().take(transfers).map(|width| *width as usize).sum()
}
