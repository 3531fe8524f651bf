//! Keys of one bit against their definition, and what one party sees of them.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::*;
use crate::dcf::roots;
use crate::random::{Seed, Stream};

/// Makes a key for every threshold, evaluates all at `xs`, and opens the shares.
fn opened(comparison: &BitComparison, thresholds: &[u64], xs: &[u64], stream: &mut Stream) -> Vec<bool> {
    let sides = [0; 2].map(|_| roots(stream, xs.len()));
    let mut keys = Corrections { seeds: vec![u64::MAX; 5], values: vec![u64::MAX; 5] };
    comparison.generate_into(&mut keys, thresholds, [&sides[0], &sides[1]]);
    assert_eq!(keys.seeds.len(), xs.len() * comparison.seed_words());
    assert_eq!(keys.values.len(), xs.len() * comparison.value_words());
    let unused = u64::MAX.checked_shl(comparison.levels() as u32).unwrap_or(0);
    assert!(keys.values.iter().all(|word| word & unused == 0), "corrections are what goes over the wire");
    let share = |side, roots: &[u128]| {
        let mut shares = vec![u64::MAX; xs.len().div_ceil(64)];
        comparison.evaluate_into(&mut shares, side, xs, roots, &keys);
        shares
    };
    let [first, second] = [share(Side::First, &sides[0]), share(Side::Second, &sides[1])];
    (0..xs.len()).map(|at| (first[at / 64] ^ second[at / 64]) >> (at % 64) & 1 == 1).collect()
}

#[test]
fn every_threshold_and_input_of_few_bits_equal_the_definition_with_every_kernel() {
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    for kernel in Kernel::available() {
        for bits in 1..=9 {
            let comparison = BitComparison::with_kernel(bits, 7, kernel);
            let pairs = (0..1u64 << bits).flat_map(|t| (0..1u64 << bits).map(move |x| (t, x)));
            let (thresholds, xs): (Vec<u64>, Vec<u64>) = pairs.unzip();
            let opened = opened(&comparison, &thresholds, &xs, &mut stream);
            for (at, is_less) in opened.into_iter().enumerate() {
                let (x, threshold) = (xs[at], thresholds[at]);
                assert_eq!(is_less, x < threshold, "{x} < {threshold} of {bits} bits by {kernel:?}");
            }
        }
    }
}

#[test]
fn random_neighbouring_and_extreme_inputs_of_many_bits_equal_the_definition_with_every_kernel() {
    let mut stream = Seed::from_bytes([2; 16]).stream(0);
    for kernel in Kernel::available() {
        for bits in [10, 26, 27, 39, 46, 63, 64] {
            let comparison = BitComparison::with_kernel(bits, u128::MAX - 3, kernel);
            let all = u64::MAX >> (64 - bits);
            let extremes = [0, 1, 2, 63, 64, 127, 128, all, all - 1, all / 2, all / 2 + 1];
            let mut pairs: Vec<(u64, u64)> = Vec::new();
            for threshold in extremes.into_iter().chain(stream.words(20)) {
                let threshold = threshold & all;
                let mut around =
                    vec![0, all, threshold, threshold.wrapping_sub(1), threshold.wrapping_add(1)];
                around.extend((0..bits).map(|bit| threshold ^ 1 << bit));
                pairs.extend(around.into_iter().map(|x| (threshold, x & all)));
            }
            let (thresholds, xs): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
            let opened = opened(&comparison, &thresholds, &xs, &mut stream);
            for (at, is_less) in opened.into_iter().enumerate() {
                let (x, threshold) = (xs[at], thresholds[at]);
                assert_eq!(is_less, x < threshold, "{x} < {threshold} of {bits} bits by {kernel:?}");
            }
        }
    }
}

#[test]
fn any_number_of_keys_fills_groups_or_part_of_one() {
    let mut stream = Seed::from_bytes([3; 16]).stream(0);
    let comparison = BitComparison::new(26, u128::MAX);
    for count in (0..=2 * LANES + 1).chain([100]) {
        let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word >> 38).collect();
        let xs: Vec<u64> = stream.words(count).into_iter().map(|word| word >> 38).collect();
        let opened = opened(&comparison, &thresholds, &xs, &mut stream);
        for (at, is_less) in opened.into_iter().enumerate() {
            assert_eq!(is_less, xs[at] < thresholds[at], "key {at} of {count}");
        }
    }
}

#[test]
fn a_set_made_and_evaluated_in_parts_is_the_whole_set_with_every_kernel() {
    let mut stream = Seed::from_bytes([4; 16]).stream(0);
    let count = 8 * GROUP + 3;
    let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word >> 38).collect();
    let sides = [0; 2].map(|_| roots(&mut stream, count));
    let salt = u128::from(u64::MAX - 40);
    let (mut keys, mut shares) = (Corrections::default(), vec![0; count.div_ceil(64)]);
    let whole = BitComparison::with_kernel(26, salt, Kernel::PORTABLE);
    whole.generate_into(&mut keys, &thresholds, [&sides[0], &sides[1]]);
    whole.evaluate_into(&mut shares, Side::Second, &thresholds, &sides[1], &keys);
    for kernel in Kernel::available() {
        let (mut parts, mut part, mut of_parts) =
            (Corrections::default(), Corrections::default(), Vec::new());
        for (start, size) in [(0, 4 * GROUP), (4 * GROUP, 4 * GROUP + 3)] {
            let function = BitComparison::with_kernel(26, salt, kernel).from_key(start);
            let at = start..start + size;
            function.generate_into(
                &mut part,
                &thresholds[at.clone()],
                sides.each_ref().map(|s| &s[at.clone()]),
            );
            let mut shares = vec![0; size.div_ceil(64)];
            function.evaluate_into(&mut shares, Side::Second, &thresholds[at.clone()], &sides[1][at], &part);
            of_parts.extend(shares);
            parts.seeds.extend(&part.seeds);
            parts.values.extend(&part.values);
        }
        assert!(parts == keys && of_parts == shares, "{kernel:?}");
    }
}

/// Of so many fair bits the ones, as standard deviations from half of them.
fn deviation(ones: u32, bits: usize) -> f64 {
    (f64::from(ones) - bits as f64 / 2.0) / (bits as f64 / 4.0).sqrt()
}

#[test]
fn one_partys_shares_and_the_corrections_look_random() {
    let mut stream = Seed::from_bytes([5; 16]).stream(0);
    let (count, bits) = (4096, 26);
    let comparison = BitComparison::new(bits, 7);
    let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
    for threshold in [0, 1 << 20, (1 << bits) - 1] {
        let sides = [0; 2].map(|_| roots(&mut stream, count));
        let mut keys = Corrections::default();
        comparison.generate_into(&mut keys, &vec![threshold; count], [&sides[0], &sides[1]]);
        let mut found = vec![deviation(ones(&keys.seeds), 64 * keys.seeds.len())];
        for which in 0..BIT_WORDS {
            let words: Vec<u64> = keys.values.iter().skip(which).step_by(BIT_WORDS).copied().collect();
            found.push(deviation(ones(&words), words.len() * comparison.levels()));
        }
        // The corrections of the leaves apart: they carry what is below the threshold.
        let groups = keys.seeds.chunks_exact(LANES * comparison.seed_words());
        let leaves: Vec<u64> = groups.flat_map(|group| &group[group.len() - 2 * LANES..]).copied().collect();
        found.push(deviation(ones(&leaves), 64 * leaves.len()));
        for (side, roots) in [(Side::First, &sides[0]), (Side::Second, &sides[1])] {
            for x in [5, threshold] {
                let mut shares = vec![0; count / 64];
                comparison.evaluate_into(&mut shares, side, &vec![x; count], roots, &keys);
                found.push(deviation(ones(&shares), count));
            }
        }
        assert!(found.iter().all(|deviation| deviation.abs() < 5.0), "{threshold}: {found:?}");
    }
}

/// Every bit of a root counts in every word of a key's corrections of seeds.
#[test]
fn every_bit_of_a_seed_counts() {
    let mut stream = Seed::from_bytes([12; 16]).stream(0);
    let (count, comparison) = (2 * LANES, BitComparison::new(26, 7));
    let thresholds = vec![1 << 20; count];
    let sides = [0; 2].map(|_| roots(&mut stream, count));
    let made = |sides: &[Vec<u128>; 2]| {
        let mut keys = Corrections::default();
        comparison.generate_into(&mut keys, &thresholds, [&sides[0], &sides[1]]);
        keys
    };
    let keys = made(&sides);
    for bit in 0..128 {
        let mut others = sides.clone();
        others[1].iter_mut().for_each(|root| *root ^= 1 << bit);
        let changed = made(&others);
        let same = keys.seeds.iter().zip(&changed.seeds).filter(|(a, b)| a == b).count();
        assert_eq!(same, 0, "bit {bit} of a root");
        assert!(keys.values != changed.values, "bit {bit} of a root");
    }
}

/// Frozen: both parties must take a key to mean the same, whatever revision made it.
#[test]
fn keys_are_those_of_this_revision() {
    let salt = 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978;
    let mut stream = Seed::from_bytes([10; 16]).stream(0);
    let sides = [0; 2].map(|_| roots(&mut stream, 17));
    let thresholds: Vec<u64> = stream.words(17).iter().map(|word| word >> 38).collect();
    let mut keys = Corrections::default();
    BitComparison::new(26, salt).generate_into(&mut keys, &thresholds, [&sides[0], &sides[1]]);
    let words = keys.seeds.iter().chain(&keys.values);
    let digest = words.fold(Sha256::new(), |hash, word| hash.chain_update(word.to_le_bytes())).finalize();
    let known = [0x06, 0x1a, 0xac, 0x4b, 0x73, 0xcd, 0xf7, 0x5d];
    assert_eq!(digest[..8], known, "raise the revision in circuit/digest.rs with every change of this");
}

#[test]
fn no_two_nodes_have_a_nonce_in_common() {
    let (mut seen, salt) = (HashSet::new(), 5 << 100 | u128::from(u64::MAX - 20));
    let levels = BitComparison::new(64, salt).levels();
    for first in [0, LANES, 2 * LANES] {
        let nonces = nonces(salt, first, Group { first: 0, lanes: LANES });
        for level in 0..=levels {
            for nonce in on_level(&nonces, level) {
                let blocks = if level == levels { 1 } else { TWO_OF_BOTH as u64 };
                assert!((0..blocks).all(|part| seen.insert([nonce[0] ^ part, nonce[1]])));
            }
        }
    }
}
