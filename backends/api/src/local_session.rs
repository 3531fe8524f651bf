//! All parties of a session as threads of one process, over real sockets: for tests, profilers
//! and the conformance suite. An [`Interceptor`] sits on every link and may read, drop, change or repeat
//! messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use veilbench_networks::{Network, Tensor};

use crate::link::{Endpoint, Interceptor, Relay, Token, Topology};
use crate::{
    Answers, Backend, Error, Job, LinkError, PartyRunner, PhaseMetrics, Plan, PrivateInput, Recorder,
    RoleContext, RoleInput,
};

/// One session, about to run.
pub struct LocalSession<'a> {
    /// The backend.
    pub backend: &'a dyn Backend,
    /// The network its model owner holds.
    pub network: &'a Network,
    /// Batch size, threads and link.
    pub job: Job,
    /// How long a link may stand still.
    pub timeout: Duration,
    /// Sits on every link.
    pub interceptor: Option<Arc<dyn Interceptor>>,
    /// A role that leaves after its setup, to see what the others do.
    pub leaves_after_setup: Option<usize>,
}

/// What one role did.
pub struct PartyOutcome {
    /// Setup first, then offline and online of each batch.
    pub phases: Vec<PhaseMetrics>,
    /// At the data owner, the logits of each batch.
    pub logits: Vec<Tensor>,
    /// At the data owner, the labels of each batch where they alone are revealed.
    pub labels: Vec<Vec<u32>>,
    /// Why it stopped early, if it did.
    pub error: Option<Error>,
}

impl PartyOutcome {
    /// Batches that it has answers of, logits or labels.
    pub fn answered(&self) -> usize {
        self.logits.len() + self.labels.len()
    }
}

impl<'a> LocalSession<'a> {
    /// Returns a session with a batch size, unshaped links, one thread, the backend's
    /// [settings for local sessions](Backend::local_session_settings), ten seconds of patience and nobody listening in.
    pub fn new(backend: &'a dyn Backend, network: &'a Network, batch: usize) -> Self {
        let mut job = Job::new(batch, 1, crate::LinkProfile::loopback());
        job.settings = backend.local_session_settings();
        Self {
            backend,
            network,
            job,
            timeout: Duration::from_secs(10),
            interceptor: None,
            leaves_after_setup: None,
        }
    }

    /// Runs setup, then offline and online for each batch. Returns one [`PartyOutcome`] per role, in the
    /// order of the profile.
    ///
    /// # Errors
    /// [`Error::Input`] if the backend does not support the network; link errors of sockets that could not be opened.
    pub fn run(&self, batches: &[Tensor]) -> Result<Vec<PartyOutcome>, Error> {
        let profile = self.backend.profile();
        let plan = self
            .backend
            .plan(&self.network.architecture, &self.job)
            .map_err(|unsupported| Error::Input(unsupported.to_string()))?;
        let open = |source| LinkError::Io { peer: "loopback".into(), source };
        let topology = Topology::of(self.backend);
        let endpoints = (0..profile.roles.len())
            .map(|me| Endpoint::bind_in(topology.clone(), me))
            .collect::<Result<Vec<_>, _>>()
            .map_err(open)?;
        let mut parties = Vec::with_capacity(endpoints.len());
        for (role, endpoint) in profile.roles.iter().zip(&endpoints) {
            parties.push((role.name.to_string(), endpoint.address().map_err(open)?));
        }
        let relay = self
            .interceptor
            .as_ref()
            .map(|interceptor| Relay::new(Arc::clone(interceptor), topology.clone()));
        let mut books = Vec::with_capacity(parties.len());
        for me in 0..parties.len() {
            books.push(match &relay {
                Some(relay) => relay.address_book(me, &parties).map_err(open)?,
                None => parties.clone(),
            });
        }
        let outcomes = thread::scope(|scope| {
            let threads: Vec<_> = endpoints
                .into_iter()
                .zip(&books)
                .enumerate()
                .map(|(index, (endpoint, book))| {
                    let (plan, input) = (plan.clone(), profile.roles[index].private_input);
                    scope.spawn(move || self.run_party(index, input, plan, endpoint, book, batches))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        outcomes.into_iter().map(|result| result.map_err(|_| Error::protocol("a party panicked"))).collect()
    }

    fn run_party(
        &self,
        index: usize,
        input: PrivateInput,
        plan: Plan,
        endpoint: Endpoint,
        book: &[(String, SocketAddr)],
        batches: &[Tensor],
    ) -> PartyOutcome {
        let mut outcome =
            PartyOutcome { phases: Vec::new(), logits: Vec::new(), labels: Vec::new(), error: None };
        let run_phases = || -> Result<(), Error> {
            let token = Token::new([7; 16]);
            let (links, meter) = endpoint.connect(index, book, &token, &self.job.link, self.timeout)?;
            let architecture =
                self.backend.profile_under(&self.job.settings).briefed(index, &self.network.architecture);
            let network = || Network { architecture: architecture.clone(), ..self.network.clone() };
            let role = RoleContext {
                index,
                input: match input {
                    PrivateInput::Images => RoleInput::Images,
                    PrivateInput::Network => RoleInput::Network(Box::new(network())),
                    PrivateInput::Nothing => RoleInput::Nothing,
                },
                architecture,
                plan,
                job: self.job.clone(),
                links,
                recorder: Recorder::default(),
            };
            let by_link = role.plan.counted_by.is_link();
            let (mut runner, metrics) = PartyRunner::setup(self.backend, role, meter)?;
            // The other parties may be in the middle of the phase: where others count, what they have yet to send is the next one's.
            let mut note = |metrics: PhaseMetrics, runner: &mut PartyRunner| -> Result<(), Error> {
                let exchanged = if by_link { metrics.exchanged } else { runner.traffic()? };
                outcome.phases.push(PhaseMetrics { exchanged, ..metrics });
                Ok(())
            };
            note(metrics, &mut runner)?;
            if self.leaves_after_setup == Some(index) {
                return Ok(());
            }
            for batch in batches {
                let metrics = runner.offline(batch.images())?;
                note(metrics, &mut runner)?;
                let images = (input == PrivateInput::Images).then_some(batch);
                let (answers, metrics) = runner.online(images)?;
                note(metrics, &mut runner)?;
                match answers {
                    None => {}
                    Some(Answers::Logits(logits)) => outcome.logits.push(logits),
                    Some(Answers::Labels(labels)) => outcome.labels.push(labels),
                }
            }
            runner.leave()
        };
        let error = run_phases().err();
        outcome.error = error;
        outcome
    }
}
