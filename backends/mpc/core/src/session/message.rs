//! Messages as bytes: ring elements and bits, packed, with every length checked before anything is allocated.

use crate::Error;
use crate::circuit::Width;
use crate::ring::{Ring, packed};

/// Room for whole words to be written over the end of narrower elements.
const SLACK: usize = 8;

/// The low `bits` of a word, none to all of them.
fn low(bits: u32) -> u64 {
    u64::MAX.checked_shr(64 - bits).unwrap_or(0)
}

/// A message being written.
pub(crate) struct Writer {
    ring: Ring,
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(ring: Ring) -> Self {
        Self::with_capacity(ring, 0)
    }

    /// For a message of so many bytes.
    pub(crate) fn with_capacity(ring: Ring, bytes: usize) -> Self {
        Self { ring, bytes: Vec::with_capacity(bytes + SLACK) }
    }

    pub(crate) fn elements(&mut self, values: impl ExactSizeIterator<Item = u64>) {
        self.numbers(self.ring.bits(), values);
    }

    /// The low `bits` of each word, bit by bit side by side; the last byte ends with zeros.
    pub(crate) fn numbers(&mut self, bits: u32, values: impl ExactSizeIterator<Item = u64>) {
        if bits.is_multiple_of(8) {
            self.whole_bytes(bits as usize / 8, values);
            return;
        }
        // Bits that wait are fewer than a word.
        let (mut held, mut count) = (0u64, 0);
        self.bytes.reserve(packed(bits, values.len()));
        for value in values {
            let value = value & low(bits);
            held |= value << count;
            count += bits;
            if count >= 64 {
                self.bytes.extend_from_slice(&held.to_le_bytes());
                count -= 64;
                held = value >> (bits - count);
            }
        }
        self.bytes.extend_from_slice(&held.to_le_bytes()[..count.div_ceil(8) as usize]);
    }

    fn whole_bytes(&mut self, size: usize, values: impl ExactSizeIterator<Item = u64>) {
        let (start, count) = (self.bytes.len(), values.len());
        self.bytes.resize(start + count * size + SLACK, 0);
        for (index, value) in values.enumerate() {
            let at = start + index * size;
            self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        self.bytes.truncate(start + count * size);
    }

    /// The low `bits` of each word, each in so many bits as `width` says of them.
    pub(crate) fn narrow(&mut self, width: Width, bits: u32, values: impl ExactSizeIterator<Item = u64>) {
        self.numbers(width.on_the_wire(bits), values.map(|value| value & low(bits)));
    }

    pub(crate) fn words(&mut self, words: &[u64]) {
        let start = self.bytes.len();
        self.bytes.resize(start + 8 * words.len(), 0);
        for (bytes, word) in self.bytes[start..].as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
    }

    /// `planes` words for every 64 of `lanes` bits; of the last 64 only the bytes in use.
    pub(crate) fn bits(&mut self, words: &[u64], planes: usize, lanes: usize) {
        for (group, words) in words.chunks_exact(planes).enumerate() {
            let size = (lanes - 64 * group).min(64).div_ceil(8);
            for word in words {
                self.bytes.extend_from_slice(&word.to_le_bytes()[..size]);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// A message being read.
pub struct Reader<'a> {
    from: &'static str,
    ring: Ring,
    bytes: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(from: &'static str, ring: Ring, bytes: &'a [u8]) -> Self {
        Self { from, ring, bytes, read: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.read == self.bytes.len()
    }

    /// The whole message has exactly so many bytes.
    pub(crate) fn expect(&self, expected: usize, what: &'static str) -> Result<(), Error> {
        let actual = self.bytes.len();
        if expected == actual {
            Ok(())
        } else {
            Err(Error::Length { from: self.from, what, expected, actual })
        }
    }

    fn take(&mut self, size: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let rest = &self.bytes[self.read..];
        if rest.len() < size {
            let (expected, actual) = (self.read + size, self.bytes.len());
            return Err(Error::Length { from: self.from, what, expected, actual });
        }
        self.read += size;
        Ok(&rest[..size])
    }

    pub(crate) fn elements(&mut self, count: usize, what: &'static str) -> Result<Vec<u64>, Error> {
        let mut elements = Vec::new();
        self.elements_into(count, what, &mut elements)?;
        Ok(elements)
    }

    /// In place of what `elements` holds.
    pub(crate) fn elements_into(
        &mut self,
        count: usize,
        what: &'static str,
        elements: &mut Vec<u64>,
    ) -> Result<(), Error> {
        self.numbers_into(self.ring.bits(), count, what, elements)
    }

    /// What [`Writer::numbers`] wrote.
    pub(crate) fn numbers(&mut self, bits: u32, count: usize, what: &'static str) -> Result<Vec<u64>, Error> {
        let mut numbers = Vec::new();
        self.numbers_into(bits, count, what, &mut numbers)?;
        Ok(numbers)
    }

    /// In place of what `elements` holds.
    pub(crate) fn numbers_into(
        &mut self,
        bits: u32,
        count: usize,
        what: &'static str,
        elements: &mut Vec<u64>,
    ) -> Result<(), Error> {
        let bytes = self.take(packed(bits, count), what)?;
        elements.clear();
        if !bits.is_multiple_of(8) {
            unpack(bits, count, bytes, elements);
            return Ok(());
        }
        let size = bits as usize / 8;
        if size == 8 {
            elements.extend(bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)));
            return Ok(());
        }
        let element = |index: usize| {
            let at = index * size;
            let mut word = [0; 8];
            match bytes.get(at..at + 8) {
                Some(bytes) => word.copy_from_slice(bytes),
                None => word[..size].copy_from_slice(&bytes[at..at + size]),
            }
            u64::from_le_bytes(word) & low(bits)
        };
        elements.extend((0..count).map(element));
        Ok(())
    }

    /// What [`Writer::narrow`] wrote.
    pub(crate) fn narrow(
        &mut self,
        width: Width,
        bits: u32,
        count: usize,
        what: &'static str,
    ) -> Result<Vec<u64>, Error> {
        self.numbers(width.on_the_wire(bits), count, what)
    }

    pub(crate) fn words(&mut self, count: usize, what: &'static str) -> Result<Vec<u64>, Error> {
        let mut words = Vec::new();
        self.words_into(count, what, &mut words)?;
        Ok(words)
    }

    /// In place of what `words` holds.
    pub(crate) fn words_into(
        &mut self,
        count: usize,
        what: &'static str,
        words: &mut Vec<u64>,
    ) -> Result<(), Error> {
        let bytes = self.take(8 * count, what)?;
        words.clear();
        words.extend(bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)));
        Ok(())
    }

    pub(crate) fn bits(
        &mut self,
        planes: usize,
        lanes: usize,
        what: &'static str,
    ) -> Result<Vec<u64>, Error> {
        let full = lanes / 64 * 64;
        let mut words = self.words(full / 64 * planes, what)?;
        let size = (lanes - full).div_ceil(8);
        if size > 0 {
            for bytes in self.take(size * planes, what)?.chunks_exact(size) {
                let mut word = [0; 8];
                word[..size].copy_from_slice(bytes);
                words.push(u64::from_le_bytes(word));
            }
        }
        Ok(words)
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let (expected, actual) = (self.read, self.bytes.len());
        Err(Error::Length { from: self.from, what: "nothing more", expected, actual })
    }
}

/// Numbers of so many bits, not a whole number of bytes, that stand side by side.
fn unpack(bits: u32, count: usize, bytes: &[u8], numbers: &mut Vec<u64>) {
    let (mut held, mut here) = (0u128, 0);
    let mut words = bytes.chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u128::from(u64::from_le_bytes(word))
    });
    numbers.extend((0..count).map(|_| {
        if here < bits {
            held |= words.next().unwrap_or(0) << here;
            here += 64;
        }
        let number = held as u64 & low(bits);
        (held, here) = (held >> bits, here - bits);
        number
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    #[test]
    fn numbers_of_any_number_of_bits_stand_side_by_side() {
        let mut stream = Seed::from_bytes([1; 16]).stream(0);
        for (bits, count) in (0..=64).flat_map(|bits| [0, 1, 2, 7, 8, 9, 63, 100].map(|count| (bits, count)))
        {
            let values = stream.words(count);
            let mut writer = Writer::new(Ring::FULL);
            writer.numbers(bits, values.iter().copied());
            writer.numbers(7, [5].into_iter());
            let bytes = writer.take();
            assert_eq!(bytes.len(), (bits as usize * count).div_ceil(8) + 1);
            let mut reader = Reader::new("peer", Ring::FULL, &bytes);
            let due: Vec<u64> = values.iter().map(|value| value & low(bits)).collect();
            assert_eq!(reader.numbers(bits, count, "numbers").unwrap(), due);
            assert_eq!(reader.numbers(7, 1, "a number").unwrap(), [5]);
            reader.finish().unwrap();
            let mut short = Reader::new("peer", Ring::FULL, &bytes[..bytes.len() - 1]);
            short.numbers(bits, count, "numbers").unwrap();
            assert!(matches!(short.numbers(7, 1, "a number"), Err(Error::Length { .. })));
        }
    }

    #[test]
    fn what_is_written_is_read_and_every_other_length_is_refused() {
        let ring = Ring::new(5).unwrap();
        let (values, planes) = ([1, u64::MAX, 3 << 38], [9u64, u64::MAX, 0b1011, 0b0100]);
        let mut writer = Writer::new(ring);
        writer.elements(values.iter().copied());
        writer.bits(&planes, 2, 67);
        let bytes = writer.take();
        assert_eq!(bytes.len(), 15 + 16 + 2);
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new("peer", ring, bytes);
            let read = (reader.elements(3, "values")?, reader.bits(2, 67, "bits")?);
            reader.finish().map(|()| read)
        };
        assert_eq!(read(&bytes).unwrap(), (values.map(|value| ring.reduce(value)).to_vec(), planes.to_vec()));
        for wrong in [&bytes[..bytes.len() - 1], &[bytes.as_slice(), &[0]].concat(), &[]] {
            assert!(matches!(read(wrong), Err(Error::Length { .. })));
        }
    }
}
