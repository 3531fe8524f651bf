//! The summary as a table for a terminal.

use crate::{
    aggregate::tasks::dataset,
    text::aligned::aligned,
    text::figures::{cold_only, figure},
    text::format::count,
    text::outcome::remark,
};
use veilbench_results::Summary;

const HEAD: [&str; 15] = [
    "network",
    "data set",
    "backend",
    "batch",
    "threads",
    "link",
    "online",
    "images/s",
    "offline bytes",
    "online bytes",
    "rounds",
    "memory",
    "accuracy",
    "agree",
    "",
];

/// Columns of numbers.
const NUMBERS: [usize; 10] = [3, 4, 6, 7, 8, 9, 10, 11, 12, 13];

/// One line per cell: online time, sustained throughput, bytes and rounds of a batch, memory of the largest role, and
/// answers. Behind its line stands what a cell failed of, that its answers are wrong, and that other work kept the machine busy.
#[must_use]
pub fn terminal_table(rows: &[Summary]) -> String {
    let mut rows: Vec<&Summary> = rows.iter().collect();
    rows.sort_by_key(|row| (&row.network, &row.dataset, &row.machine));
    let lines: Vec<[String; HEAD.len()]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(|row| cells(row))).collect();
    aligned(&lines, &NUMBERS)
}

fn cells(row: &Summary) -> [String; HEAD.len()] {
    let text = |column| figure(row, column).unwrap_or_else(|| "-".to_owned());
    [
        row.network.clone(),
        match row.machine.is_empty() {
            true => row.dataset.clone(),
            false => format!("{} on {}", dataset(row), row.machine),
        },
        row.backend.clone(),
        count(row.batch as u64),
        count(row.threads as u64),
        row.link.clone(),
        cold_only(row).unwrap_or_else(|| text("online_wall_ns")),
        text("images_per_second_sustained"),
        text("offline_bytes"),
        text("online_bytes"),
        text("online_rounds"),
        text("peak_rss_bytes"),
        text("accuracy"),
        text("agreement"),
        remark(row).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_results::Status;

    #[test]
    fn columns_line_up_and_a_failure_says_why() {
        let good = Summary {
            backend: "clear".into(),
            network: "mnist-mlp".into(),
            batch: 100,
            online_wall_ns: Some(1_234_567),
            ..Summary::default()
        };
        let bad = Summary {
            network: "a-network".into(),
            status: Status::Timeout,
            detail: "not finished".into(),
            repetitions: 1,
            repetitions_failed: 1,
            ..good.clone()
        };
        let bad = Summary { online_wall_ns: None, ..bad };
        let table = terminal_table(&[good, bad.clone()]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("a-network") && lines[1].ends_with("timeout: not finished"), "{table}");
        let cold = Summary { cold_online_wall_ns: Some(112_000_000), ..bad };
        assert!(terminal_table(&[cold]).contains("  cold only: 112 ms  "));
        let end = |line: &str, text: &str| line.find(text).map(|start| start + text.len());
        assert_eq!(end(lines[2], "1.23 ms"), end(lines[0], "online"), "{table}");
    }
}
