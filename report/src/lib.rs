//! Summaries, plots and comparisons of veilbench runs, from the files of the run folder alone.
//!
//! [`generate`] derives `summary.csv`, `summary.md`, the plots and `index.html` of a run folder; the same folder gives the same
//! bytes every time. [`summarise`] is the table behind them, [`compare`] holds two runs against each other, and
//! [`statistics`] has the estimators both use.
//!
//! # Non-goals
//! This crate measures nothing, needs no cryptography and knows no backend: names, technologies and threat models
//! are what `run.json` says. It never ranks backends; rows are grouped by what they protect against.

mod diff;
mod error;
mod figure;
mod format;
mod generate;
mod groups;
mod html;
mod markdown;
mod modelled;
mod plots;
mod render;
pub mod statistics;
mod summarise;
mod table;
mod terminal;

pub use diff::{Change, Comparison, Difference, Settings, compare};
pub use error::Error;
pub use generate::{Report, generate};
pub use summarise::summarise;
pub use terminal::terminal_table;
