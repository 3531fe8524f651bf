//! The distributed comparison function: keys for two parties that give additive shares of
//! `payload * [x < threshold]` at any public `x`, where the threshold and payload are the dealer's.
//!
//! Boyle, Chandran, Gilboa, Gupta, Ishai, Kumar, Rathee, "Function Secret Sharing for Mixed-Mode and
//! Fixed-Point Secure Computation", EUROCRYPT 2021, figure 1. The generator is AES with public keys, made one-way by
//! feeding its input forward (Matyas-Meyer-Oseas).
//!
//! # Security
//! Corrections show each party, at every level, a seed of the other's path. Under one cipher key a guess can be held against all of
//! them, so every 16 keys have a cipher key of their own, never used again. That leaves 125 bits of a seed, less 10 for the 16 keys
//! of at most 64 levels: 115. It does not depend on how many keys, batches or sessions there are.
//!
//! A key is a root of 16 bytes and one correction a bit, the same for both parties: with three words of payload 2.6 kB at
//! 63 bits and words of 8 bytes, 1.2 kB at 39 bits and words of 5.

mod generator;

use crate::random::Stream;
use crate::ring::Ring;
use generator::Generator;

/// Words of the payload: a sign, and the sign times each offset of a truncation.
pub const PAYLOAD_WORDS: usize = 3;

/// An element of the output group.
pub type Payload = [u64; PAYLOAD_WORDS];

/// Words of one level's seed correction: a seed, with the two control bits in its lowest.
const SEED_WORDS: usize = 2;

/// The corrections of any number of keys, one after the other: public to both parties, they hide threshold and payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    /// [`Comparison::seed_words`] a key.
    pub seeds: Vec<u64>,
    /// [`Comparison::value_words`] a key, elements of the ring.
    pub values: Vec<u64>,
}

/// Makes and evaluates keys for inputs of so many bits.
pub struct Comparison {
    bits: u32,
    ring: Ring,
    salt: u128,
}

/// Which party evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Begins with control bit 0.
    First,
    /// Begins with control bit 1 and negates.
    Second,
}

impl Comparison {
    /// For inputs of 1 to 64 bits and payloads in `ring`. The salt is public, and no two sets of keys have the same.
    ///
    /// # Panics
    /// For any other number.
    pub fn new(bits: u32, ring: Ring, salt: u128) -> Self {
        assert!((1..=64).contains(&bits), "inputs of {bits} bits");
        Self { bits, ring, salt }
    }

    /// What is claimed against a party with one root, in bits: seeds have 125, and the nodes of a batch of keys share a cipher key.
    pub fn security_bits(&self) -> u32 {
        SEED_BITS - (BATCH as u32 * self.bits).next_power_of_two().ilog2()
    }

    /// Of the keys numbered `group * BATCH` and up.
    fn generator(&self, group: usize) -> Generator {
        Generator::new(self.ring, self.salt.wrapping_add(group as u128))
    }

    /// Words of a key's corrections of seeds.
    pub fn seed_words(&self) -> usize {
        self.bits as usize * SEED_WORDS
    }

    /// Elements of a key's corrections of the payload.
    pub fn value_words(&self) -> usize {
        (self.bits as usize + 1) * PAYLOAD_WORDS
    }

    /// Appends the corrections of the key that comes next, for two random roots. Each party receives one root and the corrections.
    pub fn generate(
        &self,
        threshold: u64,
        payload: Payload,
        roots: [u128; 2],
        corrections: &mut Corrections,
    ) {
        let made = corrections.seeds.len() / self.seed_words();
        let generator = self.generator(made / BATCH);
        let reduced = |value: Payload| value.map(|word| self.ring.reduce(word));
        let mut nodes = [Node { seed: roots[0], control: false }, Node { seed: roots[1], control: true }];
        let mut sum = [0; PAYLOAD_WORDS];
        for level in (0..self.bits).rev() {
            let keep = usize::from(threshold >> level & 1 == 1);
            let [first, second] = nodes.map(|node| node.seed);
            let ways = [false, true, false, true];
            let [a, b, c, d] = generator.children([first, first, second, second], ways);
            let children = [[a, b], [c, d]];
            let lose = 1 - keep;
            let seed = children[0][lose].seed ^ children[1][lose].seed;
            let negative = nodes[1].control;
            let mut value = sub(sub(children[1][lose].value, children[0][lose].value), sum);
            if keep == 1 {
                value = add(value, payload);
            }
            let value = if negative { negate(value) } else { value };
            sum = add(sub(sum, children[1][keep].value), children[0][keep].value);
            sum = if negative { sub(sum, value) } else { add(sum, value) };
            let controls =
                [0, 1].map(|way: usize| children[0][way].control ^ children[1][way].control ^ (way == keep));
            let packed = u64::from(controls[0]) | u64::from(controls[1]) << 1;
            corrections.seeds.extend_from_slice(&[seed as u64 | packed, (seed >> 64) as u64]);
            corrections.values.extend_from_slice(&reduced(value));
            for (node, children) in nodes.iter_mut().zip(&children) {
                let child = &children[keep];
                let corrected = if node.control { seed } else { 0 };
                *node = Node {
                    seed: child.seed ^ corrected,
                    control: child.control ^ (node.control && controls[keep]),
                };
            }
        }
        let leaves = nodes.map(|node| generator.leaf(node.seed));
        let last = sub(sub(leaves[1], leaves[0]), sum);
        corrections.values.extend_from_slice(&reduced(if nodes[1].control { negate(last) } else { last }));
    }

    /// One party's shares at the inputs `xs`, each under its own key: `roots` one after the other,
    /// `corrections` likewise.
    ///
    /// # Panics
    /// If there are not as many keys as inputs.
    pub fn evaluate(
        &self,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
    ) -> Vec<Payload> {
        assert_eq!(xs.len(), roots.len(), "a root for every input");
        assert_eq!(xs.len() * self.seed_words(), corrections.seeds.len(), "corrections for every input");
        assert_eq!(xs.len() * self.value_words(), corrections.values.len(), "corrections for every input");
        let seeds = corrections.seeds.chunks(BATCH * self.seed_words());
        let values = corrections.values.chunks(BATCH * self.value_words());
        let mut shares = Vec::with_capacity(xs.len());
        let inputs = xs.chunks(BATCH).zip(roots.chunks(BATCH)).enumerate();
        for ((group, (xs, roots)), corrections) in inputs.zip(seeds.zip(values)) {
            self.evaluate_some(&self.generator(group), side, xs, roots, corrections, &mut shares);
        }
        shares
    }

    /// Up to [`BATCH`] keys abreast, so that the cipher's pipeline is full.
    fn evaluate_some(
        &self,
        generator: &Generator,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        (seeds, values): (&[u64], &[u64]),
        shares: &mut Vec<Payload>,
    ) {
        let count = xs.len();
        let mut sums: [Payload; BATCH] = [[0; PAYLOAD_WORDS]; BATCH];
        let mut nodes = [Node { seed: 0, control: side == Side::Second }; BATCH];
        for (node, root) in nodes.iter_mut().zip(roots) {
            node.seed = *root;
        }
        let (seed_words, value_words) = (self.seed_words(), self.value_words());
        for (depth, level) in (0..self.bits).rev().enumerate() {
            let mut ways = [false; BATCH];
            for (way, x) in ways.iter_mut().zip(xs) {
                *way = x >> level & 1 == 1;
            }
            let children = generator.children(nodes.map(|node| node.seed), ways);
            for lane in 0..count {
                let seed = &seeds[lane * seed_words + depth * SEED_WORDS..][..SEED_WORDS];
                let value = &values[lane * value_words + depth * PAYLOAD_WORDS..][..PAYLOAD_WORDS];
                let (node, child, way) = (&mut nodes[lane], &children[lane], ways[lane]);
                let mask = u64::from(node.control).wrapping_neg();
                for word in 0..PAYLOAD_WORDS {
                    let corrected = child.value[word].wrapping_add(value[word] & mask);
                    sums[lane][word] = sums[lane][word].wrapping_add(corrected);
                }
                let control = seed[0] >> u64::from(way) & mask & 1;
                let seed = u128::from(seed[0] & mask & !CONTROLS) | u128::from(seed[1] & mask) << 64;
                *node = Node { seed: child.seed ^ seed, control: child.control ^ (control == 1) };
            }
        }
        for lane in 0..count {
            let last = &values[(lane + 1) * value_words - PAYLOAD_WORDS..][..PAYLOAD_WORDS];
            let leaf = generator.leaf(nodes[lane].seed);
            let mask = u64::from(nodes[lane].control).wrapping_neg();
            let corrected = std::array::from_fn(|word| leaf[word].wrapping_add(last[word] & mask));
            let share = add(sums[lane], corrected);
            shares.push(if side == Side::Second { negate(share) } else { share });
        }
    }
}

/// Bits of a seed that are zero and carry control bits in a correction.
const CONTROLS: u64 = 7;

/// Bits of a seed that are random.
const SEED_BITS: u32 = 128 - CONTROLS.count_ones();

/// Keys evaluated abreast, under one cipher key.
const BATCH: usize = 16;

#[derive(Clone, Copy)]
struct Node {
    seed: u128,
    control: bool,
}

/// The next roots of a stream.
pub fn roots(stream: &mut Stream, count: usize) -> Vec<u128> {
    let words = stream.words(2 * count);
    words.as_chunks::<2>().0.iter().map(|pair| u128::from(pair[0]) | u128::from(pair[1]) << 64).collect()
}

fn add(a: Payload, b: Payload) -> Payload {
    std::array::from_fn(|word| a[word].wrapping_add(b[word]))
}

fn sub(a: Payload, b: Payload) -> Payload {
    std::array::from_fn(|word| a[word].wrapping_sub(b[word]))
}

fn negate(a: Payload) -> Payload {
    a.map(u64::wrapping_neg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    fn opened(
        comparison: &Comparison,
        threshold: u64,
        payload: Payload,
        xs: &[u64],
        seed: u8,
    ) -> Vec<Payload> {
        let roots = roots(&mut Seed::from_bytes([seed; 16]).stream(0), 2);
        let mut key = Corrections::default();
        comparison.generate(threshold, payload, [roots[0], roots[1]], &mut key);
        assert_eq!(key.seeds.len(), comparison.seed_words());
        assert_eq!(key.values.len(), comparison.value_words());
        let evaluate = |side, x: &u64, root| comparison.evaluate(side, &[*x], &[root], &key);
        let share =
            |side, root: u128| xs.iter().flat_map(|x| evaluate(side, x, root)).collect::<Vec<Payload>>();
        let (first, second) = (share(Side::First, roots[0]), share(Side::Second, roots[1]));
        let open = |(first, second)| add(first, second).map(|word| comparison.ring.reduce(word));
        first.into_iter().zip(second).map(open).collect()
    }

    #[test]
    fn every_threshold_and_input_of_few_bits_equal_the_definition() {
        for (bits, bytes) in (1..=6).flat_map(|bits| [(bits, 5), (bits, 8)]) {
            let comparison = Comparison::new(bits, Ring::new(bytes).unwrap(), 7);
            let xs: Vec<u64> = (0..1 << bits).collect();
            for threshold in 0..1 << bits {
                let payload = [1, threshold ^ u64::MAX, 1 << 39].map(|word| comparison.ring.reduce(word));
                let opened = opened(&comparison, threshold, payload, &xs, threshold as u8);
                for (x, value) in xs.iter().zip(opened) {
                    assert_eq!(value, if *x < threshold { payload } else { [0; 3] }, "{x} < {threshold}");
                }
            }
        }
    }

    #[test]
    fn random_and_neighbouring_inputs_of_many_bits_equal_the_definition() {
        let mut stream = Seed::from_bytes([1; 16]).stream(0);
        for (bits, bytes) in [(39, 5), (47, 6), (63, 8), (64, 8)] {
            let comparison = Comparison::new(bits, Ring::new(bytes).unwrap(), 7);
            let all = u64::MAX >> (64 - bits);
            for seed in 0..40 {
                let threshold = stream.words(1)[0] & all;
                let payload = [stream.words(1)[0], seed, u64::MAX].map(|word| comparison.ring.reduce(word));
                let mut xs: Vec<u64> = stream.words(50).into_iter().map(|x| x & all).collect();
                xs.extend((0..bits).map(|bit| threshold ^ 1 << bit));
                xs.extend([0, all, threshold, threshold.saturating_sub(1), (threshold + 1) & all]);
                let opened = opened(&comparison, threshold, payload, &xs, seed as u8);
                for (x, value) in xs.iter().zip(opened) {
                    assert_eq!(value, if *x < threshold { payload } else { [0; 3] }, "{x} < {threshold}");
                }
            }
        }
    }

    #[test]
    fn one_partys_shares_look_random() {
        let comparison = Comparison::new(63, Ring::FULL, 7);
        let mut stream = Seed::from_bytes([2; 16]).stream(0);
        let mut ones = 0;
        for _ in 0..1000 {
            let roots = roots(&mut stream, 2);
            let mut key = Corrections::default();
            comparison.generate(1 << 40, [1, 2, 3], [roots[0], roots[1]], &mut key);
            let share = comparison.evaluate(Side::Second, &[5], &roots[1..], &key)[0];
            ones += share.iter().map(|word| word.count_ones()).sum::<u32>();
        }
        let deviation = (f64::from(ones) - 96_000.0) / (192_000f64 / 4.0).sqrt();
        assert!(deviation.abs() < 5.0, "{deviation} standard deviations");
    }

    /// Corrections show a party a seed of the other's. Were all keys under one cipher key, one table of guesses would serve for all of
    /// them. Here roots have 16 bits, and a table of 2^12 under the first group's key, which would find every sixteenth key, finds
    /// none of the other groups'.
    #[test]
    fn one_table_of_guesses_serves_for_one_group_only() {
        const CLEAR: u128 = !(CONTROLS as u128);
        let comparison = Comparison::new(63, Ring::FULL, 7);
        let both = |generator: &Generator, root: u128| generator.children([root; 2], [false, true]);
        let guessed = comparison.generator(0);
        let guesses = (0..1u128 << 12).map(|guess| (guess * 37 % (1 << 16)) << 3);
        let table: std::collections::HashSet<u128> =
            guesses.flat_map(|root| both(&guessed, root).map(|child| child.seed)).collect();
        let mut stream = Seed::from_bytes([5; 16]).stream(0);
        let mut recovered = [0; 2];
        for _ in 0..256 {
            let mut keys = Corrections::default();
            for at in 0..2 * BATCH {
                let words = stream.words(4);
                let own = u128::from(words[0]) | u128::from(words[1]) << 64;
                let others = u128::from(words[2] & 0xffff) << 3;
                comparison.generate(words[3] >> 1, [1, 2, 3], [own, others], &mut keys);
                let correction = &keys.seeds[at * comparison.seed_words()..][..SEED_WORDS];
                let correction = u128::from(correction[0]) | u128::from(correction[1]) << 64;
                let group = at / BATCH;
                let shown =
                    both(&comparison.generator(group), own).map(|child| child.seed ^ correction & CLEAR);
                recovered[group] += usize::from(shown.iter().any(|seed| table.contains(seed)));
            }
        }
        assert!(recovered[0] > 100 && recovered[1] == 0, "{recovered:?} keys");
    }

    #[test]
    fn keys_of_many_groups_are_each_evaluated_under_their_own_cipher_key() {
        let comparison = Comparison::new(39, Ring::new(5).unwrap(), u128::MAX);
        let mut stream = Seed::from_bytes([6; 16]).stream(0);
        let (count, below) = (3 * BATCH + 5, u64::MAX >> 25);
        let sides = [roots(&mut stream, count), roots(&mut stream, count)];
        let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word & below).collect();
        let xs: Vec<u64> = stream.words(count).into_iter().map(|word| word & below).collect();
        let mut keys = Corrections::default();
        for (at, threshold) in thresholds.iter().enumerate() {
            comparison.generate(*threshold, [9, 8, 7], [sides[0][at], sides[1][at]], &mut keys);
        }
        let first = comparison.evaluate(Side::First, &xs, &sides[0], &keys);
        let second = comparison.evaluate(Side::Second, &xs, &sides[1], &keys);
        for at in 0..count {
            let value = add(first[at], second[at]).map(|word| comparison.ring.reduce(word));
            assert_eq!(value, if xs[at] < thresholds[at] { [9, 8, 7] } else { [0; 3] });
        }
        assert_eq!(
            (comparison.security_bits(), Comparison::new(63, Ring::FULL, 0).security_bits()),
            (115, 115)
        );
    }
}
