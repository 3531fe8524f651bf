//! Keys for two parties that give exclusive-or shares of `[x < threshold]`, one bit, at any public `x`.
//!
//! The function of Boyle et al. ([`super`], figure 1) with a payload of one bit: what is added is exclusive-or'ed, and needs no sign. The
//! last seven levels are left out (Boyle, Gilboa, Ishai, "Function Secret Sharing: Improvements and Extensions", CCS 2016, section
//! 3.2.1): under a node of the level above, the block that its seed expands to has the shares of all 128 inputs.
//!
//! The generator is that of [`Comparison`](super::Comparison), and so is the argument: of a child, the seed is `AES_s(n, 0, w)`,
//! the control bit the top bit of `AES_s(n, 1, w)`, the share the top bit of its lower word; a leaf is `AES_s(n, 0, 0)` on a level of
//! its own. Nothing branches on or indexes by a threshold, seed or control bit; inputs are public.
//!
//! # Sizes
//! A key of `b` bits is, the same for both parties, 16 bytes and three bits for each of `b - 7` levels, and 16 bytes for the leaf: 327
//! bytes at 26 bits.

#[cfg(target_arch = "x86_64")]
use super::generator::Vaes;
use super::generator::{self, Blocks, Generator, Kernel, LANES, Portable, Set};
use super::lanes::{
    CHILDREN, Group, Nodes, SEED, TWO, TWO_OF_BOTH, VALUE, WAYS, WORDS, blocks_of, controls_of, each, mask,
    nonces, on_level, select,
};
use super::{Corrections, GROUP, SEED_WORDS, Side};

#[cfg(test)]
mod tests;

/// Levels that a leaf stands for.
const LEAF_LEVELS: usize = 7;
/// Inputs under a leaf, less one.
const UNDER_LEAF: u64 = (1 << LEAF_LEVELS) - 1;
/// Words of a key in which its levels have a bit each: control bits of the left and of the right children, and shares.
const BIT_WORDS: usize = 3;

/// Makes and evaluates keys for inputs of so many bits.
pub struct BitComparison {
    bits: u32,
    salt: u128,
    first: usize,
    kernel: Kernel,
}

impl BitComparison {
    /// For inputs of 1 to 64 bits. Of the salt is asked what [`Comparison::new`](super::Comparison::new) asks.
    ///
    /// # Panics
    /// For any other number.
    pub fn new(bits: u32, salt: u128) -> Self {
        Self::with_kernel(bits, salt, Kernel::best())
    }

    /// With this kernel: all give the same keys and shares.
    ///
    /// # Panics
    /// For inputs of another number of bits.
    pub fn with_kernel(bits: u32, salt: u128, kernel: Kernel) -> Self {
        assert!((1..=64).contains(&bits), "inputs of {bits} bits");
        Self { bits, salt, first: 0, kernel }
    }

    /// For a part of a set of keys, which begins with the key of this number: a multiple of [`GROUP`].
    ///
    /// # Panics
    /// If it is none.
    pub fn from_key(self, first: usize) -> Self {
        assert!(first.is_multiple_of(GROUP), "key {first} does not begin a group");
        Self { first, ..self }
    }

    /// Levels above the leaves: bits of each of a key's [`value_words`](Self::value_words).
    pub fn levels(&self) -> usize {
        (self.bits as usize).saturating_sub(LEAF_LEVELS)
    }

    /// Words of a key's corrections of seeds and of the leaf.
    pub fn seed_words(&self) -> usize {
        (self.levels() + 1) * SEED_WORDS
    }

    /// Words of a key's corrections of single bits.
    pub fn value_words(&self) -> usize {
        BIT_WORDS
    }

    /// The corrections of keys for these thresholds, each with two random roots, in place of what `corrections` holds.
    ///
    /// # Panics
    /// If there are not as many of each.
    pub fn generate_into(&self, corrections: &mut Corrections, thresholds: &[u64], roots: [&[u128]; 2]) {
        assert!(roots.iter().all(|roots| roots.len() == thresholds.len()), "two roots for every threshold");
        corrections.seeds.resize(thresholds.len() * self.seed_words(), 0);
        corrections.values.resize(thresholds.len() * self.value_words(), 0);
        match self.kernel.set() {
            Set::Portable => self.generate_all(Portable, thresholds, roots, corrections),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::AesNi => unsafe {
                let generator = generator::AesNi::new();
                self.generate_all(generator, thresholds, roots, corrections);
            },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::Vaes => unsafe { self.generate_vaes(thresholds, roots, corrections) },
        }
    }

    /// One party's shares at the inputs `xs`, each under its own key, 64 to a word, in place of what `shares` holds.
    ///
    /// # Panics
    /// If there are not as many keys as inputs, or words for them.
    pub fn evaluate_into(
        &self,
        shares: &mut [u64],
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
    ) {
        assert_eq!(xs.len().div_ceil(64), shares.len(), "a bit for every input");
        assert_eq!(xs.len(), roots.len(), "a root for every input");
        assert_eq!(xs.len() * self.seed_words(), corrections.seeds.len(), "corrections for every input");
        assert_eq!(xs.len() * self.value_words(), corrections.values.len(), "corrections for every input");
        shares.fill(0);
        match self.kernel.set() {
            Set::Portable => self.evaluate_all(Portable, side, xs, roots, corrections, shares),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::AesNi => unsafe {
                let generator = generator::AesNi::new();
                self.evaluate_all(generator, side, xs, roots, corrections, shares);
            },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: the kernel exists only after its instruction sets were detected.
            Set::Vaes => unsafe { self.evaluate_vaes(side, xs, roots, corrections, shares) },
        }
    }

    #[inline(always)]
    fn generate_all(
        &self,
        generator: impl Generator,
        thresholds: &[u64],
        roots: [&[u128]; 2],
        corrections: &mut Corrections,
    ) {
        for group in Group::all(thresholds.len()) {
            let seeds = &mut corrections.seeds[group.of(self.seed_words())];
            let bits = &mut corrections.values[group.of(BIT_WORDS)];
            let nodes = [0, 1].map(|party| Nodes {
                seeds: blocks_of(group.lanes(roots[party])),
                controls: [[mask(party as u64); WORDS]; LANES],
            });
            self.generate_group(generator, group, &group.lanes(thresholds), nodes, seeds, bits);
        }
    }

    #[inline(always)]
    fn generate_group(
        &self,
        generator: impl Generator,
        group: Group,
        thresholds: &[u64; LANES],
        mut nodes: [Nodes; 2],
        seeds: &mut [u64],
        bits: &mut [u64],
    ) {
        let levels = self.levels();
        let nonces = nonces(self.salt, self.first, group);
        // What both parties' shares of the path make together, as masks.
        let mut sums = Blocks::default();
        let mut corrected = [Blocks::default(); BIT_WORDS];
        for level in 0..levels {
            let bit = self.bits as usize - 1 - level;
            let inputs = on_level(&nonces, level);
            let children =
                [0, 1].map(|party| generator.expand::<TWO_OF_BOTH, 1>(&nodes[party].seeds, &inputs));
            let side = each(|lane, _| mask(thresholds[lane] >> bit));
            let lost = |of: &[Blocks; TWO_OF_BOTH], block: usize| {
                let (left, right) = (&of[CHILDREN * block], &of[CHILDREN * block + 1]);
                each(|lane, word| select(side[lane][word], left[lane][word], right[lane][word]))
            };
            let kept = |of: &[Blocks; TWO_OF_BOTH], block: usize| {
                let (left, right) = (&of[CHILDREN * block], &of[CHILDREN * block + 1]);
                each(|lane, word| select(side[lane][word], right[lane][word], left[lane][word]))
            };
            let differing = |child: usize| {
                let of_party = |party: usize| controls_of(&children[party][CHILDREN * VALUE + child]);
                let (first, second) = (of_party(0), of_party(1));
                each(|lane, word| first[lane][word] ^ second[lane][word])
            };
            let (left, right) = (differing(0), differing(1));
            let left = each(|lane, word| !(left[lane][word] ^ side[lane][word]));
            let right = each(|lane, word| right[lane][word] ^ side[lane][word]);
            let way = each(|lane, word| select(side[lane][word], right[lane][word], left[lane][word]));

            let lost_seeds = [0, 1].map(|party| lost(&children[party], SEED));
            let lost_shares = [0, 1].map(|party| shares_of(&lost(&children[party], VALUE)));
            let kept_blocks = [0, 1].map(|party| kept(&children[party], VALUE));
            let kept_shares = [0, 1].map(|party| shares_of(&kept_blocks[party]));
            let seed = each(|lane, word| lost_seeds[0][lane][word] ^ lost_seeds[1][lane][word]);
            let share = each(|lane, word| {
                let ahead = lost_shares[0][lane][word] ^ lost_shares[1][lane][word];
                ahead ^ sums[lane][word] ^ side[lane][word]
            });
            sums = each(|lane, word| {
                let ahead = kept_shares[0][lane][word] ^ kept_shares[1][lane][word];
                sums[lane][word] ^ ahead ^ share[lane][word]
            });
            for (all, here) in corrected.iter_mut().zip([&left, &right, &share]) {
                *all = each(|lane, word| all[lane][word] | (here[lane][word] & 1) << (bit - LEAF_LEVELS));
            }
            for (party, nodes) in nodes.iter_mut().enumerate() {
                let (children, controls) = (kept(&children[party], SEED), nodes.controls);
                let kept = controls_of(&kept_blocks[party]);
                nodes.seeds =
                    each(|lane, word| children[lane][word] ^ (controls[lane][word] & seed[lane][word]));
                nodes.controls =
                    each(|lane, word| kept[lane][word] ^ (controls[lane][word] & way[lane][word]));
            }
            group.set_level(seeds, level, &seed);
        }
        let inputs = on_level(&nonces, levels);
        let leaves = [0, 1].map(|party| {
            let [leaf] = generator.expand::<1, 1>(&nodes[party].seeds, &inputs);
            leaf
        });
        let leaf = each(|lane, word| {
            let below = below(thresholds[lane] & UNDER_LEAF)[word];
            leaves[0][lane][word] ^ leaves[1][lane][word] ^ sums[lane][word] ^ below
        });
        group.set_level(seeds, levels, &leaf);
        for (lane, words) in bits.as_chunks_mut::<BIT_WORDS>().0.iter_mut().enumerate() {
            *words = std::array::from_fn(|which| corrected[which][lane][0]);
        }
    }

    #[inline(always)]
    fn evaluate_all(
        &self,
        generator: impl Generator,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
        shares: &mut [u64],
    ) {
        let second = mask(u64::from(side == Side::Second));
        for group in Group::all(xs.len()) {
            let seeds = &corrections.seeds[group.of(self.seed_words())];
            let bits = &corrections.values[group.of(BIT_WORDS)];
            let nodes = Nodes { seeds: blocks_of(group.lanes(roots)), controls: [[second; WORDS]; LANES] };
            let found = self.evaluate_group(generator, group, &group.lanes(xs), nodes, seeds, bits);
            for (lane, share) in found.iter().enumerate().take(group.lanes) {
                let at = group.first + lane;
                shares[at / 64] |= (share & 1) << (at % 64);
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
        bits: &[u64],
    ) -> [u64; LANES] {
        let levels = self.levels();
        let nonces = nonces(self.salt, self.first, group);
        let mut corrections = [[0; BIT_WORDS]; LANES];
        corrections[..group.lanes].copy_from_slice(bits.as_chunks().0);
        let ways = each(|lane, _| {
            let [left, right, _] = corrections[lane];
            select(xs[lane] >> LEAF_LEVELS, right, left)
        });
        let mut sums = Blocks::default();
        for level in 0..levels {
            let bit = self.bits as usize - 1 - level;
            let inputs = on_level(&nonces, level);
            let inputs = each(|lane, word| inputs[lane][word] | xs[lane] >> bit & WAYS[word]);
            let [children, blocks] = generator.expand::<TWO, CHILDREN>(&nodes.seeds, &inputs);
            let (shares, ahead) = (shares_of(&blocks), controls_of(&blocks));
            let seed = group.level(seeds, level);
            let controls = nodes.controls;
            let at = bit - LEAF_LEVELS;
            sums = each(|lane, word| {
                let corrected = controls[lane][word] & mask(corrections[lane][2] >> at);
                sums[lane][word] ^ shares[lane][word] ^ corrected
            });
            nodes.seeds = each(|lane, word| children[lane][word] ^ (controls[lane][word] & seed[lane][word]));
            nodes.controls =
                each(|lane, word| ahead[lane][word] ^ (controls[lane][word] & mask(ways[lane][word] >> at)));
        }
        let [leaves] = generator.expand::<1, 1>(&nodes.seeds, &on_level(&nonces, levels));
        let leaf = group.level(seeds, levels);
        std::array::from_fn(|lane| {
            let at = (xs[lane] & UNDER_LEAF) as usize;
            let word = at / 64;
            let block = leaves[lane][word] ^ (nodes.controls[lane][word] & leaf[lane][word]);
            sums[lane][word] ^ block >> (at % 64)
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
    fn generate_vaes(&self, thresholds: &[u64], roots: [&[u128]; 2], corrections: &mut Corrections) {
        #[expect(unsafe_code, reason = "says what was detected")]
        // SAFETY: this function is compiled for what the generator needs.
        let generator = unsafe { Vaes::new() };
        self.generate_all(generator, thresholds, roots, corrections);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vaes")]
    fn evaluate_vaes(
        &self,
        side: Side,
        xs: &[u64],
        roots: &[u128],
        corrections: &Corrections,
        shares: &mut [u64],
    ) {
        #[expect(unsafe_code, reason = "says what was detected")]
        // SAFETY: this function is compiled for what the generator needs.
        let generator = unsafe { Vaes::new() };
        self.evaluate_all(generator, side, xs, roots, corrections, shares);
    }
}

/// The shares that blocks carry, as masks.
#[inline(always)]
fn shares_of(blocks: &Blocks) -> Blocks {
    each(|lane, _| ((blocks[lane][0] as i64) >> 63) as u64)
}

/// The bits of the 128 inputs that are below a threshold of seven bits.
#[inline(always)]
fn below(threshold: u64) -> [u64; WORDS] {
    let (part, upper) = ((1 << (threshold & 63)) - 1, mask(threshold >> 6));
    [part | upper, part & upper]
}
