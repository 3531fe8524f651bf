//! Why an external backend cannot be read, installed or run.

use std::io;
use std::path::PathBuf;

/// Why a `backend.toml` is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any manifest.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: u64,
    },
    /// The file is no TOML, or holds fields or values that a manifest has not.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// A field reads, and its value cannot be.
    #[error("{}: {field}: {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, as `roles.model-owner.command`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why an environment was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A command could not be started.
    #[error("starting `{command}`: {source}{hint}")]
    Start {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
        /// What the backend needs, if it says so.
        hint: String,
    },
    /// A command failed.
    #[error("`{command}` ended with {status}: {output}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The environment's folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What went wrong with a party's process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// The command could not be started.
    #[error("starting `{command}`: {source}{hint}")]
    Start {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
        /// What the backend needs, if it says so.
        hint: String,
    },
    /// The network could not be written to files for the party.
    #[error("writing the network for the party: {0}")]
    Weights(String),
    /// The process ended in the middle of the session.
    #[error("the party's process ended with {status}{last_words}")]
    Ended {
        /// Exit code or signal.
        status: String,
        /// The end of what it wrote to standard error, or nothing.
        last_words: String,
    },
    /// Nothing came for too long; the process was ended.
    #[error(
        "the party said nothing for {seconds} s and was ended; raise limits in backend.toml if it is only slow"
    )]
    Silent {
        /// The limit.
        seconds: u64,
    },
    /// The party speaks another version of the protocol.
    #[error("the party speaks version {theirs} of the party protocol, this is version {ours}")]
    Version {
        /// The party's.
        theirs: u32,
        /// This program's.
        ours: u32,
    },
    /// What came is no message of the protocol.
    #[error("the party sent what the protocol does not allow: {0}")]
    Protocol(String),
    /// The party reported a failure of its own.
    #[error("the party gave up: {0}")]
    Failed(String),
    /// The control socket failed.
    #[error("talking to the party: {0}")]
    Control(io::Error),
}
