//! Smooth activations as continuous pieces of lines: a start, and at every knot a bend, each of which costs the protocols a comparison.
//!
//! Lines rather than curves: pieces of degree two need half as many knots for the same error, but a square costs more than two
//! comparisons, and a ring that holds squares half as many bits again. Knots are dense where the second derivative is large, by its
//! square root, which is best for the largest error as pieces get small (de Boor, "A Practical Guide to Splines", 1978, chapter 3).
//! Outside the knots the function is continued by its asymptotes, so that the stated error holds for every number, whatever
//! was calibrated.

use std::fmt;

use veilbench_mpc::program::Knots;
use veilbench_networks::ActivationKind;

/// Largest error that is sought, of functions whose values and slopes are near one.
const SOUGHT: f64 = 1.0 / 2048.0;
/// Fractional bits of slopes: weights have as many and more, so that slopes that end alike add up to nothing.
const SLOPE_BITS: i32 = 15;
/// Knots are within this.
const EDGE: i32 = 15;
/// Points, one to the other so many apart from 1, where the curvature is looked at, and where the error is.
const CELLS: i32 = 64;
const POINTS: i32 = 256;
/// What lies between two points where the error is looked at may be larger by so much.
const UNSEEN: f64 = 1e-5;

/// A function that is linear between knots.
#[derive(Clone, Debug)]
pub(crate) struct Spline {
    kind: ActivationKind,
    pub(super) knots: Knots,
    /// Value below the first knot.
    pub(super) start: f32,
    /// By how much the slope grows at each knot; it is 0 before the first.
    pub(super) bends: Vec<f32>,
    /// No value is further from the function's.
    error: f64,
}

/// What is known of a function besides its values.
struct Curve {
    kind: ActivationKind,
    /// Limit below.
    start: f64,
    /// Asymptote above.
    slope: f64,
    intercept: f64,
    /// Where it bends at once.
    kinks: &'static [f64],
    /// What errors are relative to.
    size: f64,
}

impl Curve {
    fn new(kind: ActivationKind) -> Option<Self> {
        let curve = |start, slope, intercept| Self { kind, start, slope, intercept, kinks: &[], size: 1.0 };
        Some(match kind {
            ActivationKind::Sigmoid => curve(0.0, 0.0, 1.0),
            ActivationKind::Tanh | ActivationKind::Erf => curve(-1.0, 0.0, 1.0),
            ActivationKind::Silu
            | ActivationKind::Gelu
            | ActivationKind::GeluTanh
            | ActivationKind::Mish
            | ActivationKind::Softplus => curve(0.0, 1.0, 0.0),
            ActivationKind::HardSwish => Self { kinks: &[-3.0, 3.0], ..curve(0.0, 1.0, 0.0) },
            ActivationKind::Elu { alpha } => {
                let alpha = f64::from(alpha);
                Self { kinks: &[0.0], size: alpha.abs().max(1.0), ..curve(-alpha, 1.0, 0.0) }
            }
            ActivationKind::Selu { alpha, gamma } => {
                let (alpha, gamma) = (f64::from(alpha), f64::from(gamma));
                let size = gamma.abs().max((alpha * gamma).abs()).max(1.0);
                Self { kinks: &[0.0], size, ..curve(-alpha * gamma, gamma, 0.0) }
            }
            _ => return None,
        })
    }

    fn at(&self, x: f64) -> f64 {
        self.kind.value(x, 0.0)
    }

    fn end(&self, x: f64) -> f64 {
        self.slope * x + self.intercept
    }

    /// Between which multiples of 1 / [`CELLS`] it is further than so much from its asymptotes.
    fn bent(&self, tolerance: f64) -> [i32; 2] {
        let at = |cell: i32| f64::from(cell) / f64::from(CELLS);
        let edge = EDGE * CELLS;
        let first = (-edge..=edge).find(|&cell| (self.at(at(cell)) - self.start).abs() > tolerance);
        let last =
            (-edge..=edge).rev().find(|&cell| (self.at(at(cell)) - self.end(at(cell))).abs() > tolerance);
        [first.unwrap_or(0).max(1 - edge) - 1, last.unwrap_or(0).min(edge - 1) + 1]
    }

    /// Knots that share the roots of the curvature out among so many pieces, with the kinks, in units.
    fn knots(&self, [first, last]: [i32; 2], pieces: usize) -> Vec<i16> {
        let unit = f64::from(Knots::BITS).exp2();
        let at = |cell: f64| cell / f64::from(CELLS);
        // A kink is at the end of a cell, where it does not count.
        let curvature = |cell: i32| {
            let [low, middle, high] = [0.0, 0.5, 1.0].map(|part| self.at(at(f64::from(cell) + part)));
            (low - 2.0 * middle + high).abs().sqrt()
        };
        let all: f64 = (first..last).map(curvature).sum();
        let mut knots = vec![at(f64::from(first)), at(f64::from(last))];
        knots.extend_from_slice(self.kinks);
        let (mut passed, mut next) = (0.0, 1);
        for cell in first..last {
            let here = curvature(cell);
            while next < pieces && passed + here >= all * next as f64 / pieces as f64 {
                let part = (all * next as f64 / pieces as f64 - passed) / here.max(f64::MIN_POSITIVE);
                knots.push(at(f64::from(cell) + part.clamp(0.0, 1.0)));
                next += 1;
            }
            passed += here;
        }
        let mut units: Vec<i16> = knots.into_iter().map(|knot| (knot * unit).round() as i16).collect();
        units.sort_unstable();
        units.dedup();
        units
    }

    /// The pieces that meet at these knots.
    fn spline(&self, knots: Knots) -> Spline {
        let places: Vec<f64> = knots.values().collect();
        // Lines through points of a curve are on one side of it: half of that is taken off.
        let sags: Vec<f64> = places
            .windows(2)
            .map(|pair| (self.at(pair[0]) + self.at(pair[1])) / 2.0 - self.at((pair[0] + pair[1]) / 2.0))
            .collect();
        let sought = |at: usize| match at {
            0 => self.start,
            at if at == sags.len() => self.end(places[at]),
            at => self.at(places[at]) - (sags[at - 1] + sags[at]) / 4.0,
        };
        let grid = f64::from(SLOPE_BITS).exp2();
        let (mut value, mut slope) = (self.start, 0.0);
        let mut bends = Vec::with_capacity(places.len());
        for (at, pair) in places.windows(2).enumerate() {
            let width = pair[1] - pair[0];
            let next = ((sought(at + 1) - value) / width * grid).round() / grid;
            bends.push((next - slope) as f32);
            (value, slope) = (value + next * width, next);
        }
        bends.push((self.slope - slope) as f32);
        let mut spline = Spline { kind: self.kind, knots, start: self.start as f32, bends, error: 0.0 };
        let points = (-EDGE - 1) * POINTS..=(EDGE + 1) * POINTS;
        let mut points: Vec<f64> = points.map(|point| f64::from(point) / f64::from(POINTS)).collect();
        points.extend(&places);
        let errors = points.into_iter().map(|x| (spline.at(x) - self.at(x)).abs());
        spline.error = errors.fold(0.0, f64::max) + UNSEEN * self.size;
        spline
    }
}

impl Spline {
    /// As few pieces as the error that is sought takes, or as many as there may be.
    ///
    /// # Errors
    /// Why no pieces come close to the function.
    pub(super) fn new(kind: ActivationKind) -> Result<Self, String> {
        let known = Curve::new(kind).filter(|curve| curve.start.is_finite() && curve.slope.is_finite());
        let curve = known.ok_or_else(|| format!("this backend does not run {kind}"))?;
        let tolerance = SOUGHT * curve.size;
        let bent = curve.bent(tolerance / 2.0);
        for pieces in 1..Knots::MOST {
            let knots = Knots::new(&curve.knots(bent, pieces), curve.slope == 0.0);
            let Some(spline) = knots.map(|knots| curve.spline(knots)) else { continue };
            if spline.error <= tolerance {
                return Ok(spline);
            }
        }
        Err(format!("no {} lines are within {tolerance:.1e} of {kind}", Knots::MOST))
    }

    /// The function that it is close to.
    pub(super) fn kind(&self) -> ActivationKind {
        self.kind
    }

    /// How far it is from that function at most.
    pub(super) fn error(&self) -> f64 {
        self.error
    }

    /// Largest magnitude of a knot.
    pub(super) fn reach(&self) -> f64 {
        self.knots.values().fold(0.0, |most, knot| most.max(knot.abs()))
    }

    fn at(&self, x: f64) -> f64 {
        let bent =
            self.knots.values().zip(&self.bends).map(|(knot, &bend)| f64::from(bend) * (x - knot).max(0.0));
        f64::from(self.start) + bent.sum::<f64>()
    }
}

impl fmt::Display for Spline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, pieces) = (self.kind, self.bends.len() + 1);
        write!(f, "{kind} by {pieces} lines, off by at most {:.2e} for any number", 1.005 * self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ActivationKind; 13] = [
        ActivationKind::Sigmoid,
        ActivationKind::Tanh,
        ActivationKind::Erf,
        ActivationKind::Silu,
        ActivationKind::Gelu,
        ActivationKind::GeluTanh,
        ActivationKind::Mish,
        ActivationKind::Softplus,
        ActivationKind::HardSwish,
        ActivationKind::Elu { alpha: 1.0 },
        ActivationKind::Elu { alpha: 0.1 },
        ActivationKind::Elu { alpha: 20.0 },
        ActivationKind::Selu { alpha: 1.673_263_2, gamma: 1.050_701 },
    ];

    #[test]
    fn the_stated_error_holds_on_a_dense_grid_and_far_outside() {
        for kind in KINDS {
            let spline = Spline::new(kind).unwrap();
            println!("{spline}");
            let size = Curve::new(kind).unwrap().size;
            assert!(spline.error <= SOUGHT * size, "{kind}: {}", spline.error);
            let grid = (-3_000_000..=3_000_000).step_by(7).map(|at| f64::from(at) * 1e-5);
            for x in grid.chain([-1e9, -1e4, -100.0]) {
                let error = (spline.at(x) - kind.value(x, 0.0)).abs();
                assert!(error <= spline.error, "{kind} at {x}: off by {error}, {} stated", spline.error);
            }
            for x in [100.0, 1e4, 1e6] {
                // The last slope is rounded as a number of 32 bits.
                let error = (spline.at(x) - kind.value(x, 0.0)).abs();
                assert!(error <= spline.error + 1e-7 * x, "{kind} at {x}: off by {error}");
            }
        }
    }

    #[test]
    fn slopes_add_up_exactly_in_the_fixed_point_of_weights() {
        for kind in KINDS {
            let spline = Spline::new(kind).unwrap();
            let (_, inner) = spline.bends.split_last().unwrap();
            let units = inner.iter().map(|bend| f64::from(*bend) * f64::from(SLOPE_BITS).exp2());
            assert!(units.into_iter().all(|unit| unit.fract() == 0.0), "{kind}");
        }
    }

    #[test]
    fn functions_without_an_end_are_told_from_bounded_ones() {
        let is_bounded = |kind| Spline::new(kind).unwrap().knots.is_bounded();
        assert!(is_bounded(ActivationKind::Sigmoid) && is_bounded(ActivationKind::Tanh));
        assert!(!is_bounded(ActivationKind::Gelu) && !is_bounded(ActivationKind::Elu { alpha: 1.0 }));
    }

    #[test]
    fn parameters_that_no_lines_come_close_to_are_refused() {
        assert!(Spline::new(ActivationKind::Elu { alpha: f32::NAN }).is_err());
        assert!(Spline::new(ActivationKind::Clip { low: 0.0, high: 1.0 }).is_err());
    }
}
