//! Keys and plans other than those of the session.

use std::collections::BTreeMap;
use std::sync::Arc;

use veilbench_api::conformance::test_networks;
use veilbench_api::link::Interceptor;
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, RoleContext, Setting, Unsupported};
use veilbench_ckks::{
    Context, KeyLevels, KeyRequest, ParameterRequest, Parameters as RingParameters, Randomness, SecretKey,
    SeededEvaluationKeys,
};
use veilbench_ckks_inference::Ckks;
use veilbench_networks::{Architecture, zoo};

use crate::fixture::*;
use crate::interceptors::*;

#[test]
fn ciphertexts_of_another_key_are_refused() {
    let network = polynomial();
    for (messages, expected) in [
        (0..2, "was used where key"),
        (0..1, "came after the public key of"),
        (1..2, "came after the public key of"),
    ] {
        let interceptor = Arc::new(OtherKeys::new(messages));
        let images = test_networks::images(&network, 1, 4);
        let mut session = LocalSession::new(&Ckks, &network, 1);
        session.interceptor = Some(Arc::clone(&interceptor) as Arc<dyn Interceptor>);
        let first = session.run(std::slice::from_ref(&images)).unwrap();
        assert!(first.iter().all(|outcome| outcome.error.is_none()), "the session's own keys");
        let reason = error(&Ckks, &network, images, Some(interceptor));
        assert!(reason.contains(expected), "{reason}");
    }
}

/// Results of this network are in a ring of half the degree, under a secret that no other key is of.
#[test]
fn a_key_for_results_of_another_session_is_refused() {
    let network = zoo::load("mnist-mlp-poly").unwrap();
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    assert_eq!(plan.parameters["halved"], true);
    let images = test_networks::images(&network, 1, 4);
    for (messages, expected) in [(2..3, "a key for results of key"), (0..2, "a key for results of key")] {
        let interceptor = Arc::new(OtherKeys::new(messages));
        let mut session = LocalSession::new(&Ckks, &network, 1);
        session.interceptor = Some(Arc::clone(&interceptor) as Arc<dyn Interceptor>);
        let first = session.run(std::slice::from_ref(&images)).unwrap();
        assert!(first.iter().all(|outcome| outcome.error.is_none()), "the session's own keys");
        let reason = error(&Ckks, &network, images.clone(), Some(interceptor));
        assert!(reason.contains(expected), "{reason}");
    }
    let reason = error(&Ckks, &network, images.clone(), Some(Arc::new(HalfScale)));
    assert!(reason.contains("repeats after 16 slots and is at scale 2^29"), "{reason}");
    let reason = error(&Ckks, &network, images, Some(Arc::new(Cut)));
    assert!(reason.contains("link to model-owner: a message of") && reason.contains("were due"), "{reason}");
}

/// The backend, whose plans say that results are in a ring of half the degree.
struct Halved;

impl Backend for Halved {
    fn profile(&self) -> Profile {
        Ckks.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let mut plan = Ckks.plan(architecture, job)?;
        plan.parameters["halved"] = true.into();
        Ok(plan)
    }

    fn settings(&self) -> &'static [Setting] {
        Ckks.settings()
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ckks.join(role)
    }
}

/// Slots that are full of images repeat after nothing.
#[test]
fn a_plan_that_halves_what_cannot_be_is_refused_by_both_parties() {
    let network = zoo::load("mnist-mlp-poly").unwrap();
    let images = test_networks::images(&network, 1, 4);
    let done = session(&Halved, &network, Some("latency"), &images);
    assert!(done.iter().all(|outcome| outcome.error.is_none()), "there results are in it");
    for outcome in &session(&Halved, &network, Some("throughput"), &images) {
        let reason = outcome.error.as_ref().unwrap().to_string();
        assert!(reason.contains("a smaller ring that has no room for them: plan it anew"), "{reason}");
    }
}

/// Keys for the parameters of a plan, of somebody else's secret.
pub(crate) fn keys_for(plan: &Plan, request: &KeyRequest) -> Vec<u8> {
    let scheme = &plan.parameters["scheme"];
    let bits = |name: &str| serde_json::from_value::<Vec<u32>>(scheme[name].clone()).unwrap();
    let whole = |name: &str| scheme[name].as_u64().unwrap() as usize;
    let parameters = RingParameters::new(&ParameterRequest {
        degree: whole("degree"),
        data_prime_bits: &bits("data_prime_bits"),
        special_prime_bits: &bits("special_prime_bits"),
        digits: whole("digits"),
    });
    let context = Context::new(parameters.unwrap());
    let mut random = Randomness::from_system().unwrap();
    let secret = SecretKey::generate(&context, &mut random);
    SeededEvaluationKeys::generate(&secret, request, &mut random).to_bytes(&context).unwrap()
}

/// Whether keys for products have long digits in a plan.
pub(crate) fn has_long_digits(plan: &Plan) -> bool {
    plan.parameters["scheme"]["long_digits"].as_bool().unwrap_or(false)
}

#[test]
fn keys_other_than_those_of_the_plan_are_refused_before_they_are_expanded() {
    let network = polynomial();
    let images = || test_networks::images(&network, 1, 3);
    let plan = Ckks.plan(&network.architecture, &job(1)).unwrap();
    assert_eq!(plan.parameters["layout"], "latency");
    let levels: BTreeMap<usize, Vec<i64>> =
        serde_json::from_value(plan.parameters["rotations"].clone()).unwrap();
    let depth = plan.parameters["scheme"]["data_prime_bits"].as_array().unwrap().len() - 1;
    let of_levels = levels.iter().flat_map(|(&level, steps)| steps.iter().map(move |&steps| (steps, level)));
    let planned = KeyRequest {
        relinearisation: true,
        rotations: levels.values().flatten().copied().collect(),
        levels: KeyLevels {
            relinearisation: Some(depth - 1),
            rotations: of_levels.collect(),
            ..KeyLevels::default()
        },
        ..KeyRequest::default()
    };
    let refused = |request: &KeyRequest| {
        error(&Ckks, &network, images(), Some(Arc::new(Instead(keys_for(&plan, request)))))
    };
    let complete = refused(&planned);
    assert!(
        complete.contains("came after the public key of"),
        "the right keys, of another secret: {complete}"
    );

    // Whatever has another length is not even received.
    let mut more = planned.clone();
    more.rotations.extend(100..104);
    let mut low = planned.clone();
    low.levels.relinearisation = Some(0);
    for other in
        [KeyRequest::default(), KeyRequest { levels: KeyLevels::default(), ..planned.clone() }, more, low]
    {
        let reason = refused(&other);
        assert!(
            reason.contains("link to data-owner: a message of") && reason.contains("were due"),
            "{reason}"
        );
    }

    // Another rotation in the place of one has the right length.
    let (&highest, steps) = levels.last_key_value().unwrap();
    let mut swapped = planned;
    swapped.rotations.remove(&steps[0]);
    let unused = (1..).find(|steps| !swapped.rotations.contains(steps)).unwrap();
    swapped.rotations.insert(unused);
    swapped.levels.rotations.insert(unused, highest);
    let reason = refused(&swapped);
    let missing = format!("no key for rotation by {}", steps[0]);
    assert!(reason.contains("the data owner's evaluation keys do not serve layer"), "{reason}");
    assert!(reason.contains(&missing), "{reason}");
}

/// A backend whose plans lack the last primes.
struct Shallow(&'static dyn Backend);

impl Backend for Shallow {
    fn profile(&self) -> Profile {
        self.0.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let mut plan = self.0.plan(architecture, job)?;
        let scheme = &mut plan.parameters["scheme"];
        scheme["data_prime_bits"].as_array_mut().unwrap().truncate(1);
        scheme["digits"] = 1.into();
        Ok(plan)
    }

    fn settings(&self) -> &'static [Setting] {
        self.0.settings()
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        self.0.join(role)
    }
}

#[test]
fn a_plan_with_too_few_primes_is_refused_by_both_parties() {
    for (backend, network, layout) in ways() {
        let done = session(&Shallow(backend), &network, layout, &test_networks::images(&network, 1, 3));
        for outcome in &done {
            let reason = outcome.error.as_ref().unwrap().to_string();
            assert!(
                reason.contains("1 primes for a network of") && reason.contains("plan it anew"),
                "{reason}"
            );
        }
    }
}

#[test]
fn keys_of_another_length_are_not_received() {
    for (backend, network, layout) in ways() {
        for message in 0..key_messages(backend, layout) {
            let interceptor = Arc::new(Longer(message));
            let done = intercepted(
                backend,
                &network,
                layout,
                &test_networks::images(&network, 1, 3),
                Some(interceptor),
            );
            let reason = done[1].error.as_ref().unwrap().to_string();
            let expected = reason.contains("link to data-owner: a message of") && reason.contains("were due");
            assert!(expected, "{layout:?}, message {message}: {reason}");
        }
    }
}
