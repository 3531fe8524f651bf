//! Estimators of the middle, the spread and their uncertainty.
//!
//! Everything is deterministic: resampling draws from a generator with a fixed seed.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Two-sided 95 % point of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;
/// Scales the median absolute deviation to the standard deviation of normal data.
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Scaled deviations beyond which a value is called an outlier (Iglewicz and Hoaglin, 1993).
const OUTLIER_SIGMAS: f64 = 3.5;
/// Bootstrap resamples, and the number of draws that they are kept to in large samples.
const RESAMPLES: usize = 2_000;
const DRAWS: usize = 10_000_000;
const FEWEST_RESAMPLES: usize = 200;
const SEED: u64 = 0x7665_696c;

/// The median; of an even number of values, the middle between the two in the middle, rounded down.
#[must_use]
pub fn median(values: &[u64]) -> Option<u64> {
    let mut values = values.to_vec();
    median_in_place(&mut values)
}

fn median_in_place(values: &mut [u64]) -> Option<u64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable(middle);
    let upper = *upper;
    let lower = if even { below.iter().copied().max().unwrap_or(upper) } else { upper };
    Some(lower.midpoint(upper))
}

/// The quantile at `share` (0 to 1) of ascending values, linear between neighbours (Hyndman and Fan's type 7).
///
/// None of no values.
#[must_use]
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    Some(ascending[below] + (position - below as f64) * (ascending[above] - ascending[below]))
}

/// Values further from the median than 3.5 scaled median absolute deviations; none if more than half are equal.
#[must_use]
pub fn outliers(values: &[u64]) -> usize {
    let Some(middle) = median(values) else { return 0 };
    let deviations: Vec<u64> = values.iter().map(|value| value.abs_diff(middle)).collect();
    let spread = median(&deviations).unwrap_or(0) as f64 * MAD_TO_SIGMA;
    if spread == 0.0 {
        return 0;
    }
    deviations.iter().filter(|deviation| **deviation as f64 > OUTLIER_SIGMAS * spread).count()
}

/// The 95 % Wilson score interval of a share of `trials`, which may be a mean over repeated trials.
///
/// None if there are no trials. Wilson, J. Am. Stat. Assoc. 22 (1927).
#[must_use]
pub fn wilson(share: f64, trials: usize) -> Option<(f64, f64)> {
    if trials == 0 {
        return None;
    }
    let n = trials as f64;
    let z2 = Z_95 * Z_95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

/// The 95 % percentile bootstrap interval of the median of grouped values.
///
/// Values of one group (the batches of one session) are not independent of each other, so groups are drawn first and
/// values within the drawn groups second. None below two values.
#[must_use]
pub fn median_interval(groups: &[Vec<u64>]) -> Option<(u64, u64)> {
    let medians = resampled_medians(groups, &mut ChaCha8Rng::seed_from_u64(SEED))?;
    let (low, high) = interval(medians.into_iter().map(|median| median as f64).collect())?;
    Some((low.round() as u64, high.round() as u64))
}

/// The 95 % bootstrap interval of `median(after) / median(before)`; none below two values on either side.
#[must_use]
pub fn ratio_interval(before: &[Vec<u64>], after: &[Vec<u64>]) -> Option<(f64, f64)> {
    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    let before = resampled_medians(before, &mut generator)?;
    let after = resampled_medians(after, &mut generator)?;
    let ratios = before.iter().zip(&after).filter(|(before, _)| **before > 0);
    interval(ratios.map(|(before, after)| *after as f64 / *before as f64).collect())
}

fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((quantile(&values, 0.025)?, quantile(&values, 0.975)?))
}

fn resampled_medians(groups: &[Vec<u64>], generator: &mut impl Rng) -> Option<Vec<u64>> {
    let groups: Vec<&[u64]> = groups.iter().map(Vec::as_slice).filter(|group| !group.is_empty()).collect();
    let count: usize = groups.iter().map(|group| group.len()).sum();
    if count < 2 {
        return None;
    }
    let resamples = (DRAWS / count).clamp(FEWEST_RESAMPLES, RESAMPLES);
    let mut drawn = Vec::with_capacity(count);
    (0..resamples)
        .map(|_| {
            drawn.clear();
            for _ in 0..groups.len() {
                let group = groups[generator.random_range(0..groups.len())];
                drawn.extend((0..group.len()).map(|_| group[generator.random_range(0..group.len())]));
            }
            median_in_place(&mut drawn)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_is_their_middle_even_near_the_largest_integer() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[4, 1, 3, 2]), Some(2));
        assert_eq!(median(&[u64::MAX, u64::MAX - 2]), Some(u64::MAX - 1));
    }

    #[test]
    fn quantiles_interpolate_as_r_does_by_default() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (share, expected) in [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.9, 12.8), (1.0, 16.0)] {
            let found = quantile(&values, share).unwrap();
            assert!((found - expected).abs() < 1e-12, "{share}: {found}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn wilson_intervals_equal_published_ones() {
        // Newcombe, Stat. Med. 17 (1998), table I, method 3.
        for (hits, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (found_low, found_high) = wilson(f64::from(hits) / trials as f64, trials).unwrap();
            assert!((found_low - low).abs() < 5e-5 && (found_high - high).abs() < 5e-5, "{hits}/{trials}");
        }
        assert_eq!(wilson(0.5, 0), None);
    }

    #[test]
    fn one_value_has_no_interval_and_equal_values_have_a_point() {
        assert_eq!(median_interval(&[vec![5]]), None);
        assert_eq!(median_interval(&[]), None);
        assert_eq!(median_interval(&[vec![5], vec![5]]), Some((5, 5)));
    }

    #[test]
    fn the_bootstrap_interval_of_the_median_agrees_with_the_order_statistics_one() {
        // 1..=101 in groups of one: ranks 41 and 61 hold the median with 95 % (binomial quantiles).
        let groups: Vec<Vec<u64>> = (1..=101).map(|value| vec![value]).collect();
        let (low, high) = median_interval(&groups).unwrap();
        assert!(low.abs_diff(41) <= 2 && high.abs_diff(61) <= 2, "{low}..{high}");
        assert_eq!(median_interval(&groups), Some((low, high)), "the same data give the same interval");
    }

    #[test]
    fn sessions_that_differ_widen_the_interval_beyond_that_of_their_pooled_batches() {
        let sessions: Vec<Vec<u64>> =
            [100, 120, 140].iter().map(|base| (0..50).map(|jitter| base + jitter % 3).collect()).collect();
        let pooled = vec![sessions.concat()];
        let width = |(low, high): (u64, u64)| high - low;
        let (clustered, pooled) = (median_interval(&sessions).unwrap(), median_interval(&pooled).unwrap());
        assert!(width(clustered) > 3 * width(pooled), "{clustered:?} {pooled:?}");
    }

    #[test]
    fn a_doubled_time_has_a_ratio_interval_around_two() {
        let before: Vec<Vec<u64>> = (0..30).map(|value| vec![1_000 + value]).collect();
        let after: Vec<Vec<u64>> = (0..30).map(|value| vec![2_000 + 2 * value]).collect();
        let (low, high) = ratio_interval(&before, &after).unwrap();
        assert!(low > 1.97 && low <= 2.0 && (2.0..2.03).contains(&high), "{low}..{high}");
        assert_eq!(ratio_interval(&[vec![0, 0]], &after), None, "no ratio to zero");
    }

    #[test]
    fn a_lone_stall_is_an_outlier_and_a_constant_has_none() {
        assert_eq!(outliers(&[10, 11, 12, 10, 11, 500]), 1);
        assert_eq!(outliers(&[7, 7, 7, 7, 900]), 0);
        assert_eq!(outliers(&[]), 0);
    }
}
