//! The walk from root to leaf, sixteen keys abreast.

#[cfg(target_arch = "x86_64")]
use super::generator::Vaes;
use super::generator::{Blocks, CONTROL, Generator, LANES};
use super::{Comparison, Corrections, Payload, SEED_WORDS, Side};

/// In a nonce, below the salt and the number of the key: the level, the child and the part.
const NONCE_BITS: u32 = 9;
/// The child's bit in a nonce; below it, which of a child's two blocks it is.
const WAY: u32 = 1;

/// Keys of one group: their numbers, and so many of the lanes.
#[derive(Clone, Copy)]
struct Group {
    first: usize,
    lanes: usize,
}

impl Group {
    /// All groups of so many keys.
    fn all(keys: usize) -> impl Iterator<Item = Group> {
        (0..keys).step_by(LANES).map(move |first| Group { first, lanes: LANES.min(keys - first) })
    }

    /// The part of something that has so many words a key.
    fn of(self, words: usize) -> std::ops::Range<usize> {
        self.first * words..(self.first + self.lanes) * words
    }

    /// What each key has, with zeros in lanes without one.
    #[inline(always)]
    fn lanes<T: Copy + Default>(self, all: &[T]) -> [T; LANES] {
        let mut lanes = [T::default(); LANES];
        lanes[..self.lanes].copy_from_slice(&all[self.of(1)]);
        lanes
    }

    /// The pairs of words of one level.
    #[inline(always)]
    fn level(self, words: &[u64], level: usize) -> Blocks {
        let pairs = words.as_chunks::<SEED_WORDS>().0;
        if let Some(lanes) = pairs[level * self.lanes..].first_chunk() {
            return *lanes;
        }
        let mut lanes = Blocks::default();
        lanes[..self.lanes].copy_from_slice(&pairs[level * self.lanes..][..self.lanes]);
        lanes
    }

    #[inline(always)]
    fn set_level(self, words: &mut [u64], level: usize, lanes: &Blocks) {
        let pairs = words.as_chunks_mut::<SEED_WORDS>().0;
        pairs[level * self.lanes..][..self.lanes].copy_from_slice(&lanes[..self.lanes]);
    }
}

/// All ones if the lowest bit is one.
#[inline(always)]
fn mask(bit: u64) -> u64 {
    (bit & 1).wrapping_neg()
}

/// The first where the mask is, else the second.
#[inline(always)]
fn select(mask: u64, first: u64, second: u64) -> u64 {
    second ^ (mask & (first ^ second))
}

/// The value, or its negation where the mask is.
#[inline(always)]
fn signed(mask: u64, value: u64) -> u64 {
    (value ^ mask).wrapping_sub(mask)
}

fn blocks_of(roots: [u128; LANES]) -> Blocks {
    roots.map(|root| [root as u64, (root >> 64) as u64])
}

/// A party's nodes of the keys' paths: blocks with whatever control bit, and the corrected control bits as masks.
struct Nodes {
    seeds: Blocks,
    controls: [u64; LANES],
}

impl Comparison {
    /// The nonces of a group's nodes on one level.
    #[inline(always)]
    fn nonces(&self, group: Group, level: usize) -> Blocks {
        let (low, high) = (self.salt as u64, (self.salt >> 64) as u64);
        std::array::from_fn(|lane| {
            let key = low.wrapping_add((group.first + lane) as u64);
            [key << NONCE_BITS | (level as u64) << (WAY + 1), high]
        })
    }

    #[cfg(test)]
    pub(super) fn nonces_of(&self, first: usize, level: usize) -> Blocks {
        self.nonces(Group { first, lanes: LANES }, level)
    }

    #[inline(always)]
    pub(super) fn generate_all(
        &self,
        generator: impl Generator,
        thresholds: &[u64],
        payloads: &[Payload],
        roots: [&[u128]; 2],
        corrections: &mut Corrections,
    ) {
        for group in Group::all(thresholds.len()) {
            let seeds = &mut corrections.seeds[group.of(self.seed_words())];
            let values = &mut corrections.values[group.of(self.value_words())];
            let nodes = [0, 1].map(|party| Nodes {
                seeds: blocks_of(group.lanes(roots[party])),
                controls: [mask(party as u64); LANES],
            });
            let (thresholds, payloads) = (group.lanes(thresholds), group.lanes(payloads));
            self.generate_group(generator, group, &thresholds, &payloads, nodes, seeds, values);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a group of keys, and where its corrections belong")]
    #[inline(always)]
    fn generate_group(
        &self,
        generator: impl Generator,
        group: Group,
        thresholds: &[u64; LANES],
        payloads: &[Payload; LANES],
        mut nodes: [Nodes; 2],
        seeds: &mut [u64],
        values: &mut [u64],
    ) {
        let levels = self.bits as usize;
        let mut sums = Blocks::default();
        let mut controls = Blocks::default();
        for level in 0..levels {
            let bit = levels - 1 - level;
            let inputs = self.nonces(group, level);
            let [first, second] = [0, 1].map(|party| generator.expand::<4>(&nodes[party].seeds, &inputs));
            let (mut seed, mut value) = (Blocks::default(), Blocks::default());
            for lane in 0..LANES {
                let right = mask(thresholds[lane] >> bit);
                let negative = nodes[1].controls[lane];
                for word in 0..SEED_WORDS {
                    let part = |of: &[Blocks; 4], index: usize| of[index][lane][word];
                    let lost =
                        |of: &[Blocks; 4], index: usize| select(right, part(of, index), part(of, index + 2));
                    let kept =
                        |of: &[Blocks; 4], index: usize| select(right, part(of, index + 2), part(of, index));
                    seed[lane][word] = lost(&first, 0) ^ lost(&second, 0);
                    let added = right & payloads[lane][word];
                    let due = lost(&second, 1).wrapping_sub(lost(&first, 1)).wrapping_sub(sums[lane][word]);
                    let due = signed(negative, due.wrapping_add(added));
                    value[lane][word] = due;
                    let ahead = kept(&first, 1).wrapping_sub(kept(&second, 1));
                    sums[lane][word] =
                        sums[lane][word].wrapping_add(ahead).wrapping_add(signed(negative, due));
                }
                seed[lane][0] &= !CONTROL;
                let lefts = (first[0][lane][0] ^ second[0][lane][0] ^ right ^ 1) & 1;
                let rights = (first[2][lane][0] ^ second[2][lane][0] ^ right) & 1;
                controls[lane][0] |= lefts << bit;
                controls[lane][1] |= rights << bit;
                let corrected = mask(select(right, rights, lefts));
                for (nodes, children) in nodes.iter_mut().zip([&first, &second]) {
                    let control = nodes.controls[lane];
                    for word in 0..SEED_WORDS {
                        let kept = select(right, children[2][lane][word], children[0][lane][word]);
                        nodes.seeds[lane][word] = kept ^ (control & seed[lane][word]);
                    }
                    nodes.controls[lane] = mask(nodes.seeds[lane][0]) ^ (control & corrected);
                }
            }
            group.set_level(seeds, level, &seed);
            group.set_level(values, level, &value);
        }
        let inputs = self.nonces(group, levels);
        let [[_, first], [_, second]] =
            [0, 1].map(|party| generator.expand::<2>(&nodes[party].seeds, &inputs));
        let mut value = Blocks::default();
        for lane in 0..LANES {
            for word in 0..SEED_WORDS {
                let due = second[lane][word].wrapping_sub(first[lane][word]).wrapping_sub(sums[lane][word]);
                value[lane][word] = signed(nodes[1].controls[lane], due);
            }
        }
        group.set_level(seeds, levels, &controls);
        group.set_level(values, levels, &value);
    }

    #[inline(always)]
    pub(super) fn evaluate_all(
        &self,
        generator: impl Generator,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
        shares: &mut [Payload],
    ) {
        let second = mask(u64::from(side == Side::Second));
        for group in Group::all(xs.len()) {
            let seeds = &corrections.seeds[group.of(self.seed_words())];
            let values = &corrections.values[group.of(self.value_words())];
            let nodes = Nodes { seeds: blocks_of(group.lanes(roots)), controls: [second; LANES] };
            let sums = self.evaluate_group(generator, group, &group.lanes(xs), nodes, seeds, values);
            for (share, sum) in shares[group.of(1)].iter_mut().zip(&sums) {
                *share = sum.map(|word| signed(second, word));
            }
        }
    }

    #[inline(always)]
    fn evaluate_group(
        &self,
        generator: impl Generator,
        group: Group,
        xs: &[u64; LANES],
        mut nodes: Nodes,
        seeds: &[u64],
        values: &[u64],
    ) -> Blocks {
        let levels = self.bits as usize;
        let mut sums = Blocks::default();
        let mut controls = [0; LANES];
        for ((control, x), [left, right]) in controls.iter_mut().zip(xs).zip(group.level(seeds, levels)) {
            *control = select(*x, right, left);
        }
        for level in 0..levels {
            let bit = levels - 1 - level;
            let mut inputs = self.nonces(group, level);
            for (input, x) in inputs.iter_mut().zip(xs) {
                input[0] |= (x >> bit & 1) << WAY;
            }
            let [children, shares] = generator.expand::<2>(&nodes.seeds, &inputs);
            let (seed, value) = (group.level(seeds, level), group.level(values, level));
            for lane in 0..LANES {
                let control = nodes.controls[lane];
                for word in 0..SEED_WORDS {
                    let corrected = shares[lane][word].wrapping_add(control & value[lane][word]);
                    sums[lane][word] = sums[lane][word].wrapping_add(corrected);
                    nodes.seeds[lane][word] = children[lane][word] ^ (control & seed[lane][word]);
                }
                nodes.controls[lane] = mask(children[lane][0]) ^ (control & mask(controls[lane] >> bit));
            }
        }
        let [_, leaves] = generator.expand::<2>(&nodes.seeds, &self.nonces(group, levels));
        let value = group.level(values, levels);
        for lane in 0..LANES {
            for word in 0..SEED_WORDS {
                let corrected = leaves[lane][word].wrapping_add(nodes.controls[lane] & value[lane][word]);
                sums[lane][word] = sums[lane][word].wrapping_add(corrected);
            }
        }
        sums
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
    pub(super) fn generate_vaes(
        &self,
        thresholds: &[u64],
        payloads: &[Payload],
        roots: [&[u128]; 2],
        corrections: &mut Corrections,
    ) {
        #[expect(unsafe_code, reason = "says what was detected")]
        // SAFETY: this function is compiled for what the generator needs.
        let generator = unsafe { Vaes::new() };
        self.generate_all(generator, thresholds, payloads, roots, corrections);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
    pub(super) fn evaluate_vaes(
        &self,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
        shares: &mut [Payload],
    ) {
        #[expect(unsafe_code, reason = "says what was detected")]
        // SAFETY: this function is compiled for what the generator needs.
        let generator = unsafe { Vaes::new() };
        self.evaluate_all(generator, side, xs, roots, corrections, shares);
    }
}
