//! What hardware would add that this machine does not show: constants with their sources, for the plan.
//! `veilbench-report` makes `modelled_*` columns of them; no measured column ever holds them.

use serde_json::{Value, json};
use veilbench_networks::Architecture;

use super::request::record_count;
use crate::Job;

/// Ranges with their basis, for one request of a cell.
pub(super) fn constants(architecture: &Architecture, job: &Job) -> Value {
    let bytes = |values: usize| (values as u64).saturating_mul(size_of::<f32>() as u64);
    let model = bytes(architecture.parameters());
    let batch = bytes(job.batch.saturating_mul(architecture.input.len()));
    json!({
        "calls_per_request": record_count(architecture, job.batch),
        "call_cycles": {
            "low": 8_200, "high": 17_000,
            "basis": "enclave call with warm and with cold caches: Weisse et al., HotCalls, ISCA 2017",
        },
        "page_swap_cycles": {
            "low": 40_000, "high": 40_000,
            "basis": "one page in and out of the EPC: Taassori et al., VAULT, ASPLOS 2018",
        },
        "epc_bytes": { "low": 128 << 20, "high": 128 << 20, "basis": "EPC of the processors in VAULT" },
        "memory_encryption_share": {
            "low": 0.0, "high": 0.2,
            "basis": "CPU TEEs of today: under 20 % latency on inference, arXiv 2509.18886",
        },
        "memory_bytes_per_second": {
            "low": 10e9, "high": 20e9, "basis": "assumed, one core that reads every weight once a request",
        },
        "clock_hertz": { "low": 2.5e9, "high": 4.0e9, "basis": "assumed, to turn cycles into time" },
        "working_set_bytes": {
            "low": model.saturating_add(batch), "high": model.saturating_mul(2).saturating_add(batch),
            "basis": "weights once, or a second time as packed by the engine, and one batch",
        },
    })
}
