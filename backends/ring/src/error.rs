//! Why a ring or its randomness cannot be had.

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The degree is not supported.
    #[error("ring degree {degree} is not a power of two between {min} and {max}")]
    Degree {
        /// The degree asked for.
        degree: usize,
        /// The smallest degree.
        min: usize,
        /// The largest degree.
        max: usize,
    },
    /// A number is not a prime that the ring can use.
    #[error("{value} is not a prime of at most {max_bits} bits that is 1 modulo {step} and occurs once")]
    Prime {
        /// The number.
        value: u64,
        /// Length of the longest primes.
        max_bits: u32,
        /// Twice the degree.
        step: u64,
    },
    /// There are too few primes of a length that are 1 modulo twice the degree.
    #[error("ring degree {degree} has too few primes of {bits} bits: use longer primes or a smaller degree")]
    TooFewPrimes {
        /// The ring degree.
        degree: usize,
        /// The length of the primes that ran out.
        bits: u32,
    },
    /// The system's random generator failed.
    #[error("the system's random generator failed: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
}
