//! `reveal=label`: the class alone leaves the enclave, and it is the clear network's.

use veilbench_api::conformance::{self, test_networks};
use veilbench_api::local_session::LocalSession;
use veilbench_api::{
    Backend, Error, Job, Learned, LinkProfile, Party, Plan, Profile, Reveals, RoleContext, Setting, Settings,
    Unsupported,
};
use veilbench_clear::Clear;
use veilbench_networks::{Architecture, zoo};
use veilbench_tee_inference::Tee;

/// The backend as a user chooses it.
struct LabelsAlone;

fn settings(of: &Settings) -> Settings {
    let label = ("reveal".to_owned(), "label".to_owned());
    of.clone().into_iter().chain([label]).collect()
}

impl Backend for LabelsAlone {
    fn profile(&self) -> Profile {
        Tee.profile_under(&settings(&Settings::new()))
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        Tee.plan(architecture, &Job { settings: settings(&job.settings), ..job.clone() })
    }

    fn attachments(&self) -> &'static [(&'static str, &'static str)] {
        Tee.attachments()
    }

    fn settings(&self) -> &'static [Setting] {
        Tee.settings()
    }

    fn local_session_settings(&self) -> Settings {
        settings(&Tee.local_session_settings())
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Tee.join(role)
    }
}

#[test]
fn it_keeps_every_promise_of_the_contract() {
    conformance::check(&LabelsAlone).unwrap();
}

#[test]
fn the_label_is_that_of_the_clear_network_and_one_number_an_image_leaves_the_enclave() {
    for name in ["mnist-cnn", "malaria-cnn"] {
        let network = zoo::load(name).unwrap();
        let batches = [test_networks::images(&network, 130, 3), test_networks::images(&network, 1, 4)];
        let run = |backend: &dyn Backend| LocalSession::new(backend, &network, 130).run(&batches).unwrap();
        let (inside, open, clear) = (run(&LabelsAlone), run(&Tee), run(&Clear));
        assert!(inside.iter().all(|role| role.error.is_none() && role.logits.is_empty()), "{name}");
        assert!(inside[1..].iter().all(|role| role.labels.is_empty()), "only the data owner is told");
        for (labels, logits) in inside[0].labels.iter().zip(&clear[0].logits) {
            let largest = |image: usize| {
                let logits = logits.image(image);
                (0..logits.len()).rev().max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap() as u32
            };
            assert_eq!(*labels, (0..logits.images()).map(largest).collect::<Vec<_>>(), "{name}");
        }
        let answer = |done: &[veilbench_api::local_session::PartyOutcome]| {
            // Setup, then offline and online of the batch of 130.
            let to_owner = done[2].phases[2].exchanged.iter().find(|peer| peer.peer == "data-owner").unwrap();
            to_owner.sent_bytes
        };
        let classes = network.architecture.classes() as u64;
        assert_eq!(answer(&open) - answer(&inside), 130 * 4 * (classes - 1), "{name}");
    }
}

#[test]
fn the_protection_says_that_no_logit_is_learned_and_is_another_one() {
    let (open, closed) = (Tee.profile(), LabelsAlone.profile());
    assert_ne!(open.protection.label, closed.protection.label, "rows are not ranked as if it were the same");
    let learned = |profile: &Profile| profile.protection.learns[0].logits.clone();
    assert_eq!((learned(&open), learned(&closed)), (Learned::Yes, Learned::No));
    assert_eq!(closed.protection.learns[0].role, "data-owner");
    assert!(closed.protection.simulated && open.name == closed.name);
    let network = test_networks::all().remove(0);
    let job = Job::new(1, 1, LinkProfile::loopback());
    let plan = LabelsAlone.plan(&network.architecture, &job);
    if let Ok(plan) = plan {
        assert_eq!(plan.reveals, Reveals::Labels);
        assert!(plan.notes.iter().any(|note| note.contains("no logit leaves it")), "{:?}", plan.notes);
        let text = serde_json::to_string(&plan).unwrap();
        assert!(text.contains(r#""reveals":"labels""#), "{text}");
    }
}
