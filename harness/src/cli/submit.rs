//! `veilbench submit`: scripts for engines that run work on many machines. They are printed, never submitted.

mod kubernetes;
mod parallel;
mod slurm;

use std::borrow::Cow;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, FromArgMatches, Subcommand};

use super::run::Run;
use crate::error::{EXIT_OK, Error};

#[derive(Args, Debug)]
pub(super) struct Submit {
    #[command(subcommand)]
    engine: Engine,
}

#[derive(Debug, Subcommand)]
enum Engine {
    /// A job array of Slurm with a merge that waits for it: pipe it to bash
    Slurm(slurm::Slurm),
    /// An indexed Job of Kubernetes on a shared volume, and a suspended Job that merges: pipe it to kubectl apply -f -
    Kubernetes(kubernetes::Kubernetes),
    /// One line for GNU parallel, on this machine or over ssh
    Parallel(parallel::Parallel),
}

/// What every engine is told.
#[derive(Args, Debug)]
struct Shards {
    /// Parts to deal the cells to
    #[arg(long = "shards", value_name = "N")]
    of: NonZeroUsize,
    /// Most shards to measure at a time, of GNU parallel most machines [default: all]
    #[arg(long, value_name = "N")]
    at_once: Option<NonZeroUsize>,
    /// Folder of the merged run; its shards go to FOLDER.shards, both where all machines see them
    #[arg(long, value_name = "FOLDER", default_value = "results/runs/merged")]
    out: PathBuf,
    /// Options of `veilbench run`, after all others
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "RUN OPTIONS")]
    run: Vec<String>,
}

impl Submit {
    pub(super) fn run(&self) -> Result<u8, Error> {
        let (Engine::Slurm(slurm::Slurm { shards, .. })
        | Engine::Kubernetes(kubernetes::Kubernetes { shards, .. })
        | Engine::Parallel(parallel::Parallel { shards })) = &self.engine;
        match shards.check() {
            Err(Error::RunOptions(asked)) if !asked.use_stderr() => {
                write!(std::io::stdout(), "{asked}")?;
                return Ok(EXIT_OK);
            }
            checked => checked?,
        }
        let script = match &self.engine {
            Engine::Slurm(slurm) => slurm.script(&program()?),
            Engine::Kubernetes(kubernetes) => kubernetes.manifest(),
            Engine::Parallel(parallel) => parallel.line(&program()?)?,
        };
        write!(std::io::stdout(), "{script}")?;
        Ok(EXIT_OK)
    }
}

impl Shards {
    /// The options have to be ones that `run` takes, and none that the script decides.
    fn check(&self) -> Result<(), Error> {
        let command = Run::augment_args(clap::Command::new("run").no_binary_name(true));
        let matches =
            command.try_get_matches_from(&self.run).map_err(|error| Error::RunOptions(Box::new(error)))?;
        let run = Run::from_arg_matches(&matches).map_err(|error| Error::RunOptions(Box::new(error)))?;
        run.placed().map_or(Ok(()), |option| Err(Error::Placed { option }))
    }

    /// The folder of the merged run, and that of the shards' runs.
    fn folders(&self) -> (String, String) {
        let into = self.out.display().to_string();
        let into = into.trim_end_matches('/').to_owned();
        (into.clone(), into + ".shards")
    }

    fn at_once(&self) -> usize {
        self.at_once.map_or(self.of.get(), |most| most.get().min(self.of.get()))
    }

    /// The options, each so that a shell reads it back, with a space before each.
    fn options(&self) -> String {
        self.run.iter().map(|word| format!(" {}", quoted(word))).collect()
    }
}

/// This executable.
fn program() -> Result<String, Error> {
    std::env::current_exe().map(|path| path.display().to_string()).map_err(Error::Executable)
}

/// A word so that a shell reads it back.
fn quoted(word: &str) -> Cow<'_, str> {
    shlex::try_quote(word).expect("arguments of a program have no zero byte")
}
