//! Which ring, which primes, how many digits, and whether that is secure.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt;
use veilbench_ring::kernels::LAZY_TERMS;
use veilbench_ring::modulus::MAX_PRIME_BITS;
pub use veilbench_ring::security::{SECURITY_BITS, max_modulus_bits};
use veilbench_ring::{MAX_DEGREE, MIN_DEGREE, primes};

const MIN_PRIME_BITS: u32 = 18;
/// Bounds what a decoder of parameters makes room for; far above what the security table admits.
pub(crate) const MAX_PRIMES: usize = 96;

/// What to build parameters from: lengths of primes; the primes themselves follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterRequest<'a> {
    /// The ring degree `N`, a power of two. A ciphertext has `N / 2` slots.
    pub degree: usize,
    /// The lengths in bits of the data primes `q_0, q_1, ...`: level `l` uses the first `l + 1`, and rescaling
    /// from level `l` divides by `q_l`. At most 50 bits each.
    pub data_prime_bits: &'a [u32],
    /// The lengths in bits of the special primes, which exist only inside key switches. Their product must be
    /// at least that of the data primes of every digit.
    pub special_prime_bits: &'a [u32],
    /// Into how many digits a key switch cuts the data primes. Fewer digits need more special primes.
    pub digits: usize,
}

/// A checked parameter set.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters {
    degree: usize,
    data_primes: Vec<u64>,
    special_primes: Vec<u64>,
    digit_primes: usize,
    id: ParameterId,
}

/// A digest of a parameter set, carried by every key and ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParameterId(pub(crate) [u8; 16]);

impl fmt::Display for ParameterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ParameterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParameterId({self})")
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("degree", &self.degree)
            .field("data_primes", &self.data_primes)
            .field("special_primes", &self.special_primes)
            .field("digits", &self.digits())
            .field("modulus_bits", &self.modulus_bits())
            .field("security_bits", &self.security_bits())
            .finish()
    }
}

impl Parameters {
    /// Finds the primes and checks the set against the security table.
    ///
    /// # Errors
    /// [`Error::Insecure`] below 128 bits; [`Error::Degree`], [`Error::PrimeChain`] or
    /// [`Error::TooFewPrimes`] if no such set exists.
    pub fn new(request: &ParameterRequest<'_>) -> Result<Self> {
        Self::new_insecure(request)?.require_security()
    }

    /// As [`Parameters::new`] but without the security check: for tests and experiments only. What was
    /// encrypted under such parameters may be readable by anyone.
    ///
    /// # Errors
    /// As [`Parameters::new`], without [`Error::Insecure`].
    pub fn new_insecure(request: &ParameterRequest<'_>) -> Result<Self> {
        check_degree(request.degree)?;
        let lengths = request.data_prime_bits.iter().chain(request.special_prime_bits).take(MAX_PRIMES + 1);
        let lengths: Vec<u32> = lengths.copied().collect();
        if let Some(bits) = lengths.iter().find(|bits| !(MIN_PRIME_BITS..=MAX_PRIME_BITS).contains(bits)) {
            return Err(prime_chain(format!(
                "a prime of {bits} bits is outside {MIN_PRIME_BITS} to {MAX_PRIME_BITS} bits"
            )));
        }
        let primes = primes::find(request.degree, &lengths)?;
        let (data, special) = primes.split_at(request.data_prime_bits.len().min(primes.len()));
        if !(1..=data.len()).contains(&request.digits) {
            return Err(prime_chain(format!(
                "{} data primes do not make {} digits",
                data.len(),
                request.digits
            )));
        }
        Self::from_primes(request.degree, data, special, data.len().div_ceil(request.digits))
    }

    /// Checks everything but security: the decoder of parameters ends here too.
    pub(crate) fn from_primes(
        degree: usize,
        data_primes: &[u64],
        special_primes: &[u64],
        digit_primes: usize,
    ) -> Result<Self> {
        check_degree(degree)?;
        if data_primes.is_empty() || special_primes.is_empty() {
            return Err(prime_chain("at least one data prime and one special prime are needed".into()));
        }
        let all: Vec<u64> = data_primes.iter().chain(special_primes).copied().collect();
        if all.len() > MAX_PRIMES {
            return Err(prime_chain(format!("{} primes are more than {MAX_PRIMES}", all.len())));
        }
        for (index, &prime) in all.iter().enumerate() {
            if !(1 << (MIN_PRIME_BITS - 1)..1 << MAX_PRIME_BITS).contains(&prime)
                || prime % (2 * degree as u64) != 1
                || !primes::is_prime(prime)
            {
                return Err(prime_chain(format!(
                    "{prime} is not a prime of {MIN_PRIME_BITS} to {MAX_PRIME_BITS} bits that is 1 modulo {}",
                    2 * degree
                )));
            }
            if all[..index].contains(&prime) {
                return Err(prime_chain(format!("{prime} occurs twice")));
            }
        }
        // One term of the lazy sums is taken by the overflow correction.
        if !(1..LAZY_TERMS).contains(&digit_primes) || special_primes.len() >= LAZY_TERMS {
            return Err(prime_chain(format!(
                "digits of {digit_primes} primes and {} special primes: at most {} each are supported",
                special_primes.len(),
                LAZY_TERMS - 1
            )));
        }
        // Primes of one length differ by a fraction of a bit, which costs the same fraction in noise.
        let special_bits = log2_product(special_primes) + 0.5;
        if let Some(digit) = data_primes.chunks(digit_primes).position(|d| log2_product(d) > special_bits) {
            return Err(prime_chain(format!(
                "digit {digit} is longer than the special primes ({:.1} bits): add special bits or digits",
                log2_product(special_primes)
            )));
        }
        let id = identify(degree, data_primes, special_primes, digit_primes);
        Ok(Self {
            degree,
            data_primes: data_primes.to_vec(),
            special_primes: special_primes.to_vec(),
            digit_primes,
            id,
        })
    }

    pub(crate) fn require_security(self) -> Result<Self> {
        match (self.security_bits(), max_modulus_bits(self.degree)) {
            (Some(_), _) => Ok(self),
            (None, Some(max_bits)) => {
                Err(Error::Insecure { degree: self.degree, modulus_bits: self.modulus_bits(), max_bits })
            }
            (None, None) => Err(Error::Degree { degree: self.degree, min: 4096, max: MAX_DEGREE }),
        }
    }

    /// The ring degree `N`.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// How many values a ciphertext holds: `N / 2`.
    pub fn slots(&self) -> usize {
        self.degree / 2
    }

    /// The data primes, `q_0` first.
    pub fn data_primes(&self) -> &[u64] {
        &self.data_primes
    }

    /// The special primes of key switching.
    pub fn special_primes(&self) -> &[u64] {
        &self.special_primes
    }

    /// The highest level, that of fresh ciphertexts: how often one can rescale.
    pub fn max_level(&self) -> usize {
        self.data_primes.len() - 1
    }

    /// How many digits a key switch at the highest level has.
    pub fn digits(&self) -> usize {
        self.data_primes.len().div_ceil(self.digit_primes)
    }

    /// How many consecutive data primes make a digit.
    pub fn digit_primes(&self) -> usize {
        self.digit_primes
    }

    /// Whether keys can cut ciphertexts into digits of twice as many primes: see [`LongDigits`](crate::LongDigits).
    pub fn has_long_digits(&self) -> bool {
        self.digit_primes < self.data_primes.len() && 2 * self.digit_primes < LAZY_TERMS
    }

    /// Whether results can be taken to a secret of half the degree at 128 bits: see [`HalfSecret`](crate::HalfSecret).
    pub fn has_half_secrets(&self) -> bool {
        self.check_half_secrets().is_ok()
    }

    pub(crate) fn check_half_secrets(&self) -> Result<()> {
        let degree = self.degree / 2;
        let modulus_bits = self.level_bits(0) + log2_product(&self.special_primes);
        match max_modulus_bits(degree) {
            Some(max_bits) if modulus_bits <= f64::from(max_bits) => Ok(()),
            max_bits => Err(Error::Insecure { degree, modulus_bits, max_bits: max_bits.unwrap_or(0) }),
        }
    }

    /// `log2` of the product of all primes, the special ones included: what security depends on.
    pub fn modulus_bits(&self) -> f64 {
        log2_product(&self.data_primes) + log2_product(&self.special_primes)
    }

    /// `log2` of the modulus of ciphertexts at `level`.
    pub fn level_bits(&self, level: usize) -> f64 {
        log2_product(&self.data_primes[..=level.min(self.max_level())])
    }

    /// 128 if the set is within the table of [`max_modulus_bits`], `None` if it is not.
    pub fn security_bits(&self) -> Option<u32> {
        let max_bits = max_modulus_bits(self.degree)?;
        (self.modulus_bits() <= f64::from(max_bits)).then_some(SECURITY_BITS)
    }

    /// The digest that keys and ciphertexts carry.
    pub fn id(&self) -> ParameterId {
        self.id
    }
}

fn prime_chain(reason: String) -> Error {
    Error::PrimeChain { reason }
}

fn check_degree(degree: usize) -> Result<()> {
    if degree.is_power_of_two() && (MIN_DEGREE..=MAX_DEGREE).contains(&degree) {
        return Ok(());
    }
    Err(Error::Degree { degree, min: MIN_DEGREE, max: MAX_DEGREE })
}

fn log2_product(primes: &[u64]) -> f64 {
    primes.iter().map(|&prime| (prime as f64).log2()).sum()
}

fn identify(degree: usize, data: &[u64], special: &[u64], digit_primes: usize) -> ParameterId {
    let mut hash = Sha256::new();
    hash.update(b"veilbench ckks parameters 1");
    for value in [degree as u64, data.len() as u64, special.len() as u64, digit_primes as u64] {
        hash.update(value.to_le_bytes());
    }
    for prime in data.iter().chain(special) {
        hash.update(prime.to_le_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    ParameterId(id)
}

#[cfg(test)]
mod tests;
