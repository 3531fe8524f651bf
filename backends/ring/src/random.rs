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

/// Fills a row with public residues, uniform below the modulus: little-endian words of ChaCha20 with this seed
/// and stream number, cut to the length of the modulus and rejected where they reach it.
pub fn expand_uniform(m: &Modulus, seed: &Seed, stream: u64, out: &mut [u64]) {
    const WORDS: usize = 256;
    let mut generator = ChaCha20Rng::from_seed(*seed);
    generator.set_stream(stream);
    let mask = (1u64 << m.bits()) - 1;
    let mut bytes = [0; 8 * WORDS];
    let mut filled = 0;
    while filled < out.len() {
        generator.fill_bytes(&mut bytes);
        for word in bytes.as_chunks::<8>().0 {
            let candidate = u64::from_le_bytes(*word) & mask;
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
    fn two_generators_of_the_system_draw_different_numbers() {
        let [one, other] = [(); 2].map(|()| Randomness::from_system().unwrap().array::<32>());
        assert_ne!(one, other);
    }
}
