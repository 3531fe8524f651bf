//! The range of a function of one value that is linear between knots. Bounding its pieces one by one, as if they had nothing to do
//! with each other, would say of a function between 0 and 1 that it may be as large as its argument.

use super::interval::{Interval, magnitude};
use crate::linear::LinearShape;

/// Copies of values, each less a knot, on their way to become a function of the value.
#[derive(Clone)]
pub(super) struct Pieces {
    /// One for each value.
    values: Vec<Interval>,
    knots: Vec<i128>,
    /// After the ReLU, bits that it took off, and units of the last place that this is off at most.
    shift: Option<(u32, i128)>,
}

impl Pieces {
    pub(super) fn new(values: Vec<Interval>, knots: &[u64]) -> Self {
        Self { values, knots: knots.iter().map(|&knot| i128::from(knot as i64)).collect(), shift: None }
    }

    /// The intervals of the copies, those of a value side by side.
    pub(super) fn copies(&self) -> Vec<Interval> {
        let less = |value: &Interval, knot: i128| {
            Interval::new(value.low.saturating_sub(knot), value.high.saturating_sub(knot))
        };
        self.values.iter().flat_map(|value| self.knots.iter().map(move |&knot| less(value, knot))).collect()
    }

    /// After a ReLU that takes off so many bits and is off by so many units at most, and a guard that lets no copy pass that is larger than
    /// `most`.
    pub(super) fn rectified(mut self, shift: u32, most: Option<u128>, units: i128) -> Self {
        if let (Some(most), Some(&lowest)) = (most, self.knots.iter().min()) {
            let most = i128::try_from(most).unwrap_or(i128::MAX).saturating_add(units);
            let most = most.saturating_mul(1 << shift).saturating_add(lowest);
            for value in &mut self.values {
                *value = Interval::new(value.low.min(most), value.high.min(most));
            }
        }
        Self { shift: Some((shift, units)), ..self }
    }

    /// What output number `output` can be, whose weights for the copies of one value are `row`; `None` if they are for those of
    /// more.
    pub(super) fn range(
        &self,
        shape: &LinearShape,
        output: usize,
        row: &[u64],
        bias: i128,
    ) -> Option<Interval> {
        let (Some((shift, units)), LinearShape::Conv2d { conv, .. }) = (self.shift, shape) else {
            return None;
        };
        if conv.groups != self.values.len() || conv.window.area() != 1 || row.len() != self.knots.len() {
            return None;
        }
        let value = *self.values.get(output / (conv.outputs / conv.groups))?;
        let at = |x: i128| {
            let pieces = row.iter().zip(&self.knots).map(|(&weight, &knot)| {
                i128::from(weight as i64).saturating_mul(x.saturating_sub(knot).max(0))
            });
            pieces.fold(0, i128::saturating_add) >> shift
        };
        // Between two neighbours of these it is linear.
        let inner = self.knots.iter().copied().filter(|knot| (value.low..=value.high).contains(knot));
        let ends = inner.chain([value.low, value.high]).map(at);
        let (low, high) = ends.fold((i128::MAX, i128::MIN), |(low, high), y| (low.min(y), high.max(y)));
        // Every copy is off by so many units at most once it is truncated, and here something was truncated too.
        let weights = row.iter().map(|&weight| magnitude(weight)).sum::<u128>();
        let off = i128::try_from(weights).unwrap_or(i128::MAX).saturating_mul(units).saturating_add(1);
        let sum = |y: i128, off: i128| y.saturating_add(off).saturating_add(bias);
        Some(Interval::new(sum(low, -off), sum(high, off)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_networks::{Conv2d, Shape, Window};

    fn shape(values: usize, knots: usize) -> LinearShape {
        let window = Window::tiles(1);
        let conv =
            Conv2d { inputs: values * knots, outputs: values, groups: values, dilation: [1; 2], window };
        let input = Shape::Flat(values * knots);
        LinearShape::Conv2d { conv, input, output: [1; 2] }
    }

    /// A clip to 0..8, in units.
    fn clip(value: Interval, most: Option<u128>) -> Interval {
        let pieces = Pieces::new(vec![value], &[0, 8]).rectified(0, most, 1);
        pieces.range(&shape(1, 2), 0, &[1, 1u64.wrapping_neg()], 5).unwrap()
    }

    #[test]
    fn a_clip_of_anything_is_within_its_bounds() {
        let huge = Interval::new(-(1 << 60), 1 << 60);
        assert_eq!(clip(huge, None), Interval::new(5 - 3, 13 + 3));
        assert_eq!(clip(Interval::new(2, 3), None), Interval::new(7 - 3, 8 + 3));
        assert_eq!(clip(Interval::new(-9, -3), None), Interval::new(5 - 3, 5 + 3));
    }

    #[test]
    fn what_a_guard_lets_pass_bounds_the_value() {
        assert_eq!(clip(Interval::new(-1000, 1000), Some(3)), Interval::new(5 - 3, 9 + 3));
    }

    #[test]
    fn every_value_of_a_range_is_in_what_is_said_of_it() {
        let (knots, weights) = ([-40_i64, -3, 17, 64], [3_i64, -7, 5, 2]);
        let ranges = [(-100, 100), (-50, 30), (-3, 17), (20, 21), (-50, -41), (0, 0)];
        for ((low, high), shift) in ranges.into_iter().flat_map(|range| [(range, 0), (range, 3)]) {
            let value = Interval::new(low, high);
            let pieces = Pieces::new(vec![value], &knots.map(|knot| knot as u64));
            let row = weights.map(|weight| weight as u64);
            // The second as on shares, where noise moves the rounded value by one.
            for (units, off) in [(1, &[0, 1][..]), (2, &[-1, 0, 1, 2])] {
                let pieces = pieces.clone().rectified(shift, None, units);
                let range = pieces.range(&shape(1, 4), 0, &row, -11).unwrap();
                for (x, up) in (low..=high).flat_map(|x| off.iter().map(move |up| (x, up))) {
                    let copies = knots.map(|knot| ((x - i128::from(knot)).max(0) >> shift) + up);
                    let y = copies.iter().zip(weights).map(|(copy, weight)| copy * i128::from(weight));
                    let y = y.sum::<i128>() - 11;
                    assert!((range.low..=range.high).contains(&y), "{y} of {x} is not in {range:?}");
                }
            }
        }
    }

    #[test]
    fn weights_that_mix_values_are_left_to_others() {
        let pieces = Pieces::new(vec![Interval::new(-9, 9); 2], &[0, 8]).rectified(0, None, 1);
        let mixes = LinearShape::Dense { inputs: 4, outputs: 1 };
        assert_eq!(pieces.range(&mixes, 0, &[1; 4], 0), None);
        assert_eq!(pieces.range(&shape(1, 4), 0, &[1; 4], 0), None);
    }
}
