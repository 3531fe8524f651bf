//! What is public of a network: places of linear layers, sizes of comparisons, and which images guards refuse.

use std::sync::Arc;

use veilbench_mpc::circuit::{Circuit, Gate, Guard, Slot};
use veilbench_ot::relu;

use super::noise;
use crate::Error;
use crate::bits::low;
use crate::linear::{LEAST_RING_BITS, Layout, MOST_RING_BITS};
use crate::truncation::{Truncation, half};

/// Bits of shares beyond those of the circuit's ring.
const SIGN_BITS: u32 = 1;
/// Why polynomials are refused.
pub(super) const SQUARES: &str = "squares are not computed without a dealer yet";

/// A circuit for two parties. Both make the same of it.
#[derive(Clone, Debug)]
pub struct Plan {
    circuit: Arc<Circuit>,
    layouts: Vec<Option<Arc<Layout>>>,
    /// In units of the last place of a logit.
    logit_noise: u64,
}

impl Plan {
    /// Lays out every linear layer.
    ///
    /// # Errors
    /// [`Error::RingBits`] for a circuit of a ring that ciphertexts have no room for, [`Error::Unsupported`] for polynomials, [`Error::Kernel`],
    /// [`Error::Noise`] where a truncation drops too few bits.
    pub fn new(circuit: Arc<Circuit>) -> Result<Self, Error> {
        let bits = circuit.ring().bits() + SIGN_BITS;
        if !(LEAST_RING_BITS..=MOST_RING_BITS).contains(&bits) {
            return Err(Error::RingBits { bits, least: LEAST_RING_BITS, most: MOST_RING_BITS });
        }
        let layout = |(gate, of): (usize, &Gate)| match of {
            Gate::Linear { shape } => Ok(Some(Arc::new(Layout::new(*shape)?))),
            Gate::Quadratic { .. } => Err(Error::Unsupported { gate, reason: SQUARES }),
            Gate::Truncate { shift, .. } | Gate::Relu { shift, .. } if !(1..bits - 2).contains(shift) => {
                Err(Error::Unsupported { gate, reason: "truncation leaves no bits, or drops none" })
            }
            Gate::Sum(_)
            | Gate::Max { .. }
            | Gate::Relu { .. }
            | Gate::Truncate { .. }
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. }
            | Gate::Output { .. } => Ok(None),
        };
        let layouts = circuit.gates().iter().enumerate().map(layout).collect::<Result<_, _>>()?;
        let logit_noise = noise::of_logits(&circuit, bits)?;
        Ok(Self { circuit, layouts, logit_noise })
    }

    /// The circuit.
    pub fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }

    /// Bits of shares, L.
    pub fn ring_bits(&self) -> u32 {
        self.circuit.ring().bits() + SIGN_BITS
    }

    /// What no logit differs more by from the oracle's, in units of the last place, given what holds for truncations to within one unit
    /// ([`Analysis`](veilbench_mpc::oracle::Analysis)): here they are within two, and logits keep noise.
    pub fn logit_error(&self, within_one_unit: u128) -> u128 {
        within_one_unit.saturating_mul(2).saturating_add(self.logit_noise.into())
    }

    /// The places of a linear gate.
    pub(super) fn layout(&self, gate: usize) -> Result<&Arc<Layout>, Error> {
        let layout = self.layouts.get(gate).and_then(Option::as_ref);
        layout.ok_or(Error::Unsupported { gate, reason: "it is not linear" })
    }

    /// Layouts of all linear gates.
    pub fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.layouts.iter().flatten().map(Arc::as_ref)
    }

    /// The comparisons of a gate, and those of its guard, on so many images.
    ///
    /// # Errors
    /// None for circuits that a plan was made of.
    pub fn comparisons(&self, gate: &Gate, images: usize) -> Result<[Option<relu::Layout>; 2], Error> {
        let bits = self.ring_bits();
        let outputs = relu::Output::Relu { bits };
        let of_gate = match gate {
            Gate::Relu { units, shift, .. } => {
                Some(relu::Layout::new(bits - shift, outputs, units * images)?)
            }
            Gate::Max { slots, .. } => match larger(slots).count() {
                0 => None,
                count => Some(relu::Layout::new(bits, outputs, count * images)?),
            },
            _ => None,
        };
        let of_guard = match gate {
            Gate::Relu { guard: Some(guard), .. } => {
                Some(relu::Layout::new(bits - guard.shift, relu::Output::Signs, guard.groups() * images)?)
            }
            _ => None,
        };
        Ok([of_gate, of_guard])
    }

    pub(super) fn truncation(&self, shift: u32) -> Truncation {
        Truncation { ring_bits: self.ring_bits(), shift }
    }

    /// A party's shares of what is compared: the bits that truncation leaves. The model owner's are rounded.
    pub(super) fn truncated(&self, shift: u32, rounded: bool, shares: &[u64]) -> Vec<u64> {
        let offset = if rounded { half(shift) } else { 0 };
        shares
            .iter()
            .map(|share| relu::truncate(self.ring_bits(), shift, share.wrapping_add(offset)))
            .collect()
    }

    /// A party's shares of what is negative where a group is accepted: `floor(S / 2^k)`, or one more, less two.
    pub(super) fn guarded(&self, guard: &Guard, first: bool, values: &[u64]) -> Vec<u64> {
        let bits = self.ring_bits();
        let groups = values.chunks_exact(guard.units).flat_map(|image| image.chunks(guard.group));
        let share = |group: &[u64]| {
            let sum = group.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value));
            if first {
                return relu::truncate(bits, guard.shift, sum);
            }
            let sum = relu::truncate(bits, guard.shift, sum.wrapping_add(1 << guard.shift));
            sum.wrapping_sub(2) & low(bits - guard.shift)
        };
        groups.map(share).collect()
    }

    /// Bits of a logit that the model owner sends.
    pub(super) fn logit_bits(&self) -> u32 {
        self.ring_bits() - self.circuit.output_shift()
    }

    /// Groups of all guards on so many images.
    pub(super) fn guards(&self, images: usize) -> usize {
        self.circuit.gates().iter().filter_map(Gate::guard).map(|guard| guard.groups() * images).sum()
    }
}

/// A party's shares of public constants.
#[derive(Clone, Copy)]
pub(super) enum Constants {
    /// Zeros, at the data owner.
    Zeros,
    /// The constants, at the model owner.
    Themselves,
}

impl Constants {
    fn share(self, constant: u64) -> u64 {
        match self {
            Self::Zeros => 0,
            Self::Themselves => constant,
        }
    }
}

/// The pairs whose larger one a level of maxima keeps.
pub(super) fn larger(slots: &[Slot]) -> impl Iterator<Item = [usize; 2]> {
    slots.iter().filter_map(|slot| match slot {
        Slot::Larger(a, b) => Some([*a, *b]),
        Slot::Keep(_) => None,
    })
}

/// A party's shares of the differences that a level of maxima compares.
pub(super) fn differences(inputs: usize, slots: &[Slot], wire: &[u64]) -> Vec<u64> {
    let images = wire.chunks_exact(inputs);
    images.flat_map(|image| larger(slots).map(|[a, b]| image[a].wrapping_sub(image[b]))).collect()
}

/// A party's shares of the maxima, given those of the differences where they are positive.
pub(super) fn maxima(inputs: usize, slots: &[Slot], wire: &[u64], positive: &[u64]) -> Vec<u64> {
    let mut positive = positive.iter();
    let images = wire.chunks_exact(inputs);
    images
        .flat_map(|image| slots.iter().map(move |slot| (image, slot)))
        .map(|(image, slot)| match slot {
            Slot::Keep(a) => image[*a],
            Slot::Larger(_, b) => image[*b].wrapping_add(positive.next().copied().unwrap_or_default()),
        })
        .collect()
}

/// Computes a local gate: what it makes of a wire and of what was kept.
///
/// # Errors
/// [`Error::Unsupported`] for gates that take messages, and keys: these are not the gate's.
pub(super) fn local(
    (index, gate): (usize, &Gate),
    of_constants: Constants,
    wire: &mut Vec<u64>,
    kept: &mut Vec<Vec<u64>>,
) -> Result<(), Error> {
    match gate {
        Gate::Sum(pool) => *wire = pool.sum(wire),
        Gate::Spread { positions, offsets, .. } => *wire = spread(*positions, offsets, of_constants, wire),
        Gate::Keep { .. } => kept.push(wire.clone()),
        Gate::Recall { kept: number, .. } => *wire = kept[*number].clone(),
        Gate::Add { kept: number, shift, .. } => {
            for (value, addend) in wire.iter_mut().zip(&kept[*number]) {
                *value = value.wrapping_add(addend << shift);
            }
        }
        Gate::Concat { kept: number, units, .. } => {
            let images = kept[*number].chunks_exact(units[0]).zip(wire.chunks_exact(units[1]));
            *wire = images.flat_map(|(first, second)| first.iter().chain(second)).copied().collect();
        }
        // Opened when all gates are done.
        Gate::Output { .. } => {}
        Gate::Linear { .. }
        | Gate::Relu { .. }
        | Gate::Max { .. }
        | Gate::Quadratic { .. }
        | Gate::Truncate { .. } => {
            return Err(Error::Unsupported { gate: index, reason: "what was prepared is not for it" });
        }
    }
    Ok(())
}

/// A party's shares of copies of every channel less each of the offsets, side by side.
fn spread(positions: usize, offsets: &[u64], of_constants: Constants, wire: &[u64]) -> Vec<u64> {
    let copies =
        wire.chunks_exact(positions).flat_map(|channel| offsets.iter().map(move |at| (channel, *at)));
    let share = |(channel, offset): (&'_ [u64], u64)| {
        let offset = of_constants.share(offset);
        channel.iter().map(move |value| value.wrapping_sub(offset)).collect::<Vec<u64>>()
    };
    copies.flat_map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use veilbench_mpc::circuit::{Format, SignProtocol};
    use veilbench_mpc::network::{Architecture, Layer, Shape};
    use veilbench_mpc::ring::Ring;

    use super::*;

    fn plan() -> Plan {
        let layers = vec![Layer::Flatten, Layer::Dense { outputs: 2 }];
        let architecture = Architecture { input: Shape::image(1, 2, 2), layers, magnitudes: Vec::new() };
        let (signs, ring) = (SignProtocol::Tree, Ring::new(6).unwrap());
        let format = Format { activation_bits: 12, weight_bits: 16, ring, signs, input_magnitude: 1.0 };
        Plan::new(Arc::new(Circuit::compile(&architecture, format).unwrap())).unwrap()
    }

    proptest! {
        /// As the views say: the threshold is `2^k` and the lower bits of the data owner's share.
        #[test]
        fn a_guard_compares_with_a_threshold_that_the_data_owner_knows(
            values in prop::collection::vec((0u64..1 << 22, any::<u64>()), 3),
            shift in 10u32..25,
        ) {
            let (plan, guard) = (plan(), Guard { units: 3, group: 3, shift });
            let first: Vec<u64> = values.iter().map(|(_, mask)| *mask).collect();
            let second: Vec<u64> = values.iter().map(|(value, mask)| value.wrapping_sub(*mask)).collect();
            let [own, other] = [plan.guarded(&guard, true, &first), plan.guarded(&guard, false, &second)];
            let bits = plan.ring_bits() - shift;
            let accepted = (own[0].wrapping_add(other[0]) & low(bits)) >> (bits - 1) == 1;
            let known = first.iter().fold(0, |sum: u64, share| sum.wrapping_add(*share)) & low(shift);
            let sum: u64 = values.iter().map(|(value, _)| value).sum();
            prop_assert_eq!(accepted, sum < (1 << shift) + known);
        }
    }
}
