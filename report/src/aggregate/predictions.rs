//! What plans predicted beside what was measured: `predictions.csv`.
//!
//! Figures are those of [`Predicted`](veilbench_results::Predicted) in a cell's plan; cells without any have no row. The largest logit error of a run depends on how many logits it
//! compared: where a plan has the standard deviation of one logit's error, the prediction is the median of the
//! largest of as many normal errors as there were.

use crate::{Error, text::markdown::escaped};
use std::path::{Path, PathBuf};
use veilbench_results::{PlanFigures, Prediction, Row, Run, Summary, write_table};

/// How far, as a share of the prediction, a measurement may be from it.
const TOLERANCE: f64 = 0.25;

/// A row for every cell whose plan, as the run describes it, predicts anything.
#[must_use]
pub fn predictions(run: &Run, rows: &[Summary]) -> Vec<Prediction> {
    rows.iter().filter_map(|row| prediction(run, row)).collect()
}

fn prediction(run: &Run, row: &Summary) -> Option<Prediction> {
    let predicted = PlanFigures::of(run.plans.get(&row.cell)?).prediction?;
    let bits = |error: f64| (error.is_finite() && error > 0.0).then(|| -error.log2());
    let largest_error = match (predicted.logit_error_deviation, predicted.logits) {
        (Some(deviation), Some(logits)) if row.answers > 0 && logits > 0 => {
            Some(deviation * largest_of_normal(row.answers as f64 * logits as f64))
        }
        _ => predicted.max_logit_error,
    };
    let mut prediction = Prediction {
        cell: row.cell.clone(),
        backend: row.backend.clone(),
        network: row.network.clone(),
        batch: row.batch,
        threads: row.threads,
        link: row.link.clone(),
        predicted_online_wall_ns: predicted.online_wall_ns,
        online_wall_ns: row.online_wall_ns,
        predicted_setup_bytes: predicted.setup_bytes,
        setup_bytes: row.setup_bytes,
        predicted_offline_bytes: predicted.offline_bytes,
        offline_bytes: row.offline_bytes,
        predicted_online_bytes: predicted.online_bytes,
        online_bytes: row.online_bytes,
        predicted_peak_rss_bytes: predicted.peak_rss_bytes,
        peak_rss_bytes: row.peak_rss_bytes,
        predicted_precision_bits: largest_error.and_then(bits),
        precision_bits: row.max_logit_error.and_then(bits),
        off: String::new(),
    };
    prediction.off = off(&prediction);
    Some(prediction)
}

/// The median of the largest absolute value of this many independent standard normal variables.
///
/// The tail is inverted by the rational approximation 26.2.23 of Abramowitz and Stegun, good to 4.5e-4.
fn largest_of_normal(count: f64) -> f64 {
    let tail = -(-std::f64::consts::LN_2 / count).exp_m1() / 2.0;
    let t = (-2.0 * tail.ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - numerator / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

fn off(row: &Prediction) -> String {
    let float = |value: Option<u64>| value.map(|value| value as f64);
    let pairs = [
        ("online_wall_ns", float(row.predicted_online_wall_ns), float(row.online_wall_ns)),
        ("setup_bytes", float(row.predicted_setup_bytes), float(row.setup_bytes)),
        ("offline_bytes", float(row.predicted_offline_bytes), float(row.offline_bytes)),
        ("online_bytes", float(row.predicted_online_bytes), float(row.online_bytes)),
        ("peak_rss_bytes", float(row.predicted_peak_rss_bytes), float(row.peak_rss_bytes)),
        ("precision_bits", row.predicted_precision_bits, row.precision_bits),
    ];
    let deviation = |(name, predicted, measured): (&str, Option<f64>, Option<f64>)| {
        let share = measured? / predicted? - 1.0;
        (share.abs() > TOLERANCE).then(|| format!("{name} {:+.0} %", 100.0 * share))
    };
    pairs.into_iter().filter_map(deviation).collect::<Vec<_>>().join(", ")
}

/// Writes the file if there is anything to write; returns its path.
pub(crate) fn write(folder: &Path, rows: &[Prediction]) -> Result<Option<PathBuf>, Error> {
    if rows.is_empty() {
        return Ok(None);
    }
    let path = folder.join(Prediction::FILE);
    write_table(&path, rows)?;
    Ok(Some(path))
}

/// One paragraph for `summary.md`; empty without predictions.
pub(crate) fn verdict(rows: &[Prediction]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let off: Vec<&Prediction> = rows.iter().filter(|row| !row.off.is_empty()).collect();
    let mut text = format!(
        "\n## Predictions\n\nPlans of {} cells predicted time, bytes, keys, memory or precision; {} of them are more than \
         {:.0} % off (`{}`).\n",
        rows.len(),
        off.len(),
        100.0 * TOLERANCE,
        Prediction::FILE
    );
    if !off.is_empty() {
        text += "\n";
    }
    for row in off {
        text += &format!("- {}: {}\n", escaped(&row.cell), escaped(&row.off));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(predicted: &serde_json::Value) -> Run {
        let plan = serde_json::json!({ "prediction": predicted });
        Run { plans: [("a".to_owned(), plan)].into(), ..Run::default() }
    }

    #[test]
    fn a_quarter_more_is_within_and_a_third_more_is_off() {
        let run = run(&serde_json::json!({
            "online_wall_ns": 100, "setup_bytes": 100, "offline_bytes": 100, "online_bytes": 7, "max_logit_error": 0.0009765625,
        }));
        let row = Summary {
            cell: "a".into(),
            online_wall_ns: Some(125),
            setup_bytes: Some(133),
            offline_bytes: Some(60),
            online_bytes: Some(7),
            peak_rss_bytes: Some(5),
            max_logit_error: Some(1.0 / 128.0),
            ..Summary::default()
        };
        let rows = predictions(&run, &[row, Summary { cell: "b".into(), ..Summary::default() }]);
        assert_eq!(rows.len(), 1, "a cell without predictions has no row");
        assert_eq!((rows[0].predicted_precision_bits, rows[0].precision_bits), (Some(10.0), Some(7.0)));
        assert_eq!(rows[0].predicted_peak_rss_bytes, None);
        assert_eq!(rows[0].off, "setup_bytes +33 %, offline_bytes -40 %, precision_bits -30 %");
        assert!(verdict(&rows).contains("1 of them are more than"), "{}", verdict(&rows));
        assert!(verdict(&[]).is_empty());
    }

    #[test]
    fn the_more_logits_are_compared_the_larger_their_largest_error_is_expected_to_be() {
        // Two-sided quantiles of the normal distribution: the median of one absolute value, and of the largest of
        // ten thousand, 1 - 2^(-1/10000) = 6.9e-5 of which lie beyond.
        assert!((largest_of_normal(1.0) - 0.6745).abs() < 1e-3);
        assert!((largest_of_normal(10_000.0) - 3.979).abs() < 2e-2, "{}", largest_of_normal(10_000.0));
        let run = run(&serde_json::json!({
            "max_logit_error": 0.5, "logit_error_deviation": 1e-4, "logits": 10,
        }));
        let row =
            Summary { cell: "a".into(), answers: 1000, max_logit_error: Some(4e-4), ..Summary::default() };
        let rows = predictions(&run, &[row, Summary { cell: "a".into(), ..Summary::default() }]);
        assert!((rows[0].predicted_precision_bits.unwrap() - 11.29).abs() < 0.01, "{rows:?}");
        assert_eq!(rows[0].off, "");
        assert_eq!(rows[1].predicted_precision_bits, Some(1.0), "nothing was compared");
    }

    #[test]
    fn what_was_not_measured_is_not_off() {
        let run = run(&serde_json::json!({ "online_wall_ns": 100 }));
        let rows = predictions(&run, &[Summary { cell: "a".into(), ..Summary::default() }]);
        assert_eq!(rows[0].off, "");
        assert_eq!(write(Path::new("/nonexistent"), &[]).unwrap(), None);
    }
}
