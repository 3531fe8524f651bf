//! All parties of a session as threads of one process, over real sockets: for tests, profilers
//! and the conformance suite. A [`Tap`] sits on every link and may read, drop, change or repeat
//! messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use veilbench_networks::{Network, Tensor};

use crate::link::{Endpoint, Relay, Tap, Token, Topology};
use crate::{Backend, Error, Footprint, Holding, Job, LinkError, Plan, Recorder, Seat, Stage};

/// One session to rehearse.
pub struct Rehearsal<'a> {
    /// The backend.
    pub backend: &'a dyn Backend,
    /// The network its model owner holds.
    pub network: &'a Network,
    /// Batch size, threads and link.
    pub job: Job,
    /// How long a link may stand still.
    pub timeout: Duration,
    /// Sits on every link.
    pub tap: Option<Arc<dyn Tap>>,
    /// A role that leaves after its setup, to see what the others do.
    pub deserter: Option<usize>,
}

/// What one role did.
pub struct Performance {
    /// Setup first, then offline and online of each batch.
    pub phases: Vec<Footprint>,
    /// At the data owner, the logits of each batch.
    pub logits: Vec<Tensor>,
    /// Why it stopped early, if it did.
    pub error: Option<Error>,
}

impl<'a> Rehearsal<'a> {
    /// A rehearsal with a batch size, unshaped links, one thread, the backend's
    /// [settings for rehearsals](Backend::rehearsal_settings), ten seconds of patience and nobody listening in.
    pub fn new(backend: &'a dyn Backend, network: &'a Network, batch: usize) -> Self {
        let mut job = Job::new(batch, 1, crate::LinkProfile::loopback());
        job.settings = backend.rehearsal_settings();
        Self { backend, network, job, timeout: Duration::from_secs(10), tap: None, deserter: None }
    }

    /// Runs setup, then offline and online for each batch. One [`Performance`] a role, in the
    /// order of the profile.
    ///
    /// # Errors
    /// [`Error::Input`] if the backend does not support the network; link errors of sockets that could not be opened.
    pub fn run(&self, batches: &[Tensor]) -> Result<Vec<Performance>, Error> {
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
        let relay = self.tap.as_ref().map(|tap| Relay::new(Arc::clone(tap), topology.clone()));
        let mut books = Vec::with_capacity(parties.len());
        for me in 0..parties.len() {
            books.push(match &relay {
                Some(relay) => relay.address_book(me, &parties).map_err(open)?,
                None => parties.clone(),
            });
        }
        let performances = thread::scope(|scope| {
            let threads: Vec<_> = endpoints
                .into_iter()
                .zip(&books)
                .enumerate()
                .map(|(role, (endpoint, book))| {
                    let (plan, holds) = (plan.clone(), profile.roles[role].holds);
                    scope.spawn(move || self.perform(role, holds, plan, endpoint, book, batches))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        performances
            .into_iter()
            .map(|result| result.map_err(|_| Error::protocol("a party panicked")))
            .collect()
    }

    fn perform(
        &self,
        role: usize,
        holds: Holding,
        plan: Plan,
        endpoint: Endpoint,
        book: &[(String, SocketAddr)],
        batches: &[Tensor],
    ) -> Performance {
        let mut performance = Performance { phases: Vec::new(), logits: Vec::new(), error: None };
        let play = || -> Result<(), Error> {
            let token = Token::new([7; 16]);
            let (links, meter) = endpoint.connect(role, book, &token, &self.job.link, self.timeout)?;
            let architecture = self.backend.profile().briefed(role, &self.network.architecture);
            let network = || Network { architecture: architecture.clone(), ..self.network.clone() };
            let seat = Seat {
                role,
                network: (holds == Holding::Weights).then(network),
                architecture,
                plan,
                job: self.job.clone(),
                links,
                recorder: Recorder::default(),
            };
            let (mut stage, footprint) = Stage::setup(self.backend, seat, meter)?;
            performance.phases.push(footprint);
            if self.deserter == Some(role) {
                return Ok(());
            }
            for batch in batches {
                performance.phases.push(stage.offline(batch.images())?);
                let images = (holds == Holding::Images).then_some(batch);
                let (logits, footprint) = stage.online(images)?;
                performance.phases.push(footprint);
                performance.logits.extend(logits);
            }
            Ok(())
        };
        let error = play().err();
        performance.error = error;
        performance
    }
}
