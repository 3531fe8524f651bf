//! What an enclave runs: program, libraries and what a process shows of itself.

pub(crate) mod image;
pub(crate) mod measurement;
pub(crate) mod program;
pub(crate) mod release;
pub(crate) mod shown;
