//! Linear maps of encrypted vectors.

pub(crate) mod outline;
pub(crate) mod streamed_transform;
pub(crate) mod transform;
