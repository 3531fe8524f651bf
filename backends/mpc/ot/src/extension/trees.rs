//! Trees of seeds of which one party knows all leaves and the other all but one: Goldreich, Goldwasser, Micali, "How to Construct
//! Random Functions", J. ACM 1986, punctured as in Boyle, Couteau, Gilboa, Ishai, "Compressing Vector OLE", CCS 2018.
//!
//! The owner draws a root per tree. On every level it offers the sum of all left nodes and that of all right nodes, each under a key of
//! a transfer. The puncturer takes the side that its secret leaf is not on, which gives it the one node there that it cannot
//! compute: the sibling of its secret path.
//!
//! The children of a node are AES under the node as key, at inputs that no two nodes of a session share, so that a guess of a node can be held
//! against one node only. Assumed is that AES-128 is a pseudo-random function.
//!
//! The puncturer numbers nodes relative to its path: node `y` is the one at `y + path`, and its own path is always node 0. What it
//! reads and writes, and when, is then the same for every path.

use subtle::{Choice, ConditionallySelectable};

use crate::Error;
use crate::cipher::kernel::Kernel;
use crate::cipher::{Leaf, Leaves, encrypt_pair};
use crate::error::expect_length;
use crate::extension::code::Code;
use crate::setup::session::{Domain, Name, random_block};
use crate::transfers::keys::{ChosenKeys, KeyPairs};
use veilbench_ring::wiped::Wiped;

const BLOCK: usize = 16;

/// Bytes of the owner's message: two sums per level of every tree.
pub(crate) fn message_bytes(code: Code) -> usize {
    2 * BLOCK * code.columns()
}

/// Grows all trees of a code. `pairs` has a pair of keys per level of every tree. Returns the leaves, in their order, and the message.
pub(crate) fn grow(
    kernel: Kernel,
    code: Code,
    name: Name,
    pairs: &KeyPairs,
) -> Result<(Leaves, Vec<u8>), Error> {
    let mut leaves = Wiped::with_capacity(code.trees() << code.levels());
    let mut message = Vec::with_capacity(message_bytes(code));
    for (tree, pairs) in pairs.pairs().chunks_exact(code.levels()).enumerate() {
        let mut nodes = Wiped::from(vec![random_block()?]);
        for (level, pair) in pairs.iter().enumerate() {
            let mut children = Wiped::with_capacity(2 * nodes.len());
            let mut sums = [0; 2];
            for (number, node) in nodes.iter().enumerate() {
                let [left, right] = encrypt_pair(*node, inputs(name, tree, level, number as u128));
                sums[0] ^= left;
                sums[1] ^= right;
                children.extend([left, right]);
            }
            for (sum, key) in sums.iter().zip(pair) {
                message.extend_from_slice(&(sum ^ key).to_le_bytes());
            }
            nodes = children;
        }
        leaves.extend(nodes.iter().enumerate().map(|(number, key)| leaf(name, tree, number as u128, *key)));
    }
    Ok((Leaves::new(kernel, &leaves), message))
}

/// Grows all of every tree but its secret leaf. `chosen` has a key per level of every tree, whose choice is the side of the path that
/// the secret leaf is not on. Returns the leaves relative to it, and its number for every tree: bit `levels * tree + j` is bit j.
pub(crate) fn puncture(
    kernel: Kernel,
    code: Code,
    name: Name,
    chosen: &ChosenKeys,
    message: &[u8],
) -> Result<(Leaves, Wiped<u8>), Error> {
    expect_length("sums of the nodes of trees", message_bytes(code), message)?;
    let levels = code.levels();
    let mut leaves = Wiped::with_capacity(code.trees() << levels);
    let mut secret = Wiped::new(code.columns());
    let offered = message.as_chunks::<BLOCK>().0.as_chunks::<2>().0.chunks_exact(levels);
    let chosen = chosen.choices().chunks_exact(levels).zip(chosen.keys().chunks_exact(levels));
    for (tree, (offered, (choices, keys))) in offered.zip(chosen).enumerate() {
        let mut path = 0;
        let mut nodes = Wiped::from(vec![0]);
        for (level, ((offered, key), choice)) in offered.iter().zip(keys).zip(choices).enumerate() {
            let on_path = Choice::from(1 ^ choice);
            let mut children = Wiped::new(2 * nodes.len());
            let mut sum = key ^ u128::conditional_select(&block(offered[1]), &block(offered[0]), on_path);
            for (number, node) in nodes.iter().enumerate().skip(1) {
                let [left, right] = encrypt_pair(*node, inputs(name, tree, level, number as u128 ^ path));
                children[2 * number] = u128::conditional_select(&left, &right, on_path);
                children[2 * number + 1] = u128::conditional_select(&right, &left, on_path);
                sum ^= children[2 * number + 1];
            }
            children[1] = sum;
            path = path << 1 | u128::from(on_path.unwrap_u8());
            secret[levels * tree + levels - 1 - level] = on_path.unwrap_u8();
            nodes = children;
        }
        let relative =
            nodes.iter().enumerate().map(|(number, key)| leaf(name, tree, number as u128 ^ path, *key));
        leaves.extend(relative);
    }
    Ok((Leaves::new(kernel, &leaves), secret))
}

fn block(bytes: [u8; BLOCK]) -> u128 {
    u128::from_le_bytes(bytes)
}

/// Inputs for the children of a node.
fn inputs(name: Name, tree: usize, level: usize, number: u128) -> [u128; 2] {
    let heap = (1 << level) + number;
    let left = name.block(Domain::Tree) ^ (tree as u128) << 64 ^ heap << 1;
    [left, left ^ 1]
}

/// A leaf's stream: blocks at its name plus a counter of 64 bits.
fn leaf(name: Name, tree: usize, number: u128, key: u128) -> Leaf {
    Leaf { key, name: name.block(Domain::Leaf) ^ (tree as u128) << 80 ^ number << 64 }
}

#[cfg(test)]
mod tests;
