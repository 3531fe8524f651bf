//! What hardware would add that this machine does not show: constants with their sources, for the plan.
//! `veilbench-report` makes `modelled_*` columns of them; no measured column ever holds them.

use veilbench_api::Job;
use veilbench_networks::Architecture;
use veilbench_results::{ModelledHardware, ModelledRange};

use super::request::record_count;

/// Returns ranges with their basis, for one request of a cell.
pub(super) fn constants(architecture: &Architecture, job: &Job) -> ModelledHardware {
    let bytes = |values: usize| (values as u64).saturating_mul(size_of::<f32>() as u64);
    let model = bytes(architecture.parameters());
    let batch = bytes(job.batch.saturating_mul(architecture.input.len()));
    let range = |low: f64, high: f64, basis: &str| ModelledRange { low, high, basis: basis.to_owned() };
    ModelledHardware {
        calls_per_request: record_count(architecture, job.batch) as f64,
        call_cycles: range(
            8_200.0,
            17_000.0,
            "enclave call with warm and with cold caches: Weisse et al., HotCalls, ISCA 2017",
        ),
        page_swap_cycles: range(
            40_000.0,
            40_000.0,
            "one page in and out of the EPC: Taassori et al., VAULT, ASPLOS 2018",
        ),
        epc_bytes: range(f64::from(128 << 20), f64::from(128 << 20), "EPC of the processors in VAULT"),
        memory_encryption_share: range(
            0.0,
            0.2,
            "CPU TEEs of today: under 20 % latency on inference, arXiv 2509.18886",
        ),
        memory_bytes_per_second: range(
            10e9,
            20e9,
            "assumed, one core that reads every weight once a request",
        ),
        clock_hertz: range(2.5e9, 4.0e9, "assumed, to turn cycles into time"),
        working_set_bytes: range(
            model.saturating_add(batch) as f64,
            model.saturating_mul(2).saturating_add(batch) as f64,
            "weights once, or a second time as packed by the engine, and one batch",
        ),
    }
}
