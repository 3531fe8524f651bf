//! A run folder as it is read, with what is wrong with it.

use crate::{
    Answer, Error, Finding, Row, Run, Sample, SessionKey, Severity, Table, Traffic,
    check::repeats::Repeats,
    check::{Tables, check},
    folder::archive,
    session::SessionRow,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A run folder as read: the rows of whole sessions, and what is wrong with the files.
#[derive(Clone, Debug)]
pub struct RunData {
    /// `run.json`.
    pub run: Run,
    /// Rows of `samples.csv`.
    pub samples: Vec<Sample>,
    /// Rows of `traffic.csv`.
    pub traffic: Vec<Traffic>,
    /// Rows of `answers.csv`.
    pub answers: Vec<Answer>,
    /// Every damaged line, repeat and contradiction; the rows above can be used all the same, repeats left out.
    pub findings: Vec<Finding>,
}

impl RunData {
    /// Reads and checks a run folder without changing it.
    ///
    /// # Errors
    /// The folder holds no run of this schema version or a file cannot be read.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        Self::with_description(folder, Run::load(folder)?, Vec::new())
    }

    /// Reads what can be read: a `run.json` that is missing, damaged or of another schema version is a finding.
    ///
    /// Reads a folder. Another version's description keeps the fields that read as those of this version.
    ///
    /// # Errors
    /// The folder holds neither `run.json` nor `samples.csv`, or a file cannot be read.
    pub fn salvage(folder: &Path) -> Result<Self, Error> {
        let (run, findings) = Run::salvage(folder)?;
        Self::with_description(folder, run, findings)
    }

    fn with_description(folder: &Path, run: Run, mut findings: Vec<Finding>) -> Result<Self, Error> {
        let described = findings.is_empty();
        let tables = Tables {
            samples: read(folder, &mut findings)?,
            traffic: read(folder, &mut findings)?,
            answers: read(folder, &mut findings)?,
        };
        findings.extend(check(&run, described, &tables));
        findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let repeats = Repeats::of(&tables);
        let whole: BTreeSet<SessionKey> =
            tables.samples.iter().filter(|(_, row)| row.is_commit_mark()).map(|(_, row)| row.key()).collect();
        Ok(Self {
            run,
            samples: only(tables.samples, &whole, &repeats.samples),
            traffic: only(tables.traffic, &whole, &repeats.traffic),
            answers: only(tables.answers, &whole, &repeats.answers),
            findings,
        })
    }
}

/// Checks every file of a run folder: headers, fields, duplicates, sums and the sessions' completeness.
///
/// # Errors
/// The folder holds no run of this schema version or a file cannot be read.
pub fn validate(folder: &Path) -> Result<Vec<Finding>, Error> {
    Ok(RunData::load(folder)?.findings)
}

fn read<R: Row>(folder: &Path, findings: &mut Vec<Finding>) -> Result<Vec<(usize, R)>, Error> {
    let table = match archive::bytes(folder, R::FILE)? {
        Some(bytes) => Table::<R>::parse(&bytes),
        None => {
            let message = "the file is missing".to_owned();
            findings.push(Finding {
                file: R::FILE.to_owned(),
                line: None,
                message,
                severity: Severity::Error,
            });
            return Ok(Vec::new());
        }
    };
    findings.extend(table.findings);
    Ok(table.rows)
}

fn only<R: SessionRow>(
    rows: Vec<(usize, R)>,
    whole: &BTreeSet<SessionKey>,
    repeats: &BTreeMap<usize, usize>,
) -> Vec<R> {
    let first = rows.into_iter().filter(|(line, _)| !repeats.contains_key(line));
    first.map(|(_, row)| row).filter(|row| whole.contains(&row.key())).collect()
}
