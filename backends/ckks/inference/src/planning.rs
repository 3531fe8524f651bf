//! Parameters, layout, schedule and cost, chosen from the architecture alone.

pub(crate) mod calibration;
pub(crate) mod cost;
pub(crate) mod memory;
pub(crate) mod packing;
pub(crate) mod pairs;
pub(crate) mod plan;
pub(crate) mod precision;
pub(crate) mod prediction;
pub(crate) mod ranges;
pub(crate) mod rates;
pub(crate) mod release;
pub(crate) mod remembered;
pub(crate) mod schedule;
pub(crate) mod scheme;
