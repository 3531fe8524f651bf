//! A word-sized prime with the constants its reductions need.

/// Primes stay below `2^MAX_PRIME_BITS` so that every product, quotient and lazy sum of the kernels fits the
/// 52-bit multipliers of AVX-512 IFMA.
pub const MAX_PRIME_BITS: u32 = 50;

/// The radix of Montgomery form and of Shoup quotients is `2^RADIX_BITS`.
pub const RADIX_BITS: u32 = 52;
/// The low [`RADIX_BITS`] bits.
pub const RADIX_MASK: u64 = (1 << RADIX_BITS) - 1;

/// An odd prime below `2^50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    value: u64,
    bits: u32,
    /// `floor(2^(bits + 51) / p)`, below `2^52`.
    barrett: u64,
    /// `p^-1 mod 2^52`.
    radix_inverse: u64,
    /// `2^52 mod p` as a fixed factor: takes a residue into Montgomery form.
    radix: Factor,
}

/// A residue one multiplies by many times, with its Shoup quotient `floor(value * 2^52 / p)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Factor {
    /// The residue.
    pub value: u64,
    /// Its Shoup quotient.
    pub quotient: u64,
}

impl Modulus {
    /// `value` is an odd prime below `2^50`; the parameters check that.
    pub fn new(value: u64) -> Self {
        let bits = u64::BITS - value.leading_zeros();
        // Newton's iteration doubles the correct low bits: 3, 6, 12, 24, 48, 96.
        let mut inverse = value;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(value.wrapping_mul(inverse)));
        }
        let barrett = ((1u128 << (bits + RADIX_BITS - 1)) / u128::from(value)) as u64;
        let mut modulus =
            Self { value, bits, barrett, radix_inverse: inverse & RADIX_MASK, radix: Factor::default() };
        modulus.radix = modulus.factor(((1u128 << RADIX_BITS) % u128::from(value)) as u64);
        modulus
    }

    /// The prime.
    #[inline]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// The length of the prime in bits.
    #[inline]
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// `floor(2^(bits + 51) / p)`.
    #[inline]
    pub const fn barrett(&self) -> u64 {
        self.barrett
    }

    /// `p^-1 mod 2^52`.
    #[inline]
    pub const fn radix_inverse(&self) -> u64 {
        self.radix_inverse
    }

    /// The factor that takes a residue into Montgomery form.
    #[inline]
    pub const fn radix(&self) -> Factor {
        self.radix
    }

    /// The smallest multiple of the prime that is at least `2^50`: makes a number of at most 50 bits and a sign
    /// positive without changing its residue.
    #[inline]
    pub const fn signed_offset(&self) -> u64 {
        (1u64 << MAX_PRIME_BITS).div_ceil(self.value) * self.value
    }

    /// Prepares a reduced residue as a fixed factor.
    #[inline]
    pub fn factor(&self, value: u64) -> Factor {
        debug_assert!(value < self.value);
        Factor { value, quotient: ((u128::from(value) << RADIX_BITS) / u128::from(self.value)) as u64 }
    }

    /// A reduced residue in Montgomery form: `value * 2^52 mod p`.
    #[inline]
    pub fn montgomery(&self, value: u64) -> u64 {
        self.multiply(value, self.radix.value)
    }

    /// Reduces a number below `2p`.
    #[inline]
    pub const fn reduce_once(&self, value: u64) -> u64 {
        let less = value.wrapping_sub(self.value);
        if less < value { less } else { value }
    }

    /// The difference of two residues.
    #[inline]
    pub fn subtract(&self, a: u64, b: u64) -> u64 {
        self.reduce_once(a + self.value - b)
    }

    /// The product of two residues.
    #[inline]
    pub fn multiply(&self, a: u64, b: u64) -> u64 {
        (u128::from(a) * u128::from(b) % u128::from(self.value)) as u64
    }

    /// A power of a number.
    pub fn power(&self, base: u64, mut exponent: u64) -> u64 {
        let (mut square, mut result) = (base % self.value, 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.multiply(result, square);
            }
            square = self.multiply(square, square);
            exponent >>= 1;
        }
        result
    }

    /// The inverse of a residue that is not zero, by Fermat.
    pub fn invert(&self, value: u64) -> u64 {
        self.power(value, self.value - 2)
    }

    /// The residue of a product of word-sized numbers.
    pub fn product(&self, factors: impl IntoIterator<Item = u64>) -> u64 {
        factors.into_iter().fold(1, |product, factor| self.multiply(product, factor % self.value))
    }

    /// The residue of a signed number.
    #[inline]
    pub fn signed(&self, value: i128) -> u64 {
        value.rem_euclid(i128::from(self.value)) as u64
    }
}
