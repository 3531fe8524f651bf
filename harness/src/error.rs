//! What ends a command early, and the exit codes.

use std::io;
use std::path::PathBuf;

use veilbench_external::{InstallError, ManifestError};

use crate::workload::WorkloadError;

/// Everything went well.
pub const EXIT_OK: u8 = 0;
/// A cell failed, a check did not hold, or two runs differ.
pub const EXIT_FAILED: u8 = 1;
/// The command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// The command could not do its work: data, a model or a folder is missing or damaged.
pub const EXIT_ERROR: u8 = 3;
/// The user stopped it; what was measured is kept.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no cell matches these patterns together; `veilbench list --profile full` shows all there are")]
    NothingSelected,
    #[error("{reason}")]
    Own { reason: String },
    #[error("--set {choice}: {reason}")]
    Choice { choice: String, reason: String },
    #[error(
        "--threads {asked}: with more than {most} threads on {cores} cores a party's pool waits for itself, and its \
         times are the scheduler's"
    )]
    TooManyThreads { asked: usize, most: usize, cores: usize },
    #[error("--{option} {pattern} matches none of: {}", known.join(", "))]
    NoMatch { option: &'static str, pattern: String, known: Vec<String> },
    #[error("no backend is called {name}; there are {}", known.join(", "))]
    NoBackend { name: String, known: Vec<String> },
    #[error("{name} is neither a folder with a backend.toml nor a system that comes with the program: {}", known.join(", "))]
    NoSystem { name: String, known: Vec<&'static str> },
    #[error("{} is called {name}, and so is another backend: its backend.toml has to give it another name", folder.display())]
    SameName { name: String, folder: PathBuf },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("installing {name}: {source}")]
    Install { name: String, source: InstallError },
    #[error("{name} is neither a network of the zoo ({}) nor a file", veilbench_networks::zoo::names().collect::<Vec<_>>().join(", "))]
    NoNetwork { name: String },
    #[error("{0}")]
    HostOptions(String),
    #[error("host {host}: {reason}")]
    Host { host: String, reason: String },
    #[error("stopped by the user before the first session: nothing was measured")]
    Stopped,
    #[error(transparent)]
    Workload(Box<WorkloadError>),
    #[error(transparent)]
    Dataset(#[from] veilbench_datasets::Error),
    #[error(transparent)]
    Import(#[from] veilbench_networks::import::ImportError),
    #[error(transparent)]
    Zoo(#[from] veilbench_networks::zoo::ZooError),
    #[error(transparent)]
    Results(#[from] veilbench_results::Error),
    #[error(transparent)]
    Report(#[from] veilbench_report::Error),
    #[error("{option} is for `run` alone: `submit` decides it for every shard")]
    Placed { option: &'static str },
    #[error(
        "`{word}`: GNU parallel would put something else in place of braces; write it without, e.g. `aa` for the pattern `a{{2}}`, \
         or choose folders without them"
    )]
    Braces { word: String },
    #[error("{}", .0.to_string().trim_start_matches("error: ").trim_end())]
    RunOptions(Box<clap::Error>),
    #[error(
        "--shard auto/{of}: {reason}; a launcher of many tasks sets it, or give the shard's number: --shard 1/{of}"
    )]
    ShardIndex { of: usize, reason: String },
    #[error("{} was measured with {}; choose another --out, or remove it", folder.display(), differences.join(" and "))]
    OtherRun { folder: PathBuf, differences: Vec<String> },
    #[error(
        "{name} is not what the sessions on record in {} were measured with: {}; choose another --out{}",
        folder.display(),
        differences.join(", "),
        if *is_measured_anew { ", or --fresh" } else { "" }
    )]
    Changed { name: String, folder: PathBuf, differences: Vec<String>, is_measured_anew: bool },
    #[error("{} holds no run yet; `veilbench run` makes one", folder.display())]
    NoRuns { folder: PathBuf },
    #[error("making a temporary folder: {0}")]
    Folder(io::Error),
    #[error("recording a plan or a protection as JSON: {0}")]
    Record(serde_json::Error),
    #[error("reading the executable: {0}")]
    Executable(io::Error),
    #[error("tracing the layers: {0}")]
    Trace(veilbench_api::Error),
    #[error(
        "there is nothing to measure of {}: leave --backend out, which measures what times of {} are predicted from",
        asked.join(", "),
        predicting.join(", ")
    )]
    NoRates { asked: Vec<String>, predicting: Vec<String> },
    #[error("measuring this machine: {0}")]
    Calibration(veilbench_api::Error),
    #[error("{}: {reason}; remove it, or measure this machine anew: veilbench plan --calibrate-machine", file.display())]
    Rates { file: PathBuf, reason: String },
    #[error("starting the runtime: {0}")]
    Runtime(io::Error),
    #[error("writing output: {0}")]
    Output(#[from] io::Error),
}

impl From<WorkloadError> for Error {
    fn from(error: WorkloadError) -> Self {
        Self::Workload(Box::new(error))
    }
}

impl Error {
    /// Whether standard output was closed by whoever read it.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NothingSelected
            | Self::NoMatch { .. }
            | Self::NoBackend { .. }
            | Self::NoNetwork { .. }
            | Self::NoRates { .. }
            | Self::NoSystem { .. }
            | Self::SameName { .. }
            | Self::Manifest(_)
            | Self::Own { .. }
            | Self::Choice { .. }
            | Self::ShardIndex { .. }
            | Self::Placed { .. }
            | Self::HostOptions(_)
            | Self::Braces { .. }
            | Self::RunOptions(_)
            | Self::TooManyThreads { .. } => EXIT_USAGE,
            Self::Stopped => EXIT_INTERRUPTED,
            _ => EXIT_ERROR,
        }
    }
}
