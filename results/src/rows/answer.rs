//! `answers.csv`.

use crate::{Row, session::SessionRow};
use serde::{Deserialize, Serialize};

/// A row of `answers.csv`: how one image of one timed batch was classified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Name of the run.
    pub run: String,
    /// [`Cell::id`](crate::Cell::id).
    pub cell: String,
    /// Which session of the cell, from 0.
    pub repetition: usize,
    /// Which batch of the session, from 0.
    pub iteration: usize,
    /// Index of the image in the data set.
    pub image: usize,
    /// True class; empty when the data set does not say.
    pub label: Option<usize>,
    /// Class given by the network in the clear.
    pub clear: usize,
    /// Class given by the backend.
    pub private: usize,
    /// Largest absolute difference between a logit of the backend and of the clear network; empty where the backend reveals the
    /// label alone.
    pub max_logit_error: Option<f64>,
}

impl Row for Answer {
    const FILE: &'static str = "answers.csv";
}

impl SessionRow for Answer {
    fn session(&self) -> (&str, usize) {
        (&self.cell, self.repetition)
    }
}
