//! Intervals of integers, one for each channel of a wire.

use super::analysis::{row_error, unit_of};
use super::pieces::Pieces;
use crate::circuit::Guard;
use crate::linear::LinearShape;

/// Whole numbers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) low: i128,
    pub(super) high: i128,
}

impl Interval {
    pub(super) fn new(low: i128, high: i128) -> Self {
        Self { low, high }
    }

    pub(super) fn magnitude(self) -> u128 {
        self.low.unsigned_abs().max(self.high.unsigned_abs())
    }

    pub(super) fn width(self) -> u128 {
        self.high.saturating_sub(self.low).unsigned_abs()
    }

    /// The part within `most` of zero.
    pub(super) fn at_most(self, most: u128) -> Self {
        let most = i128::try_from(most).unwrap_or(i128::MAX);
        Self::new(self.low.clamp(-most, most), self.high.clamp(-most, most))
    }

    /// What it has in common with another that holds the same value.
    pub(super) fn within(self, other: Self) -> Self {
        Self::new(self.low.max(other.low), self.high.min(other.high))
    }

    fn times(self, factor: i128) -> Self {
        let (a, b) = (self.low.saturating_mul(factor), self.high.saturating_mul(factor));
        Self::new(a.min(b), a.max(b))
    }

    fn plus(self, other: Self) -> Self {
        Self::new(self.low.saturating_add(other.low), self.high.saturating_add(other.high))
    }

    fn with_zero(self) -> Self {
        Self::new(self.low.min(0), self.high.max(0))
    }

    fn square(self) -> Self {
        let largest = self.magnitude();
        Self::new(0, i128::try_from(largest.saturating_mul(largest)).unwrap_or(i128::MAX))
    }
}

/// What the values of a wire can be, in any protocol that truncates to within one unit.
#[derive(Clone)]
pub(super) struct Wire {
    /// One interval for each channel, or one for all.
    pub(super) channels: Vec<Interval>,
    /// Largest difference from the oracle's value.
    pub(super) error: u128,
    /// Bounds the sums of groups of these values, none of which is negative.
    pub(super) guard: Option<Guard>,
    /// What they are copies of, on their way to become a function of one value.
    pub(super) pieces: Option<Pieces>,
}

impl Wire {
    pub(super) fn symmetric(magnitude: i128) -> Self {
        Self { channels: vec![Interval::new(-magnitude, magnitude)], error: 0, guard: None, pieces: None }
    }

    pub(super) fn largest(&self) -> u128 {
        self.channels.iter().map(|channel| channel.magnitude()).max().unwrap_or(0)
    }

    pub(super) fn map(self, change: impl Fn(Interval) -> Interval) -> Self {
        Self { channels: self.channels.into_iter().map(change).collect(), guard: None, pieces: None, ..self }
    }

    /// Sums with the values of another wire, `shift` bits further left.
    pub(super) fn plus(self, other: &Self, shift: u32) -> Self {
        let count = self.channels.len().max(other.channels.len());
        let [own, other_channels] = [self.spread(count), other.spread(count)];
        let factor = 1_i128 << shift;
        let channels = own.iter().zip(&other_channels).map(|(a, b)| a.plus(b.times(factor))).collect();
        let error = self.error.saturating_add(other.error.saturating_mul(factor.unsigned_abs()));
        Self { channels, error, guard: None, pieces: None }
    }

    /// The channels of another wire and then its own, so many of either.
    pub(super) fn behind(self, other: &Self, channels: [usize; 2]) -> Self {
        let mut both = other.spread(channels[0]);
        both.extend(self.spread(channels[1]));
        Self { channels: both, error: self.error.max(other.error), guard: None, pieces: None }
    }

    /// An interval for each of `count` channels: its own if there are as many, or one that holds them all.
    fn spread(&self, count: usize) -> Vec<Interval> {
        if self.channels.len() == count {
            return self.channels.clone();
        }
        let all =
            self.channels.iter().copied().reduce(|a, b| Interval::new(a.low.min(b.low), a.high.max(b.high)));
        vec![all.unwrap_or(Interval::new(0, 0)); count]
    }

    /// The interval of each of `count` channels, or of as many features of a vector that the channels were.
    pub(super) fn spread_over(&self, count: usize) -> Vec<Interval> {
        (0..count).map(|at| self.channels[at * self.channels.len() / count]).collect()
    }

    /// Sums of up to so many values.
    pub(super) fn summed(self, count: usize) -> Self {
        let error = self.error.saturating_mul(count as u128);
        Self { error, ..self.map(|channel| channel.with_zero().times(count as i128).with_zero()) }
    }

    /// After a truncation, which rounds up or down.
    pub(super) fn shifted(self, shift: u32) -> Self {
        let unit = unit_of(shift);
        let error = if self.error == 0 { unit } else { (self.error >> shift) + 1 + unit };
        let up = |value: i128| (value >> shift).saturating_add(unit as i128);
        Self { error, ..self.map(|channel| Interval::new(channel.low >> shift, up(channel.high))) }
    }

    /// After a truncation by parties each of which drops bits of its shares, of values with noise of up to half of what is dropped: rounded
    /// up or down then.
    pub(super) fn shifted_on_shares(self, shift: u32) -> Self {
        let (noise, up) = ((1_i128 << shift) / 2, (1_i128 << shift) - 1);
        let truncated = |channel: &Interval| {
            let (low, high) = (channel.low.saturating_sub(noise), channel.high.saturating_add(noise));
            Interval::new(low >> shift, high.saturating_add(up) >> shift)
        };
        let channels = self.channels.iter().map(truncated).collect();
        Self { channels, ..self.shifted(shift) }
    }

    pub(super) fn linear(self, shape: &LinearShape, weights: &[u64], bias: &[u64]) -> Self {
        let rows = weights.chunks_exact(shape.weights_per_output());
        let mut output =
            Self { channels: Vec::with_capacity(bias.len()), error: 0, guard: None, pieces: None };
        for (at, (row, &bias)) in rows.zip(bias).enumerate() {
            let bias = i128::from(bias as i64);
            let sum = row
                .iter()
                .enumerate()
                .map(|(weight, value)| self.read(shape, at, weight).times(i128::from(*value as i64)))
                .fold(Interval::new(bias, bias), Interval::plus);
            let guarded = self.guarded(shape, row, bias, sum);
            let pieces = self.pieces.as_ref().and_then(|pieces| pieces.range(shape, at, row, bias));
            output.channels.push(pieces.map_or(guarded, |range| guarded.within(range)));
            output.error = output.error.max(row_error(row, self.error));
        }
        output
    }

    /// What weight number `weight` of output `output` is multiplied with.
    fn read(&self, shape: &LinearShape, output: usize, weight: usize) -> Interval {
        let count = self.channels.len();
        match shape {
            LinearShape::Dense { inputs, .. } => self.channels[weight * count / inputs],
            LinearShape::Conv2d { conv, .. } => {
                let members = conv.inputs / conv.groups;
                let group = output / (conv.outputs / conv.groups);
                let channel = group * members + weight / conv.window.area();
                // Padding is zero.
                self.channels[channel * count / conv.inputs].with_zero()
            }
        }
    }

    /// The sum of a row over guarded values: the groups' sums bound what each of them adds.
    fn guarded(&self, shape: &LinearShape, row: &[u64], bias: i128, sum: Interval) -> Interval {
        let (Some(guard), LinearShape::Dense { inputs, .. }) = (self.guard, shape) else { return sum };
        if guard.units != *inputs {
            return sum;
        }
        let limit = i128::try_from(guard.limit()).unwrap_or(i128::MAX);
        let groups = row.chunks(guard.group).fold(Interval::new(bias, bias), |sum, group| {
            let weights = group.iter().map(|&weight| i128::from(weight as i64));
            let (low, high) = weights.fold((0, 0), |(low, high), weight| (weight.min(low), weight.max(high)));
            sum.plus(Interval::new(low.saturating_mul(limit), high.saturating_mul(limit)))
        });
        Interval::new(sum.low.max(groups.low), sum.high.min(groups.high))
    }

    /// `a t^2 + b t + c`, channel by channel.
    pub(super) fn quadratic(self, a: &[u64], b: &[u64], c: &[u64]) -> Self {
        let (count, outputs) = (self.channels.len(), a.len());
        let (largest, e) = (self.largest(), self.error);
        let mut output = Self { channels: Vec::with_capacity(outputs), error: 0, guard: None, pieces: None };
        for (at, ((a, b), c)) in a.iter().zip(b).zip(c).enumerate() {
            let [of_square, of_value, constant] = [a, b, c].map(|&value| i128::from(value as i64));
            let read = self.channels[at * count / outputs];
            let sum = read.square().times(of_square).plus(read.times(of_value));
            output.channels.push(sum.plus(Interval::new(constant, constant)));
            let slope = magnitude(*a)
                .saturating_mul(largest.saturating_mul(2).saturating_add(e))
                .saturating_add(magnitude(*b));
            output.error = output.error.max(slope.saturating_mul(e));
        }
        output
    }
}

pub(super) fn magnitude(value: u64) -> u128 {
    u128::from((value as i64).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that truncations on shares make of the ends of a range, with all noise that they drop: both bounds are reached, and nothing is beyond.
    #[test]
    fn bounds_of_truncations_on_shares_are_reached_and_hold() {
        for shift in [1, 2, 5] {
            let noise = 1 << (shift - 1);
            for (low, high) in (-70..70).flat_map(|low| [0, 1, 9, 40].map(|width| (low, low + width))) {
                let wire = Wire { channels: vec![Interval::new(low, high)], ..Wire::symmetric(0) };
                let results = (low..=high).flat_map(|value| {
                    let noisy = value - noise..=value + noise;
                    noisy.flat_map(|noisy| [noisy >> shift, -(-noisy >> shift)])
                });
                let (least, most) =
                    results.fold((i128::MAX, i128::MIN), |(low, high), y| (low.min(y), high.max(y)));
                let bounds = wire.shifted_on_shares(shift).channels[0];
                assert_eq!(bounds, Interval::new(least, most), "{low} to {high} by {shift} bits");
            }
        }
    }

    #[test]
    fn nothing_dropped_is_nothing_changed_on_shares() {
        let wire = Wire { channels: vec![Interval::new(-5, 7)], ..Wire::symmetric(0) };
        assert_eq!(wire.shifted_on_shares(0).channels, [Interval::new(-5, 7)]);
    }
}
