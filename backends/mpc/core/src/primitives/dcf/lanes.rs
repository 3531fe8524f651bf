//! What the walks through all trees have in common: sixteen keys abreast, their nodes and the inputs of the generator.

use super::generator::{Blocks, LANES};

/// In a nonce, below the salt and the number of the key: the level, which of a child's blocks it is, and the child.
const NONCE_BITS: u32 = 10;
const LEVEL: u32 = 3;

/// The blocks of a child, in a nonce and in what is expanded.
pub(super) const SEED: usize = 0;
pub(super) const VALUE: usize = 1;
/// Payloads of words that have bits to spare: the top bit of the block of the value is the control bit.
pub(super) const TWO: usize = 2;
/// The same of both children.
pub(super) const TWO_OF_BOTH: usize = 2 * TWO;

/// What is between the blocks of one child in a nonce: the other's.
pub(super) const CHILDREN: usize = 2;
/// The child, in a nonce's words.
pub(super) const WAYS: [u64; WORDS] = [1, 0];

/// Words of a block: a seed, or a share of a payload.
pub(super) const WORDS: usize = 2;

/// Keys of one group: their numbers, and so many of the lanes.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) lanes: usize,
}

impl Group {
    /// All groups of so many keys.
    pub(super) fn all(keys: usize) -> impl Iterator<Item = Group> {
        (0..keys).step_by(LANES).map(move |first| Group { first, lanes: LANES.min(keys - first) })
    }

    /// The part of something that has so many words a key.
    pub(super) fn of(self, words: usize) -> std::ops::Range<usize> {
        self.first * words..(self.first + self.lanes) * words
    }

    /// What each key has, with zeros in lanes without one.
    #[inline(always)]
    pub(super) fn lanes<T: Copy + Default>(self, all: &[T]) -> [T; LANES] {
        let mut lanes = [T::default(); LANES];
        lanes[..self.lanes].copy_from_slice(&all[self.of(1)]);
        lanes
    }

    /// The pairs of words of one level.
    #[inline(always)]
    pub(super) fn level(self, words: &[u64], level: usize) -> Blocks {
        let pairs = words.as_chunks::<WORDS>().0;
        if let Some(lanes) = pairs[level * self.lanes..].first_chunk() {
            return *lanes;
        }
        let mut lanes = Blocks::default();
        lanes[..self.lanes].copy_from_slice(&pairs[level * self.lanes..][..self.lanes]);
        lanes
    }

    #[inline(always)]
    pub(super) fn set_level(self, words: &mut [u64], level: usize, lanes: &Blocks) {
        let pairs = words.as_chunks_mut::<WORDS>().0;
        pairs[level * self.lanes..][..self.lanes].copy_from_slice(&lanes[..self.lanes]);
    }
}

/// All ones if the lowest bit is one.
#[inline(always)]
pub(super) fn mask(bit: u64) -> u64 {
    (bit & 1).wrapping_neg()
}

/// The first where the mask is, else the second.
#[inline(always)]
pub(super) fn select(mask: u64, first: u64, second: u64) -> u64 {
    second ^ (mask & (first ^ second))
}

/// The value, or its negation where the mask is.
#[inline(always)]
pub(super) fn signed(mask: u64, value: u64) -> u64 {
    (value ^ mask).wrapping_sub(mask)
}

pub(super) fn blocks_of(roots: [u128; LANES]) -> Blocks {
    roots.map(|root| [root as u64, (root >> 64) as u64])
}

/// What this says of each lane and word. Loops that do the same to all words become whole vectors.
#[inline(always)]
pub(super) fn each(what: impl Fn(usize, usize) -> u64) -> Blocks {
    let mut blocks = Blocks::default();
    for (lane, block) in blocks.iter_mut().enumerate() {
        for (word, value) in block.iter_mut().enumerate() {
            *value = what(lane, word);
        }
    }
    blocks
}

/// The control bits as masks, given the last of a child's blocks.
#[inline(always)]
pub(super) fn controls_of(block: &Blocks) -> Blocks {
    each(|lane, _| ((block[lane][WORDS - 1] as i64) >> 63) as u64)
}

/// A party's nodes of the keys' paths: seeds, and control bits as masks.
pub(super) struct Nodes {
    pub(super) seeds: Blocks,
    pub(super) controls: Blocks,
}

/// The nonces of nodes on one level.
#[inline(always)]
pub(super) fn on_level(nonces: &Blocks, level: usize) -> Blocks {
    let level = [(level as u64) << LEVEL, 0];
    each(|lane, word| nonces[lane][word] | level[word])
}

/// The nonces of a group's keys, of a set whose salt and first number these are, to be completed by [`on_level`].
#[inline(always)]
pub(super) fn nonces(salt: u128, first: usize, group: Group) -> Blocks {
    let (low, high) = (salt as u64, (salt >> 64) as u64);
    std::array::from_fn(|lane| [low.wrapping_add((first + group.first + lane) as u64) << NONCE_BITS, high])
}
