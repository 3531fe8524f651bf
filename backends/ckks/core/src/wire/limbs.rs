//! Bit-packed residues.

use veilbench_ring::modulus::Modulus;
use veilbench_ring::{Ntt, Polynomial, Ring};

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
        let m = ring.modulus(prime(index));
        let (mut pending, mut bits) = (0u128, 0);
        for &residue in row {
            pending |= u128::from(residue) << bits;
            bits += m.bits();
            while bits >= 32 {
                bytes.extend((pending as u32).to_le_bytes());
                pending >>= 32;
                bits -= 32;
            }
        }
        let rest = pending.to_le_bytes();
        bytes.extend(&rest[..bits as usize / 8]);
    }
}

/// Unpacks a limb from exactly [`limb_bytes`] bytes; `false` if a residue reaches the modulus.
pub(super) fn read_limb(bytes: &[u8], m: &Modulus, row: &mut [u64]) -> bool {
    let mask = (1u64 << m.bits()) - 1;
    let (mut pending, mut bits) = (0u128, 0);
    let mut words = bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    });
    let mut largest = 0;
    for residue in row {
        while bits < m.bits() {
            pending |= u128::from(words.next().unwrap_or(0)) << bits;
            bits += 32;
        }
        *residue = pending as u64 & mask;
        largest = largest.max(*residue);
        pending >>= m.bits();
        bits -= m.bits();
    }
    largest < m.value()
}
