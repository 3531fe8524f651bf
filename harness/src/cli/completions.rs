//! `veilbench completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::error::{EXIT_OK, Error};

#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<u8, Error> {
        clap_complete::generate(self.shell, &mut Cli::command(), "veilbench", &mut std::io::stdout());
        Ok(EXIT_OK)
    }
}
