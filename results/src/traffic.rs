use crate::{Phase, Row, session::SessionRow};
use serde::{Deserialize, Serialize};

/// A row of `traffic.csv`: what one role sent another in one phase of one batch, counted by the sender.
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
    /// Payload bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Row for Traffic {
    const FILE: &'static str = "traffic.csv";
    const COLUMNS: &'static [&'static str] =
        &["run", "cell", "repetition", "iteration", "phase", "from", "to", "bytes", "messages"];
}

impl SessionRow for Traffic {
    fn session(&self) -> (&str, usize) {
        (&self.cell, self.repetition)
    }
}
