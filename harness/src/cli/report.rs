//! `veilbench report`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use veilbench_report::{generate, splice, terminal_table};
use veilbench_results::{Finding, Severity};

use crate::error::{EXIT_FAILED, EXIT_OK, Error};

#[derive(Args, Debug)]
pub(super) struct Report {
    /// Folder of the run [default: the one measured last below results/runs]
    #[arg(value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Put the summary into a Markdown file, between its `veilbench report` markers
    #[arg(long, value_name = "FILE")]
    splice: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(&self) -> Result<u8, Error> {
        let folder = match &self.run {
            Some(folder) => folder.clone(),
            None => latest(Path::new("results/runs"))?,
        };
        let report = generate(&folder)?;
        say_findings(&report.findings);
        let mut out = std::io::stdout().lock();
        write!(out, "{}", terminal_table(&report.summaries))?;
        for file in &report.files {
            writeln!(out, "{}", file.display())?;
        }
        if let Some(file) = &self.splice {
            let command = format!("veilbench report {} --splice {}", folder.display(), file.display());
            let changed = splice(file, &report.run, &report.summaries, &command)?;
            writeln!(out, "{}{}", file.display(), if changed { "" } else { " (unchanged)" })?;
        }
        let damaged = report.findings.iter().any(|finding| finding.severity == Severity::Error);
        Ok(if damaged { EXIT_FAILED } else { EXIT_OK })
    }
}

/// Says what is wrong with a run on standard error; nobody has to read it.
pub(super) fn say_findings(findings: &[Finding]) {
    let mut out = std::io::stderr().lock();
    let _unread = findings.iter().try_for_each(|finding| writeln!(out, "{finding}"));
}

/// The run whose samples changed last.
fn latest(folder: &Path) -> Result<PathBuf, Error> {
    let runs = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let changed = |path: &Path| path.join("samples.csv").metadata().and_then(|file| file.modified()).ok();
    let dated = runs.filter_map(|entry| Some((changed(&entry.path())?, entry.path())));
    dated.max().map(|(_, path)| path).ok_or_else(|| Error::NoRuns { folder: folder.to_owned() })
}
