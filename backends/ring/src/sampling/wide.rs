//! Integers of a wide discrete Gaussian, for noise that hides noise.

use crate::random::Randomness;
use std::f64::consts::TAU;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// Standard deviation of a digit.
const DIGIT_DEVIATION: f64 = 34.0;

/// Largest magnitude of a digit, the last whose probability is `2^-63` or more: beyond it lies less than `2^-59` of the distribution.
const LARGEST_DIGIT: i64 = 301;

/// Base of the digits.
const BASE: i64 = 16;

/// How many digits there are.
const DIGITS: u32 = 8;

/// Bits of randomness of a digit.
const DIGIT_BITS: u32 = 63;

/// The standard deviation of [`wide_gaussian`]: `34 sqrt((256^8 - 1) / 255)`, `2^33.09`.
pub const WIDE_DEVIATION: f64 = 9_144_683_690.583_1;

/// Integers from the discrete Gaussian of deviation [`WIDE_DEVIATION`], each within `2^-47` of it in statistical distance;
/// none exceeds `2^37`.
///
/// A number is `d_0 + 16 d_1 + ... + 16^7 d_7` with digits of a discrete Gaussian of deviation 34. Adding `d` to 16 times a
/// discrete Gaussian of deviation `w >= 34` gives one of deviation `sqrt(34^2 + (16 w)^2)`, up to a relative error of
/// `2 exp(-2 pi^2 r^2) < 2^-126` in every probability, since what the sum leaves open is a Gaussian on the multiples of
/// `(-16, 1)` of deviation `r = 1 / sqrt((16 / 34)^2 + 1 / w^2) > 2.12` (Peikert, "An efficient and parallel Gaussian sampler for
/// lattices", 2010, theorem 3.1; Micciancio and Walter, "Gaussian sampling over the integers", 2017, section 4). What is left is
/// the table of a digit, whose 603 probabilities are doubles rounded to multiples of `2^-63`: less than `2^-50` in all.
///
/// A digit takes 63 bits and is compared with every entry of the table: no branch and no address depends on it.
pub fn wide_gaussian(random: &mut Randomness, count: usize) -> Zeroizing<Vec<i64>> {
    let thresholds = thresholds();
    let mut numbers = Zeroizing::new(vec![0; count]);
    for number in numbers.iter_mut() {
        for _ in 0..DIGITS {
            *number = *number * BASE + digit(thresholds, random.word());
        }
    }
    numbers
}

/// How many thresholds a word reaches, centred.
fn digit(thresholds: &[u64], word: u64) -> i64 {
    let drawn = word >> (u64::BITS - DIGIT_BITS);
    thresholds.iter().map(|&threshold| i64::from(drawn >= threshold)).sum::<i64>() - LARGEST_DIGIT
}

/// The cumulated probabilities of all digits but the largest, in units of `2^-63`.
fn thresholds() -> &'static [u64] {
    static THRESHOLDS: OnceLock<Vec<u64>> = OnceLock::new();
    THRESHOLDS.get_or_init(|| {
        let density = |digit: i64| (-0.5 * (digit as f64 / DIGIT_DEVIATION).powi(2)).exp();
        // The sum over all integers, by Poisson's formula.
        let total = DIGIT_DEVIATION * TAU.sqrt();
        let whole = 1u64 << DIGIT_BITS;
        let side: Vec<u64> =
            (1..=LARGEST_DIGIT).rev().map(|digit| (density(digit) / total * whole as f64) as u64).collect();
        // Zero takes what rounding leaves.
        let centre = whole - 2 * side.iter().sum::<u64>();
        let all = side.iter().copied().chain([centre]).chain(side.iter().rev().copied());
        let mut sum = 0;
        let cumulated = all.map(|probability| {
            sum += probability;
            sum
        });
        cumulated.take(2 * LARGEST_DIGIT as usize).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> Randomness {
        Randomness::insecure_from_seed([11; 32])
    }

    #[test]
    fn the_stated_deviation_is_that_of_the_digits() {
        let variance: f64 =
            (0..DIGITS).map(|digit| (16f64.powi(digit as i32) * DIGIT_DEVIATION).powi(2)).sum();
        assert!((variance.sqrt() / WIDE_DEVIATION - 1.0).abs() < 1e-9, "{}", variance.sqrt());
        // The theorem's condition: an open sum is smooth.
        let open = 1.0 / ((BASE as f64 / DIGIT_DEVIATION).powi(2) + DIGIT_DEVIATION.powi(-2)).sqrt();
        assert!(-2.0 * (TAU / 2.0 * open).powi(2) + 2f64.ln() < -126.0 * 2f64.ln(), "{open}");
    }

    #[test]
    fn digits_have_the_probabilities_of_the_gaussian() {
        let table = thresholds();
        assert_eq!(table.len(), 602);
        let mut before = 0;
        let unit = 0.5f64.powi(63);
        let total = DIGIT_DEVIATION * TAU.sqrt();
        for (index, &threshold) in table.iter().enumerate() {
            let digit = index as f64 - 301.0;
            let due = (-0.5 * (digit / DIGIT_DEVIATION).powi(2)).exp() / total;
            let own = (threshold - before) as f64 * unit;
            // Zero has the roundings of all.
            let rounding = if index == 301 { 602.0 * unit } else { unit };
            assert!((own - due).abs() <= due * 1e-14 + rounding, "{digit}: {own:e}, {due:e}");
            before = threshold;
        }
        for (word, due) in [(0, -301), (u64::MAX, 301), (1 << 63, 0)] {
            assert_eq!(digit(table, word), due);
        }
    }

    #[test]
    fn wide_numbers_have_the_moments_of_the_gaussian_and_use_every_digit() {
        const COUNT: usize = 1 << 15;
        let numbers = wide_gaussian(&mut random(), COUNT);
        let mean_of = |of: fn(f64) -> f64| {
            numbers.iter().map(|&number| of(number as f64 / WIDE_DEVIATION)).sum::<f64>() / COUNT as f64
        };
        let spread = (COUNT as f64).sqrt();
        // Deviations of the means of powers of a normal number: 1, sqrt(2), sqrt(15), sqrt(96).
        assert!(mean_of(|x| x).abs() < 5.0 / spread);
        assert!((mean_of(|x| x * x) - 1.0).abs() < 5.0 * 2f64.sqrt() / spread);
        assert!(mean_of(|x| x.powi(3)).abs() < 5.0 * 15f64.sqrt() / spread);
        assert!((mean_of(|x| x.powi(4)) - 3.0).abs() < 5.0 * 96f64.sqrt() / spread);
        // Beyond one deviation lie 31.73 %, beyond three 0.27 %.
        for (beyond, share) in [(1.0, 0.317_310_5), (3.0, 0.002_699_8)] {
            let found =
                numbers.iter().filter(|&&n| (n as f64).abs() > beyond * WIDE_DEVIATION).count() as f64;
            let due = share * COUNT as f64;
            assert!((found - due).abs() < 5.0 * (due * (1.0 - share)).sqrt(), "{found} beyond {beyond}");
        }
        // The low bits are uniform: no grid shows through.
        let mut counts = [0f64; 256];
        for &number in numbers.iter() {
            counts[(number & 255) as usize] += 1.0;
        }
        let due = COUNT as f64 / 256.0;
        let statistic: f64 = counts.iter().map(|count| (count - due).powi(2) / due).sum();
        // The 99.99 % quantile with 255 degrees of freedom.
        assert!(statistic < 347.0, "{statistic}");
        let neighbours: f64 =
            numbers.windows(2).map(|pair| pair[0] as f64 * pair[1] as f64 / WIDE_DEVIATION.powi(2)).sum();
        assert!(neighbours.abs() < 5.0 * spread, "{neighbours}");
    }
}
