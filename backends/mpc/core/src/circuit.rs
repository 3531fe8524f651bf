//! A network as the gates the protocols run.
//!
//! After a linear layer a wire is *open*: both parties know the masked value, neither the mask. After a
//! truncation it is *held*: the model owner knows the masked value, the data owner the mask. Linear
//! layers read held wires and write open ones; activations read open wires and write held ones.

mod compile;
mod digest;
pub(crate) mod guard;
pub mod model;
pub(crate) mod parameters;
pub(crate) mod pool;
pub mod program;
mod range;
mod scale;

use std::borrow::Cow;

pub use guard::Guard;
pub use pool::{Pool, Slot};

use crate::linear::LinearShape;
use crate::ring::Ring;

/// How the sign of a masked value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignProtocol {
    /// A tree of tables: two rounds and 2 (L/8 - 1) + 1 bits a value, L = 64: 345 bytes of randomness. Of 27 bits with
    /// [`Width::Bits`], 7 bits a value and 87 bytes.
    Tree,
    /// A distributed comparison function: nothing online, L = 64: 2.1 kB of randomness, to both parties (L = 40: 1.1 kB). Of 27 bits with
    /// [`Width::Bits`], one bit a value and 327 bytes.
    Function,
}

/// In how many bits wires are shared and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// All in the ring of the format, of which values that are opened go over the wire whole, each in whole bytes.
    Bytes,
    /// Every layer in as many bits as its magnitudes ask for, up to the ring of the format, side by side over the wire. Of a value that is
    /// truncated next, only the bits that are left are opened and compared. With masked wires.
    Bits,
}

impl Width {
    /// Bits that a number of so many takes over the wire.
    pub(crate) fn on_the_wire(self, bits: u32) -> u32 {
        match self {
            Width::Bytes => bits.next_multiple_of(8),
            Width::Bits => bits,
        }
    }
}

/// The fixed-point format and the protocol's variant, public.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Fractional bits of inputs and activations.
    pub activation_bits: u32,
    /// Fractional bits of weights.
    pub weight_bits: u32,
    /// The ring everything is shared in, or that of the widest wires.
    pub ring: Ring,
    /// How much of that each wire takes.
    pub width: Width,
    /// How signs are found.
    pub signs: SignProtocol,
    /// No input value is larger in magnitude; the data owner refuses what is.
    pub input_magnitude: f64,
}

/// One step of the protocols. Counts are for one image.
#[derive(Clone, Debug, PartialEq)]
pub enum Gate {
    /// Held to open; fractional bits grow by those of a weight.
    Linear {
        /// Geometry.
        shape: LinearShape,
    },
    /// Open to open: sums of windows, local.
    Sum(Pool),
    /// Open to open: one level of a tree of maxima.
    Max {
        /// Values it reads.
        inputs: usize,
        /// Values it writes, in order.
        slots: Vec<Slot>,
    },
    /// Open to held: `sum over the windows of max(x, 0) >> shift`.
    Relu {
        /// Values it reads.
        units: usize,
        /// Fractional bits it removes.
        shift: u32,
        /// Sums taken before the result is masked again.
        pools: Vec<Pool>,
        /// Over the sums.
        guard: Option<Guard>,
    },
    /// Open to held: with `t = x >> shift`, `(sum over the windows of a t^2 + b t + c) >> square_shift`.
    Quadratic {
        /// Channels: each has its own coefficients.
        channels: usize,
        /// Values of a channel.
        positions: usize,
        /// Fractional bits removed from the input.
        shift: u32,
        /// Fractional bits removed from the result.
        square_shift: u32,
        /// Sums taken before the result is opened.
        pools: Vec<Pool>,
        /// Over the squares of `t`.
        guard: Option<Guard>,
    },
    /// Open to held: `x >> shift`.
    Truncate {
        /// Values it reads.
        units: usize,
        /// Fractional bits it removes.
        shift: u32,
    },
    /// Open to open, local: of every channel a copy less each of the offsets, side by side.
    Spread {
        /// Channels it reads.
        channels: usize,
        /// Values of a channel.
        positions: usize,
        /// What is subtracted, in the fixed point of the wire.
        offsets: Vec<u64>,
        /// Whether what is made of the copies is bounded, however large the value.
        is_bounded: bool,
    },
    /// Local: later gates may read the wire once more.
    Keep {
        /// Values it keeps.
        units: usize,
        /// Whether the wire is open or held.
        open: bool,
    },
    /// Local: the wire is what was kept.
    Recall {
        /// Number of the [`Gate::Keep`].
        kept: usize,
        /// Values that were kept.
        units: usize,
    },
    /// Open to open, straight after a linear layer, whose message it makes its own: adds `kept << shift`.
    Add {
        /// Number of the [`Gate::Keep`].
        kept: usize,
        /// Values it adds.
        units: usize,
        /// Fractional bits that what was kept lacks.
        shift: u32,
    },
    /// Held to held, local: what was kept, and then the wire.
    Concat {
        /// Number of the [`Gate::Keep`].
        kept: usize,
        /// Values of either.
        units: [usize; 2],
        /// Channels of either.
        channels: [usize; 2],
    },
    /// The data owner learns the wire.
    Output {
        /// Number of logits.
        units: usize,
        /// Whether the wire is open or held.
        open: bool,
    },
}

impl Gate {
    /// What is checked of its values.
    pub fn guard(&self) -> Option<Guard> {
        match self {
            Gate::Relu { guard, .. } | Gate::Quadratic { guard, .. } => *guard,
            _ => None,
        }
    }

    /// Values of one image that the gate reads.
    pub fn inputs(&self) -> usize {
        match self {
            Gate::Linear { shape } => shape.inputs(),
            Gate::Sum(pool) => pool.inputs(),
            Gate::Max { inputs, .. } => *inputs,
            Gate::Relu { units, .. }
            | Gate::Truncate { units, .. }
            | Gate::Keep { units, .. }
            | Gate::Recall { units, .. }
            | Gate::Add { units, .. }
            | Gate::Output { units, .. } => *units,
            Gate::Concat { units: [_, units], .. } => *units,
            Gate::Quadratic { channels, positions, .. } | Gate::Spread { channels, positions, .. } => {
                channels * positions
            }
        }
    }

    /// Values of one image that the gate writes.
    pub fn outputs(&self) -> usize {
        match self {
            Gate::Linear { shape } => shape.outputs(),
            Gate::Sum(pool) => pool.outputs(),
            Gate::Max { slots, .. } => slots.len(),
            Gate::Spread { offsets, .. } => self.inputs() * offsets.len(),
            Gate::Relu { pools, .. } | Gate::Quadratic { pools, .. } => {
                pools.last().map_or(self.inputs(), Pool::outputs)
            }
            Gate::Truncate { units, .. }
            | Gate::Keep { units, .. }
            | Gate::Recall { units, .. }
            | Gate::Add { units, .. }
            | Gate::Output { units, .. } => *units,
            Gate::Concat { units: [kept, units], .. } => kept + units,
        }
    }
}

/// A compiled network: everything public about a session. All parties hold the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    pub(crate) format: Format,
    pub(crate) inputs: usize,
    pub(crate) gates: Vec<Gate>,
    /// The layer each gate comes from.
    pub(crate) layers: Vec<usize>,
    /// The ring of the wire that each gate reads.
    pub(crate) rings: Vec<Ring>,
    /// What the weights of each gate are to be divided by, because a mean was left a sum.
    pub(crate) divisors: Vec<f64>,
    /// What the parameters of each gate are multiplied with, so that what it writes is of a size that fixed point holds well.
    pub(crate) scales: Vec<f64>,
    /// Magnitudes that are expected of what a gate computes, before its pools.
    pub(crate) expected: Vec<Option<f64>>,
    /// Fractional bits taken off open logits before they leave.
    pub(crate) output_shift: u32,
    pub(crate) output_bits: u32,
    pub(crate) output_divisor: f64,
    /// Digest of everything the parties must agree on.
    pub(crate) digest: u64,
    /// Digest of what a model is encoded for.
    pub(crate) encoding: u64,
}

impl Circuit {
    /// The format it was compiled for.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The ring everything is shared in, or that of the widest wires.
    pub fn ring(&self) -> Ring {
        self.format.ring
    }

    /// The ring of the wire that the gate of an index reads.
    pub fn ring_of(&self, index: usize) -> Ring {
        self.rings.get(index).copied().unwrap_or(self.format.ring)
    }

    /// The ring of the wire that the gate of an index writes.
    pub fn ring_behind(&self, index: usize) -> Ring {
        self.ring_of((index + 1).min(self.gates.len().saturating_sub(1)))
    }

    /// The ring of the additive shares that are dealt for the gate of an index, and of the sums of its guard.
    pub fn ring_of_shares(&self, index: usize) -> Ring {
        match self.gates.get(index) {
            Some(Gate::Relu { .. } | Gate::Truncate { .. }) => self.ring_behind(index),
            Some(Gate::Quadratic { .. }) => self.format.ring,
            _ => self.ring_of(index),
        }
    }

    /// The ring of the parameters of the gate of an index.
    pub fn ring_of_parameters(&self, index: usize) -> Ring {
        match self.gates.get(index) {
            Some(Gate::Quadratic { .. }) => self.format.ring,
            _ => self.ring_of(index),
        }
    }

    /// Bits that the gate of an index takes off the wire it reads before it looks at anything else of it.
    pub(crate) fn taken_off(&self, index: usize) -> u32 {
        match (self.format.width, self.gates.get(index)) {
            (Width::Bits, Some(Gate::Relu { shift, .. })) => *shift,
            _ => 0,
        }
    }

    /// Low bits of an opened wire, which the gate of an index writes, that nobody reads.
    pub fn dropped(&self, index: usize) -> u32 {
        match (self.format.width, self.gates.get(index + 1)) {
            (
                Width::Bits,
                Some(Gate::Relu { shift, .. } | Gate::Quadratic { shift, .. } | Gate::Truncate { shift, .. }),
            ) => *shift,
            _ => 0,
        }
    }

    /// What the gate of an index compares of values: what is left of them, and bits that nobody reads.
    pub(crate) fn compared<'a>(&self, index: usize, values: &'a [u64]) -> Cow<'a, [u64]> {
        match self.taken_off(index) {
            0 => values.into(),
            shift => values.iter().map(|value| value >> shift).collect(),
        }
    }

    /// Bits of a value that the gate of an index compares, and its sign.
    pub fn compared_bits(&self, index: usize) -> u32 {
        self.ring_of(index).bits() - self.taken_off(index)
    }

    /// Fingerprint of all that parties have to agree on: the revision of the protocols, layers, format and calibrated magnitudes.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Values of one image.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether the gate of an index is a linear layer whose output the data owner learns with the sum that follows, or as logits.
    pub(crate) fn is_merged(&self, index: usize) -> bool {
        matches!(self.gates.get(index + 1), Some(Gate::Output { .. } | Gate::Add { .. }))
    }

    /// Logits of one image.
    pub fn outputs(&self) -> usize {
        self.gates.last().map_or(0, Gate::outputs)
    }

    /// The gates in order; the last is an [`Gate::Output`].
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// Bits of an open logit that leave the protocol.
    pub(crate) fn logit_bits(&self) -> u32 {
        self.ring_of(self.gates.len().saturating_sub(1)).bits() - self.output_shift
    }

    /// The ring element for a logit of which the low [`logit_bits`](Self::logit_bits) are there.
    pub(crate) fn extended(&self, logit: u64) -> u64 {
        let unused = 64 - self.logit_bits();
        self.ring().reduce((((logit << unused) as i64) >> unused) as u64)
    }

    /// Fractional bits that open logits lose before they leave.
    pub fn output_shift(&self) -> u32 {
        self.output_shift
    }

    /// A logit as a number.
    pub fn decode(&self, logit: u64) -> f64 {
        crate::ring::decode(self.ring(), logit, self.output_bits) / self.output_divisor
    }
}
