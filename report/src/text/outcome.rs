//! How a cell's sessions ended, in words.

use crate::text::format::{percent, small};
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

/// Share of the clear network's answers below which a backend is another network: few answers, or a few near ties, do not show that.
const SAME_NETWORK: f64 = 0.95;

/// The mark of a row whose answers are not the clear network's, as far as this many can show it.
pub(crate) fn wrong(row: &Summary) -> Option<String> {
    let agreement = row.agreement?;
    let is_wrong = row.agreement_high.is_some_and(|high| high < SAME_NETWORK);
    is_wrong.then(|| format!("wrong: {} of its answers are the clear network's", percent(agreement)))
}

/// The mark of a row whose logits are further off than its plan says.
pub(crate) fn inexact(row: &Summary) -> Option<String> {
    let (error, tolerance) = (row.max_logit_error?, row.logit_tolerance?);
    let is_within = error <= tolerance;
    (row.status == Status::Ok && !is_within).then(|| {
        format!("inexact: logits are off by {}, at most {} was stated", small(error), small(tolerance))
    })
}

/// What stands behind a row: why it failed, that its answers are wrong or inexact, or that the machine was busy.
pub(crate) fn remark(row: &Summary) -> Option<String> {
    failure(row).or_else(|| wrong(row)).or_else(|| inexact(row)).or_else(|| busy(row))
}

/// The mark of a row that was measured while other work took more than a tenth of the machine.
pub(crate) fn busy(row: &Summary) -> Option<String> {
    let share = row.others_cpu_share.filter(|share| *share > BUSY_SHARE)?;
    Some(format!("ok, busy: other work took {} of the machine", percent(share)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::statistics::wilson;

    fn answered(agreeing: usize, images: usize) -> Summary {
        let agreement = agreeing as f64 / images as f64;
        let (agreement_low, agreement_high) = wilson(agreement, images).unzip();
        Summary { agreement: Some(agreement), agreement_low, agreement_high, ..Summary::default() }
    }

    #[test]
    fn wrong_answers_are_named_where_there_are_enough_to_tell() {
        assert_eq!(remark(&answered(50, 50)), None);
        // A near tie among a hundred, and one of a quantised network among five.
        assert_eq!((remark(&answered(99, 100)), remark(&answered(4, 5))), (None, None));
        for (agreeing, images) in [(0, 1), (1, 2), (40, 50)] {
            let said = remark(&answered(agreeing, images)).unwrap_or_default();
            assert!(said.starts_with("wrong: "), "{agreeing} of {images}: {said}");
        }
        let off =
            |error| Summary { max_logit_error: Some(error), logit_tolerance: Some(0.25), ..answered(50, 50) };
        assert_eq!(remark(&off(0.25)), None);
        for error in [0.5, f64::NAN] {
            assert!(remark(&off(error)).unwrap_or_default().starts_with("inexact: "));
        }
        let failed = Summary { status: Status::Error, detail: "gone".into(), ..answered(0, 50) };
        assert_eq!(remark(&failed).as_deref(), Some("error: gone"), "what failed comes first");
    }
}
