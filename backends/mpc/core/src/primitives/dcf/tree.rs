//! The walk from root to leaf, sixteen keys abreast.

#[cfg(target_arch = "x86_64")]
use super::generator::Vaes;
use super::generator::{Blocks, Generator, LANES};
use super::lanes::{
    CHILDREN, Group, Nodes, SEED, TWO, TWO_OF_BOTH, VALUE, WAYS, WORDS, blocks_of, controls_of, each, mask,
    nonces, on_level, select, signed,
};
use super::{Comparison, Corrections, Payload, Side};

/// Payloads without a bit to spare: the control bit is the top bit of a block of its own.
const THREE: usize = 3;
/// The same of both children.
const THREE_OF_BOTH: usize = 2 * THREE;

impl Comparison {
    #[cfg(test)]
    pub(super) fn nonces_of(&self, first: usize, level: usize) -> Blocks {
        on_level(&nonces(self.salt, self.first, Group { first, lanes: LANES }), level)
    }

    /// Whether the payload's words leave a bit of their block to the control bit.
    fn has_bits_to_spare(&self) -> bool {
        self.width < u64::BITS
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
        if self.has_bits_to_spare() {
            self.generate_keys::<TWO_OF_BOTH>(generator, thresholds, payloads, roots, corrections);
        } else {
            self.generate_keys::<THREE_OF_BOTH>(generator, thresholds, payloads, roots, corrections);
        }
    }

    #[inline(always)]
    fn generate_keys<const BLOCKS: usize>(
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
                controls: [[mask(party as u64); 2]; LANES],
            });
            let (thresholds, payloads) = (group.lanes(thresholds), group.lanes(payloads));
            self.generate_group::<BLOCKS>(generator, group, &thresholds, &payloads, nodes, seeds, values);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a group of keys, and where its corrections belong")]
    #[inline(always)]
    fn generate_group<const BLOCKS: usize>(
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
        let of_width = u64::MAX >> (u64::BITS - self.width);
        let nonces = nonces(self.salt, self.first, group);
        let (mut sums, mut lefts, mut rights) = (Blocks::default(), Blocks::default(), Blocks::default());
        for level in 0..levels {
            let bit = levels - 1 - level;
            let inputs = on_level(&nonces, level);
            let first = generator.expand::<BLOCKS, 1>(&nodes[0].seeds, &inputs);
            let second = generator.expand::<BLOCKS, 1>(&nodes[1].seeds, &inputs);
            let side = each(|lane, _| mask(thresholds[lane] >> bit));
            let lost = |of: &[Blocks; BLOCKS], block: usize| {
                let (left, right) = (&of[CHILDREN * block], &of[CHILDREN * block + 1]);
                each(|lane, word| select(side[lane][word], left[lane][word], right[lane][word]))
            };
            let kept = |of: &[Blocks; BLOCKS], block: usize| {
                let (left, right) = (&of[CHILDREN * block], &of[CHILDREN * block + 1]);
                each(|lane, word| select(side[lane][word], right[lane][word], left[lane][word]))
            };
            let last = BLOCKS / CHILDREN - 1;
            let differing = |child: usize| {
                let (first, second) = (&first[CHILDREN * last + child], &second[CHILDREN * last + child]);
                each(|lane, _| (first[lane][WORDS - 1] ^ second[lane][WORDS - 1]) >> 63)
            };
            let (left, right) = (differing(0), differing(1));
            let left = each(|lane, word| (left[lane][word] ^ side[lane][word] ^ 1) & 1);
            let right = each(|lane, word| (right[lane][word] ^ side[lane][word]) & 1);
            lefts = each(|lane, word| lefts[lane][word] | left[lane][word] << bit);
            rights = each(|lane, word| rights[lane][word] | right[lane][word] << bit);
            let way = each(|lane, word| mask(select(side[lane][word], right[lane][word], left[lane][word])));

            let (lost_seeds, lost_values) =
                ([lost(&first, SEED), lost(&second, SEED)], [lost(&first, VALUE), lost(&second, VALUE)]);
            let (kept_seeds, kept_values) =
                ([kept(&first, SEED), kept(&second, SEED)], [kept(&first, VALUE), kept(&second, VALUE)]);
            let kept_controls = if last == VALUE {
                [controls_of(&kept_values[0]), controls_of(&kept_values[1])]
            } else {
                [controls_of(&kept(&first, last)), controls_of(&kept(&second, last))]
            };
            let negative = nodes[1].controls;
            let seed = each(|lane, word| lost_seeds[0][lane][word] ^ lost_seeds[1][lane][word]);
            let value = each(|lane, word| {
                let shares = lost_values[1][lane][word].wrapping_sub(lost_values[0][lane][word]);
                let due = shares
                    .wrapping_sub(sums[lane][word])
                    .wrapping_add(side[lane][word] & payloads[lane][word]);
                signed(negative[lane][word], due) & of_width
            });
            sums = each(|lane, word| {
                let ahead = kept_values[0][lane][word].wrapping_sub(kept_values[1][lane][word]);
                let corrected = signed(negative[lane][word], value[lane][word]);
                sums[lane][word].wrapping_add(ahead).wrapping_add(corrected)
            });
            for (nodes, (seeds, kept)) in nodes.iter_mut().zip(kept_seeds.iter().zip(&kept_controls)) {
                let controls = nodes.controls;
                nodes.seeds =
                    each(|lane, word| seeds[lane][word] ^ (controls[lane][word] & seed[lane][word]));
                nodes.controls =
                    each(|lane, word| kept[lane][word] ^ (controls[lane][word] & way[lane][word]));
            }
            group.set_level(seeds, level, &seed);
            group.set_level(values, level, &value);
        }
        let inputs = on_level(&nonces, levels);
        let [_, first] = generator.expand::<TWO, CHILDREN>(&nodes[0].seeds, &inputs);
        let [_, second] = generator.expand::<TWO, CHILDREN>(&nodes[1].seeds, &inputs);
        let value = each(|lane, word| {
            let due = second[lane][word].wrapping_sub(first[lane][word]).wrapping_sub(sums[lane][word]);
            signed(nodes[1].controls[lane][word], due) & of_width
        });
        let controls = each(|lane, word| [lefts, rights][word][lane][word]);
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
        if self.has_bits_to_spare() {
            self.evaluate_keys::<TWO>(generator, side, xs, roots, corrections, shares);
        } else {
            self.evaluate_keys::<THREE>(generator, side, xs, roots, corrections, shares);
        }
    }

    #[inline(always)]
    fn evaluate_keys<const BLOCKS: usize>(
        &self,
        generator: impl Generator,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
        shares: &mut [Payload],
    ) {
        let second = mask(u64::from(side == Side::Second));
        // Above it the sums hold control bits, which are for nobody else.
        let of_width = u64::MAX >> (u64::BITS - self.width);
        for group in Group::all(xs.len()) {
            let seeds = &corrections.seeds[group.of(self.seed_words())];
            let values = &corrections.values[group.of(self.value_words())];
            let nodes = Nodes { seeds: blocks_of(group.lanes(roots)), controls: [[second; 2]; LANES] };
            let sums =
                self.evaluate_group::<BLOCKS>(generator, group, &group.lanes(xs), nodes, seeds, values);
            for (share, sum) in shares[group.of(1)].iter_mut().zip(&sums) {
                *share = sum.map(|word| signed(second, word) & of_width);
            }
        }
    }

    #[inline(always)]
    fn evaluate_group<const BLOCKS: usize>(
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
        let nonces = nonces(self.salt, self.first, group);
        let ways = group.level(seeds, levels);
        let ways = each(|lane, _| select(xs[lane], ways[lane][1], ways[lane][0]));
        for level in 0..levels {
            let bit = levels - 1 - level;
            let inputs = on_level(&nonces, level);
            let inputs = each(|lane, word| inputs[lane][word] | xs[lane] >> bit & WAYS[word]);
            let blocks = generator.expand::<BLOCKS, CHILDREN>(&nodes.seeds, &inputs);
            let (children, shares, last) = (&blocks[SEED], &blocks[VALUE], controls_of(&blocks[BLOCKS - 1]));
            let (seed, value) = (group.level(seeds, level), group.level(values, level));
            let controls = nodes.controls;
            sums = each(|lane, word| {
                let corrected = shares[lane][word].wrapping_add(controls[lane][word] & value[lane][word]);
                sums[lane][word].wrapping_add(corrected)
            });
            nodes.seeds = each(|lane, word| children[lane][word] ^ (controls[lane][word] & seed[lane][word]));
            nodes.controls =
                each(|lane, word| last[lane][word] ^ (controls[lane][word] & mask(ways[lane][word] >> bit)));
        }
        let [_, leaves] = generator.expand::<TWO, CHILDREN>(&nodes.seeds, &on_level(&nonces, levels));
        let value = group.level(values, levels);
        sums = each(|lane, word| {
            let corrected = leaves[lane][word].wrapping_add(nodes.controls[lane][word] & value[lane][word]);
            sums[lane][word].wrapping_add(corrected)
        });
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
