//! The trait a backend implements, and the data that passes through it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use veilbench_networks::{Architecture, Network, Tensor};
use veilbench_results::{CountedBy, ModelledHardware, Predicted, Tolerance};

use crate::{
    Exchanged, ImagesAtHand, Learned, LinkError, LinkProfile, Links, LogitNoise, Protection, Recorder,
};

/// One way to run a network privately.
pub trait Backend: Send + Sync {
    /// Name, roles and protection: constant for a backend.
    fn profile(&self) -> Profile;

    /// The same under choices of a user's, where those change what a role learns.
    fn profile_under(&self, settings: &Settings) -> Profile {
        let _ = settings;
        self.profile()
    }

    /// Whether this backend can run such a network, and with which public parameters.
    ///
    /// Sees the architecture, never weights or images; the same arguments give the same plan.
    ///
    /// # Errors
    /// [`Unsupported`], naming the layer, if it cannot.
    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported>;

    /// Draws the noise that the backend's own arithmetic adds and carries it through the clear network, where no plan can tell from the architecture alone
    /// how far it gets. Asked by whoever plans a run, who has the weights and images, as no role does; takes seconds at most. `None` if
    /// plans say all there is to say, or without images.
    ///
    /// # Errors
    /// [`Unsupported`] if noise would change predictions: the plan is then not run.
    fn draw_noise(
        &self,
        network: &Network,
        plan: &Plan,
        images: ImagesAtHand<'_>,
    ) -> Result<Option<LogitNoise>, Unsupported> {
        let _ = (network, plan, images);
        Ok(None)
    }

    /// Roles that are on one machine with another and talk to it alone, each with that other role: an
    /// enclave and its host. Their link is memory they share; every other pair of roles has a link over
    /// the cell's network.
    fn attachments(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// What a user can choose about it (`--set NAME.KEY=VALUE`). A choice is part of the cell and reaches
    /// [`Backend::plan`] and every role by [`Job::settings`]; nothing else changes what is measured.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Where a party's process reads this backend from; `None` for one that is compiled in.
    fn origin(&self) -> Option<Origin> {
        None
    }

    /// Settings without which a [local session](crate::local_session), all of whose roles are threads of one process, would be refused.
    fn local_session_settings(&self) -> Settings {
        Settings::new()
    }

    /// Moves a role to the process it is to live in. Called in a process that has one thread and was told nothing but the
    /// session's plan; it may go on in a child, and the process it was called in then ends with that.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn isolate(&self, _role: usize) -> Result<(), Error> {
        Ok(())
    }

    /// How precise every layer is for one image, with all roles and their secrets in one place: to find where
    /// precision is lost, with images that need no protection. `None` if the backend has nothing to show.
    fn insecure_debug_trace(
        &self,
        network: &Network,
        image: &Tensor,
    ) -> Option<Result<serde_json::Value, Error>> {
        let _ = (network, image);
        None
    }

    /// Measures in seconds, on one thread, the rates that [`Backend::plan`] predicts times from on this machine; `None` if it predicts none,
    /// or none that depend on the machine.
    fn measure_rates(&self) -> Option<Result<serde_json::Value, Error>> {
        None
    }

    /// Predicts from rates that [`Backend::measure_rates`] gave on this machine, from the first plan on. What is planned stays the same on every
    /// machine, and so is how much of it a profile affords: predicted times alone change.
    ///
    /// # Errors
    /// [`Error::Input`] for what are no rates of this backend.
    fn adopt_rates(&self, rates: &serde_json::Value) -> Result<(), Error> {
        let _ = rates;
        Err(Error::Input("this backend predicts nothing from rates".into()))
    }

    /// Which machine and command the rates come from that times are predicted from; `None` as for [`Backend::measure_rates`].
    fn rates_source(&self) -> Option<&'static str> {
        None
    }

    /// Becomes one role: everything that is done once a session (keys, provisioning, attestation).
    /// This call is the `setup` phase.
    ///
    /// # Errors
    /// If a peer misbehaves or the role was given what the backend cannot use.
    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error>;
}

/// A running role between `setup` and the end of the session.
pub trait Party: Send {
    /// Work for the next batch of `images` that needs no image: correlated randomness and the like.
    /// Called on every role before each [`online`](Party::online).
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        let _ = images;
        Ok(())
    }

    /// One batch. `images` is `Some` at the role that holds the images, which alone returns the
    /// logits, `images x classes`.
    ///
    /// # Errors
    /// If a peer misbehaves or an image has the wrong shape.
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error>;

    /// One batch as [`online`](Party::online), for a party whose answers may be less than logits; this is what is called. A party
    /// that has only labels overrides it, and its [plan](Plan::reveals) says so.
    ///
    /// # Errors
    /// As [`online`](Party::online).
    fn answer(&mut self, images: Option<&Tensor>) -> Result<Option<Answers>, Error> {
        Ok(self.online(images)?.map(Answers::Logits))
    }

    /// What passed since the last call between this party and each peer, where the [plan](Plan::counted_by) says that others than
    /// the links count. Called after each phase, when every party is done with it.
    ///
    /// # Errors
    /// If the counters cannot be read.
    fn traffic(&mut self) -> Result<Vec<Exchanged>, Error> {
        Ok(Vec::new())
    }

    /// What other processes have used so far that work for this party; nothing if it works in the process it is called in.
    fn workers(&self) -> Option<WorkerFigures> {
        None
    }

    /// The session is over: ends what works for this party. Called once, after the last phase.
    ///
    /// # Errors
    /// If that is not how a session of this backend ends: the session's answers are then not to be relied upon.
    fn leave(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What the role that holds the images gets of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// `images x classes`.
    Logits(Tensor),
    /// Index of the class with the largest logit, the first of equal ones, for each image: nothing else of the logits.
    Labels(Vec<u32>),
}

/// Which [`Answers`] a cell gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reveals {
    /// All logits.
    #[default]
    Logits,
    /// The label alone.
    Labels,
}

impl Reveals {
    /// Whether it is what backends do unless they say otherwise.
    pub fn is_logits(&self) -> bool {
        *self == Reveals::Logits
    }
}

/// What the kernel says of the processes that work for a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerFigures {
    /// CPU time of all their threads since they started.
    pub cpu_ns: u64,
    /// High-water mark of resident memory.
    pub peak_rss_bytes: Option<u64>,
}

/// Folders of a backend that is not compiled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its own folder.
    pub folder: PathBuf,
    /// The folder of what is installed for backends.
    pub environments: PathBuf,
    /// SHA-256 of the files in its folder that say what is measured, hexadecimal.
    pub files_sha256: String,
}

/// What is constant about a backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// Lower-case, unique, stable: `clear`, `mpc`, `ckks-client-aided`.
    pub name: Cow<'static, str>,
    /// One line for people.
    pub summary: Cow<'static, str>,
    /// The family it belongs to.
    pub technology: Technology,
    /// One process each. Exactly one holds the images and one the weights.
    pub roles: Vec<Role>,
    /// Who must be trusted with what.
    #[serde(rename = "threat_model")]
    pub protection: Protection,
}

impl Profile {
    /// The architecture as a role is told it: with calibrated ranges only if its leakage says that it learns them.
    pub fn briefed(&self, role: usize, architecture: &Architecture) -> Architecture {
        match self.protection.learns.get(role).map(|leakage| &leakage.ranges) {
            Some(Learned::Yes) => architecture.clone(),
            _ => architecture.without_ranges(),
        }
    }
}

/// The family a backend belongs to; reports never rank across families in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Technology {
    /// No protection: baseline and oracle.
    None,
    /// Trusted execution environment.
    Tee,
    /// Secure multi-party computation.
    Mpc,
    /// Homomorphic encryption.
    Fhe,
}

impl Technology {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Technology::None => "none",
            Technology::Tee => "tee",
            Technology::Mpc => "mpc",
            Technology::Fhe => "fhe",
        }
    }
}

/// A participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Lower-case, unique within the backend: `data-owner`, `model-owner`, `dealer`.
    pub name: Cow<'static, str>,
    /// What the harness hands to its process, and to no other.
    #[serde(rename = "holds")]
    pub private_input: PrivateInput,
}

impl Role {
    /// The role that holds the images and receives the logits.
    pub const fn data_owner() -> Self {
        Self { name: Cow::Borrowed("data-owner"), private_input: PrivateInput::Images }
    }

    /// The role that holds the weights.
    pub const fn model_owner() -> Self {
        Self { name: Cow::Borrowed("model-owner"), private_input: PrivateInput::Network }
    }

    /// A role that holds neither.
    pub const fn third(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), private_input: PrivateInput::Nothing }
    }
}

/// The secret a role starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrivateInput {
    /// The images.
    Images,
    /// The network with its weights.
    #[serde(rename = "weights")]
    Network,
    /// Neither.
    Nothing,
}

/// A role's [`PrivateInput`] itself. Images come later, batch by batch ([`Party::online`]).
pub enum RoleInput {
    /// The role is given images, and logits are expected of it.
    Images,
    /// The whole network.
    Network(Box<Network>),
    /// The role starts with no secret.
    Nothing,
}

/// A choice a backend offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Lower-case letters, digits and dashes: `layout`.
    pub key: &'static str,
    /// The values it takes, the default first.
    pub values: &'static [&'static str],
    /// One line for people.
    pub summary: &'static str,
}

/// The choices of a cell that differ from a backend's defaults, by key.
pub type Settings = BTreeMap<String, String>;

/// What a cell asks of a backend, apart from the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Images per batch.
    pub batch: usize,
    /// Worker threads each party may use; the ambient rayon pool has as many.
    pub threads: usize,
    /// The network between the parties.
    pub link: LinkProfile,
    /// Choices that differ from the backend's defaults; checked by the harness against [`Backend::settings`].
    pub settings: Settings,
}

impl Job {
    /// A job with every setting at its default.
    pub fn new(batch: usize, threads: usize, link: LinkProfile) -> Self {
        Self { batch, threads, link, settings: Settings::new() }
    }

    /// The chosen value of a setting, or its default.
    pub fn setting(&self, setting: &Setting) -> &str {
        let default = setting.values.first().copied().unwrap_or_default();
        self.settings.get(setting.key).map_or(default, String::as_str)
    }
}

/// Public parameters that both sides agree on before a session. Recorded with the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Computational security of the weakest component in bits; `None` without cryptography.
    pub security_bits: Option<u32>,
    /// How far its logits may be from the clear network's: what it is held to by `verify` and conformance.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// The backend's own parameters: nobody else reads them.
    pub parameters: serde_json::Value,
    /// What it predicts, to be held against the measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Predicted>,
    /// Constants of hardware that is simulated, from which reports make figures called modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modelled: Option<ModelledHardware>,
    /// What a reader of the results should know, e.g. that ranges were rescaled.
    pub notes: Vec<String>,
    /// How long one batch is expected to take, offline and online together, in nanoseconds; `None` if that is a matter of milliseconds.
    /// From it the harness sees how many batches fit a profile.
    #[serde(default)]
    pub predicted_batch_ns: Option<u64>,
    /// What the role that holds the images gets.
    #[serde(default, skip_serializing_if = "Reveals::is_logits")]
    pub reveals: Reveals,
    /// Who counts the bytes.
    #[serde(default, skip_serializing_if = "CountedBy::is_link")]
    pub counted_by: CountedBy,
}

/// Why a backend cannot run a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", layer.as_ref().map(|name| format!("layer {name}: ")).unwrap_or_default())]
pub struct Unsupported {
    /// The layer in the way, if it is one.
    pub layer: Option<String>,
    /// Why, and what would help.
    pub reason: String,
}

/// Everything one role receives.
pub struct RoleContext {
    /// Index of the role in the profile.
    pub index: usize,
    /// What this role has and no other.
    pub input: RoleInput,
    /// The public half of the network; without calibrated ranges where the role's [leakage](crate::Leakage::ranges)
    /// says that it does not learn them.
    pub architecture: Architecture,
    /// What [`Backend::plan`] decided.
    pub plan: Plan,
    /// The cell's demands.
    pub job: Job,
    /// Links to every other role, or to the one role this one is [attached](Backend::attachments) to.
    pub links: Links,
    /// Where spans are timed.
    pub recorder: Recorder,
}

impl RoleContext {
    /// Takes the network, at the role that holds it.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the role was given none, or it is taken already.
    pub fn take_network(&mut self) -> Result<Network, Error> {
        match std::mem::replace(&mut self.input, RoleInput::Nothing) {
            RoleInput::Network(network) => Ok(*network),
            _ => Err(Error::protocol("the model owner was given no network")),
        }
    }
}

/// Why a party gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A link failed; names the peer.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An image or weight the caller gave is unusable.
    #[error("{0}")]
    Input(String),
    /// Values went beyond what the backend can represent, so an answer would be wrong and none is given.
    #[error("out of range: {reason}")]
    OutOfRange {
        /// The images of the batch that are known to be concerned, from 0; empty if the backend cannot tell which.
        images: Vec<usize>,
        /// What exceeded what, and what would help.
        reason: String,
    },
    /// What the backend returned is no answer to the batch.
    #[error("answer: {0}")]
    Answer(String),
    /// A peer sent what the protocol does not allow.
    #[error("protocol: {0}")]
    Protocol(String),
    /// The backend's own machinery failed.
    #[error("{doing}: {source}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A peer, or the caller, broke the protocol.
    pub fn protocol(reason: impl Into<String>) -> Self {
        Error::Protocol(reason.into())
    }

    /// Wraps an error of the machinery inside.
    pub fn engine<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Error::Engine { doing, source: Box::new(source) }
    }
}
