//! The distributed comparison function: keys for two parties that give additive shares of
//! `payload * [x < threshold]` at any public `x`, where the threshold and payload are the dealer's.
//!
//! Boyle, Chandran, Gilboa, Gupta, Ishai, Kumar, Rathee, "Function Secret Sharing for Mixed-Mode and
//! Fixed-Point Secure Computation", EUROCRYPT 2021, figure 1: a binary tree with a level for every bit compared. A node is a seed
//! and a control bit at each party, equal at both off the threshold's path, where the remaining subtree adds nothing. What
//! the function adds where it leaves the path is in the level's correction.
//!
//! # The generator
//! A seed `s` of 128 bits is the key of AES-128. The seed of a node's child on side `w` is `AES_s(n, 0, w)`; the child's share of the
//! payload is the low bits of both words of `AES_s(n, 1, w)`, the share of a leaf those of `AES_s(n, 1, 0)`. A child's control bit
//! is the top bit of that block, or of `AES_s(n, 2, w)` if payloads have 64 bits and leave none. The nonce `n` holds the salt, the
//! number of the key and the level.
//!
//! [`BitComparison`] is the same for one bit, with a shorter tree.
//!
//! # Security
//! The function is secure if the generator is (proved there), and that is one if AES-128 is a pseudo-random function: no
//! block is a function of two seeds, so no more is assumed of the cipher. A party sees, of every node of the other's path, blocks that
//! AES gives under that node's seed at inputs that no other node of any key has, but with negligible probability
//! ([`Comparison::new`]). A guess of a seed can therefore be held against one node
//! only, and however many keys, batches and sessions there are, `p` encryptions find a seed with probability `p / 2^128`
//! at most (the cipher taken as ideal; that its blocks do not repeat under one seed adds `15 / 2^128` a node). Had the
//! nodes shared cipher keys, every guess would serve for all of them (Guo, Katz, Wang, Weng, Yu, "Better Concrete
//! Security for Half-Gates Garbling", CRYPTO 2020, section 4).
//!
//! Nothing in [`Comparison::generate`] or [`Comparison::evaluate`] branches on or indexes by a threshold, payload, seed or
//! control bit; [`Kernel::PORTABLE`] is as constant in time as the `aes` crate.
//!
//! # Sizes
//! A key is a root of 16 bytes and, the same for both parties, 16 bytes and two payload words a level, two payload words for the
//! leaf, and 16 bytes of control bits: 2,048 bytes at 63 bits and words of 8 bytes, 1,040 at 39 bits and words of 5.

mod bits;
mod generator;
mod lanes;
mod tree;

#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use crate::random::Stream;
pub use bits::BitComparison;
pub use generator::Kernel;
use generator::{Portable, Set};

/// Words of the payload: a sign, and the sign times the offset of a truncation.
pub const PAYLOAD_WORDS: usize = 2;

/// An element of the output group: words modulo `2^width`.
pub type Payload = [u64; PAYLOAD_WORDS];

/// Keys that are made and evaluated together, and whose corrections are stored side by side.
pub const GROUP: usize = generator::LANES;

/// Words of one level's seed correction, and of a key's control corrections.
const SEED_WORDS: usize = 2;

/// The corrections of any number of keys: public to both parties, they hide threshold and payload. Keys come in groups of sixteen,
/// and within a group level after level, those of all its keys side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    /// [`Comparison::seed_words`] a key; a group ends with its control bits.
    pub seeds: Vec<u64>,
    /// [`Comparison::value_words`] a key; a group ends with those of the leaves.
    pub values: Vec<u64>,
}

/// Makes and evaluates keys for inputs of so many bits.
pub struct Comparison {
    bits: u32,
    width: u32,
    salt: u128,
    first: usize,
    kernel: Kernel,
}

/// Which party evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Begins with control bit 0.
    First,
    /// Begins with control bit 1 and negates.
    Second,
}

impl Comparison {
    /// What is claimed against a party with one root, in bits: those of a seed.
    pub const SECURITY_BITS: u32 = 128;

    /// For inputs of 1 to 64 bits and payloads modulo `2^width`, 1 to 64. The salt is public and random, or the output of a cipher:
    /// then two sets of `k` keys have an input of the generator in common with probability `2 k / 2^118`. Salts that are merely
    /// different may.
    ///
    /// # Panics
    /// For any other number.
    pub fn new(bits: u32, width: u32, salt: u128) -> Self {
        Self::with_kernel(bits, width, salt, Kernel::best())
    }

    /// With this kernel: all give the same keys and shares.
    ///
    /// # Panics
    /// For inputs or payloads of another number of bits.
    pub fn with_kernel(bits: u32, width: u32, salt: u128, kernel: Kernel) -> Self {
        assert!((1..=64).contains(&bits), "inputs of {bits} bits");
        assert!((1..=64).contains(&width), "payloads of {width} bits");
        Self { bits, width, salt, first: 0, kernel }
    }

    /// For a part of a set of keys, which begins with the key of this number: a multiple of [`GROUP`], so that the parts'
    /// corrections, each a whole number of groups but the last, are those of the whole.
    ///
    /// # Panics
    /// If it is none.
    pub fn from_key(self, first: usize) -> Self {
        assert!(first.is_multiple_of(GROUP), "key {first} does not begin a group");
        Self { first, ..self }
    }

    /// Words of a key's corrections of seeds and control bits.
    pub fn seed_words(&self) -> usize {
        (self.bits as usize + 1) * SEED_WORDS
    }

    /// Words of a key's corrections of the payload.
    pub fn value_words(&self) -> usize {
        (self.bits as usize + 1) * PAYLOAD_WORDS
    }

    /// The corrections of keys for these thresholds and payloads, each with two random roots. Each party receives one root a key,
    /// and the corrections.
    ///
    /// # Panics
    /// If there are not as many of each.
    pub fn generate(&self, thresholds: &[u64], payloads: &[Payload], roots: [&[u128]; 2]) -> Corrections {
        let mut corrections = Corrections::default();
        self.generate_into(&mut corrections, thresholds, payloads, roots);
        corrections
    }

    /// The same in place of what `corrections` holds.
    ///
    /// # Panics
    /// If there are not as many of each.
    pub fn generate_into(
        &self,
        corrections: &mut Corrections,
        thresholds: &[u64],
        payloads: &[Payload],
        roots: [&[u128]; 2],
    ) {
        assert_eq!(thresholds.len(), payloads.len(), "a payload for every threshold");
        assert!(roots.iter().all(|roots| roots.len() == thresholds.len()), "two roots for every threshold");
        corrections.seeds.resize(thresholds.len() * self.seed_words(), 0);
        corrections.values.resize(thresholds.len() * self.value_words(), 0);
        match self.kernel.set() {
            Set::Portable => self.generate_all(Portable, thresholds, payloads, roots, corrections),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::AesNi => unsafe {
                let generator = generator::AesNi::new();
                self.generate_all(generator, thresholds, payloads, roots, corrections);
            },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::Vaes => unsafe { self.generate_vaes(thresholds, payloads, roots, corrections) },
        }
    }

    /// One party's shares at the inputs `xs`, each under its own key: `roots` and `corrections` in the order they were made.
    ///
    /// # Panics
    /// If there are not as many keys as inputs.
    pub fn evaluate(
        &self,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
    ) -> Vec<Payload> {
        let mut shares = vec![[0; PAYLOAD_WORDS]; xs.len()];
        self.evaluate_into(&mut shares, side, xs, roots, corrections);
        shares
    }

    /// The same in place of what `shares` holds.
    ///
    /// # Panics
    /// If there are not as many keys and shares as inputs.
    pub fn evaluate_into(
        &self,
        shares: &mut [Payload],
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
    ) {
        assert_eq!(xs.len(), shares.len(), "a share for every input");
        assert_eq!(xs.len(), roots.len(), "a root for every input");
        assert_eq!(xs.len() * self.seed_words(), corrections.seeds.len(), "corrections for every input");
        assert_eq!(xs.len() * self.value_words(), corrections.values.len(), "corrections for every input");
        match self.kernel.set() {
            Set::Portable => self.evaluate_all(Portable, side, xs, roots, corrections, shares),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::AesNi => unsafe {
                let generator = generator::AesNi::new();
                self.evaluate_all(generator, side, xs, roots, corrections, shares);
            },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::Vaes => unsafe { self.evaluate_vaes(side, xs, roots, corrections, shares) },
        }
    }
}

/// The next roots of a stream.
pub fn roots(stream: &mut Stream, count: usize) -> Vec<u128> {
    let words = Zeroizing::new(stream.words(2 * count));
    words.as_chunks::<2>().0.iter().map(|pair| u128::from(pair[0]) | u128::from(pair[1]) << 64).collect()
}
