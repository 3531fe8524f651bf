//! The files of a run folder: written, read, packed, sealed by digests, and mended after a crash.

pub(crate) mod archive;
pub(crate) mod columns;
pub(crate) mod digest;
pub(crate) mod merge;
pub(crate) mod recovery;
pub(crate) mod run_data;
pub(crate) mod store;
pub(crate) mod table;
