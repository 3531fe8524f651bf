//! Limbs survive the wire, and what is no limb is noticed.

use super::limbs::{limb_bytes, read_limb, write_limbs};
use proptest::prelude::*;
use veilbench_ring::kernels::Kernels;
use veilbench_ring::modulus::Modulus;
use veilbench_ring::{Polynomial, Ring, primes};

const DEGREE: usize = 16;
const BITS: [u32; 8] = [18, 19, 25, 32, 33, 43, 49, 50];

fn ring() -> Ring {
    Ring::new(DEGREE, &primes::find(DEGREE, &BITS).unwrap(), Kernels::portable()).unwrap()
}

proptest! {
    #[test]
    fn packed_limbs_of_every_length_unpack(words in prop::collection::vec(any::<u64>(), DEGREE)) {
        let ring = ring();
        let mut polynomial = Polynomial::zero(&ring, BITS.len());
        for (row, m) in polynomial.rows_mut().zip(ring.moduli()) {
            for (residue, word) in row.iter_mut().zip(&words) {
                *residue = word % m.value();
            }
        }
        let mut bytes = Vec::new();
        write_limbs(&ring, &polynomial, &mut bytes);
        let mut rest = &bytes[..];
        for (row, m) in polynomial.rows().zip(ring.moduli()) {
            let (limb, after) = rest.split_at(limb_bytes(DEGREE, m));
            let mut unpacked = [0; DEGREE];
            prop_assert!(read_limb(limb, m, &mut unpacked));
            prop_assert_eq!(row, &unpacked[..]);
            rest = after;
        }
        prop_assert!(rest.is_empty());
    }
}

#[test]
fn the_bits_lie_from_the_low_end_up() {
    let m = Modulus::new((1 << 19) - 1);
    let mut bytes = vec![0; limb_bytes(DEGREE, &m)];
    bytes[0] = 0x01;
    bytes[2] = 0x08;
    let mut row = [0; DEGREE];
    assert!(read_limb(&bytes, &m, &mut row));
    assert_eq!(row[..3], [1, 1, 0]);
}

#[test]
fn a_residue_that_reaches_its_prime_is_seen() {
    let m = Modulus::new((1 << 19) - 1);
    let mut bytes = vec![0; limb_bytes(DEGREE, &m)];
    bytes[..2].fill(0xFF);
    bytes[2] = 0x07;
    assert!(!read_limb(&bytes, &m, &mut [0; DEGREE]));
    bytes[0] = 0xFE;
    assert!(read_limb(&bytes, &m, &mut [0; DEGREE]));
}
