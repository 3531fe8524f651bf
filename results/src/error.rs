//! Why a run folder cannot be read or written.

use std::{io, path::PathBuf};

/// Why a run folder could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// `run.json` is there but is not the description of a run.
    #[error("{} does not describe a run: {cause}; restore it or start a new run", path.display())]
    RunDescription {
        /// The file.
        path: PathBuf,
        /// Where the text stops making sense.
        cause: serde_json::Error,
    },
    /// `run.json` was written by a veilbench with another schema.
    #[error(
        "{} has schema version {found} and this veilbench reads versions up to {supported}: read it with the \
         veilbench that wrote it, or measure again",
        path.display()
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// The version it names.
        found: u32,
        /// [`SCHEMA_VERSION`](crate::SCHEMA_VERSION).
        supported: u32,
    },
    /// A run of an earlier schema version was to be gone on with.
    #[error("{} was begun by an earlier veilbench (schema version {found}): it can be reported, not gone on with; choose another name", folder.display())]
    OldRun {
        /// The folder.
        folder: PathBuf,
        /// The version its `run.json` names.
        found: u32,
    },
    /// A new run was to be made where one already is.
    #[error("{} already holds a run: resume it or choose another name", folder.display())]
    RunExists {
        /// The folder.
        folder: PathBuf,
    },
    /// A run was to be opened where none is.
    #[error("{} holds no run: it has no run.json", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process holds the folder's lock.
    #[error("{} is being written by another veilbench: wait for it or choose another name", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The run's tables are compressed, so nothing can be appended to them.
    #[error("{} is packed: unpack it with gunzip to go on, or choose another name", folder.display())]
    Packed {
        /// The folder.
        folder: PathBuf,
    },
    /// A file has other columns than this version writes, so nothing can be appended to it.
    #[error("{} has other columns than this veilbench writes: start a new run", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
    },
    /// A folder to be merged holds a run that was not measured as a shard.
    #[error("{} is no shard: measure it with `veilbench run --shard I/N`", folder.display())]
    NoShard {
        /// The folder.
        folder: PathBuf,
    },
    /// Two runs are not shards of one matrix.
    #[error("{} and {} do not merge: {}", first.display(), second.display(), differences.join(", "))]
    Apart {
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// What differs, each with both values.
        differences: Vec<String>,
    },
    /// Two folders hold the same session.
    #[error("{cell} repetition {repetition} is in both {} and {}: leave one of them out", first.display(), second.display())]
    Twice {
        /// The cell's id.
        cell: String,
        /// The repetition.
        repetition: usize,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A folder was named twice, or as source and target of a merge.
    #[error("{} is named twice: name every shard once, and another folder to merge them into", folder.display())]
    Named {
        /// The folder.
        folder: PathBuf,
    },
    /// No folder was named to be merged.
    #[error("there is nothing to merge: name the folders of the shards")]
    NothingToMerge,
    /// A run would be put among files that are none, or a merge would replace them.
    #[error("{} holds other files and no run: choose another folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// A row could not be written as CSV.
    #[error("cannot write a row of {file}: {cause}")]
    Row {
        /// The table's file name.
        file: &'static str,
        /// What the CSV writer said.
        cause: csv::Error,
    },
    /// The rows handed over are not those of one whole session.
    #[error("session {cell} repetition {repetition} cannot be recorded: {reason}")]
    Session {
        /// The cell's id.
        cell: String,
        /// The repetition.
        repetition: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A text is not the id of a cell.
    #[error("`{id}` is no cell: {reason}; expected e.g. `clear/mnist-mlp/mnist/b1/t1/loopback/n100/s0`")]
    Cell {
        /// The text.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { action, path, cause }
    }
}
