//! The low bits of words, and shares as messages.

use veilbench_ot::bits::{Reader, Writer};

use crate::Error;

/// The low `bits` bits of a word, 1 to 64.
pub(crate) fn low(bits: u32) -> u64 {
    u64::MAX >> (u64::BITS - bits)
}

/// A message of numbers of `bits` bits each.
pub(crate) fn pack(bits: u32, numbers: &[u64]) -> Vec<u8> {
    let mut writer = Writer::new(bits as usize * numbers.len());
    for number in numbers {
        writer.push(*number, bits);
    }
    writer.finish()
}

/// Bytes of a message of so many numbers.
pub(crate) fn packed_bytes(bits: u32, count: usize) -> usize {
    (bits as usize * count).div_ceil(8)
}

/// The numbers of a message.
pub(crate) fn unpack(what: &'static str, bits: u32, count: usize, message: &[u8]) -> Result<Vec<u64>, Error> {
    let mut reader = Reader::new(what, bits as usize * count, message)?;
    Ok((0..count).map(|_| reader.pop(bits)).collect())
}
