//! Guards between two parties: of each group of activations, whether its sum is small, told to the data owner alone and with the logits.
//!
//! With shares `S0 + S1` of a sum of numbers that cannot be negative, `floor(S0 / 2^k) + floor(S1 / 2^k)` is `floor(S / 2^k)` or one less, modulo what is left of the
//! ring. The data owner accepts 0 and -1: so sums below `2^k` and the lower k bits of its own share, which is what [`veilbench_ot::equality`] answers in a message each way.

use veilbench_mpc::circuit::{Gate, Guard};
use veilbench_ot::equality::Layout;
use veilbench_ot::relu::truncate;
use veilbench_ring::wiped::Wiped;

use super::Plan;
use crate::Error;
use crate::bits::low;

/// What is public of a gate's guard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarding {
    guard: Guard,
    /// Bits of the shares of what is summed.
    ring_bits: u32,
}

impl Plan {
    /// The guard of a gate, over squares or over what it writes.
    pub(super) fn guarding(&self, (index, gate): (usize, &Gate)) -> Option<Guarding> {
        let ring_bits = match gate {
            Gate::Quadratic { .. } => self.square_bits(),
            _ => self.ring_bits_behind(index),
        };
        gate.guard().map(|guard| Guarding { guard, ring_bits })
    }

    /// Guards of all gates.
    pub(super) fn guards(&self) -> impl Iterator<Item = Guarding> {
        self.circuit().gates().iter().enumerate().filter_map(|gate| self.guarding(gate))
    }
}

impl Guarding {
    /// Whether the ring has more bits than are dropped.
    pub(super) fn exists(self) -> bool {
        self.guard.shift + 2 <= self.ring_bits
    }

    /// Groups of an image.
    pub(super) fn groups(self) -> usize {
        self.guard.groups()
    }

    /// Sizes for so many images.
    pub(super) fn layout(self, images: usize) -> Result<Layout, Error> {
        Ok(Layout::new(self.ring_bits - self.guard.shift, self.groups() * images)?)
    }

    /// The data owner's numbers, given its shares of what is summed.
    pub(super) fn of_data_owner(self, values: &[u64]) -> Wiped<u64> {
        let bits = self.ring_bits - self.guard.shift;
        let mut sums = self.of_model_owner(values);
        sums.iter_mut().for_each(|sum| *sum = sum.wrapping_neg() & low(bits));
        sums
    }

    /// The model owner's numbers, given its shares of what is summed.
    pub(super) fn of_model_owner(self, values: &[u64]) -> Wiped<u64> {
        let images = values.chunks_exact(self.guard.units);
        let mut sums = Wiped::with_capacity(images.len() * self.groups());
        sums.extend(images.flat_map(|image| image.chunks(self.guard.group)).map(|group| {
            let sum = group.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value));
            truncate(self.ring_bits, self.guard.shift, sum)
        }));
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use veilbench_ot::ideal::is_it_or_next;

    proptest! {
        /// As the views say: the threshold is `2^k` and the lower bits of the data owner's share.
        #[test]
        fn a_guard_compares_with_a_threshold_that_the_data_owner_knows(
            values in prop::collection::vec((0u64..1 << 22, any::<u64>()), 3),
            shift in 10u32..25,
            ring_bits in 30u32..=64,
        ) {
            let guarding = Guarding { guard: Guard { units: 3, group: 3, shift }, ring_bits };
            prop_assert!(guarding.exists());
            let first: Vec<u64> = values.iter().map(|(_, mask)| *mask).collect();
            let second: Vec<u64> = values.iter().map(|(value, mask)| value.wrapping_sub(*mask)).collect();
            let [own, other] = [guarding.of_data_owner(&first), guarding.of_model_owner(&second)];
            let accepted = is_it_or_next(ring_bits - shift, own[0], other[0]);
            let known = first.iter().fold(0, |sum: u64, share| sum.wrapping_add(*share)) & low(shift);
            let sum: u64 = values.iter().map(|(value, _)| value).sum();
            prop_assert_eq!(accepted, sum < (1 << shift) + known);
        }
    }
}
