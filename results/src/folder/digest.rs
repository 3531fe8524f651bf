//! Digests of sessions, by which a file that was cut or edited is told from one that was written.

use crate::{Answer, Error, Sample, SessionKey, Traffic, folder::table::row_lines, session::SessionRow};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::HashMap};

/// The digests of a folder's sessions, built row by row in the files' order.
#[derive(Default)]
pub(crate) struct Digests {
    sessions: HashMap<SessionKey, [Sha256; 3]>,
}

impl Digests {
    /// Digests all rows of three tables.
    ///
    /// # Errors
    /// A row that CSV cannot hold.
    pub(crate) fn of<'a>(
        traffic: impl IntoIterator<Item = &'a Traffic>,
        answers: impl IntoIterator<Item = &'a Answer>,
        samples: impl IntoIterator<Item = &'a Sample>,
    ) -> Result<Self, Error> {
        let mut digests = Self::default();
        digests.add(0, traffic)?;
        digests.add(1, answers)?;
        let bare = |sample: &'a Sample| match sample.is_commit_mark() {
            true => {
                Cow::Owned(Sample { rows_sha256: String::new(), run_sha256: String::new(), ..sample.clone() })
            }
            false => Cow::Borrowed(sample),
        };
        let samples: Vec<_> = samples.into_iter().map(bare).collect();
        digests.add(2, samples.iter().map(|sample| &**sample))?;
        Ok(digests)
    }

    fn add<'a, R: SessionRow + 'a>(
        &mut self,
        table: usize,
        rows: impl IntoIterator<Item = &'a R>,
    ) -> Result<(), Error> {
        let rows: Vec<&R> = rows.into_iter().collect();
        for session in rows.chunk_by(|one, next| one.session() == next.session()) {
            let bytes = row_lines(session.iter().copied())?;
            let digest = &mut self.sessions.entry(session[0].key()).or_default()[table];
            for (row, line) in session.iter().zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
                match line.strip_suffix(b",\n").filter(|_| row.lacks_last_column()) {
                    Some(earlier) => digest.update([earlier, b"\n"].concat()),
                    None => digest.update(line),
                }
            }
        }
        Ok(())
    }

    /// The digest of one session, lower-case hexadecimal; that of no rows if there is none.
    pub(crate) fn get(&self, session: &SessionKey) -> String {
        let mut whole = Sha256::new();
        for table in self.sessions.get(session).cloned().unwrap_or_default() {
            whole.update(table.finalize());
        }
        hex::encode(whole.finalize())
    }
}
