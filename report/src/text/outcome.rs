//! How a cell's sessions ended, in words.

use crate::text::format::percent;
use veilbench_results::{Status, Summary};

/// Share of the machine's processor time that others may take before a row is marked.
const BUSY_SHARE: f64 = 0.1;

/// The status, with how many sessions had it if some ended well; none if all did.
pub(crate) fn ending(row: &Summary) -> Option<String> {
    let Summary { status, repetitions_failed, repetitions, .. } = row;
    (*status != Status::Ok).then(|| {
        if repetitions_failed < repetitions {
            format!("{status} in {repetitions_failed} of {repetitions} sessions")
        } else {
            status.to_string()
        }
    })
}

/// The same, and why.
pub(crate) fn failure(row: &Summary) -> Option<String> {
    let ending = ending(row)?;
    Some(if row.detail.is_empty() { ending } else { format!("{ending}: {}", row.detail) })
}

/// The same, short enough to stand after a figure of the sessions that did not fail.
pub(crate) fn failure_mark(row: &Summary) -> Option<String> {
    let Summary { status, repetitions_failed, repetitions, .. } = row;
    (*status != Status::Ok).then(|| format!("✕ {repetitions_failed}/{repetitions} {status}"))
}

/// The mark of a row that was measured while other work took more than a tenth of the machine.
pub(crate) fn busy(row: &Summary) -> Option<String> {
    let share = row.others_cpu_share.filter(|share| *share > BUSY_SHARE)?;
    Some(format!("ok, busy: other work took {} of the machine", percent(share)))
}
