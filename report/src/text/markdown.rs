//! `summary.md`: the summary for people.

use crate::{
    aggregate::groups::groups,
    plots::machine,
    text::table::{HEAD, LEGEND, TaskTable, letter, tables},
};
use veilbench_results::{Finding, Run, Severity, Summary};

/// A table a task with rows grouped by what protects them, what was not run and why, and what the letters of the groups stand for.
pub(crate) fn markdown(run: &Run, rows: &[Summary], findings: &[Finding]) -> String {
    let groups = groups(rows);
    let mut text = format!("# Run {}\n\n{}.\n\n{LEGEND}\n", escaped(&run.name), escaped(&machine(run)));
    for TaskTable { title, rows, refusals } in tables(rows, &groups) {
        text += &format!("\n## {}\n\n", escaped(&title));
        if !rows.is_empty() {
            text += &line(&HEAD.map(str::to_owned));
            text += &line(&HEAD.map(|_| "---".to_owned()));
        }
        for cells in &rows {
            text += &line(&cells.each_ref().map(|cell| escaped(cell)));
        }
        if !refusals.is_empty() {
            text += if rows.is_empty() { "Not run:\n\n" } else { "\nNot run:\n\n" };
        }
        for refusal in refusals {
            text += &format!("- {}\n", escaped(&refusal.sentence()));
        }
    }
    if !groups.is_empty() {
        text += "\n## Protection\n\n";
        text += &line(&["", "technology", "protection", "backends"].map(str::to_owned));
        text += &line(&["---"; 4].map(str::to_owned));
    }
    for (index, group) in groups.iter().enumerate() {
        let cells = [letter(index), group.name().to_owned(), group.protection(), group.backends.join(", ")];
        text += &line(&cells.map(|cell| escaped(&cell)));
    }
    if !findings.is_empty() {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        text += "\n## Damage\n\n";
        text += &format!("{errors} errors and {} warnings in the run's files:\n\n", findings.len() - errors);
        for finding in findings.iter().take(MOST_FINDINGS) {
            text += &format!("- {}\n", escaped(&finding.to_string()));
        }
        if findings.len() > MOST_FINDINGS {
            text += &format!("- and {} more\n", findings.len() - MOST_FINDINGS);
        }
    }
    text
}

/// Findings that are listed one by one.
const MOST_FINDINGS: usize = 50;

/// A row of a table.
pub(crate) fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Text that Markdown takes literally, on one line.
pub(crate) fn escaped(text: &str) -> String {
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
