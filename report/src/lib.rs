//! Summaries, plots and comparisons of veilbench runs, from the files of the run folder alone.
//!
//! [`generate`] derives `summary.csv`, `summary.md`, tables, plots and `index.html` of a run folder; the same folder gives
//! the same bytes every time. [`splice`] puts the summary into a README. [`summarise`] is the table behind them,
//! [`compare`] holds two runs against each other, and [`statistics`] has the estimators both use.
//!
//! # Non-goals
//! This crate measures nothing, needs no cryptography and knows no backend: names, technologies and threat models
//! are what `run.json` says. It ranks only within a protection, unless a reader of the page asks otherwise and is warned.

mod breakdown;
mod csv_tables;
mod diff;
mod error;
mod figure;
mod format;
mod generate;
mod groups;
mod markdown;
mod modelled;
mod page;
mod plausibility;
mod plots;
mod predictions;
mod readme;
mod render;
mod splice;
pub mod statistics;
mod summarise;
mod table;
mod terminal;
mod tradeoffs;

pub use diff::{Change, Comparison, Difference, Settings, compare};
pub use error::Error;
pub use generate::{Report, generate};
pub use predictions::predictions;
pub use splice::splice;
pub use summarise::summarise;
pub use terminal::terminal_table;
