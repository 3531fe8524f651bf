//! The pseudo-random generator of the tree: `AES_k(s) ^ s` under a public key that few keys of the function share.
//!
//! Guo, Katz, Wang, Weng, Yu, "Better Concrete Security for Half-Gates Garbling", CRYPTO 2020, section 4: with one cipher key for
//! everything, one table of guesses serves for every node of every tree.

use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Block};

use crate::ring::Ring;

use super::{CONTROLS, PAYLOAD_WORDS, Payload};

/// Most blocks one child takes: its seed, and its payload share.
const BLOCKS: usize = 1 + PAYLOAD_WORDS.div_ceil(2);
/// Bits of a payload word when all of them come from one block.
const NARROW_BITS: u32 = 128 / PAYLOAD_WORDS as u32;

#[derive(Clone, Copy)]
pub(super) struct Child {
    pub(super) seed: u128,
    pub(super) control: bool,
    pub(super) value: Payload,
}

/// One cipher for the tree. Inputs for the two children, the payloads and the leaves differ by a tweak in the
/// low three bits, which seeds keep zero.
pub(super) struct Generator {
    cipher: Aes128,
    /// Whether a payload takes one block.
    narrow: bool,
}

const TWEAK_BITS: u128 = CONTROLS as u128;

impl Generator {
    /// Distinct keys, known to both parties.
    pub(super) fn new(ring: Ring, key: u128) -> Self {
        let cipher = Aes128::new(&key.to_le_bytes().into());
        Self { cipher, narrow: ring.bits() <= NARROW_BITS }
    }

    #[inline(always)]
    fn hash<const N: usize>(&self, values: &mut [u128; N]) {
        let mut blocks = [Block::default(); N];
        for (block, value) in blocks.iter_mut().zip(values.iter()) {
            *block = value.to_le_bytes().into();
        }
        self.cipher.encrypt_blocks(&mut blocks);
        for (value, block) in values.iter_mut().zip(&blocks) {
            *value ^= u128::from_le_bytes((*block).into());
        }
    }

    /// One child of every node: the second where `ways` is true.
    #[inline(always)]
    pub(super) fn children<const N: usize>(&self, seeds: [u128; N], ways: [bool; N]) -> [Child; N] {
        let mut parts = [[0u128; N]; BLOCKS];
        let used = if self.narrow { 2 } else { BLOCKS };
        for (part, values) in parts.iter_mut().enumerate().take(used) {
            for lane in 0..N {
                values[lane] = (seeds[lane] & !TWEAK_BITS) ^ (part as u128) << 1 ^ u128::from(ways[lane]);
            }
            self.hash(values);
        }
        let mut children = [Child { seed: 0, control: false, value: [0; PAYLOAD_WORDS] }; N];
        for (lane, child) in children.iter_mut().enumerate() {
            let seed = parts[0][lane];
            let value = self.payload(&[parts[1][lane], parts[2][lane]]);
            *child = Child { seed: seed & !TWEAK_BITS, control: seed & 1 == 1, value };
        }
        children
    }

    /// The payload share of a leaf.
    pub(super) fn leaf(&self, seed: u128) -> Payload {
        let mut blocks = [(seed & !TWEAK_BITS) ^ 6, (seed & !TWEAK_BITS) ^ 7];
        self.hash(&mut blocks);
        self.payload(&blocks)
    }

    #[inline(always)]
    fn payload(&self, blocks: &[u128; BLOCKS - 1]) -> Payload {
        if self.narrow {
            let mask = u64::MAX >> (64 - NARROW_BITS);
            return [0, 1, 2].map(|word| (blocks[0] >> (NARROW_BITS * word)) as u64 & mask);
        }
        [blocks[0] as u64, (blocks[0] >> 64) as u64, blocks[1] as u64]
    }
}
