//! Tables for people and machines: Markdown, the terminal, CSV, the README.

pub(crate) mod aligned;
pub(crate) mod csv_tables;
pub(crate) mod figures;
pub(crate) mod format;
pub(crate) mod markdown;
pub(crate) mod outcome;
pub(crate) mod readme;
pub(crate) mod refusals;
pub(crate) mod splice;
pub(crate) mod table;
pub(crate) mod terminal;
