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

mod cell;
mod check;
mod error;
mod folder;
mod link;
mod plan;
mod rows;
mod run;
mod session;
mod shard;

pub use cell::Cell;
pub use error::Error;
pub use folder::merge::{Merged, merge};
pub use folder::run_data::{RunData, validate};
pub use folder::store::Store;
pub use folder::table::{Finding, Row, Severity, Table, write_table};
pub use link::rate_and_round_trip;
pub use plan::{CountedBy, ModelledHardware, ModelledRange, PlanFigures, Predicted, Tolerance};
pub use rows::answer::Answer;
pub use rows::modelled::{Modelled, ModelledSize};
pub use rows::prediction::Prediction;
pub use rows::published::{Known, Published, PublishedTechnology};
pub use rows::sample::{ALL_ROLES, Phase, Sample, Status};
pub use rows::summary::{FEWEST_IMAGES, Summary};
pub use rows::traffic::Traffic;
pub use run::{
    BackendRecord, DatasetRecord, ExternalRecord, HostRecord, Machine, NetworkRecord, Run, SCHEMA_VERSION,
};
pub use session::{Session, SessionKey};
pub use shard::{MOST_SHARDS, ShardRecord, partition};
