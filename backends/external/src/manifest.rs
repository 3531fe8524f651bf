//! `backend.toml`: what a backend says of itself.

mod check;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use veilbench_api::{Adversary, CountedBy, Learned, PrivateInput, Technology};

pub use crate::briefing::architecture::OPERATORS;
use crate::error::ManifestError;

/// The file's name in the backend's folder.
const FILE: &str = "backend.toml";

/// Most bytes of a manifest.
const LARGEST: u64 = 1 << 16;

/// Stands in a command for the backend's folder.
pub(crate) const FOLDER: &str = "{folder}";

/// Stands in a command for the folder of what `install` makes.
pub(crate) const ENVIRONMENT: &str = "{environment}";

/// A backend as its folder describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// Version of the party protocol its roles speak.
    pub protocol: u32,
    /// Lower-case letters, digits and dashes.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// The family it belongs to.
    pub technology: Technology,
    /// Licence of the system, as an SPDX expression or its name.
    pub licence: String,
    /// What its users have to know of the licence.
    pub licence_note: Option<String>,
    /// What to cite.
    pub citation: Option<String>,
    /// Computational security of its parameters, bits.
    pub security_bits: Option<u32>,
    /// Largest difference of a logit from the clear network's that its authors promise.
    pub tolerance: Option<f64>,
    /// Who counts the bytes: veilbench's links, which carry its messages, the kernel, of a system that owns its sockets, or the
    /// system itself.
    #[serde(default)]
    pub bytes: CountedBy,
    /// Who is trusted with what.
    pub protection: Protection,
    /// One process each.
    pub roles: Vec<ManifestRole>,
    /// What it can run.
    pub supports: Supports,
    /// What a user can choose.
    #[serde(default)]
    pub options: Vec<ManifestOption>,
    /// How long its processes may be silent.
    #[serde(default)]
    pub limits: Limits,
    /// How what it needs is made.
    pub install: Option<Install>,
    /// A command whose output says what is measured.
    pub version: Option<Vec<String>>,
    /// The folder it was read from, absolute.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Who is trusted with what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Protection {
    /// Short label, equal for backends that may be ranked against each other.
    pub label: String,
    /// The strongest adversary privacy survives.
    pub adversary: Adversary,
    /// How many roles may collude without learning more.
    #[serde(default)]
    pub colluding: u32,
    /// What is trusted, in sentences.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// Whether a protection is simulated rather than enforced.
    #[serde(default)]
    pub simulated: bool,
}

/// A role and the command that plays it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ManifestRole {
    /// Lower-case letters, digits and dashes.
    pub name: String,
    /// The private input its process is handed, and no other.
    pub holds: PrivateInput,
    /// Program and arguments; `{folder}` and `{environment}` stand for folders.
    pub command: Vec<String>,
    /// What it learns beyond its own input.
    #[serde(default)]
    pub learns: Learns,
}

impl ManifestRole {
    pub(crate) fn holds_name(&self) -> &'static str {
        match self.holds {
            PrivateInput::Images => "images",
            PrivateInput::Network => "weights",
            PrivateInput::Nothing => "nothing",
        }
    }
}

/// What a role learns beyond its own input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Learns {
    /// The images.
    pub images: Learned,
    /// The weights.
    pub weights: Learned,
    /// Intermediate activations.
    pub activations: Learned,
    /// The logits.
    pub logits: Learned,
    /// The calibrated ranges of layers. The role is told them only if this is `yes`.
    pub ranges: Learned,
}

/// What a backend can run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Supports {
    /// Operators, of [`OPERATORS`].
    pub operators: Vec<String>,
    /// Most images of one batch.
    pub max_batch: usize,
    /// Most values that the image or a layer has.
    pub max_values: Option<usize>,
    /// Most activations, one after another.
    pub max_activations: Option<usize>,
    /// Highest degree of a polynomial.
    pub max_degree: Option<usize>,
    /// Time that one image takes, roughly: how much fits into a profile.
    pub seconds_per_image: Option<ImageSeconds>,
}

/// Time that one image takes, seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ImageSeconds {
    /// The same for every network.
    Same(f64),
    /// By network; `other` stands for those that are not named.
    Each(BTreeMap<String, f64>),
}

impl ImageSeconds {
    /// Returns the time that an image of a network takes, nanoseconds.
    pub(crate) fn image_ns(&self, network: &str) -> Option<u64> {
        let seconds = match self {
            Self::Same(seconds) => seconds,
            Self::Each(each) => each.get(network).or_else(|| each.get("other"))?,
        };
        Some((seconds * 1e9) as u64)
    }
}

/// A choice a user has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ManifestOption {
    /// Lower-case letters, digits and dashes.
    pub key: String,
    /// The values it takes, the default first.
    pub values: Vec<String>,
    /// One line for people.
    pub summary: String,
}

/// How long a party's process may be silent before it is ended.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Seconds from the start of the process to its hello.
    pub start_seconds: u64,
    /// Seconds within a phase.
    pub silence_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start_seconds: 60, silence_seconds: 3600 }
    }
}

impl Limits {
    pub(crate) fn start(&self) -> Duration {
        Duration::from_secs(self.start_seconds)
    }

    pub(crate) fn silence(&self) -> Duration {
        Duration::from_secs(self.silence_seconds)
    }
}

/// How what a backend needs is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Install {
    /// What has to be on the machine, for people: `Python 3.9 to 3.13`.
    pub needs: String,
    /// Megabytes that are downloaded.
    pub download_mb: Option<u32>,
    /// Megabytes that it takes when it is installed.
    pub disk_mb: Option<u32>,
    /// Name of the environment, which backends that need the same may share; the backend's own name unless it is given.
    pub environment: Option<String>,
    /// Commands, run one after the other in the backend's folder.
    pub commands: Vec<Vec<String>>,
}

impl Install {
    pub(crate) fn hint(&self) -> String {
        format!("it needs {}", self.needs)
    }

    /// Returns what it takes, for people: `needs Python 3.9 or newer with venv, downloads 38 MB, takes 150 MB on disk`.
    pub fn amount(&self) -> String {
        let size = |what: &str, megabytes: Option<u32>, place: &str| match megabytes {
            Some(megabytes) => format!("{what} {megabytes} MB{place}"),
            None => format!("{what} an amount it does not state{place}"),
        };
        let download = size("downloads", self.download_mb, "");
        format!("needs {}, {download}, {}", self.needs, size("takes", self.disk_mb, " on disk"))
    }
}

impl Manifest {
    /// Reads and checks the manifest of a folder.
    ///
    /// # Errors
    /// If the file cannot be read, or by field if it is no manifest.
    pub fn load(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join(FILE);
        let read = |source| ManifestError::Read { path: path.clone(), source };
        let mut text = String::new();
        File::open(&path).map_err(read)?.take(LARGEST + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > LARGEST {
            return Err(ManifestError::TooLarge { path, limit: LARGEST });
        }
        let mut manifest: Self = toml::from_str(&text)
            .map_err(|source| ManifestError::Syntax { path: path.clone(), source: Box::new(source) })?;
        manifest.folder = folder.canonicalize().map_err(read)?;
        match manifest.fault() {
            None => Ok(manifest),
            Some((field, reason)) => Err(ManifestError::Field { path, field, reason }),
        }
    }
}
