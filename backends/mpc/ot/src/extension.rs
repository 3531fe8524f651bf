//! Extension of a few transfers to any number: SoftSpokenOT, Roy, "SoftSpokenOT: Quieter OT Extension from Small-Field Silent VOLE in
//! the Minicrypt Model", CRYPTO 2022, semi-honest: sections 3 to 5 without their consistency checks.
//!
//! The receiver owns trees of depth k; the sender knows all leaves of each but a secret one, `D_i` in F_2^k. Every leaf `x` expands to a
//! stream `s_x`. The receiver has `u = sum s_x` and `v = sum x s_x`; the sender gets `w = sum (x + D_i) s_x = v + D_i u`, which leaves out just the leaf it
//! lacks. The receiver corrects its bits `u` to a codeword of its choice by what the sender may see: they hide behind the leaf that
//! the sender lacks ([`crate::Kind`] names the codes). Afterwards a row of the sender and one of the receiver differ by the sender's secret, masked by the
//! codeword, and their hashes are keys of random transfers.
//!
//! # Views
//! The sender sees, per transfer, one bit for each tree that does not define the choice: a sum with a stream whose seed it lacks.
//! The receiver sees nothing but the sender's choices in the base transfers, which those hide.
//!
//! # The hash
//! `H(x, i) = AES(K + i, x) + x`, where `K` is a public key of session, direction, kind and portion, and `i` the number of the
//! transfer: no two transfers of an extension have a key of the cipher in common (re-keying as in Guo, Katz, Wang, Weng, Yu, CRYPTO 2020; a
//! fixed key for a whole portion would let one evaluation of the cipher test a guess for each of its transfers at once).
//!
//! Assumed is the ideal cipher. Under the key of a transfer the receiver knows one row, and of the others only that they differ from it by a secret: one
//! of 128 bits for 1-of-2, and 15 sums of four such for 1-of-16. An evaluation, forwards or backwards, is under one key: after `p` evaluations the receiver
//! has asked for a row that it should not know with a probability of at most `q p / 2^128`, with `q` rows under one key that it does not know, whatever the number of
//! transfers and of portions. That is 128 bits for 1-of-2 (q = 1) and, by this bound, 124 for 1-of-16 (q = 15), counted in evaluations of AES with a key
//! schedule each. Sessions have random names of 120 bits; names of two that meet add their rows to `q`. Rows are never added before they are hashed: sums of two have no
//! secret left.

pub(crate) mod code;
mod compression;
pub(crate) mod correlation;
pub(crate) mod strip;
mod trees;

use zeroize::Zeroizing;

use crate::Error;
use crate::bits::{Reader, WORD, Writer};
use crate::cipher::Leaves;
use crate::cipher::kernel::Kernel;
use crate::error::expect_count;
use crate::setup::session::{Direction, Domain, Name, Session};
use crate::transfers::keys::{ChosenKeys, KeyPairs};
use code::{Code, Depth, Kind};
use compression::{COLUMNS, compress_row};
use correlation::{Numbering, ReceiverRows, SenderRows};
use strip::{ROWS, Strip};
use veilbench_ring::wiped::Wiped;

/// What both parties of an extension agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Name of the session.
    pub session: Session,
    /// Which party sends. With the kind, different for any two extensions of a session.
    pub direction: Direction,
    /// Whether its transfers are of two or of sixteen.
    pub kind: Kind,
    /// Depth of the trees.
    pub depth: Depth,
}

impl Parameters {
    fn code(&self) -> Code {
        Code::new(self.kind, self.depth)
    }

    fn name(&self) -> Name {
        Name::new(self.session, self.direction, self.code().dimension() as u32)
    }

    /// Random transfers that an extension begins with, of which its receiver is the sender.
    pub fn seeds(&self) -> usize {
        self.code().columns()
    }

    /// Bytes of the receiver's first message.
    pub fn setup_bytes(&self) -> usize {
        trees::message_bytes(self.code())
    }

    /// Bytes of the receiver's message for a portion of so many transfers.
    pub fn portion_bytes(&self, transfers: usize) -> usize {
        self.portion_bits(transfers).div_ceil(8)
    }

    fn portion_bits(&self, transfers: usize) -> usize {
        self.code().correction_bits() * transfers
    }
}

/// The leaves of all trees, and how far their streams are used.
struct Forest {
    parameters: Parameters,
    kernel: Kernel,
    leaves: Leaves,
    transfers: u64,
    portions: u64,
    blocks: u64,
    /// A message for it was none: what follows would not fit the other party.
    broken: bool,
}

impl Forest {
    fn new(parameters: Parameters, kernel: Kernel, leaves: Leaves) -> Self {
        Self { parameters, kernel, leaves, transfers: 0, portions: 0, blocks: 0, broken: false }
    }

    /// Numbers of a new portion.
    fn begin(&mut self, transfers: usize) -> Numbering {
        let key = self.parameters.name().block(Domain::Hash) ^ u128::from(self.portions) << 64;
        let numbering = Numbering { kernel: self.kernel, key, first: self.transfers };
        self.portions += 1;
        self.transfers += transfers as u64;
        numbering
    }

    /// The next strips of `v` or `w` of all trees, a column after the other, and those of `u`.
    fn next(&mut self, columns: &mut [Strip], bits: &mut [Strip]) {
        let first = self.blocks;
        self.blocks += strip::BLOCKS as u64;
        let counters = std::array::from_fn(|block| u128::from(first + block as u64));
        let levels = self.parameters.code().levels();
        for (tree, (sums, bits)) in columns.chunks_exact_mut(levels).zip(bits).enumerate() {
            *bits = self.leaves.fold(tree << levels, &counters, sums);
        }
    }
}

/// Rows of each strip of a portion.
fn strips(transfers: usize) -> impl Iterator<Item = usize> {
    (0..transfers).step_by(ROWS).map(move |at| (transfers - at).min(ROWS))
}

/// Party that gets all keys of every transfer.
pub struct Sender {
    forest: Forest,
    /// All ones or zeros per column.
    secret: Wiped<u128>,
    differences: Zeroizing<Vec<u128>>,
}

impl Sender {
    /// Begins with one key of each of [`Parameters::seeds`] random transfers and the receiver's first message.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of keys, [`Error::Length`] for a message that is none.
    pub fn new(parameters: Parameters, seeds: ChosenKeys, message: &[u8]) -> Result<Self, Error> {
        Self::with_kernel(Kernel::best(), parameters, seeds, message)
    }

    /// With this kernel: all give the same rows.
    ///
    /// # Errors
    /// As [`Sender::new`].
    #[expect(clippy::needless_pass_by_value, reason = "keys serve once")]
    pub fn with_kernel(
        kernel: Kernel,
        parameters: Parameters,
        seeds: ChosenKeys,
        message: &[u8],
    ) -> Result<Self, Error> {
        expect_count("seeds of an extension", parameters.seeds(), seeds.len())?;
        let code = parameters.code();
        let (leaves, secret) = trees::puncture(kernel, code, parameters.name(), &seeds, message)?;
        let secret =
            Wiped::from(secret.iter().map(|bit| u128::from(*bit).wrapping_neg()).collect::<Vec<_>>());
        let differences = (0..code.keys()).map(|choice| difference(code, &secret, choice));
        let differences = Zeroizing::new(differences.collect());
        Ok(Self { forest: Forest::new(parameters, kernel, leaves), secret, differences })
    }

    /// What both parties agreed on.
    pub fn parameters(&self) -> Parameters {
        self.forest.parameters
    }

    /// The next `transfers` transfers, given the receiver's message for them.
    ///
    /// # Errors
    /// [`Error::Length`] if the message is none, and [`Error::Broken`] from then on.
    pub fn extend(&mut self, transfers: usize, message: &[u8]) -> Result<SenderRows, Error> {
        let code = self.forest.parameters.code();
        if std::mem::replace(&mut self.forest.broken, true) {
            return Err(Error::Broken);
        }
        let bits = self.forest.parameters.portion_bits(transfers);
        let mut corrections = Reader::new("corrections of an extension", bits, message)?;
        self.forest.broken = false;
        let numbering = self.forest.begin(transfers);
        let mut columns: Wiped<Strip> = Wiped::new(code.columns());
        let mut unused: Wiped<Strip> = Wiped::new(code.trees());
        let mut rows = Wiped::with_capacity(transfers);
        for count in strips(transfers) {
            self.forest.next(&mut columns, &mut unused);
            for tree in code.corrected() {
                let correction = strip::from_words(&corrections.plane(count));
                let of_tree = tree * code.levels()..(tree + 1) * code.levels();
                for (column, mask) in columns[of_tree.clone()].iter_mut().zip(&self.secret[of_tree]) {
                    strip::add_masked(column, &correction, *mask);
                }
            }
            strip::append_rows(self.forest.kernel, &mut columns, count, &mut rows);
        }
        Ok(SenderRows::new(rows, self.differences.clone(), numbering))
    }
}

/// What the rows of choice 0 and of this choice differ by: the secret where the codeword has ones, compressed.
fn difference(code: Code, secret: &[u128], choice: usize) -> u128 {
    let mut row = [0; 2];
    for (column, mask) in secret.iter().enumerate() {
        let of_code = (code.generator(column / code.levels()) & choice).count_ones() & 1;
        row[column / COLUMNS] |= (mask & u128::from(of_code)) << (column % COLUMNS);
    }
    let [first, extra] = row;
    compress_row(first, extra)
}

/// Party that gets one key of every transfer, at random.
pub struct Receiver {
    forest: Forest,
}

impl Receiver {
    /// Begins with both keys of each of [`Parameters::seeds`] random transfers. Returns the first message, of
    /// [`Parameters::setup_bytes`].
    ///
    /// # Errors
    /// [`Error::Count`] for another number of keys, [`Error::Entropy`].
    pub fn new(parameters: Parameters, seeds: KeyPairs) -> Result<(Self, Vec<u8>), Error> {
        Self::with_kernel(Kernel::best(), parameters, seeds)
    }

    /// With this kernel: all give the same rows.
    ///
    /// # Errors
    /// As [`Receiver::new`].
    #[expect(clippy::needless_pass_by_value, reason = "keys serve once")]
    pub fn with_kernel(
        kernel: Kernel,
        parameters: Parameters,
        seeds: KeyPairs,
    ) -> Result<(Self, Vec<u8>), Error> {
        expect_count("seeds of an extension", parameters.seeds(), seeds.len())?;
        let (leaves, message) = trees::grow(kernel, parameters.code(), parameters.name(), &seeds)?;
        Ok((Self { forest: Forest::new(parameters, kernel, leaves) }, message))
    }

    /// What both parties agreed on.
    pub fn parameters(&self) -> Parameters {
        self.forest.parameters
    }

    /// The next `transfers` transfers, with random choices, and the message to the sender, of [`Parameters::portion_bytes`].
    pub fn extend(&mut self, transfers: usize) -> (ReceiverRows, Vec<u8>) {
        let code = self.forest.parameters.code();
        let numbering = self.forest.begin(transfers);
        let mut message = Writer::new(self.forest.parameters.portion_bits(transfers));
        let mut columns: Wiped<Strip> = Wiped::new(code.columns());
        let mut bits: Wiped<Strip> = Wiped::new(code.trees());
        let mut rows = Wiped::with_capacity(transfers);
        let mut choices = Wiped::with_capacity(transfers);
        for count in strips(transfers) {
            self.forest.next(&mut columns, &mut bits);
            for tree in code.corrected() {
                let mut correction = bits[tree];
                for bit in 0..code.dimension() {
                    if code.generator(tree) >> bit & 1 == 1 {
                        strip::add(&mut correction, &bits[code.defining(bit)]);
                    }
                }
                message.plane(&strip::words(&correction), count);
            }
            append_choices(code, &bits, count, &mut choices);
            strip::append_rows(self.forest.kernel, &mut columns, count, &mut rows);
        }
        (ReceiverRows::new(rows, choices, code.dimension(), numbering), message.finish())
    }
}

fn append_choices(code: Code, bits: &[Strip], count: usize, choices: &mut Vec<u8>) {
    let from = choices.len();
    choices.resize(from + count, 0);
    for bit in 0..code.dimension() {
        let words = strip::words(&bits[code.defining(bit)]);
        for (choices, word) in choices[from..].chunks_mut(WORD).zip(words) {
            for (index, choice) in choices.iter_mut().enumerate() {
                *choice |= ((word >> index & 1) as u8) << bit;
            }
        }
    }
}

#[cfg(test)]
mod tests;
