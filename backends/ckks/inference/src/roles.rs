//! What data owner and model owner do with images, keys and ciphertexts, and the checks of what comes back.

pub(crate) mod findings;
pub(crate) mod guard;
pub(crate) mod image_range;
pub(crate) mod keys;
pub(crate) mod latency;
pub(crate) mod release;
pub(crate) mod throughput;
