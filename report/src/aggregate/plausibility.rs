//! Figures that can be right only if something else is wrong.

use veilbench_results::{Answer, Finding, Row, Run, Severity, Summary};

/// Share of chance below which even the upper end of an accuracy's interval says that classes are mixed up rather than
/// that a network is bad.
const FAR_BELOW: f64 = 0.75;

/// Accuracies far below what guessing would reach: the network knows its classes, by other numbers.
pub(crate) fn implausible(run: &Run, rows: &[Summary]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for row in rows {
        let classes = run.datasets.get(&row.dataset).map_or(0, |dataset| dataset.classes.len());
        let Some((accuracy, high)) = row.accuracy.zip(row.accuracy_high) else { continue };
        if classes < 2 || high >= FAR_BELOW / classes as f64 {
            continue;
        }
        let message = format!(
            "{}: {:.2} % of {} images of {classes} classes are right, far below chance: the network's classes are in \
             another order than those of {}; name them in the model's metadata (`veilbench.classes`)",
            row.cell,
            100.0 * accuracy,
            row.images_answered,
            row.dataset
        );
        findings.push(Finding {
            file: Answer::FILE.to_owned(),
            line: None,
            message,
            severity: Severity::Error,
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_results::DatasetRecord;

    fn found(classes: usize, accuracy: f64, images: usize) -> bool {
        let mut run = Run::default();
        let classes = (0..classes).map(|class| class.to_string()).collect();
        run.datasets.insert("cells".to_owned(), DatasetRecord { classes, ..DatasetRecord::default() });
        let row = Summary {
            dataset: "cells".to_owned(),
            accuracy: Some(accuracy),
            accuracy_high: crate::aggregate::statistics::wilson(accuracy, images).map(|(_, high)| high),
            images_answered: images,
            ..Summary::default()
        };
        !implausible(&run, &[row]).is_empty()
    }

    #[test]
    fn classes_the_other_way_round_are_found_and_bad_networks_are_not() {
        assert!(found(2, 0.0512, 100), "a network of 94.88 % with its two classes exchanged");
        assert!(found(10, 0.0, 50));
        assert!(!found(2, 0.44, 100) && !found(2, 0.48, 100_000) && !found(10, 0.08, 100));
        assert!(!found(0, 0.0, 100), "no number of classes, no chance");
    }
}
