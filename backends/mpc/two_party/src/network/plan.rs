//! What is public of a network: places of linear layers, sizes of comparisons, and which images guards refuse.

use std::sync::Arc;

use veilbench_mpc::circuit::{Circuit, Gate, Pool, Slot};
use veilbench_mpc::model::Model;
use veilbench_mpc::oracle::{self, Analysis};
use veilbench_ot::relu;
use veilbench_ring::wiped::Wiped;

use super::{noise, settled};
use crate::Error;
use crate::linear::{Layout, MOST_RING_BITS};
use crate::quadratic::Sizes;
use crate::truncation::{Truncation, centring};

/// Bytes of a circuit's fingerprint.
pub(super) const CIRCUIT_BYTES: usize = size_of::<u64>();
/// Bits of shares beyond those of what they hold.
const SIGN_BITS: u32 = 1;
/// Why gates are refused whose values truncation cannot hold.
const TRUNCATION: &str = "truncation leaves no bits, or drops none";

/// A circuit for two parties. Both make the same of it.
#[derive(Clone, Debug)]
pub struct Plan {
    circuit: Arc<Circuit>,
    layouts: Vec<Option<Arc<Layout>>>,
    /// Whether the data owner has, for each gate, its shares of what it reads before the images.
    settled: Vec<bool>,
    /// In units of the last place of a logit.
    logit_noise: u64,
}

impl Plan {
    /// Lays out every linear layer.
    ///
    /// # Errors
    /// [`Error::RingBits`] for a circuit of a ring that ciphertexts have no room for; [`Error::Unsupported`] for truncations and guards that leave no
    /// bits; [`Error::Kernel`]; [`Error::Noise`] where a truncation drops too few bits.
    pub fn new(circuit: Arc<Circuit>) -> Result<Self, Error> {
        let bits = ring_bits(&circuit);
        let layout = |gate: &Gate| match gate {
            Gate::Linear { shape } => Layout::new(*shape, bits).map(|layout| Some(Arc::new(layout))),
            _ => Ok(None),
        };
        let layouts: Vec<Option<Arc<Layout>>> =
            circuit.gates().iter().map(layout).collect::<Result<_, _>>()?;
        let logit_noise = noise::of_logits(&circuit, &layouts)?;
        let settled = settled::of_gates(circuit.gates());
        let plan = Self { circuit, layouts, settled, logit_noise };
        for (gate, of) in plan.circuit.gates().iter().enumerate() {
            plan.refuse((gate, of))?;
        }
        Ok(plan)
    }

    /// Refuses a gate that has no bits left behind a truncation, or behind its guard's.
    fn refuse(&self, (gate, of): (usize, &Gate)) -> Result<(), Error> {
        let exists = match of {
            Gate::Relu { shift, .. } | Gate::Truncate { shift, .. } => self.truncation(*shift).exists(),
            Gate::Quadratic { shift, square_shift, .. } => {
                self.squared(*shift).exists() && self.back(*square_shift).exists()
            }
            _ => true,
        };
        let reason = match self.guarding(of) {
            _ if !exists => TRUNCATION,
            Some(guarding) if !guarding.exists() => "its guard leaves no bits of the ring",
            _ => return Ok(()),
        };
        Err(Error::Unsupported { gate, reason })
    }

    /// Bounds every wire of a model, of which these shares are then exact whatever the image ([`oracle::analyse_within`]).
    ///
    /// # Errors
    /// [`Error::Circuit`] if the model is of another circuit, or some image may overflow.
    pub fn analyse(&self, model: &Model) -> Result<Analysis, Error> {
        Ok(oracle::analyse_within(&self.circuit, model, self.ring_bits() - SIGN_BITS)?)
    }

    /// The circuit.
    pub fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }

    /// Bits of shares, L.
    pub fn ring_bits(&self) -> u32 {
        ring_bits(&self.circuit)
    }

    /// Bits of shares of polynomials' values and of squares, W.
    pub fn square_bits(&self) -> u32 {
        self.circuit.ring().bits()
    }

    /// Whether the data owner has its shares of what a gate reads before the images.
    pub(super) fn is_settled(&self, gate: usize) -> bool {
        self.settled.get(gate).is_some_and(|settled| *settled)
    }

    /// What no logit differs more by from the oracle's, in units of the last place, given what holds for truncations to within one unit
    /// ([`Analysis`](veilbench_mpc::oracle::Analysis)), as these are: besides, logits keep noise.
    pub fn logit_error(&self, within_one_unit: u128) -> u128 {
        within_one_unit.saturating_add(self.logit_noise.into())
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

    /// The comparisons of a gate on so many images.
    ///
    /// # Errors
    /// None for circuits that a plan was made of.
    pub fn comparisons(&self, gate: &Gate, images: usize) -> Result<Option<relu::Layout>, Error> {
        let bits = self.ring_bits();
        let (input_bits, count) = match gate {
            Gate::Relu { units, shift, .. } => (bits - shift, *units),
            Gate::Max { slots, .. } => (bits, larger(slots).count()),
            _ => return Ok(None),
        };
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(relu::Layout::new(input_bits, relu::Output::Relu { bits }, count * images)?))
    }

    /// Truncates wires, back into their ring.
    pub(super) fn truncation(&self, shift: u32) -> Truncation {
        Truncation { ring_bits: self.ring_bits(), shift, lifted_bits: self.ring_bits() }
    }

    /// Lifts what a polynomial reads into the ring of its values.
    pub(super) fn squared(&self, shift: u32) -> Truncation {
        Truncation { ring_bits: self.ring_bits(), shift, lifted_bits: self.square_bits() }
    }

    /// Truncates a polynomial's values, back into the ring of wires.
    pub(super) fn back(&self, shift: u32) -> Truncation {
        Truncation { ring_bits: self.square_bits(), shift, lifted_bits: self.ring_bits() }
    }

    /// Sizes of a gate's polynomials on so many images.
    pub(super) fn squares(&self, gate: &Gate, images: usize) -> Option<Sizes> {
        let Gate::Quadratic { guard, .. } = gate else { return None };
        Some(Sizes { bits: self.square_bits(), count: gate.inputs() * images, squares: guard.is_some() })
    }

    /// A party's shares of what is compared: the bits that truncation leaves. The model owner centres its error.
    pub(super) fn truncated(&self, shift: u32, centred: bool, shares: &[u64]) -> Wiped<u64> {
        let offset = if centred { centring(shift) } else { 0 };
        let truncated =
            shares.iter().map(|share| relu::truncate(self.ring_bits(), shift, share.wrapping_add(offset)));
        truncated.collect::<Vec<u64>>().into()
    }

    /// Bits of a logit that the model owner sends.
    pub(super) fn logit_bits(&self) -> u32 {
        self.ring_bits() - self.circuit.output_shift()
    }
}

/// Bits of shares of all that polynomials do not make.
fn ring_bits(circuit: &Circuit) -> u32 {
    (circuit.ring().bits() + SIGN_BITS).min(MOST_RING_BITS)
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
pub(super) fn differences(inputs: usize, slots: &[Slot], wire: &[u64]) -> Wiped<u64> {
    let images = wire.chunks_exact(inputs);
    let mut differences = Wiped::with_capacity(images.len() * larger(slots).count());
    differences.extend(images.flat_map(|image| larger(slots).map(|[a, b]| image[a].wrapping_sub(image[b]))));
    differences
}

/// A party's shares of the maxima, given those of the differences where they are positive.
pub(super) fn maxima(inputs: usize, slots: &[Slot], wire: &[u64], positive: &[u64]) -> Wiped<u64> {
    let mut positive = positive.iter();
    let images = wire.chunks_exact(inputs);
    let mut maxima = Wiped::with_capacity(images.len() * slots.len());
    let slots = images.flat_map(|image| slots.iter().map(move |slot| (image, slot)));
    maxima.extend(slots.map(|(image, slot)| match slot {
        Slot::Keep(a) => image[*a],
        Slot::Larger(_, b) => image[*b].wrapping_add(positive.next().copied().unwrap_or_default()),
    }));
    maxima
}

/// A party's shares of what pools behind an activation make of its values.
pub(super) fn summed(pools: &[Pool], values: Wiped<u64>) -> Wiped<u64> {
    pools.iter().fold(values, |values, pool| pool.sum(&values).into())
}

/// Computes a local gate: what it makes of a wire and of what was kept.
///
/// # Errors
/// [`Error::Unsupported`] for gates that take messages, and keys: these are not the gate's.
pub(super) fn local(
    (index, gate): (usize, &Gate),
    of_constants: Constants,
    wire: &mut Wiped<u64>,
    kept: &mut Vec<Wiped<u64>>,
) -> Result<(), Error> {
    match gate {
        Gate::Sum(pool) => *wire = pool.sum(wire).into(),
        Gate::Spread { positions, offsets, .. } => *wire = spread(*positions, offsets, of_constants, wire),
        Gate::Keep { .. } => kept.push(wire.clone()),
        Gate::Recall { kept: number, .. } => *wire = kept[*number].clone(),
        Gate::Add { kept: number, shift, .. } => {
            for (value, addend) in wire.iter_mut().zip(kept[*number].iter()) {
                *value = value.wrapping_add(addend << shift);
            }
        }
        Gate::Concat { kept: number, units, .. } => {
            let first = &kept[*number];
            let mut both = Wiped::with_capacity(first.len() + wire.len());
            for (first, second) in first.chunks_exact(units[0]).zip(wire.chunks_exact(units[1])) {
                both.extend_from_slice(first);
                both.extend_from_slice(second);
            }
            *wire = both;
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
fn spread(positions: usize, offsets: &[u64], of_constants: Constants, wire: &[u64]) -> Wiped<u64> {
    let mut copies = Wiped::with_capacity(wire.len() * offsets.len());
    for channel in wire.chunks_exact(positions) {
        for offset in offsets {
            let offset = of_constants.share(*offset);
            copies.extend(channel.iter().map(|value| value.wrapping_sub(offset)));
        }
    }
    copies
}
