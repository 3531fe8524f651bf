//! Keys of random 1-of-2 transfers: a pair at one party, one of the pair and its number at the other.

use crate::Error;
use crate::error::expect_count;
use veilbench_ring::wiped::Wiped;

/// Both keys of every transfer, at its sender. Wiped on drop.
pub struct KeyPairs(Wiped<[u128; 2]>);

impl KeyPairs {
    pub(crate) fn new(pairs: Wiped<[u128; 2]>) -> Self {
        Self(pairs)
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, in the order of the transfers.
    pub fn pairs(&self) -> &[[u128; 2]] {
        &self.0
    }

    /// Takes the last transfers from number `at` on away.
    ///
    /// # Errors
    /// [`Error::Count`] if there are fewer.
    pub fn split_off(&mut self, at: usize) -> Result<Self, Error> {
        split_off(&mut self.0, at).map(Self)
    }
}

/// One key of every transfer and which one it is, at its receiver. Wiped on drop.
pub struct ChosenKeys {
    choices: Wiped<u8>,
    keys: Wiped<u128>,
}

impl ChosenKeys {
    pub(crate) fn new(choices: Wiped<u8>, keys: Wiped<u128>) -> Self {
        Self { choices, keys }
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of the key, 0 or 1, of every transfer.
    pub fn choices(&self) -> &[u8] {
        &self.choices
    }

    /// The keys, in the order of the transfers.
    pub fn keys(&self) -> &[u128] {
        &self.keys
    }

    /// Takes the last transfers from number `at` on away.
    ///
    /// # Errors
    /// [`Error::Count`] if there are fewer.
    pub fn split_off(&mut self, at: usize) -> Result<Self, Error> {
        Ok(Self { choices: split_off(&mut self.choices, at)?, keys: split_off(&mut self.keys, at)? })
    }
}

/// The elements from number `at` on; what was there is wiped.
pub(crate) fn split_off<T: Copy + Default>(all: &mut Wiped<T>, at: usize) -> Result<Wiped<T>, Error> {
    if at > all.len() {
        expect_count("transfers", at, all.len())?;
    }
    let tail = all[at..].to_vec();
    all[at..].fill(T::default());
    all.truncate(at);
    Ok(tail.into())
}

impl std::fmt::Debug for KeyPairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPairs({})", self.len())
    }
}

impl std::fmt::Debug for ChosenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChosenKeys({})", self.len())
    }
}
