//! `traffic.csv`.

use crate::{Phase, Row, session::SessionRow};
use serde::{Deserialize, Serialize};

/// A row of `traffic.csv`: what one role sent another in one phase of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Name of the run.
    pub run: String,
    /// [`Cell::id`](crate::Cell::id).
    pub cell: String,
    /// Which session of the cell, from 0.
    pub repetition: usize,
    /// Which batch of the session, from 0; 0 for `setup`.
    pub iteration: usize,
    /// `setup`, `offline` or `online`.
    pub phase: Phase,
    /// The sending role.
    pub from: String,
    /// The receiving role.
    pub to: String,
    /// Payload bytes, by the sender's count; where [the kernel counts](crate::CountedBy::Kernel), every byte on the interface.
    pub bytes: u64,
    /// Messages, by the sender's count; empty where others than veilbench's links counted and did not say.
    pub messages: Option<u64>,
    /// Payload bytes, by the receiver's count.
    #[serde(default)]
    pub received_bytes: Option<u64>,
    /// Messages, by the receiver's count.
    #[serde(default)]
    pub received_messages: Option<u64>,
    /// Through memory the two share, not over the network.
    #[serde(default)]
    pub local: bool,
}

impl Row for Traffic {
    const FILE: &'static str = "traffic.csv";
    const ADDED: &'static [&'static str] = &["received_bytes", "received_messages", "local"];
}

impl SessionRow for Traffic {
    fn session(&self) -> (&str, usize) {
        (&self.cell, self.repetition)
    }
}
