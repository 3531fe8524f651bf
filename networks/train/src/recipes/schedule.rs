//! The one-cycle learning rate (Smith and Topin, "Super-Convergence", arXiv 1708.07120).

use std::f64::consts::PI;

/// Share of the steps in which the rate rises.
const RISE: f64 = 0.3;
/// Peak rate over first rate.
const START: f64 = 25.0;
/// First rate over last rate.
const END: f64 = 1e4;

/// Learning rate of step `step` of `total`: along a cosine from `peak / 25` up to `peak`, then
/// along a cosine down to `peak / 250,000`.
pub fn one_cycle(peak: f64, step: u64, total: u64) -> f64 {
    let last = total.saturating_sub(1).max(1) as f64;
    let turn = (RISE * last).max(1.0);
    let step = step as f64;
    let cosine =
        |from: f64, to: f64, share: f64| to + (from - to) * (1.0 + (PI * share.min(1.0)).cos()) / 2.0;
    if step <= turn {
        cosine(peak / START, peak, step / turn)
    } else {
        cosine(peak, peak / (START * END), (step - turn) / (last - turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_the_peak_and_falls_to_almost_nothing() {
        let rates: Vec<f64> = (0..=1000).map(|step| one_cycle(2e-3, step, 1001)).collect();
        assert!((rates[0] - 2e-3 / 25.0).abs() < 1e-12);
        assert!((rates[300] - 2e-3).abs() < 1e-12);
        assert!((rates[1000] - 2e-3 / 250_000.0).abs() < 1e-12);
        assert!(rates[..=300].is_sorted());
        assert!(rates[300..].iter().rev().is_sorted());
    }

    #[test]
    fn trainings_of_a_step_or_two_have_finite_rates() {
        for total in 1..4 {
            for step in 0..total {
                assert!(one_cycle(1.0, step, total).is_finite());
            }
        }
    }
}
