//! The pseudo-random generator of the tree: `AES_k(s) ^ s` under fixed, public keys.

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
    pub(super) fn new(ring: Ring) -> Self {
        // The first 128 fractional bits of pi: any public constant serves.
        let cipher = Aes128::new(&0x243f6a8885a308d313198a2e03707344u128.to_be_bytes().into());
        Self { cipher, narrow: ring.bits() <= NARROW_BITS }
    }

    fn hash<const N: usize>(&self, inputs: [u128; N]) -> [u128; N] {
        let mut blocks: [Block; N] = inputs.map(|input| input.to_le_bytes().into());
        self.cipher.encrypt_blocks(&mut blocks);
        let mut outputs = inputs;
        for (output, block) in outputs.iter_mut().zip(blocks) {
            *output ^= u128::from_le_bytes(block.into());
        }
        outputs
    }

    /// One child of every node: the second where `ways` is true.
    pub(super) fn children<const N: usize>(&self, seeds: [u128; N], ways: [bool; N]) -> [Child; N] {
        let parts: [[u128; N]; BLOCKS] = std::array::from_fn(|part| {
            if self.narrow && part > 1 {
                return [0; N];
            }
            let tweak = |lane: usize| (part as u128) << 1 | u128::from(ways[lane]);
            self.hash(std::array::from_fn(|lane| (seeds[lane] & !TWEAK_BITS) ^ tweak(lane)))
        });
        std::array::from_fn(|lane| {
            let seed = parts[0][lane];
            let value = self.payload(&std::array::from_fn(|part| parts[1 + part][lane]));
            Child { seed: seed & !TWEAK_BITS, control: seed & 1 == 1, value }
        })
    }

    /// The payload share of a leaf.
    pub(super) fn leaf(&self, seed: u128) -> Payload {
        self.payload(&self.hash(std::array::from_fn(|part| (seed & !TWEAK_BITS) ^ (6 + part as u128))))
    }

    fn payload(&self, blocks: &[u128; BLOCKS - 1]) -> Payload {
        if self.narrow {
            let mask = u64::MAX >> (64 - NARROW_BITS);
            return std::array::from_fn(|word| (blocks[0] >> (NARROW_BITS * word as u32)) as u64 & mask);
        }
        std::array::from_fn(|word| (blocks[word / 2] >> (64 * (word % 2))) as u64)
    }
}
