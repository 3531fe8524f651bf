//! Trees: all leaves but one at the puncturer, and no input of the cipher twice.

use std::collections::HashSet;

use super::*;
use crate::extension::code::{Depth, Kind};
use crate::extension::strip::{BLOCKS, Strip};
use crate::ideal;
use crate::setup::session::{Direction, Session};

const DEPTHS: [Depth; 3] = [Depth::TWO, Depth::FOUR, Depth::EIGHT];

fn name() -> Name {
    Name::new(Session::new([1; 16]), Direction::Forward, 1)
}

/// First strips of the streams of all leaves of a tree.
fn streams(leaves: &Leaves, code: Code, tree: usize) -> Vec<Strip> {
    let count = 1 << code.levels();
    (0..count)
        .map(|leaf| leaves.fold(tree * count + leaf, &std::array::from_fn(|b| b as u128), &mut []))
        .collect()
}

#[test]
fn the_puncturer_knows_every_leaf_but_the_secret_one() {
    for depth in DEPTHS {
        for kind in [Kind::Pairs, Kind::Sixteen] {
            let code = Code::new(kind, depth);
            let (pairs, chosen) = ideal::random_keys(code.columns()).unwrap();
            let kernel = Kernel::best();
            let (all, message) = grow(kernel, code, name(), &pairs).unwrap();
            let (known, secret) = puncture(kernel, code, name(), &chosen, &message).unwrap();
            for tree in [0, 1, code.trees() - 1] {
                let bits = secret[tree * code.levels()..][..code.levels()].iter().enumerate();
                let missing = bits.fold(0, |number, (bit, set)| number | usize::from(*set) << bit);
                let (all, known) = (streams(&all, code, tree), streams(&known, code, tree));
                for (number, stream) in all.iter().enumerate() {
                    assert_eq!(
                        known[number ^ missing] == *stream,
                        number != missing,
                        "leaf {number}, secret {missing}"
                    );
                }
                let different: HashSet<u128> = all.concat().into_iter().collect();
                assert_eq!(different.len(), all.len() * BLOCKS);
            }
        }
    }
}

#[test]
fn secret_leaves_are_opposite_to_choices() {
    let code = Code::new(Kind::Pairs, Depth::FOUR);
    let (pairs, chosen) = ideal::random_keys(code.columns()).unwrap();
    let (_, message) = grow(Kernel::best(), code, name(), &pairs).unwrap();
    let (_, secret) = puncture(Kernel::best(), code, name(), &chosen, &message).unwrap();
    for tree in 0..code.trees() {
        for level in 0..4 {
            assert_eq!(secret[4 * tree + 3 - level], 1 - chosen.choices()[4 * tree + level]);
        }
    }
}

/// The first level's sums are the nodes themselves: with the roots' children in clear, the message would hold what they expand to.
#[test]
fn sums_of_nodes_are_under_the_keys() {
    let code = Code::new(Kind::Pairs, Depth::TWO);
    let (pairs, _) = ideal::random_keys(code.columns()).unwrap();
    let (leaves, message) = grow(Kernel::best(), code, name(), &pairs).unwrap();
    let blocks: Vec<u128> =
        message.as_chunks::<16>().0.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
    for (tree, sums) in blocks.chunks(4).enumerate() {
        let expected = streams(&leaves, code, tree);
        let leaves_of = |nodes: [u128; 2]| -> Vec<u128> {
            let children = nodes
                .iter()
                .enumerate()
                .map(|(number, node)| encrypt_pair(*node, inputs(name(), tree, 1, number as u128)));
            children.flatten().collect()
        };
        let stream = |nodes| {
            let leaf = leaf(name(), tree, 0, leaves_of(nodes)[0]);
            crate::cipher::encrypt_block(leaf.key, leaf.name)
        };
        let keys = pairs.pairs()[2 * tree];
        assert_eq!(stream([sums[0] ^ keys[0], sums[1] ^ keys[1]]), expected[0][0]);
        assert_ne!(stream([sums[0], sums[1]]), expected[0][0]);
    }
}

#[test]
fn a_message_of_another_length_is_refused() {
    let code = Code::new(Kind::Pairs, Depth::EIGHT);
    let (_, chosen) = ideal::random_keys(code.columns()).unwrap();
    for length in [0, 4095, 4097] {
        let result = puncture(Kernel::best(), code, name(), &chosen, &vec![0; length]).map(|_| ());
        assert!(matches!(result, Err(Error::Length { expected: 4096, .. })));
    }
}
