//! What a plan says of what it costs and how precise it is.

use serde::{Deserialize, Serialize};
use veilbench_results::Predicted;

/// What a plan says of functions that are approximated, and of noise that is added to results.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Approximations {
    pub(crate) notes: Vec<String>,
    /// Largest error of a logit that they lead to.
    pub(crate) logit_error: f64,
}

/// What a batch costs, predicted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prediction {
    pub(crate) online_wall_ns: u64,
    /// The same on the reference machine.
    pub(crate) reference_ns: u64,
    /// Evaluation keys.
    pub(crate) setup_bytes: usize,
    pub(crate) online_bytes: usize,
    pub(crate) upload_bytes: usize,
    pub(crate) download_bytes: usize,
    /// Peak of the model owner.
    pub(crate) peak_rss_bytes: usize,
    /// Peaks of both parties: what the machine must have.
    pub(crate) session_peak_rss_bytes: usize,
    /// No logit is expected to be further off.
    pub(crate) max_logit_error: f64,
    /// Standard deviation of the error of a logit.
    pub(crate) logit_error_deviation: f64,
    /// Logits of an image.
    pub(crate) logits: usize,
}

impl Prediction {
    /// Returns what reports hold against the measurement.
    pub(crate) fn figures(&self) -> Predicted {
        Predicted {
            online_wall_ns: Some(self.online_wall_ns),
            setup_bytes: Some(self.setup_bytes as u64),
            // Nothing is done without images.
            offline_bytes: None,
            online_bytes: Some(self.online_bytes as u64),
            peak_rss_bytes: Some(self.peak_rss_bytes as u64),
            session_peak_rss_bytes: Some(self.session_peak_rss_bytes as u64),
            max_logit_error: Some(self.max_logit_error),
            logit_error_deviation: Some(self.logit_error_deviation),
            logits: Some(self.logits as u64),
        }
    }
}

/// One stage of the circuit, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerPlan {
    pub(crate) layer: String,
    pub(crate) activation: String,
    /// Level its map starts at.
    pub(crate) level: usize,
    pub(crate) outputs: usize,
    pub(crate) ciphertexts: usize,
    pub(crate) weights: usize,
    pub(crate) rotations: usize,
    pub(crate) online_ns: u64,
}

/// An estimate to three digits, rounded up: it means no more, and survives being written and read.
pub(crate) fn three_digits(estimate: f64) -> f64 {
    if !(estimate.is_finite() && estimate > 0.0) {
        return estimate;
    }
    let exponent = estimate.log10().floor() as i32 - 2;
    let digits = (estimate / 10f64.powi(exponent)).ceil();
    format!("{digits}e{exponent}").parse().unwrap_or(estimate)
}
