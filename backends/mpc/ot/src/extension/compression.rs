//! Compression of rows of 240 bits to 128 that keeps what hides them.
//!
//! The rows of a 1-of-16 transfer at two choices differ by the sender's secret bits at eight of fifteen places of sixteen bits, two
//! bytes each: at 16 of 30 bytes. Hashing takes 128 bits, so rows are multiplied by a matrix of 16 x 30 bytes over F_256,
//! `[I | P]` with `P[i][j] = 1 / (x_i + y_j)` a matrix of Cauchy. Any 16 of its columns are linearly independent (MacWilliams, Sloane, "The
//! Theory of Error-Correcting Codes", chapter 11), so the 128 secret bits go one to one into the difference of two compressed rows: it is
//! uniform for every pair of choices, as the hash asks for. Being linear, the matrix commutes with the correlation.

/// Bits of a compressed row.
pub(crate) const COLUMNS: usize = 128;
/// Bits of a row beyond those.
pub(crate) const EXTRA: usize = 112;

const BYTES: usize = COLUMNS / 8;

/// Which of the extra bits are added to each bit: the matrix P over F_2.
pub(crate) const MATRIX: [u128; COLUMNS] = matrix();

const fn matrix() -> [u128; COLUMNS] {
    let mut rows = [0; COLUMNS];
    let mut byte = 0;
    while byte < BYTES {
        let mut extra = 0;
        while extra < EXTRA / 8 {
            let factor = inverse(byte as u8 ^ (BYTES + extra) as u8);
            let mut bit = 0;
            while bit < 8 {
                let product = multiply(factor, 1 << bit);
                let mut to = 0;
                while to < 8 {
                    rows[8 * byte + to] |= (product as u128 >> to & 1) << (8 * extra + bit);
                    to += 1;
                }
                bit += 1;
            }
            extra += 1;
        }
        byte += 1;
    }
    rows
}

/// Product in F_256 modulo x^8 + x^4 + x^3 + x + 1.
const fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut sum, mut bit) = (a, 0, 0);
    while bit < 8 {
        if b >> bit & 1 == 1 {
            sum ^= a;
        }
        a = a << 1 ^ if a >> 7 == 1 { 0x1b } else { 0 };
        bit += 1;
    }
    sum
}

/// `a^254`.
const fn inverse(a: u8) -> u8 {
    let (mut power, mut product, mut bit) = (a, 1, 1);
    while bit < 8 {
        power = multiply(power, power);
        product = multiply(product, power);
        bit += 1;
    }
    product
}

/// A compressed row of its first bits and the extra ones, in constant time.
pub(crate) fn compress_row(row: u128, extra: u128) -> u128 {
    let added = MATRIX.iter().enumerate().map(|(bit, row)| u128::from((row & extra).count_ones() & 1) << bit);
    added.fold(row, |sum, bit| sum ^ bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::code::{Code, Depth, Kind};

    #[test]
    fn the_fields_arithmetic_is_that_of_the_standard() {
        // FIPS 197, section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert_eq!(multiply(0x57, 0x13), 0xfe);
        assert!((1..=255).all(|a| multiply(a, inverse(a)) == 1));
    }

    /// Rank over F_2.
    fn rank(mut rows: Vec<u128>) -> usize {
        let mut rank = 0;
        for bit in 0..128 {
            let Some(pivot) = (rank..rows.len()).find(|row| rows[*row] >> bit & 1 == 1) else { continue };
            rows.swap(rank, pivot);
            for row in 0..rows.len() {
                if row != rank && rows[row] >> bit & 1 == 1 {
                    rows[row] ^= rows[rank];
                }
            }
            rank += 1;
        }
        rank
    }

    #[test]
    fn the_secret_bits_of_every_difference_of_choices_go_one_to_one_into_that_of_rows() {
        for depth in [Depth::TWO, Depth::FOUR, Depth::EIGHT] {
            let code = Code::new(Kind::Sixteen, depth);
            assert_eq!(code.columns(), COLUMNS + EXTRA);
            for difference in 1..code.keys() {
                let secret = |column: &usize| {
                    (code.generator(column / code.levels()) & difference).count_ones() % 2 == 1
                };
                let images: Vec<u128> = (0..code.columns())
                    .filter(secret)
                    .map(|column| {
                        let first = if column < COLUMNS { 1 << column } else { 0 };
                        let extra = if column < COLUMNS { 0 } else { 1 << (column - COLUMNS) };
                        compress_row(first, extra)
                    })
                    .collect();
                assert_eq!((images.len(), rank(images)), (128, 128), "{depth:?} {difference}");
            }
        }
    }
}
