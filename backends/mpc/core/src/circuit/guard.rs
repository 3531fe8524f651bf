//! Sums that tell the data owner whether an activation stayed where the ring is exact.
//!
//! Behind an activation the parties hold shares of every value, so shares of sums of them cost no message. A *guard*
//! sums groups of neighbouring values that cannot be negative: what a ReLU (and its pools) writes, or the squares of what a
//! polynomial reads. The data owner learns `floor(sum / 2^shift)`, rounded by a coin it does not know, and accepts 0 and 1. Accepted groups
//! are below `2^(shift + 1)`, which bounds every value of them, and from there interval arithmetic over the weights
//! ([`oracle::analyse`](crate::oracle::analyse)) bounds what follows up to the next guard.

/// Fewest values a group has, unless the layer has fewer.
pub(crate) const SUMS: usize = 16;
/// The same where squares are summed, whose bound the ring has less room for.
pub(crate) const SQUARES: usize = 8;
/// Most groups of a layer.
const MOST_GROUPS: usize = 512;

/// The guard of one activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Values of one image.
    pub units: usize,
    /// Values of a group; the last may be smaller.
    pub group: usize,
    /// Bits that are not opened.
    pub shift: u32,
}

impl Guard {
    /// For values that are not expected to exceed `largest`, in units of the last place. `None` if the ring of so many bits has no
    /// room for their sum.
    pub(crate) fn new(units: usize, fewest: usize, largest: f64, ring_bits: u32) -> Option<Self> {
        let group = units.div_ceil(MOST_GROUPS).max(fewest).min(units);
        let shift = (largest * group as f64).max(2.0).log2().ceil();
        (shift + 2.0 <= f64::from(ring_bits)).then_some(Self { units, group, shift: shift as u32 })
    }

    /// Groups of one image.
    pub fn groups(&self) -> usize {
        self.units.div_ceil(self.group)
    }

    /// Accepted sums are below this.
    pub(crate) fn limit(&self) -> u128 {
        1 << (self.shift + 1)
    }

    /// Whether the sum of a group of values up to `largest` is told apart from accepted ones, modulo the ring.
    pub(crate) fn holds(&self, largest: u128, ring_bits: u32) -> bool {
        let reached = largest.saturating_mul(self.group as u128);
        reached.saturating_add(1 << self.shift) < 1 << ring_bits
    }

    /// The sums of a whole batch.
    pub(crate) fn sums(&self, values: &[u64]) -> Vec<u64> {
        let groups = values.chunks_exact(self.units).flat_map(|image| image.chunks(self.group));
        groups.map(|group| group.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_large_as_expected_are_accepted_and_accepted_groups_bound_each_value() {
        for (units, largest) in [(1, 3.0), (15, 1e3), (16, 7.5), (100, 1e6), (30_000, 12.0)] {
            let guard = Guard::new(units, SUMS, largest, 48).unwrap();
            assert!(guard.groups() <= MOST_GROUPS && guard.groups() * guard.group >= units);
            assert!((guard.group as f64 * largest) <= f64::from(guard.shift).exp2());
            assert!(guard.limit() as f64 >= 2.0 * largest);
        }
        assert_eq!(Guard::new(16, SUMS, 1e30, 48), None);
    }

    #[test]
    fn sums_that_come_round_the_ring_are_no_guard() {
        let guard = Guard::new(16, SUMS, 1.0, 16).unwrap();
        assert!(guard.holds(1 << 10, 16) && !guard.holds(1 << 12, 16));
    }

    #[test]
    fn groups_end_with_the_image() {
        let guard = Guard { units: 3, group: 2, shift: 0 };
        assert_eq!(guard.sums(&[1, 2, 3, 4, 5, 6]), [3, 3, 9, 6]);
    }
}
