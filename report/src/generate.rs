//! Everything that is derived from a run folder, written into it.

use crate::{
    Error,
    aggregate::breakdown::breakdowns,
    aggregate::groups::groups,
    aggregate::modelled,
    aggregate::plausibility::implausible,
    aggregate::predictions::{self, predictions},
    aggregate::summarise::summarise,
    aggregate::tradeoffs::{Cost, break_even, pareto},
    page::Page,
    plots::draw_all,
    text::csv_tables::write_tables,
    text::markdown::markdown,
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use veilbench_results::{Finding, Published, Row, Run, RunData, Summary, write_table};

/// What [`generate`] made.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run's description.
    pub run: Run,
    /// The files written.
    pub files: Vec<PathBuf>,
    /// What is wrong with the run's own files; the report is of the rest.
    pub findings: Vec<Finding>,
    /// The rows of `summary.csv`.
    pub summaries: Vec<Summary>,
}

/// Derives `summary.csv`, `summary.md`, `tables/`, `plots/` and `index.html` from the other files of a run folder,
/// replacing older ones.
/// `predictions.csv` joins them if plans predict anything, and
/// `modelled*.csv` with a plot join them if a backend's plans model hardware.
///
/// Damage, repeated rows and a `run.json` of another schema version are findings; what can be read is shown.
///
/// # Errors
/// The folder holds no run, or a file could not be read or written.
pub fn generate(run_folder: &Path) -> Result<Report, Error> {
    let mut data = RunData::salvage(run_folder)?;
    let rows = summarise(&data);
    data.findings.extend(implausible(&data.run, &rows));
    let summary = run_folder.join(Summary::FILE);
    write_table(&summary, &rows)?;
    let table = run_folder.join("summary.md");
    let predicted = predictions(&data.run, &rows);
    let summary_text = markdown(&data.run, &rows, &data.findings) + &predictions::verdict(&predicted);
    write(&table, &summary_text)?;
    let mut files = vec![summary, table];
    let (groups, breakdowns) = (groups(&rows), breakdowns(&data));
    let break_even = break_even(&rows, &groups);
    let tables = folder(run_folder, "tables")?;
    files.extend(write_tables(
        &tables,
        &groups,
        &breakdowns,
        &pareto(&rows, &groups, Cost::Work),
        &break_even,
    )?);
    let plots = folder(run_folder, "plots")?;
    files.extend(draw_all(&plots, &data.run, &rows)?);
    files.extend(predictions::write(run_folder, &predicted)?);
    files.extend(modelled::write(run_folder, &plots, &data.run, &rows)?);
    let path = run_folder.join("index.html");
    let page = Page {
        run: &data.run,
        rows: &rows,
        breakdowns: &breakdowns,
        break_even: &break_even,
        published: &Published::built_in(),
        findings: &data.findings,
    };
    write(&path, &page.render(&path)?)?;
    files.push(path);
    drop(breakdowns);
    Ok(Report { run: data.run, files, findings: data.findings, summaries: rows })
}

fn folder(run_folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = run_folder.join(name);
    fs::create_dir_all(&path).map_err(|cause| Error::Write { path: path.clone(), cause })?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|cause| Error::Write { path: path.to_owned(), cause })
}
