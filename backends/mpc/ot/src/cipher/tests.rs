//! AES in batches against the standard and against the portable path.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

fn blocks(seed: u8) -> impl FnMut() -> u128 {
    let mut rng = ChaCha12Rng::from_seed([seed; 32]);
    move || u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
}

#[test]
fn every_kernel_encrypts_as_the_standard_says() {
    // FIPS 197, appendices B and C.1, big-endian.
    let known = [
        (
            0x2b7e151628aed2a6abf7158809cf4f3c_u128,
            0x3243f6a8885a308d313198a2e0370734_u128,
            0x3925841d02dc09fbdc118597196a0b32_u128,
        ),
        (
            0x000102030405060708090a0b0c0d0e0f,
            0x00112233445566778899aabbccddeeff,
            0x69c4e0d86a7b0430d8cdb78070b4c55a,
        ),
    ];
    for (key, input, output) in known {
        let [key, input, output] = [key, input, output].map(u128::swap_bytes);
        assert_eq!(encrypt_block(key, input), output);
        assert_eq!(encrypt_pair(key, [input; 2]), [output; 2]);
        for kernel in Kernel::available() {
            // The name is added to the counters.
            let leaves = Leaves::new(kernel, &[Leaf { key, name: input ^ 5 }]);
            assert_eq!(leaves.fold(0, &[5; BLOCKS], &mut []), [output; BLOCKS], "{kernel:?}");
        }
    }
}

#[test]
fn folded_leaves_are_the_sums_that_the_definition_says() {
    for (seed, levels) in [(1, 2), (2, 4), (3, 8)] {
        let mut next = blocks(seed);
        let leaves: Vec<Leaf> = (0..3 << levels).map(|_| Leaf { key: next(), name: next() }).collect();
        let counters: Strip = std::array::from_fn(|_| next());
        for kernel in Kernel::available() {
            let schedules = Leaves::new(kernel, &leaves);
            for from in [0, 1 << levels, 2 << levels] {
                let mut sums = vec![[u128::MAX; BLOCKS]; levels];
                let total = schedules.fold(from, &counters, &mut sums);
                let sum = |of: &dyn Fn(usize) -> bool, block: usize| {
                    let tree = leaves[from..][..1 << levels].iter().enumerate().filter(|(x, _)| of(*x));
                    tree.fold(0, |sum, (_, leaf)| sum ^ encrypt_block(leaf.key, leaf.name ^ counters[block]))
                };
                for block in 0..BLOCKS {
                    assert_eq!(total[block], sum(&|_| true, block), "{kernel:?}");
                    for (bit, strip) in sums.iter().enumerate() {
                        assert_eq!(strip[block], sum(&|x| x >> bit & 1 == 1, block), "{kernel:?} {bit}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_kernel_hashes_as_the_definition_says() {
    let mut next = blocks(4);
    for (first, choices) in [(0, 1), (77, 2), (1 << 40, 16)] {
        let key = next();
        let rows: Vec<Strip> = (0..choices).map(|_| std::array::from_fn(|_| next())).collect();
        for kernel in Kernel::available() {
            let mut hashes = rows.clone();
            Hash::new(kernel, key).hash(first, &mut hashes);
            for (index, (row, hash)) in rows.iter().flatten().zip(hashes.iter().flatten()).enumerate() {
                let number = u128::from(first) + (index % BLOCKS) as u128;
                assert_eq!(*hash, encrypt_block(key ^ number, *row) ^ row, "{kernel:?}");
            }
        }
    }
}

#[test]
fn a_hash_depends_on_the_number_and_on_the_key() {
    let hash = |key, first| {
        let mut rows = [[9; BLOCKS]];
        Hash::new(Kernel::best(), key).hash(first, &mut rows);
        rows[0]
    };
    let all: Vec<u128> = [hash(64, 0), hash(64, 16), hash(128, 0), hash(128, 16)].concat();
    let different: std::collections::HashSet<u128> = all.iter().copied().collect();
    assert_eq!(different.len(), all.len());
}

/// Under one permutation p for all transfers, a hash y = p(w) + w could be looked up among outputs of other transfers' numbers, so that one
/// evaluation would test as many guesses as a portion has transfers. With a key for each, an evaluation is of one transfer.
#[test]
fn every_transfer_of_a_portion_has_a_key_of_the_cipher_of_its_own() {
    let (key, row) = (1 << 90 | 5, 0x1234);
    let mut rows = [[row; BLOCKS]; 2];
    let mut seen = std::collections::HashSet::new();
    for first in [0, 16, 32, 1 << 50] {
        rows.fill([row; BLOCKS]);
        Hash::new(Kernel::best(), key).hash(first, &mut rows);
        // Both halves of a transfer under the same key, different transfers under different ones.
        assert_eq!(rows[0], rows[1]);
        assert!(rows[0].iter().all(|hash| seen.insert(hash ^ row)), "two transfers share a permutation");
    }
}
