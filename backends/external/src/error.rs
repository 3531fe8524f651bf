//! Why an external backend cannot be read, installed or run.

use std::io;
use std::path::PathBuf;

/// Words of an error that say a party had no memory left.
pub const MEMORY_SHORT: &str = "the party is out of memory";

/// How systems say that they got no memory: C++, PyTorch, and the C library of others.
const SHORT_OF_MEMORY: [&str; 3] = ["std::bad_alloc", "can't allocate memory", "Cannot allocate memory"];

/// Whether what a party said before it ended or gave up is that it had no memory left.
pub(crate) fn says_memory_is_short(words: &str) -> bool {
    SHORT_OF_MEMORY.iter().any(|known| words.contains(known))
}

/// Words of an error that say somebody killed a party's process: the kernel, where memory was short.
pub const KILLED: &str = "signal: 9 (SIGKILL)";

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
    /// The folder's files are not those that a session was planned with.
    #[error(
        "{}: the files of {backend} have SHA-256 {found} here where {planned} was planned: it is another program; put the \
         same files there, and change none while a run is under way",
        folder.display()
    )]
    Another {
        /// The backend.
        backend: String,
        /// Its folder.
        folder: PathBuf,
        /// Digest of the files that are there.
        found: String,
        /// Digest of those in the plan.
        planned: String,
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
    /// The `version` command did not end.
    #[error("`{command}` did not end within {seconds} s and was ended")]
    Slow {
        /// The command.
        command: String,
        /// How long it may take.
        seconds: u64,
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
    /// The plan says that the party has no network, and this machine cannot take it away.
    #[error(
        "the session was planned with a party that has no network, and this machine allows no namespace for it: allow \
         `unshare --net` here as where it was planned, or plan it where it is not allowed either"
    )]
    NotIsolated,
    /// The session's own network cannot be made or read.
    #[error("the session's own network: {0}")]
    Mesh(String),
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
    /// Something was sent to an address outside, where there is no network.
    #[error(
        "the party tried to reach the network ({attempts} times), which a session has not: what was not installed cannot \
         be fetched, and nothing is reported to anybody"
    )]
    Network {
        /// Packets and connections for which there was no way.
        attempts: u64,
    },
    /// Something went wrong, and something was sent to an address outside before.
    #[error("{what}; before that {}", ExternalError::Network { attempts: *attempts })]
    AfterNetwork {
        /// What went wrong.
        what: String,
        /// Packets and connections for which there was no way.
        attempts: u64,
    },
    /// The party ended, and processes that it had started did not.
    #[error(
        "the party left {} processes behind ({}), which were ended: a role ends what it starts, and waits for it",
        names.len(),
        names.join(", ")
    )]
    LeftBehind {
        /// Their names.
        names: Vec<String>,
    },
    /// The party had no memory left.
    #[error("{MEMORY_SHORT}: {0}")]
    OutOfMemory(String),
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
