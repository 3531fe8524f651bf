//! Which stream of a seed masks what. Each is read once a batch.

use crate::circuit::Circuit;
use crate::random::{Seed, Stream};

/// Which of the two computing parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    DataOwner,
    ModelOwner,
}

impl Role {
    pub(crate) fn peer(self) -> &'static str {
        match self {
            Role::DataOwner => "model owner",
            Role::ModelOwner => "data owner",
        }
    }

    /// The share of a public bit pattern or value: the data owner has all of it.
    pub(crate) fn public(self, value: u64) -> u64 {
        match self {
            Role::DataOwner => value,
            Role::ModelOwner => 0,
        }
    }
}

/// What a stream of a gate is for.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// The data owner's exclusive-or shares.
    Bits = 0,
    /// The data owner's additive shares.
    Values = 1,
    /// A party's part of the mask of a wire that is opened.
    Opening = 2,
    /// The data owner's mask of a held wire.
    Held = 3,
    /// Roots of a party's comparison keys.
    Roots = 6,
    /// The data owner's part of the mask of a linear layer's output.
    Product = 7,
    /// The dealer's bits.
    Secret = 4,
    /// The model owner's masks of its parameters.
    Parameters = 5,
}

/// The stream of `seed` for one purpose of one gate.
pub(crate) fn stream(seed: &Seed, gate: usize, purpose: Purpose) -> Stream {
    seed.stream((gate as u64) << 3 | purpose as u64)
}

/// The data owner's mask of the input: numbered as a gate after the last.
pub(crate) fn input_mask(circuit: &Circuit, seed: &Seed, images: usize) -> Vec<u64> {
    stream(seed, circuit.gates.len(), Purpose::Held).words(images * circuit.inputs)
}
