//! One session: its name, and its rows of every table.

use crate::{Answer, Cell, Error, Row, Sample, Traffic};

/// Names one session: one repetition of one cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// [`Cell::id`].
    pub cell: String,
    /// Which session of the cell, from 0.
    pub repetition: usize,
}

impl SessionKey {
    /// The session of a cell that has this repetition number.
    #[must_use]
    pub fn new(cell: &Cell, repetition: usize) -> Self {
        Self { cell: cell.id(), repetition }
    }
}

/// A row that belongs to a session.
pub(crate) trait SessionRow: Row {
    /// Cell id and repetition.
    fn session(&self) -> (&str, usize);

    fn key(&self) -> SessionKey {
        let (cell, repetition) = self.session();
        SessionKey { cell: cell.to_owned(), repetition }
    }

    /// Whether the last column is empty because the version that wrote the row had none: digests then leave it out.
    fn lacks_last_column(&self) -> bool {
        false
    }
}

/// Every row of one session; the last of `samples` is the commit mark, whose status is the session's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// Rows of `samples.csv`, ending in the commit mark.
    pub samples: Vec<Sample>,
    /// Rows of `traffic.csv`.
    pub traffic: Vec<Traffic>,
    /// Rows of `answers.csv`.
    pub answers: Vec<Answer>,
}

impl Session {
    /// The session's name, if its rows are those of one whole session of this run.
    pub(crate) fn check(&self, run: &str) -> Result<SessionKey, Error> {
        let Some(mark) = self.samples.last() else {
            return Err(rejected(&SessionKey { cell: String::new(), repetition: 0 }, "it has no samples"));
        };
        let key = mark.key();
        if !mark.is_commit_mark() {
            return Err(rejected(&key, "its last sample is not a `session` row for all roles"));
        }
        let marks = self.samples.iter().filter(|sample| sample.is_commit_mark()).count();
        if marks > 1 {
            return Err(rejected(&key, "it has more than one `session` row for all roles"));
        }
        key.cell.parse::<Cell>()?;
        let names = (self.samples.iter().map(|row| (&row.run, row.key())))
            .chain(self.traffic.iter().map(|row| (&row.run, row.key())))
            .chain(self.answers.iter().map(|row| (&row.run, row.key())));
        for (row_run, row_key) in names {
            if row_key != key {
                return Err(rejected(&key, "some rows belong to another session"));
            }
            if row_run != run {
                return Err(rejected(&key, &format!("some rows name run `{row_run}` instead of `{run}`")));
            }
        }
        Ok(key)
    }
}

pub(crate) fn rejected(key: &SessionKey, reason: &str) -> Error {
    Error::Session { cell: key.cell.clone(), repetition: key.repetition, reason: reason.to_owned() }
}
