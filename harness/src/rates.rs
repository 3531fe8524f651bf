//! What single steps take on this machine, as backends measured it: kept in the user's cache folder, for predictions.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use veilbench_api::Backend;
use veilbench_datasets::Store;
use veilbench_results::Machine;

use crate::error::Error;
use crate::record::provenance::machine;

/// The file of one kind of machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    cpu_model: String,
    cores: usize,
    /// What backends measured, by their names.
    backends: BTreeMap<String, serde_json::Value>,
}

/// Measures the rates of backends, one after the other, and keeps them for this machine if there are any. Returns the names of those that have
/// them and the file.
pub(crate) fn measure(backends: &[&dyn Backend]) -> Result<(Vec<String>, PathBuf), Error> {
    let machine = machine();
    let file = file(&machine)?;
    let mut measured = read(&file).ok().flatten().unwrap_or_else(|| Measured {
        cpu_model: machine.cpu_model.clone(),
        cores: machine.cores,
        backends: BTreeMap::new(),
    });
    let mut names = Vec::new();
    for backend in backends {
        let name = backend.profile().name.into_owned();
        if let Some(rates) = backend.measure_rates() {
            measured.backends.insert(name.clone(), rates.map_err(Error::Calibration)?);
            names.push(name);
        }
    }
    if !names.is_empty() {
        write(&file, &measured)?;
    }
    Ok((names, file))
}

/// Has backends predict from what was measured on a machine like this one, if anything was; warns of what is unusable.
pub(crate) fn adopt(backends: &[Box<dyn Backend>]) {
    if let Err(error) = adopted(backends) {
        eprintln!("warning: {error}; until then, times are predicted as on the reference machine");
    }
}

fn adopted(backends: &[Box<dyn Backend>]) -> Result<(), Error> {
    // Without a folder nothing was kept.
    let machine = machine();
    let Ok(file) = file(&machine) else { return Ok(()) };
    let Some(measured) = read(&file)? else { return Ok(()) };
    // A processor without a name could be any.
    if machine.cpu_model.is_empty()
        || (measured.cpu_model, measured.cores) != (machine.cpu_model, machine.cores)
    {
        return Ok(());
    }
    for backend in backends {
        if let Some(rates) = measured.backends.get(&*backend.profile().name) {
            let unusable = |error: veilbench_api::Error| broken(&file, error.to_string());
            backend.adopt_rates(rates).map_err(unusable)?;
        }
    }
    Ok(())
}

/// Machines of one processor model, with equal features and as many cores, share a file.
fn file(machine: &Machine) -> Result<PathBuf, Error> {
    let Machine { cpu_model, cpu_flags, cores, .. } = machine;
    let digest = Sha256::digest(format!("{cpu_model}\n{cpu_flags:?}\n{cores}"));
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(Store::from_env()?.cache().join("rates").join(format!("{name}.json")))
}

fn read(file: &Path) -> Result<Option<Measured>, Error> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| broken(file, error.to_string()))?,
    };
    serde_json::from_str(&text).map(Some).map_err(|error| broken(file, error.to_string()))
}

/// In one step, so that a reader finds all or nothing.
fn write(file: &Path, measured: &Measured) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(measured).map_err(Error::Record)?;
    let write = || {
        let folder = file.parent().unwrap_or(file);
        fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.persist(file).map_err(|error| error.error)
    };
    write().map(drop).map_err(|error| broken(file, error.to_string()))
}

fn broken(file: &Path, reason: String) -> Error {
    Error::Rates { file: file.to_path_buf(), reason }
}
