//! Where all randomness comes from: ChaCha20, seeded by the operating system.

use crate::Error;
use crate::modulus::Modulus;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::fmt;
use zeroize::Zeroizing;

/// What a public uniform polynomial is expanded from; it is sent in its place.
pub type Seed = [u8; 32];

/// A cryptographic generator. Its state is wiped when it is dropped.
pub struct Randomness {
    generator: ChaCha20Rng,
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness(..)")
    }
}

impl Randomness {
    /// ChaCha20 with a fresh seed from the operating system.
    ///
    /// # Errors
    /// [`Error::Randomness`] if the system has none to give.
    pub fn from_system() -> Result<Self, Error> {
        let mut seed = Zeroizing::new(Seed::default());
        getrandom::fill(seed.as_mut_slice())
            .map_err(|error| Error::Randomness { reason: error.to_string() })?;
        Ok(Self { generator: ChaCha20Rng::from_seed(*seed) })
    }

    /// The same numbers every time: for tests and known answers only. Whoever knows the seed knows every key
    /// and every message.
    pub fn insecure_from_seed(seed: [u8; 32]) -> Self {
        Self { generator: ChaCha20Rng::from_seed(seed) }
    }

    /// Goes on from a key drawn from its own stream: whoever reads the memory of the process later can no longer
    /// compute what was drawn before. Every key and every encryption ends with it.
    pub fn erase_past(&mut self) {
        let mut seed = Zeroizing::new(Seed::default());
        self.generator.fill_bytes(seed.as_mut_slice());
        self.generator = ChaCha20Rng::from_seed(*seed);
    }

    /// Draws bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.generator.fill_bytes(bytes);
    }

    /// Draws a word.
    #[inline]
    pub fn word(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// What the generator draws first if it is wound back as far as its state allows.
    #[cfg(feature = "inspection")]
    pub fn rewound(&mut self) -> [u8; 32] {
        let position = self.generator.get_word_pos();
        self.generator.set_word_pos(0);
        let first = self.array();
        self.generator.set_word_pos(position);
        first
    }

    /// Public bytes: knowing them says nothing about the rest of the stream.
    pub fn array<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.fill(&mut bytes);
        bytes
    }
}

/// Fills a row with residues, uniform below the modulus, that whoever has the seed knows: little-endian numbers of ChaCha20 with this seed
/// and stream number, of as many bytes as the modulus has, cut to its bits and rejected where they reach it.
pub fn expand_uniform(m: &Modulus, seed: &Seed, stream: u64, out: &mut [u64]) {
    const NUMBERS: usize = 256;
    const WORD: usize = size_of::<u64>();
    let width = (m.bits() as usize).div_ceil(8);
    let mut generator = ChaCha20Rng::from_seed(*seed);
    generator.set_stream(stream);
    let mask = (1u64 << m.bits()) - 1;
    // A number is read with what stands behind it, up to a word.
    let mut bytes = Zeroizing::new([0; WORD * (NUMBERS + 1)]);
    let mut filled = 0;
    while filled < out.len() {
        generator.fill_bytes(&mut bytes[..width * NUMBERS]);
        for start in (0..width * NUMBERS).step_by(width) {
            let word = bytes[start..].first_chunk().copied().unwrap_or_default();
            let candidate = u64::from_le_bytes(word) & mask;
            if candidate < m.value() && filled < out.len() {
                out[filled] = candidate;
                filled += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_residues_are_the_numbers_of_the_stream_that_are_below_the_modulus() {
        for modulus in [(1 << 17) + 1, (1 << 28) + 3, (1 << 29) - 3, (1 << 32) + 15, (1 << 49) + 9] {
            let m = Modulus::new(modulus);
            let mut generator = ChaCha20Rng::from_seed([5; 32]);
            generator.set_stream(7);
            let mut bytes = vec![0; 8 * 8 * 1024];
            generator.fill_bytes(&mut bytes);
            let numbers = bytes.chunks_exact((m.bits() as usize).div_ceil(8)).map(|number| {
                number.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)) % (1 << m.bits())
            });
            let expected: Vec<u64> = numbers.filter(|&number| number < modulus).take(1000).collect();
            let mut row = vec![0; 1000];
            expand_uniform(&m, &[5; 32], 7, &mut row);
            assert_eq!(row, expected, "{modulus}");
        }
    }

    #[test]
    fn two_generators_of_the_system_draw_different_numbers() {
        let [one, other] = [(); 2].map(|()| Randomness::from_system().unwrap().array::<32>());
        assert_ne!(one, other);
    }
}
