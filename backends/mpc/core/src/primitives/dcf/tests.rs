//! Keys of comparisons against their definition, with every kernel, and against each other.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::generator::LANES;
use super::*;
use crate::random::Seed;

/// The definition.
fn plain(x: u64, threshold: u64, payload: Payload) -> Payload {
    if x < threshold { payload } else { [0; PAYLOAD_WORDS] }
}

/// Makes a key for every threshold, evaluates all at `xs`, and opens the shares modulo `2^width`.
fn opened(
    comparison: &Comparison,
    width: u32,
    thresholds: &[u64],
    payloads: &[Payload],
    xs: &[u64],
    stream: &mut Stream,
) -> Vec<Payload> {
    let reduce = |word: u64| word & u64::MAX >> (64 - width);
    let sides = [0; 2].map(|_| roots(stream, xs.len()));
    let keys = comparison.generate(thresholds, payloads, [&sides[0], &sides[1]]);
    assert_eq!(keys.seeds.len(), xs.len() * comparison.seed_words());
    assert_eq!(keys.values.len(), xs.len() * comparison.value_words());
    assert!(keys.values.iter().all(|word| *word == reduce(*word)), "corrections are what goes over the wire");
    let first = comparison.evaluate(Side::First, xs, &sides[0], &keys);
    let second = comparison.evaluate(Side::Second, xs, &sides[1], &keys);
    let open = |(a, b): (Payload, Payload)| [0, 1].map(|word| reduce(a[word].wrapping_add(b[word])));
    first.into_iter().zip(second).map(open).collect()
}

#[test]
fn every_threshold_and_input_of_few_bits_equal_the_definition_with_every_kernel() {
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    for kernel in Kernel::available() {
        for (bits, width) in (1..=6).flat_map(|bits| [(bits, 16), (bits, 63), (bits, 64)]) {
            let comparison = Comparison::with_kernel(bits, width, 7, kernel);
            let pairs = (0..1u64 << bits).flat_map(|t| (0..1u64 << bits).map(move |x| (t, x)));
            let (thresholds, xs): (Vec<u64>, Vec<u64>) = pairs.unzip();
            let all = u64::MAX >> (64 - width);
            let payloads: Vec<Payload> = thresholds.iter().map(|t| [1, t ^ all]).collect();
            let opened = opened(&comparison, width, &thresholds, &payloads, &xs, &mut stream);
            for (at, value) in opened.into_iter().enumerate() {
                let (x, threshold) = (xs[at], thresholds[at]);
                assert_eq!(value, plain(x, threshold, payloads[at]), "{x} < {threshold} by {kernel:?}");
            }
        }
    }
}

#[test]
fn random_neighbouring_and_extreme_inputs_of_many_bits_equal_the_definition_with_every_kernel() {
    let mut stream = Seed::from_bytes([2; 16]).stream(0);
    for kernel in Kernel::available() {
        for (bits, width) in [(15, 16), (39, 40), (47, 48), (63, 64), (64, 64)] {
            let comparison = Comparison::with_kernel(bits, width, u128::MAX - 3, kernel);
            let all = u64::MAX >> (64 - bits);
            let mut pairs: Vec<(u64, u64)> = Vec::new();
            for threshold in [0, 1, 2, all, all - 1, all / 2, all / 2 + 1].into_iter().chain(stream.words(20))
            {
                let threshold = threshold & all;
                pairs.extend(stream.words(10).into_iter().map(|x| (threshold, x & all)));
                pairs.extend((0..bits).map(|bit| (threshold, threshold ^ 1 << bit)));
                let (below, above) = (threshold.saturating_sub(1), threshold.wrapping_add(1) & all);
                pairs.extend([0, 1, all, all - 1, threshold, below, above].map(|x| (threshold, x)));
            }
            let (thresholds, xs): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
            let words = stream.words(2 * xs.len());
            let reduced = |word: &u64| word & u64::MAX >> (64 - width);
            let payloads: Vec<Payload> =
                words.chunks_exact(2).map(|pair| [reduced(&pair[0]), reduced(&pair[1])]).collect();
            let opened = opened(&comparison, width, &thresholds, &payloads, &xs, &mut stream);
            for (at, value) in opened.into_iter().enumerate() {
                let (x, threshold) = (xs[at], thresholds[at]);
                assert_eq!(value, plain(x, threshold, payloads[at]), "{x} < {threshold} by {kernel:?}");
            }
        }
    }
}

#[test]
fn any_number_of_keys_fills_groups_or_part_of_one() {
    let mut stream = Seed::from_bytes([3; 16]).stream(0);
    let comparison = Comparison::new(39, 64, u128::MAX);
    for count in (0..=2 * LANES + 1).chain([100]) {
        let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word >> 25).collect();
        let xs: Vec<u64> = stream.words(count).into_iter().map(|word| word >> 25).collect();
        let payloads: Vec<Payload> = thresholds.iter().map(|threshold| [9, *threshold]).collect();
        let opened = opened(&comparison, 64, &thresholds, &payloads, &xs, &mut stream);
        for (at, value) in opened.into_iter().enumerate() {
            assert_eq!(value, plain(xs[at], thresholds[at], payloads[at]), "key {at} of {count}");
        }
    }
}

#[test]
fn a_set_made_and_evaluated_in_parts_is_the_whole_set() {
    let mut stream = Seed::from_bytes([11; 16]).stream(0);
    let count = 5 * GROUP + 3;
    let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word >> 25).collect();
    let payloads: Vec<Payload> = thresholds.iter().map(|threshold| [7, *threshold]).collect();
    let sides = [0; 2].map(|_| roots(&mut stream, count));
    let salt = u128::from(u64::MAX - 40);
    let whole = Comparison::new(39, 40, salt);
    let keys = whole.generate(&thresholds, &payloads, [&sides[0], &sides[1]]);
    let shares = whole.evaluate(Side::First, &thresholds, &sides[0], &keys);
    let (mut parts, mut part) = (Corrections::default(), Corrections::default());
    let mut shares_of_parts = Vec::new();
    for (start, size) in [(0, GROUP), (GROUP, 3 * GROUP), (4 * GROUP, GROUP + 3)] {
        let function = Comparison::new(39, 40, salt).from_key(start);
        let at = start..start + size;
        let roots = [&sides[0][at.clone()], &sides[1][at.clone()]];
        function.generate_into(&mut part, &thresholds[at.clone()], &payloads[at.clone()], roots);
        shares_of_parts.extend(function.evaluate(Side::First, &thresholds[at], roots[0], &part));
        parts.seeds.extend(&part.seeds);
        parts.values.extend(&part.values);
    }
    assert!(parts == keys && shares_of_parts == shares);
}

#[test]
fn kernels_make_the_same_keys_and_shares() {
    let mut stream = Seed::from_bytes([4; 16]).stream(0);
    let thresholds = stream.words(37);
    let payloads: Vec<Payload> = thresholds.iter().map(|threshold| [3, *threshold]).collect();
    let sides = [0; 2].map(|_| roots(&mut stream, 37));
    let made = |width, kernel| {
        let comparison = Comparison::with_kernel(64, width, 5, kernel);
        let keys = comparison.generate(&thresholds, &payloads, [&sides[0], &sides[1]]);
        let shares = comparison.evaluate(Side::Second, &thresholds, &sides[1], &keys);
        (keys, shares)
    };
    for width in [48, 64] {
        let expected = made(width, Kernel::PORTABLE);
        for kernel in Kernel::available() {
            assert!(made(width, kernel) == expected, "{kernel:?}");
        }
    }
}

#[test]
fn one_partys_shares_and_the_corrections_look_random() {
    for (bits, width) in [(63, 64), (47, 48)] {
        let comparison = Comparison::new(bits, width, 7);
        let mut stream = Seed::from_bytes([5; 16]).stream(0);
        let count = 2000;
        let sides = [0; 2].map(|_| roots(&mut stream, count));
        let keys = comparison.generate(&vec![1 << 40; count], &vec![[1, 2]; count], [&sides[0], &sides[1]]);
        let deviation = |words: &[u64], cleared: u32| {
            let ones: u32 = words.iter().map(|word| word.count_ones()).sum();
            let bits = (64 * words.len()) as f64 - f64::from(cleared);
            (f64::from(ones) - bits / 2.0) / (bits / 4.0).sqrt()
        };
        for side in [Side::First, Side::Second] {
            let roots = &sides[usize::from(side == Side::Second)];
            let shares = comparison.evaluate(side, &vec![5; count], roots, &keys).concat();
            assert!(shares.iter().all(|word| word.checked_shr(width).unwrap_or(0) == 0));
            let shares = deviation(&shares, shares.len() as u32 * (64 - width));
            assert!(shares.abs() < 5.0, "{shares} standard deviations");
        }
        // Corrections of control bits have zeros for the bits that are not compared, shares and corrections of payloads above
        // their width.
        let seeds = deviation(&keys.seeds, count as u32 * 2 * (64 - bits));
        let values = deviation(&keys.values, keys.values.len() as u32 * (64 - width));
        assert!(seeds.abs() < 5.0 && values.abs() < 5.0, "{seeds} and {values} standard deviations");
    }
}

/// No bit of a seed goes without: over many keys each bit of the corrections of seeds, and each of the blocks they come from, is
/// one half of the time.
#[test]
fn every_bit_of_a_seed_counts() {
    let mut stream = Seed::from_bytes([12; 16]).stream(0);
    let count = 4 * LANES;
    let thresholds = vec![1 << 30; count];
    for width in [48, 64] {
        let comparison = Comparison::new(39, width, 7);
        let sides = [0; 2].map(|_| roots(&mut stream, count));
        let made = |sides: &[Vec<u128>; 2]| {
            comparison.generate(&thresholds, &vec![[1, 2]; count], [&sides[0], &sides[1]])
        };
        let keys = made(&sides);
        for bit in 0..128 {
            let mut others = sides.clone();
            others[0].iter_mut().for_each(|root| *root ^= 1 << bit);
            let changed = made(&others);
            let same = keys.seeds.iter().zip(&changed.seeds).filter(|(a, b)| a == b).count();
            assert_eq!(same, 0, "bit {bit} of a root");
        }
        let ones = |bit: usize| {
            let seeds = keys.seeds.chunks_exact(LANES * comparison.seed_words());
            let words = seeds.flat_map(|group| &group[..LANES * 39 * SEED_WORDS]).skip(bit / 64).step_by(2);
            words.filter(|word| *word >> (bit % 64) & 1 == 1).count()
        };
        let seeds = (count * 39) as f64;
        for bit in 0..128 {
            let deviation = (ones(bit) as f64 - seeds / 2.0) / (seeds / 4.0).sqrt();
            assert!(deviation.abs() < 5.0, "bit {bit}: {deviation} standard deviations");
        }
    }
}

/// A party sees of the other's path what the corrections show. A guess at a seed, expanded at the nonces of one node, is held
/// against that node only: here the other's roots have 12 bits, so that a table of all of them under the nonces of one key
/// recovers this key's and no other's.
#[test]
fn a_table_of_guesses_serves_for_one_key_only() {
    use generator::{Blocks, Generator};
    let comparison = Comparison::new(63, 64, 7);
    let expand = |root: u64, key: u64| {
        let nonce = [7u64.wrapping_add(key) << 10, 0];
        let children: [Blocks; 2] = Portable.expand::<2, 1>(&[[root, 0]; LANES], &[nonce; LANES]);
        [children[0][0][0], children[1][0][0]]
    };
    let guessed = 3;
    let table: HashSet<u64> = (0..1 << 12).flat_map(|root| expand(root, guessed)).collect();
    let mut stream = Seed::from_bytes([6; 16]).stream(0);
    let count = 2 * LANES;
    let others: Vec<u64> = stream.words(count).iter().map(|word| word >> 52).collect();
    let own: Vec<u64> = stream.words(count).iter().map(|word| word >> 52).collect();
    let [first, second] =
        [&own, &others].map(|roots| -> Vec<u128> { roots.iter().map(|root| u128::from(*root)).collect() });
    let keys = comparison.generate(&vec![1 << 50; count], &vec![[1, 2]; count], [&first, &second]);
    let group = LANES * comparison.seed_words();
    for (key, own) in own.iter().enumerate() {
        let correction = keys.seeds[key / LANES * group + key % LANES * SEED_WORDS];
        let shown = expand(*own, key as u64).map(|seed| seed ^ correction);
        let recovered = shown.iter().any(|seed| table.contains(seed));
        assert_eq!(recovered, key as u64 == guessed, "key {key}");
    }
}

#[test]
fn no_two_nodes_have_a_nonce_in_common() {
    let mut seen = HashSet::new();
    for bits in [39, 64] {
        let comparison = Comparison::new(bits, 64, u128::from(bits) << 100 | u128::from(u64::MAX - 20));
        for first in [0, LANES, 2 * LANES] {
            for level in 0..=bits as usize {
                for nonce in comparison.nonces_of(first, level) {
                    assert!((0..6).all(|part| seen.insert([nonce[0] ^ part, nonce[1]])));
                }
            }
        }
    }
}

/// Frozen: both parties must take a key to mean the same, whatever revision made it.
#[test]
fn keys_are_those_of_this_revision() {
    let salt = 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978;
    let mut stream = Seed::from_bytes([10; 16]).stream(0);
    let sides = [0; 2].map(|_| roots(&mut stream, 17));
    let thresholds: Vec<u64> = stream.words(17).iter().map(|word| word >> 25).collect();
    for (width, known) in [
        (40, [0x87, 0x65, 0x6a, 0x6e, 0xa6, 0x8f, 0x68, 0xeb]),
        (64, [0x2a, 0x3b, 0xe6, 0xaf, 0x10, 0xfb, 0xb3, 0x56]),
    ] {
        let keys =
            Comparison::new(39, width, salt).generate(&thresholds, &[[1, 2]; 17], [&sides[0], &sides[1]]);
        let words = keys.seeds.iter().chain(&keys.values);
        let digest = words.fold(Sha256::new(), |hash, word| hash.chain_update(word.to_le_bytes())).finalize();
        assert_eq!(digest[..8], known, "raise the revision in circuit/digest.rs with every change of this");
    }
}
