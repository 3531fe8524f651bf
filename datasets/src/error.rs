//! What can go wrong between a data set's name and its pixels.

use std::io;
use std::path::PathBuf;

/// Why there are no images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No data set has this name.
    #[error("no data set is called `{id}`: there are {}", crate::load::IDS.join(", "))]
    UnknownDataset {
        /// The name asked for.
        id: String,
    },
    /// The files of the data set are not there.
    #[error("the data of `{id}` is not in {}: {}", folder.display(), crate::store::catalog::remedy(base))]
    Missing {
        /// The data set asked for.
        id: String,
        /// The name it is fetched by.
        base: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Some files are there, but none of this split.
    #[error("{} holds no {split} image of `{id}`: get all of it with `veilbench data fetch {base}`", folder.display())]
    EmptySplit {
        /// The data set asked for.
        id: String,
        /// The name it is fetched by.
        base: &'static str,
        /// `train` or `test`.
        split: &'static str,
        /// Where the other images are.
        folder: PathBuf,
    },
    /// No file of the data set has an address and a fixed checksum.
    #[error(
        "`{id}` cannot be fetched, as no archive of it has a fixed checksum: {}",
        crate::store::catalog::remedy(id)
    )]
    NotFetched {
        /// The data set.
        id: String,
    },
    /// A file is damaged, or of something else, or takes more memory than there is or is allowed.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No mirror gave the file.
    #[error("cannot download {file}: {}", attempts.join("; "))]
    Download {
        /// The file.
        file: String,
        /// Address and reason of every mirror that was tried.
        attempts: Vec<String>,
    },
    /// Nothing of the data set was found.
    #[error("{} holds nothing of `{id}`: expected {expected}", path.display())]
    Unrecognised {
        /// The data set.
        id: String,
        /// What was looked at.
        path: PathBuf,
        /// What could have been there.
        expected: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: `read`, `write`, `rename`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// A subset larger than the set.
    #[error("{wanted} images were asked for, but `{id}` has {present}")]
    TooFewImages {
        /// The data set.
        id: String,
        /// Images asked for.
        wanted: usize,
        /// Images there are.
        present: usize,
    },
    /// Neither a path nor kept data.
    #[error("{} is neither a file or folder nor data that was added{}", wanted.display(), names(kept))]
    NoData {
        /// What was asked for.
        wanted: PathBuf,
        /// Names of the data that was added.
        kept: Vec<String>,
    },
    /// No data is kept under this name.
    #[error("no data that was added is called {name}{}", names(kept))]
    NotAdded {
        /// What was asked for.
        name: String,
        /// Names of the data that was added.
        kept: Vec<String>,
    },
    /// A path and kept data of one name.
    #[error(
        "`{name}` is a path and data that was added: say ./{name} for the path, or go elsewhere for the other"
    )]
    TwoData {
        /// The name of both.
        name: String,
    },
    /// Data cannot be kept under this name.
    #[error("`{name}` cannot be the name of data: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A user's data has no training part.
    #[error("`{name}` has no training part")]
    NoTraining {
        /// The data.
        name: String,
    },
    /// Neither the environment nor the platform names a place for data.
    #[error("no folder for data: set VEILBENCH_DATA (and VEILBENCH_CACHE), or HOME")]
    NoFolder,
}

fn names(kept: &[String]) -> String {
    if kept.is_empty() { String::new() } else { format!(" ({})", kept.join(", ")) }
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn unusable(path: impl Into<PathBuf>, reason: impl Into<String>) -> Error {
        Error::Unusable { path: path.into(), reason: reason.into() }
    }
}
