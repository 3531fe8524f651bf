//! Tables put into a Markdown file between two markers, with the command that made them.

use crate::{Error, text::readme::readme_tables};
use std::{fs, path::Path};
use veilbench_results::{Run, Summary};

const BEGIN: &str = "<!-- begin veilbench report";
const END: &str = "<!-- end veilbench report -->";

/// Replaces what stands between the markers of a Markdown file with the summary of a run.
///
/// The markers are a line that starts with `<!-- begin veilbench report` and one that is `<!-- end veilbench report -->`.
/// Returns whether the file changed.
///
/// # Errors
/// The file cannot be read or written, or does not have both markers once and in order.
pub fn splice(path: &Path, run: &Run, rows: &[Summary], command: &str) -> Result<bool, Error> {
    let text = fs::read_to_string(path).map_err(|cause| Error::Read { path: path.to_owned(), cause })?;
    let spliced = spliced(&text, &readme_tables(run, rows), command)
        .ok_or_else(|| Error::Markers { path: path.to_owned() })?;
    let changed = spliced != text;
    if changed {
        fs::write(path, spliced).map_err(|cause| Error::Write { path: path.to_owned(), cause })?;
    }
    Ok(changed)
}

fn is_begin(line: &str) -> bool {
    line.starts_with(BEGIN)
}

fn is_end(line: &str) -> bool {
    line.trim_end() == END
}

fn spliced(text: &str, tables: &str, command: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (begin, end) = (lines.iter().position(|l| is_begin(l)), lines.iter().position(|l| is_end(l)));
    let (begin, end) = begin.zip(end).filter(|(begin, end)| begin < end)?;
    let once =
        lines.iter().filter(|l| is_begin(l)).count() == 1 && lines.iter().filter(|l| is_end(l)).count() == 1;
    // A comment ends at the first `-->`, which no command of ours needs.
    let command = command.replace("-->", "-- >").replace('\n', " ");
    once.then(|| {
        format!("{}{BEGIN}: {command} -->\n{tables}{}", lines[..begin].concat(), lines[end..].concat())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# A\n<!-- begin veilbench report -->\nold\n<!-- end veilbench report -->\nrest\n";

    #[test]
    fn only_what_is_between_the_markers_changes_and_the_second_time_nothing() {
        let first = spliced(FILE, "| t |\n", "veilbench report x --splice README.md").unwrap();
        assert_eq!(
            first,
            "# A\n<!-- begin veilbench report: veilbench report x --splice README.md -->\n| t |\n\
             <!-- end veilbench report -->\nrest\n"
        );
        assert_eq!(spliced(&first, "| t |\n", "veilbench report x --splice README.md"), Some(first.clone()));
    }

    #[test]
    fn missing_swapped_and_repeated_markers_are_refused() {
        let begin = "<!-- begin veilbench report -->\n";
        for text in ["", begin, &format!("{END}\n{begin}"), &format!("{begin}{begin}{END}\n")] {
            assert_eq!(spliced(text, "", ""), None, "{text}");
        }
    }
}
