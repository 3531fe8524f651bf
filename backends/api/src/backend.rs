//! The trait a backend implements, the parties it becomes, and what each of them is given.

use veilbench_networks::{Architecture, Network, Tensor};

use crate::{
    Error, Exchanged, ImagesAtHand, Job, Links, LogitNoise, Origin, Plan, Profile, Recorder, Setting,
    Settings, Unsupported,
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
    /// [`Unsupported`] if the backend holds the noise to be too large for the answers: the plan is then not run. `ckks` refuses where the largest error
    /// of a logit exceeds a quarter of the median, over up to 32 of the images that are to be run, of the distance between the two largest logits.
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

/// What the kernel says of the processes that work for a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerFigures {
    /// CPU time of all their threads since they started.
    pub cpu_ns: u64,
    /// High-water mark of resident memory.
    pub peak_rss_bytes: Option<u64>,
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

/// A role's [`PrivateInput`](crate::PrivateInput) itself. Images come later, batch by batch ([`Party::online`]).
pub enum RoleInput {
    /// The role is given images, and logits are expected of it.
    Images,
    /// The whole network.
    Network(Box<Network>),
    /// The role starts with no secret.
    Nothing,
}
