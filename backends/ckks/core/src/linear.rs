//! Linear maps of encrypted vectors.

pub(crate) mod matrix;
pub(crate) mod streamed_transform;
pub(crate) mod transform;
