//! `summary.md`: the summary for people.

use crate::{
    format::{bytes, count, duration, figures, percent, small},
    groups::{group_of, groups},
    plots::{dataset, failure, machine},
};
use std::{collections::BTreeMap, fmt::Write};
use veilbench_results::{Finding, Run, Severity, Summary};

const HEAD: [&str; 19] = [
    "backend",
    "protection",
    "batch",
    "threads",
    "link",
    "setup",
    "offline",
    "online (95 %)",
    "images/s",
    "setup bytes",
    "offline bytes",
    "online bytes",
    "most by one",
    "rounds",
    "peak memory",
    "accuracy (95 %)",
    "agreement",
    "max logit error",
    "status",
];

/// A table a network, rows grouped by what protects them, and what the letters of the groups stand for.
pub(crate) fn markdown(run: &Run, rows: &[Summary], findings: &[Finding]) -> String {
    let groups = groups(rows);
    let mut text = format!("# Run {}\n\n", escaped(&run.name));
    line(&mut text, &format!("{}.", escaped(&machine(run))));
    line(
        &mut text,
        "Times and bytes are of one batch, set-up of one session. Times are medians; offline and online",
    );
    line(
        &mut text,
        "times are of warm batches, and images/s is the batch by its online time. Bytes count each byte",
    );
    line(
        &mut text,
        "once. A dash means that nothing was measured. Rows of different protection do not compare.",
    );
    let mut tables: BTreeMap<String, Vec<&Summary>> = BTreeMap::new();
    for row in rows {
        tables.entry(format!("{}, {}", row.network, dataset(row))).or_default().push(row);
    }
    for (title, rows) in &tables {
        line(&mut text, &format!("\n## {}\n", escaped(title)));
        line(&mut text, &table_line(HEAD.map(str::to_owned)));
        line(&mut text, &table_line(HEAD.map(|_| "---".to_owned())));
        for row in rows {
            let letter = group_of(&groups, row).map_or_else(String::new, letter);
            line(&mut text, &table_line(cells(row, letter)));
        }
    }
    if !groups.is_empty() {
        line(&mut text, "\n## Protection\n");
        line(&mut text, "| | technology | threat model | backends |\n| --- | --- | --- | --- |");
    }
    for (index, group) in groups.iter().enumerate() {
        let [name, protection] = [group.name(), &group.protection()].map(escaped);
        let backends = escaped(&group.backends.join(", "));
        line(&mut text, &format!("| {} | {name} | {protection} | {backends} |", letter(index)));
    }
    if !findings.is_empty() {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        line(&mut text, "\n## Damage\n");
        line(
            &mut text,
            &format!("{errors} errors and {} warnings in the run's files:\n", findings.len() - errors),
        );
        for finding in findings.iter().take(MOST_FINDINGS) {
            line(&mut text, &format!("- {}", escaped(&finding.to_string())));
        }
        if let Some(more) = findings.len().checked_sub(MOST_FINDINGS).filter(|more| *more > 0) {
            line(&mut text, &format!("- and {more} more"));
        }
    }
    text
}

/// Findings that are listed one by one.
const MOST_FINDINGS: usize = 50;

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn cells(row: &Summary, protection: String) -> [String; HEAD.len()] {
    let time = |ns: Option<u64>| or_dash(ns, |ns| duration(ns as f64));
    let size = |size: Option<u64>| or_dash(size, |size| bytes(size as f64));
    let interval = |low: Option<String>, high: Option<String>| {
        low.zip(high).map_or_else(String::new, |(low, high)| format!(" ({low} to {high})"))
    };
    let online = match (row.online_wall_ns, row.cold_online_wall_ns) {
        (None, Some(cold)) => format!("cold only: {}", duration(cold as f64)),
        _ => {
            let ends = [row.online_wall_ns_low, row.online_wall_ns_high];
            let [low, high] = ends.map(|end| end.map(|ns| duration(ns as f64)));
            time(row.online_wall_ns) + &interval(low, high)
        }
    };
    let accuracy = or_dash(row.accuracy, percent)
        + &interval(row.accuracy_low.map(percent), row.accuracy_high.map(percent));
    [
        escaped(&row.backend),
        protection,
        count(row.batch as u64),
        count(row.threads as u64),
        escaped(&row.link),
        time(row.setup_wall_ns),
        time(row.offline_wall_ns),
        online,
        or_dash(row.images_per_second, figures),
        size(row.setup_bytes),
        size(row.offline_bytes),
        size(row.online_bytes),
        size(row.online_bytes_max_party),
        or_dash(row.online_rounds, count),
        size(row.peak_rss_bytes),
        accuracy,
        or_dash(row.agreement, percent),
        or_dash(row.max_logit_error, small),
        failure(row).map_or_else(|| "ok".to_owned(), |failure| escaped(&failure)),
    ]
}

fn or_dash<T>(value: Option<T>, format: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), format)
}

fn table_line(cells: [String; HEAD.len()]) -> String {
    let mut line = String::from("|");
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(line, " {cell} |");
    }
    line
}

/// A, B, C, ... for groups.
fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}

/// Text that Markdown takes literally, on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
