//! Why an operation is refused.

use crate::parameters::SECURITY_BITS;

/// Why an operation was refused. No operation panics on what a caller, a file or a peer supplies.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ring degree is not supported.
    #[error("ring degree {degree} is not a power of two between {min} and {max}")]
    Degree {
        /// The degree asked for.
        degree: usize,
        /// The smallest degree allowed here.
        min: usize,
        /// The largest degree allowed.
        max: usize,
    },
    /// The prime chain has an impossible shape.
    #[error("the prime chain is not usable: {reason}")]
    PrimeChain {
        /// What is wrong with it, and the limit it breaks.
        reason: String,
    },
    /// There are too few primes of a length that are 1 modulo twice the degree.
    #[error("ring degree {degree} has too few primes of {bits} bits: use longer primes or a smaller degree")]
    TooFewPrimes {
        /// The ring degree.
        degree: usize,
        /// The length of the primes that ran out.
        bits: u32,
    },
    /// The modulus is too large for the ring degree.
    #[error(
        "a modulus of {modulus_bits:.1} bits at ring degree {degree} is below {SECURITY_BITS} bits of security: \
         at most {max_bits} bits are allowed, special primes included"
    )]
    Insecure {
        /// The ring degree.
        degree: usize,
        /// `log2` of the product of all primes.
        modulus_bits: f64,
        /// The largest `log2` allowed at this degree.
        max_bits: u32,
    },
    /// The system's random generator failed.
    #[error("the system's random generator failed: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
    /// More values than slots.
    #[error("{values} values do not fit {slots} slots")]
    TooManyValues {
        /// How many values were given.
        values: usize,
        /// How many slots there are.
        slots: usize,
    },
    /// The real and imaginary parts have different lengths.
    #[error("{real} real parts do not pair with {imaginary} imaginary parts")]
    ComplexParts {
        /// How many real parts were given.
        real: usize,
        /// How many imaginary parts were given.
        imaginary: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {index} is not finite")]
    NotFinite {
        /// The position of the value.
        index: usize,
    },
    /// A scale is below 1, not finite, or too large for its level.
    #[error("scale 2^{log2_scale:.2} does not fit level {level}, whose modulus has {modulus_bits:.1} bits")]
    Scale {
        /// `log2` of the scale.
        log2_scale: f64,
        /// The level it was to be used at.
        level: usize,
        /// `log2` of the modulus of that level.
        modulus_bits: f64,
    },
    /// A value times the scale, and its noise, exceed half the modulus.
    #[error(
        "a coefficient of {bits} bits leaves no room for its noise at level {level}: lower the scale or the values"
    )]
    Overflow {
        /// Length of the largest coefficient, which says no more about the values than it must.
        bits: u32,
        /// The level.
        level: usize,
    },
    /// The scale that is left for the coefficients of a polynomial is too small for them.
    #[error(
        "coefficients would have a scale of 2^{log2_scale:.2}, below 2^{min_log2_scale}: \
         bring the input to a scale near its primes first"
    )]
    CoefficientScale {
        /// `log2` of the scale.
        log2_scale: f64,
        /// The smallest that is accepted.
        min_log2_scale: u32,
    },
    /// A plaintext stands for numbers no double can hold.
    #[error(
        "a plaintext decodes to nothing finite: it was damaged, or decrypted from what is no ciphertext of this key"
    )]
    Undecodable,
    /// Noise that hides errors cannot be made as asked.
    #[error("results cannot be flooded: {reason}")]
    Flooding {
        /// What is in the way, and what to ask for.
        reason: String,
    },
    /// Two operands have different scales.
    #[error("operands have scales 2^{left:.6} and 2^{right:.6}: bring them to one scale first")]
    ScaleMismatch {
        /// `log2` of the left scale.
        left: f64,
        /// `log2` of the right scale.
        right: f64,
    },
    /// Two operands have different levels.
    #[error("operands are at levels {left} and {right}: drop the higher one first")]
    LevelMismatch {
        /// The left level.
        left: usize,
        /// The right level.
        right: usize,
    },
    /// A level that is not there.
    #[error("level {level} is not available: the operand allows levels up to {max}")]
    Level {
        /// The level asked for.
        level: usize,
        /// The highest level that is available.
        max: usize,
    },
    /// A ciphertext at level 0 cannot be rescaled.
    #[error("no prime is left to rescale by: the circuit is deeper than the parameters")]
    NoLevelLeft,
    /// Two objects belong to different secret keys.
    #[error("key {found} was used where key {expected} is needed")]
    ForeignKey {
        /// The key that is needed.
        expected: crate::KeyId,
        /// The key of the object.
        found: crate::KeyId,
    },
    /// An object belongs to other parameters.
    #[error("an object of parameters {found} was used with parameters {expected}")]
    ForeignParameters {
        /// The parameters of the context.
        expected: crate::ParameterId,
        /// The parameters of the object.
        found: crate::ParameterId,
    },
    /// There is no relinearisation key.
    #[error("the evaluation keys hold no relinearisation key: request it when the keys are generated")]
    NoRelinearisationKey,
    /// A key was made for lower levels only.
    #[error(
        "the key for {operation} serves levels up to {max}, not {level}: request it for the level when the keys are \
         generated"
    )]
    KeyLevel {
        /// What it is for.
        operation: String,
        /// The level of the ciphertext.
        level: usize,
        /// The highest level the key serves.
        max: usize,
    },
    /// A key of [long digits](crate::LongDigits) where short ones are meant, or the other way round.
    #[error(
        "the key for {operation} has digits of another length than it is used with: request the keys anew"
    )]
    LongDigits {
        /// What it is for.
        operation: String,
    },
    /// There is no key for an automorphism.
    #[error("the evaluation keys hold no key for {automorphism}: request it when the keys are generated")]
    NoGaloisKey {
        /// Which rotation, or the conjugation.
        automorphism: String,
    },
    /// There are no keys for sums of squares of pairs.
    #[error(
        "the evaluation keys hold none for sums of squares of pairs: request them when the keys are generated"
    )]
    NoPairKeys,
    /// A key that nobody asked for.
    #[error("the evaluation keys hold a key for {operation}, which was not requested")]
    UnrequestedKey {
        /// What it is for.
        operation: String,
    },
    /// A matrix or polynomial has an unusable shape.
    #[error("unusable shape: {reason}")]
    Shape {
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes do not decode.
    #[error("malformed {object}: {reason}")]
    Malformed {
        /// What was being read.
        object: &'static str,
        /// What is wrong with the bytes.
        reason: String,
    },
}

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<veilbench_ring::Error> for Error {
    fn from(error: veilbench_ring::Error) -> Self {
        use veilbench_ring::Error as Ring;
        match error {
            Ring::Degree { degree, min, max } => Self::Degree { degree, min, max },
            Ring::Prime { .. } => Self::PrimeChain { reason: error.to_string() },
            Ring::TooFewPrimes { degree, bits } => Self::TooFewPrimes { degree, bits },
            Ring::Randomness { reason } => Self::Randomness { reason },
        }
    }
}
