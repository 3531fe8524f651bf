//! Why a report cannot be made.

use std::{io, path::PathBuf};

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The run folder could not be read or a table not written.
    #[error(transparent)]
    Results(#[from] veilbench_results::Error),
    /// A derived file could not be written.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// A Markdown file to put tables into could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// A Markdown file does not say where the tables go.
    #[error(
        "{} needs a line `<!-- begin veilbench report -->` and after it a line `<!-- end veilbench report -->`; where it has several such \
         pairs, the first line of one has to name the command that is to replace it: `<!-- begin veilbench report: COMMAND -->`",
        path.display()
    )]
    Markers {
        /// The file.
        path: PathBuf,
    },
    /// A plot, page or table could not be made.
    #[error("cannot make {}: {reason}", path.display())]
    Draw {
        /// The file.
        path: PathBuf,
        /// What the library behind it said.
        reason: String,
    },
}
