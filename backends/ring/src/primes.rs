//! Primes congruent to 1 modulo twice the ring degree, found in a fixed order.

use crate::Error;
use crate::ring::check_degree;

/// Distinct primes of these lengths, the largest first among those of one length.
///
/// # Errors
/// [`Error::TooFewPrimes`] if there are not as many, as for lengths outside of 2 to 63; [`Error::Degree`].
pub fn find(degree: usize, bits: &[u32]) -> Result<Vec<u64>, Error> {
    check_degree(degree)?;
    let mut found: Vec<(u32, u64)> = Vec::with_capacity(bits.len());
    for &bits in bits {
        let previous = found.iter().rev().find(|(other, _)| *other == bits).map(|(_, prime)| *prime);
        let prime = (2..64)
            .contains(&bits)
            .then(|| ntt_primes(degree, bits).find(|&prime| previous.is_none_or(|previous| prime < previous)))
            .flatten()
            .ok_or(Error::TooFewPrimes { degree, bits })?;
        found.push((bits, prime));
    }
    Ok(found.into_iter().map(|(_, prime)| prime).collect())
}

/// The primes `1 mod 2 * degree` of exactly `bits` bits, in descending order.
pub fn ntt_primes(degree: usize, bits: u32) -> impl Iterator<Item = u64> {
    let step = 2 * degree as u64;
    let (floor, top) = (1u64 << (bits - 1), (1u64 << bits) - 1);
    let first = top - (top - 1) % step;
    std::iter::successors(Some(first), move |candidate| candidate.checked_sub(step))
        .take_while(move |&candidate| candidate > floor)
        .filter(|&candidate| is_prime(candidate))
}

/// Miller and Rabin's test with the bases that make it exact below `2^64` (Sorenson and Webster,
/// "Strong pseudoprimes to twelve prime bases", 2015).
pub fn is_prime(n: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if n < 2 || BASES.iter().any(|&base| n != base && n.is_multiple_of(base)) {
        return false;
    }
    let multiply = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(n)) as u64;
    let power = |base: u64, mut exponent: u64| {
        let (mut square, mut result) = (base % n, 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = multiply(result, square);
            }
            square = multiply(square, square);
            exponent >>= 1;
        }
        result
    };
    let twos = (n - 1).trailing_zeros();
    BASES.iter().filter(|&&base| base < n).all(|&base| {
        let mut x = power(base, (n - 1) >> twos);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..twos).any(|_| {
            x = multiply(x, x);
            x == n - 1
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_classified_as_by_trial_division() {
        for n in 0..20_000u64 {
            let by_division = n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
            assert_eq!(is_prime(n), by_division, "{n}");
        }
    }

    #[test]
    fn strong_pseudoprimes_to_few_bases_are_not_prime() {
        for n in [3_215_031_751, 3_474_749_660_383, 341_550_071_728_321, 3_825_123_056_546_413_051] {
            assert!(!is_prime(n), "{n}");
        }
        assert!(is_prime((1 << 61) - 1));
    }

    #[test]
    fn ntt_primes_descend_and_have_their_length_and_residue() {
        let primes: Vec<u64> = ntt_primes(8192, 40).take(20).collect();
        assert_eq!(primes.len(), 20);
        assert!(primes.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(primes.iter().all(|p| p % 16_384 == 1 && 64 - p.leading_zeros() == 40));
    }
}
