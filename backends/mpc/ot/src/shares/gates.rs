//! Products of shared bits: Beaver, "Efficient Multiparty Protocols Using Circuit Randomization", CRYPTO 1991, with triples of random
//! transfers (Asharov, Lindell, Schneider, Zohner, CCS 2013, section 5).
//!
//! Two bits that are to be multiplied by the same bit share a triple `(a, b1, b2, a b1, a b2)`, for it takes one transfer each way: a receiver's
//! choice is its part of `a`, the sum of the sender's keys its part of `b`, and their keys are shares of the product of both. No message is
//! needed for a triple, and three bits of each party open the factors under it.
//!
//! # Views
//! Each party sees the other's shares of the factors under its random parts of `a` and `b`, which serve once.

use crate::Error;
use crate::bits::{Reader, WORD, Writer};
use crate::error::expect_count;
use crate::extension::correlation::{ReceiverRows, SenderRows};
use veilbench_ring::wiped::Wiped;

/// Bits that are multiplied by the same bit.
pub const MOST_FACTORS: usize = 2;

/// A party's share of a random bit, two others, and both products, per lane. 64 lanes share a word.
pub struct Triple {
    lanes: usize,
    scalar: Wiped<u64>,
    factors: [Wiped<u64>; MOST_FACTORS],
    products: [Wiped<u64>; MOST_FACTORS],
}

impl Triple {
    /// Makes triples of `lanes` lanes out of as many random 1-of-2 transfers each way.
    ///
    /// # Errors
    /// [`Error::Count`] if these are not a multiple of the lanes, the same each way, or 1-of-16.
    pub fn from_transfers(
        lanes: usize,
        sent: SenderRows,
        received: ReceiverRows,
    ) -> Result<Vec<Self>, Error> {
        expect_count("transfers to the peer", received.len(), sent.len())?;
        expect_count("transfers for whole triples", sent.len().next_multiple_of(lanes.max(1)), sent.len())?;
        let (sent, received) = (sent.into_pairs()?, received.into_chosen()?);
        let of_lanes = sent.pairs().chunks(lanes.max(1));
        let received = received.choices().chunks(lanes.max(1)).zip(received.keys().chunks(lanes.max(1)));
        Ok(of_lanes.zip(received).map(|(pairs, (choices, keys))| Self::new(pairs, choices, keys)).collect())
    }

    fn new(pairs: &[[u128; 2]], choices: &[u8], keys: &[u128]) -> Self {
        let lanes = pairs.len();
        let scalar = plane(lanes, |lane| u64::from(choices[lane]));
        let factors =
            [0, 1].map(|bit| plane(lanes, |lane| ((pairs[lane][0] ^ pairs[lane][1]) >> bit) as u64));
        let products = [0, 1].map(|bit| {
            let mut cross = plane(lanes, |lane| ((pairs[lane][0] ^ keys[lane]) >> bit) as u64);
            add_product(&mut cross, &scalar, &factors[bit]);
            cross
        });
        Self { lanes, scalar, factors, products }
    }

    /// Masks this party's shares of a bit and of one or two factors of it; of more the rest is left out.
    pub(crate) fn open(self, scalar: &[u64], factors: &[&[u64]]) -> Opening {
        let masked = factors.iter().zip(&self.factors).map(|(factor, mask)| sum(factor, mask));
        Opening { scalar: sum(scalar, &self.scalar), factors: masked.collect(), triple: self }
    }
}

/// Bits, the lowest of each number, as a plane.
fn plane(lanes: usize, bit: impl Fn(usize) -> u64) -> Wiped<u64> {
    crate::bits::plane((0..lanes).map(bit))
}

fn sum(first: &[u64], second: &[u64]) -> Wiped<u64> {
    Wiped::from(first.iter().zip(second).map(|(first, second)| first ^ second).collect::<Vec<_>>())
}

fn add_product(sum: &mut [u64], first: &[u64], second: &[u64]) {
    for (sum, (first, second)) in sum.iter_mut().zip(first.iter().zip(second)) {
        *sum ^= first & second;
    }
}

/// Products whose masked factors are on their way.
pub(crate) struct Opening {
    triple: Triple,
    scalar: Wiped<u64>,
    factors: Vec<Wiped<u64>>,
}

impl Opening {
    /// Bits that each party sends per lane for products with so many factors.
    pub(crate) fn bits(factors: usize) -> usize {
        1 + factors
    }

    pub(crate) fn write(&self, message: &mut Writer) {
        message.plane(&self.scalar, self.triple.lanes);
        for factor in &self.factors {
            message.plane(factor, self.triple.lanes);
        }
    }

    /// This party's shares of the products; `first` is true at one of the parties.
    pub(crate) fn close(self, first: bool, message: &mut Reader<'_>) -> Vec<Wiped<u64>> {
        let Self { triple, mut scalar, factors } = self;
        debug_assert_eq!(scalar.len(), triple.lanes.div_ceil(WORD));
        add(&mut scalar, &message.plane(triple.lanes));
        let masks = triple.factors.iter().zip(triple.products);
        let close = |(mut factor, (mask, mut product)): (Wiped<u64>, (&Wiped<u64>, Wiped<u64>))| {
            add(&mut factor, &message.plane(triple.lanes));
            add_product(&mut product, &scalar, mask);
            add_product(&mut product, &factor, &triple.scalar);
            if first {
                add_product(&mut product, &scalar, &factor);
            }
            product
        };
        factors.into_iter().zip(masks).map(close).collect()
    }
}

fn add(sum: &mut [u64], other: &[u64]) {
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum ^= other;
    }
}

/// Products of one shared bit with others, as a protocol of its own with a message each way.
pub struct Products(Opening);

impl Products {
    /// Begins to multiply a shared bit per lane with one or two others. Returns the message to the other party.
    ///
    /// # Errors
    /// [`Error::Count`] for planes of another number of words, or another number of factors.
    pub fn open(triple: Triple, scalar: &[u64], factors: &[&[u64]]) -> Result<(Self, Vec<u8>), Error> {
        let words = triple.lanes.div_ceil(WORD);
        for plane in std::iter::once(&scalar).chain(factors) {
            expect_count("words of a plane", words, plane.len())?;
        }
        expect_count("factors", factors.len().clamp(1, MOST_FACTORS), factors.len())?;
        let mut message = Writer::new(Opening::bits(factors.len()) * triple.lanes);
        let opening = triple.open(scalar, factors);
        opening.write(&mut message);
        Ok((Self(opening), message.finish()))
    }

    /// This party's shares of the products, a plane per factor. `first` is true at one of the parties.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none.
    pub fn close(self, first: bool, message: &[u8]) -> Result<Vec<Vec<u64>>, Error> {
        let bits = Opening::bits(self.0.factors.len()) * self.0.triple.lanes;
        let mut message = Reader::new("masked factors", bits, message)?;
        let products = self.0.close(first, &mut message);
        Ok(products.into_iter().map(|mut product| std::mem::take(&mut *product)).collect())
    }
}
