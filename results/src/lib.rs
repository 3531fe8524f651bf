//! The files of a veilbench run: their columns, the store that appends to them and the validator that reads them.
//!
//! A run is a folder. [`Run`] (`run.json`) says what was measured and on what; [`Sample`] (`samples.csv`), [`Traffic`]
//! (`traffic.csv`) and [`Answer`] (`answers.csv`) hold what was measured, a row a line. One repetition of one
//! [`Cell`] is a *session*: its rows go to disk together and count only once its last row, the commit mark, is there
//! ([`Store`]). [`Summary`] and [`Published`] are the rows of tables derived from runs and from papers.
//!
//! Numbers are integers with the unit in the column's name; an empty field means "not measured", never zero.
//! `results/README.md` describes every column.
//!
//! # Non-goals
//! This crate computes no statistics, knows no backend and formats nothing for people: see `veilbench-report`.

mod answer;
mod archive;
mod cell;
mod check;
mod digest;
mod error;
mod modelled;
mod prediction;
mod published;
mod recovery;
mod repeats;
mod run;
mod run_data;
mod sample;
mod session;
mod store;
mod summary;
mod table;
mod traffic;

pub use answer::Answer;
pub use cell::Cell;
pub use error::Error;
pub use modelled::{Modelled, ModelledSize};
pub use prediction::Prediction;
pub use published::Published;
pub use run::{BackendRecord, DatasetRecord, Machine, NetworkRecord, Run, SCHEMA_VERSION};
pub use run_data::{RunData, validate};
pub use sample::{ALL_ROLES, Phase, Sample, Status};
pub use session::{Session, SessionKey};
pub use store::Store;
pub use summary::{FEWEST_IMAGES, Summary};
pub use table::{Finding, Row, Severity, Table, write_table};
pub use traffic::Traffic;
