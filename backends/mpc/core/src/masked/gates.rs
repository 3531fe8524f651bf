//! How much randomness a gate takes.

use super::comparison::Layout;
use super::keys::key_words;
use super::schedule::transfers;
use super::selection::SELECTION_WORDS;
use crate::circuit::{Circuit, Gate, SignProtocol, Slot};
use crate::cost::Cost;

/// Words of randomness one gate takes for a batch.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sizes {
    /// Values compared.
    pub(crate) compared: usize,
    /// Words of exclusive-or shares.
    pub(crate) bits: usize,
    /// Comparison keys, whose corrections are the same for both parties.
    pub(crate) keys: usize,
    /// Additive shares.
    pub(crate) values: usize,
    /// Values both parties mask and open.
    pub(crate) opening: usize,
    /// Values the data owner masks for the model owner.
    pub(crate) held: usize,
}

impl Sizes {
    /// Whether the dealer sends the model owner anything.
    pub(crate) fn corrected(self) -> bool {
        self.bits + self.keys + self.values > 0
    }

    pub(crate) fn of(gate: &Gate, circuit: &Circuit, images: usize) -> Self {
        let ring = circuit.ring();
        let (inputs, outputs) = (images * gate.inputs(), images * gate.outputs());
        let sums = images * gate.guard().map_or(0, |guard| guard.groups());
        let compare = |compared| match circuit.format.signs {
            SignProtocol::Tree => {
                Sizes { compared, bits: Layout::new(ring, compared).words(), ..Self::default() }
            }
            SignProtocol::Function => Sizes { compared, keys: compared, ..Self::default() },
        };
        match gate {
            Gate::Linear { .. }
            | Gate::Sum(_)
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. } => Self::default(),
            Gate::Max { slots, .. } => {
                let pairs = images * pairs(slots);
                Sizes { values: (SELECTION_WORDS + 1) * pairs, opening: pairs, ..compare(pairs) }
            }
            Gate::Relu { .. } => Sizes {
                values: SELECTION_WORDS * inputs + sums,
                opening: sums,
                held: outputs,
                ..compare(inputs)
            },
            Gate::Quadratic { .. } => Sizes {
                values: QUADRATIC_WORDS * inputs + 2 * outputs + sums,
                opening: outputs + sums,
                held: outputs,
                ..Self::default()
            },
            Gate::Truncate { .. } => Sizes { values: 2 * inputs, held: outputs, ..Self::default() },
            Gate::Output { open, .. } => Sizes { values: if *open { inputs } else { 0 }, ..Self::default() },
        }
    }
}

/// Bytes of randomness that one image takes in the memory of the party that stores more.
pub fn randomness_bytes(circuit: &Circuit) -> usize {
    let words = |gate: &Gate| {
        let sizes = Sizes::of(gate, circuit, 1);
        let key = match circuit.format.signs {
            SignProtocol::Tree => 0,
            SignProtocol::Function => key_words(circuit.ring()),
        };
        // Of a linear layer the model owner stores what completes its product.
        let offset = if let Gate::Linear { shape } = gate { shape.outputs() } else { 0 };
        sizes.bits + sizes.values + sizes.keys * key + sizes.opening + sizes.held + offset
    };
    8 * (circuit.inputs + circuit.gates.iter().map(words).sum::<usize>())
}

/// What the circuit costs.
pub fn cost(circuit: &Circuit) -> Cost<'_> {
    Cost { circuit, sizes: Sizes::of, transfers, products_ahead: true }
}

/// With `K` the truncation's offset: `K`, `K^2`, `alpha K`, `alpha K^2 + beta K`, each for both values of `K`.
pub(crate) const QUADRATIC_WORDS: usize = 8;

/// Comparisons of one level of maxima in one image.
pub(crate) fn pairs(slots: &[Slot]) -> usize {
    slots.iter().filter(|slot| matches!(slot, Slot::Larger(..))).count()
}

/// Differences of the pairs, and the second of each pair, for a whole batch.
pub(crate) fn differences(inputs: usize, slots: &[Slot], wire: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let pairs = |image| {
        slots.iter().filter_map(move |slot| match *slot {
            Slot::Larger(a, b) => Some((image, a, b)),
            Slot::Keep(_) => None,
        })
    };
    wire.chunks_exact(inputs)
        .flat_map(pairs)
        .map(|(image, a, b): (&[u64], usize, usize)| (image[a].wrapping_sub(image[b]), image[b]))
        .unzip()
}

/// The next level: `larger` in place of the pairs, the rest as it was.
pub(crate) fn assemble(inputs: usize, slots: &[Slot], wire: &[u64], larger: &[u64]) -> Vec<u64> {
    let mut larger = larger.iter();
    wire.chunks_exact(inputs)
        .flat_map(|image| slots.iter().map(move |slot| (image, slot)))
        .map(|(image, slot)| match *slot {
            Slot::Larger(..) => larger.next().copied().unwrap_or(0),
            Slot::Keep(a) => image[a],
        })
        .collect()
}
