//! Where a value stands on an axis, and which values are marked.

/// A span of values laid over a span of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// A logarithmic axis that shows every positive finite value with some length to its bar.
    pub(crate) fn logarithmic(values: impl IntoIterator<Item = f64>) -> Self {
        let shown: Vec<f64> = values.into_iter().filter(|value| value.is_finite() && *value > 0.0).collect();
        let least = shown.iter().copied().reduce(f64::min).unwrap_or(1.0);
        let most = shown.iter().copied().reduce(f64::max).unwrap_or(10.0);
        let low = 10f64.powf((least / 1.6).log10().floor());
        Self { low, high: (most * 1.1).max(low * 10.0), logarithmic: true }
    }

    /// A logarithmic axis on which the mark of no value touches an end.
    pub(crate) fn with_margin(values: impl IntoIterator<Item = f64>) -> Self {
        const MARGIN: f64 = 0.06;
        let shown: Vec<f64> = values.into_iter().filter(|value| value.is_finite() && *value > 0.0).collect();
        let least = shown.iter().copied().reduce(f64::min).unwrap_or(1.0);
        let most = shown.iter().copied().reduce(f64::max).unwrap_or(10.0).max(least * 10.0);
        let margin = (most / least).powf(MARGIN);
        Self { low: least / margin, high: most * margin, logarithmic: true }
    }

    /// A linear axis for shares, from a round number below the least of them to 1.
    pub(crate) fn shares(values: impl IntoIterator<Item = f64>) -> Self {
        let least = values.into_iter().filter(|value| value.is_finite()).fold(1.0, f64::min).clamp(0.0, 1.0);
        let step = share_step(1.0 - least);
        let low = ((least / step + 1e-9).floor() * step).min(1.0 - step).max(0.0);
        Self { low, high: 1.0, logarithmic: false }
    }

    /// Position from 0 to 1; values beyond the ends stand at the ends.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(f64::MIN_POSITIVE) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Values to mark, at most about ten.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = share_step(self.high - self.low);
            let count = ((self.high - self.low) / step + 1e-9).floor() as usize;
            return (0..=count).rev().map(|index| self.high - index as f64 * step).collect();
        }
        // The first decade that is on the axis, or below it where the axis begins within one.
        let first = (self.low.log10() + 1e-9).floor() as i32;
        let last = (self.high.log10() + 1e-9).floor() as i32;
        let decades = last - first;
        let within: &[f64] = if decades <= 1 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = usize::try_from(decades / 8 + 1).unwrap_or(1);
        (first..=last)
            .step_by(stride)
            .flat_map(|decade| within.iter().map(move |factor| factor * 10f64.powi(decade)))
            .filter(|tick| (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(tick))
            .collect()
    }
}

/// A round step that divides a span of shares into about five.
fn share_step(span: f64) -> f64 {
    let steps = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
    steps.into_iter().find(|step| span <= step * 5.0 + 1e-9).unwrap_or(0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_axis_starts_below_its_least_value_so_that_no_bar_vanishes() {
        for values in [vec![1.0], vec![1e3, 1e9], vec![0.0, 5.0], vec![1.0, 4e13]] {
            let axis = Axis::logarithmic(values.clone());
            for value in values.into_iter().filter(|value| *value > 0.0) {
                assert!(axis.share(value) > 0.0 && axis.share(value) < 1.0, "{value} on {axis:?}");
            }
            let ticks = axis.ticks();
            assert!((2..=12).contains(&ticks.len()), "{ticks:?}");
        }
        assert_eq!(Axis::logarithmic([]).ticks(), [0.1, 1.0, 10.0], "an axis without values is still one");
    }

    #[test]
    fn an_axis_with_a_margin_keeps_every_value_from_its_ends_and_marks_some() {
        for values in [vec![1.0], vec![3.0, 3.1], vec![1e3, 1e9], vec![7e3, 9.99e8], vec![0.0, 5.0], vec![]] {
            let axis = Axis::with_margin(values.clone());
            for value in values.into_iter().filter(|value| *value > 0.0) {
                assert!((0.04..=0.96).contains(&axis.share(value)), "{value} on {axis:?}");
            }
            let ticks = axis.ticks();
            assert!((1..=12).contains(&ticks.len()), "{ticks:?} on {axis:?}");
            assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&axis.share(*tick))));
        }
    }

    #[test]
    fn an_axis_of_shares_ends_at_one_and_holds_the_least() {
        for least in [0.0, 0.1, 0.52, 0.9, 0.984, 0.9999, 1.0, f64::NAN] {
            let axis = Axis::shares([least, 1.0]);
            assert!(axis.low <= least || least.is_nan(), "{least}: {axis:?}");
            assert!((1..=7).contains(&axis.ticks().len()), "{:?}", axis.ticks());
            assert_eq!(axis.share(1.0), 1.0);
        }
    }
}
