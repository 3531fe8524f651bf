//! Linear maps of encrypted vectors.

pub(crate) mod chain_outline;
pub(crate) mod outline;
pub(crate) mod streamed_transform;
pub(crate) mod transform;
