//! Ideal functionalities: what a trusted third party would do. Every protocol of this crate is tested against them, and those built on
//! transfers run on the dealer's as well as on extended ones. They protect nothing.

use zeroize::Zeroizing;

use crate::Error;
use crate::cipher::kernel::Kernel;
use crate::extension::code::Kind;
use crate::extension::correlation::{Numbering, ReceiverRows, SenderRows};
use crate::setup::session::{fill, random_block};
use crate::transfers::keys::{ChosenKeys, KeyPairs};
use crate::transfers::lookup::Tables;
use veilbench_ring::wiped::Wiped;

/// Random 1-of-2 transfers: two random keys each, and one of them at random.
///
/// # Errors
/// [`Error::Entropy`].
pub fn random_keys(transfers: usize) -> Result<(KeyPairs, ChosenKeys), Error> {
    let (words, choices) = (random_words(2 * transfers)?, random_choices(transfers, 1)?);
    let pairs = Wiped::from(words.as_chunks::<2>().0.to_vec());
    let keys = pairs.iter().zip(choices.iter()).map(|(pair, choice)| pair[usize::from(*choice)]);
    let keys = Wiped::from(keys.collect::<Vec<_>>());
    Ok((KeyPairs::new(pairs), ChosenKeys::new(choices, keys)))
}

/// Rows of transfers with random choices, as an extension hands them out.
///
/// # Errors
/// [`Error::Entropy`].
pub fn random_rows(kind: Kind, transfers: usize) -> Result<(SenderRows, ReceiverRows), Error> {
    let dimension = match kind {
        Kind::Pairs => 1,
        Kind::Sixteen => 4,
    };
    let generators = random_words(dimension)?;
    let differences: Vec<u128> = (0..1_usize << dimension)
        .map(|choice| {
            let of_choice = generators.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1);
            of_choice.fold(0, |sum, (_, generator)| sum ^ generator)
        })
        .collect();
    let (rows, choices) = (random_words(transfers)?, random_choices(transfers, dimension)?);
    let received =
        rows.iter().zip(choices.iter()).map(|(row, choice)| row ^ differences[usize::from(*choice)]);
    let received = Wiped::from(received.collect::<Vec<_>>());
    let numbering = Numbering { kernel: Kernel::best(), key: random_block()?, first: 0 };
    Ok((
        SenderRows::new(rows, Zeroizing::new(differences), numbering),
        ReceiverRows::new(received, choices, dimension, numbering),
    ))
}

fn random_words(count: usize) -> Result<Wiped<u128>, Error> {
    let mut bytes = Zeroizing::new(vec![0; 16 * count]);
    fill(&mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word)).collect::<Vec<_>>().into())
}

fn random_choices(count: usize, bits: usize) -> Result<Wiped<u8>, Error> {
    let mut choices = Wiped::new(count);
    fill(&mut choices)?;
    for choice in choices.iter_mut() {
        *choice &= (1 << bits) - 1;
    }
    Ok(choices)
}

/// Whether a number is another one, or the next, modulo `2^bits`.
pub fn is_it_or_next(bits: u32, number: u64, other: u64) -> bool {
    number.wrapping_sub(other) & crate::bits::low(bits) <= 1
}

/// The chosen message.
pub fn transfer(messages: [u128; 2], choice: bool) -> u128 {
    messages[usize::from(choice)]
}

/// Entries of both tables at an index, the first in the lowest bit.
pub fn look_up(tables: Tables, index: u8) -> u8 {
    tables.iter().enumerate().fold(0, |all, (bit, table)| all | ((table >> index & 1) as u8) << bit)
}

/// Products of bits, given both parties' shares of the factors.
pub fn multiply_bits(first: [u64; 2], second: [u64; 2]) -> u64 {
    (first[0] ^ first[1]) & (second[0] ^ second[1])
}

/// The number if the bit is one, else zero, modulo `2^width`.
pub fn correlate(width: u32, number: u64, bit: bool) -> u64 {
    if bit { modulo(u128::from(number), width) } else { 0 }
}

/// The shared number if the shared bit is one, else zero, modulo `2^width`.
pub fn select(width: u32, bits: [bool; 2], numbers: [u64; 2]) -> u64 {
    if bits[0] == bits[1] { 0 } else { add(width, numbers) }
}

/// Product modulo `2^width`.
pub fn multiply(width: u32, first: u64, second: u64) -> u64 {
    modulo(u128::from(first) * u128::from(second), width)
}

/// Sum modulo `2^width`: what two shares are shares of.
pub fn add(width: u32, shares: [u64; 2]) -> u64 {
    modulo(u128::from(shares[0]) + u128::from(shares[1]), width)
}

/// Whether the shared number is negative.
pub fn is_negative(width: u32, shares: [u64; 2]) -> bool {
    u128::from(add(width, shares)) >= 1 << (width - 1)
}

/// The number shared modulo `2^from` if it is not negative, else zero, modulo `2^to`.
pub fn relu(from: u32, to: u32, shares: [u64; 2]) -> u64 {
    if is_negative(from, shares) { 0 } else { modulo(u128::from(add(from, shares)), to) }
}

fn modulo(number: u128, width: u32) -> u64 {
    (number % (1 << width)) as u64
}
