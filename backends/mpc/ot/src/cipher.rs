//! AES-128 in batches: sums of the streams of a tree's leaves, and the hash of rows.
//!
//! A batch is a strip of sixteen blocks, so that the rounds of different blocks overlap. With VAES four blocks share a vector; otherwise the
//! `aes` crate takes AES-NI, or bit-slices without. Key schedules of leaves are kept, and wiped on drop; those of hashes, whose keys are public, are made on the way.

pub(crate) mod kernel;
#[cfg(target_arch = "x86_64")]
mod vaes;

use aes::Aes128Enc;
use aes::cipher::{BlockEncrypt, KeyInit};

use crate::cipher::kernel::{Kernel, Set};
use crate::extension::strip::{BLOCKS, Strip, add};
#[cfg(target_arch = "x86_64")]
use veilbench_ring::wiped::Wiped;

/// Levels of the deepest tree.
pub(crate) const MOST_LEVELS: usize = 8;

/// A key, and what is added to the blocks it encrypts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Leaf {
    pub(crate) key: u128,
    pub(crate) name: u128,
}

/// Key schedules of leaves.
pub(crate) struct Leaves(Schedules);

enum Schedules {
    Portable(Vec<(Aes128Enc, u128)>),
    #[cfg(target_arch = "x86_64")]
    Vaes(Wiped<vaes::Schedule>),
}

impl Leaves {
    pub(crate) fn new(kernel: Kernel, leaves: &[Leaf]) -> Self {
        match kernel.set() {
            #[cfg(target_arch = "x86_64")]
            Set::Vaes => {
                let mut schedules = Wiped::with_capacity(leaves.len());
                #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
                // SAFETY: the kernel exists only after its instruction sets were detected.
                schedules.extend(leaves.iter().map(|leaf| unsafe { vaes::schedule(leaf.key, leaf.name) }));
                Self(Schedules::Vaes(schedules))
            }
            _ => {
                let portable = leaves.iter().map(|leaf| (cipher(leaf.key), leaf.name));
                Self(Schedules::Portable(portable.collect()))
            }
        }
    }

    /// Sums of the streams of leaves `from..from + 2^sums.len()`: into `sums[j]` those of leaves whose number relative to `from` has
    /// bit j, and as result those of all. Block b of a leaf's stream is its cipher's block at `name ^ counters[b]`.
    pub(crate) fn fold(&self, from: usize, counters: &Strip, sums: &mut [Strip]) -> Strip {
        let leaves = from..from + (1 << sums.len());
        match &self.0 {
            Schedules::Portable(ciphers) => fold_portable(&ciphers[leaves], counters, sums),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: schedules of this form are made only after the instruction sets were detected.
            Schedules::Vaes(schedules) => unsafe { vaes::fold(&schedules[leaves], counters, sums) },
        }
    }
}

/// Every sum of a subtree's leaves is added once to the level where it is the right child, and once to its sibling.
fn fold_portable(leaves: &[(Aes128Enc, u128)], counters: &Strip, sums: &mut [Strip]) -> Strip {
    let mut waiting = [[0; BLOCKS]; MOST_LEVELS + 1];
    sums.fill([0; BLOCKS]);
    for (number, (cipher, name)) in leaves.iter().enumerate() {
        let mut sum = counters.map(|counter| counter ^ name);
        encrypt(cipher, &mut sum);
        let level = number.trailing_ones() as usize;
        for (right, left) in sums.iter_mut().zip(&waiting).take(level) {
            add(right, &sum);
            add(&mut sum, left);
        }
        waiting[level] = sum;
    }
    waiting[sums.len()]
}

fn cipher(key: u128) -> Aes128Enc {
    Aes128Enc::new(&key.to_le_bytes().into())
}

fn encrypt(cipher: &Aes128Enc, blocks: &mut Strip) {
    let mut bytes = blocks.map(|block| aes::Block::from(block.to_le_bytes()));
    cipher.encrypt_blocks(&mut bytes);
    *blocks = bytes.map(|block| u128::from_le_bytes(block.into()));
}

/// AES of one block, which tests hold batches to.
#[cfg(test)]
pub(crate) fn encrypt_block(key: u128, block: u128) -> u128 {
    let mut bytes = block.to_le_bytes().into();
    cipher(key).encrypt_block(&mut bytes);
    u128::from_le_bytes(bytes.into())
}

/// AES of two blocks.
pub(crate) fn encrypt_pair(key: u128, blocks: [u128; 2]) -> [u128; 2] {
    let mut bytes = blocks.map(|block| aes::Block::from(block.to_le_bytes()));
    cipher(key).encrypt_blocks(&mut bytes);
    bytes.map(|block| u128::from_le_bytes(block.into()))
}

/// The hash `H(x, i) = AES(K + i, x) + x` of rows `x` under the public key `K` of a portion: every transfer has a key of the cipher of its own, as in Guo, Katz, Wang,
/// Weng, Yu, "Better Concrete Security for Half-Gates Garbling (in the Multi-Instance Setting)", CRYPTO 2020.
///
/// One key schedule serves all rows of a transfer, and sixteen transfers go side by side.
#[derive(Clone, Copy)]
pub(crate) struct Hash {
    kernel: Kernel,
    key: u128,
}

impl Hash {
    pub(crate) fn new(kernel: Kernel, key: u128) -> Self {
        Self { kernel, key }
    }

    /// Hashes of rows numbered from `first` on, in their place: in every strip those of the same transfers.
    pub(crate) fn hash(self, first: u64, rows: &mut [Strip]) {
        let keys: Strip = std::array::from_fn(|row| self.key ^ u128::from(first.wrapping_add(row as u64)));
        match self.kernel.set() {
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::Vaes => unsafe { vaes::hash(&keys, rows) },
            _ => hash_portable(&keys, rows),
        }
    }
}

fn hash_portable(keys: &Strip, rows: &mut [Strip]) {
    for rows in rows.chunks_mut(BLOCKS) {
        for (row, key) in keys.iter().enumerate() {
            let mut blocks = [aes::Block::default(); BLOCKS];
            for (block, strip) in blocks.iter_mut().zip(rows.iter()) {
                *block = strip[row].to_le_bytes().into();
            }
            cipher(*key).encrypt_blocks(&mut blocks[..rows.len()]);
            for (block, strip) in blocks.into_iter().zip(rows.iter_mut()) {
                strip[row] ^= u128::from_le_bytes(block.into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
