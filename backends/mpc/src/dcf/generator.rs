//! The pseudo-random generator of the tree: `AES_k(s) ^ s` under fixed, public keys.

use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Block};

use super::{BATCH, CONTROLS, Node, PAYLOAD_WORDS, Payload};

/// Blocks one child takes: its seed, and its payload share.
const BLOCKS: usize = 1 + PAYLOAD_WORDS.div_ceil(2);

pub(super) struct Child {
    pub(super) seed: u128,
    pub(super) control: bool,
    pub(super) value: Payload,
}

/// One cipher for the tree. Inputs for the two children, the payloads and the leaves differ by a tweak in the
/// low three bits, which seeds keep zero.
pub(super) struct Generator {
    cipher: Aes128,
}

const TWEAK_BITS: u128 = CONTROLS as u128;

impl Generator {
    pub(super) fn new() -> Self {
        // The first 128 fractional bits of pi: any public constant serves.
        Self { cipher: Aes128::new(&0x243f6a8885a308d313198a2e03707344u128.to_be_bytes().into()) }
    }

    fn hash(&self, inputs: &mut [Block]) {
        let before: [Block; BATCH * BLOCKS] =
            std::array::from_fn(|index| inputs.get(index).copied().unwrap_or_default());
        self.cipher.encrypt_blocks(inputs);
        for (output, input) in inputs.iter_mut().zip(&before) {
            *output = (u128::from_le_bytes((*output).into()) ^ u128::from_le_bytes((*input).into()))
                .to_le_bytes()
                .into();
        }
    }

    /// One child of every node.
    pub(super) fn children(
        &self,
        nodes: &[Node; BATCH],
        ways: &[bool; BATCH],
        count: usize,
    ) -> [Child; BATCH] {
        let mut blocks = [Block::default(); BATCH * BLOCKS];
        for lane in 0..count {
            for part in 0..BLOCKS {
                let tweak = (part as u128) << 1 | u128::from(ways[lane]);
                blocks[BLOCKS * lane + part] =
                    ((nodes[lane].seed & !TWEAK_BITS) ^ tweak).to_le_bytes().into();
            }
        }
        self.hash(&mut blocks[..BLOCKS * count]);
        std::array::from_fn(|lane| {
            let seed = u128::from_le_bytes(blocks[BLOCKS * lane].into());
            let value = payload(&blocks[BLOCKS * lane + 1..][..BLOCKS - 1]);
            Child { seed: seed & !TWEAK_BITS, control: seed & 1 == 1, value }
        })
    }

    pub(super) fn child(&self, seed: u128, way: bool) -> Child {
        let nodes = [Node { seed, control: false }; BATCH];
        let [child, ..] = self.children(&nodes, &[way; BATCH], 1);
        child
    }

    /// The payload share of a leaf.
    pub(super) fn leaf(&self, seed: u128) -> Payload {
        let mut blocks: [Block; BLOCKS - 1] =
            std::array::from_fn(|part| ((seed & !TWEAK_BITS) ^ (6 + part as u128)).to_le_bytes().into());
        self.hash(&mut blocks);
        payload(&blocks)
    }
}

fn payload(blocks: &[Block]) -> Payload {
    std::array::from_fn(|word| {
        let block = u128::from_le_bytes(blocks[word / 2].into());
        (block >> (64 * (word % 2))) as u64
    })
}
