//! `predictions.csv`.

use crate::Row;
use serde::{Deserialize, Serialize};

/// A row of `predictions.csv`: what a cell's plan predicted beside what was measured, in the units of `summary.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// [`Cell::id`](crate::Cell::id).
    pub cell: String,
    /// Backend name.
    pub backend: String,
    /// Network name.
    pub network: String,
    /// Images in one batch.
    pub batch: usize,
    /// Threads per party.
    pub threads: usize,
    /// Link profile.
    pub link: String,
    /// Online time of a batch, nanoseconds, predicted.
    pub predicted_online_wall_ns: Option<u64>,
    /// Measured.
    pub online_wall_ns: Option<u64>,
    /// Bytes of the setup, predicted.
    pub predicted_setup_bytes: Option<u64>,
    /// Measured.
    pub setup_bytes: Option<u64>,
    /// Offline bytes of a batch, predicted.
    pub predicted_offline_bytes: Option<u64>,
    /// Measured.
    pub offline_bytes: Option<u64>,
    /// Online bytes of a batch, predicted.
    pub predicted_online_bytes: Option<u64>,
    /// Measured.
    pub online_bytes: Option<u64>,
    /// Largest resident set of a role, bytes, predicted.
    pub predicted_peak_rss_bytes: Option<u64>,
    /// Measured.
    pub peak_rss_bytes: Option<u64>,
    /// `-log2` of the largest logit error, predicted.
    pub predicted_precision_bits: Option<f64>,
    /// Measured.
    pub precision_bits: Option<f64>,
    /// Measured figures that are more than a quarter off the prediction, with how much: `online_wall_ns +31 %`.
    pub off: String,
}

impl Row for Prediction {
    const FILE: &'static str = "predictions.csv";
}
