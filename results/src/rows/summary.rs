//! `summary.csv`.

use crate::{Row, Status};
use serde::{Deserialize, Serialize};

/// A row of `summary.csv`: one cell, derived from its sessions and never edited.
///
/// Times, bytes and rounds are of one batch, from sessions that are `ok`; empty means not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
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
    /// Images of the data set that a session classifies.
    pub images: usize,
    /// `ok` if every session is; otherwise the worst status of any.
    pub status: Status,
    /// Median setup time of a session, nanoseconds.
    pub setup_wall_ns: Option<u64>,
    /// Median offline time of a warm batch, nanoseconds; empty if the backend has no offline work.
    pub offline_wall_ns: Option<u64>,
    /// Median online time of a warm batch at the data owner, from its start to its logits, nanoseconds.
    pub online_wall_ns: Option<u64>,
    /// Lower end of the 95 % interval of that time over sessions; empty below two sessions.
    pub online_wall_ns_low: Option<u64>,
    /// Upper end.
    pub online_wall_ns_high: Option<u64>,
    /// Images of a batch by its median online time: setup and offline time are not in it.
    pub images_per_second: Option<f64>,
    /// Payload bytes of one setup over the network, all ordered pairs, each byte once.
    pub setup_bytes: Option<u64>,
    /// Payload bytes of one batch's offline phase, likewise.
    pub offline_bytes: Option<u64>,
    /// Payload bytes of one batch's online phase, likewise.
    pub online_bytes: Option<u64>,
    /// Most online bytes any one role sends for a batch.
    pub online_bytes_max_party: Option<u64>,
    /// Causal depth of the messages of one batch's online phase.
    pub online_rounds: Option<u64>,
    /// Largest resident set of any role, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Share of answers equal to the label, 0 to 1; empty for synthetic or unlabelled data, and below
    /// [`FEWEST_IMAGES`] different images.
    pub accuracy: Option<f64>,
    /// Share of answers equal to the clear network's, 0 to 1.
    pub agreement: Option<f64>,
    /// Largest absolute logit difference from the clear network over all answers.
    pub max_logit_error: Option<f64>,
    /// Computational security, bits.
    pub security_bits: Option<u32>,
    /// The label of the backend's protection.
    pub threat_model: String,
    /// Is part of the protection imitated?
    pub simulated: Option<bool>,
    /// Technology: `none`, `tee`, `mpc`, `fhe`, `hybrid`, or another that a backend outside this tree names.
    pub technology: String,
    /// [`Cell::id`](crate::Cell::id).
    pub cell: String,
    /// The cell's seed.
    pub seed: u64,
    /// Are the images generated?
    pub synthetic: Option<bool>,
    /// Sessions recorded.
    pub repetitions: usize,
    /// Those whose status is not `ok`.
    pub repetitions_failed: usize,
    /// Warm batches the online median is taken over.
    pub warm_samples: usize,
    /// Those further than 3.5 scaled median absolute deviations from it; they are kept.
    pub outliers: usize,
    /// Median online time of the first batch of a session, nanoseconds.
    pub cold_online_wall_ns: Option<u64>,
    /// Median processor time of a setup, summed over roles, nanoseconds.
    pub setup_cpu_ns: Option<u64>,
    /// Median processor time of a warm batch's offline phase, likewise.
    pub offline_cpu_ns: Option<u64>,
    /// Median processor time of a warm batch's online phase, likewise.
    pub online_cpu_ns: Option<u64>,
    /// Causal depth of the messages of a setup.
    pub setup_rounds: Option<u64>,
    /// Causal depth of the messages of one batch's offline phase.
    pub offline_rounds: Option<u64>,
    /// Messages of one batch's online phase.
    pub online_messages: Option<u64>,
    /// Answers recorded in sessions that are `ok`.
    pub answers: usize,
    /// Different images among them; the intervals below count each image once.
    pub images_answered: usize,
    /// Lower end of the 95 % Wilson interval of the accuracy.
    pub accuracy_low: Option<f64>,
    /// Upper end.
    pub accuracy_high: Option<f64>,
    /// Lower end of the 95 % Wilson interval of the agreement.
    pub agreement_low: Option<f64>,
    /// Upper end.
    pub agreement_high: Option<f64>,
    /// What failed, or why a figure is missing, for people.
    pub detail: String,
    /// Median time from the first role's start of a warm batch's online phase to the last role's end, nanoseconds.
    #[serde(default)]
    pub online_occupancy_ns: Option<u64>,
    /// Images of a batch by its median offline time and online occupancy together: what can be kept up.
    #[serde(default)]
    pub images_per_second_sustained: Option<f64>,
    /// Payload bytes of one batch's online phase through memory that two roles share.
    #[serde(default)]
    pub online_local_bytes: Option<u64>,
    /// Largest share of the machine's processor time that other work took during a session, 0 to 1.
    #[serde(default)]
    pub others_cpu_share: Option<f64>,
    /// Who counted the bytes: [`CountedBy::as_str`](crate::CountedBy::as_str); empty in files of earlier versions, where veilbench's links
    /// did.
    #[serde(default)]
    pub bytes_counted_by: String,
    /// Where the sessions were measured that times and bytes are from, a key of [`Run::machines`](crate::Run::machines).
    #[serde(default)]
    pub machine: String,
    /// How far off its logits may be by its plan; plans of earlier versions do not say.
    #[serde(default)]
    pub logit_tolerance: Option<f64>,
}

/// Different images below which no accuracy is stated.
pub const FEWEST_IMAGES: usize = 50;

impl Summary {
    /// Offline time and online occupancy of a warm batch together, nanoseconds; a backend without offline work has none.
    #[must_use]
    pub fn work_ns(&self) -> Option<u64> {
        let online = self.online_occupancy_ns.or(self.online_wall_ns)?;
        Some(online.saturating_add(self.offline_wall_ns.unwrap_or(0)))
    }

    /// Offline and online bytes of a batch together.
    #[must_use]
    pub fn work_bytes(&self) -> Option<u64> {
        Some(self.online_bytes?.saturating_add(self.offline_bytes.unwrap_or(0)))
    }
}

impl Row for Summary {
    const FILE: &'static str = "summary.csv";
    const ADDED: &'static [&'static str] = &[
        "online_occupancy_ns",
        "images_per_second_sustained",
        "online_local_bytes",
        "others_cpu_share",
        "bytes_counted_by",
        "machine",
        "logit_tolerance",
    ];
    const ADDED_LAST: &'static [&'static str] = &["bytes_counted_by", "machine", "logit_tolerance"];
}
