//! Rows of the files of a run, of what is derived from them, and of published figures.

pub(crate) mod answer;
pub(crate) mod modelled;
pub(crate) mod prediction;
pub(crate) mod published;
pub(crate) mod sample;
pub(crate) mod summary;
pub(crate) mod traffic;
