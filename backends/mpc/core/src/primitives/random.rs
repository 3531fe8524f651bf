//! Seeds and their expansion: AES-128 in counter mode.
//!
//! With AES-NI this is four times as fast as ChaCha12 (`benches/primitives.rs`), and the comparison function needs AES anyway. Streams of one seed are told apart by the
//! upper half of the counter block, so no two streams share a block. Keys of batches are AES outputs
//! under the session's seed on inputs that no stream uses. A stream of `q` blocks is told from random by their not repeating
//! with probability `q^2 / 2^129`.
//!
//! To every counter block a public name is added (exclusive or): of the session, and below it of the batch. A guess of a seed
//! can therefore be held against the seeds of one batch of one session, and not against those of all there ever were in one look-up.

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;

const BLOCK_BYTES: usize = 16;
const BLOCKS_A_CALL: usize = 64;
const DERIVATION: u64 = u64::MAX;

/// A secret of 16 bytes from which a stream of ring elements or bits is expanded. Wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed {
    bytes: [u8; BLOCK_BYTES],
    /// Public: what it is a seed of.
    name: u128,
}

impl Seed {
    /// Bytes of a seed on the wire.
    pub const BYTES: usize = BLOCK_BYTES;

    /// A fresh seed from the operating system.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; BLOCK_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::Entropy(error.to_string()))?;
        Ok(Self::from_bytes(bytes))
    }

    /// A seed that came over a confidential link, or that a test fixes.
    pub fn from_bytes(bytes: [u8; BLOCK_BYTES]) -> Self {
        Self { bytes, name: 0 }
    }

    /// The same secret with a public name, which no other session has: it then expands to other streams.
    pub(crate) fn named(self, name: u128) -> Self {
        Self { bytes: self.bytes, name }
    }

    /// To be sent to exactly one party.
    pub fn to_bytes(&self) -> [u8; BLOCK_BYTES] {
        self.bytes
    }

    /// The seed numbered `index` below this one: independent of every other and of all streams.
    pub fn derive(&self, index: u64) -> Seed {
        #[cfg(test)]
        uses::record(self.bytes, DERIVATION, index..index + 1);
        let mut block = counter_block(self.name, DERIVATION, index).into();
        Aes128::new(&self.bytes.into()).encrypt_block(&mut block);
        let name = permuted(self.name, u128::from(DERIVATION) << 64 | u128::from(index));
        Seed { bytes: block.into(), name }
    }

    /// The stream numbered `number`.
    ///
    /// # Panics
    /// If that is `u64::MAX`, which numbers the seeds below this one.
    pub fn stream(&self, number: u64) -> Stream {
        assert_ne!(number, DERIVATION, "no stream has this number");
        Stream {
            cipher: Aes128::new(&self.bytes.into()),
            name: self.name,
            number,
            next: 0,
            #[cfg(test)]
            seed: self.bytes,
        }
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// AES of one block under a key that need not be secret.
pub(crate) fn permuted(key: u128, block: u128) -> u128 {
    let mut block = block.to_le_bytes().into();
    Aes128::new(&key.to_le_bytes().into()).encrypt_block(&mut block);
    u128::from_le_bytes(block.into())
}

fn counter_block(name: u128, upper: u64, lower: u64) -> [u8; BLOCK_BYTES] {
    (name ^ (u128::from(upper) << 64 | u128::from(lower))).to_le_bytes()
}

fn words_of(block: aes::Block) -> [u64; 2] {
    let block = u128::from_le_bytes(block.into());
    [block as u64, (block >> 64) as u64]
}

/// Pseudo-random words that a seed expands to. The key schedule is wiped on drop.
pub struct Stream {
    cipher: Aes128,
    name: u128,
    number: u64,
    next: u64,
    #[cfg(test)]
    seed: [u8; BLOCK_BYTES],
}

/// Which blocks of which streams of which seeds were read on this thread.
#[cfg(test)]
pub(crate) mod uses {
    use std::cell::RefCell;
    use std::ops::Range;

    /// A seed, a stream of it, and the counters of its blocks.
    pub(crate) type Use = ([u8; 16], u64, Range<u64>);

    thread_local! {
        static USES: RefCell<Vec<Use>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn record(seed: [u8; 16], stream: u64, counters: Range<u64>) {
        USES.with_borrow_mut(|uses| uses.push((seed, stream, counters)));
    }

    /// What was read since this was last asked.
    pub(crate) fn take() -> Vec<Use> {
        USES.take()
    }
}

impl Stream {
    /// Overwrites `words` with the next words. A call takes whole blocks of two words.
    pub fn fill(&mut self, words: &mut [u64]) {
        #[cfg(test)]
        uses::record(self.seed, self.number, self.next..self.next + words.len().div_ceil(2) as u64);
        let (pairs, rest) = words.as_chunks_mut::<2>();
        for pairs in pairs.chunks_mut(BLOCKS_A_CALL) {
            let mut blocks = [aes::Block::default(); BLOCKS_A_CALL];
            let blocks = &mut blocks[..pairs.len()];
            for block in blocks.iter_mut() {
                *block = counter_block(self.name, self.number, self.next).into();
                self.next += 1;
            }
            self.cipher.encrypt_blocks(blocks);
            for (pair, block) in pairs.iter_mut().zip(blocks) {
                *pair = words_of(*block);
            }
        }
        if let [word] = rest {
            let mut block = counter_block(self.name, self.number, self.next).into();
            self.next += 1;
            self.cipher.encrypt_block(&mut block);
            [*word, _] = words_of(block);
        }
    }

    /// Combines each of `words` with the next of the stream's, without keeping those: the same ones that [`Stream::fill`] would give.
    pub fn combine(&mut self, words: &mut [u64], combined: impl Fn(u64, u64) -> u64) {
        let mut own = Zeroizing::new([0; 2 * BLOCKS_A_CALL]);
        for words in words.chunks_mut(own.len()) {
            let own = &mut own[..words.len()];
            self.fill(own);
            for (word, own) in words.iter_mut().zip(own) {
                *word = combined(*word, *own);
            }
        }
    }

    /// The next `count` words.
    pub fn words(&mut self, count: usize) -> Vec<u64> {
        let mut words = vec![0; count];
        self.fill(&mut words);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_is_that_of_the_standard() {
        // FIPS 197, appendix B: the plaintext block, taken as a counter.
        let seed = Seed::from_bytes(0x2b7e151628aed2a6abf7158809cf4f3cu128.to_be_bytes());
        let block = 0x3243f6a8885a308d313198a2e0370734u128.to_be_bytes();
        let mut stream = seed.stream(u64::from_le_bytes(*block.last_chunk().unwrap()));
        stream.next = u64::from_le_bytes(*block.first_chunk().unwrap());
        let bytes: Vec<u8> = stream.words(2).iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(bytes, 0x3925841d02dc09fbdc118597196a0b32u128.to_be_bytes());
    }

    #[test]
    fn a_stream_does_not_depend_on_how_it_is_read_in_whole_blocks() {
        let seed = Seed::from_bytes([3; 16]);
        let whole = seed.stream(1).words(600);
        let mut stream = seed.stream(1);
        let parts = [stream.words(2), stream.words(300), stream.words(298)].concat();
        assert_eq!(whole, parts);
        let mut combined = vec![5; 600];
        seed.stream(1).combine(&mut combined, |word, own| word ^ own);
        assert!(combined.iter().zip(&whole).all(|(combined, own)| combined ^ own == 5));
    }

    #[test]
    fn streams_and_derived_seeds_differ() {
        let seed = Seed::generate().unwrap();
        let streams = [seed.stream(0), seed.stream(1), seed.derive(0).stream(0), seed.derive(1).stream(0)];
        let words: std::collections::BTreeSet<u64> =
            streams.into_iter().flat_map(|mut stream| stream.words(100)).collect();
        assert_eq!(words.len(), 400);
    }

    #[test]
    fn a_table_of_guesses_serves_for_one_session_and_one_batch_only() {
        // Seeds of ten unknown bits, so that one table holds them all.
        let guesses = |name: u128| -> std::collections::BTreeSet<Vec<u64>> {
            let seed = |guess: u128| Seed::from_bytes(guess.to_le_bytes()).named(name);
            (0..1024).map(|guess| seed(guess).stream(0).words(2)).collect()
        };
        let table = guesses(7);
        assert_eq!(table.len(), 1024);
        assert!(guesses(7).is_subset(&table) && guesses(8).is_disjoint(&table));
        let session = Seed::from_bytes([1; 16]).named(7);
        assert_ne!(session.derive(0).name, session.derive(1).name);
    }

    #[test]
    fn a_seed_does_not_print_itself() {
        assert_eq!(format!("{:?}", Seed::from_bytes([7; 16])), "Seed(..)");
    }
}
