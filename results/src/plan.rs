//! What reports read of a backend's plan: figures it predicts, and constants of hardware that is not there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far a logit may be from the clear network's and still count as the same network: absolute where the logits of a
/// test set spread by one or more, else a share of their spread (their standard deviation).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Tolerance(f64);

impl Tolerance {
    /// A tolerance; `None` unless it is finite and above zero.
    #[must_use]
    pub fn new(largest: f64) -> Option<Self> {
        (largest.is_finite() && largest > 0.0).then_some(Self(largest))
    }

    /// The largest distance.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Tolerance {
    /// 2^-8: coarser than the stated precision of every backend that computes in fixed point.
    fn default() -> Self {
        Self(1.0 / 256.0)
    }
}

impl TryFrom<f64> for Tolerance {
    type Error = &'static str;

    fn try_from(largest: f64) -> Result<Self, Self::Error> {
        Self::new(largest).ok_or("a tolerance is finite and above zero")
    }
}

impl From<Tolerance> for f64 {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.0
    }
}

/// Who counts the bytes of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountedBy {
    /// veilbench's links: the payload of each message, with messages and rounds.
    #[default]
    Link,
    /// The kernel, at the interfaces between the roles' networks: every byte on them, the framing of TCP, IP and Ethernet
    /// included. Messages and rounds are not measured.
    Kernel,
    /// The system that is measured, which nobody checks.
    SelfReported,
}

impl CountedBy {
    /// As written in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Kernel => "kernel",
            Self::SelfReported => "self-reported",
        }
    }

    /// Whether it is what backends do unless they say otherwise.
    #[must_use]
    pub fn is_link(&self) -> bool {
        *self == Self::Link
    }
}

/// Figures that a plan predicts of a batch, by the names of columns of `summary.csv`. What is not predicted is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Predicted {
    /// Online time of a warm batch, nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_wall_ns: Option<u64>,
    /// Payload bytes of the setup phase, all roles together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_bytes: Option<u64>,
    /// Payload bytes of a batch's offline phase, all roles together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_bytes: Option<u64>,
    /// Payload bytes of a batch's online phase, all roles together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_bytes: Option<u64>,
    /// Peak memory of the role that takes most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
    /// Peak memory of all roles: what the machine must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_peak_rss_bytes: Option<u64>,
    /// No logit is expected to be further off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_logit_error: Option<f64>,
    /// Standard deviation of the error of a logit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_error_deviation: Option<f64>,
    /// Logits of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits: Option<u64>,
}

/// A constant with its uncertainty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelledRange {
    /// The least it may be.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// Where it is from.
    pub basis: String,
}

/// Constants of a trusted execution environment in hardware, for the requests of one cell. Figures derived from them
/// are called modelled and kept apart from what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelledHardware {
    /// Calls into the enclave for one request.
    pub calls_per_request: f64,
    /// Cycles of a call.
    pub call_cycles: ModelledRange,
    /// Cycles to swap a page of 4,096 bytes out of and into protected memory.
    pub page_swap_cycles: ModelledRange,
    /// Protected memory, bytes.
    pub epc_bytes: ModelledRange,
    /// What the encryption of memory adds to the time, as a share of it.
    pub memory_encryption_share: ModelledRange,
    /// Bytes of weights one core reads per second.
    pub memory_bytes_per_second: ModelledRange,
    /// Cycles per second.
    pub clock_hertz: ModelledRange,
    /// Bytes the enclave touches for a request.
    pub working_set_bytes: ModelledRange,
}

/// The part of a plan that reports read; the rest is the backend's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanFigures {
    /// What the plan predicts.
    pub prediction: Option<Predicted>,
    /// What it models.
    pub modelled: Option<ModelledHardware>,
    /// How far off its logits may be; plans of earlier versions do not say.
    pub tolerance: Option<Tolerance>,
    /// Who counts its bytes; plans of earlier versions do not say, and veilbench's links did.
    pub counted_by: CountedBy,
}

impl PlanFigures {
    /// Reads them from a plan as `run.json` holds it. Plans of earlier versions have them among the backend's parameters.
    #[must_use]
    pub fn of(plan: &Value) -> Self {
        fn find<T: for<'a> Deserialize<'a>>(plan: &Value, names: [&str; 2]) -> Option<T> {
            let value = plan.get(names[0]).or_else(|| plan.get("parameters")?.get(names[1]))?;
            T::deserialize(value).ok()
        }
        Self {
            prediction: find(plan, ["prediction", "predicted"]),
            modelled: find(plan, ["modelled", "modelled"]),
            tolerance: find(plan, ["tolerance", "tolerance"]),
            counted_by: find(plan, ["counted_by", "counted_by"]).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_are_found_where_this_version_and_earlier_ones_have_them() {
        let predicted = json!({ "online_bytes": 7, "max_logit_error": 0.5, "upload_bytes": 3 });
        for plan in [json!({ "prediction": predicted }), json!({ "parameters": { "predicted": predicted } })]
        {
            let figures = PlanFigures::of(&plan);
            let expected =
                Predicted { online_bytes: Some(7), max_logit_error: Some(0.5), ..Predicted::default() };
            assert_eq!((figures.prediction, figures.modelled), (Some(expected), None));
        }
        assert_eq!(PlanFigures::of(&json!({ "parameters": null })), PlanFigures::default());
    }

    #[test]
    fn a_tolerance_is_a_number_above_zero() {
        let tolerance = |value| PlanFigures::of(&json!({ "tolerance": value })).tolerance;
        assert_eq!(tolerance(json!(0.5)), Tolerance::new(0.5));
        for wrong in [json!(0.0), json!(-1.0), json!(null), json!("0.5")] {
            assert_eq!(tolerance(wrong), None);
        }
        assert_eq!(Tolerance::new(f64::NAN), None);
    }

    #[test]
    fn what_is_not_predicted_is_not_written() {
        let text = serde_json::to_string(&Predicted { logits: Some(2), ..Predicted::default() }).unwrap();
        assert_eq!(text, r#"{"logits":2}"#);
        let offline = Predicted { offline_bytes: Some(0), ..Predicted::default() };
        assert_eq!(
            serde_json::to_string(&offline).unwrap(),
            r#"{"offline_bytes":0}"#,
            "none are a prediction"
        );
    }
}
