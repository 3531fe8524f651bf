//! What is public of a network: places of linear layers, sizes of comparisons, and which images guards refuse.

use std::sync::Arc;

use veilbench_mpc::circuit::{Circuit, Gate, Pool, Slot};
use veilbench_mpc::model::Model;
use veilbench_mpc::oracle::{self, Analysis};
use veilbench_ot::relu;
use veilbench_ring::wiped::Wiped;

use super::{noise, settled};
use crate::Error;
use crate::linear::{Layout, MOST_RING_BITS, Primes};
use crate::quadratic::Sizes;
use crate::truncation::{Truncation, centring};

/// Bytes of a circuit's fingerprint.
pub(super) const CIRCUIT_BYTES: usize = size_of::<u64>();
/// Bits of shares beyond those of what they hold.
const SIGN_BITS: u32 = 1;
/// Bits by which primes grow where noise asks for longer ones.
const BITS_MORE: u32 = 4;
/// Why gates are refused whose values truncation cannot hold.
const TRUNCATION: &str = "truncation leaves no bits, or drops none";

/// A circuit for two parties. Both make the same of it.
#[derive(Clone, Debug)]
pub struct Plan {
    circuit: Arc<Circuit>,
    /// Bits of shares of what each gate reads.
    bits: Vec<u32>,
    primes: Primes,
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
        let bits = bits_of_gates(&circuit);
        let linear =
            circuit.gates().iter().zip(&bits).filter(|(gate, _)| matches!(gate, Gate::Linear { .. }));
        let longest = linear.map(|(_, bits)| *bits).max().unwrap_or_default();
        let mut left = longest.saturating_sub(circuit.format().weight_bits);
        let (primes, layouts, logit_noise) = loop {
            let primes = Primes::new(left);
            let layouts = laid_out(&circuit, &bits, primes)?;
            match noise::of_logits(&circuit, &layouts) {
                Ok(noise) => break (primes, layouts, noise),
                Err(Error::Noise { .. }) if !primes.are_longest() => left += BITS_MORE,
                Err(error) => return Err(error),
            }
        };
        let settled = settled::of_gates(circuit.gates());
        let plan = Self { circuit, bits, primes, layouts, settled, logit_noise };
        for (gate, of) in plan.circuit.gates().iter().enumerate() {
            plan.refuse((gate, of))?;
        }
        Ok(plan)
    }

    /// Refuses a gate that has no bits left behind a truncation, or behind its guard's.
    fn refuse(&self, (gate, of): (usize, &Gate)) -> Result<(), Error> {
        let exists = match of {
            Gate::Relu { shift, .. } => self.leaves_bits(gate, *shift),
            Gate::Truncate { shift, .. } => self.truncation(gate, *shift).exists(),
            Gate::Quadratic { shift, square_shift, .. } => {
                self.squared(gate, *shift).exists() && self.back(gate, *square_shift).exists()
            }
            _ => true,
        };
        let reason = match self.guarding((gate, of)) {
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
        Ok(oracle::analyse_within(&self.circuit, model, MOST_RING_BITS - SIGN_BITS)?)
    }

    /// The circuit.
    pub fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }

    /// Bits of shares of what a gate reads, L.
    pub fn ring_bits(&self, gate: usize) -> u32 {
        self.bits.get(gate).copied().unwrap_or(MOST_RING_BITS)
    }

    /// Bits of shares of what a gate writes.
    pub fn ring_bits_behind(&self, gate: usize) -> u32 {
        self.ring_bits((gate + 1).min(self.bits.len().saturating_sub(1)))
    }

    /// Primes of the ciphertexts of all layers.
    pub fn primes(&self) -> Primes {
        self.primes
    }

    /// Whether answers of linear layers are modulo both primes.
    pub fn has_long_answers(&self) -> bool {
        self.primes.of_answers() > 1
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

    /// The last gate before which no more than half of the weights' polynomials are: the first, if its layer has more.
    pub(super) fn middle_of_weights(&self) -> usize {
        let polynomials =
            |layout: &Option<Arc<Layout>>| layout.as_ref().map_or(0, |layout| layout.weights.len());
        let all: usize = self.layouts.iter().map(polynomials).sum();
        let up_to = self.layouts.iter().scan(0, |sum, layout| {
            *sum += polynomials(layout);
            Some(*sum)
        });
        up_to.take_while(|sum| *sum <= all / 2).count()
    }

    /// The comparisons of a gate on so many images.
    ///
    /// # Errors
    /// None for circuits that a plan was made of.
    pub fn comparisons(
        &self,
        (index, gate): (usize, &Gate),
        images: usize,
    ) -> Result<Option<relu::Layout>, Error> {
        let bits = self.ring_bits(index);
        let (input_bits, count) = match gate {
            Gate::Relu { units, shift, .. } => (bits - shift, *units),
            Gate::Max { slots, .. } => (bits, larger(slots).count()),
            _ => return Ok(None),
        };
        if count == 0 {
            return Ok(None);
        }
        let output = relu::Output::Relu { bits: self.ring_bits_behind(index) };
        Ok(Some(relu::Layout::new(input_bits, output, count * images)?))
    }

    /// Whether a truncation of what a gate reads drops bits and leaves some.
    fn leaves_bits(&self, gate: usize, shift: u32) -> bool {
        shift > 0 && shift + 2 < self.ring_bits(gate)
    }

    /// Truncates what a gate reads, into the ring of what it writes.
    pub(super) fn truncation(&self, gate: usize, shift: u32) -> Truncation {
        let [ring_bits, lifted_bits] = [self.ring_bits(gate), self.ring_bits_behind(gate)];
        Truncation { ring_bits, shift, lifted_bits }
    }

    /// Lifts what a polynomial reads into the ring of its values.
    pub(super) fn squared(&self, gate: usize, shift: u32) -> Truncation {
        Truncation { ring_bits: self.ring_bits(gate), shift, lifted_bits: self.square_bits() }
    }

    /// Truncates a polynomial's values, into the ring of what it writes.
    pub(super) fn back(&self, gate: usize, shift: u32) -> Truncation {
        Truncation { ring_bits: self.square_bits(), shift, lifted_bits: self.ring_bits_behind(gate) }
    }

    /// Sizes of a gate's polynomials on so many images.
    pub(super) fn squares(&self, gate: &Gate, images: usize) -> Option<Sizes> {
        let Gate::Quadratic { guard, .. } = gate else { return None };
        Some(Sizes { bits: self.square_bits(), count: gate.inputs() * images, squares: guard.is_some() })
    }

    /// A party's shares of the bits that truncation leaves of what a gate reads. The model owner centres its error.
    pub(super) fn truncated(&self, gate: usize, shift: u32, centred: bool, shares: &[u64]) -> Wiped<u64> {
        let (bits, offset) = (self.ring_bits(gate), if centred { centring(shift) } else { 0 });
        let truncated = shares.iter().map(|share| relu::truncate(bits, shift, share.wrapping_add(offset)));
        truncated.collect::<Vec<u64>>().into()
    }

    /// Number of the gate that opens the logits.
    pub(super) fn last(&self) -> usize {
        self.circuit.gates().len().saturating_sub(1)
    }

    /// Bits of a logit that the model owner sends.
    pub(super) fn logit_bits(&self) -> u32 {
        self.ring_bits(self.last()) - self.circuit.output_shift()
    }
}

/// Bits of shares of what each gate reads: a sign more than the circuit's ring has, and more than the truncation before it leaves, so that its shares are lifted.
fn bits_of_gates(circuit: &Circuit) -> Vec<u32> {
    let mut least = 0;
    let bits_of = |(index, gate): (usize, &Gate)| {
        let bits = (circuit.ring_of(index).bits() + SIGN_BITS).max(least).min(MOST_RING_BITS);
        match gate {
            Gate::Relu { .. } => least = 0,
            Gate::Truncate { shift, .. } => least = bits.saturating_sub(*shift) + 1,
            Gate::Quadratic { square_shift, .. } => {
                least = circuit.ring().bits().saturating_sub(*square_shift) + 1;
            }
            _ => {}
        }
        bits
    };
    circuit.gates().iter().enumerate().map(bits_of).collect()
}

/// Places of every linear layer.
fn laid_out(circuit: &Circuit, bits: &[u32], primes: Primes) -> Result<Vec<Option<Arc<Layout>>>, Error> {
    let layout = |(gate, bits): (&Gate, &u32)| match gate {
        Gate::Linear { shape } => Layout::new(*shape, *bits, primes).map(|layout| Some(Arc::new(layout))),
        _ => Ok(None),
    };
    circuit.gates().iter().zip(bits).map(layout).collect()
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
