//! Evaluation keys that lack something are refused by the layer that needs it.

use veilbench_ckks::{Randomness, SecretKey};

use super::*;
use crate::planning::plan::{CkksPlan, LAYOUT};
use veilbench_api::conformance::test_networks;
use veilbench_api::{Backend, Job, LinkProfile};

/// A network's circuit with its plan in a layout.
fn planned(layout: &str) -> (Circuit, CkksPlan) {
    let network = test_networks::supported(&crate::Ckks, 1).unwrap();
    let mut job = Job::new(1, 1, LinkProfile::loopback());
    job.settings.insert(LAYOUT.key.into(), layout.into());
    let plan = crate::Ckks.plan(&network.architecture, &job).unwrap();
    (Circuit::new(&network.architecture, None).unwrap(), CkksPlan::from_plan(&plan).unwrap())
}

fn generate(plan: &CkksPlan, request: &KeyRequest) -> (Context, SeededEvaluationKeys) {
    let context = plan.scheme.context().unwrap();
    let mut random = Randomness::from_system().unwrap();
    let secret = SecretKey::generate(&context, &mut random);
    (context.clone(), SeededEvaluationKeys::generate(&secret, request, &mut random))
}

fn reason(result: Result<(), Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_missing_key_is_named_with_the_layer_that_needs_it() {
    let (circuit, plan) = planned("latency");
    let program = PackedCircuit::new(&circuit, plan.scheme.slots()).unwrap().with_key_cost(plan.key_cost);
    let depth = plan.scheme.depth();
    let check = |request: &KeyRequest| {
        let (context, keys) = generate(&plan, request);
        check_program(&keys, &context, &program, depth)
    };
    let everything = plan.scheme.key_request(&program.rotations(depth));
    check(&everything).unwrap();
    let first = &program.layers[0].name;
    let (&highest, steps) = plan.rotations.last_key_value().unwrap();

    let none = reason(check(&KeyRequest::default()));
    assert!(none.contains("the data owner's evaluation keys do not serve layer"), "{none}");
    assert!(none.contains(&format!("layer {first}: the evaluation keys hold no key for rotation")), "{none}");

    let mut cut = everything.clone();
    cut.levels.rotations.insert(steps[0], highest - 1);
    let low = reason(check(&cut));
    assert!(low.contains(&format!("layer {first}: the key for rotation by {}", steps[0])), "{low}");
    assert!(low.contains(&format!("levels up to {}, not {highest}", highest - 1)), "{low}");

    let mut cut = everything.clone();
    cut.levels.relinearisation = Some(0);
    let low = reason(check(&cut));
    assert!(low.contains("the key for products serves levels up to 0"), "{low}");

    let unsquared = reason(check(&KeyRequest { relinearisation: false, ..everything }));
    assert!(unsquared.contains("no relinearisation key"), "{unsquared}");
}

#[test]
fn a_key_for_products_that_serves_too_few_levels_is_named_with_the_activation() {
    let (circuit, plan) = planned("throughput");
    let request = plan.scheme.key_request(&Default::default());
    let (context, keys) = generate(&plan, &request);
    check_circuit(&keys, &context, &circuit).unwrap();
    let mut low = request;
    low.levels.relinearisation = Some(0);
    let (context, keys) = generate(&plan, &low);
    let reason = reason(check_circuit(&keys, &context, &circuit));
    let activation = &circuit.stages[0].activation.as_ref().unwrap().name;
    assert!(reason.contains(&format!("do not serve layer {activation}: the key for products")), "{reason}");
}
