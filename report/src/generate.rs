use crate::{Error, html::html, markdown::markdown, modelled, plots::draw_all, summarise};
use std::{
    fs,
    path::{Path, PathBuf},
};
use veilbench_results::{Finding, Row, RunData, Summary, write_table};

/// What [`generate`] made.
#[derive(Clone, Debug)]
pub struct Report {
    /// The files written.
    pub files: Vec<PathBuf>,
    /// What is wrong with the run's own files; the report is of the rest.
    pub findings: Vec<Finding>,
    /// The rows of `summary.csv`.
    pub summaries: Vec<Summary>,
}

/// Derives `summary.csv`, `summary.md`, `plots/` and `index.html` from the other files of a run folder, replacing older ones;
/// and `modelled*.csv` with a plot if a backend's plans model hardware.
///
/// # Errors
/// The folder holds no run of this schema version, or a file could not be read or written.
pub fn generate(run_folder: &Path) -> Result<Report, Error> {
    let data = RunData::load(run_folder)?;
    let rows = summarise(&data);
    let summary = run_folder.join(Summary::FILE);
    write_table(&summary, &rows)?;
    let table = run_folder.join("summary.md");
    let text = markdown(&data.run, &rows, &data.findings);
    fs::write(&table, text).map_err(|cause| Error::Write { path: table.clone(), cause })?;
    let plots = run_folder.join("plots");
    fs::create_dir_all(&plots).map_err(|cause| Error::Write { path: plots.clone(), cause })?;
    let mut files = vec![summary, table];
    let drawn = draw_all(&plots, &data.run, &rows)?;
    files.extend(drawn.files);
    files.extend(modelled::write(run_folder, &plots, &data.run, &rows)?);
    let page = run_folder.join("index.html");
    let text = html(&data.run, &rows, &data.findings, &drawn.svgs);
    fs::write(&page, text).map_err(|cause| Error::Write { path: page.clone(), cause })?;
    files.push(page);
    Ok(Report { files, findings: data.findings, summaries: rows })
}
