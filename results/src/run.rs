use crate::{Error, table::replace_file};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::Path};

/// Version of the files this crate writes and the only one it reads.
pub const SCHEMA_VERSION: u32 = 1;

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
    /// Every command line that added to the run, oldest first.
    pub commands: Vec<String>,
    /// Seed of everything that is drawn and not secret.
    pub seed: u64,
    /// Hash of what must not change when the run is resumed, hexadecimal.
    pub fingerprint: String,
    /// Where it ran.
    pub machine: Machine,
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
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkRecord>,
    /// Data sets by id.
    pub datasets: BTreeMap<String, DatasetRecord>,
    /// Backends by name.
    pub backends: BTreeMap<String, BackendRecord>,
    /// Public parameters each backend chose, by cell id.
    pub plans: BTreeMap<String, serde_json::Value>,
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
    /// Load averages over 1, 5 and 15 minutes when the run began.
    pub load_average: [f64; 3],
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
}

/// A backend as it described itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendRecord {
    /// Kind of protection, e.g. `ckks`.
    pub technology: String,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// Who is trusted with what, in the backend's own words and structure.
    pub threat_model: serde_json::Value,
    /// The same in one line.
    pub threat_model_summary: String,
    /// Computational security, bits; empty where the notion does not apply.
    pub security_bits: Option<u32>,
    /// Is part of the protection imitated, such as enclave hardware?
    pub simulated: bool,
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
            machine: Machine::default(),
            rustc: String::new(),
            git_revision: None,
            git_dirty: None,
            executable_sha256: String::new(),
            crates: BTreeMap::new(),
            networks: BTreeMap::new(),
            datasets: BTreeMap::new(),
            backends: BTreeMap::new(),
            plans: BTreeMap::new(),
        }
    }
}

impl Run {
    /// The file's name in the run folder.
    pub const FILE: &'static str = "run.json";

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
        if schema_version != SCHEMA_VERSION {
            return Err(Error::SchemaVersion { path, found: schema_version, supported: SCHEMA_VERSION });
        }
        serde_json::from_slice(&text).map_err(rejected)
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
