//! Randomness as a pure function of seed, purpose and index.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a stream of random numbers is for; streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights, indexed by layer.
    Weights = 1,
    /// Order of the images, indexed by epoch.
    Order = 2,
    /// Augmentation, indexed by step.
    Augmentation = 3,
    /// Dropout masks, indexed by step.
    Dropout = 4,
    /// Choice of the validation images.
    Validation = 5,
}

/// The generator of one purpose and index.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_stream_repeats_and_differs_from_its_neighbours() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(first(0, Purpose::Order, 3), first(0, Purpose::Order, 3));
        assert_ne!(first(0, Purpose::Order, 3), first(0, Purpose::Order, 4));
        assert_ne!(first(0, Purpose::Order, 3), first(1, Purpose::Order, 3));
        assert_ne!(first(0, Purpose::Order, 3), first(0, Purpose::Augmentation, 3));
    }
}
