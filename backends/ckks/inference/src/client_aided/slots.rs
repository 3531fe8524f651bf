//! The plan of the layout in which slot `i` is image `i`.

use super::rounds::Round;
use super::steps::{kept_values, rounds, steps};
use super::{AidedPlan, DEPTH, IMAGE_COPIES, LOGIT_ERROR, PROTOCOL};
use crate::planning::cost::Cost;
use crate::planning::memory::{CLIENT_BYTES, KEYS_HEADER_BYTES, too_little_memory};
use crate::planning::plan::unwritten;
use crate::planning::precision::{Inputs, logit_deviation};
use crate::planning::prediction::{Prediction, three_digits};
use crate::planning::rates;
use crate::planning::scheme::{Demand, Scheme};
use crate::roles::guard::Guard;
use veilbench_api::{Job, Plan, Unsupported};
use veilbench_networks::Architecture;

/// Of what a round takes, one in so many bytes is kept by every thread but the first when it is freed.
const KEPT_SHARE: usize = 8;

/// Memory of the model owner's process and its messages beside ciphertexts: there are no keys and few buffers.
const PROCESS_BYTES: usize = 30 << 20;

/// The plan for a machine with so much memory.
pub(super) fn plan(architecture: &Architecture, job: &Job, memory: usize) -> Result<Plan, Unsupported> {
    let guarded = |round: Round| {
        let guard = Guard::structure(round.shape.len());
        round.guarded(&guard)
    };
    let steps = steps(architecture, None)?;
    let kept_bytes = job.batch * kept_values(architecture, &steps) * size_of::<f32>();
    let rounds: Vec<Round> = rounds(steps).map(guarded).collect();
    let largest = rounds.iter().map(|round| round.units[1]).fold(1.0, f64::max);
    let demand = Demand {
        depth: DEPTH,
        degree: 32_768,
        vectors: false,
        rotations: false,
        lower_input_bits: 0,
        stages: &[],
        logits: largest * (rounds.len() as f64).sqrt(),
        error: LOGIT_ERROR,
        pairs: None,
        room: None,
    };
    let scheme = Scheme::choose(&demand)?;
    let passes = job.batch.div_ceil(scheme.slots());
    let exchanges = |rates| -> Vec<_> {
        let cost = Cost::new(rates, &scheme, job.threads);
        rounds.iter().map(|round| cost.exchange(&round.map)).collect()
    };
    let (exchanges, at_reference) = (exchanges(rates::here()), exchanges(rates::reference()));
    // A round's inputs and results are in memory together.
    let held = |round: &Round| {
        round.map.inputs * scheme.memory_bytes(1) + round.map.outputs() * scheme.wire_bytes(0, false)
    };
    let held = rounds.iter().map(held).max().unwrap_or(0);
    let kept = job.threads.saturating_sub(1) * (held / KEPT_SHARE);
    let peak_rss_bytes = PROCESS_BYTES + held + kept;
    let images = job.batch * architecture.input.len() * size_of::<f32>();
    let session_peak_rss_bytes = peak_rss_bytes + CLIENT_BYTES + IMAGE_COPIES * images + kept_bytes;
    if session_peak_rss_bytes > memory {
        return Err(too_little_memory(session_peak_rss_bytes, memory));
    }
    let stages: Vec<Inputs> =
        rounds.iter().map(|round| Inputs { count: round.fan_in, magnitude: 1.0, fresh: true }).collect();
    let magnitude = rounds.last().map_or(0.0, |round| round.units[1]);
    let [online_wall_ns, reference_ns] = [&exchanges, &at_reference].map(|exchanges| {
        let pass_ns: f64 = exchanges.iter().map(|exchange| exchange.wall_ns(job)).sum();
        (passes as u64).saturating_mul(pass_ns as u64)
    });
    let upload_bytes = passes * exchanges.iter().map(|exchange| exchange.up_bytes).sum::<usize>();
    let download_bytes = passes * exchanges.iter().map(|exchange| exchange.down_bytes).sum::<usize>();
    let predicted = Prediction {
        online_wall_ns,
        reference_ns,
        setup_bytes: KEYS_HEADER_BYTES,
        online_bytes: upload_bytes + download_bytes,
        upload_bytes,
        download_bytes,
        peak_rss_bytes,
        session_peak_rss_bytes,
        max_logit_error: three_digits(scheme.logit_error(&demand)),
        logit_error_deviation: three_digits(logit_deviation(&scheme, &stages, false, magnitude)),
        logits: architecture.classes(),
    };
    let plan = AidedPlan { protocol: PROTOCOL.into(), rounds: rounds.len(), scheme, packed: None };
    Ok(Plan {
        security_bits: Some(veilbench_ckks::SECURITY_BITS),
        parameters: serde_json::to_value(plan).map_err(unwritten)?,
        prediction: Some(predicted.figures()),
        notes: vec!["the data owner sees every activation".into()],
        predicted_batch_ns: Some(reference_ns),
        ..Plan::default()
    })
}
