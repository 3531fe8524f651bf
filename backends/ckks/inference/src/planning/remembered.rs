//! Plans that were made, by architecture and choices.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Serialize;
use veilbench_api::Unsupported;

use crate::planning::plan::unwritten;

/// Plans by what they are made from.
pub(crate) type Known<T> = OnceLock<Mutex<HashMap<String, Result<T, Unsupported>>>>;

/// What was planned for an architecture and the choices that matter, remembered: a run asks for the same for every batch size and link.
pub(crate) fn remembered<T: Clone>(
    known: &Known<T>,
    of: &impl Serialize,
    plan: impl FnOnce() -> Result<T, Unsupported>,
) -> Result<T, Unsupported> {
    let key = serde_json::to_string(of).map_err(unwritten)?;
    let known = known.get_or_init(Mutex::default);
    if let Some(plans) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return plans.clone();
    }
    let plans = plan();
    known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, plans.clone());
    plans
}
