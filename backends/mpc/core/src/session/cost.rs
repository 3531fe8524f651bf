//! What a session costs, counted from the circuit alone: bytes that are sent, operations, memory.
//!
//! Bytes sent are exact. Memory is that of what a party holds for as long as a phase takes, and of the gate that takes most while its
//! randomness is dealt or its weights are prepared.

mod windows;

pub use windows::GateWindow;

use std::ops::Range;

use super::Protocol;
use super::randomness::keys::{KeyForm, portions};
use super::randomness::masks::Role;
use super::randomness::setup_seed::{HEADER_BYTES, SetupSeed};
use super::randomness::{parameter_bytes, parameter_counts};
use super::schedule::{Incoming, Transfer, incoming};
use super::sizes::Sizes;
use crate::circuit::{Circuit, Gate};
use crate::linear::LinearShape;
use crate::product::LANES;

const WORD: usize = size_of::<u64>();
/// Words for a value that is compared by spans of bits: its masked share, what was opened and what was truncated, two bits a span, and
/// the factors that are opened.
const WORDS_OF_SPANS: usize = 6;

/// Messages of a phase and their bytes, of all roles together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Payload.
    pub bytes: usize,
    /// Number of messages.
    pub messages: usize,
}

impl Traffic {
    /// So many times as much.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        let Self { bytes, messages } = self;
        Self { bytes: bytes.saturating_mul(count), messages: messages.saturating_mul(count) }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            messages: self.messages.saturating_add(other.messages),
        }
    }
}

/// Operations of one image in the online phase, at the party that does more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Products of two ring elements in linear layers.
    pub products: usize,
    /// Values whose sign is found.
    pub comparisons: usize,
    /// Values whose polynomial is evaluated.
    pub squares: usize,
}

/// Bytes each role holds at most in a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// At the data owner.
    pub data_owner: usize,
    /// At the model owner.
    pub model_owner: usize,
    /// At the dealer.
    pub dealer: usize,
}

impl Memory {
    fn each(self, other: Self, of: impl Fn(usize, usize) -> usize) -> Self {
        Self {
            data_owner: of(self.data_owner, other.data_owner),
            model_owner: of(self.model_owner, other.model_owner),
            dealer: of(self.dealer, other.dealer),
        }
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        self.each(Self::default(), |own, _| own.saturating_mul(count))
    }

    /// Both at the same time.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, usize::saturating_add)
    }

    /// For each role the larger of both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.each(other, usize::max)
    }
}

/// The cost of one circuit in one protocol.
pub struct Cost<'a> {
    circuit: &'a Circuit,
    /// Randomness of the gate of an index for so many images.
    sizes: fn(usize, &Circuit, usize) -> Sizes,
    /// The online phase of so many images.
    transfers: fn(&Circuit, usize) -> Vec<Transfer>,
    /// Bytes of the messages that the data owner sends ahead of so many images for a window of gates.
    ahead: fn(&Circuit, Range<usize>, usize) -> Vec<usize>,
    /// Whether products of masks and masked weights are made before the image is there, and sent ahead of it.
    products_ahead: bool,
}

impl<'a> Cost<'a> {
    /// The cost of a circuit in a protocol.
    pub fn of<P: Protocol>(circuit: &'a Circuit) -> Self {
        let products_ahead = !P::ahead(circuit, 0..circuit.gates.len(), 1).is_empty();
        Self { circuit, sizes: P::sizes, transfers: P::transfers, ahead: P::ahead, products_ahead }
    }

    /// Bytes of randomness that one image takes in the memory of the party that stores more.
    pub fn randomness_bytes(&self) -> usize {
        WORD * self.circuit.inputs + self.gates().map(|index| self.gate_bytes(index, 1)).sum::<usize>()
    }

    /// The part of it that a gate takes, of so many images.
    fn gate_bytes(&self, index: usize, images: usize) -> usize {
        let (gate, sizes) = (&self.circuit.gates[index], (self.sizes)(index, self.circuit, images));
        // Of a linear layer the model owner stores what completes its product.
        let is_completed = self.products_ahead && matches!(gate, Gate::Linear { .. });
        let offset = if is_completed { images * gate.outputs() } else { 0 };
        let shared = sizes.bits + sizes.values + self.key_words(index, sizes);
        WORD * (shared + sizes.opening + sizes.held + offset)
    }

    /// All gates.
    fn gates(&self) -> Range<usize> {
        0..self.circuit.gates.len()
    }

    /// Words of a gate's comparison keys.
    fn key_words(&self, index: usize, sizes: Sizes) -> usize {
        if sizes.keys == 0 { 0 } else { sizes.keys * KeyForm::new(self.circuit, index).words() }
    }

    fn element(&self) -> usize {
        self.circuit.ring().bytes()
    }

    /// Values of one image.
    pub fn inputs(&self) -> usize {
        self.circuit.inputs
    }

    /// Number of secret parameters but biases and constants.
    pub fn parameters(&self) -> usize {
        parameter_counts(self.circuit).iter().sum()
    }

    fn linear(&self) -> impl Iterator<Item = &LinearShape> {
        self.circuit.gates.iter().filter_map(|gate| match gate {
            Gate::Linear { shape } => Some(shape),
            _ => None,
        })
    }

    /// The setup phase of a session with a dealer: a setup seed for each owner from it, and the masked parameters. Owners that draw their seeds
    /// themselves send less.
    pub fn setup(&self) -> Traffic {
        Traffic { bytes: 2 * SetupSeed::BYTES + self.parameters_message(), messages: 3 }
    }

    fn parameters_message(&self) -> usize {
        HEADER_BYTES + parameter_bytes(self.circuit)
    }

    /// The offline phase of so many images in one message.
    pub fn offline(&self, images: usize) -> Traffic {
        self.dealt(images).plus(self.ahead(images))
    }

    /// What the data owner sends ahead of so many images in one message.
    pub fn ahead(&self, images: usize) -> Traffic {
        self.ahead_of(self.gates(), images)
    }

    /// The same for a window of gates.
    pub fn ahead_of(&self, gates: Range<usize>, images: usize) -> Traffic {
        let ahead = (self.ahead)(self.circuit, gates, images);
        Traffic { bytes: ahead.iter().sum(), messages: ahead.len() }
    }

    /// What a dealer sends both owners for so many images in one message.
    pub fn dealt(&self, images: usize) -> Traffic {
        self.dealt_for(self.gates(), images)
    }

    /// The same for a window of gates.
    pub fn dealt_for(&self, gates: Range<usize>, images: usize) -> Traffic {
        let mut traffic = Traffic::default();
        let mut send = |bytes: usize, times: usize| {
            traffic.bytes += times * bytes;
            traffic.messages += times;
        };
        for index in gates {
            let sizes = (self.sizes)(index, self.circuit, images);
            if sizes.corrected() {
                let shares = self.circuit.ring_of_shares(index).packed(sizes.values);
                send(HEADER_BYTES + WORD * sizes.bits + shares, 1);
            }
            for keys in portions(sizes.keys) {
                send(HEADER_BYTES + KeyForm::new(self.circuit, index).bytes(keys.len()), 2);
            }
        }
        traffic
    }

    /// The online phase of so many images in one message.
    pub fn online(&self, images: usize) -> Traffic {
        let messages = self.messages(images);
        Traffic { bytes: messages.iter().map(|message| message.bytes).sum(), messages: messages.len() }
    }

    /// Messages of the online phase that wait for one another: the rounds. Two in a row of one party are one.
    pub fn rounds(&self) -> usize {
        self.messages(1).iter().filter(|message| !message.is_followed).count()
    }

    fn messages(&self, images: usize) -> Vec<Incoming> {
        let transfers = (self.transfers)(self.circuit, images);
        [Role::DataOwner, Role::ModelOwner].map(|role| incoming(&transfers, role)).concat()
    }

    /// The operations of one image.
    pub fn work(&self) -> Work {
        let products: usize = self.linear().map(|shape| shape.outputs() * shape.weights_per_output()).sum();
        let compared = |index| (self.sizes)(index, self.circuit, 1).compared;
        let squared = |gate: &Gate| if let Gate::Quadratic { .. } = gate { gate.inputs() } else { 0 };
        Work {
            // Without products ahead the model owner applies masks and masked weights.
            products: products * if self.products_ahead { 1 } else { 2 },
            comparisons: (0..self.circuit.gates.len()).map(compared).sum(),
            squares: self.circuit.gates.iter().map(squared).sum(),
        }
    }

    /// Memory of the setup phase. Weights are made ready gate by gate, each from as many words of their own.
    pub fn setup_memory(&self) -> Memory {
        let message = self.parameters_message();
        let (mut ready, mut left) = (0, WORD * self.parameters());
        let all = left;
        let floats = all / 2;
        let mut memory = Memory { model_owner: floats + all, ..Memory::default() };
        for (gate, count) in self.circuit.gates.iter().zip(parameter_counts(self.circuit)) {
            let (raw, map) = (WORD * count, prepared_bytes(gate, count));
            let model_owner = if self.products_ahead {
                // Weights and masks of what is left, and the map of one gate in place of its masks.
                ready + left + (left - raw) + map.max(raw)
            } else {
                // Besides them the masked weights, and maps of the masks and of the masked weights.
                2 * ready + 2 * left + raw + (map + map.saturating_sub(raw)).max(map)
            };
            memory = memory.max(Memory {
                data_owner: message + ready + raw + map,
                model_owner: message + model_owner,
                dealer: ready + left + map,
            });
            left -= raw;
            ready += map;
        }
        memory
    }

    /// Memory of weights between the phases.
    pub fn held_memory(&self) -> Memory {
        let counts = parameter_counts(self.circuit);
        let maps = self.circuit.gates.iter().zip(counts).map(|(gate, count)| prepared_bytes(gate, count));
        let maps: usize = maps.sum();
        let model_owner = if self.products_ahead { maps } else { 2 * maps };
        Memory { data_owner: maps, model_owner, dealer: maps }
    }

    /// Memory of the randomness of so many images in one message for a window of gates, ready for the online phase, and of the masks of the images.
    pub fn ready_memory(&self, gates: Range<usize>, images: usize) -> Memory {
        let mut memory = Memory { data_owner: WORD * images * self.circuit.inputs, ..Memory::default() };
        for index in gates {
            let gate = &self.circuit.gates[index];
            let sizes = (self.sizes)(index, self.circuit, images);
            let unused = match gate {
                // Shares of powers of both offsets are needed as they came only where a guard looks at squares.
                Gate::Quadratic { guard: None, .. } if self.products_ahead => 4 * images * gate.inputs(),
                _ => 0,
            };
            let both = sizes.bits + sizes.values - unused + sizes.opening + self.key_words(index, sizes);
            let offset =
                if self.products_ahead && matches!(gate, Gate::Linear { .. }) { gate.outputs() } else { 0 };
            memory.data_owner += WORD * (both + sizes.held);
            memory.model_owner += WORD * (both + images * offset);
        }
        memory
    }

    /// Memory while the randomness of so many images in one message is made for a window of gates, of the gate that takes most: at the dealer its bits and
    /// values, and the data owner's shares of them or the message; at the model owner that message. Besides, the masks of wires that are
    /// kept, with masked wires.
    pub fn dealing_memory(&self, gates: Range<usize>, images: usize) -> Memory {
        let mut memory = Memory::default();
        for index in gates.clone() {
            let gate = &self.circuit.gates[index];
            let sizes = (self.sizes)(index, self.circuit, images);
            let dealt = WORD * (sizes.bits + sizes.values);
            let message = WORD * sizes.bits + self.element() * sizes.values;
            let roots = 2 * size_of::<u128>() * sizes.keys;
            memory = memory.max(Memory {
                data_owner: 0,
                model_owner: message,
                dealer: dealt
                    + dealt.max(message)
                    + roots
                    + 2 * WORD * images * gate.inputs().max(gate.outputs()),
            });
        }
        if self.products_ahead {
            let outputs = gates.map(|index| match &self.circuit.gates[index] {
                Gate::Linear { shape } => shape.outputs(),
                _ => 0,
            });
            let outputs = outputs.sum::<usize>();
            let kept = self.kept_memory(images);
            memory.data_owner = self.element() * images * outputs + kept;
            memory.dealer += kept;
        }
        memory
    }

    /// Memory of values under way while so many images in one message run.
    pub fn running_memory(&self, images: usize) -> Memory {
        let values = |(index, gate): (usize, &Gate)| {
            let compared = (self.sizes)(index, self.circuit, images).compared;
            let spans = if self.products_ahead { 0 } else { WORDS_OF_SPANS * WORD * compared };
            (WORD + self.element()) * images * (gate.inputs() + gate.outputs()) + spans
        };
        let both = self.kept_memory(images)
            + self.circuit.gates.iter().enumerate().map(values).max().unwrap_or(0)
            + self.patches_memory();
        Memory { data_owner: both, model_owner: both, dealer: 0 }
    }

    /// Memory of the wires that are kept.
    fn kept_memory(&self, images: usize) -> usize {
        let kept = |gate: &Gate| if let Gate::Keep { units, .. } = gate { WORD * images * units } else { 0 };
        self.circuit.gates.iter().map(kept).sum()
    }

    /// Memory of the values under all windows of one image, which a convolution brings together.
    fn patches_memory(&self) -> usize {
        let patches = self.linear().map(|shape| match shape {
            LinearShape::Dense { .. } => 0,
            LinearShape::Conv2d { output, .. } => {
                WORD * shape.weights_per_output() * (output[0] * output[1]).next_multiple_of(LANES)
            }
        });
        patches.max().unwrap_or(0)
    }
}

/// Bytes of a gate's weights once they are ready for products.
fn prepared_bytes(gate: &Gate, count: usize) -> usize {
    match gate {
        Gate::Linear { shape: LinearShape::Dense { inputs, outputs } } => {
            WORD * inputs * outputs.next_multiple_of(LANES)
        }
        _ => WORD * count,
    }
}
