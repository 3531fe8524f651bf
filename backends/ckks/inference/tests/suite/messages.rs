//! Ciphertexts that are not what was agreed, and what ciphertexts of a session have in common: nothing.

use std::sync::{Arc, Mutex};

use veilbench_api::Backend;
use veilbench_api::conformance::test_networks;
use veilbench_api::link::Interceptor;
use veilbench_api::local_session::LocalSession;
use veilbench_ckks::{KeyLevels, KeyRequest, LongDigits};
use veilbench_ckks_inference::{Ckks, CkksClientAided};
use veilbench_networks::{Network, Shape, Tensor};

use crate::fixture::*;
use crate::interceptors::*;
use crate::keys::{has_long_digits, keys_for};

/// Both backends, the second with an image in every slot: what it does across them, `packed.rs` tries.
fn either_backend() -> [(&'static dyn Backend, Network, Option<&'static str>); 2] {
    [(&Ckks, polynomial(), None), (&CkksClientAided, aided(), Some("slots"))]
}

#[test]
fn answers_that_are_no_ciphertexts_are_refused() {
    let network = polynomial();
    let images = || test_networks::images(&network, 1, 3);
    let reason = error(&Ckks, &network, images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    let reason = error(&Ckks, &network, images(), Some(Arc::new(Echo::default())));
    assert!(reason.contains("link to model-owner: a message of"), "{reason}");
}

#[test]
fn answers_at_another_scale_are_refused() {
    for (backend, network, layout) in either_backend() {
        let images = test_networks::images(&network, 1, 3);
        let reason = error_in(backend, &network, layout, &images, Some(Arc::new(HalfScale)));
        let stated = match layout {
            None => "the model owner's answer repeats after 8 slots and is at scale 2^",
            Some(_) => "the model owner's answer is at level 0 and scale 2^",
        };
        assert!(reason.contains(stated) && reason.contains("were agreed"), "{reason}");
    }
    let network = polynomial();
    let images = test_networks::images(&network, 2000, 3);
    let reason = error_of_batch(&Ckks, &network, 2000, images, Some(Arc::new(HalfScale)));
    assert!(reason.contains("the model owner's answer is at level 0 and scale 2^"), "{reason}");
}

#[test]
fn an_answer_that_was_cut_is_refused() {
    for (backend, network, layout) in either_backend() {
        let images = test_networks::images(&network, 1, 3);
        let reason = error_in(backend, &network, layout, &images, Some(Arc::new(Cut)));
        assert!(
            reason.contains("link to model-owner: a message of") && reason.contains("were due"),
            "{reason}"
        );
    }
}

#[test]
fn ciphertexts_with_too_few_levels_are_refused() {
    for (backend, network, layout) in either_backend() {
        let images = test_networks::images(&network, 1, 3);
        let interceptor = Arc::new(TooFewLevels(key_messages(backend, layout)));
        let reason = error_in(backend, &network, layout, &images, Some(interceptor));
        assert!(reason.contains("the data owner's ciphertexts"), "{reason}");
    }
}

#[test]
fn ciphertexts_at_another_scale_are_refused() {
    for (backend, network, layout) in ways() {
        let interceptor = Arc::new(QueriesAtHalfScale(key_messages(backend, layout)));
        let done =
            intercepted(backend, &network, layout, &test_networks::images(&network, 1, 3), Some(interceptor));
        let reason = done[1].error.as_ref().unwrap().to_string();
        assert!(reason.contains("a ciphertext at level") && reason.contains("were agreed"), "{reason}");
    }
}

#[test]
fn queries_of_another_length_are_not_received() {
    for (backend, network, layout) in ways() {
        let interceptor = Arc::new(Longer(key_messages(backend, layout)));
        let done =
            intercepted(backend, &network, layout, &test_networks::images(&network, 1, 3), Some(interceptor));
        let reason = done[1].error.as_ref().unwrap().to_string();
        let expected = reason.contains("link to data-owner: a message of") && reason.contains("were due");
        assert!(expected, "{layout:?}: {reason}");
    }
}

#[test]
fn slots_full_of_images_are_refused_for_the_same_reasons() {
    let network = polynomial();
    let batch = 2000;
    let plan = Ckks.plan(&network.architecture, &job(batch)).unwrap();
    assert_eq!(plan.parameters["layout"], "throughput");
    let length = network.architecture.input.len();
    let images = || test_networks::images(&network, batch, 3);
    let refused = |images: Tensor, interceptor: Option<Arc<dyn Interceptor>>| {
        error_of_batch(&Ckks, &network, batch, images, interceptor)
    };

    let mut values = images().data().to_vec();
    values[1500 * length + 3] = f32::NAN;
    let reason = refused(Tensor::new(batch, network.architecture.input, values).unwrap(), None);
    assert!(reason.contains("value 3 of image 1500"), "{reason}");
    let flat = Tensor::new(batch, Shape::Flat(length + 1), vec![0.5; batch * (length + 1)]).unwrap();
    assert!(refused(flat, None).contains(&format!("{} were planned", network.architecture.input)));
    let reason = refused(test_networks::images(&network, batch + 1, 3), None);
    assert!(reason.contains(&format!("1 to {batch} images")), "{reason}");

    let reason = refused(images(), Some(Arc::new(Garbage)));
    assert!(reason.contains("the model owner's answer"), "{reason}");
    for interceptor in [Arc::new(Cut) as Arc<dyn Interceptor>, Arc::new(Echo::default())] {
        let reason = refused(images(), Some(interceptor));
        assert!(reason.contains("link to model-owner: a message of"), "{reason}");
    }
    let reason = refused(images(), Some(Arc::new(TooFewLevels(key_messages(&Ckks, None)))));
    assert!(reason.contains("data owner's ciphertexts"), "{reason}");

    let squares = plan.parameters["scheme"]["data_prime_bits"].as_array().unwrap().len() - 2;
    let products = |level: usize| KeyRequest {
        relinearisation: true,
        levels: KeyLevels { relinearisation: Some(level), ..KeyLevels::default() },
        long: LongDigits { relinearisation: has_long_digits(&plan), ..LongDigits::default() },
        ..KeyRequest::default()
    };
    let instead = |request: &KeyRequest| refused(images(), Some(Arc::new(Instead(keys_for(&plan, request)))));
    let reason = instead(&products(squares));
    assert!(reason.contains("came after the public key of"), "{reason}");
    let mut rotated = products(squares);
    rotated.rotations.insert(1);
    for other in [products(0), rotated] {
        let reason = instead(&other);
        assert!(reason.contains("link to data-owner: a message of"), "{reason}");
    }
}

#[test]
fn the_same_query_never_gets_the_same_answer() {
    let network = polynomial();
    let images = test_networks::images(&network, 1, 3);
    // A message for every sixteen values in slots, one in all across them.
    let batched = network.architecture.input.len().div_ceil(16);
    for (layout, messages) in [("latency", 1), ("throughput", batched), ("complex", batched)] {
        let interceptor = Arc::new(SameQuery::of(key_messages(&Ckks, None), messages));
        let mut session = LocalSession::new(&Ckks, &network, 1);
        session.interceptor = Some(Arc::clone(&interceptor) as Arc<dyn Interceptor>);
        session.job.settings.extend(settings(Some(layout)));
        let done = session.run(&[images.clone(), images.clone(), images.clone()]).unwrap();
        let difference = |[one, other]: [&Tensor; 2]| {
            let pairs = one.data().iter().zip(other.data());
            pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
        };
        let logits: Vec<&Tensor> = done.iter().flat_map(|outcome| &outcome.logits).collect();
        assert_eq!(logits.len(), 3, "{layout}: {:?}", done[0].error);
        assert!(difference([logits[0], logits[1]]) < 1.0 / 256.0, "{layout}");
        let answers = interceptor.answers.lock().unwrap();
        // The second half of the first ciphertext, which would be a function of the query and the weights.
        let bits = match layout {
            "latency" => answers[0].len(),
            _ => answers[0].len() / (network.architecture.classes() + 1),
        };
        let mask = |answer: usize| answers[answer][47 + (bits - 47) / 2..bits].to_vec();
        assert!(mask(0) != mask(1) && mask(1) != mask(2) && mask(0) != mask(2), "{layout}");
    }
}

#[test]
fn every_ciphertext_of_every_session_has_a_seed_of_its_own() {
    for (backend, network, layout) in ways() {
        let seeds = Arc::new(Seeds { from: key_messages(backend, layout), seen: Mutex::default() });
        let images = test_networks::images(&network, 1, 3);
        for _ in 0..2 {
            let mut session = LocalSession::new(backend, &network, 1);
            session.job.settings.extend(settings(layout));
            session.interceptor = Some(Arc::clone(&seeds) as Arc<dyn Interceptor>);
            session.run(&[images.clone(), images.clone()]).unwrap();
        }
        let mut seen = seeds.seen.lock().unwrap().clone();
        let count = seen.len();
        let across = matches!(layout, Some("latency" | "packed"));
        let values = if across { 1 } else { network.architecture.input.len() };
        assert!(count >= 4 * values, "{layout:?}: {count} ciphertexts");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "{layout:?}: masks that are used twice");
    }
}
