//! Smooth activations as series of Chebyshev polynomials on the range that was calibrated.
//!
//! Beyond that range a polynomial of degree `d` leaves the function with the `d`-th power of the distance, and no logit need show it. What
//! tells is [`Series::watch`]: a Chebyshev polynomial of a much higher degree stays within -1 and 1 where the series is right,
//! and is huge before the series is wrong by several times its stated error.

use std::f64::consts::PI;
use std::fmt;

use veilbench_ckks::chebyshev_depth;
use veilbench_networks::ActivationKind;

use crate::planning::plan::PRECISION;

/// Largest degree of a series: the next depth would take as many levels as several layers.
const MOST_DEPTH: usize = 7;

/// Points at which a function is interpolated, and at which the error of a series is looked at.
const NODES: usize = 512;
const POINTS: usize = 2048;

/// By how much the error between two points may exceed that at points.
const UNSEEN: f64 = 1.02;

/// `log2` of how many times higher the degree of the watching polynomial is than that of the series.
const WATCH_BITS: usize = 3;

/// A polynomial that is close to a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    kind: ActivationKind,
    /// It is close from `-reach` to `reach`.
    pub(crate) reach: f64,
    /// Largest magnitude of the function there.
    pub(crate) unit: f64,
    /// Coefficients of the polynomials of `x / reach`; the sum is the value over the unit.
    pub(crate) coefficients: Vec<f64>,
    /// No value is further from the function's.
    pub(crate) error: f64,
    /// The largest slope, in units of both.
    pub(crate) slope: f64,
}

/// Whether a function has a series; those with corners are exact elsewhere.
pub(crate) fn is_smooth(kind: ActivationKind) -> bool {
    matches!(
        kind,
        ActivationKind::Elu { .. }
            | ActivationKind::Selu { .. }
            | ActivationKind::HardSwish
            | ActivationKind::Sigmoid
            | ActivationKind::Tanh
            | ActivationKind::Silu
            | ActivationKind::Gelu
            | ActivationKind::GeluTanh
            | ActivationKind::Mish
            | ActivationKind::Softplus
            | ActivationKind::Erf
    )
}

impl Series {
    /// The shortest series whose error is at most `2^-bits` of the largest value, from `-reach` to `reach`.
    ///
    /// # Errors
    /// Why there is none, and what would help.
    pub(crate) fn new(kind: ActivationKind, reach: f64, bits: u32) -> Result<Self, String> {
        let values = (0..=POINTS).map(|point| kind.value(reach * at(point), 0.0)).collect::<Vec<_>>();
        let unit = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        if !(unit.is_finite() && unit > 0.0 && values.iter().all(|value| value.is_finite())) {
            return Err(format!(
                "{kind} is not finite from -{reach:.3} to {reach:.3}: calibrate it on other images"
            ));
        }
        let all = interpolated(kind, reach, unit);
        let error = |degree: usize| {
            let off = |(point, value): (usize, &f64)| (sum(&all[..=degree], at(point)) - value / unit).abs();
            values.iter().enumerate().map(off).fold(0.0, f64::max) * UNSEEN
        };
        let target = f64::from(bits).exp2().recip();
        let Some(depth) = (1..=MOST_DEPTH).find(|depth| error((1 << depth) - 1) <= target) else {
            let most = (1 << MOST_DEPTH) - 1;
            let reached = error(most);
            let less = PRECISION.values.iter().filter_map(|bits| bits.parse::<u32>().ok());
            let less = less.filter(|&bits| reached <= f64::from(bits).exp2().recip()).max();
            let less =
                less.map_or_else(String::new, |bits| format!("ask for less (--set ckks.precision={bits}), "));
            return Err(format!(
                "a polynomial of degree {most} is off from {kind} by {reached:.1e} of its largest value from -{reach:.3} to {reach:.3}, where \
                 {target:.1e} was asked for: {less}train with smaller ranges, or with polynomials"
            ));
        };
        let (mut least, mut degree) = (1 << (depth - 1), (1 << depth) - 1);
        while least < degree {
            let middle = usize::midpoint(least, degree);
            if error(middle) <= target { degree = middle } else { least = middle + 1 }
        }
        let slopes = values.windows(2).enumerate().filter(|(point, _)| at(*point) != at(point + 1));
        let slope = slopes
            .map(|(point, pair)| ((pair[0] - pair[1]) / (at(point) - at(point + 1)) / unit).abs())
            .fold(0.0, f64::max);
        let error = error(degree) * unit;
        Ok(Self { kind, reach, unit, coefficients: all[..=degree].to_vec(), error, slope })
    }

    pub(crate) fn degree(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// Levels it takes.
    pub(crate) fn depth(&self) -> usize {
        chebyshev_depth(self.degree())
    }

    /// `log2` of the degree of the Chebyshev polynomial that tells values beyond the reach.
    pub(crate) fn watch(&self) -> usize {
        self.depth() + WATCH_BITS
    }

    /// The value over the unit, of a value over the reach.
    pub(crate) fn at(&self, x: f64) -> f64 {
        sum(&self.coefficients, x)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, reach, error, .. } = self;
        // Rounded up: three digits of it.
        let error = error * 1.005;
        write!(
            f,
            "{kind} by a polynomial of degree {}, off by at most {error:.2e} from -{reach:.3} to {reach:.3}",
            self.degree()
        )
    }
}

/// One of the points, which are dense at the ends, from 1 down to -1.
fn at(point: usize) -> f64 {
    (PI * point as f64 / POINTS as f64).cos()
}

/// Coefficients of the series through the zeros of a Chebyshev polynomial of degree [`NODES`], of values over the unit.
fn interpolated(kind: ActivationKind, reach: f64, unit: f64) -> Vec<f64> {
    let angle = |node: usize| PI * (node as f64 + 0.5) / NODES as f64;
    let values: Vec<f64> = (0..NODES).map(|node| kind.value(reach * angle(node).cos(), 0.0) / unit).collect();
    let coefficient = |degree: usize| {
        let terms =
            values.iter().enumerate().map(|(node, value)| value * (degree as f64 * angle(node)).cos());
        terms.sum::<f64>() * if degree == 0 { 1.0 } else { 2.0 } / NODES as f64
    };
    (0..1 << MOST_DEPTH).map(coefficient).collect()
}

/// The sum of a series, by Clenshaw's recurrence.
fn sum(coefficients: &[f64], x: f64) -> f64 {
    let (mut next, mut after) = (0.0, 0.0);
    for coefficient in coefficients.iter().skip(1).rev() {
        (next, after) = (coefficient + 2.0 * x * next - after, next);
    }
    coefficients.first().copied().unwrap_or(0.0) + x * next - after
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOOTH: [ActivationKind; 9] = [
        ActivationKind::Sigmoid,
        ActivationKind::Tanh,
        ActivationKind::Erf,
        ActivationKind::Silu,
        ActivationKind::Gelu,
        ActivationKind::GeluTanh,
        ActivationKind::Mish,
        ActivationKind::Softplus,
        ActivationKind::Elu { alpha: 1.0 },
    ];

    #[test]
    fn every_series_is_as_close_as_it_says_and_as_was_asked_for() {
        for kind in SMOOTH {
            for (reach, bits) in [(0.5, 10), (3.0, 8), (6.0, 10), (9.0, 6)] {
                let series = Series::new(kind, reach, bits).expect("it is smooth");
                assert!(series.error <= series.unit / f64::from(bits).exp2(), "{series}");
                for step in -4999..5000 {
                    let x = f64::from(step) / 5000.0;
                    let (value, due) = (series.at(x) * series.unit, kind.value(x * reach, 0.0));
                    assert!(
                        (value - due).abs() <= series.error,
                        "{series}: {value} in place of {due} at {x}"
                    );
                }
                assert_eq!(series.coefficients.len(), series.degree() + 1);
            }
        }
    }

    #[test]
    fn more_precision_takes_no_lower_a_degree() {
        let degrees =
            [6, 8, 10, 12, 14, 16].map(|bits| Series::new(ActivationKind::Silu, 6.0, bits).expect("it fits"));
        assert!(degrees.is_sorted_by_key(Series::degree), "{degrees:?}");
        assert!(degrees[0].degree() < degrees[5].degree());
    }

    #[test]
    fn what_no_series_comes_close_to_is_refused_with_what_would_help() {
        for (kind, reach) in [(ActivationKind::Elu { alpha: 3.0 }, 6.0), (ActivationKind::Sigmoid, 400.0)] {
            let refused = Series::new(kind, reach, 12).expect_err("it has a corner");
            assert!(refused.contains("smaller ranges") && refused.contains("degree 127"), "{refused}");
        }
        let refused = Series::new(ActivationKind::Sigmoid, 60.0, 16).expect_err("it is steep");
        let bits = refused.split("precision=").nth(1).and_then(|rest| rest.split(')').next());
        let bits = bits.and_then(|bits| bits.parse().ok()).expect("less is possible");
        assert!(Series::new(ActivationKind::Sigmoid, 60.0, bits).is_ok(), "{refused}");
        assert!(Series::new(ActivationKind::Tanh, f64::INFINITY, 10).is_err());
        assert!(!is_smooth(ActivationKind::Clip { low: 0.0, high: 6.0 }));
    }

    #[test]
    fn the_watching_polynomial_is_huge_before_a_series_is_far_off() {
        for kind in SMOOTH {
            let series = Series::new(kind, 6.0, 10).expect("it is smooth");
            // 2^19 is what the check tells from noise, of one value among all slots.
            let beyond = (20.0 * 2f64.ln() / f64::from(1 << series.watch())).cosh();
            for x in [beyond, -beyond] {
                let off = (series.at(x) * series.unit - kind.value(x * series.reach, 0.0)).abs();
                assert!(off < 8.0 * series.error.max(series.unit / 1024.0), "{series}: {off} at {x}");
            }
        }
    }
}
