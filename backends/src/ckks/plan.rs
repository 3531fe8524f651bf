//! The plan both parties agree on, and what it predicts.

use serde::{Deserialize, Serialize};
use veilbench_networks::Architecture;

use super::circuit::Circuit;
use super::schedule::Schedule;
use super::scheme::{Demand, Scheme};
use crate::{Error, Job, Plan, Unsupported};

/// Largest error of a logit a plan may expect.
const LOGIT_ERROR: f64 = 1.0 / 256.0;

/// Where the values of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Layout {
    /// Slot `i` of every ciphertext is image `i`.
    Throughput,
}

/// All that is agreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CkksPlan {
    pub(super) layout: Layout,
    pub(super) scheme: Scheme,
    pub(super) prediction: Prediction,
}

/// What a plan costs, predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Prediction {
    pub(super) key_bytes: usize,
    pub(super) upload_bytes: usize,
    pub(super) download_bytes: usize,
    pub(super) memory_bytes: usize,
    pub(super) max_logit_error: f64,
}

impl CkksPlan {
    pub(super) fn new(architecture: &Architecture, job: &Job) -> Result<Self, Unsupported> {
        let circuit = Circuit::new(architecture, None)?;
        let demand = Demand {
            depth: circuit.depth(),
            slots: 1,
            degree: 32_768,
            vectors: false,
            rotations: false,
            logits: circuit.logit_unit(),
            error: LOGIT_ERROR,
        };
        let scheme = Scheme::choose(&demand)?;
        let schedule = Schedule::new(&circuit);
        let passes = job.batch.div_ceil(scheme.slots());
        let sent: usize = schedule.messages().map(<[u32]>::len).sum();
        let prediction = Prediction {
            key_bytes: scheme.key_bytes(),
            upload_bytes: passes * sent * scheme.wire_bytes(scheme.depth(), true),
            download_bytes: passes * architecture.classes() * scheme.wire_bytes(0, false),
            memory_bytes: schedule.peak_bytes(&circuit, |level| scheme.memory_bytes(level))
                + scheme.key_memory_bytes(),
            max_logit_error: scheme.logit_error(&demand),
        };
        Ok(Self { layout: Layout::Throughput, scheme, prediction })
    }

    pub(super) fn into_plan(self, notes: Vec<String>) -> Plan {
        let parameters = serde_json::to_value(self).unwrap_or_default();
        Plan { security_bits: Some(veilbench_ckks::SECURITY_BITS), parameters, notes }
    }

    pub(super) fn from_plan(plan: &Plan) -> Result<Self, Error> {
        serde_json::from_value(plan.parameters.clone()).map_err(Error::engine("reading the plan"))
    }
}
