//! Answers of one image in each slot, and those that are none.

use super::*;
use crate::planning::pairs::SLOTS;
use crate::planning::plan::{CkksPlan, LAYOUT};
use crate::roles::guard;
use veilbench_api::conformance::test_networks;
use veilbench_api::{Backend, Job, LinkProfile};

/// The data owner of a small network, with a key of its own and slots that hold what is asked for.
fn client(slots: &str) -> Client {
    let network = test_networks::supported(&crate::Ckks, 1).unwrap();
    let mut job = Job::new(1, 1, LinkProfile::loopback());
    job.settings.insert(LAYOUT.key.into(), "throughput".into());
    job.settings.insert(SLOTS.key.into(), slots.into());
    let plan = crate::Ckks.plan(&network.architecture, &job).unwrap();
    let scheme = CkksPlan::from_plan(&plan).unwrap().scheme;
    let circuit = Circuit::new(&network.architecture, None).unwrap();
    let (classes, logit_unit) = (circuit.logits(), circuit.logit_unit());
    let secret = SecretKey::generate(&scheme.context().unwrap(), &mut Randomness::from_system().unwrap());
    let deviation = circuit.logit_deviation(&scheme, false) / logit_unit;
    let guard = Guard::new(secret.id(), 0, classes, scheme.period(secret.context()));
    Client {
        schedule: Schedule::new(&circuit.guarded(&guard)),
        tolerance: guard::tolerance(deviation, deviation, classes),
        secret,
        scheme,
        guard,
        classes,
        logit_unit,
        recorder: Recorder::default(),
    }
}

/// What the client makes of logits of one half and a guard that is off by so much, of the first and the second image of a slot.
fn decrypted(client: &Client, off: [f64; 2]) -> Option<Vec<Vec<f64>>> {
    let (context, slots) = (client.secret.context(), client.scheme.slots());
    let scale = f64::from(client.scheme.map_scale_bits).exp2();
    let guard = off.map(|off| client.guard.sum(&vec![0.5; client.classes]) + off);
    let columns = std::iter::repeat_n([0.5; 2], client.classes).chain([guard]);
    let answer: Vec<u8> = columns
        .flat_map(|[first, second]| {
            let mut values = [vec![first; slots], vec![second; slots]].concat();
            values.truncate(client.scheme.images());
            let column = encrypt_images(&client.secret, &client.scheme, &values, scale, 0).unwrap();
            column.expand(context).unwrap().to_bytes(context).unwrap()
        })
        .collect();
    client.decrypt(&answer).unwrap()
}

#[test]
fn logits_whose_guard_is_not_their_sum_are_no_answer() {
    for slots in ["real", "complex"] {
        let client = client(slots);
        assert!(client.tolerance < 1.0 / 64.0, "{}", client.tolerance);
        let logits = decrypted(&client, [0.0; 2]).unwrap();
        assert_eq!(logits.len(), client.classes);
        assert!(logits.iter().all(|own| own.len() == client.scheme.images()));
        assert!(logits.iter().flatten().all(|logit| (logit - 0.5).abs() < 1e-3));
        for off in [2.0 * client.tolerance, -0.1, 1.0] {
            assert_eq!(decrypted(&client, [off; 2]), None, "{slots}: {off}");
        }
    }
}

#[test]
fn a_guard_that_is_off_in_one_half_of_the_slots_is_seen() {
    let client = client("complex");
    for off in [[0.1, 0.0], [0.0, 0.1], [0.1, -0.1], [4.0 * client.tolerance, -4.0 * client.tolerance]] {
        assert_eq!(decrypted(&client, off), None, "{off:?}");
    }
}
