//! Backends that are folders: those that a user names, and the systems of others that come with the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use veilbench_api::Backend;
use veilbench_datasets::Store;
use veilbench_external::{External, Install, ManifestError, Shipped};
use veilbench_results::{ExternalRecord, Run};

use crate::error::Error;
use crate::matrix::PlannedCell;
use crate::progress::{Event, Progress};

/// The file by which a folder is known to be a backend.
const MANIFEST: &str = "backend.toml";

/// Backends that a user names.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct BackendFiles {
    /// A folder with a backend.toml, or the name of a system that comes with the program, as one more backend
    /// (repeatable)
    #[arg(long = "backend-file", value_name = "FOLDER|NAME")]
    backend_files: Vec<String>,
}

impl BackendFiles {
    /// Reads those that were named, in their order.
    ///
    /// # Errors
    /// If one is no folder of a backend and no system that comes with the program.
    pub(crate) fn load(&self) -> Result<Vec<External>, Error> {
        self.backend_files.iter().map(|file| load(file)).collect()
    }

    /// Adds those that were named to the list.
    ///
    /// # Errors
    /// Those of [`load`](Self::load); [`Error::SameName`] if there is a backend of that name.
    pub(crate) fn add_to(&self, backends: Vec<Box<dyn Backend>>) -> Result<Vec<Box<dyn Backend>>, Error> {
        join(backends, self.load()?)
    }

    /// Adds those that were named and every system that comes with the program, and installs those of them that are chosen and missing if
    /// there is somebody to tell of it.
    ///
    /// # Errors
    /// Those of [`add_to`](Self::add_to).
    pub(crate) fn add_peers_to(
        &self,
        backends: Vec<Box<dyn Backend>>,
        installing: Option<Installing<'_>>,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Result<Vec<Box<dyn Backend>>, Error> {
        let mut all = self.load()?;
        for system in Shipped::all() {
            if !all.iter().any(|known| known.manifest().name == system.name) {
                all.push(shipped(system)?);
            }
        }
        if let Some(installing) = installing {
            let chosen = all.iter().filter(|system| is_chosen(&system.manifest().name));
            install_missing(&chosen.collect::<Vec<_>>(), installing);
        }
        join(backends, all)
    }
}

/// Adds backends whose names are not taken.
fn join(mut backends: Vec<Box<dyn Backend>>, more: Vec<External>) -> Result<Vec<Box<dyn Backend>>, Error> {
    for external in more {
        let name = external.manifest().name.clone();
        if backends.iter().any(|known| known.profile().name == name) {
            return Err(Error::SameName { name, folder: external.manifest().folder.clone() });
        }
        backends.push(Box::new(external));
    }
    Ok(backends)
}

/// Who is told of installs, and whether the user wants to stop.
pub(crate) type Installing<'a> = (&'a mut Progress, &'a dyn Fn() -> bool);

/// Installs what is missing, after saying of all of it how large it is. One that fails is a row later, which says why. Ends before the
/// next one if the user wants to stop.
fn install_missing(systems: &[&External], (progress, stop): Installing<'_>) {
    let missing: Vec<&External> = systems.iter().copied().filter(|system| !system.is_installed()).collect();
    for system in &missing {
        let text = format!("{} is not installed: it {}", system.manifest().name, amount(system));
        progress.tell(&Event::Note { text: &text });
    }
    if missing.len() > 1 {
        let [download, disk] = sums(&missing);
        let count = missing.len();
        let text = format!("installing {count} systems downloads {download} MB and takes {disk} MB on disk");
        progress.tell(&Event::Note { text: &text });
    }
    for (at, system) in missing.iter().enumerate() {
        if stop() {
            let text = format!("stopped: {} systems are not installed", missing.len() - at);
            return progress.tell(&Event::Note { text: &text });
        }
        // One that shares its environment with an earlier one may be there by now.
        if system.is_installed() {
            continue;
        }
        let name = &system.manifest().name;
        progress.tell(&Event::Note { text: &format!("installing {name}") });
        let installed =
            system.install(|line| progress.tell(&Event::Note { text: &format!("{name}: {line}") }));
        if let Err(error) = installed {
            progress.tell(&Event::Note { text: &format!("{name} could not be installed: {error}") });
        }
    }
}

/// Megabytes that systems download and take on disk; of those that share an environment, once.
fn sums(systems: &[&External]) -> [u32; 2] {
    let by_place: BTreeMap<&Path, &Install> = systems
        .iter()
        .filter_map(|system| Some((system.environment(), system.manifest().install.as_ref()?)))
        .collect();
    let sum = |size: fn(&Install) -> Option<u32>| {
        by_place.values().filter_map(|install| size(install)).fold(0, u32::saturating_add)
    };
    [sum(|install| install.download_mb), sum(|install| install.disk_mb)]
}

/// What it takes to install a backend, where it goes and under which licence it comes.
pub(crate) fn amount(system: &External) -> String {
    let amount = system.manifest().install.as_ref().map(|install| install.amount());
    let amount = amount.unwrap_or_else(|| "needs nothing".into());
    format!("{amount}, into {}, under {}", system.environment().display(), licence(system))
}

/// A backend's licence, and what its users have to know of it.
pub(crate) fn licence(system: &External) -> String {
    let manifest = system.manifest();
    let note = manifest.licence_note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
    format!("the licence {}{note}", manifest.licence)
}

/// Reads a backend by its folder, its file or the name of a system that comes with the program.
///
/// # Errors
/// [`Error::NoSystem`] if it is none of these, [`Error::Manifest`] if its manifest is none.
pub(crate) fn load(name: &str) -> Result<External, Error> {
    let path = Path::new(name);
    let folder = if path.is_dir() { Some(path) } else { path.parent().filter(|_| path.ends_with(MANIFEST)) };
    if let Some(folder) =
        folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        return Ok(External::load(folder, &places()?.environments)?);
    }
    match Shipped::all().iter().find(|system| system.name == name) {
        Some(system) => shipped(system),
        None => Err(Error::NoSystem {
            name: name.to_owned(),
            known: Shipped::all().iter().map(|system| system.name).collect(),
        }),
    }
}

/// Reads a system that comes with the program.
///
/// # Errors
/// [`Error::Manifest`] if its folder cannot be written.
pub(crate) fn shipped(system: &Shipped) -> Result<External, Error> {
    let Places { folders, environments } = places()?;
    Ok(External::shipped(system, &folders, &environments)?)
}

/// Where systems are unpacked, and where what they need is installed.
struct Places {
    folders: PathBuf,
    environments: PathBuf,
}

fn places() -> Result<Places, Error> {
    let store = Store::from_env()?;
    // Commands run in folders of their own.
    let cache = std::path::absolute(store.cache())
        .map_err(|source| ManifestError::Read { path: store.cache().to_owned(), source })?;
    Ok(Places { folders: cache.join("systems"), environments: cache.join("environments") })
}

/// Puts into a run's description which program the backend of a cell is, if it is not compiled in.
pub(crate) fn note_external(planned: &PlannedCell<'_>, run: &mut Run) {
    let Some(origin) = planned.backend.origin() else { return };
    let plan = planned.plan.as_ref().ok();
    let version = plan.and_then(|plan| plan.parameters.get("version")?.as_str()).map(str::to_owned);
    let known = run.external.entry(planned.cell.backend.clone()).or_default();
    let version = version.or_else(|| known.version.take());
    *known = ExternalRecord { files_sha256: origin.files_sha256, version };
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A backend whose installation leaves a file.
    fn system(root: &Path, name: &str) -> External {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        let text = include_str!("../../backends/external/tests/fixtures/faulty/backend.toml");
        let text = text.replace("name = \"faulty\"", &format!("name = \"{name}\""));
        let install = "[install]\nneeds = \"a shell\"\nenvironment = \"shared\"\ndownload_mb = 3\ndisk_mb = 7\n\
                       commands = [[\"/bin/sh\", \"-c\", \"echo once >> '{environment}/made'\"]]\n";
        fs::write(folder.join(MANIFEST), format!("{text}\n{install}")).unwrap();
        External::load(&folder, &root.join("environments")).unwrap()
    }

    #[test]
    fn nothing_more_is_installed_when_the_user_wants_to_stop() {
        let root = tempfile::tempdir().unwrap();
        let system = system(root.path(), "one");
        install_missing(&[&system], (&mut Progress::new(false), &|| true));
        assert!(!system.is_installed());
        install_missing(&[&system], (&mut Progress::new(false), &|| false));
        assert!(system.is_installed());
    }

    #[test]
    fn an_environment_that_two_share_is_made_once_and_its_size_counts_once() {
        let root = tempfile::tempdir().unwrap();
        let systems = [system(root.path(), "one"), system(root.path(), "two")];
        let both: Vec<&External> = systems.iter().collect();
        assert_eq!(sums(&both), [3, 7]);
        assert!(amount(both[0]).contains("under the licence MIT OR Apache-2.0"), "{}", amount(both[0]));
        install_missing(&both, (&mut Progress::new(false), &|| false));
        assert!(both.iter().all(|system| system.is_installed()));
        let made = fs::read_to_string(root.path().join("environments/shared/made")).unwrap();
        assert_eq!(made, "once\n");
    }
}
