//! Summaries, plots and comparisons of veilbench runs, from the files of the run folder alone.
//!
//! [`generate`] derives `summary.csv`, `summary.md`, tables, plots and `index.html` of a run folder; the same folder gives
//! the same bytes every time. [`splice`] puts the summary into a README. [`summarise`] is the table behind them,
//! [`compare`] holds two runs against each other, and [`statistics`] has the estimators both use.
//!
//! # Non-goals
//! This crate measures nothing, needs no cryptography and knows no backend: names, technologies and protection
//! are what `run.json` says. It ranks only within a protection, unless a reader of the page asks otherwise and is warned.

mod aggregate;
mod drawing;
mod error;
mod generate;
mod page;
mod plots;
mod text;

pub use aggregate::diff::{Change, Comparison, Difference, Settings, compare};
pub use aggregate::predictions::predictions;
pub use aggregate::statistics;
pub use aggregate::summarise::summarise;
pub use error::Error;
pub use generate::{Report, generate};
pub use text::aligned::aligned;
pub use text::format::{bytes, duration};
pub use text::splice::splice;
pub use text::terminal::terminal_table;
