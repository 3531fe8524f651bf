//! What a cell asks of a backend, what a user may choose about it, and what the backend makes of that before anything runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use veilbench_results::{CountedBy, ModelledHardware, Predicted, Tolerance};

use crate::LinkProfile;

/// What a cell asks of a backend, apart from the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Images per batch.
    pub batch: usize,
    /// Worker threads each party may use; the ambient rayon pool has as many.
    pub threads: usize,
    /// The network between the parties.
    pub link: LinkProfile,
    /// Choices that differ from the backend's defaults; checked by the harness against [`Backend::settings`](crate::Backend::settings).
    pub settings: Settings,
}

impl Job {
    /// A job with every setting at its default.
    pub fn new(batch: usize, threads: usize, link: LinkProfile) -> Self {
        Self { batch, threads, link, settings: Settings::new() }
    }

    /// The chosen value of a setting, or its default.
    pub fn setting(&self, setting: &Setting) -> &str {
        let default = setting.values.first().copied().unwrap_or_default();
        self.settings.get(setting.key).map_or(default, String::as_str)
    }
}

/// A choice a backend offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Lower-case letters, digits and dashes: `layout`.
    pub key: &'static str,
    /// The values it takes, the default first.
    pub values: &'static [&'static str],
    /// One line for people.
    pub summary: &'static str,
}

/// The choices of a cell that differ from a backend's defaults, by key.
pub type Settings = BTreeMap<String, String>;

/// Public parameters that both sides agree on before a session. Recorded with the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Computational security of the weakest component in bits; `None` without cryptography.
    pub security_bits: Option<u32>,
    /// How far its logits may be from the clear network's: what it is held to by `verify` and conformance.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// The backend's own parameters: nobody else reads them.
    pub parameters: serde_json::Value,
    /// What it predicts, to be held against the measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Predicted>,
    /// Constants of hardware that is simulated, from which reports make figures called modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modelled: Option<ModelledHardware>,
    /// What a reader of the results should know, e.g. that ranges were rescaled.
    pub notes: Vec<String>,
    /// How long one batch is expected to take, offline and online together, in nanoseconds; `None` if that is a matter of milliseconds.
    /// From it the harness sees how many batches fit a profile.
    #[serde(default)]
    pub predicted_batch_ns: Option<u64>,
    /// How many images a session may classify, those that warm it up included; `None` without such a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_images: Option<usize>,
    /// What the role that holds the images gets.
    #[serde(default, skip_serializing_if = "Reveals::is_logits")]
    pub reveals: Reveals,
    /// Who counts the bytes.
    #[serde(default, skip_serializing_if = "CountedBy::is_link")]
    pub counted_by: CountedBy,
}

/// Which [`Answers`](crate::Answers) a cell gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reveals {
    /// All logits.
    #[default]
    Logits,
    /// The label alone.
    Labels,
}

impl Reveals {
    /// Whether it is what backends do unless they say otherwise.
    pub fn is_logits(&self) -> bool {
        *self == Reveals::Logits
    }
}

/// Why a backend cannot run a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", layer.as_ref().map(|name| format!("layer {name}: ")).unwrap_or_default())]
pub struct Unsupported {
    /// The layer in the way, if it is one.
    pub layer: Option<String>,
    /// Why, and what would help.
    pub reason: String,
}
