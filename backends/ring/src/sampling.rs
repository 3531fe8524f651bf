//! Secret polynomials with small coefficients, sampled without secret-dependent branches or addresses.

mod wide;

pub use wide::{WIDE_DEVIATION, wide_gaussian};

use crate::random::Randomness;
use zeroize::Zeroizing;

/// Half the number of bits a centred binomial error is made of; its variance is half of this.
const BINOMIAL_BITS: u32 = 21;

/// The standard deviation of the errors of fresh encryptions: `sqrt(21 / 2)`, 3.24.
pub const ERROR_DEVIATION: f64 = 3.240_370_349_203_93;

/// Coefficients uniform in -1, 0, 1; the bias is below `2^-62`.
pub fn ternary(random: &mut Randomness, degree: usize) -> Zeroizing<Vec<i64>> {
    sample(random, degree, |word| ((u128::from(word) * 3) >> 64) as i64 - 1)
}

/// Coefficients from the centred binomial distribution of deviation [`ERROR_DEVIATION`].
pub fn error(random: &mut Randomness, degree: usize) -> Zeroizing<Vec<i64>> {
    const MASK: u64 = (1 << BINOMIAL_BITS) - 1;
    sample(random, degree, |word| {
        i64::from((word & MASK).count_ones()) - i64::from((word >> BINOMIAL_BITS & MASK).count_ones())
    })
}

fn sample(random: &mut Randomness, degree: usize, from_word: impl Fn(u64) -> i64) -> Zeroizing<Vec<i64>> {
    let mut coefficients = Zeroizing::new(vec![0; degree]);
    for coefficient in coefficients.iter_mut() {
        *coefficient = from_word(random.word());
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modulus::Modulus;
    use crate::random::expand_uniform;

    const COUNT: usize = 1 << 20;
    const MAX_ERROR: i64 = BINOMIAL_BITS as i64;

    fn random() -> Randomness {
        Randomness::insecure_from_seed([7; 32])
    }

    /// Pearson's statistic of observed counts against expected frequencies.
    fn chi_squared(observed: &[usize], expected: &[f64]) -> f64 {
        observed.iter().zip(expected).map(|(&o, &e)| (o as f64 - e).powi(2) / e).sum()
    }

    #[test]
    fn ternary_coefficients_are_uniform() {
        let mut counts = [0; 3];
        for &c in ternary(&mut random(), COUNT).iter() {
            counts[(c + 1) as usize] += 1;
        }
        // The 99.99 % quantile with 2 degrees of freedom.
        assert!(chi_squared(&counts, &[COUNT as f64 / 3.0; 3]) < 18.4, "{counts:?}");
    }

    #[test]
    fn errors_follow_the_centred_binomial_distribution() {
        let errors = error(&mut random(), COUNT);
        let (mut counts, mut expected) = (vec![0usize; 43], vec![0.0; 43]);
        for &e in errors.iter() {
            counts[(e + MAX_ERROR) as usize] += 1;
        }
        let mut probability = 0.5f64.powi(42);
        for (k, expected) in expected.iter_mut().enumerate() {
            *expected = probability * COUNT as f64;
            probability *= (42 - k) as f64 / (k + 1) as f64;
        }
        // The bins within 11 of the middle expect over 100 errors each; 99.99 % quantile, 22 degrees.
        let middle = 10..33;
        assert!(chi_squared(&counts[middle.clone()], &expected[middle]) < 57.0, "{counts:?}");
        let variance = errors.iter().map(|&e| (e * e) as f64).sum::<f64>() / COUNT as f64;
        assert!((variance.sqrt() / ERROR_DEVIATION - 1.0).abs() < 0.005, "{variance}");
        let mean = errors.iter().sum::<i64>() as f64 / COUNT as f64;
        assert!(mean.abs() < 5.0 * ERROR_DEVIATION / (COUNT as f64).sqrt(), "{mean}");
        let neighbours: i64 = errors.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let correlation = neighbours as f64 / COUNT as f64 / variance;
        assert!(correlation.abs() < 5.0 / (COUNT as f64).sqrt(), "{correlation}");
    }

    #[test]
    fn expanded_residues_are_uniform_below_the_modulus_and_differ_by_stream() {
        // Just above a power of two, where half of the words are rejected, and half way to the next one.
        for modulus in [(1 << 40) + 15, (3 << 39) + 1, (1 << 28) + 3] {
            let m = Modulus::new(modulus);
            let mut rows = [vec![0; COUNT / 4], vec![0; COUNT / 4]];
            for (stream, row) in rows.iter_mut().enumerate() {
                expand_uniform(&m, &[3; 32], stream as u64, row);
                assert!(row.iter().all(|&residue| residue < m.value()));
                let mut counts = [0; 64];
                for &residue in row.iter() {
                    counts[(u128::from(residue) * 64 / u128::from(m.value())) as usize] += 1;
                }
                // The 99.99 % quantile with 63 degrees of freedom.
                assert!(chi_squared(&counts, &[COUNT as f64 / 256.0; 64]) < 114.0, "{counts:?}");
            }
            assert!(rows[0].iter().zip(&rows[1]).filter(|(a, b)| a == b).count() < 4);
        }
    }
}
