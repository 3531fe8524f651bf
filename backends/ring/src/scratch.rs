//! Buffers that are used again, so that hot loops neither allocate nor touch fresh pages.

use crate::zeroed;
use aligned_vec::AVec;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The most a pool of rows keeps idle, in words: 64 MiB, a few ciphertexts of the largest degrees.
const MAX_IDLE_WORDS: usize = 1 << 23;

/// Buffers that wait for their next use.
///
/// They have held ciphertexts and what is computed from them; whatever depends on a secret key is wiped before it
/// comes here or kept out.
#[derive(Debug, Default)]
pub struct ScratchPool {
    idle: Mutex<Vec<AVec<u64>>>,
}

/// A buffer on loan; its contents are what its last user left.
#[derive(Debug)]
pub struct Scratch<'a> {
    pool: &'a ScratchPool,
    buffer: AVec<u64>,
    length: usize,
}

impl ScratchPool {
    /// A buffer of `length` words.
    pub fn take(&self, length: usize) -> Scratch<'_> {
        let buffer = self.idle_buffer(length, usize::MAX).unwrap_or_else(|| zeroed(length));
        Scratch { pool: self, buffer, length }
    }

    /// How many buffers wait, and whether all that stands in them is zero.
    #[cfg(feature = "inspection")]
    pub fn idle_and_wiped(&self) -> (usize, bool) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        (idle.len(), idle.iter().all(|buffer| buffer.iter().all(|&word| word == 0)))
    }

    /// The smallest idle buffer of `length` to `max_length` words.
    fn idle_buffer(&self, length: usize, max_length: usize) -> Option<AVec<u64>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..idle.len())
            .filter(|&index| (length..=max_length).contains(&idle[index].len()))
            .min_by_key(|&index| idle[index].len());
        fitting.map(|index| idle.swap_remove(index))
    }
}

impl Deref for Scratch<'_> {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.buffer[..self.length]
    }
}

impl DerefMut for Scratch<'_> {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.buffer[..self.length]
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, AVec::new(64));
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// The rows of a polynomial. They go back to the pool they came from, as long as that does not hold too much.
pub struct Rows {
    pool: Arc<ScratchPool>,
    buffer: AVec<u64>,
    length: usize,
}

impl Rows {
    /// With unspecified contents.
    pub fn unspecified(pool: &Arc<ScratchPool>, length: usize) -> Self {
        let buffer = pool.idle_buffer(length, 2 * length).unwrap_or_else(|| zeroed(length));
        Self { pool: Arc::clone(pool), buffer, length }
    }

    /// A copy of the first `length` words.
    pub fn prefix(&self, length: usize) -> Self {
        let mut copy = Self::unspecified(&self.pool, length);
        copy.copy_from_slice(&self[..length]);
        copy
    }
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        self.prefix(self.length)
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Rows {}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({} words)", self.length)
    }
}

impl Deref for Rows {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.buffer[..self.length]
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.buffer[..self.length]
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, AVec::new(64));
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.iter().map(|buffer| buffer.len()).sum::<usize>() + buffer.len() <= MAX_IDLE_WORDS {
            idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_words(pool: &ScratchPool) -> usize {
        pool.idle.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|buffer| buffer.len()).sum()
    }

    #[test]
    fn rows_come_back_and_are_taken_again_if_they_fit() {
        let pool = Arc::new(ScratchPool::default());
        drop(Rows::unspecified(&pool, 1000));
        assert_eq!(idle_words(&pool), 1000);
        let small = Rows::unspecified(&pool, 100);
        assert_eq!(idle_words(&pool), 1000, "ten times too long");
        let fitting = Rows::unspecified(&pool, 900);
        assert_eq!((fitting.len(), idle_words(&pool)), (900, 0));
        drop((small, fitting));
        assert_eq!(idle_words(&pool), 1100);
    }

    #[test]
    fn a_pool_of_rows_keeps_a_bounded_amount() {
        let pool = Arc::new(ScratchPool::default());
        let rows: Vec<Rows> = (0..5).map(|_| Rows::unspecified(&pool, MAX_IDLE_WORDS / 4)).collect();
        drop(rows);
        assert_eq!(idle_words(&pool), MAX_IDLE_WORDS);
    }

    #[test]
    fn copies_are_equal_and_apart() {
        let pool = Arc::new(ScratchPool::default());
        let mut rows = Rows::unspecified(&pool, 8);
        rows.copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let copy = rows.clone();
        assert!(copy == rows);
        rows[0] = 9;
        assert!(copy != rows);
        assert_eq!(rows.prefix(2)[..], [9, 2]);
    }
}
