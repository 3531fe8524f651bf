//! Sums that tell the data owner whether an activation stayed where the ring is exact.
//!
//! Behind an activation the parties hold shares of every value, so shares of sums of them cost no message. A *guard*
//! sums groups of neighbouring values that cannot be negative: what a ReLU (and its pools) writes, or the squares of what a
//! polynomial reads. The data owner learns `floor(sum / 2^shift)`, rounded by a coin it does not know, and accepts 0 and 1. Accepted groups
//! are below `2^(shift + 1)`, which bounds every value of them, and from there interval arithmetic over the weights
//! ([`oracle::analyse`](crate::oracle::analyse)) bounds what follows up to the next guard.

use super::Gate;

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
    /// For values that are not expected to exceed `largest`, in units of the last place, of which there are so many copies less one
    /// knot or another each. `None` if the ring of so many bits has no room for their sum.
    pub(crate) fn new(
        units: usize,
        copies: usize,
        fewest: usize,
        largest: f64,
        ring_bits: u32,
    ) -> Option<Self> {
        let group = units.div_ceil(MOST_GROUPS.saturating_mul(copies)).max(fewest).min(units);
        // Each value may have been rounded up by one unit.
        let shift = (largest * group as f64).max(2.0 * group as f64).log2().ceil();
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

/// Whether each gate is an activation whose values a product by weights reads, as they are or after pools and joins.
pub(super) fn read_by_products(gates: &[Gate]) -> Vec<bool> {
    let mut found = vec![false; gates.len()];
    // The activations whose values are in the wire, and in those that were kept.
    let mut wire: Vec<usize> = Vec::new();
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for (index, gate) in gates.iter().enumerate() {
        match gate {
            Gate::Linear { .. } => wire.drain(..).for_each(|read| found[read] = true),
            Gate::Relu { .. } | Gate::Quadratic { .. } => wire = vec![index],
            Gate::Keep { .. } => kept.push(wire.clone()),
            Gate::Recall { kept: number, .. } => wire.clone_from(&kept[*number]),
            Gate::Add { kept: number, .. } | Gate::Concat { kept: number, .. } => {
                wire.extend_from_slice(&kept[*number]);
            }
            Gate::Sum(_)
            | Gate::Max { .. }
            | Gate::Spread { .. }
            | Gate::Truncate { .. }
            | Gate::Output { .. } => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::LinearShape;

    #[test]
    fn values_as_large_as_expected_are_accepted_and_accepted_groups_bound_each_value() {
        for (units, largest) in [(1, 3.0), (15, 1e3), (16, 7.5), (100, 1e6), (30_000, 12.0)] {
            let guard = Guard::new(units, 1, SUMS, largest, 48).unwrap();
            assert!(guard.groups() <= MOST_GROUPS && guard.groups() * guard.group >= units);
            assert!((guard.group as f64 * largest) <= f64::from(guard.shift).exp2());
            assert!(guard.limit() as f64 >= 2.0 * largest);
        }
        assert_eq!(Guard::new(16, 1, SUMS, 1e30, 48), None);
    }

    #[test]
    fn sums_that_come_round_the_ring_are_no_guard() {
        let guard = Guard::new(16, 1, SUMS, 1.0, 16).unwrap();
        assert!(guard.holds(1 << 10, 16) && !guard.holds(1 << 12, 16));
    }

    #[test]
    fn activations_whose_values_come_to_a_product_in_any_way_are_found() {
        let relu = || Gate::Relu { units: 1, shift: 1, pools: Vec::new(), guard: None };
        let keep = || Gate::Keep { units: 1, open: false };
        let recall = |kept| Gate::Recall { kept, units: 1 };
        let product = || Gate::Linear { shape: LinearShape::Dense { inputs: 1, outputs: 1 } };
        let concat = Gate::Concat { kept: 1, units: [1; 2], channels: [1; 2] };
        let of = |gates: &[Gate]| -> Vec<usize> {
            let found = read_by_products(gates).into_iter().enumerate();
            found.filter_map(|(at, is_read)| is_read.then_some(at)).collect()
        };
        assert_eq!(of(&[relu(), product(), relu()]), [0]);
        assert_eq!(of(&[relu(), keep(), relu(), recall(0), product()]), [0]);
        assert_eq!(of(&[relu(), keep(), relu(), keep(), relu(), concat, product()]), [2, 4]);
        let sum = Gate::Add { kept: 0, units: 1, shift: 1 };
        assert_eq!(of(&[relu(), keep(), product(), sum, product()]), [0]);
    }

    #[test]
    fn groups_end_with_the_image() {
        let guard = Guard { units: 3, group: 2, shift: 0 };
        assert_eq!(guard.sums(&[1, 2, 3, 4, 5, 6]), [3, 3, 9, 6]);
    }
}
