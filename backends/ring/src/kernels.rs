//! Element-wise arithmetic on slices of residues, the only code that knows about vector instructions.
//!
//! [`Kernels`] picks a path when it is made and stays with it. The portable functions define the results; the
//! tests of this module hold every other path to them, value for value.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_short;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_ntt;
#[cfg(target_arch = "x86_64")]
mod elementwise;
mod ntt;
mod portable;
mod short;
mod stream;
#[cfg(test)]
mod tests;

pub use ntt::Transforms;

use crate::modulus::{Factor, Modulus, RADIX_BITS};
pub use short::{SHORT_TERMS, ShortModulus};
use std::fmt;
pub use stream::{Stream, pack};

/// How many products, each below `p * 2^50`, the lazy sums take before they are reduced: their Montgomery
/// reduction then stays below `4p`.
pub const LAZY_TERMS: usize = 12;

/// How many products of two residues the lazy sums take before they are reduced: at least [`LAZY_TERMS`], of short primes as many as are
/// kept in a cache together.
///
/// `n` of them are below `n p^2`. Montgomery's reduction stays below `4p` while what they have above the radix is below `3p`, so for `n` up
/// to `3 * 2^52 / p`: 12 products modulo primes of 50 bits, twice as many for every bit less. Low halves, which are below the radix, would
/// fill a word after 2^12 products.
fn residue_terms(m: &Modulus) -> usize {
    ((3 << RADIX_BITS) / m.value()).min(SHORT_TERMS as u64) as usize
}

/// The most targets [`Kernels::combine_group`] should serve at once: as many as registers hold sums for.
pub const GROUP: usize = 4;

/// Residues are handled in blocks of this many; every slice is a whole number of blocks.
pub const BLOCK: usize = 8;

/// Which instructions the element-wise kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Instructions {
    /// What every processor has.
    Portable,
    /// AVX2 with FMA, four residues at a time.
    Avx2,
    /// AVX-512 with its 52-bit multipliers and permutations of bytes, eight residues at a time, beside AVX2.
    Avx512Ifma,
}

impl Instructions {
    /// From the slowest to the fastest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512Ifma];

    /// Whether this processor has them.
    #[cfg(target_arch = "x86_64")]
    pub fn are_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512Ifma => {
                Self::Avx2.are_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512ifma")
                    && is_x86_feature_detected!("avx512vbmi")
            }
        }
    }

    /// Whether this processor has them.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn are_available(self) -> bool {
        self == Self::Portable
    }

    /// A name for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "AVX2",
            Self::Avx512Ifma => "AVX-512 IFMA",
        }
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The chosen implementation of the element-wise operations.
///
/// All slices of a call have the same length, a multiple of [`BLOCK`]; residues are below the modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// Only [`Kernels::new`] sets this, after it has seen that the processor has them.
    instructions: Instructions,
}

/// One output block of an automorphism in the NTT domain: where its eight residues come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermutedBlock {
    /// The block that is read.
    pub source: u32,
    /// Byte `i` is the lane of that block that becomes lane `i`.
    pub lanes: u64,
}

macro_rules! dispatch {
    ($self:ident, $kernel:ident $(::<$width:literal>)? ($($argument:expr),*)) => {
        match $self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => {
                #[expect(unsafe_code, reason = "instructions that the compiler may not assume")]
                // SAFETY: this path exists only on a processor with AVX2 and FMA.
                unsafe {
                    avx2::$kernel$(::<$width>)?($($argument),*);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Ifma => {
                #[expect(unsafe_code, reason = "instructions that the compiler may not assume")]
                // SAFETY: this path exists only on a processor with AVX-512 F, BW (which VBMI enables), DQ, IFMA and VBMI.
                unsafe {
                    avx512::$kernel$(::<$width>)?($($argument),*);
                }
            }
            _ => portable::$kernel$(::<$width>)?($($argument),*),
        }
    };
}

/// [`dispatch`] for a stream of some width.
macro_rules! dispatch_width {
    ($self:ident, $width:expr, $kernel:ident($($argument:expr),*)) => {
        match $width {
            4 => dispatch!($self, $kernel::<4>($($argument),*)),
            5 => dispatch!($self, $kernel::<5>($($argument),*)),
            6 => dispatch!($self, $kernel::<6>($($argument),*)),
            7 => dispatch!($self, $kernel::<7>($($argument),*)),
            _ => dispatch!($self, $kernel::<8>($($argument),*)),
        }
    };
}

impl Kernels {
    /// Kernels with these instructions, if the processor has them.
    pub fn new(instructions: Instructions) -> Option<Self> {
        instructions.are_available().then_some(Self { instructions })
    }

    /// Kernels in plain Rust.
    pub const fn portable() -> Self {
        Self { instructions: Instructions::Portable }
    }

    /// The fastest path of this processor.
    pub fn detect() -> Self {
        Instructions::ALL.into_iter().rev().find_map(Self::new).unwrap_or_else(Self::portable)
    }

    /// The instructions they use.
    pub fn instructions(self) -> Instructions {
        self.instructions
    }

    /// `a += b`.
    pub fn add_assign(self, m: &Modulus, a: &mut [u64], b: &[u64]) {
        check([a.len(), b.len()]);
        dispatch!(self, add_assign(m, a, b));
    }

    /// `a -= b`.
    pub fn subtract_assign(self, m: &Modulus, a: &mut [u64], b: &[u64]) {
        check([a.len(), b.len()]);
        dispatch!(self, subtract_assign(m, a, b));
    }

    /// `a = -a`.
    pub fn negate(self, m: &Modulus, a: &mut [u64]) {
        check([a.len()]);
        dispatch!(self, negate(m, a));
    }

    /// Adds a residue to every element.
    pub fn add_constant(self, m: &Modulus, a: &mut [u64], constant: u64) {
        check([a.len()]);
        dispatch!(self, add_constant(m, a, constant));
    }

    /// `a *= b`.
    pub fn multiply_assign(self, m: &Modulus, a: &mut [u64], b: &[u64]) {
        check([a.len(), b.len()]);
        dispatch!(self, multiply_assign(m, a, b));
    }

    /// `sum += a * b`.
    pub fn multiply_add(self, m: &Modulus, sum: &mut [u64], a: &[u64], b: &[u64]) {
        check([sum.len(), a.len(), b.len()]);
        dispatch!(self, multiply_add(m, sum, a, b));
    }

    /// Multiplies every element by a fixed factor; elements may be any number below `2^52`.
    pub fn scale_assign(self, m: &Modulus, a: &mut [u64], factor: Factor) {
        check([a.len()]);
        dispatch!(self, scale_assign(m, a, factor));
    }

    /// `sum += a * factor`.
    pub fn scale_add(self, m: &Modulus, sum: &mut [u64], a: &[u64], factor: Factor) {
        check([sum.len(), a.len()]);
        dispatch!(self, scale_add(m, sum, a, factor));
    }

    /// `[a0 b0, a0 b1 + a1 b0, a1 b1]`.
    pub fn tensor(self, m: &Modulus, a: [&[u64]; 2], b: [&[u64]; 2], out: [&mut [u64]; 3]) {
        check([a[0].len(), a[1].len(), b[0].len(), b[1].len(), out[0].len(), out[1].len(), out[2].len()]);
        dispatch!(self, tensor(m, a, b, out));
    }

    /// `[a0 a0, 2 a0 a1, a1 a1]`.
    pub fn square(self, m: &Modulus, a: [&[u64]; 2], out: [&mut [u64]; 3]) {
        check([a[0].len(), a[1].len(), out[0].len(), out[1].len(), out[2].len()]);
        dispatch!(self, square(m, a, out));
    }

    /// `sum of values[i] * first_keys[i]` and the same with the second keys, which are in Montgomery form (or the
    /// values are).
    ///
    /// The keys are one stream that is read from front to back: for every block of positions, for each of
    /// `terms` values, [`BLOCK`] residues of the first key and [`BLOCK`] of the second. There may be fewer values
    /// than terms.
    pub fn dot_stream(
        self,
        m: &Modulus,
        values: &[&[u64]],
        (keys, terms): (Stream<'_>, usize),
        first: &mut [u64],
        second: &mut [u64],
    ) {
        check([first.len(), second.len()]);
        assert!((1..=terms).contains(&values.len()) && keys.residues() == 2 * terms * first.len());
        assert!(values.iter().all(|value| value.len() == first.len()));
        dispatch_width!(self, keys.width, dot_stream(m, values, (keys.words, terms), first, second));
    }

    /// As [`Kernels::dot_stream`], with the values in a stream too, block by block, and value `i` meeting key
    /// `picks[i]` of the `terms`.
    pub fn dot_picked(
        self,
        m: &Modulus,
        (values, picks): (Stream<'_>, &[usize]),
        (keys, terms): (&[u64], usize),
        first: &mut [u64],
        second: &mut [u64],
    ) {
        check([first.len(), second.len()]);
        assert!(!picks.is_empty() && picks.iter().all(|&pick| pick < terms));
        assert!(values.residues() == picks.len() * first.len() && keys.len() == 2 * terms * first.len());
        dispatch_width!(
            self,
            values.width,
            dot_picked(m, (values.words, picks), (keys, terms), first, second)
        );
    }

    /// [`Kernels::combine`] for one target or several, in one pass over the sources.
    pub fn combine_group<const TARGETS: usize>(
        self,
        sources: &[&[u64]],
        moduli: [&Modulus; TARGETS],
        weights: [&[u64]; TARGETS],
        out: [&mut [u64]; TARGETS],
    ) {
        let length = out[0].len();
        check(out.each_ref().map(|out| out.len()));
        assert!(sources.len() <= LAZY_TERMS && sources.iter().all(|source| source.len() == length));
        assert!(weights.iter().all(|weights| weights.len() == sources.len()));
        dispatch!(self, combine_group(sources, moduli, weights, out));
    }

    /// `sum of sources[i] * weights[i]`: sources are any numbers below `2^50`, weights in Montgomery form, at
    /// most [`LAZY_TERMS`] of them.
    pub fn combine(self, m: &Modulus, sources: &[&[u64]], weights: &[u64], out: &mut [u64]) {
        self.combine_group(sources, [m], [weights], [out]);
    }

    /// The width, in bytes, of a stream of residues of so many bits that is read fastest: all that is read from memory once takes as long as
    /// its bytes.
    pub fn stream_width(self, bits: u32) -> usize {
        match self.instructions {
            Instructions::Avx512Ifma => (bits as usize).div_ceil(8).clamp(stream::LEAST_WIDTH, BLOCK),
            // Words of 32 bits are read as fast as longer ones, any other width is not.
            Instructions::Portable | Instructions::Avx2 if bits <= 32 => stream::LEAST_WIDTH,
            Instructions::Portable | Instructions::Avx2 => BLOCK,
        }
    }

    /// The most sources of [`Kernels::residue_sums`]: at least [`LAZY_TERMS`], at most [`SHORT_TERMS`].
    pub fn residue_terms(self, m: &Modulus) -> usize {
        match self.instructions {
            // Its halves of products are doubles, which are summed exactly a dozen at a time.
            Instructions::Avx2 => LAZY_TERMS,
            Instructions::Portable | Instructions::Avx512Ifma => residue_terms(m),
        }
    }

    /// `out[t] = sum of sources[i] * weights[t][i]`: sources are residues, weights in Montgomery form, at most
    /// [`Kernels::residue_terms`] of them.
    pub fn residue_sums<const TARGETS: usize>(
        self,
        m: &Modulus,
        sources: &[&[u64]],
        weights: [&[u64]; TARGETS],
        out: [&mut [u64]; TARGETS],
    ) {
        let length = out[0].len();
        check(out.each_ref().map(|out| out.len()));
        assert!(sources.len() <= self.residue_terms(m));
        assert!(sources.iter().all(|source| source.len() == length));
        assert!(weights.iter().all(|weights| weights.len() == sources.len()));
        dispatch!(self, combine_group(sources, [m; TARGETS], weights, out));
    }

    /// Whether sums modulo a short prime are faster by [`Kernels::short_sums`]: multipliers of 52 bits take any prime.
    pub fn prefers_short(self) -> bool {
        self.instructions != Instructions::Avx512Ifma
    }

    /// `out[t] = sum of sources[i] * weights[t][i]`: sources are residues, weights are
    /// [prepared](ShortModulus::prepare), at most [`SHORT_TERMS`] of them.
    pub fn short_sums<const TARGETS: usize>(
        self,
        m: &ShortModulus,
        sources: &[&[u64]],
        weights: [&[u64]; TARGETS],
        out: [&mut [u64]; TARGETS],
    ) {
        let length = out[0].len();
        check(out.each_ref().map(|out| out.len()));
        assert!(sources.len() <= SHORT_TERMS && sources.iter().all(|source| source.len() == length));
        assert!(weights.iter().all(|weights| weights.len() == sources.len()));
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 | Instructions::Avx512Ifma => {
                #[expect(unsafe_code, reason = "instructions that the compiler may not assume")]
                // SAFETY: these paths exist only on a processor with AVX2 and FMA.
                unsafe {
                    avx2_short::short_sums(m, sources, weights, out);
                }
            }
            _ => portable::short_sums(m, sources, weights, out),
        }
    }

    /// The nearest integer to `sum of sources[i] * reciprocals[i]`, in doubles, the same on every path.
    pub fn overflow(self, sources: &[&[u64]], reciprocals: &[f64], out: &mut [u64]) {
        assert!(sources.len() == reciprocals.len());
        check([out.len()]);
        assert!(sources.iter().all(|source| source.len() == out.len()));
        dispatch!(self, overflow(sources, reciprocals, out));
    }

    /// Copies, adding `shift` (modulo `2^64`) to every element that is at least `half`.
    pub fn recentre(self, source: &[u64], half: u64, shift: u64, out: &mut [u64]) {
        check([source.len(), out.len()]);
        dispatch!(self, recentre(source, half, shift, out));
    }

    /// `a = (a - b) * factor`.
    pub fn subtract_scale(self, m: &Modulus, a: &mut [u64], b: &[u64], factor: Factor) {
        check([a.len(), b.len()]);
        dispatch!(self, subtract_scale(m, a, b, factor));
    }

    /// `sum += (a - b) * factor`.
    pub fn subtract_scale_add(self, m: &Modulus, sum: &mut [u64], a: &[u64], b: &[u64], factor: Factor) {
        check([sum.len(), a.len(), b.len()]);
        dispatch!(self, subtract_scale_add(m, sum, a, b, factor));
    }

    /// Applies an automorphism in the NTT domain.
    pub fn permute(self, table: &[PermutedBlock], source: &[u64], out: &mut [u64]) {
        check([source.len(), out.len(), table.len() * BLOCK]);
        dispatch!(self, permute(table, source, out));
    }

    /// Applies an automorphism to `(a - b) * factor + c`.
    pub fn permute_subtract_scale_add(
        self,
        m: &Modulus,
        table: &[PermutedBlock],
        [a, b, c]: [&[u64]; 3],
        factor: Factor,
        out: &mut [u64],
    ) {
        check([a.len(), b.len(), c.len(), out.len(), table.len() * BLOCK]);
        dispatch!(self, permute_subtract_scale_add(m, table, [a, b, c], factor, out));
    }

    /// The residues of numbers whose magnitude is below `2^50`.
    pub fn reduce_signed(self, m: &Modulus, source: &[i64], out: &mut [u64]) {
        check([source.len(), out.len()]);
        dispatch!(self, reduce_signed(m, source, out));
    }
}

fn check<const COUNT: usize>(lengths: [usize; COUNT]) {
    assert!(lengths[0].is_multiple_of(BLOCK) && lengths.iter().all(|&length| length == lengths[0]));
}
