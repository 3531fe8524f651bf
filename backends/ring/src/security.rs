//! The table that says how large a modulus may be.

/// The security level the table of [`max_modulus_bits`] stands for.
pub const SECURITY_BITS: u32 = 128;

/// The largest `log2` of the product of all primes that keeps 128 bits of security against classical attacks
/// with a ternary secret and errors of deviation 3.2 ([`ERROR_DEVIATION`](crate::sampling::ERROR_DEVIATION) is a little more): Bossuat et al., "Security guidelines for implementing
/// homomorphic encryption" (eprint 2024/463). `None` for degrees without an entry.
pub const fn max_modulus_bits(degree: usize) -> Option<u32> {
    match degree {
        4096 => Some(106),
        8192 => Some(214),
        16_384 => Some(430),
        32_768 => Some(868),
        65_536 => Some(1747),
        _ => None,
    }
}
