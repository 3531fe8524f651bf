//! `modelled.csv` and `modelled-model-size.csv`.

use crate::Row;
use serde::{Deserialize, Serialize};

/// A row of `modelled.csv`: what hardware that was not there would add to one cell's online phase, as a range.
///
/// Every figure is derived from constants in the cell's plan; none was measured, and none is part of `summary.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Modelled {
    /// [`Cell::id`](crate::Cell::id).
    pub cell: String,
    /// Backend name.
    pub backend: String,
    /// Network name.
    pub network: String,
    /// Images in one batch.
    pub batch: usize,
    /// Least bytes the request needs in protected memory.
    pub modelled_working_set_bytes_low: u64,
    /// Most.
    pub modelled_working_set_bytes_high: u64,
    /// Entering and leaving the enclave, nanoseconds a batch, least.
    pub modelled_calls_ns_low: u64,
    /// Most.
    pub modelled_calls_ns_high: u64,
    /// Swapping pages of protected memory, nanoseconds a batch, least.
    pub modelled_paging_ns_low: u64,
    /// Most.
    pub modelled_paging_ns_high: u64,
    /// Encrypting memory, nanoseconds a batch, least; empty if no online time was measured.
    pub modelled_memory_encryption_ns_low: Option<u64>,
    /// Most.
    pub modelled_memory_encryption_ns_high: Option<u64>,
    /// All of it added to the measured median online time, least; empty if none was measured.
    pub modelled_online_wall_ns_low: Option<u64>,
    /// Most.
    pub modelled_online_wall_ns_high: Option<u64>,
    /// Where the constants come from.
    pub modelled_basis: String,
}

impl Row for Modelled {
    const FILE: &'static str = "modelled.csv";
}

/// A row of `modelled-model-size.csv`: what a model of a size would cost an enclave, a request of one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelledSize {
    /// Bytes of the model's weights.
    pub modelled_model_bytes: u64,
    /// Entering and leaving the enclave, nanoseconds, least.
    pub modelled_calls_ns_low: u64,
    /// Most.
    pub modelled_calls_ns_high: u64,
    /// Swapping pages of protected memory, nanoseconds, least.
    pub modelled_paging_ns_low: u64,
    /// Most.
    pub modelled_paging_ns_high: u64,
    /// Encrypting the weights' way from memory, nanoseconds, least.
    pub modelled_memory_encryption_ns_low: u64,
    /// Most.
    pub modelled_memory_encryption_ns_high: u64,
}

impl Row for ModelledSize {
    const FILE: &'static str = "modelled-model-size.csv";
}
