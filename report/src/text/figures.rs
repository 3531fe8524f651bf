//! The figures of a summary row as text: written once, for the page, `summary.md` and the terminal.

use crate::text::format::{bytes, count, duration, figures, percent, small};
use veilbench_results::Summary;

/// The columns that have a text; `work_bytes` are those of the offline and the online phase together.
pub(crate) const COLUMNS: [&str; 25] = [
    "setup_wall_ns",
    "offline_wall_ns",
    "online_wall_ns",
    "online_wall_ns_interval",
    "cold_online_wall_ns",
    "online_occupancy_ns",
    "images_per_second",
    "images_per_second_sustained",
    "setup_bytes",
    "offline_bytes",
    "online_bytes",
    "online_bytes_max_party",
    "online_local_bytes",
    "work_bytes",
    "setup_rounds",
    "offline_rounds",
    "online_rounds",
    "online_messages",
    "peak_rss_bytes",
    "accuracy",
    "accuracy_interval",
    "agreement",
    "agreement_interval",
    "max_logit_error",
    "security_bits",
];

/// The online time of a cell of which no warm batch was measured.
pub(crate) fn cold_only(row: &Summary) -> Option<String> {
    figure(row, "cold_online_wall_ns")
        .filter(|_| row.online_wall_ns.is_none())
        .map(|cold| format!("cold only: {cold}"))
}

/// A figure by the name of its column; none if it was not measured, or if no column has the name.
pub(crate) fn figure(row: &Summary, column: &str) -> Option<String> {
    let time = |ns: Option<u64>| Some(duration(ns? as f64));
    let size = |size: Option<u64>| Some(bytes(size? as f64));
    let counted = |size: Option<u64>| Some(format!("{}{}", bytes(size? as f64), counter(row)));
    let interval = |low: Option<String>, high: Option<String>| Some(format!("{} to {}", low?, high?));
    match column {
        "setup_wall_ns" => time(row.setup_wall_ns),
        "offline_wall_ns" => time(row.offline_wall_ns),
        "online_wall_ns" => time(row.online_wall_ns),
        "online_wall_ns_interval" => interval(time(row.online_wall_ns_low), time(row.online_wall_ns_high)),
        "cold_online_wall_ns" => time(row.cold_online_wall_ns),
        "online_occupancy_ns" => time(row.online_occupancy_ns),
        "images_per_second" => row.images_per_second.map(figures),
        "images_per_second_sustained" => row.images_per_second_sustained.map(figures),
        "setup_bytes" => counted(row.setup_bytes),
        "offline_bytes" => counted(row.offline_bytes),
        "online_bytes" => counted(row.online_bytes),
        "online_bytes_max_party" => counted(row.online_bytes_max_party),
        "online_local_bytes" => size(row.online_local_bytes),
        "work_bytes" => counted(row.work_bytes()),
        "setup_rounds" => row.setup_rounds.map(count),
        "offline_rounds" => row.offline_rounds.map(count),
        "online_rounds" => row.online_rounds.map(count),
        "online_messages" => row.online_messages.map(count),
        "peak_rss_bytes" => size(row.peak_rss_bytes),
        "accuracy" => row.accuracy.map(percent),
        "accuracy_interval" => interval(row.accuracy_low.map(percent), row.accuracy_high.map(percent)),
        "agreement" => row.agreement.map(percent),
        "agreement_interval" => interval(row.agreement_low.map(percent), row.agreement_high.map(percent)),
        "max_logit_error" => row.max_logit_error.map(small),
        "security_bits" => row.security_bits.map(|bits| bits.to_string()),
        _ => None,
    }
}

/// What stands behind an amount of bytes that veilbench's links did not count.
pub(crate) fn counter(row: &Summary) -> String {
    match row.bytes_counted_by.as_str() {
        "" | "link" => String::new(),
        other => format!(" ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_text_where_it_has_a_figure() {
        let full = Summary {
            setup_wall_ns: Some(1),
            offline_wall_ns: Some(2),
            online_wall_ns: Some(3),
            online_wall_ns_low: Some(2),
            online_wall_ns_high: Some(4),
            cold_online_wall_ns: Some(5),
            online_occupancy_ns: Some(6),
            images_per_second: Some(7.0),
            images_per_second_sustained: Some(8.0),
            setup_bytes: Some(9),
            offline_bytes: Some(10),
            online_bytes: Some(11),
            online_bytes_max_party: Some(12),
            online_local_bytes: Some(13),
            setup_rounds: Some(14),
            offline_rounds: Some(15),
            online_rounds: Some(16),
            online_messages: Some(17),
            peak_rss_bytes: Some(18),
            accuracy: Some(0.5),
            accuracy_low: Some(0.25),
            accuracy_high: Some(0.75),
            agreement: Some(1.0),
            agreement_low: Some(0.9),
            agreement_high: Some(1.0),
            max_logit_error: Some(f64::NAN),
            security_bits: Some(128),
            ..Summary::default()
        };
        for column in COLUMNS {
            assert!(figure(&full, column).is_some(), "{column}");
            assert_eq!(figure(&Summary::default(), column), None, "{column}");
        }
        assert_eq!(figure(&full, "work_bytes").as_deref(), Some("21 B"));
        assert_eq!(figure(&full, "accuracy_interval").as_deref(), Some("25.00 % to 75.00 %"));
        assert_eq!(figure(&full, "no_such_column"), None);
        let kernel = Summary { bytes_counted_by: "kernel".into(), ..full };
        assert_eq!(figure(&kernel, "work_bytes").as_deref(), Some("21 B (kernel)"));
    }
}
