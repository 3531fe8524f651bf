//! What protocols compute with: the ring and its products, seeds and their streams, distributed comparison functions.

pub mod dcf;
pub mod random;
pub mod ring;
