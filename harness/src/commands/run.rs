//! `veilbench run`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::sync::watch;
use veilbench_backends::Backend;
use veilbench_report::{generate, terminal_table};
use veilbench_results::{SessionKey, Store};

use crate::campaign::{Tally, measure};
use crate::error::{EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Error};
use crate::matrix::{Options, PlannedCell};
use crate::progress::Progress;
use crate::provenance;
use crate::workspace::Workspace;

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    options: Options,
    /// Folder of the run [default: results/runs/PROFILE-FINGERPRINT, one for each build, machine and seed]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Measure the selected cells again instead of going on
    #[arg(long)]
    fresh: bool,
    /// Progress as JSON lines on standard output
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn run(&self, backends: &[Box<dyn Backend>]) -> Result<u8, Error> {
        let mut progress = Progress::new(self.json);
        let workspace = Workspace::prepare(&self.options, &mut progress)?;
        let cells = workspace.cells(backends, &self.options)?;
        let mut store = self.open()?;
        if self.fresh {
            discard(&mut store, &cells)?;
        }
        let tally = conduct(&cells, &self.options, &mut store, &mut progress)?;
        let folder = store.folder().to_owned();
        drop(store);
        let report = generate(&folder)?;
        if !self.json {
            print!("{}", terminal_table(&report.summaries));
            println!("{}", conclusion(&tally, &folder));
        }
        Ok(match tally {
            Tally { interrupted: true, .. } => EXIT_INTERRUPTED,
            Tally { failed: 1.., .. } => EXIT_FAILED,
            _ => EXIT_OK,
        })
    }

    fn open(&self) -> Result<Store, Error> {
        let description = provenance::describe(self.options.seed).map_err(Error::Executable)?;
        let folder = self.out.clone().unwrap_or_else(|| {
            let name = format!("{}-{}", self.options.profile.name(), &description.fingerprint[..8]);
            Path::new("results").join("runs").join(name)
        });
        open(&folder, description)
    }
}

/// Opens a run folder to go on with it, or begins one.
///
/// # Errors
/// If it belongs to another build, machine or seed.
pub(super) fn open(folder: &Path, mut description: veilbench_results::Run) -> Result<Store, Error> {
    match Store::open(folder) {
        Ok(store) if store.run().fingerprint == description.fingerprint => Ok(store),
        Ok(_) => Err(Error::OtherRun { folder: folder.to_owned() }),
        Err(veilbench_results::Error::NoRun { .. }) => {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            description.name = name.unwrap_or_else(|| "run".into());
            Ok(Store::create(folder, &description)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn discard(store: &mut Store, cells: &[PlannedCell<'_>]) -> Result<(), Error> {
    let ids: BTreeSet<String> = cells.iter().map(|planned| planned.cell.id()).collect();
    let sessions: BTreeSet<SessionKey> =
        store.completed().iter().filter(|session| ids.contains(&session.cell)).cloned().collect();
    Ok(store.discard(&sessions)?)
}

/// Measures until done or until the user presses Ctrl-C or asks the process to end.
pub(super) fn conduct(
    cells: &[PlannedCell<'_>],
    options: &Options,
    store: &mut Store,
    progress: &mut Progress,
) -> Result<Tally, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(async {
        let (stop, mut interrupt) = watch::channel(false);
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            stop.send_replace(true);
            stop.closed().await;
        });
        Ok(measure(cells, options, store, progress, &mut interrupt).await?)
    })
}

fn conclusion(tally: &Tally, folder: &Path) -> String {
    let Tally { measured, before, failed, interrupted } = tally;
    let mut text = format!("{measured} sessions measured");
    if *before > 0 {
        text += &format!(", {before} were on record already (--fresh measures them again)");
    }
    if *failed > 0 {
        text += &format!(", {failed} failed");
    }
    if *interrupted {
        text += "; stopped: the same command goes on from here";
    }
    format!("{text}\nresults: {}", folder.display())
}
