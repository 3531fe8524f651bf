//! Figures out of rows: cells, intervals, groups of equal protection, comparisons. Nothing here is text or picture.

pub(crate) mod breakdown;
pub(crate) mod diff;
pub(crate) mod groups;
pub(crate) mod links;
pub(crate) mod modelled;
pub(crate) mod plausibility;
pub(crate) mod predictions;
pub mod statistics;
pub(crate) mod summarise;
pub(crate) mod tasks;
pub(crate) mod tradeoffs;
