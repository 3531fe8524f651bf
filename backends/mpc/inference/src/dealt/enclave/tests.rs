//! A dealer in an enclave: the same logits and bytes as planned, under keys.

mod measured;
mod refusals;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::tests::{distance, images};
use crate::{Mpc, beaver, comparison_tree, fss};
use veilbench_api::conformance::{self, test_networks};
use veilbench_api::link::{Forward, Interceptor};
use veilbench_api::local_session::{LocalSession, PartyOutcome};
use veilbench_api::{Backend, Learned, Party, Plan, Profile, Settings, Unsupported};
use veilbench_mpc::session::Dealing;
use veilbench_networks::{Architecture, Tensor, zoo};

/// Numbers of the dealer's messages to an owner.
const RELEASE: usize = 0;
const EVIDENCE: usize = 1;
const CONFIRMATION: usize = 2;
const SEED: usize = 3;

fn settings() -> Settings {
    Settings::from([(DEALT_BY.key.to_owned(), "enclave".to_owned())])
}

/// What a dealer's machine does in place of what it should.
type Machines = fn(&RoleContext, &str) -> Result<Machine, Error>;

/// A backend whose local sessions have their dealer in an enclave, of a machine that may be another.
struct InEnclave<P> {
    backend: Mpc<P>,
    other: Option<Machines>,
}

fn honest<P>(backend: Mpc<P>) -> InEnclave<P> {
    InEnclave { backend, other: None }
}

/// Serves once, and then no longer.
struct Served;

impl Party for Served {
    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }
}

impl<P: Dealing> Backend for InEnclave<P> {
    fn profile(&self) -> Profile {
        self.backend.profile_under(&settings())
    }

    fn settings(&self) -> &'static [Setting] {
        self.backend.settings()
    }

    fn local_session_settings(&self) -> Settings {
        settings()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        self.backend.plan(architecture, job)
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let (Some(machine), 2) = (self.other, role.index) else { return self.backend.join(role) };
        let mut links = [role.links.take(DATA_OWNER)?, role.links.take(MODEL_OWNER)?];
        machine(&role, self.backend.name)?.serve(&mut links, &role.recorder)?;
        Ok(Box::new(Served))
    }
}

#[test]
fn the_contract_is_kept_with_the_dealer_in_an_enclave() {
    conformance::check(&honest(comparison_tree())).unwrap();
    conformance::check(&honest(beaver())).unwrap();
}

#[test]
fn logits_are_those_of_the_oracle_with_the_dealer_in_an_enclave() {
    for name in ["mnist-cnn", "mnist-cnn-poly"] {
        let network = zoo::load(name).unwrap();
        let images = images(&network, 7);
        let errors = [
            distance(&comparison_tree(), &settings(), &network, &images),
            distance(&fss(), &settings(), &network, &images),
            distance(&beaver(), &settings(), &network, &images),
        ];
        assert!(errors.iter().all(|error| *error < 2f64.powi(-10)), "{name}: off by {errors:?}");
    }
}

/// Bytes that all roles sent in a phase.
fn sent(done: &[PartyOutcome], phase: usize) -> u64 {
    done.iter().flat_map(|role| &role.phases[phase].exchanged).map(|peer| peer.sent_bytes).sum()
}

#[test]
fn bytes_are_predicted_with_attestation_in_the_setup_phase() {
    let network = zoo::load("mnist-cnn").unwrap();
    let backends: [Box<dyn Backend>; 3] =
        [Box::new(honest(comparison_tree())), Box::new(honest(fss())), Box::new(honest(beaver()))];
    for backend in backends {
        let mut bytes = [Vec::new(), Vec::new()];
        for (settings, bytes) in [settings(), Settings::new()].into_iter().zip(&mut bytes) {
            let mut session = LocalSession::new(backend.as_ref(), &network, 3);
            session.job.settings = settings;
            session.timeout = Duration::from_secs(60);
            let plan = backend.plan(&network.architecture, &session.job).unwrap();
            let done = session.run(&[images(&network, 3)]).unwrap();
            assert!(done.iter().all(|role| role.error.is_none()));
            let predicted = plan.prediction.unwrap();
            assert_eq!(predicted.setup_bytes, Some(sent(&done, 0)), "{}", backend.profile().name);
            assert_eq!(predicted.offline_bytes, Some(sent(&done, 1)), "{}", backend.profile().name);
            assert_eq!(predicted.online_bytes, Some(sent(&done, 2)), "{}", backend.profile().name);
            bytes.extend([sent(&done, 0), sent(&done, 1), sent(&done, 2)]);
        }
        let [enclave, process] = bytes;
        assert_eq!(enclave[0] - process[0], setup().bytes as u64);
        // One number and one tag for each message of the dealer's, of which there are whole ones.
        let sealed = enclave[1] - process[1];
        assert!(sealed > 0 && sealed % RECORD_OVERHEAD as u64 == 0, "{sealed}");
        assert_eq!(enclave[2], process[2]);
    }
}

/// A batch of which most is dealt late: what is dealt online is under keys, and predicted.
#[test]
fn windows_that_are_dealt_late_are_counted_with_their_keys() {
    let network = zoo::load("mnist-mlp").unwrap();
    let late = LateWindows(honest(fss()));
    let mut session = LocalSession::new(&late, &network, 5);
    session.timeout = Duration::from_secs(60);
    let plan = late.plan(&network.architecture, &session.job).unwrap();
    let done = session.run(&[images(&network, 5)]).unwrap();
    assert!(done.iter().all(|role| role.error.is_none()), "{:?}", done[0].error);
    let (_, circuit, _) = late.0.backend.compile(&network.architecture, &plan).unwrap();
    let cost = veilbench_mpc::cost::Cost::of::<veilbench_mpc::masked::Masked>(&circuit);
    let window = sealed(Traffic { bytes: 16, messages: 1 }).plus(sealed(cost.dealt(1))).plus(cost.ahead(1));
    assert_eq!(sent(&done, 1), window.bytes as u64);
    assert_eq!(sent(&done, 2), (window.times(4).plus(cost.online(1).times(5))).bytes as u64);
}

/// Deals for one image at a time.
struct LateWindows(InEnclave<veilbench_mpc::masked::Masked>);

impl Backend for LateWindows {
    fn profile(&self) -> Profile {
        self.0.profile()
    }

    fn local_session_settings(&self) -> Settings {
        settings()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let mut plan = self.0.plan(architecture, job)?;
        plan.parameters["images_a_message"] = 1.into();
        plan.parameters["images_dealt_ahead"] = 1.into();
        Ok(plan)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        self.0.join(role)
    }
}

#[test]
fn protection_says_whom_one_trusts_and_that_it_is_simulated() {
    for backend in [comparison_tree(), fss()] {
        let [process, enclave] =
            [Settings::new(), settings()].map(|settings| backend.profile_under(&settings));
        assert_eq!(process.protection, backend.profile().protection);
        let (process, enclave) = (process.protection, enclave.protection);
        assert!(enclave.simulated && !process.simulated);
        assert!(enclave.label.contains("simulated enclave") && enclave.label != process.label);
        assert!(enclave.trusted.iter().any(|trusted| trusted.contains("the simulation protects nothing")));
        assert_eq!(enclave.learns, process.learns);
        assert!(enclave.learns[2].items().iter().all(|(_, learned)| **learned == Learned::No));
        let network = zoo::load("mnist-mlp").unwrap();
        let mut job = Job::new(1, 1, veilbench_api::LinkProfile::loopback());
        job.settings = settings();
        let plan = backend.plan(&network.architecture, &job).unwrap();
        assert!(plan.notes.iter().any(|note| note.starts_with("SIMULATED")), "{:?}", plan.notes);
    }
}

#[test]
fn evidence_that_is_no_message_of_its_length_is_refused() {
    let evidence = vec![7; 9000];
    let message = filled(evidence.clone()).unwrap();
    assert_eq!(message.len(), EVIDENCE_BYTES);
    assert_eq!(unfilled(&message).unwrap(), evidence);
    assert!(filled(vec![0; EVIDENCE_BYTES - LENGTH_BYTES]).is_ok());
    let too_long = filled(vec![0; EVIDENCE_BYTES - LENGTH_BYTES + 1]);
    assert!(matches!(too_long, Err(Error::Engine { .. })), "a peer's failure: {too_long:?}");
    for wrong in [&message[1..], &[][..], &[255; EVIDENCE_BYTES][..]] {
        assert!(unfilled(wrong).is_err());
    }
}

/// Bytes of the evidence that owners are shown.
#[derive(Default)]
struct Shown(Mutex<Vec<usize>>);

impl Interceptor for Shown {
    fn message(&self, from: &str, _: &str, number: usize, payload: Vec<u8>) -> Forward {
        if from == DEALER && number == EVIDENCE {
            self.0.lock().unwrap().push(unfilled(&payload).unwrap().len());
        }
        Forward::Messages(vec![payload])
    }
}

/// Room for other days' collateral, and not much more.
#[test]
fn little_of_the_message_of_a_quote_is_filling() {
    let network = test_networks::all().remove(0);
    let backend = honest(comparison_tree());
    let shown = Arc::new(Shown::default());
    let mut session = LocalSession::new(&backend, &network, 1);
    session.interceptor = Some(Arc::clone(&shown) as Arc<dyn Interceptor>);
    session.run(&[test_networks::images(&network, 1, 3)]).unwrap();
    let filling: Vec<_> = shown.0.lock().unwrap().iter().map(|shown| EVIDENCE_BYTES - shown).collect();
    assert_eq!(filling.len(), 2);
    assert!(filling.iter().all(|filling| (256..1536).contains(filling)), "{filling:?}");
}

/// Keeps what the dealer says to the data owner, but for evidence, whose filling is like anything that is zero.
#[derive(Default)]
struct Overheard(Mutex<Vec<Vec<u8>>>);

impl Interceptor for Overheard {
    fn message(&self, from: &str, to: &str, _: usize, payload: Vec<u8>) -> Forward {
        if from == DEALER && to == DATA_OWNER && payload.len() != EVIDENCE_BYTES {
            self.0.lock().unwrap().push(payload.clone());
        }
        Forward::Messages(vec![payload])
    }
}

/// The header of a window is known to everybody: under keys it is nowhere to be seen.
#[test]
fn what_a_dealer_in_an_enclave_says_is_under_keys() {
    let network = test_networks::all().remove(0);
    let backend = honest(comparison_tree());
    let [seen_of_process, seen_of_enclave] = [Settings::new(), settings()].map(|settings| {
        let overheard = Arc::new(Overheard::default());
        let mut session = LocalSession::new(&backend, &network, 2);
        session.job.settings = settings;
        session.interceptor = Some(Arc::clone(&overheard) as Arc<dyn Interceptor>);
        let done = session.run(&[test_networks::images(&network, 2, 3)]).unwrap();
        assert!(done.iter().all(|role| role.error.is_none()));
        let header = crate::window_header(&(0..2));
        let heard = overheard.0.lock().unwrap();
        heard.iter().filter(|message| message.windows(header.len()).any(|bytes| bytes == header)).count()
    });
    assert_eq!([seen_of_process, seen_of_enclave], [1, 0]);
}
