//! What a plan decides: the format, how a batch is cut, and what is predicted of it.

pub(crate) mod batches;
pub(crate) mod format;
pub(crate) mod prediction;
pub(crate) mod tolerance;
