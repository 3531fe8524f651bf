//! Shares of `d t` for a shared bit `d` and a number `t` shared modulo `2^w`: a correlated transfer each way.
//!
//! With `d = d0 + d1 - 2 d0 d1` each party's part is `d t0 = d0 t0 + d1 (1 - 2 d0) t0`: it computes the first term alone and sends the number in the second to
//! the other party, whose bit chooses. Rathee, Rathee, Kumar, Chandran, Gupta, Rastogi, Sharma, "CrypTFlow2: Practical
//! 2-Party Secure Inference", CCS 2020, section 4.
//!
//! # Views
//! Those of two correlated transfers ([`crate::correlated`]).

use zeroize::Zeroizing;

use crate::Error;
use crate::bits::{Reader, Writer, bit, low, mask};
use crate::error::expect_count;
use crate::transfers::correlated::{Chosen, Receiver, Sender};
use veilbench_ring::wiped::Wiped;

/// A party with as many transfers each way as there are numbers.
pub struct Multiplexer {
    width: u32,
    sent: Sender,
    received: Receiver,
}

impl Multiplexer {
    /// For numbers modulo `2^width`.
    ///
    /// # Errors
    /// [`Error::Ring`] for a width that does not exist, [`Error::Count`] for other numbers of transfers each way.
    pub fn new(width: u32, sent: Sender, received: Receiver) -> Result<Self, Error> {
        if !(1..=u64::BITS).contains(&width) {
            return Err(Error::Ring { bits: width, least: 1 });
        }
        expect_count("transfers to the peer", received.len(), sent.len())?;
        Ok(Self { width, sent, received })
    }

    /// Begins with this party's shares: bits as a plane, and numbers. Returns the first message, of one bit per number.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them.
    pub fn choose(self, bits: &[u64], numbers: &[u64]) -> Result<(Selecting, Vec<u8>), Error> {
        expect_count("numbers", self.sent.len(), numbers.len())?;
        expect_count("words of bits", self.sent.len().div_ceil(crate::bits::WORD), bits.len())?;
        let mut message = Writer::new(numbers.len());
        let selecting = self.choose_into(bits.to_vec().into(), numbers.to_vec().into(), &mut message);
        Ok((selecting, message.finish()))
    }

    pub(crate) fn choose_into(
        self,
        bits: Wiped<u64>,
        numbers: Wiped<u64>,
        message: &mut Writer,
    ) -> Selecting {
        let chosen = self.received.choose_into(bits.clone(), message);
        Selecting { width: self.width, sent: self.sent, chosen, bits, numbers }
    }
}

/// A party whose bits are on their way.
pub struct Selecting {
    width: u32,
    sent: Sender,
    chosen: Chosen,
    bits: Wiped<u64>,
    numbers: Wiped<u64>,
}

impl Selecting {
    /// Takes the other party's first message. Returns the second, of `width` bits per number.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none.
    pub fn send(self, message: &[u8]) -> Result<(Selected, Vec<u8>), Error> {
        let mut flips = Reader::new("choices of a multiplexer", self.numbers.len(), message)?;
        let mut answer = Writer::new(self.width as usize * self.numbers.len());
        let selected = self.send_into(&mut flips, &mut answer);
        Ok((selected, answer.finish()))
    }

    pub(crate) fn send_into(self, flips: &mut Reader<'_>, answer: &mut Writer) -> Selected {
        let Self { width, sent, chosen, bits, numbers } = self;
        let correlations = numbers.iter().enumerate().map(|(index, number)| {
            let negate = mask(bit(&bits, index));
            (number ^ negate).wrapping_sub(negate)
        });
        let mut shares = sent.send_into(&[width], flips, correlations, answer);
        for (index, (share, number)) in shares.iter_mut().zip(numbers.iter()).enumerate() {
            *share = share.wrapping_add(number & mask(bit(&bits, index)));
        }
        Selected { width, chosen, shares }
    }
}

/// A party that waits for the other's numbers.
pub struct Selected {
    width: u32,
    chosen: Chosen,
    shares: Wiped<u64>,
}

impl Selected {
    /// Takes the other party's second message. Returns this party's shares.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none.
    pub fn receive(self, message: &[u8]) -> Result<Zeroizing<Vec<u64>>, Error> {
        let bits = self.width as usize * self.shares.len();
        let mut message = Reader::new("numbers of a multiplexer", bits, message)?;
        Ok(self.receive_from(&mut message))
    }

    pub(crate) fn receive_from(self, message: &mut Reader<'_>) -> Zeroizing<Vec<u64>> {
        let Self { width, chosen, mut shares } = self;
        for (share, other) in shares.iter_mut().zip(chosen.receive_from(&[width], message).iter()) {
            *share = share.wrapping_add(*other) & low(width);
        }
        Zeroizing::new(std::mem::take(&mut *shares))
    }
}
