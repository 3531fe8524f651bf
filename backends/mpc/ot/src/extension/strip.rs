//! Strips of bit columns: compression of the columns of a code to 128, and transposition to rows.
//!
//! One source is compiled for the target's baseline, for AVX2 and for AVX-512.

use crate::cipher::kernel::{Kernel, Set};
use crate::extension::compression::{COLUMNS, EXTRA, MATRIX};

/// Cipher blocks of a strip.
pub(crate) const BLOCKS: usize = 16;

/// Transfers of a strip: 2,048.
pub(crate) const ROWS: usize = BLOCKS * ROWS_PER_BLOCK;

const ROWS_PER_BLOCK: usize = 128;

/// One bit per transfer of a strip.
pub(crate) type Strip = [u128; BLOCKS];

/// Adds `other`, bit by bit.
#[inline(always)]
pub(crate) fn add(strip: &mut Strip, other: &Strip) {
    for (block, other) in strip.iter_mut().zip(other) {
        *block ^= other;
    }
}

/// Adds `other` where `mask` is all ones.
#[inline(always)]
pub(crate) fn add_masked(strip: &mut Strip, other: &Strip, mask: u128) {
    for (block, other) in strip.iter_mut().zip(other) {
        *block ^= other & mask;
    }
}

/// The words of a strip.
pub(crate) fn words(strip: &Strip) -> [u64; 2 * BLOCKS] {
    std::array::from_fn(|word| (strip[word / 2] >> (64 * (word % 2))) as u64)
}

/// The strip of these words.
pub(crate) fn from_words(words: &[u64]) -> Strip {
    let mut strip = [0; BLOCKS];
    for (index, word) in words.iter().take(2 * BLOCKS).enumerate() {
        strip[index / 2] |= u128::from(*word) << (64 * (index % 2));
    }
    strip
}

/// Appends the first `count` rows of these columns, compressed to 128 bits, to `rows`.
pub(crate) fn append_rows(kernel: Kernel, columns: &mut [Strip], count: usize, rows: &mut Vec<u128>) {
    match kernel.set() {
        Set::Portable => append_rows_generic(columns, count, rows),
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
        // SAFETY: the kernel exists only after its instruction sets were detected.
        Set::Avx2 => unsafe { append_rows_avx2(columns, count, rows) },
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
        // SAFETY: the kernel exists only after its instruction sets were detected.
        Set::Vaes => unsafe { append_rows_avx512(columns, count, rows) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn append_rows_avx2(columns: &mut [Strip], count: usize, rows: &mut Vec<u128>) {
    append_rows_generic(columns, count, rows);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
fn append_rows_avx512(columns: &mut [Strip], count: usize, rows: &mut Vec<u128>) {
    append_rows_generic(columns, count, rows);
}

#[inline(always)]
fn append_rows_generic(columns: &mut [Strip], count: usize, rows: &mut Vec<u128>) {
    if columns.len() > COLUMNS {
        compress(columns);
    }
    let mut block = Square::default();
    for (index, start) in (0..count).step_by(ROWS_PER_BLOCK).enumerate() {
        for (row, column) in block.0.iter_mut().zip(columns.iter()) {
            *row = [column[index] as u64, (column[index] >> 64) as u64];
        }
        transpose(&mut block.0);
        let here = (count - start).min(ROWS_PER_BLOCK);
        rows.extend(block.0[..here].iter().map(|row| u128::from(row[0]) | u128::from(row[1]) << 64));
    }
}

/// Adds to every one of the first columns those of the others that the matrix says.
#[inline(always)]
fn compress(columns: &mut [Strip]) {
    let (kept, extra) = columns.split_at_mut(COLUMNS);
    for (column, row) in kept.iter_mut().zip(&MATRIX) {
        let mut sum = *column;
        for (index, extra) in extra.iter().enumerate().take(EXTRA) {
            if row >> index & 1 == 1 {
                add(&mut sum, extra);
            }
        }
        *column = sum;
    }
}

/// 128 rows of 128 bits, aligned to the lines of a cache.
#[repr(align(64))]
struct Square([[u64; 2]; ROWS_PER_BLOCK]);

impl Default for Square {
    fn default() -> Self {
        Self([[0; 2]; ROWS_PER_BLOCK])
    }
}

/// Exchanges bit c of row r with bit r of row c: blocks of 64, 32, ..., 1 bits trade places (Warren, "Hacker's Delight", section 7-3).
#[inline(always)]
fn transpose(rows: &mut [[u64; 2]; ROWS_PER_BLOCK]) {
    let (upper, lower) = rows.split_at_mut(64);
    for (row, other) in upper.iter_mut().zip(lower) {
        std::mem::swap(&mut row[1], &mut other[0]);
    }
    exchange::<32>(rows, 0x0000_0000_ffff_ffff);
    exchange::<16>(rows, 0x0000_ffff_0000_ffff);
    exchange::<8>(rows, 0x00ff_00ff_00ff_00ff);
    exchange::<4>(rows, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2>(rows, 0x3333_3333_3333_3333);
    exchange::<1>(rows, 0x5555_5555_5555_5555);
}

#[inline(always)]
fn exchange<const SIZE: usize>(rows: &mut [[u64; 2]; ROWS_PER_BLOCK], mask: u64) {
    for pair in rows.chunks_exact_mut(2 * SIZE) {
        let (upper, lower) = pair.split_at_mut(SIZE);
        for (row, other) in upper.iter_mut().zip(lower) {
            for (word, other) in row.iter_mut().zip(other) {
                let moved = (*word >> SIZE ^ *other) & mask;
                *other ^= moved;
                *word ^= moved << SIZE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    fn columns(count: usize, seed: u8) -> Vec<Strip> {
        let mut rng = ChaCha12Rng::from_seed([seed; 32]);
        let mut strip =
            || std::array::from_fn(|_| u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()));
        (0..count).map(|_| strip()).collect()
    }

    /// Bit by bit.
    fn naive(columns: &[Strip], count: usize) -> Vec<u128> {
        let bit = |column: usize, row: usize| columns[column][row / 128] >> (row % 128) & 1;
        let row = |row: usize| {
            (0..COLUMNS).fold(0, |sum, column| {
                let extra = (COLUMNS..columns.len())
                    .fold(0, |sum, extra| sum ^ bit(extra, row) & MATRIX[column] >> (extra - COLUMNS));
                sum | ((bit(column, row) ^ extra) & 1) << column
            })
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn every_kernel_transposes_as_the_definition_says() {
        for kernel in Kernel::available() {
            for count in [1, 127, 128, 129, 2047, 2048] {
                let mut columns = columns(COLUMNS, count as u8);
                let expected = naive(&columns, count);
                let mut rows = Vec::new();
                append_rows(kernel, &mut columns, count, &mut rows);
                assert_eq!(rows, expected, "{kernel:?} {count}");
            }
        }
    }

    #[test]
    fn every_kernel_compresses_as_the_matrix_says() {
        for kernel in Kernel::available() {
            for count in [1, 300] {
                let mut columns = columns(COLUMNS + EXTRA, count as u8);
                let expected = naive(&columns, count);
                let mut rows = Vec::new();
                append_rows(kernel, &mut columns, count, &mut rows);
                assert_eq!(rows, expected, "{kernel:?} {count}");
            }
        }
    }

    #[test]
    fn words_are_a_strips_bits_in_order() {
        let strip = columns(1, 9)[0];
        let words = words(&strip);
        assert_eq!(from_words(&words), strip);
        for row in 0..ROWS {
            assert_eq!(u128::from(words[row / 64] >> (row % 64) & 1), strip[row / 128] >> (row % 128) & 1);
        }
    }
}
