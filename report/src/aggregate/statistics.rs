//! Estimators of the middle, the spread and their uncertainty.

/// Two-sided 95 % point of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;
/// Scales the median absolute deviation to the standard deviation of normal data.
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Scaled deviations beyond which a value is called an outlier (Iglewicz and Hoaglin, 1993).
const OUTLIER_SIGMAS: f64 = 3.5;

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
    outlying(values).into_iter().filter(|far| *far).count()
}

/// Which values [`outliers`] counts.
#[must_use]
pub fn outlying(values: &[u64]) -> Vec<bool> {
    let none = vec![false; values.len()];
    let Some(middle) = median(values) else { return none };
    let deviations: Vec<u64> = values.iter().map(|value| value.abs_diff(middle)).collect();
    let spread = median(&deviations).unwrap_or(0) as f64 * MAD_TO_SIGMA;
    if spread == 0.0 {
        return none;
    }
    deviations.iter().map(|deviation| *deviation as f64 > OUTLIER_SIGMAS * spread).collect()
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

/// The 95 % interval of the typical time of grouped values: Student's t on the logarithms of the groups' medians.
///
/// Values of one group (the batches of one session) are not independent of each other, so a group counts once however
/// many values it has. None below two groups; a time of zero counts as one nanosecond.
#[must_use]
pub fn session_interval(groups: &[Vec<u64>]) -> Option<(u64, u64)> {
    let Moments { count, mean, variance } = Moments::of(groups)?;
    let half = t_95(count - 1.0) * (variance / count).sqrt();
    Some(((mean - half).exp().round() as u64, (mean + half).exp().round() as u64))
}

/// The 95 % interval of the typical time of `after` by that of `before`: Welch's t on the logarithms of the groups'
/// medians (Welch, Biometrika 34, 1947).
///
/// None below two groups on either side.
#[must_use]
pub fn ratio_interval(before: &[Vec<u64>], after: &[Vec<u64>]) -> Option<(f64, f64)> {
    let (before, after) = (Moments::of(before)?, Moments::of(after)?);
    let [first, second] = [&before, &after].map(|side| side.variance / side.count);
    let difference = after.mean - before.mean;
    let error = (first + second).sqrt();
    if error == 0.0 {
        return Some((difference.exp(), difference.exp()));
    }
    let freedom = (first + second).powi(2)
        / (first.powi(2) / (before.count - 1.0) + second.powi(2) / (after.count - 1.0));
    let half = t_95(freedom) * error;
    Some(((difference - half).exp(), (difference + half).exp()))
}

/// Moments of the logarithms of the medians of groups.
struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(groups: &[Vec<u64>]) -> Option<Self> {
        let logarithms: Vec<f64> = groups
            .iter()
            .filter_map(|group| median(group))
            .map(|median| (median.max(1) as f64).ln())
            .collect();
        if logarithms.len() < 2 {
            return None;
        }
        let count = logarithms.len() as f64;
        let mean = logarithms.iter().sum::<f64>() / count;
        let squares: f64 = logarithms.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { count, mean, variance: squares / (count - 1.0) })
    }
}

/// Two-sided 95 % points of Student's t for 1 to 10 degrees of freedom.
const T_95: [f64; 10] = [
    12.706_204_736,
    4.302_652_730,
    3.182_446_305,
    2.776_445_105,
    2.570_581_836,
    2.446_911_851,
    2.364_624_252,
    2.306_004_135,
    2.262_157_163,
    2.228_138_852,
];

/// The two-sided 95 % point of Student's t; between whole degrees of freedom that of the next lower one. Above ten by
/// the expansion of Abramowitz and Stegun, 26.7.5, which is off by less than 1e-4 there.
fn t_95(freedom: f64) -> f64 {
    let whole = freedom.floor().max(1.0);
    if let Some(&point) = T_95.get(whole as usize - 1) {
        return point;
    }
    let (z, n) = (Z_95, whole);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / n + second / n.powi(2) + third / n.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

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
    fn one_session_has_no_interval_and_equal_sessions_have_a_point() {
        assert_eq!(session_interval(&[vec![5, 6, 7]]), None, "however many batches it has");
        assert_eq!(session_interval(&[]), None);
        assert_eq!(session_interval(&[vec![5], vec![], vec![5]]), Some((5, 5)));
        assert_eq!(ratio_interval(&[vec![5], vec![6]], &[vec![5]]), None);
        let (low, high) = ratio_interval(&[vec![5], vec![5]], &[vec![10], vec![10]]).unwrap();
        assert!((low - 2.0).abs() < 1e-12 && (high - 2.0).abs() < 1e-12, "{low}..{high}");
    }

    #[test]
    fn points_of_students_t_are_those_of_the_tables() {
        for (freedom, expected) in [(1.0, 12.706), (4.9, 2.776), (11.0, 2.201), (30.0, 2.042), (120.0, 1.980)]
        {
            assert!((t_95(freedom) - expected).abs() < 6e-4, "{freedom}: {}", t_95(freedom));
        }
    }

    #[test]
    fn the_interval_is_that_of_a_hand_calculation() {
        // Logarithms of 100, 110, 121 are 4.605170 + (0, 1, 2) * 0.0953102: deviation 0.0953102, t 4.302653.
        let groups = [vec![100], vec![110], vec![121]];
        let half = 4.302_652_730 * 0.095_310_2 / 3f64.sqrt();
        let expected = [-half, half].map(|half| (110.0 * half.exp()).round() as u64);
        assert_eq!(session_interval(&groups), Some((expected[0], expected[1])));
    }

    #[test]
    fn batches_of_a_session_count_once() {
        let few: Vec<Vec<u64>> = [100, 120, 140].iter().map(|base| vec![*base]).collect();
        let many: Vec<Vec<u64>> = [100, 120, 140].iter().map(|base| vec![*base; 50]).collect();
        assert_eq!(session_interval(&few), session_interval(&many));
    }

    /// Sessions as machines give them: each has a level of its own, its batches jitter around it, and some stall.
    fn sessions(generator: &mut ChaCha8Rng, count: usize) -> Vec<Vec<u64>> {
        let mut normal = || (0..12).map(|_| generator.random::<f64>()).sum::<f64>() - 6.0;
        let mut session = || -> Vec<u64> {
            let level = 1e6 * (0.05 * normal()).exp();
            let mut batch = || {
                let stall = if normal() > 1.6 { 3.0 } else { 1.0 };
                (level * stall * (0.1 * normal()).exp()) as u64
            };
            (0..20).map(|_| batch()).collect()
        };
        (0..count).map(|_| session()).collect()
    }

    #[test]
    fn the_interval_holds_the_typical_time_as_often_as_it_says() {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let truth = median(
            &sessions(&mut generator, 20_000).iter().filter_map(|one| median(one)).collect::<Vec<_>>(),
        );
        let truth = truth.unwrap();
        for count in [3, 5, 9] {
            let trials = 4_000;
            let covered = (0..trials).filter(|_| {
                let (low, high) = session_interval(&sessions(&mut generator, count)).unwrap();
                (low..=high).contains(&truth)
            });
            let coverage = covered.count() as f64 / f64::from(trials);
            assert!(coverage >= 0.93, "{count} sessions: {coverage}");
        }
    }

    #[test]
    fn equal_runs_seldom_differ() {
        let mut generator = ChaCha8Rng::seed_from_u64(2);
        for count in [3, 5, 9] {
            let trials = 2_000;
            let alarms = (0..trials).filter(|_| {
                let (before, after) = (sessions(&mut generator, count), sessions(&mut generator, count));
                let (low, high) = ratio_interval(&before, &after).unwrap();
                low > 1.0 || high < 1.0
            });
            let rate = alarms.count() as f64 / f64::from(trials);
            assert!(rate <= 0.065, "{count} sessions: {rate}");
        }
    }

    #[test]
    fn a_doubled_time_has_a_ratio_interval_around_two() {
        let before: Vec<Vec<u64>> = (0..30).map(|value| vec![1_000 + value]).collect();
        let after: Vec<Vec<u64>> = (0..30).map(|value| vec![2_000 + 2 * value]).collect();
        let (low, high) = ratio_interval(&before, &after).unwrap();
        assert!(low > 1.97 && low <= 2.0 && (2.0..2.03).contains(&high), "{low}..{high}");
    }

    #[test]
    fn a_lone_stall_is_an_outlier_and_a_constant_has_none() {
        assert_eq!(outliers(&[10, 11, 12, 10, 11, 500]), 1);
        assert_eq!(outliers(&[7, 7, 7, 7, 900]), 0);
        assert_eq!(outliers(&[]), 0);
        assert_eq!(outlying(&[500, 11, 12, 10, 11, 10]), [true, false, false, false, false, false]);
    }
}
