//! A network as affine maps and squares, and as rotations and diagonals over packed slots.

pub(crate) mod circuit;
pub(crate) mod map;
pub(crate) mod program;
