//! Formats of files that nobody vouches for, read within bounds, and the one resizing.

pub(crate) mod archive;
pub(crate) mod bounded;
pub(crate) mod idx;
pub(crate) mod npy;
pub(crate) mod npz;
pub(crate) mod pickle;
pub(crate) mod png;
pub(crate) mod resize;
