//! Results that may be shown: how far they are from the clear network's, and how many there are.

use std::time::Duration;

use veilbench_api::conformance;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, Reveals, RoleContext, Settings, Unsupported};
use veilbench_ckks_inference::Ckks;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Architecture, Network, Parameters, Tensor, zoo};

use crate::fixture::*;
use crate::packed::sample;

/// The backend with results that may be shown.
struct Released {
    reveals: &'static str,
    images: &'static str,
    layout: &'static str,
}

impl Released {
    fn settings(&self) -> Settings {
        let settings = [("release", self.reveals), ("release-images", self.images), ("layout", self.layout)];
        settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }
}

impl Backend for Released {
    fn profile(&self) -> Profile {
        Ckks.profile_under(&self.settings())
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        Ckks.plan(architecture, &Job { settings: self.settings(), ..job.clone() })
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ckks.join(role)
    }
}

#[test]
fn released_results_keep_every_promise_of_the_contract() {
    for reveals in ["logits", "labels"] {
        conformance::check(&Released { reveals, images: "1024", layout: "auto" }).unwrap();
    }
}

#[test]
fn released_logits_are_off_by_the_noise_of_the_plan_and_predict_as_the_clear_network() {
    for (layout, images, count) in [("latency", "16", 8), ("throughput", "256", 50)] {
        let network = zoo::load("mnist-mlp-poly").unwrap();
        let backend = Released { reveals: "logits", images, layout };
        let digits = sample(&network, "mnist", count);
        let plan = backend.plan(&network.architecture, &job(count)).unwrap();
        let due = plan.prediction.clone().unwrap().logit_error_deviation.unwrap();
        let clear = evaluate::<f64>(&network, &digits).unwrap();
        let mut session = LocalSession::new(&backend, &network, count);
        session.timeout = Duration::from_secs(1800);
        let done = session.run(&[digits]).unwrap();
        for outcome in &done {
            assert!(outcome.error.is_none(), "{layout}: {:?}", outcome.error);
        }
        let own = done[0].logits[0].data();
        let errors: Vec<f64> = own.iter().zip(clear.data()).map(|(own, due)| f64::from(*own) - due).collect();
        let measured = (errors.iter().map(|own| own * own).sum::<f64>() / errors.len() as f64).sqrt();
        let largest = errors.iter().fold(0.0f64, |largest, own| largest.max(own.abs()));
        println!(
            "{layout}, {images}: noise of deviation {measured:.2e} where {due:.2e} is due, {largest:.2e} at most"
        );
        // What is added is nearly all of it.
        assert!(
            (measured / due - 1.0).abs() < 5.0 / (2.0 * errors.len() as f64).sqrt(),
            "{measured:e} {due:e}"
        );
        assert!(largest <= plan.tolerance.get());
        let label =
            |logits: &[f64]| (0..10).max_by(|&one, &other| logits[one].total_cmp(&logits[other])).unwrap();
        let own: Vec<f64> = own.iter().map(|&logit| f64::from(logit)).collect();
        for (own, clear) in own.chunks_exact(10).zip(clear.data().chunks_exact(10)) {
            let mut sorted = clear.to_vec();
            sorted.sort_by(|one, other| other.total_cmp(one));
            assert!(label(own) == label(clear) || sorted[0] - sorted[1] < 2.0 * plan.tolerance.get());
        }
    }
}

#[test]
fn labels_alone_are_those_of_the_clear_network() {
    let network = zoo::load("mnist-cnn-poly").unwrap();
    let backend = Released { reveals: "labels", images: "16", layout: "latency" };
    let digits = sample(&network, "mnist", 4);
    let clear = evaluate::<f64>(&network, &digits).unwrap();
    assert_eq!(backend.plan(&network.architecture, &job(4)).unwrap().reveals, Reveals::Labels);
    let mut session = LocalSession::new(&backend, &network, 4);
    session.timeout = Duration::from_secs(1800);
    let done = session.run(&[digits]).unwrap();
    assert!(done.iter().all(|outcome| outcome.error.is_none() && outcome.logits.is_empty()));
    let labels = clear.data().chunks_exact(10).map(|logits| {
        (0..10u32).max_by(|&one, &other| logits[one as usize].total_cmp(&logits[other as usize])).unwrap()
    });
    assert_eq!(done[0].labels, [labels.collect::<Vec<_>>()]);
}

#[test]
fn a_session_ends_with_the_results_that_its_noise_is_for() {
    let network = polynomial();
    let backend = Released { reveals: "logits", images: "1", layout: "latency" };
    let images = conformance::test_networks::images(&network, 1, 7);
    let done = LocalSession::new(&backend, &network, 1).run(&[images.clone(), images]).unwrap();
    assert_eq!(done[0].logits.len(), 1);
    let refused = done[0].error.as_ref().unwrap().to_string();
    assert!(refused.contains("begin another session"), "{refused}");
}

#[test]
fn weights_that_amplify_noise_beyond_its_bound_end_the_session_before_it_begins() {
    let mut network = polynomial();
    let affine = network.parameters.iter_mut().rev().find_map(|own| match own {
        Parameters::Affine { weights, .. } => Some(weights),
        _ => None,
    });
    affine.unwrap().iter_mut().for_each(|weight| *weight *= 1000.0);
    let backend = Released { reveals: "logits", images: "1", layout: "latency" };
    let images = conformance::test_networks::images(&network, 1, 7);
    let done = LocalSession::new(&backend, &network, 1).run(&[images]).unwrap();
    let refused = done[1].error.as_ref().unwrap().to_string();
    assert!(refused.contains("cannot be released"), "{refused}");
    assert!(done[0].logits.is_empty());
}

#[test]
fn the_statement_says_what_may_be_shown() {
    let says = |settings: &Settings, words: &str| {
        let protection = Ckks.profile_under(settings).protection;
        (protection.label, protection.trusted.iter().any(|text| text.contains(words)))
    };
    let kept = says(&Settings::new(), "keeps decrypted results to itself");
    assert_eq!(kept, ("semi-honest server, encrypted inputs".into(), true));
    let released = Released { reveals: "labels", images: "16", layout: "auto" }.settings();
    assert!(!says(&released, "keeps decrypted results to itself").1);
    let (label, says) = says(&released, "30 bits of statistical security");
    assert!(says && label == "semi-honest server, encrypted inputs, results may be shown", "{label}");
}

#[test]
fn a_batch_of_more_images_than_may_be_shown_is_refused_when_it_is_planned() {
    let architecture = zoo::load("mnist-mlp-poly").unwrap().architecture;
    let planned = |batch: usize| {
        let mut job = job(batch);
        job.settings = Released { reveals: "logits", images: "16", layout: "auto" }.settings();
        Ckks.plan(&architecture, &job)
    };
    assert_eq!(planned(16).unwrap().most_images, Some(16));
    let refused = planned(17).unwrap_err().to_string();
    assert!(refused.contains("17 images, where results of 16 may be shown"), "{refused}");
}

#[test]
fn noise_that_outweighs_the_lead_of_answers_is_refused_for_images_at_hand() {
    let drawn = |name: &str, at_hand: &dyn Fn(&Network) -> Tensor| {
        let network = zoo::load(name).unwrap();
        let mut job = job(1);
        job.settings = Released { reveals: "labels", images: "64", layout: "latency" }.settings();
        let plan = Ckks.plan(&network.architecture, &job).unwrap();
        let at_hand = at_hand(&network);
        Ckks.draw_noise(&network, &plan, &|most| Some(at_hand.slice(0, most.min(at_hand.images()))))
    };
    let digits = drawn("mnist-cnn-poly", &|network| sample(network, "mnist", 20));
    let digits = digits.unwrap().expect("there are images");
    println!("{digits:?}");
    assert!(digits.largest_error > 0.0 && digits.largest_error <= digits.median_lead / 4.0, "{digits:?}");
    // Of images without contrast a network says little.
    let grey = |network: &Network| {
        let images = conformance::test_networks::images(network, 20, 7);
        let values = images.data().iter().map(|value| value / 100.0).collect();
        Tensor::new(20, images.shape(), values).unwrap()
    };
    let refused = drawn("malaria-cnn-poly", &grey).unwrap_err().to_string();
    println!("{refused}");
    assert!(refused.contains("release fewer images"), "{refused}");
}
