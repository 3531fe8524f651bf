//! Images whose randomness comes in windows of gates, as that of large networks does: what is computed, sent, predicted and refused.

use std::sync::Mutex;

use veilbench_networks::{Conv2d, Dense, Op, Shape, Window};

use super::*;
use veilbench_api::LinkProfile;
use veilbench_api::conformance::{self, test_networks::test_network};
use veilbench_api::local_session::PartyOutcome;

/// A backend that holds randomness of so many bytes at a time, whatever the network.
pub(super) struct Streamed<P> {
    backend: Mpc<P>,
    settings: Settings,
    bytes: usize,
}

/// With windows as small as they can be.
pub(super) fn streamed<P>(backend: Mpc<P>, settings: Settings) -> Streamed<P> {
    Streamed { backend, settings, bytes: 0 }
}

impl<P: Dealing> Backend for Streamed<P> {
    fn profile(&self) -> Profile {
        self.backend.profile_under(&self.settings)
    }

    fn settings(&self) -> &'static [Setting] {
        self.backend.settings()
    }

    fn local_session_settings(&self) -> Settings {
        self.settings.clone()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let mut plan = self.backend.plan(architecture, job)?;
        plan.parameters["bytes_dealt_ahead"] = self.bytes.into();
        let (_, circuit, cut) = self.backend.compile(architecture, &plan).unwrap();
        let cost = Cost::of::<P>(&circuit);
        let gates = cut.gates(&cost);
        let (randomness_bytes, rates) = (cost.randomness_bytes(), self.backend.rates);
        let in_enclave = enclave::is_asked_for(job);
        let predictor = Predictor { cost, randomness_bytes, rates, cut, gates, job, in_enclave };
        plan.prediction = Some(predictor.predict().0);
        Ok(plan)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        self.backend.join(role)
    }
}

fn in_enclave() -> Settings {
    Settings::from([(DEALT_BY.key.to_owned(), "enclave".to_owned())])
}

fn sent(done: &[PartyOutcome], phase: usize) -> u64 {
    done.iter().flat_map(|role| &role.phases[phase].exchanged).map(|peer| peer.sent_bytes).sum()
}

/// Runs two batches of two images: their logits are those of the oracle, and their bytes those of the plan.
fn runs_as_planned<P: Dealing>(streamed: &Streamed<P>, threads: usize) {
    let network = zoo::load("mnist-cnn").unwrap();
    let images = images(&network, 2);
    let mut session = LocalSession::new(streamed, &network, 2);
    session.job.threads = threads;
    session.timeout = Duration::from_secs(60);
    let plan = streamed.plan(&network.architecture, &session.job).unwrap();
    let (lowered, circuit, cut) = streamed.backend.compile(&network.architecture, &plan).unwrap();
    let cost = Cost::of::<P>(&circuit);
    assert_eq!((cut.message(), cut.ahead()), (1, 1));
    assert!(cut.gates(&cost).len() > 1, "{:?}", cut.gates(&cost));
    let model = Model::encode(&circuit, &lowered.parameters(network.clone())).unwrap();
    let bits = circuit.format().activation_bits;
    let inputs: Vec<u64> =
        images.data().iter().map(|&value| encode(f64::from(value), bits).unwrap()).collect();
    let expected = oracle::evaluate(&circuit, &model, &inputs);
    let done = session.run(&[images.clone(), images]).unwrap();
    let errors: Vec<_> = done.iter().filter_map(|role| role.error.as_ref()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(done[0].logits.len(), 2);
    for logits in &done[0].logits {
        assert_eq!(logits.data().len(), expected.len());
        for (logit, due) in logits.data().iter().zip(&expected) {
            let error = (f64::from(*logit) - circuit.decode(*due)).abs();
            assert!(error < 2f64.powi(-10), "off by {error}");
        }
    }
    let predicted = plan.prediction.unwrap();
    let all = 2 * (cost.offline(1).bytes + cost.online(1).bytes) as u64;
    for batch in [1, 3] {
        assert_eq!(predicted.offline_bytes, Some(sent(&done, batch)));
        assert_eq!(predicted.online_bytes, Some(sent(&done, batch + 1)));
        // All there is without windows, and a little for each of them.
        let (offline, online) = (sent(&done, batch), sent(&done, batch + 1));
        assert!(
            offline < online && (all..all + all / 10).contains(&(offline + online)),
            "{offline}, {online}"
        );
    }
}

#[test]
fn logits_and_bytes_of_images_in_windows_of_gates_are_as_planned() {
    for threads in [1, 2] {
        runs_as_planned(&streamed(comparison_tree(), Settings::new()), threads);
        runs_as_planned(&streamed(fss(), Settings::new()), threads);
        runs_as_planned(&streamed(beaver(), Settings::new()), threads);
        runs_as_planned(&streamed(comparison_tree(), wide()), threads);
        runs_as_planned(&streamed(fss(), wide()), threads);
    }
    runs_as_planned(&streamed(fss(), in_enclave()), 1);
}

#[test]
fn the_contract_is_kept_with_windows_of_gates() {
    conformance::check(&streamed(comparison_tree(), Settings::new())).unwrap();
    conformance::check(&streamed(fss(), Settings::new())).unwrap();
}

/// What a dealer announces instead, given its first announcement and the one that is due.
type Change = fn(&[u8], Vec<u8>) -> Vec<u8>;

/// Changes what the dealer says to the data owner before the second window.
struct Announced {
    /// The first announcement, once it came.
    first: Mutex<Vec<u8>>,
    change: Change,
}

/// Number of the first announcement of a dealer in a process of its own.
const FIRST: usize = 1;

impl Interceptor for Announced {
    fn message(&self, from: &str, to: &str, number: usize, payload: Vec<u8>) -> Forward {
        if (from, to) != (DEALER, DATA_OWNER) {
            return Forward::Messages(vec![payload]);
        }
        let mut first = self.first.lock().unwrap();
        if number == FIRST {
            first.clone_from(&payload);
        } else if number == FIRST + 1 {
            return Forward::Messages(vec![(self.change)(&first, payload)]);
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn a_dealer_that_deals_another_window_of_gates_is_refused() {
    let network = test_networks::all().remove(0);
    let images = test_networks::images(&network, 1, 3);
    let changes: [Change; 4] = [
        // The first window once more.
        |first, _| first.to_vec(),
        // The gates behind the window that is due, of as many.
        |_, mut second| {
            let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| second[at + byte]));
            let [start, end] = [word(16), word(24)];
            second[16..24].copy_from_slice(&end.to_le_bytes());
            second[24..32].copy_from_slice(&(end + (end - start)).to_le_bytes());
            second
        },
        // Of another image.
        |_, mut second| {
            second[0] += 1;
            second
        },
        // No window of gates at all.
        |_, second| second[..16].to_vec(),
    ];
    for change in changes {
        let backend = streamed(comparison_tree(), Settings::new());
        let mut session = LocalSession::new(&backend, &network, 1);
        session.timeout = PATIENCE;
        session.interceptor = Some(Arc::new(Announced { first: Mutex::default(), change }));
        let done = session.run(std::slice::from_ref(&images)).unwrap();
        let error = done[0].error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(error.contains("link to dealer: it deals for another window"), "{error:?}");
        assert!(done[0].logits.is_empty());
    }
}

#[test]
fn plans_say_that_gates_are_dealt_in_windows_and_small_networks_have_none() {
    let window = Window { kernel: [1; 2], stride: [1; 2], padding: [0; 4] };
    let conv = Op::Conv2d(Conv2d { inputs: 4, outputs: 4, groups: 1, dilation: [1; 2], window });
    // Keys of a layer of 4 x 256 x 256 activations take a third of a gigabyte.
    let mut ops = [conv, Op::Relu].repeat(16);
    ops.extend([Op::Flatten, Op::Dense(Dense { inputs: 4 << 16, outputs: 2 })]);
    let large = test_network("large", Shape::image(4, 256, 256), &ops).architecture;
    let job = Job { settings: wide(), ..Job::new(2, 1, LinkProfile::loopback()) };
    let backend = fss();
    let plan = backend.plan(&large, &job).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("windows of layers")), "{:?}", plan.notes);
    let (_, circuit, cut) = backend.compile(&large, &plan).unwrap();
    let cost = Cost::of::<Masked>(&circuit);
    let windows = cut.gates(&cost);
    assert!(windows.len() > 5, "{windows:?}");
    let most = windows.iter().map(|window| cost.window_bytes(window.gates.clone(), 1)).max().unwrap();
    // All roles together hold less than one owner would of randomness alone.
    let held = plan.prediction.unwrap().session_peak_rss_bytes.unwrap() as usize;
    assert!(4 * most < cost.randomness_bytes() && held < cost.randomness_bytes(), "{most}, {held}");
    let small = zoo::load("mnist-cnn").unwrap().architecture;
    let plan = backend.plan(&small, &job).unwrap();
    assert!(plan.parameters.get("bytes_dealt_ahead").is_none());
    assert!(plan.notes.iter().all(|note| !note.contains("windows of layers")));
}
