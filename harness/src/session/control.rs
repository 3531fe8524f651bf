//! What the harness and its party processes say to each other, as JSON lines on the party's
//! standard input and output. None of it is counted: it carries no image and no weight.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use veilbench_api::link::Token;
use veilbench_api::{Job, PhaseMetrics, Plan};
use veilbench_networks::Architecture;

use crate::session::process::StatusFigures;

/// From the harness to a party.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Become a role.
    RoleBriefing(Box<RoleBriefing>),
    /// Connect to the other parties, given in the order of the profile.
    Connect(Vec<(String, SocketAddr)>),
    /// Get ready for a phase.
    Prepare(Phase),
    /// Start the phase at this monotonic time.
    Go {
        /// Nanoseconds of the machine's monotonic clock.
        at_ns: u64,
        /// When to report the phase at the earliest.
        report_ns: u64,
    },
    /// The session is over.
    Leave,
}

/// All a role may know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoleBriefing {
    pub(crate) backend: String,
    pub(crate) role: usize,
    pub(crate) architecture: Architecture,
    pub(crate) plan: Plan,
    pub(crate) job: Job,
    pub(crate) token: Token,
    pub(crate) timeout_seconds: u64,
    /// The model file, for the role that holds the weights.
    pub(crate) weights: Option<PathBuf>,
    /// The prepared images, for the role that holds them.
    pub(crate) images: Option<PathBuf>,
}

/// One phase of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Setup,
    Offline {
        images: usize,
    },
    Online {
        /// Index of the first image in the prepared file.
        first: usize,
        images: usize,
    },
}

/// From a party to the harness.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    Listening(SocketAddr),
    Connected,
    Ready,
    Finished(Box<Finished>),
    Left(StatusFigures),
    Failed(Reason),
}

/// Why a party gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) text: String,
    /// Values went beyond what the backend represents: the images of the batch that are known to be concerned.
    pub(crate) out_of_range: Option<Vec<usize>>,
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), out_of_range: None }
    }
}

/// A phase as one party measured it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) started_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) metrics: PhaseMetrics,
    /// Of the data owner, after an online phase.
    pub(crate) logits: Option<Vec<f32>>,
}
