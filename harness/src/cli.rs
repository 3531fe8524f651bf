//! The command line: one file per subcommand.

mod backends;
mod conformance;
mod data;
mod diff;
mod list;
mod merge;
mod networks;
mod plan;
mod report;
mod run;
mod submit;
mod verify;

use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use veilbench_api::Backend;

use crate::error::{EXIT_OK, Error};
use crate::rates;
use crate::session::hosts::launched;
use crate::session::party;

/// Compares ways to classify an image without showing it to the server.
#[derive(Debug, Parser)]
#[command(name = "veilbench", version, max_term_width = 100, args_override_self = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 all went well; 1 a cell failed, a check did not hold or two runs differ; 2 wrong usage; \
3 the command could not do its work; 130 stopped by the user (what was measured is kept).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure cells; goes on where an interrupted run stopped
    Run(run::Run),
    /// List the cells a run would measure
    List(list::List),
    /// Run each cell briefly and check its answers against the clear network
    Verify(verify::Verify),
    /// Show, fetch or import data sets, or keep images of your own
    Data(data::Data),
    /// Show the networks, or check or annotate one of your own
    Networks(networks::Networks),
    /// Show how backends would run a network: parameters, layer by layer, and what they predict
    Plan(plan::Plan),
    /// Show the backends and whom they trust
    Backends(backends::Backends),
    /// Hold backends to every promise of the contract
    Conformance(conformance::Conformance),
    /// Make tables and plots from a run's CSV files
    Report(report::Report),
    /// Compare two runs
    Diff(diff::Diff),
    /// Put the runs of shards together into one
    Merge(merge::Merge),
    /// Print a script that measures shards on many machines; submits nothing
    Submit(submit::Submit),
    /// Print a shell's completion script
    Completions {
        /// The shell to complete for
        #[arg(value_enum)]
        shell: Shell,
    },
    /// One role of a session (the harness starts these itself)
    #[command(hide = true)]
    Party {
        /// Started by a launcher, whose environment is not a party's
        #[arg(long)]
        launched: bool,
    },
}

impl Cli {
    pub(crate) fn run(self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        if matches!(
            self.command,
            Command::Run(_) | Command::List(_) | Command::Verify(_) | Command::Networks(_)
        ) {
            rates::adopt(&backends);
        }
        match self.command {
            Command::Run(command) => command.run(backends),
            Command::List(command) => command.run(backends),
            Command::Verify(command) => command.run(backends),
            Command::Data(command) => command.run(),
            Command::Networks(command) => command.run(backends),
            Command::Plan(command) => command.run(backends),
            Command::Backends(command) => command.run(backends),
            Command::Conformance(command) => command.run(backends),
            Command::Report(command) => command.run(),
            Command::Diff(command) => command.run(),
            Command::Merge(command) => command.run(),
            Command::Submit(command) => command.run(),
            Command::Completions { shell } => {
                // It panics where it cannot write.
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "veilbench", &mut script);
                let mut out = std::io::stdout();
                out.write_all(&script).and_then(|()| out.flush())?;
                Ok(EXIT_OK)
            }
            // The harness has the error already.
            Command::Party { launched: true } => Err(Error::Executable(launched::begin_anew())),
            Command::Party { launched: false } => {
                Ok(party::serve(&backends).map_or(crate::EXIT_ERROR, |()| EXIT_OK))
            }
        }
    }
}
