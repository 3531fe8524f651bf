//! How much noise results get, what it is worth, and where there is no room for it.

use std::sync::Arc;

use veilbench_api::conformance::test_networks;
use veilbench_api::{Backend, LinkProfile, Recorder};
use veilbench_ckks::{
    Ciphertext, Context, Evaluator, PublicKey, Randomness, Result, SecretKey, SeededEvaluationKeys,
};
use veilbench_networks::{Network, zoo};

use super::*;
use crate::Ckks;
use crate::planning::packing::spread;
use crate::planning::plan::LAYOUT;
use crate::planning::scheme::FRESH_LEVEL;
use crate::roles::latency;
use crate::roles::throughput::encrypt;

fn job(layout: &str, reveals: &str, images: &str) -> Job {
    let mut job = Job::new(1, 1, LinkProfile::loopback());
    for (setting, value) in [(LAYOUT, layout), (RELEASE, reveals), (RELEASE_IMAGES, images)] {
        job.settings.insert(setting.key.into(), value.into());
    }
    job
}

fn plan(network: &Network, layout: &str, images: &str) -> CkksPlan {
    CkksPlan::new(&network.architecture, &job(layout, "logits", images)).unwrap()
}

fn circuit(network: &Network) -> Circuit {
    Circuit::new(&network.architecture, Some(&network.parameters)).unwrap()
}

/// The program of a plan, if it has one.
fn program(circuit: &Circuit, plan: &CkksPlan) -> Option<PackedCircuit> {
    crate::program(circuit, plan).unwrap()
}

#[test]
fn plans_without_a_release_are_what_they_were() {
    for name in ["mnist-mlp-poly", "malaria-cnn-poly"] {
        let architecture = zoo::load(name).unwrap().architecture;
        let default = Ckks.plan(&architecture, &Job::new(1, 1, LinkProfile::loopback())).unwrap();
        assert!(default.parameters.get("release").is_none(), "{}", default.parameters);
        assert_eq!(Ckks.plan(&architecture, &job("auto", "no", "1024")).unwrap(), default);
    }
}

#[test]
fn plans_state_the_noise_of_what_is_released_in_their_tolerance() {
    let network = zoo::load("mnist-mlp-poly").unwrap();
    let unit = circuit(&network).logit_unit();
    for layout in ["latency", "throughput"] {
        let mut before = 0.0;
        for images in ["1", "16"] {
            let plan = plan(&network, layout, images);
            let release = plan.release.unwrap();
            let room = release.room(&circuit(&network), layout == "latency");
            let deviation = room.deviation(&plan.scheme) * unit;
            let by_theorem = room.noise(&plan.scheme)
                * unit
                * (12.0 * 10.0 * release.images as f64).sqrt()
                * 2f64.powi(15);
            println!(
                "{layout}, {images}: N = {}, {:?}, logits of up to {unit:.0} with noise of deviation {deviation:.1e}",
                plan.scheme.degree, plan.scheme.data_prime_bits
            );
            assert!(deviation >= by_theorem && deviation < 1.01 * by_theorem, "{deviation:e} {by_theorem:e}");
            let stated = plan.into_plan().unwrap();
            assert!(stated.tolerance.get() >= 7.0 * deviation && stated.tolerance.get() < unit / 16.0 + 0.01);
            assert!(stated.prediction.unwrap().logit_error_deviation.unwrap() >= deviation);
            assert!(stated.notes[0].contains(&format!("up to {images} images")), "{:?}", stated.notes);
            assert_ne!(deviation, before);
            before = deviation;
        }
    }
}

#[test]
fn labels_alone_are_another_plan_with_the_same_noise() {
    let architecture = zoo::load("mnist-cnn-poly").unwrap().architecture;
    let [logits, labels] =
        ["logits", "labels"].map(|reveals| Ckks.plan(&architecture, &job("auto", reveals, "16")).unwrap());
    assert_eq!((logits.reveals, labels.reveals), (Reveals::Logits, Reveals::Labels));
    assert_eq!(
        (logits.tolerance, &logits.parameters["scheme"]),
        (labels.tolerance, &labels.parameters["scheme"])
    );
}

#[test]
fn what_has_no_room_is_refused_with_what_it_would_take() {
    let refused = |network: &str, layout: &str, reveals: &str, images: &str| {
        let architecture = zoo::load(network).unwrap().architecture;
        CkksPlan::new(&architecture, &job(layout, reveals, images)).unwrap_err().reason
    };
    let reason = refused("malaria-cnn-poly", "throughput", "logits", "1024");
    assert!(
        reason.contains("2048 released results") && reason.contains("% of the range of logits"),
        "{reason}"
    );
    assert!(reason.contains("release-images"), "{reason}");
    // A graph has a layout of its own, and a ReLU none.
    for network in ["cifar-resnet20", "mnist-mlp"] {
        let reason = refused(network, "auto", "logits", "1");
        assert!(reason.contains("released in the layouts latency and throughput alone"), "{reason}");
    }
    assert!(refused("mnist-mlp-poly", "auto", "all", "1").contains("not one of no, logits, labels"));
    assert!(refused("mnist-mlp-poly", "auto", "logits", "0").contains("not one of 64, "));
    let mut complex = job("throughput", "logits", "1");
    complex.settings.insert("slots".into(), "complex".into());
    let reason =
        CkksPlan::new(&zoo::load("mnist-mlp-poly").unwrap().architecture, &complex).unwrap_err().reason;
    assert!(reason.contains("leave out slots or release"), "{reason}");
}

#[test]
fn the_networks_that_ship_stay_within_the_gains_of_plans_and_larger_weights_do_not() {
    for name in ["mnist-mlp-poly", "mnist-cnn-poly", "malaria-cnn-poly", "melanoma-lenet-poly"] {
        let network = zoo::load(name).unwrap();
        for layout in ["latency", "throughput"] {
            let plan = plan(&network, layout, "1");
            let mut circuit = circuit(&network);
            let program = program(&circuit, &plan);
            let (release, scheme) = (plan.release.unwrap(), &plan.scheme);
            let own = maps(&circuit, program.as_ref());
            let allowed = release.room(&circuit, program.is_some()).noise(scheme);
            let noise = noise(scheme, own.iter().copied(), program.is_some());
            println!(
                "{name}, {layout}: {own:.2?}, noise {:.1e} of {allowed:.1e}; N = {}, {:?}, deviation {:.1e} of the range",
                noise,
                scheme.degree,
                scheme.data_prime_bits,
                release.room(&circuit, program.is_some()).deviation(scheme)
            );
            check(release, &circuit, program.as_ref(), scheme).unwrap();
            for block in &mut circuit.stages[1].map.blocks {
                block.weights.iter_mut().for_each(|weight| *weight *= 30.0);
            }
            let refused = check(release, &circuit, program.as_ref(), scheme).unwrap_err().to_string();
            assert!(refused.contains("cannot be released"), "{refused}");
        }
    }
}

/// Both roles in one process.
struct Session {
    context: Context,
    secret: SecretKey,
    public: PublicKey,
    evaluator: Evaluator,
}

fn session(plan: &CkksPlan, program: Option<&PackedCircuit>) -> Session {
    let (context, mut random) = (plan.scheme.context().unwrap(), Randomness::from_system().unwrap());
    let secret = SecretKey::generate(&context, &mut random);
    let public = PublicKey::generate_for_level(&secret, FRESH_LEVEL, &mut random);
    let request = crate::request(program, &plan.scheme);
    let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random).expand(&context).unwrap();
    let evaluator = Evaluator::new(&context, Arc::new(keys)).unwrap();
    Session { context, secret, public, evaluator }
}

fn slots(session: &Session, results: &[Ciphertext]) -> Vec<Vec<f64>> {
    let decode = |result: &Ciphertext| session.context.decode(&session.secret.decrypt(result)?);
    results.iter().map(decode).collect::<Result<_>>().unwrap()
}

/// Of the differences between two computations of the same, over the root of two: what encryption adds alone, in units.
fn deviation(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let squares: Vec<f64> = pairs.map(|(one, other)| (one - other).powi(2) / 2.0).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

#[test]
fn noise_of_single_images_is_within_the_bound_of_plans() {
    for name in ["mnist-mlp-poly", "mnist-cnn-poly"] {
        let network = zoo::load(name).unwrap();
        let plan = plan(&network, "latency", "16");
        let circuit = circuit(&network);
        let program = program(&circuit, &plan).unwrap();
        let allowed = plan.release.unwrap().room(&circuit, true).noise(&plan.scheme);
        let image = test_networks::images(&network, 1, 3);
        let inputs = spread(&program.input, |input| f64::from(image.image(0)[input]));
        let (logits, period) = (program.logits.clone(), program.period);
        let session = session(&plan, Some(&program));
        let server = latency::Server::new(
            session.evaluator.clone(),
            session.public.clone(),
            plan.scheme.clone(),
            program,
            Recorder::default(),
        )
        .unwrap();
        let results = || {
            let encrypted = inputs.iter().map(|values| {
                let scheme = &plan.scheme;
                let fresh = encrypt(&session.secret, values, scheme.input_scale(), scheme.depth()).unwrap();
                fresh.expand(&session.context).unwrap()
            });
            let read =
                |result: &Ciphertext| session.secret.decrypt_folded(&session.evaluator.fold(result, period)?);
            let results = server.compute(encrypted.collect()).unwrap();
            let slots = results.iter().map(read).collect::<Result<Vec<_>>>().unwrap();
            logits.iter().map(|&(ciphertext, slot)| slots[ciphertext][slot]).collect::<Vec<f64>>()
        };
        let runs: Vec<[Vec<f64>; 2]> = (0..8).map(|_| [results(), results()]).collect();
        let measured =
            deviation(runs.iter().flat_map(|[one, other]| one.iter().copied().zip(other.iter().copied())));
        println!("{name}: noise {measured:.1e} where {allowed:.1e} is allowed for");
        assert!(measured < allowed && measured > allowed / 1e4, "{measured:e} {allowed:e}");
    }
}

#[test]
fn noise_of_images_in_every_slot_is_within_the_bound_of_their_weights() {
    let network = test_networks::supported(&Ckks, 1).unwrap();
    let plan = plan(&network, "throughput", "16");
    let circuit = circuit(&network);
    let bound = noise(&plan.scheme, maps(&circuit, None).into_iter(), false);
    let image = test_networks::images(&network, 1, 3);
    let session = session(&plan, None);
    let (scheme, evaluator) = (&plan.scheme, &session.evaluator);
    let mut values: Vec<Ciphertext> = image
        .image(0)
        .iter()
        .map(|&value| {
            let values = vec![f64::from(value); scheme.slots()];
            let fresh = encrypt(&session.secret, &values, scheme.input_scale(), scheme.depth()).unwrap();
            fresh.expand(&session.context).unwrap()
        })
        .collect();
    for stage in &circuit.stages {
        let mut outputs: Vec<Option<Ciphertext>> = vec![None; stage.map.outputs()];
        for block in &stage.map.blocks {
            let inputs: Vec<&Ciphertext> =
                block.inputs.iter().map(|&input| &values[input as usize]).collect();
            let scale = scheme.weight_scale(&session.context, inputs[0]);
            let sums = evaluator.weighted_sums(&inputs, &block.weights, scale).unwrap();
            for (&output, sum) in block.outputs.iter().zip(&sums) {
                let rescaled = evaluator.rescale(sum).unwrap();
                let bias = stage.map.bias[output as usize];
                outputs[output as usize] = Some(evaluator.add_scalar(&rescaled, bias).unwrap());
            }
        }
        values = outputs.into_iter().map(Option::unwrap).collect();
        if let Some(activation) = &stage.activation {
            let square = |sum: &Vec<u32>| {
                let inputs: Vec<&Ciphertext> = sum.iter().map(|&value| &values[value as usize]).collect();
                evaluator.rescale(&evaluator.sum_of_squares(&inputs).unwrap()).unwrap()
            };
            values = activation.sums.iter().map(square).collect();
        }
    }
    let slots = slots(&session, &values);
    let neighbours =
        slots.iter().flat_map(|own| own.as_chunks::<2>().0.iter().map(|&[one, other]| (one, other)));
    let measured = deviation(neighbours);
    println!("{}: noise {measured:.1e} where {bound:.1e} is the bound", network.architecture.name);
    assert!(measured < bound && measured > bound / 1e3, "{measured:e} {bound:e}");
}
