//! Memory of both parties, from public numbers. What is prepared for a batch and what weights take is counted; of what takes most beside them, the gate that is under way,
//! bytes a transfer and a value are stated.

use veilbench_mpc::circuit::Gate;
use veilbench_mpc::product::LANES;
use veilbench_ot::relu::Layout as Comparisons;

use super::Plan;
use crate::Error;
use crate::linear::DEGREE;

/// Bytes of a number, and of a row of residues.
const WORD: usize = size_of::<u64>();
const ROW: usize = WORD * DEGREE;
/// Bytes of a row of an extension, and of its receiver's choice.
const EXTENDED: usize = size_of::<u128>() + 1;
/// Bytes of what a place of a layer is remembered with.
const PLACE: usize = 8;
/// Rows of residues under way with one ciphertext: parts of an encoding, errors, products.
const ROWS_OF_A_CIPHERTEXT: usize = 12;
/// Words under way for a value whose sign is found.
const WORDS_OF_A_COMPARISON: usize = 10;
/// Words of a wire under way, of each value that the gate reads or writes.
const WORDS_OF_A_WIRE: usize = 4;
/// Bytes of a transfer whose number is multiplied: rows, keys for two numbers of both of their transfers, choices, numbers and shares.
const BYTES_OF_A_PRODUCT: usize = 120;

/// Bytes at either party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// At the data owner.
    pub data_owner: usize,
    /// At the model owner.
    pub model_owner: usize,
}

impl Memory {
    fn of_both(bytes: usize) -> Self {
        Self { data_owner: bytes, model_owner: bytes }
    }

    fn add(&mut self, other: Self) {
        self.data_owner = self.data_owner.saturating_add(other.data_owner);
        self.model_owner = self.model_owner.saturating_add(other.model_owner);
    }

    fn max(self, other: Self) -> Self {
        Self {
            data_owner: self.data_owner.max(other.data_owner),
            model_owner: self.model_owner.max(other.model_owner),
        }
    }
}

impl Plan {
    /// Memory of a session whose batches are prepared and run so many images at once.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn memory(&self, images: usize) -> Result<Memory, Error> {
        let (mut ready, mut under_way) = (Memory::default(), Memory::default());
        for gate in self.circuit().gates().iter().enumerate() {
            ready.add(self.ready(gate, images)?);
            under_way = under_way.max(self.under_way(gate, images)?);
        }
        ready.add(under_way);
        let mut all = ready.max(self.setting_up());
        all.add(self.between_batches());
        Ok(all)
    }

    /// Memory of what is prepared for an image until it runs, at the party that holds more.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn image_bytes(&self) -> Result<usize, Error> {
        let [one, two] = [1, 2].map(|images| self.memory(images));
        let (one, two) = (one?, two?);
        Ok((two.data_owner - one.data_owner).max(two.model_owner - one.model_owner))
    }

    /// Places of all layers, and weights as polynomials and for products in the clear.
    fn between_batches(&self) -> Memory {
        let mut all = Memory::default();
        for layout in self.layouts() {
            let shape = layout.shape();
            let padded = shape.weights() + LANES * shape.inputs();
            all.add(Memory::of_both(PLACE * layout.places()));
            all.model_owner += 2 * ROW * layout.weights.len() + WORD * padded;
        }
        all
    }

    /// Weights as they came and as they were encoded, and those of a layer once more.
    fn setting_up(&self) -> Memory {
        let weights: usize = self.layouts().map(|layout| layout.shape().weights()).sum();
        Memory { data_owner: 0, model_owner: (size_of::<f32>() + 2 * WORD) * weights }
    }

    /// What is prepared of a gate.
    fn ready(&self, (index, gate): (usize, &Gate), images: usize) -> Result<Memory, Error> {
        let (inputs, outputs) = (images * gate.inputs(), images * gate.outputs());
        let mut ready = Memory::default();
        if let Gate::Linear { .. } = gate {
            ready.add(Memory { data_owner: WORD * (inputs + outputs), model_owner: WORD * outputs });
        }
        if let Some(layout) = self.comparisons((index, gate), images)? {
            ready.add(of_comparisons(layout, self.is_settled(index)));
        }
        if let Gate::Truncate { .. } | Gate::Quadratic { .. } = gate {
            ready.add(Memory::of_both(2 * WORD * inputs));
        }
        if let Gate::Quadratic { .. } = gate {
            ready.add(Memory::of_both(4 * WORD * inputs + 2 * WORD * outputs));
        }
        if let Gate::Keep { units, .. } = gate {
            ready.add(Memory::of_both(WORD * units * images));
        }
        if let Some(guarding) = self.guarding((index, gate)) {
            let lookups = guarding.layout(images)?.lookups();
            ready.add(Memory { data_owner: 9 * lookups, model_owner: 16 * WORD * lookups });
        }
        Ok(ready)
    }

    /// What a gate takes while it is prepared, or while it runs.
    fn under_way(&self, (index, gate): (usize, &Gate), images: usize) -> Result<Memory, Error> {
        let (inputs, outputs) = (images * gate.inputs(), images * gate.outputs());
        let wires = WORDS_OF_A_WIRE * WORD * (inputs + outputs);
        let mut most = match gate {
            Gate::Linear { .. } => {
                let layout = self.layout(index)?;
                let messages = 2 * (layout.request_bytes() + layout.answer_bytes());
                let of_both = messages + ROWS_OF_A_CIPHERTEXT * ROW;
                Memory { data_owner: of_both, model_owner: of_both + 4 * ROW * layout.ciphertexts()[0] }
            }
            Gate::Truncate { .. } => Memory::of_both(3 * EXTENDED * inputs),
            _ => Memory::default(),
        };
        if let Some(layout) = self.comparisons((index, gate), images)? {
            most = most.max(Memory::of_both(extending(layout)));
            let running = WORDS_OF_A_COMPARISON * WORD * layout.lanes() + 3 * layout.lookups();
            most = most.max(Memory::of_both(running + wires));
        }
        if let Some(sizes) = self.squares(gate, images) {
            let portion = sizes.portions().next().map_or(0, |portion| portion.transfers());
            // Besides, coefficients of every value.
            most = most.max(Memory::of_both(BYTES_OF_A_PRODUCT * portion + 3 * WORD * inputs));
        }
        if let Some(guarding) = self.guarding((index, gate)) {
            most = most.max(Memory::of_both(3 * EXTENDED * guarding.layout(images)?.lookups()));
        }
        Ok(most.max(Memory::of_both(wires)))
    }
}

/// What is prepared for comparisons.
fn of_comparisons(layout: Comparisons, is_settled: bool) -> Memory {
    let (lanes, lookups) = (layout.lanes(), layout.lookups());
    let lifts = layout.offered() - layout.returned();
    // A pair of keys and a chosen key for each multiplexer; of triples five bits each.
    let shared = 25 * lanes + 5 * layout.returned() / 8;
    let choices = if is_settled { layout.message_bytes(0) } else { 0 };
    Memory {
        data_owner: shared + 2 * lookups + 9 * lifts + 9 * lanes,
        model_owner: shared + 4 * lookups + 16 * lifts + choices,
    }
}

/// What extending the transfers of comparisons takes at most, when those of triples are hashed: rows of all, keys of triples, and both messages.
fn extending(layout: Comparisons) -> usize {
    let rows = EXTENDED * (layout.lookups() + layout.offered() + layout.returned());
    let keys = 3 * size_of::<u128>() * layout.returned();
    let messages = 4 * (layout.lookups() + layout.offered() + layout.returned());
    rows + keys + messages
}
