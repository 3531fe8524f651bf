//! What is written of a run: what it was made with, and what each session left behind.

pub(crate) mod change;
pub(crate) mod provenance;
pub(crate) mod rows;
