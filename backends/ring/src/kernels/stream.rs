//! Streams of residues that are read from memory once, in as few whole bytes as they need.

use super::BLOCK;

/// Bytes of the shortest residues of a stream; those of shorter primes have as many.
pub(super) const LEAST_WIDTH: usize = 4;

/// Residues of `width` bytes each, little-endian and without gaps: a block of eight takes `width` words.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    pub(super) words: &'a [u64],
    pub(super) width: usize,
}

impl<'a> Stream<'a> {
    /// A stream of blocks that were [packed](pack), of 4 to 8 bytes a residue.
    pub fn packed(words: &'a [u64], width: usize) -> Self {
        assert!((LEAST_WIDTH..=BLOCK).contains(&width) && words.len().is_multiple_of(width));
        Self { words, width }
    }

    /// A stream of so many residues that were [packed](pack), in as many bytes as these words have for each.
    pub fn of(words: &'a [u64], residues: usize) -> Self {
        let width = (words.len() * BLOCK).checked_div(residues).unwrap_or(BLOCK);
        Self::packed(words, width)
    }

    /// A stream of words.
    pub fn plain(words: &'a [u64]) -> Self {
        Self::packed(words, BLOCK)
    }

    /// How many residues it holds.
    pub(super) fn residues(self) -> usize {
        self.words.len() / self.width * BLOCK
    }
}

/// Packs a block of numbers of at most `bits` bits without gaps, from the low bits of the first word up. There are words for all of them.
#[inline]
pub fn pack(block: &[u64; BLOCK], bits: usize, words: &mut [u64]) {
    words.fill(0);
    for (lane, &number) in block.iter().enumerate() {
        let (word, shift) = (lane * bits / 64, lane * bits % 64);
        words[word] |= number << shift;
        if shift + bits > 64 {
            words[word + 1] |= number >> (64 - shift);
        }
    }
}

/// One residue of a packed block.
#[inline(always)]
pub(super) fn unpack<const WIDTH: usize>(block: &[u64; WIDTH], lane: usize) -> u64 {
    let bits = 8 * WIDTH;
    let (word, shift) = (lane * bits / 64, lane * bits % 64);
    let low = block[word] >> shift;
    let high = if shift + bits > 64 { block[word + 1] << (64 - shift) } else { 0 };
    (low | high) & (u64::MAX >> (64 - bits))
}
