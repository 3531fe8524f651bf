//! Batches with two images in every slot.

use std::time::Duration;

use veilbench_api::conformance::{self, test_networks};
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, RoleContext, Unsupported};
use veilbench_ckks::max_modulus_bits;
use veilbench_ckks_inference::Ckks;
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Architecture, Network, Tensor, zoo};

use crate::fixture::*;
use crate::packed::sample;

/// The backend with two images in every slot.
struct Complex;

impl Backend for Complex {
    fn profile(&self) -> Profile {
        Ckks.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        Ckks.plan(architecture, &Job { settings: settings(Some("complex")), ..job.clone() })
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ckks.join(role)
    }
}

fn slots(plan: &Plan) -> usize {
    plan.parameters["scheme"]["degree"].as_u64().unwrap() as usize / 2
}

/// Logits of a batch, held against the oracle and the plan's precision, and its bytes against the plan's.
fn holds(network: &Network, images: &Tensor) {
    let (name, count) = (&network.architecture.name, images.images());
    let plan = Complex.plan(&network.architecture, &job(count)).unwrap();
    let predicted = plan.prediction.clone().unwrap();
    let expected = evaluate::<f64>(network, images).unwrap();
    let mut session = LocalSession::new(&Complex, network, count);
    session.timeout = Duration::from_secs(1800);
    let done = session.run(std::slice::from_ref(images)).unwrap();
    for outcome in &done {
        assert!(outcome.error.is_none(), "{name}: {:?}", outcome.error);
    }
    let pairs = || done[0].logits[0].data().iter().zip(expected.data());
    assert_eq!(pairs().count(), count * network.architecture.classes(), "{name}");
    let errors = || pairs().map(|(own, due)| f64::from(*own) - due);
    let error = errors().map(f64::abs).fold(0.0, f64::max);
    let measured = (errors().map(|error| error * error).sum::<f64>() / pairs().count() as f64).sqrt();
    let (largest, deviation) = (predicted.max_logit_error.unwrap(), predicted.logit_error_deviation.unwrap());
    println!(
        "{name}, {count}: off by {error:.1e} of {largest:.1e}, a deviation of {measured:.1e} where {deviation:.1e} is expected"
    );
    assert!(error < largest, "{name}: off by {error:.1e}");
    // Of few logits it varies itself.
    let allowed = deviation * (1.0 + 5.0 / (2.0 * pairs().count() as f64).sqrt());
    assert!(measured < allowed, "{name}: a deviation of {measured:.1e} where {deviation:.1e} is expected");
    let bytes = |phase: usize| -> [u64; 2] {
        let own = &done[0].phases[phase].exchanged;
        [own.iter().map(|peer| peer.sent_bytes).sum(), own.iter().map(|peer| peer.received_bytes).sum()]
    };
    assert_eq!(bytes(0), [predicted.setup_bytes.unwrap(), 0], "{name}");
    assert_eq!(bytes(1), [0, 0], "{name}");
    assert_eq!(bytes(2).iter().sum::<u64>(), predicted.online_bytes.unwrap(), "{name}");
}

#[test]
fn slots_with_two_images_keep_every_promise_of_the_contract() {
    conformance::check(&Complex).unwrap();
}

#[test]
fn batches_of_any_size_have_the_logits_of_the_oracle_and_the_bytes_of_the_plan() {
    let network = polynomial();
    let slots = slots(&Complex.plan(&network.architecture, &job(1)).unwrap());
    for count in [1, 2, 3, slots - 1, slots, slots + 1, 2 * slots - 1, 2 * slots, 2 * slots + 1] {
        holds(&network, &test_networks::images(&network, count, count as u64));
    }
}

#[test]
fn digits_in_both_halves_have_the_logits_of_the_oracle() {
    for name in ["mnist-mlp-poly", "mnist-cnn-poly"] {
        let network = zoo::load(name).unwrap();
        holds(&network, &sample(&network, "mnist", 50));
        // The same in every place, each with noise of its own. The second image of a slot is another than the first: the images repeat after a
        // number that does not divide the slots.
        let (few, places) = (
            sample(&network, "mnist", 50),
            2 * slots(&Complex.plan(&network.architecture, &job(1)).unwrap()),
        );
        let values = (0..places).flat_map(|place| few.image(place % 50).to_vec()).collect();
        holds(&network, &Tensor::new(places, few.shape(), values).unwrap());
    }
}

/// `cargo test --release -p veilbench-ckks-inference --test suite -- --ignored --nocapture lesions_in_both`
#[test]
#[ignore = "it takes minutes and eight gigabytes"]
fn cells_and_lesions_in_both_halves_have_the_logits_of_the_oracle() {
    for (name, data) in [("melanoma-lenet-poly", "melanoma"), ("malaria-cnn-poly", "malaria")] {
        let network = zoo::load(name).unwrap();
        holds(&network, &sample(&network, data, 3));
    }
}

/// A conjugation of values is a key switch at their scale: the noise of its key has to be below that of a rescaling.
#[test]
fn special_primes_have_up_to_four_bits_more_than_a_digit_where_single_values_are_squared() {
    for name in ["mnist-mlp-poly", "mnist-cnn-poly"] {
        let architecture = zoo::load(name).unwrap().architecture;
        let planned = |layout: &str| {
            let mut job = job(1);
            job.settings = settings(Some(layout));
            Ckks.plan(&architecture, &job).unwrap()
        };
        let (real, complex) = (planned("throughput"), planned("complex"));
        let bits = |plan: &Plan, of: &str| -> Vec<u64> {
            serde_json::from_value(plan.parameters["scheme"][of].clone()).unwrap()
        };
        println!("{name}: {} {}", real.parameters["scheme"], complex.parameters["scheme"]);
        let data = bits(&complex, "data_prime_bits");
        let digits = complex.parameters["scheme"]["digits"].as_u64().unwrap() as usize;
        let digit: u64 = data[..data.len().div_ceil(digits)].iter().sum();
        let special: u64 = bits(&complex, "special_prime_bits").iter().sum();
        let most = u64::from(max_modulus_bits(2 * slots(&complex)).unwrap()) - data.iter().sum::<u64>();
        assert!(special > digit && special == most.min(digit + 4), "{name}: {special}, {digit}, {most}");
        let deviation = |plan: &Plan| plan.prediction.clone().unwrap().logit_error_deviation.unwrap();
        // At one scale.
        let scale = |plan: &Plan| plan.parameters["scheme"]["map_scale_bits"].as_u64().unwrap() as i32;
        let deviation = |plan: &Plan| deviation(plan) * f64::from(scale(plan)).exp2();
        assert!(deviation(&complex) > 1.5 * deviation(&real), "{name}");
    }
}

#[test]
fn two_images_in_a_slot_take_half_the_bytes_and_half_the_passes() {
    // A deep network has a layout of its own.
    for name in zoo::names().filter(|name| name.ends_with("-poly") && !name.starts_with("cifar")) {
        let architecture = zoo::load(name).unwrap().architecture;
        let mut real = job(1);
        real.settings = settings(Some("throughput"));
        let images = 2 * slots(&Ckks.plan(&architecture, &real).unwrap());
        let bytes = |settings: Option<&str>| {
            let mut job = job(images);
            job.settings = super::fixture::settings(settings);
            Ckks.plan(&architecture, &job).unwrap().prediction.unwrap().online_bytes.unwrap() as f64
        };
        let share = bytes(Some("complex")) / bytes(Some("throughput"));
        println!("{name}: {share:.3} of the bytes");
        assert!((0.48..0.52).contains(&share), "{name}: {share}");
    }
}

#[test]
fn what_slots_hold_is_asked_for_in_the_layout_of_batches() {
    let architecture = zoo::load("mnist-mlp-poly").unwrap().architecture;
    let planned = |pairs: &[(&str, &str)]| {
        let mut job = job(8192);
        job.settings = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ckks.plan(&architecture, &job).map(|plan| plan.parameters["scheme"]["pairs"].clone())
    };
    let complex = ("slots", "complex");
    assert_eq!(planned(&[complex, ("layout", "throughput")]), Ok("squares".into()));
    assert_eq!(planned(&[complex]), Ok("squares".into()));
    // One image alone would be faster across the slots.
    let mut alone = job(1);
    assert_eq!(Ckks.plan(&architecture, &alone).unwrap().parameters["layout"], "latency");
    alone.settings = [("slots".to_owned(), "complex".to_owned())].into();
    let plan = Ckks.plan(&architecture, &alone).unwrap();
    assert_eq!(
        (&plan.parameters["layout"], &plan.parameters["scheme"]["pairs"]),
        (&"throughput".into(), &"squares".into())
    );
    let deep =
        zoo::residual("narrow", zoo::Order::PreActivation, zoo::Activation::Polynomial { degree: 2 }, 2);
    let refused = Ckks.plan(&deep, &alone).unwrap_err().to_string();
    assert!(refused.contains("slots=complex") && refused.contains("leave slots out"), "{refused}");
    assert_eq!(planned(&[("slots", "real")]), Ok(serde_json::Value::Null));
    // Of two ciphertexts of single images.
    assert_eq!(planned(&[]), Ok("squares".into()));
    assert_eq!(planned(&[("layout", "throughput")]), Ok("squares".into()));
    let refused = planned(&[complex, ("layout", "latency")]).unwrap_err().to_string();
    assert!(refused.contains("slots=complex is of the throughput layout"), "{refused}");
    let refused = planned(&[("slots", "imaginary")]).unwrap_err().to_string();
    assert!(refused.contains("\"imaginary\", not one of auto, real, complex"), "{refused}");
}
