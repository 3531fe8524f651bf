//! The distributed comparison function: keys for two parties that give additive shares of
//! `payload * [x < threshold]` at any public `x`, where the threshold and payload are the dealer's.
//!
//! Boyle, Chandran, Gilboa, Gupta, Ishai, Kumar, Rathee, "Function Secret Sharing for Mixed-Mode and
//! Fixed-Point Secure Computation", EUROCRYPT 2021, figure 1. The generator is AES with fixed keys, made one-way by
//! feeding its input forward (Matyas-Meyer-Oseas).
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
    generator: Generator,
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
    /// For inputs of 1 to 64 bits and payloads in `ring`.
    ///
    /// # Panics
    /// For any other number.
    pub fn new(bits: u32, ring: Ring) -> Self {
        assert!((1..=64).contains(&bits), "inputs of {bits} bits");
        Self { bits, ring, generator: Generator::new(ring) }
    }

    /// Words of a key's corrections of seeds.
    pub fn seed_words(&self) -> usize {
        self.bits as usize * SEED_WORDS
    }

    /// Elements of a key's corrections of the payload.
    pub fn value_words(&self) -> usize {
        (self.bits as usize + 1) * PAYLOAD_WORDS
    }

    /// Appends the corrections for two random roots. Each party receives one root and the corrections.
    pub fn generate(
        &self,
        threshold: u64,
        payload: Payload,
        roots: [u128; 2],
        corrections: &mut Corrections,
    ) {
        let reduced = |value: Payload| value.map(|word| self.ring.reduce(word));
        let mut nodes = [Node { seed: roots[0], control: false }, Node { seed: roots[1], control: true }];
        let mut sum = [0; PAYLOAD_WORDS];
        for level in (0..self.bits).rev() {
            let keep = usize::from(threshold >> level & 1 == 1);
            let [first, second] = nodes.map(|node| node.seed);
            let ways = [false, true, false, true];
            let [a, b, c, d] = self.generator.children([first, first, second, second], ways);
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
        let leaves = nodes.map(|node| self.generator.leaf(node.seed));
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
        for ((xs, roots), corrections) in xs.chunks(BATCH).zip(roots.chunks(BATCH)).zip(seeds.zip(values)) {
            self.evaluate_some(side, xs, roots, corrections, &mut shares);
        }
        shares
    }

    /// Up to [`BATCH`] keys abreast, so that the cipher's pipeline is full.
    fn evaluate_some(
        &self,
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
            let children = self.generator.children(nodes.map(|node| node.seed), ways);
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
            let leaf = self.generator.leaf(nodes[lane].seed);
            let mask = u64::from(nodes[lane].control).wrapping_neg();
            let corrected = std::array::from_fn(|word| leaf[word].wrapping_add(last[word] & mask));
            let share = add(sums[lane], corrected);
            shares.push(if side == Side::Second { negate(share) } else { share });
        }
    }
}

/// Bits of a seed that are zero and carry control bits in a correction.
const CONTROLS: u64 = 7;

/// Keys evaluated abreast.
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
        let keys = Corrections { seeds: key.seeds.repeat(xs.len()), values: key.values.repeat(xs.len()) };
        let share = |side, root: u128| comparison.evaluate(side, xs, &vec![root; xs.len()], &keys);
        let (first, second) = (share(Side::First, roots[0]), share(Side::Second, roots[1]));
        let open = |(first, second)| add(first, second).map(|word| comparison.ring.reduce(word));
        first.into_iter().zip(second).map(open).collect()
    }

    #[test]
    fn every_threshold_and_input_of_few_bits_equal_the_definition() {
        for (bits, bytes) in (1..=6).flat_map(|bits| [(bits, 5), (bits, 8)]) {
            let comparison = Comparison::new(bits, Ring::new(bytes).unwrap());
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
            let comparison = Comparison::new(bits, Ring::new(bytes).unwrap());
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
        let comparison = Comparison::new(63, Ring::FULL);
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

    /// Every key is under the same cipher key, and a correction shows its receiver a seed of the other party. So one table of
    /// guesses serves for all keys: with `N` keys of so many levels, work of `2^125 / (N levels)` finds a seed
    /// and all of the threshold below it. Here roots have 16 bits, and a table of 2^12 finds every sixteenth key.
    #[test]
    fn one_table_of_guesses_recovers_thresholds_of_many_keys() {
        const CLEAR: u128 = !(CONTROLS as u128);
        let comparison = Comparison::new(63, Ring::FULL);
        let both = |root: u128| comparison.generator.children([root; 2], [false, true]);
        let guesses = (0..1u128 << 12).map(|guess| (guess * 37 % (1 << 16)) << 3);
        let table: std::collections::HashMap<u128, u128> =
            guesses.flat_map(|root| both(root).map(|child| (child.seed, root))).collect();
        let mut stream = Seed::from_bytes([5; 16]).stream(0);
        let mut recovered = 0;
        for _ in 0..256 {
            let words = stream.words(4);
            let own = u128::from(words[0]) | u128::from(words[1]) << 64;
            let others = u128::from(words[2] & 0xffff) << 3;
            let threshold = words[3] >> 1;
            let mut key = Corrections::default();
            comparison.generate(threshold, [1, 2, 3], [own, others], &mut key);

            let correction = |depth: usize| {
                let words = &key.seeds[depth * SEED_WORDS..][..SEED_WORDS];
                (u128::from(words[0]) | u128::from(words[1]) << 64, words[0])
            };
            let shown = both(own).map(|child| child.seed ^ correction(0).0 & CLEAR);
            let Some(&root) = shown.iter().find_map(|seed| table.get(seed)) else { continue };
            let mut nodes = [Node { seed: own, control: false }, Node { seed: root, control: true }];
            let mut found = 0;
            for depth in 0..63 {
                let (seed, controls) = correction(depth);
                let children = nodes.map(|node| both(node.seed));
                let lost = usize::from(children[0][0].seed ^ children[1][0].seed != seed & CLEAR);
                let keep = 1 - lost;
                found = found << 1 | keep as u64;
                for (node, children) in nodes.iter_mut().zip(children) {
                    let Node { control, .. } = *node;
                    let corrected = if control { seed & CLEAR } else { 0 };
                    *node = Node {
                        seed: children[keep].seed ^ corrected,
                        control: children[keep].control ^ (control && controls >> keep & 1 == 1),
                    };
                }
            }
            assert_eq!(found, threshold);
            recovered += 1;
        }
        assert!((4..40).contains(&recovered), "{recovered} keys");
    }
}
