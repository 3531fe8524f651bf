//! Memory of processes, and bytes of evaluation keys.

use veilbench_api::Unsupported;

use crate::circuits::program::PackedCircuit;
use crate::planning::scheme::{RotationKeys, Scheme};

/// What stands before evaluation keys as sent.
pub(crate) const KEYS_HEADER_BYTES: usize = 43;

/// The name of a rotation or conjugation before its key.
pub(crate) const ELEMENT_BYTES: usize = 4;

/// Memory of the model owner's process and its messages beside ciphertexts, keys and weights.
pub(crate) const PROCESS_BYTES: usize = 60 << 20;

/// Memory of the data owner's process and its messages beside images and keys.
pub(crate) const CLIENT_BYTES: usize = 16 << 20;

/// Copies of evaluation keys, as sent, that the data owner has while it makes and writes them.
pub(crate) const KEY_COPIES: usize = 3;

/// Bytes of the evaluation keys as sent.
pub(crate) fn key_bytes(scheme: &Scheme, rotations: &RotationKeys) -> usize {
    let keys: usize = scheme.key_sizes(rotations).map(|size| scheme.key_bytes(size)).sum();
    keys + KEYS_HEADER_BYTES
        + ELEMENT_BYTES * (rotations.short.len() + rotations.long.len() + scheme.conjugations())
}

/// Bytes of the evaluation keys in memory.
pub(crate) fn key_memory_bytes(scheme: &Scheme, rotations: &RotationKeys) -> usize {
    scheme.key_sizes(rotations).map(|size| scheme.key_memory_bytes(size)).sum()
}

/// The refusal of what needs more memory than there is.
pub(crate) fn too_little_memory(needed: usize, memory: usize) -> Unsupported {
    let reason = format!("it needs {} MB of memory, this machine has {} MB", needed >> 20, memory >> 20);
    Unsupported { layer: None, reason }
}

/// Memory of this machine.
pub(crate) fn total_memory_bytes() -> usize {
    let info = rustix::system::sysinfo();
    (info.totalram as usize).saturating_mul(info.mem_unit as usize)
}

/// Bytes of the diagonals of a program before they are encoded: the data owner has them without weights.
pub(crate) fn structure_bytes(program: &PackedCircuit, scheme: &Scheme) -> usize {
    let diagonals: usize = program.layers.iter().map(|layer| layer.outline.diagonals()).sum();
    diagonals * scheme.slots() * size_of::<f64>()
}
