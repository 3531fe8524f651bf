//! Messages as bits: numbers of any width and planes of one bit per value, packed without gaps, read after their length was checked.

use crate::Error;
use crate::error::expect_length;
use veilbench_ring::wiped::Wiped;

/// Bits of a word.
pub(crate) const WORD: usize = 64;

/// The low `bits` bits of a word, 0 to 64; all of them for more.
pub(crate) fn low(bits: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS.saturating_sub(bits)).unwrap_or(0)
}

/// All ones if the lowest bit is one.
pub(crate) fn mask(bit: u64) -> u64 {
    (bit & 1).wrapping_neg()
}

/// Bit `index` of a plane.
pub(crate) fn bit(plane: &[u64], index: usize) -> u64 {
    plane[index / WORD] >> (index % WORD) & 1
}

/// The plane of these bits, the lowest of each number.
pub(crate) fn plane(bits: impl ExactSizeIterator<Item = u64>) -> Wiped<u64> {
    let mut words = Wiped::new(bits.len().div_ceil(WORD));
    for (index, bit) in bits.enumerate() {
        words[index / WORD] |= (bit & 1) << (index % WORD);
    }
    words
}

/// A message being written.
pub struct Writer {
    bytes: Vec<u8>,
    pending: u128,
    fill: u32,
}

impl Writer {
    /// For a message of so many bits.
    pub fn new(bits: usize) -> Self {
        Self { bytes: Vec::with_capacity(bits.div_ceil(8)), pending: 0, fill: 0 }
    }

    /// Appends the low `bits` bits of `value`, 0 to 64.
    pub fn push(&mut self, value: u64, bits: u32) {
        self.pending |= u128::from(value & low(bits)) << self.fill;
        self.fill += bits;
        if self.fill >= u64::BITS {
            self.bytes.extend_from_slice(&(self.pending as u64).to_le_bytes());
            self.pending >>= u64::BITS;
            self.fill -= u64::BITS;
        }
    }

    /// Appends the first `count` bits of a plane.
    pub fn plane(&mut self, plane: &[u64], count: usize) {
        for (index, word) in plane.iter().take(count.div_ceil(WORD)).enumerate() {
            self.push(*word, (count - WORD * index).min(WORD) as u32);
        }
    }

    /// The message, the last byte filled up with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        let rest = (self.pending as u64).to_le_bytes();
        self.bytes.extend_from_slice(&rest[..self.fill.div_ceil(8) as usize]);
        self.bytes
    }
}

/// A message being read.
pub struct Reader<'a> {
    rest: &'a [u8],
    pending: u128,
    fill: u32,
}

impl<'a> Reader<'a> {
    /// Reads a message that has so many bits.
    ///
    /// # Errors
    /// [`Error::Length`] for a message of other bytes.
    pub fn new(what: &'static str, bits: usize, message: &'a [u8]) -> Result<Self, Error> {
        expect_length(what, bits.div_ceil(8), message)?;
        Ok(Self { rest: message, pending: 0, fill: 0 })
    }

    /// Takes the next `bits` bits, 0 to 64; zeros beyond the message's end.
    pub fn pop(&mut self, bits: u32) -> u64 {
        if self.fill < bits {
            let mut word = [0; 8];
            let (next, rest) = self.rest.split_at(self.rest.len().min(8));
            word[..next.len()].copy_from_slice(next);
            self.rest = rest;
            self.pending |= u128::from(u64::from_le_bytes(word)) << self.fill;
            self.fill += u64::BITS;
        }
        let value = self.pending as u64 & low(bits);
        self.pending >>= bits;
        self.fill -= bits;
        value
    }

    /// Takes a plane of `count` bits.
    pub fn plane(&mut self, count: usize) -> Vec<u64> {
        let widths = (0..count).step_by(WORD).map(|at| (count - at).min(WORD) as u32);
        widths.map(|bits| self.pop(bits)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_of_any_width_survive(values in prop::collection::vec((any::<u64>(), 0u32..=64), 0..200)) {
            let bits: usize = values.iter().map(|(_, bits)| *bits as usize).sum();
            let mut writer = Writer::new(bits);
            for (value, bits) in &values {
                writer.push(*value, *bits);
            }
            let message = writer.finish();
            prop_assert_eq!(message.len(), bits.div_ceil(8));
            let mut reader = Reader::new("numbers", bits, &message).unwrap();
            for (value, bits) in &values {
                prop_assert_eq!(reader.pop(*bits), *value & low(*bits));
            }
        }

        #[test]
        fn planes_survive_between_numbers(words in prop::collection::vec(any::<u64>(), 4), count in 0usize..=256) {
            let mut writer = Writer::new(count + 8);
            writer.push(5, 3);
            writer.plane(&words, count);
            writer.push(9, 5);
            let message = writer.finish();
            let mut reader = Reader::new("planes", count + 8, &message).unwrap();
            prop_assert_eq!(reader.pop(3), 5);
            let read = reader.plane(count);
            prop_assert_eq!(reader.pop(5), 9);
            prop_assert_eq!(read.len(), count.div_ceil(64));
            for index in 0..count {
                prop_assert_eq!(bit(&read, index), bit(&words, index));
            }
        }
    }

    #[test]
    fn bits_are_packed_from_the_lowest() {
        let mut writer = Writer::new(17);
        writer.push(0b101, 3);
        writer.push(0xffff_ffff_ffff_fe01, 14);
        assert_eq!(writer.finish(), [0b0000_1101, 0b1111_0000, 1]);
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        for length in [0, 2, 4] {
            assert!(matches!(
                Reader::new("it", 17, &vec![0; length]),
                Err(Error::Length { expected: 3, .. })
            ));
        }
    }
}
