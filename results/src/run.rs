//! `run.json`.

use crate::{
    Cell, CountedBy, Error, Finding, PlanFigures, Row, Sample, Severity, ShardRecord,
    folder::table::replace_file,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fs, io, path::Path};

/// Version of the files this crate writes.
pub const SCHEMA_VERSION: u32 = 4;
/// The oldest version it reads. What version 1 does not say is empty: starts of phases, receivers' counts, shared
/// memory apart, other work on the machine, digests, settings, assumptions. Versions 1 and 2 name one machine, which
/// is then the one with an empty id, and know no shards. Up to version 3 all roles are on one machine.
const OLDEST_SCHEMA_VERSION: u32 = 1;

/// `run.json`: what was measured, by which software and on which machine.
///
/// Fields that a file of the same schema version lacks are read as empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the run and of its folder.
    pub name: String,
    /// When it was begun, RFC 3339.
    pub created: String,
    /// Version of the harness.
    pub veilbench_version: String,
    /// Every command line that added to the run, oldest first; of a merged run in the order of their text, each once.
    pub commands: Vec<String>,
    /// Seed of everything that is drawn and not secret.
    pub seed: u64,
    /// Hash of what must not change when the run is resumed, hexadecimal; empty after a merge of machines of several kinds.
    pub fingerprint: String,
    /// Where it ran, by the ids that samples carry.
    pub machines: BTreeMap<String, Machine>,
    /// Hosts its roles were on, by the names they were given; empty if all were on one machine.
    pub hosts: BTreeMap<String, HostRecord>,
    /// Which part of a matrix it holds, if the matrix was dealt to shards.
    pub shards: Option<ShardRecord>,
    /// `rustc --version` of the build.
    pub rustc: String,
    /// Commit the harness was built from.
    pub git_revision: Option<String>,
    /// Did the work tree differ from that commit?
    pub git_dirty: Option<bool>,
    /// SHA-256 of the executable, hexadecimal.
    pub executable_sha256: String,
    /// Versions of the crates the harness was built from.
    pub crates: BTreeMap<String, String>,
    /// Environment of the parties' processes: nothing else is passed on.
    pub environment: BTreeMap<String, String>,
    /// Batches at the start of a session that count as cold.
    pub warmup: usize,
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkRecord>,
    /// Data sets by id.
    pub datasets: BTreeMap<String, DatasetRecord>,
    /// Backends by name.
    pub backends: BTreeMap<String, BackendRecord>,
    /// Public parameters each backend chose, by cell id.
    pub plans: BTreeMap<String, serde_json::Value>,
    /// Backends that are not compiled in, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub external: BTreeMap<String, ExternalRecord>,
}

/// The machine a run was measured on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Model name of the processor.
    pub cpu_model: String,
    /// Instruction set extensions.
    pub cpu_flags: Vec<String>,
    /// Logical processors the process may use.
    pub cores: usize,
    /// Main memory, bytes.
    pub memory_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// Operating system.
    pub os: String,
    /// Load averages over 1, 5 and 15 minutes when the run began, or the busiest when it went on.
    pub load_average: [f64; 3],
}

/// A host on which roles of a run were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostRecord {
    /// Its machine, a key of [`Run::machines`].
    pub machine: String,
    /// Names of the roles.
    pub roles: Vec<String>,
}

/// A network as it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkRecord {
    /// SHA-256 of the ONNX file, hexadecimal.
    pub sha256: String,
    /// Data set it was trained on.
    pub dataset: String,
    /// Trained numbers.
    pub parameters: u64,
    /// Multiplications and additions of one image.
    pub macs: u64,
    /// Training images that the ranges of its activations were taken from; 0 if the file states them.
    pub calibrated_images: usize,
    /// SHA-256 of those images as the network takes them, hexadecimal; empty if the file states its ranges, and in runs of
    /// before it was recorded.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub calibration_sha256: String,
    /// Names of its classes, in the order of its logits; empty if it does not say.
    pub classes: Vec<String>,
    /// What the file does not state and was taken for granted, for people.
    pub assumptions: Vec<String>,
}

/// A data set as it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetRecord {
    /// SHA-256 of images and labels, hexadecimal.
    pub fingerprint: String,
    /// Images it holds.
    pub images: usize,
    /// Generated images: labels mean nothing and accuracy is not reported.
    pub synthetic: bool,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
}

/// A backend as it described itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendRecord {
    /// Technology: `none`, `tee`, `mpc`, `fhe`, `hybrid`, or another that a backend outside this tree names.
    pub technology: String,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// The role that holds the images and gets the logits.
    pub data_owner: String,
    /// Settings that differ from the backend's defaults.
    pub settings: BTreeMap<String, String>,
    /// Who is trusted with what, in the backend's own words and structure.
    pub threat_model: serde_json::Value,
    /// The same in one line.
    pub threat_model_summary: String,
    /// Computational security, bits; empty where the notion does not apply.
    pub security_bits: Option<u32>,
    /// Is part of the protection imitated, such as enclave hardware?
    pub simulated: bool,
}

/// A backend that is not compiled in: the executable does not say which program it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalRecord {
    /// SHA-256, hexadecimal, of its files.
    pub files_sha256: String,
    /// What the installed system says of itself; empty where it is not installed or says nothing.
    pub version: Option<String>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            name: String::new(),
            created: String::new(),
            veilbench_version: String::new(),
            commands: Vec::new(),
            seed: 0,
            fingerprint: String::new(),
            machines: BTreeMap::new(),
            hosts: BTreeMap::new(),
            shards: None,
            rustc: String::new(),
            git_revision: None,
            git_dirty: None,
            executable_sha256: String::new(),
            crates: BTreeMap::new(),
            environment: BTreeMap::new(),
            warmup: 0,
            networks: BTreeMap::new(),
            datasets: BTreeMap::new(),
            backends: BTreeMap::new(),
            plans: BTreeMap::new(),
            external: BTreeMap::new(),
        }
    }
}

impl Run {
    /// The file's name in the run folder.
    pub const FILE: &'static str = "run.json";

    /// Returns how far off the logits of a cell may be by its plan, by the cell's id.
    #[must_use]
    pub fn logit_tolerance(&self, cell: &str) -> Option<f64> {
        self.plans.get(cell).and_then(|plan| PlanFigures::of(plan).tolerance).map(f64::from)
    }

    /// Returns who counted the bytes of a cell, by the cell's id; nothing for a cell that was not planned, as its backend does not run it.
    #[must_use]
    pub fn counted_by(&self, cell: &str) -> Option<CountedBy> {
        self.plans.get(cell).map(|plan| PlanFigures::of(plan).counted_by)
    }

    /// Reads the `run.json` of a run folder.
    ///
    /// # Errors
    /// The folder holds no run, the file is no run's description, or its schema version is another.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let path = folder.join(Self::FILE);
        let text = fs::read(&path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => Error::NoRun { folder: folder.to_owned() },
            _ => Error::io("read", &path)(cause),
        })?;
        let rejected = |cause| Error::RunDescription { path: path.clone(), cause };
        let Version { schema_version } = serde_json::from_slice(&text).map_err(rejected)?;
        if !(OLDEST_SCHEMA_VERSION..=SCHEMA_VERSION).contains(&schema_version) {
            return Err(Error::SchemaVersion { path, found: schema_version, supported: SCHEMA_VERSION });
        }
        Self::parse(&text).map_err(rejected)
    }

    /// Reads a description of any version, the one machine of earlier versions under an empty id.
    fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Earlier {
            machine: Option<Machine>,
        }
        let mut run: Self = serde_json::from_slice(text)?;
        let Earlier { machine } = serde_json::from_slice(text)?;
        if let Some(machine) = machine.filter(|_| run.machines.is_empty()) {
            run.machines.insert(String::new(), machine);
        }
        Ok(run)
    }

    /// The machine that a run is described by where only one fits: its first.
    #[must_use]
    pub fn first_machine(&self) -> Machine {
        self.machines.values().next().cloned().unwrap_or_default()
    }

    /// SHA-256, hexadecimal, of what this description says about a cell: software, the machine it was measured on but
    /// for its load, network, data set, backend and plan.
    ///
    /// # Errors
    /// A plan or protection that JSON cannot hold.
    pub fn cell_sha256(&self, cell: &Cell, machine: &str) -> Result<String, serde_json::Error> {
        let machine = self.machines.get(machine).cloned().unwrap_or_default();
        let machine = Machine { load_average: [0.0; 3], ..machine };
        let software = (&self.veilbench_version, &self.rustc, &self.git_revision, &self.executable_sha256);
        let conditions = (self.schema_version, self.seed, self.warmup, &self.fingerprint, &self.environment);
        let backend = self.backends.get(&cell.backend).cloned();
        let backend = backend.map(|backend| BackendRecord { security_bits: None, ..backend });
        let subject =
            (self.networks.get(&cell.network), self.datasets.get(&cell.dataset), self.plans.get(&cell.id()));
        let said = serde_json::to_vec(&(machine, software, &self.crates, conditions, backend, subject))?;
        Ok(hex::encode(Sha256::digest(said)))
    }

    /// Reads what can be read of `run.json`, and what is wrong with it.
    ///
    /// # Errors
    /// The file is there and cannot be read, or neither it nor `samples.csv` is there.
    pub(crate) fn salvage(folder: &Path) -> Result<(Self, Vec<Finding>), Error> {
        let error = match Self::load(folder) {
            Ok(run) => return Ok((run, Vec::new())),
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error @ Error::NoRun { .. }) if !folder.join(Sample::FILE).exists() => return Err(error),
            Err(error) => error,
        };
        let text = fs::read(folder.join(Self::FILE)).unwrap_or_default();
        let (message, line) = match &error {
            Error::NoRun { .. } => {
                ("the file is missing: nothing says how this was measured".to_owned(), None)
            }
            Error::RunDescription { cause, .. } => (cause.to_string(), Some(cause.line())),
            _ => (error.to_string(), line_of(&text, "\"schema_version\"")),
        };
        let finding = Finding { file: Self::FILE.to_owned(), line, message, severity: Severity::Error };
        let mut run = Self::parse(&text).unwrap_or_default();
        if run.name.is_empty() {
            let name = folder.canonicalize().ok();
            let name =
                name.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            run.name = name.unwrap_or_default();
        }
        Ok((run, vec![finding]))
    }

    /// Writes `run.json` so that a reader finds either the old file or the new one, whole.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(Self::FILE);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::RunDescription { path: path.clone(), cause })?;
        text.push(b'\n');
        replace_file(&path, &text)
    }
}

/// The line, from 1, on which a text first stands.
fn line_of(bytes: &[u8], text: &str) -> Option<usize> {
    let before = bytes.windows(text.len()).position(|window| window == text.as_bytes())?;
    Some(1 + bytes[..before].iter().filter(|byte| **byte == b'\n').count())
}
