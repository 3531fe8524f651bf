//! What it takes to be measured by veilbench: the [`Backend`] trait, metered [`link`]s, threat
//! models as data, a public [`conformance`] suite, and the backends themselves.
//!
//! A backend is one way to run a network privately. It names its roles; the harness starts one
//! process for each, connects them with links, and steps all of them through three phases:
//! `setup` ([`Backend::join`]), `offline` and `online` ([`Party`]). What passes over a link is counted by
//! the sender; rounds are measured from the causal depth every message carries. A backend
//! therefore contains no measuring code beyond the names of its spans.
//!
//! To add one, implement [`Backend`] in one file and add one line to [`all`]; out of tree, give a
//! list of backends to `veilbench::main`. [`conformance::check`] tells whether it keeps the
//! promises the harness relies on.
//!
//! # Non-goals
//! Cryptography (crates of their own below this folder), scheduling and clocks (the harness),
//! transports other than byte streams.

pub mod backend;
pub mod ckks;
pub mod clear;
pub mod conformance;
pub mod link;
pub mod mpc;
pub mod recorder;
pub mod rehearsal;
pub mod stage;
pub mod tee;
pub mod threat;
pub mod wire;

pub use backend::{
    Backend, Error, Holding, Job, Party, Plan, Profile, Role, Seat, Setting, Settings, Technology,
    Unsupported,
};
pub use link::{Link, LinkError, LinkProfile, Links};
pub use recorder::{Recorder, Span};
pub use stage::{Exchanged, Footprint, Stage};
pub use threat::{Adversary, Leakage, Learned, ThreatModel};

/// Every backend of this crate, in the order reports list them.
pub fn all() -> Vec<Box<dyn Backend>> {
    vec![
        Box::new(clear::Clear),
        Box::new(tee::Tee),
        Box::new(mpc::tree()),
        Box::new(mpc::function()),
        Box::new(mpc::beaver()),
        Box::new(ckks::Ckks),
        Box::new(ckks::CkksClientAided),
    ]
}
