//! `backend.toml`: what a backend says of itself, every field checked.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use veilbench_api::{Adversary, CountedBy, Learned, PrivateInput, Technology};

pub use crate::briefing::architecture::OPERATORS;
use crate::error::ManifestError;
use crate::party::protocol::PROTOCOL_VERSION;

/// The file's name in the backend's folder.
const FILE: &str = "backend.toml";

/// Most bytes of a manifest.
const LARGEST: u64 = 1 << 16;

/// Stands in a command for the backend's folder.
pub(crate) const FOLDER: &str = "{folder}";

/// Stands in a command for the folder of what `install` makes.
pub(crate) const ENVIRONMENT: &str = "{environment}";

/// Most images of a batch a manifest may claim, and most seconds it may ask for.
const MOST_IMAGES: usize = 1 << 20;
const MOST_SECONDS: u64 = 7 * 24 * 3600;

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

    fn is_plausible(&self) -> bool {
        let plausible = |seconds: &f64| *seconds > 0.0 && *seconds <= MOST_SECONDS as f64;
        match self {
            Self::Same(seconds) => plausible(seconds),
            Self::Each(each) => each.values().all(plausible),
        }
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

    /// Returns the first field with a value that cannot be, and why.
    fn fault(&self) -> Option<(String, String)> {
        let fault = |field: &str, reason: String| Some((field.to_owned(), reason));
        if self.protocol != PROTOCOL_VERSION {
            return fault(
                "protocol",
                format!("{} where this program speaks {PROTOCOL_VERSION}", self.protocol),
            );
        }
        if !plain(&self.name) {
            return fault("name", format!("`{}` is not lower-case letters, digits and dashes", self.name));
        }
        let texts = [
            ("summary", &self.summary),
            ("licence", &self.licence),
            ("protection.label", &self.protection.label),
        ];
        if let Some((field, _)) = texts.iter().find(|(_, text)| text.trim().is_empty() || text.contains('\n'))
        {
            return fault(field, "must be one line".into());
        }
        if self.security_bits.is_some_and(|bits| !(1..=1024).contains(&bits)) {
            return fault(
                "security_bits",
                "is no number of bits; leave it out where there is no cryptography".into(),
            );
        }
        if self.tolerance.is_some_and(|tolerance| !(tolerance.is_finite() && tolerance > 0.0)) {
            return fault("tolerance", "must be a finite number above zero".into());
        }
        let limits = [self.limits.start_seconds, self.limits.silence_seconds];
        if limits.iter().any(|seconds| !(1..=MOST_SECONDS).contains(seconds)) {
            return fault("limits", format!("must be 1 to {MOST_SECONDS} seconds"));
        }
        if let Some(reason) = self.version.as_ref().and_then(|command| command_fault(command)) {
            return fault("version", reason);
        }
        if let Some(install) = &self.install {
            if install.needs.trim().is_empty() {
                return fault("install.needs", "must say what has to be on the machine".into());
            }
            if let Some(name) = install.environment.as_ref().filter(|name| !is_folder_name(name)) {
                let reason =
                    format!("`{name}` is not lower-case letters, digits, dashes and dots, a letter first");
                return fault("install.environment", reason);
            }
            if let Some(reason) = install.commands.iter().find_map(|command| command_fault(command)) {
                return fault("install.commands", reason);
            }
        }
        self.role_fault().or_else(|| self.support_fault()).or_else(|| self.option_fault())
    }

    fn role_fault(&self) -> Option<(String, String)> {
        if !(2..=64).contains(&self.roles.len()) {
            return Some(("roles".into(), format!("{} roles, there must be 2 to 64", self.roles.len())));
        }
        let mut names = HashSet::new();
        for role in &self.roles {
            let field = |what: &str| format!("roles.{}.{what}", role.name);
            if !plain(&role.name) || role.name == "all" {
                return Some((
                    field("name"),
                    "must be lower-case letters, digits and dashes, and not `all`".into(),
                ));
            }
            if !names.insert(&role.name) {
                return Some((field("name"), "two roles have it".into()));
            }
            if let Some(reason) = command_fault(&role.command) {
                return Some((field("command"), reason));
            }
        }
        for (holding, what) in [(PrivateInput::Images, "images"), (PrivateInput::Network, "weights")] {
            let holders = self.roles.iter().filter(|role| role.holds == holding).count();
            if holders != 1 {
                return Some(("roles".into(), format!("{holders} roles hold the {what}, one must")));
            }
        }
        None
    }

    fn support_fault(&self) -> Option<(String, String)> {
        let supports = &self.supports;
        if supports.operators.is_empty() {
            return Some(("supports.operators".into(), "is empty".into()));
        }
        if let Some(unknown) = supports.operators.iter().find(|name| !OPERATORS.contains(&name.as_str())) {
            let reason = format!("`{unknown}` is none of {}", OPERATORS.join(", "));
            return Some(("supports.operators".into(), reason));
        }
        if !supports.seconds_per_image.as_ref().is_none_or(ImageSeconds::is_plausible) {
            let reason = format!("must be above 0 and at most {MOST_SECONDS} seconds");
            return Some(("supports.seconds_per_image".into(), reason));
        }
        if !(1..=MOST_IMAGES).contains(&supports.max_batch) {
            return Some(("supports.max_batch".into(), format!("must be 1 to {MOST_IMAGES}")));
        }
        None
    }

    fn option_fault(&self) -> Option<(String, String)> {
        let mut keys = HashSet::new();
        for option in &self.options {
            let field = |what: &str| format!("options.{}.{what}", option.key);
            if !plain(&option.key) || !keys.insert(&option.key) {
                return Some((
                    field("key"),
                    "must be lower-case letters, digits and dashes, and its own".into(),
                ));
            }
            let distinct: HashSet<_> = option.values.iter().collect();
            if option.values.is_empty() || distinct.len() != option.values.len() {
                return Some((field("values"), "must be one or more, each once, the default first".into()));
            }
            if !option.values.iter().all(|value| plain(value)) {
                return Some((field("values"), "must be lower-case letters, digits and dashes".into()));
            }
        }
        None
    }
}

/// Whether a text is usable as the name of a folder, as `spu-0.9.5`.
fn is_folder_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase()) && plain(&text.replace('.', "-"))
}

/// Whether a text is usable as a name in files and on command lines.
fn plain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 64 && !text.starts_with('-') && text.bytes().all(fits)
}

fn command_fault(command: &[String]) -> Option<String> {
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        return Some("names no program".into());
    }
    if command.iter().any(|word| word.contains('\0') || word.contains('\n')) {
        return Some("has a word with a line break or a NUL".into());
    }
    command.iter().find_map(|word| {
        let rest = word.replace(FOLDER, "").replace(ENVIRONMENT, "");
        let (_, behind) = rest.split_once('{')?;
        let (name, _) = behind.split_once('}')?;
        let place = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        place.then(|| format!("`{{{name}}}` is neither {FOLDER} nor {ENVIRONMENT}"))
    })
}
