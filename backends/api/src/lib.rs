//! What it takes to be measured by veilbench: the [`Backend`] trait, metered [`link`]s, protection as data, and a
//! public [`conformance`] suite.
//!
//! A backend is one way to run a network privately. It names its roles; the harness starts one
//! process for each, connects them with links, and steps all of them through three phases:
//! `setup` ([`Backend::join`]), `offline` and `online` ([`Party`]). What passes over a link is counted by
//! sender and receiver; rounds are measured from the causal depth every message carries. A backend
//! therefore contains no measuring code beyond the names of its spans.
//!
//! To add one, implement [`Backend`] in a crate that depends on this one and on `veilbench-networks`, and give it to
//! `veilbench::main`. [`conformance::check`] tells whether it keeps the promises the harness relies on.
//!
//! # Non-goals
//! Cryptography and evaluation (the backends beside this folder), scheduling and clocks (the harness),
//! transports other than byte streams.

mod backend;
pub mod conformance;
mod error;
pub mod link;
pub mod local_session;
pub mod noise;
mod plan;
mod profile;
pub mod protection;
pub mod recorder;
pub mod runner;
pub mod wire;

pub use backend::{Answers, Backend, Party, RoleContext, RoleInput, WorkerFigures};
pub use error::Error;
pub use link::{Link, LinkError, LinkProfile, Links};
pub use noise::{ImagesAtHand, LogitNoise};
pub use plan::{Job, Plan, Reveals, Setting, Settings, Unsupported};
pub use profile::{Origin, PrivateInput, Profile, Role, Technology};
pub use protection::{Adversary, Leakage, Learned, Protection};
pub use recorder::{Recorder, Span};
pub use runner::{Exchanged, PartyRunner, PhaseMetrics};
pub use veilbench_results::{CountedBy, ModelledHardware, Predicted, Tolerance};
