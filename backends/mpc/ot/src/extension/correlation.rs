//! Rows of extended transfers before they are hashed, and the keys that their hashes are. All are consumed by value: a row serves once.

use zeroize::Zeroizing;

use crate::Error;
use crate::cipher::Hash;
use crate::cipher::kernel::Kernel;
use crate::error::expect_count;
use crate::extension::strip::{BLOCKS, Strip};
use crate::transfers::keys::{ChosenKeys, KeyPairs, split_off};
use veilbench_ring::wiped::Wiped;

/// Key of the hash of a portion, and the number of its first transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbering {
    pub(crate) kernel: Kernel,
    pub(crate) key: u128,
    pub(crate) first: u64,
}

impl Numbering {
    fn hash(self) -> Hash {
        Hash::new(self.kernel, self.key)
    }

    fn skip(self, transfers: usize) -> Self {
        Self { first: self.first + transfers as u64, ..self }
    }
}

/// Rows of the sender: that of choice 0 of every transfer, and what those of other choices differ by. Wiped on drop.
pub struct SenderRows {
    rows: Wiped<u128>,
    differences: Zeroizing<Vec<u128>>,
    numbering: Numbering,
}

impl SenderRows {
    pub(crate) fn new(rows: Wiped<u128>, differences: Zeroizing<Vec<u128>>, numbering: Numbering) -> Self {
        Self { rows, differences, numbering }
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Keys of a transfer: 2 or 16.
    pub fn keys(&self) -> usize {
        self.differences.len()
    }

    /// Takes the last transfers from number `at` on away.
    ///
    /// # Errors
    /// [`Error::Count`] if there are fewer.
    pub fn split_off(&mut self, at: usize) -> Result<Self, Error> {
        let rows = split_off(&mut self.rows, at)?;
        Ok(Self { rows, differences: self.differences.clone(), numbering: self.numbering.skip(at) })
    }

    /// Gives `each` the keys of all transfers in turn.
    pub(crate) fn for_each_keys(self, mut each: impl FnMut(&[u128])) {
        let hash = self.numbering.hash();
        let mut hashes: Wiped<Strip> = Wiped::new(self.keys());
        let mut keys = Wiped::new(self.keys());
        for (index, rows) in self.rows.chunks(BLOCKS).enumerate() {
            let first = self.numbering.skip(index * BLOCKS).first;
            for (hashes, difference) in hashes.iter_mut().zip(self.differences.iter()) {
                *hashes = strip_of(rows).map(|row| row ^ difference);
            }
            hash.hash(first, &mut hashes);
            for row in 0..rows.len() {
                for (key, hashes) in keys.iter_mut().zip(hashes.iter()) {
                    *key = hashes[row];
                }
                each(&keys);
            }
        }
    }

    /// Keys of random 1-of-2 transfers.
    ///
    /// # Errors
    /// [`Error::Count`] if these are 1-of-16.
    pub fn into_pairs(self) -> Result<KeyPairs, Error> {
        expect_count("keys of a transfer", 2, self.keys())?;
        let mut pairs = Wiped::with_capacity(self.len());
        self.for_each_keys(|keys| pairs.extend(keys.as_chunks::<2>().0));
        Ok(KeyPairs::new(pairs))
    }

    /// The rows themselves, correlated transfers over F_2^128: a row of the receiver is that of the sender plus the difference of its choice. What
    /// is given away about them is given away about the differences, which all transfers of the extension share.
    #[cfg(any(test, feature = "ideal"))]
    pub fn into_rows(mut self) -> CorrelatedRows {
        CorrelatedRows {
            rows: std::mem::take(&mut self.rows),
            differences: std::mem::take(&mut self.differences),
        }
    }
}

/// Correlated transfers over F_2^128 at the sender. Wiped on drop.
#[cfg(any(test, feature = "ideal"))]
pub struct CorrelatedRows {
    rows: Wiped<u128>,
    differences: Zeroizing<Vec<u128>>,
}

#[cfg(any(test, feature = "ideal"))]
impl CorrelatedRows {
    /// Row of every transfer at choice 0.
    pub fn rows(&self) -> &[u128] {
        &self.rows
    }

    /// What the row of each choice differs by from that of choice 0.
    pub fn differences(&self) -> &[u128] {
        &self.differences
    }
}

/// Rows of the receiver, and their choices. Wiped on drop.
pub struct ReceiverRows {
    rows: Wiped<u128>,
    choices: Wiped<u8>,
    dimension: usize,
    numbering: Numbering,
}

impl ReceiverRows {
    pub(crate) fn new(rows: Wiped<u128>, choices: Wiped<u8>, dimension: usize, numbering: Numbering) -> Self {
        Self { rows, choices, dimension, numbering }
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Keys of a transfer: 2 or 16.
    pub fn keys(&self) -> usize {
        1 << self.dimension
    }

    /// The random choice of every transfer.
    pub fn choices(&self) -> &[u8] {
        &self.choices
    }

    /// The rows themselves, as [`SenderRows::into_rows`].
    #[cfg(any(test, feature = "ideal"))]
    pub fn rows(&self) -> &[u128] {
        &self.rows
    }

    /// Takes the last transfers from number `at` on away.
    ///
    /// # Errors
    /// [`Error::Count`] if there are fewer.
    pub fn split_off(&mut self, at: usize) -> Result<Self, Error> {
        Ok(Self {
            rows: split_off(&mut self.rows, at)?,
            choices: split_off(&mut self.choices, at)?,
            dimension: self.dimension,
            numbering: self.numbering.skip(at),
        })
    }

    /// Choices and keys, the hashes of the rows.
    pub(crate) fn into_hashes(mut self) -> (Wiped<u8>, Wiped<u128>) {
        let hash = self.numbering.hash();
        let mut keys = Wiped::with_capacity(self.len());
        for (index, rows) in self.rows.chunks(BLOCKS).enumerate() {
            let mut hashes = [strip_of(rows)];
            hash.hash(self.numbering.skip(index * BLOCKS).first, &mut hashes);
            keys.extend_from_slice(&hashes[0][..rows.len()]);
        }
        (std::mem::take(&mut self.choices), keys)
    }

    /// Keys of random 1-of-2 transfers.
    ///
    /// # Errors
    /// [`Error::Count`] if these are 1-of-16.
    pub fn into_chosen(self) -> Result<ChosenKeys, Error> {
        expect_count("keys of a transfer", 2, self.keys())?;
        let (choices, keys) = self.into_hashes();
        Ok(ChosenKeys::new(choices, keys))
    }
}

fn strip_of(rows: &[u128]) -> Strip {
    let mut strip = [0; BLOCKS];
    strip[..rows.len()].copy_from_slice(rows);
    strip
}
