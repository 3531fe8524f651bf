//! `veilbench merge`.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use veilbench_report::{generate, terminal_table};
use veilbench_results::{Merged, Run, Severity};

use super::report::say_findings;
use crate::error::{EXIT_FAILED, EXIT_OK, Error};
use crate::progress::counted;

/// Cells with missing sessions that are named one by one.
const NAMED_CELLS: usize = 20;

#[derive(Args, Debug)]
pub(super) struct Merge {
    /// Folders of the shards' runs, in any order; also of earlier merges, or a folder that holds such folders
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Folder of the merged run; an earlier merge is replaced if nothing of it would be lost
    #[arg(long, value_name = "RUN")]
    into: PathBuf,
}

impl Merge {
    pub(super) fn run(&self) -> Result<u8, Error> {
        let folders: Vec<PathBuf> =
            self.folders.iter().flat_map(|folder| runs_in(folder, &self.into)).collect();
        let merged = veilbench_results::merge(&folders, &self.into)?;
        let report = generate(&self.into)?;
        say_findings(&report.findings);
        let mut out = std::io::stdout().lock();
        write!(out, "{}", terminal_table(&report.summaries))?;
        write!(out, "{}", conclusion(&merged, report.run.machines.len()))?;
        writeln!(out, "results: {}", self.into.display())?;
        let damaged = report.findings.iter().any(|finding| finding.severity == Severity::Error);
        let whole = merged.missing.is_empty() && merged.absent.is_empty();
        Ok(if whole && !damaged { EXIT_OK } else { EXIT_FAILED })
    }
}

/// A folder of a run, or those of the runs right below it but for the one they are merged into: a shard that was never begun
/// has none.
fn runs_in(folder: &Path, into: &Path) -> Vec<PathBuf> {
    let is_run = |path: &Path| path.join(Run::FILE).is_file();
    let target = into.canonicalize().ok();
    let name = into.file_name().unwrap_or_default();
    // What a merge that was ended in the middle left beside it is no shard; the next one puts it right.
    let left: [OsString; 2] = [".merging", ".replaced"].map(|suffix| {
        let mut left = name.to_owned();
        left.push(suffix);
        left
    });
    let is_left = |path: &Path| path.file_name().is_some_and(|name| left.iter().any(|left| left == name));
    let mut runs: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) if !is_run(folder) => {
            let paths =
                entries.flatten().map(|entry| entry.path()).filter(|path| is_run(path) && !is_left(path));
            paths.filter(|path| target.is_none() || path.canonicalize().ok() != target).collect()
        }
        _ => Vec::new(),
    };
    runs.sort();
    if runs.is_empty() { vec![folder.to_owned()] } else { runs }
}

/// What was merged and what is missing, a line each.
fn conclusion(merged: &Merged, machines: usize) -> String {
    let Merged { sessions, missing, absent, damaged } = merged;
    let places = if machines == 1 { "one machine".to_owned() } else { format!("{machines} machines") };
    let mut text = format!("{} merged, measured on {places}\n", counted(*sessions, "session"));
    if machines > 1 {
        text += "times of different machines do not compare: rows say where they were measured\n";
    }
    if !absent.is_empty() {
        let absent: Vec<String> = absent.iter().take(NAMED_CELLS).map(usize::to_string).collect();
        text += &format!("no folder of shard {}\n", absent.join(", "));
    }
    if !damaged.is_empty() {
        text += &format!("{} left out: not as written\n", counted(damaged.len(), "session"));
    }
    if !missing.is_empty() {
        let (sessions, cells) = (missing.values().sum::<usize>(), missing.len());
        text += &format!(
            "{} of {} missing: run their shards again, then merge again\n",
            counted(sessions, "session"),
            counted(cells, "cell")
        );
        for (cell, sessions) in missing.iter().take(NAMED_CELLS) {
            text += &format!("  {cell}: {sessions}\n");
        }
        if cells > NAMED_CELLS {
            text += &format!("  and {} cells more\n", cells - NAMED_CELLS);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_merge_left_is_not_taken_for_shards() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "run.merging", "run.replaced"] {
            let run = folder.path().join(name);
            std::fs::create_dir(&run).unwrap();
            std::fs::write(run.join(Run::FILE), "{}").unwrap();
        }
        let found = runs_in(folder.path(), &folder.path().join("run"));
        assert_eq!(found, ["a", "b"].map(|name| folder.path().join(name)));
        assert_eq!(runs_in(folder.path(), &folder.path().join("other")).len(), 4);
    }

    #[test]
    fn what_is_missing_is_said_by_shard_and_cell() {
        let whole = Merged { sessions: 4, missing: [].into(), absent: [].into(), damaged: [].into() };
        assert_eq!(conclusion(&whole, 1), "4 sessions merged, measured on one machine\n");
        let missing = (0..30).map(|index| (format!("cell-{index:02}"), 2)).collect();
        let part = Merged { missing, absent: [3, 5].into(), ..whole };
        let text = conclusion(&part, 2);
        assert!(text.contains("no folder of shard 3, 5\n") && text.contains("  cell-19: 2\n"), "{text}");
        assert!(
            text.contains("60 sessions of 30 cells") && text.ends_with("  and 10 cells more\n"),
            "{text}"
        );
    }
}
