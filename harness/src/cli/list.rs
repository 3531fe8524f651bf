//! `veilbench list`.

use std::io::Write;

use clap::Args;
use veilbench_api::Backend;

use crate::error::{EXIT_FAILED, EXIT_OK, Error};
use crate::matrix::Options;
use crate::progress::Progress;
use crate::workload::workspace::{Purpose, Unfit, Workspace};

#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    options: Options,
}

impl List {
    pub(super) fn run(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        let backends = &self.options.with_external(backends, None)?;
        let workspace =
            Workspace::prepare(backends, &self.options, Purpose::List, &mut Progress::new(false))?;
        let mut out = std::io::stdout().lock();
        for planned in workspace.cells(backends, &self.options)? {
            match planned.plan {
                Ok(_) => writeln!(out, "{}", planned.cell)?,
                Err(reason) => writeln!(out, "{}  unsupported: {reason}", planned.cell)?,
            }
        }
        for Unfit { network, reason } in workspace.unfit() {
            writeln!(out, "{network}  cannot be measured: {reason}")?;
        }
        Ok(if workspace.unfit().is_empty() { EXIT_OK } else { EXIT_FAILED })
    }
}
