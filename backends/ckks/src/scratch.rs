//! Buffers that are used again, so that hot loops neither allocate nor touch fresh pages.

use crate::ring::zeroed;
use aligned_vec::AVec;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that wait for their next use.
///
/// They have held ciphertexts and what is computed from them; whatever depends on a secret key is kept out.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    idle: Mutex<Vec<AVec<u64>>>,
}

/// A buffer on loan; its contents are what its last user left.
#[derive(Debug)]
pub(crate) struct Scratch<'a> {
    pool: &'a ScratchPool,
    buffer: AVec<u64>,
    length: usize,
}

impl ScratchPool {
    /// A buffer of `length` words.
    pub(crate) fn take(&self, length: usize) -> Scratch<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..idle.len())
            .filter(|&index| idle[index].len() >= length)
            .min_by_key(|&index| idle[index].len());
        let buffer = match fitting {
            Some(index) => idle.swap_remove(index),
            None => zeroed(length),
        };
        Scratch { pool: self, buffer, length }
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
