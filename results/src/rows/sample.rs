//! `samples.csv`.

use crate::{Cell, Row, session::SessionRow};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The `role` of a row that speaks of the whole cell: from the common start to the last end.
pub const ALL_ROLES: &str = "all";

/// The part of a session a row speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The whole life of the roles' processes; its row for all roles is the commit mark.
    #[default]
    Session,
    /// Done once a session: keys, provisioning, attestation.
    Setup,
    /// Done per batch before the images are known.
    Offline,
    /// Images in, logits out.
    Online,
}

impl Phase {
    /// As written in CSV.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Setup => "setup",
            Self::Offline => "offline",
            Self::Online => "online",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a row's work ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// To its end.
    #[default]
    Ok,
    /// The backend cannot run this cell and said so beforehand.
    Unsupported,
    /// The user stopped it; resuming measures the session again.
    Interrupted,
    /// It did not end in the time allowed.
    Timeout,
    /// A role ran out of memory.
    OutOfMemory,
    /// Values went beyond what the backend represents: it refused rather than answer wrongly.
    OutOfRange,
    /// A role reported an error or died.
    Error,
}

impl Status {
    /// As written in CSV.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unsupported => "unsupported",
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out-of-memory",
            Self::OutOfRange => "out-of-range",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A row of `samples.csv`: what one role, or all, spent on one phase or span.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Name of the run.
    pub run: String,
    /// [`Cell::id`].
    pub cell: String,
    /// Backend name.
    pub backend: String,
    /// Network name.
    pub network: String,
    /// Data set id.
    pub dataset: String,
    /// Images in one batch.
    pub batch: usize,
    /// Threads each role may use.
    pub threads: usize,
    /// Link profile name.
    pub link: String,
    /// Which session of the cell, from 0.
    pub repetition: usize,
    /// Which batch of the session, from 0; 0 for `session` and `setup`.
    pub iteration: usize,
    /// False for the first batch of a session, its setup and the session itself.
    pub warm: bool,
    /// Images in this batch; empty for `session` and `setup`.
    pub images: Option<usize>,
    /// Part of the session.
    pub phase: Phase,
    /// Named part of the phase; empty for the whole phase.
    pub span: String,
    /// A role's name, or [`ALL_ROLES`].
    pub role: String,
    /// How it ended.
    pub status: Status,
    /// What failed, for people; line breaks are stored as spaces.
    pub detail: String,
    /// Wall-clock time, nanoseconds; empty for a phase in which the backend has nothing to do.
    pub wall_ns: Option<u64>,
    /// Processor time of all threads, nanoseconds; not of spans.
    pub cpu_ns: Option<u64>,
    /// Payload bytes sent over the network, by the sender's count; for all roles, each byte once.
    pub sent_bytes: Option<u64>,
    /// Payload bytes received over the network, by the receiver's count.
    pub received_bytes: Option<u64>,
    /// Messages sent over the network.
    pub messages: Option<u64>,
    /// Causal depth of the messages over the network at the end, from the phase's start.
    pub rounds: Option<u64>,
    /// Largest resident set, bytes; on `session` rows.
    pub peak_rss_bytes: Option<u64>,
    /// From the phase's common start to this role's, nanoseconds.
    #[serde(default)]
    pub start_ns: Option<u64>,
    /// Payload bytes sent through memory that two roles on one machine share.
    #[serde(default)]
    pub local_bytes: Option<u64>,
    /// Processor time that other work on the machine took during the session, nanoseconds; on the commit mark, and where roles
    /// are on hosts on each role's row of the session instead, of its host and of the time `wall_ns` of that row.
    #[serde(default)]
    pub others_cpu_ns: Option<u64>,
    /// Processor time that the machine's host kept from it during the session, nanoseconds; where `others_cpu_ns` is.
    #[serde(default)]
    pub steal_ns: Option<u64>,
    /// How often the kernel took the processor from a role's process; on `session` rows.
    #[serde(default)]
    pub involuntary_switches: Option<u64>,
    /// SHA-256 of the session's other rows and of this one without its digests, hexadecimal; on the commit mark.
    #[serde(default)]
    pub rows_sha256: String,
    /// SHA-256 of what `run.json` says about the cell, hexadecimal; on the commit mark.
    #[serde(default)]
    pub run_sha256: String,
    /// Where it was measured, a key of [`Run::machines`](crate::Run::machines); where roles are on different hosts, rows for all
    /// roles name the data owner's. Empty in files of schema versions 1 and 2.
    #[serde(default)]
    pub machine: String,
}

impl Sample {
    /// A row of a session with nothing measured yet: iteration 0, cold, status ok, whole phase.
    #[must_use]
    pub fn new(run: &str, cell: &Cell, repetition: usize, phase: Phase, role: &str) -> Self {
        Self {
            run: run.to_owned(),
            cell: cell.id(),
            backend: cell.backend.clone(),
            network: cell.network.clone(),
            dataset: cell.dataset.clone(),
            batch: cell.batch,
            threads: cell.threads,
            link: cell.link.clone(),
            repetition,
            phase,
            role: role.to_owned(),
            ..Self::default()
        }
    }

    /// Is this the row that ends a session and makes it count?
    #[must_use]
    pub fn is_commit_mark(&self) -> bool {
        self.phase == Phase::Session && self.role == ALL_ROLES && self.span.is_empty()
    }
}

impl Row for Sample {
    const FILE: &'static str = "samples.csv";
    const ADDED: &'static [&'static str] = &[
        "start_ns",
        "local_bytes",
        "others_cpu_ns",
        "steal_ns",
        "involuntary_switches",
        "rows_sha256",
        "run_sha256",
        "machine",
    ];
    const ADDED_LAST: &'static [&'static str] = &["machine"];
}

impl SessionRow for Sample {
    fn session(&self) -> (&str, usize) {
        (&self.cell, self.repetition)
    }

    fn lacks_last_column(&self) -> bool {
        self.machine.is_empty()
    }
}
