//! Shares of products of one party's number with the other's, modulo `2^L`, and squares of shared numbers: Gilboa, "Two Party RSA Key
//! Generation", CRYPTO 1999.
//!
//! A correlated transfer for every bit `i` of the receiver's number, of which `L - i` bits matter: `L (L + 1) / 2` bits per product
//! of full width.
//!
//! # Views
//! Those of correlated transfers ([`crate::correlated`]).

use zeroize::Zeroizing;

use crate::Error;
use crate::bits::low;
use crate::error::expect_count;
use crate::transfers::correlated::{Chosen, Receiver, ReceiverOfTwo, Sender};

/// Public size of products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    ring_bits: u32,
    widths: Vec<u32>,
}

impl Shape {
    /// Products modulo `2^ring_bits`, 1 to 64, where the receiver's number has `operand_bits` bits, at least one.
    ///
    /// # Errors
    /// [`Error::Ring`] for sizes that do not exist.
    pub fn new(ring_bits: u32, operand_bits: u32) -> Result<Self, Error> {
        for bits in [ring_bits, operand_bits] {
            if !(1..=u64::BITS).contains(&bits) {
                return Err(Error::Ring { bits, least: 1 });
            }
        }
        let widths = (0..operand_bits.min(ring_bits)).map(|bit| ring_bits - bit);
        Ok(Self { ring_bits, widths: widths.collect() })
    }

    /// Transfers per product.
    pub fn transfers(&self) -> usize {
        self.widths.len()
    }

    /// Bits of the sender's message per product.
    pub fn bits(&self) -> usize {
        self.widths.iter().map(|width| *width as usize).sum()
    }

    fn sums(&self, shares: &[u64]) -> Zeroizing<Vec<u64>> {
        let sum = |shares: &[u64]| {
            let terms = shares.iter().enumerate().map(|(bit, share)| share << bit);
            terms.fold(0, u64::wrapping_add) & low(self.ring_bits)
        };
        Zeroizing::new(shares.chunks(self.transfers()).map(sum).collect())
    }
}

/// Asks for the products with these numbers. Returns the message to the sender, of [`Shape::transfers`] bits per product.
///
/// # Errors
/// [`Error::Count`] if there are not as many transfers.
pub fn choose(shape: &Shape, received: Receiver, numbers: &[u64]) -> Result<(Chosen, Vec<u8>), Error> {
    expect_count("transfers for products", shape.transfers() * numbers.len(), received.len())?;
    received.choose(&bits(shape, numbers))
}

/// The same for two products with each of these numbers, by one message.
///
/// # Errors
/// As [`choose`].
pub fn choose_two(
    shape: &Shape,
    received: ReceiverOfTwo,
    numbers: &[u64],
) -> Result<([Chosen; 2], Vec<u8>), Error> {
    expect_count("transfers for products", shape.transfers() * numbers.len(), received.len())?;
    received.choose(&bits(shape, numbers))
}

fn bits(shape: &Shape, numbers: &[u64]) -> Zeroizing<Vec<u8>> {
    // In full length from the start: a vector that grew would leave copies behind that nothing wipes.
    let mut bits = Zeroizing::new(Vec::with_capacity(shape.transfers() * numbers.len()));
    bits.extend(
        numbers.iter().flat_map(|number| (0..shape.transfers()).map(move |bit| (number >> bit) as u8 & 1)),
    );
    bits
}

/// Sends these numbers to the receiver that sent `flips`. Returns this party's shares of the products, and the message, of [`Shape::bits`] per
/// product.
///
/// # Errors
/// [`Error::Count`] if there are not as many transfers, [`Error::Length`] for flips that are none.
pub fn send(
    shape: &Shape,
    sent: Sender,
    flips: &[u8],
    numbers: &[u64],
) -> Result<(Zeroizing<Vec<u64>>, Vec<u8>), Error> {
    expect_count("transfers for products", shape.transfers() * numbers.len(), sent.len())?;
    let mut repeated = Zeroizing::new(Vec::with_capacity(shape.transfers() * numbers.len()));
    repeated.extend(numbers.iter().flat_map(|number| std::iter::repeat_n(*number, shape.transfers())));
    let (shares, message) = sent.send(&shape.widths, flips, &repeated)?;
    Ok((shape.sums(&Zeroizing::new(shares)), message))
}

/// The receiver's shares of the products.
///
/// # Errors
/// [`Error::Length`] for a message that is none.
pub fn receive(shape: &Shape, chosen: Chosen, message: &[u8]) -> Result<Zeroizing<Vec<u64>>, Error> {
    Ok(shape.sums(&Zeroizing::new(chosen.receive(&shape.widths, message)?)))
}

/// A party's share of the square of a number shared modulo `2^ring_bits`, given its share of the number and that of the product of both shares, which
/// matters modulo `2^(ring_bits - 1)`: `(t0 + t1)^2 = t0^2 + t1^2 + 2 t0 t1`.
pub fn square(ring_bits: u32, share: u64, of_product: u64) -> u64 {
    share.wrapping_mul(share).wrapping_add(of_product << 1) & low(ring_bits)
}
