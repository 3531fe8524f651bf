//! Evaluation keys that lack something are refused by the layer that needs it.

use veilbench_ckks::{Randomness, SecretKey};

use super::*;
use crate::planning::pairs::Pairs;
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
        check_program(&keys, &context, &program, &plan.scheme)
    };
    let everything = plan.scheme.key_request(&plan.scheme.rotation_keys(program.rotations(depth)));
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
    check_circuit(&keys, &context, &circuit, &plan.scheme).unwrap();
    let mut low = request;
    low.levels.relinearisation = Some(0);
    let (context, keys) = generate(&plan, &low);
    let reason = reason(check_circuit(&keys, &context, &circuit, &plan.scheme));
    let activation = &circuit.stages[0].activation.as_ref().unwrap().name;
    assert!(reason.contains(&format!("do not serve layer {activation}: the key for products")), "{reason}");
}

#[test]
fn keys_that_squares_of_two_images_miss_are_named_with_the_activation() {
    let (mut circuit, mut plan) = planned("throughput");
    (plan.scheme.pairs, plan.scheme.long_digits) = (Some(Pairs::Squares), false);
    let singles = plan.scheme.key_request(&Default::default());
    let (context, keys) = generate(&plan, &singles);
    check_circuit(&keys, &context, &circuit, &plan.scheme).unwrap();
    let refused = |request: &KeyRequest, circuit: &Circuit| {
        let (context, keys) = generate(&plan, request);
        reason(check_circuit(&keys, &context, circuit, &plan.scheme))
    };
    let name = circuit.stages[0].activation.as_ref().unwrap().name.clone();
    let unconjugated = refused(&KeyRequest { pair_squares: None, ..singles.clone() }, &circuit);
    let expected = format!("do not serve layer {name}: the evaluation keys hold no key for conjugation");
    assert!(unconjugated.contains(&expected), "{unconjugated}");
    let low = Some(PairSquares { level: 0, sums: false });
    let low = refused(&KeyRequest { pair_squares: low, ..singles.clone() }, &circuit);
    assert!(low.contains("the key for conjugation serves levels up to 0"), "{low}");
    circuit.stages[0].activation.as_mut().unwrap().terms = 4;
    let unsummed = refused(&singles, &circuit);
    assert!(unsummed.contains("none for sums of squares of pairs"), "{unsummed}");
    let mut sums = plan.clone();
    sums.scheme.pairs = Some(Pairs::SumsOfSquares);
    let (context, keys) = generate(&sums, &sums.scheme.key_request(&Default::default()));
    check_circuit(&keys, &context, &circuit, &sums.scheme).unwrap();
}
