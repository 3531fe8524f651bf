//! The ring of the ciphertexts, and how shares modulo `2^L` become residues and come back.

use std::ops::{Deref, DerefMut};

use veilbench_ot::bits::{Reader, Writer};
use veilbench_ring::kernels::Kernels;
use veilbench_ring::modulus::{Factor, MAX_PRIME_BITS, Modulus};
use veilbench_ring::security::max_modulus_bits;
use veilbench_ring::{Coefficients, Domain, Polynomial, Ring, primes};
use zeroize::Zeroizing;

use crate::Error;
use crate::bits::low;

/// The ring degree N.
pub const DEGREE: usize = 4096;
/// Bytes of a seed.
pub(crate) const SEED_BYTES: usize = 32;
/// Bits of rings that shares may be of.
pub const LEAST_RING_BITS: u32 = 16;
/// As [`LEAST_RING_BITS`].
pub const MOST_RING_BITS: u32 = 64;
/// Bits of numbers that [`Polynomial::from_signed`] takes, and a sign.
const SIGNED_BITS: u32 = 50;
/// Bits of the reciprocals of primes: their products with residues fit a word of 128 bits.
const RECIPROCAL_BITS: u32 = 126;
/// Bits below the last that a sum of two quotients is rounded from.
const GUARD_BITS: u32 = 8;
/// Bits of the lower part of a centred remainder: transforms take numbers of less than 50.
const LOWER_BITS: u32 = 32;

const _: () = assert!(matches!(max_modulus_bits(DEGREE), Some(most) if most >= 2 * MAX_PRIME_BITS));

/// Lengths of both primes of Q, public, and whether answers keep the first alone. They follow from how many bits a truncation leaves of shares: what is
/// sent beyond these is noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primes {
    bits: [u32; 2],
    of_answers: usize,
}

impl Primes {
    /// Bits of an answer's modulus beyond those that are left: noise of a fresh encryption, below 1,500 units of that modulus, stays below `2^-4` of what is dropped.
    const BITS_OF_ANSWERS: u32 = 15;
    /// The same of Q, where noise is that of a request times weights, for answers modulo the first prime and modulo both.
    const BITS_OF_REQUESTS: [u32; 2] = [41, 45];
    /// Bits of the largest Euclidean norm of the weights that an answer's ciphertext is made with, likewise.
    const NORM_BITS: [u32; 2] = [30, 34];
    /// Bits by which one prime may be shorter than that before answers are modulo both: noise is below half of what is dropped.
    const SPARE_BITS: u32 = 3;
    /// What the second prime has where answers keep the first alone, and the least that the first one has there: remainders by the second are residues of it.
    const SECOND_BITS: u32 = Self::BITS_OF_REQUESTS[0] - Self::BITS_OF_ANSWERS;
    const LEAST_BITS: u32 = Self::SECOND_BITS + 1;

    /// For shares of which a truncation leaves so many bits. The longest there are for more than there is room for.
    pub fn new(left: u32) -> Self {
        let first = left.saturating_add(Self::BITS_OF_ANSWERS);
        if first <= MAX_PRIME_BITS + Self::SPARE_BITS {
            let first = first.clamp(Self::LEAST_BITS, MAX_PRIME_BITS);
            return Self { bits: [first, Self::SECOND_BITS], of_answers: 1 };
        }
        let both = left.saturating_add(Self::BITS_OF_REQUESTS[1]).div_ceil(2).min(MAX_PRIME_BITS);
        Self { bits: [both; 2], of_answers: 2 }
    }

    /// Bits of the largest Euclidean norm that the weights may have that an answer's ciphertext is made with.
    pub fn norm_bits(self) -> u32 {
        Self::NORM_BITS[self.of_answers - 1]
    }

    /// Whether there are no longer ones.
    pub(crate) fn are_longest(self) -> bool {
        self.bits == [MAX_PRIME_BITS; 2]
    }

    /// Bits of residues of a prime.
    pub fn bits(self, prime: usize) -> u32 {
        self.bits[prime]
    }

    /// Primes that an answer is sent modulo.
    pub fn of_answers(self) -> usize {
        self.of_answers
    }

    fn of(self, primes: usize) -> u32 {
        self.bits[..primes].iter().sum()
    }

    /// Bits of Q.
    pub(crate) fn request_bits(self) -> u32 {
        self.of(self.bits.len())
    }

    /// Bits of what an answer is sent modulo.
    pub(crate) fn answer_bits(self) -> u32 {
        self.of(self.of_answers)
    }

    /// Bytes of a ciphertext of a request, but the seed.
    pub(crate) fn request_bytes(self) -> usize {
        DEGREE / 8 * self.request_bits() as usize
    }

    /// Bytes of a public key for answers.
    pub fn public_key_bytes(self) -> usize {
        DEGREE / 8 * self.answer_bits() as usize
    }
}

/// A polynomial that secrets can be told from. Wiped on drop.
pub(crate) struct Hidden<D: Domain>(pub(crate) Polynomial<D>);

impl<D: Domain> Drop for Hidden<D> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<D: Domain> Deref for Hidden<D> {
    type Target = Polynomial<D>;

    fn deref(&self) -> &Polynomial<D> {
        &self.0
    }
}

impl<D: Domain> DerefMut for Hidden<D> {
    fn deref_mut(&mut self) -> &mut Polynomial<D> {
        &mut self.0
    }
}

/// The ring modulo Q with the constants of both parties.
#[derive(Debug)]
pub struct Rlwe {
    primes: Primes,
    ring: Ring,
    /// `floor(2^126 / q)` of every prime.
    reciprocals: [u128; 2],
    /// Of every prime, the inverse of the other one.
    inverses: [Factor; 2],
}

impl Rlwe {
    /// The constants, with the fastest kernels of this processor.
    ///
    /// # Errors
    /// None that can happen: the primes exist.
    pub fn new(primes: Primes) -> Result<Self, Error> {
        Self::with_kernels(primes, Kernels::detect())
    }

    /// With these kernels: all give the same numbers.
    ///
    /// # Errors
    /// As [`Rlwe::new`].
    pub fn with_kernels(primes: Primes, kernels: Kernels) -> Result<Self, Error> {
        let ring = Ring::new(DEGREE, &primes::find(DEGREE, &primes.bits)?, kernels)?;
        let [first, second] = [*ring.modulus(0), *ring.modulus(1)];
        let reciprocal = |m: &Modulus| (1 << RECIPROCAL_BITS) / u128::from(m.value());
        let inverse = |m: &Modulus, other: &Modulus| m.factor(m.invert(other.value() % m.value()));
        let inverses = [inverse(&first, &second), inverse(&second, &first)];
        Ok(Self { primes, reciprocals: [reciprocal(&first), reciprocal(&second)], inverses, ring })
    }

    /// Lengths of its primes.
    pub fn primes(&self) -> Primes {
        self.primes
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Whether ciphertexts have room for shares of so many bits.
    pub(crate) fn expect_bits(bits: u32) -> Result<(), Error> {
        if (LEAST_RING_BITS..=MOST_RING_BITS).contains(&bits) {
            return Ok(());
        }
        Err(Error::RingBits { bits, least: LEAST_RING_BITS, most: MOST_RING_BITS })
    }

    /// What [`Rlwe::scales`] makes `round(Q r / 2^L)` of: minus the centred remainder of `Q r` by `2^L`. (`Q r` is zero modulo each prime, so
    /// that the quotient is minus the remainder by `2^L`.)
    pub(crate) fn remainder(&self, bits: u32, share: u64) -> i64 {
        let [first, second] = [0, 1].map(|prime| self.ring.modulus(prime).value());
        let product = first.wrapping_mul(second).wrapping_mul(share);
        let unused = u64::BITS - bits;
        (((product << unused) as i64) >> unused).wrapping_neg()
    }

    /// A polynomial with `round(Q r / 2^L)` of shares `r` modulo `2^L` as coefficients.
    pub(crate) fn encode(
        &self,
        bits: u32,
        shares: impl Iterator<Item = (usize, u64)>,
    ) -> Hidden<Coefficients> {
        let mut parts = [(); 2].map(|()| Zeroizing::new(vec![0; DEGREE]));
        let is_split = bits > SIGNED_BITS;
        for (coefficient, share) in shares {
            let remainder = self.remainder(bits, share);
            let lower = if is_split { remainder & ((1 << LOWER_BITS) - 1) } else { remainder };
            parts[0][coefficient] = lower;
            parts[1][coefficient] = (remainder - lower) >> LOWER_BITS;
        }
        let scaled = |part: &[i64], bits: u32| {
            let mut part = Hidden(Polynomial::<Coefficients>::from_signed(&self.ring, part, 2));
            part.scale(&self.ring, &self.scales(bits));
            part
        };
        let mut encoded = scaled(&parts[0], bits);
        if is_split {
            encoded.add_assign(&self.ring, &scaled(&parts[1], bits - LOWER_BITS));
        }
        encoded
    }

    /// The inverse of `2^bits` modulo every prime.
    pub(crate) fn scales(&self, bits: u32) -> [Factor; 2] {
        [0, 1].map(|prime| {
            let m = self.ring.modulus(prime);
            m.factor(m.invert(m.power(2, bits.into())))
        })
    }

    /// `round(2^bits residue / q)` of a prime, or one beside it where the quotient is a half to within `2^(bits - 76)`; `bits` are 72 at most.
    fn quotient(&self, prime: usize, bits: u32, residue: u64) -> u128 {
        let wide = u128::from(residue) * self.reciprocals[prime];
        (wide + (1 << (RECIPROCAL_BITS - bits - 1))) >> (RECIPROCAL_BITS - bits)
    }

    /// The share modulo `2^bits` of a number given by its residue modulo the first prime, or by both: see [`Rlwe::quotient`].
    pub(crate) fn share(&self, bits: u32, residues: &[u64]) -> u64 {
        match residues {
            [first, second] => self.quotient_of_both(bits, [*first, *second]),
            _ => residues.first().map_or(0, |first| self.quotient(0, bits, *first) as u64 & low(bits)),
        }
    }

    /// `round(2^bits U / Q)` modulo `2^bits` of a number given by its residues, or one beside it where it is a half to within `2^-6`.
    pub(crate) fn quotient_of_both(&self, bits: u32, residues: [u64; 2]) -> u64 {
        let parts = [0, 1].map(|prime| {
            let (m, inverse) = (self.ring.modulus(prime), self.inverses[prime]);
            self.quotient(prime, bits + GUARD_BITS, shoup(m, residues[prime], inverse))
        });
        let sum = parts[0] + parts[1] + (1 << (GUARD_BITS - 1));
        (sum >> GUARD_BITS) as u64 & low(bits)
    }

    /// Divides by the second prime, rounded: the first row becomes the quotient modulo the first prime; the second is used up.
    pub(crate) fn drop_prime(&self, rows: &mut Polynomial<Coefficients>, centred: &mut [u64]) {
        let [first, second] = [0, 1].map(|prime| *self.ring.modulus(prime));
        let shift = first.value().wrapping_sub(second.value());
        let kernels = self.ring.kernels();
        kernels.recentre(rows.limb(1), second.value().div_ceil(2), shift, centred);
        kernels.subtract_scale(&first, rows.limb_mut(0), centred, self.inverses[0]);
    }
}

/// A residue times a fixed factor, without a division.
fn shoup(m: &Modulus, residue: u64, factor: Factor) -> u64 {
    let quotient =
        ((u128::from(residue) * u128::from(factor.quotient)) >> veilbench_ring::modulus::RADIX_BITS) as u64;
    let product = residue.wrapping_mul(factor.value).wrapping_sub(quotient.wrapping_mul(m.value()));
    product.min(product.wrapping_sub(m.value()))
}

/// Appends residues of so many bits.
pub(crate) fn write_residues(bits: u32, residues: impl IntoIterator<Item = u64>, writer: &mut Writer) {
    for residue in residues {
        writer.push(residue, bits);
    }
}

/// Takes residues modulo a prime.
pub(crate) fn read_residues<'a>(
    what: &'static str,
    m: &Modulus,
    residues: impl IntoIterator<Item = &'a mut u64>,
    reader: &mut Reader<'_>,
) -> Result<(), Error> {
    let (mut largest, bits) = (0, m.bits());
    for residue in residues {
        *residue = reader.pop(bits);
        largest = largest.max(*residue);
    }
    if largest < m.value() { Ok(()) } else { Err(Error::Residue { what }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_survive_residues(share in any::<u64>(), bits in LEAST_RING_BITS..=MOST_RING_BITS, left in 0..=MOST_RING_BITS) {
            let rlwe = Rlwe::new(Primes::new(left)).unwrap();
            prop_assume!(bits + 6 < rlwe.primes().request_bits());
            let share = share & low(bits);
            let remainder = rlwe.remainder(bits, share);
            prop_assert!(remainder.unsigned_abs() <= 1 << (bits - 1));
            let residues = [0, 1].map(|prime| {
                let m = rlwe.ring().modulus(prime);
                m.multiply(m.signed(remainder.into()), rlwe.scales(bits)[prime].value)
            });
            prop_assert_eq!(rlwe.quotient_of_both(bits, residues), share);
            let encoded = rlwe.encode(bits, [(7, share)].into_iter());
            prop_assert_eq!([0, 1].map(|prime| encoded.limb(prime)[7]), residues);
        }

        #[test]
        fn quotients_are_rounded(residue in any::<u64>(), bits in LEAST_RING_BITS..=MOST_RING_BITS, left in 0..=MOST_RING_BITS) {
            let rlwe = Rlwe::new(Primes::new(left)).unwrap();
            let q = rlwe.ring().modulus(0).value();
            let residue = residue % q;
            let exact = ((u128::from(residue) << (bits + 1)) / u128::from(q)).div_ceil(2);
            prop_assert!(rlwe.quotient(0, bits, residue).abs_diff(exact) <= 1);
            let product = shoup(rlwe.ring().modulus(0), residue, rlwe.inverses[0]);
            prop_assert_eq!(product, rlwe.ring().modulus(0).multiply(residue, rlwe.inverses[0].value));
        }
    }

    #[test]
    fn primes_are_as_long_as_what_is_left_asks_for() {
        for left in 0..=MOST_RING_BITS {
            let (primes, rlwe) = (Primes::new(left), Rlwe::new(Primes::new(left)).unwrap());
            let lengths = [0, 1].map(|prime| u64::BITS - rlwe.ring().modulus(prime).value().leading_zeros());
            assert_eq!(lengths, primes.bits);
            assert!(rlwe.ring().modulus(0).value() > rlwe.ring().modulus(1).value());
            let spare = if primes.bits[0] == MAX_PRIME_BITS { Primes::SPARE_BITS } else { 0 };
            assert!(primes.answer_bits() + spare >= left + Primes::BITS_OF_ANSWERS);
            let asked = left + Primes::BITS_OF_REQUESTS[primes.of_answers - 1];
            assert!(primes.request_bits() + spare >= asked || primes.are_longest(), "{left} bits are left");
            assert!(primes.request_bits() <= asked.max(Primes::LEAST_BITS + Primes::SECOND_BITS) + 1);
        }
    }
}
