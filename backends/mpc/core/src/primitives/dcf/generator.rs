//! The pseudo-random generator of the tree: `AES_s(input)` with the seed `s` as the cipher's key.
//!
//! Sixteen seeds at once, each with its key schedule. The same result three ways: with VAES on vectors of four blocks, with
//! AES-NI on single blocks, and by the `aes` crate.

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};

/// Seeds expanded abreast.
pub(super) const LANES: usize = 16;

/// A block of 128 bits for every lane, the lower word first.
pub(super) type Blocks = [[u64; 2]; LANES];

/// An instruction set that expands seeds. Values exist only for what this machine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    AesNi,
    #[cfg(target_arch = "x86_64")]
    Vaes,
}

impl Kernel {
    /// The `aes` crate, whatever that does on this machine.
    pub const PORTABLE: Kernel = Kernel(Set::Portable);

    /// The fastest one this machine can run.
    pub fn best() -> Kernel {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// Every one this machine can run, slowest first.
    pub fn available() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("aes") && is_x86_feature_detected!("ssse3") {
                kernels.push(Kernel(Set::AesNi));
            }
            if is_x86_feature_detected!("vaes")
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
            {
                kernels.push(Kernel(Set::Vaes));
            }
        }
        kernels
    }

    pub(super) fn set(self) -> Set {
        self.0
    }
}

/// Expands seeds.
pub(super) trait Generator: Copy {
    /// `AES_s(input ^ part * STEP)` for the seed and input of every lane and all parts `0..P`.
    fn expand<const P: usize, const STEP: usize>(self, seeds: &Blocks, inputs: &Blocks) -> [Blocks; P];
}

/// By the `aes` crate.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Generator for Portable {
    fn expand<const P: usize, const STEP: usize>(self, seeds: &Blocks, inputs: &Blocks) -> [Blocks; P] {
        let mut parts = [Blocks::default(); P];
        for (lane, (seed, input)) in seeds.iter().zip(inputs).enumerate() {
            let cipher = Aes128::new(&bytes(*seed).into());
            let mut blocks: [aes::Block; P] =
                std::array::from_fn(|part| bytes([input[0] ^ (part * STEP) as u64, input[1]]).into());
            cipher.encrypt_blocks(&mut blocks);
            for (part, block) in parts.iter_mut().zip(blocks) {
                let block = u128::from_le_bytes(block.into());
                part[lane] = [block as u64, (block >> 64) as u64];
            }
        }
        parts
    }
}

fn bytes(words: [u64; 2]) -> [u8; 16] {
    (u128::from(words[0]) | u128::from(words[1]) << 64).to_le_bytes()
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{AesNi, Vaes};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Blocks, Generator, LANES};

    /// The round constants of AES-128, FIPS 197, section 5.2.
    const ROUND_CONSTANTS: [i32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];

    /// Vectors whose rounds overlap.
    const ABREAST: usize = 4;

    macro_rules! generator {
        (
            $(#[$doc:meta])* $name:ident, $features:literal, $vector:ident, $expand:ident,
            $load:ident, $store:ident, $words:ident, $bytes:ident, $shuffle:ident, $shift:ident, $xor:ident,
            $round:ident, $last:ident
        ) => {
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub(in super::super) struct $name(());

            impl $name {
                /// # Safety
                /// The machine must have what the kernel of this name was detected by.
                #[expect(unsafe_code, reason = "the promise behind the calls below")]
                pub(in super::super) unsafe fn new() -> Self {
                    Self(())
                }
            }

            impl Generator for $name {
                #[inline(always)]
                fn expand<const P: usize, const STEP: usize>(self, seeds: &Blocks, inputs: &Blocks) -> [Blocks; P] {
                    let mut parts = [Blocks::default(); P];
                    #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
                    // SAFETY: whoever made `self` promised that the machine has it.
                    unsafe {
                        $expand::<P, STEP>(seeds, inputs, &mut parts)
                    };
                    parts
                }
            }

            /// Key schedule and rounds side by side: a round's key is used as soon as it is there, for all parts.
            ///
            /// `aeslast` of a vector whose four columns are `RotWord(w3)` is `SubWord(RotWord(w3))` in every column, exclusive-or'ed
            /// with the round constant. What the schedule adds to that is the running exclusive-or of the columns.
            #[target_feature(enable = $features)]
            fn $expand<const P: usize, const STEP: usize>(seeds: &Blocks, inputs: &Blocks, parts: &mut [Blocks; P]) {
                const BLOCKS: usize = size_of::<$vector>() / 16;
                let rotated = $words(0x0c0f_0e0d);
                for group in 0..LANES / (BLOCKS * ABREAST) {
                    let at = |vector: usize| (group * ABREAST + vector) * BLOCKS;
                    let mut keys: [$vector; ABREAST] = std::array::from_fn(|vector| load(seeds, at(vector)));
                    let mut states: [[$vector; ABREAST]; P] = std::array::from_fn(|part| {
                        let part = $bytes((part * STEP) as i64);
                        std::array::from_fn(|vector| {
                            $xor($xor(load(inputs, at(vector)), part), keys[vector])
                        })
                    });
                    for (round, constant) in ROUND_CONSTANTS.iter().enumerate() {
                        let constant = $words(*constant);
                        for key in &mut keys {
                            let substituted = $last($shuffle(*key, rotated), constant);
                            let pairs = $xor(*key, $shift::<4>(*key));
                            *key = $xor($xor(pairs, $shift::<8>(pairs)), substituted);
                        }
                        for states in &mut states {
                            for (state, key) in states.iter_mut().zip(&keys) {
                                *state = if round < 9 { $round(*state, *key) } else { $last(*state, *key) };
                            }
                        }
                    }
                    for (part, states) in parts.iter_mut().zip(&states) {
                        for (vector, state) in states.iter().enumerate() {
                            store(part, at(vector), *state);
                        }
                    }
                }

                #[target_feature(enable = $features)]
                #[inline]
                fn load(blocks: &Blocks, at: usize) -> $vector {
                    let blocks: &[[u64; 2]; BLOCKS] = blocks[at..][..BLOCKS].as_array().unwrap_or(&[[0; 2]; BLOCKS]);
                    #[expect(unsafe_code, reason = "a load")]
                    // SAFETY: the array has the vector's size, and the load needs no alignment.
                    unsafe {
                        $load(blocks.as_ptr().cast())
                    }
                }

                #[target_feature(enable = $features)]
                #[inline]
                fn store(blocks: &mut Blocks, at: usize, value: $vector) {
                    let Some(blocks) = blocks[at..].first_chunk_mut::<BLOCKS>() else { return };
                    #[expect(unsafe_code, reason = "a store")]
                    // SAFETY: the array has the vector's size, and the store needs no alignment.
                    unsafe {
                        $store(blocks.as_mut_ptr().cast(), value)
                    }
                }
            }
        };
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn wide_part(part: i64) -> __m512i {
        _mm512_set_epi64(0, part, 0, part, 0, part, 0, part)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn part(part: i64) -> __m128i {
        _mm_set_epi64x(0, part)
    }

    generator! {
        /// Four blocks to a vector.
        Vaes, "avx512f,avx512bw,avx512dq,vaes", __m512i, expand_vaes,
        _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32, wide_part, _mm512_shuffle_epi8, _mm512_bslli_epi128,
        _mm512_xor_si512, _mm512_aesenc_epi128, _mm512_aesenclast_epi128
    }

    generator! {
        /// One block to a vector.
        AesNi, "aes,ssse3", __m128i, expand_aes_ni,
        _mm_loadu_si128, _mm_storeu_si128, _mm_set1_epi32, part, _mm_shuffle_epi8, _mm_bslli_si128,
        _mm_xor_si128, _mm_aesenc_si128, _mm_aesenclast_si128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by<const P: usize, const STEP: usize>(kernel: Kernel, seeds: &Blocks, inputs: &Blocks) -> [Blocks; P] {
        match kernel.set() {
            Set::Portable => Portable.expand::<P, STEP>(seeds, inputs),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "says what was detected")]
            // SAFETY: `available` gives this kernel only after detecting it.
            Set::AesNi => unsafe { AesNi::new() }.expand::<P, STEP>(seeds, inputs),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "says what was detected")]
            // SAFETY: `available` gives this kernel only after detecting it.
            Set::Vaes => unsafe { Vaes::new() }.expand::<P, STEP>(seeds, inputs),
        }
    }

    #[test]
    fn every_kernel_gives_the_standards_block() {
        // FIPS 197, appendices B and C.1: keys with the lowest bit one and zero.
        let words = |block: u128| {
            let block = u128::from_le_bytes(block.to_be_bytes());
            [block as u64, (block >> 64) as u64]
        };
        let known = [
            (
                0x2b7e151628aed2a6abf7158809cf4f3c,
                0x3243f6a8885a308d313198a2e0370734,
                0x3925841d02dc09fbdc118597196a0b32,
            ),
            (
                0x000102030405060708090a0b0c0d0e0f,
                0x00112233445566778899aabbccddeeff,
                0x69c4e0d86a7b0430d8cdb78070b4c55a,
            ),
        ];
        for (key, input, output) in known {
            let [key, input, output] = [key, input, output].map(words);
            for kernel in Kernel::available() {
                let [blocks] = by::<1, 1>(kernel, &[key; LANES], &[input; LANES]);
                assert_eq!(blocks, [output; LANES], "{kernel:?}");
            }
        }
    }

    #[test]
    fn every_kernel_agrees_with_the_crate_on_random_lanes() {
        let mut stream = crate::random::Seed::from_bytes([3; 16]).stream(0);
        for _ in 0..200 {
            let mut next = || -> Blocks {
                let words = stream.words(2 * LANES);
                std::array::from_fn(|lane| [words[2 * lane], words[2 * lane + 1]])
            };
            let (seeds, inputs) = (next(), next());
            let expected = Portable.expand::<6, 1>(&seeds, &inputs);
            for kernel in Kernel::available() {
                assert_eq!(by::<6, 1>(kernel, &seeds, &inputs), expected, "{kernel:?}");
                assert_eq!(by::<4, 1>(kernel, &seeds, &inputs), expected[..4], "{kernel:?}");
                let [first, second, third] = by::<3, 2>(kernel, &seeds, &inputs);
                assert_eq!([first, second, third], [expected[0], expected[2], expected[4]], "{kernel:?}");
                assert_eq!(by::<2, 2>(kernel, &seeds, &inputs), [first, second], "{kernel:?}");
            }
        }
    }
}
