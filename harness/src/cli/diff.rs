//! `veilbench diff`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use veilbench_report::{Settings, compare};
use veilbench_results::RunData;

use crate::error::{EXIT_FAILED, EXIT_OK, Error};

#[derive(Args, Debug)]
pub(super) struct Diff {
    /// Folder of the run to compare with
    before: PathBuf,
    /// Folder of the run in question
    after: PathBuf,
    /// Changes of the online time within this share are noise
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().noise)]
    noise: f64,
}

impl Diff {
    pub(super) fn run(&self) -> Result<u8, Error> {
        let [before, after] = [RunData::load(&self.before)?, RunData::load(&self.after)?];
        let comparison = compare(&before, &after, Settings { noise: self.noise });
        write!(std::io::stdout(), "{comparison}")?;
        Ok(if comparison.is_regression() || comparison.is_of_damaged_runs() { EXIT_FAILED } else { EXIT_OK })
    }
}
