//! Bit-packed residues.

use veilbench_ring::kernels::{BLOCK, pack};
use veilbench_ring::modulus::Modulus;
use veilbench_ring::{Ntt, Polynomial, Ring};

/// Bytes from the beginning of a block of residues that hold all of it: a block of residues of `b` bits takes `b` bytes, at most 50, and
/// each of its residues lies in the eight bytes from the one it begins in.
const WINDOW: usize = 64;

/// The bytes of a limb: the degree is a multiple of 8, so no bits are left over.
pub(super) fn limb_bytes(degree: usize, m: &Modulus) -> usize {
    degree / 8 * m.bits() as usize
}

pub(super) fn write_limbs(ring: &Ring, polynomial: &Polynomial<Ntt>, bytes: &mut Vec<u8>) {
    write_rows(ring, polynomial, |row| row, bytes);
}

/// Packs rows that are each modulo the prime of the ring that `prime` says.
pub(super) fn write_rows(
    ring: &Ring,
    polynomial: &Polynomial<Ntt>,
    prime: impl Fn(usize) -> usize,
    bytes: &mut Vec<u8>,
) {
    let length = |row| limb_bytes(ring.degree(), ring.modulus(prime(row)));
    bytes.reserve((0..polynomial.limbs()).map(length).sum());
    for (index, row) in polynomial.rows().enumerate() {
        write_limb(row, ring.modulus(prime(index)), bytes);
    }
}

/// Packs residues, a multiple of 8 of them.
pub(super) fn write_limb(row: &[u64], m: &Modulus, bytes: &mut Vec<u8>) {
    let bits = m.bits() as usize;
    for residues in row.as_chunks::<BLOCK>().0 {
        let mut words = [0; WINDOW / size_of::<u64>()];
        pack(residues, bits, &mut words);
        bytes.extend_from_slice(&words.map(u64::to_le_bytes).as_flattened()[..bits]);
    }
}

/// Unpacks a limb from exactly [`limb_bytes`] bytes; `false` if a residue reaches the modulus.
pub(super) fn read_limb(bytes: &[u8], m: &Modulus, row: &mut [u64]) -> bool {
    let bits = m.bits() as usize;
    let mask = (1u64 << bits) - 1;
    let mut largest = 0;
    for (residues, start) in row.as_chunks_mut::<BLOCK>().0.iter_mut().zip((0..).step_by(bits)) {
        let rest = bytes.get(start..).unwrap_or_default();
        // The last blocks have fewer bytes after their beginning than a window.
        let mut padded = [0; WINDOW];
        let window = rest.first_chunk::<WINDOW>().unwrap_or_else(|| {
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        });
        for (lane, residue) in residues.iter_mut().enumerate() {
            let (first, shift) = (lane * bits / 8, lane * bits % 8);
            let mut word = [0; size_of::<u64>()];
            word.copy_from_slice(&window[first..first + size_of::<u64>()]);
            *residue = u64::from_le_bytes(word) >> shift & mask;
            largest = largest.max(*residue);
        }
    }
    largest < m.value()
}
