//! Tables put into a Markdown file between two markers, with the command that made them.

use crate::{Error, text::readme::readme_tables};
use std::{fs, path::Path};
use veilbench_results::{Run, Summary};

const BEGIN: &str = "<!-- begin veilbench report";
const END: &str = "<!-- end veilbench report -->";

/// Replaces what stands between the markers of a Markdown file with the summary of a run.
///
/// The markers are a line that starts with `<!-- begin veilbench report` and one that is `<!-- end veilbench report -->`. A file
/// may have several such sections, of several runs: of these the one is replaced whose first line is
/// `<!-- begin veilbench report: COMMAND -->` with this very command. Returns whether the file changed.
///
/// # Errors
/// The file cannot be read or written, or has no such section, or several of them, or a marker alone.
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
    // A comment ends at the first `-->`, which no command of ours needs.
    let command = command.replace("-->", "-- >").replace('\n', " ");
    let first = format!("{BEGIN}: {command} -->\n");
    let sections = sections(&lines)?;
    let (begin, end) = match sections.as_slice() {
        [only] => *only,
        several => {
            let mut made_by_it =
                several.iter().filter(|(begin, _)| lines[*begin].trim_end() == first.trim_end());
            made_by_it.next().copied().filter(|_| made_by_it.next().is_none())?
        }
    };
    Some(format!("{}{first}{tables}{}", lines[..begin].concat(), lines[end..].concat()))
}

/// First and last lines of the sections between markers; nothing if a marker stands alone.
fn sections(lines: &[&str]) -> Option<Vec<(usize, usize)>> {
    let (mut sections, mut open) = (Vec::new(), None);
    for (at, line) in lines.iter().enumerate() {
        match (is_begin(line), is_end(line), open) {
            (true, _, None) => open = Some(at),
            (_, true, Some(begin)) => {
                sections.push((begin, at));
                open = None;
            }
            (false, false, _) => {}
            _ => return None,
        }
    }
    open.is_none().then_some(sections)
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

    #[test]
    fn of_several_sections_the_one_is_replaced_that_the_command_made() {
        let section =
            |run: &str| format!("{BEGIN}: veilbench report {run} --splice README.md -->\nof {run}\n{END}\n");
        let file = section("reference") + "between\n" + &section("peers");
        let made = spliced(&file, "new\n", "veilbench report peers --splice README.md").unwrap();
        assert_eq!(made, file.replace("of peers\n", "new\n"));
        for unknown in ["", "veilbench report another --splice README.md"] {
            assert_eq!(spliced(&file, "new\n", unknown), None);
        }
        let twice = section("peers") + &section("peers");
        assert_eq!(spliced(&twice, "", "veilbench report peers --splice README.md"), None);
    }
}
