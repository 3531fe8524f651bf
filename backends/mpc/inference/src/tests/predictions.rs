//! What plans predict, beside what local sessions send.

use veilbench_networks::{Dense, Op, Shape};

use super::*;
use veilbench_api::conformance::test_networks::test_network;
use veilbench_api::{Job, LinkProfile};
use veilbench_results::Predicted;

fn predicted(plan: &Plan) -> &Predicted {
    plan.prediction.as_ref().unwrap()
}

#[test]
fn predicted_bytes_are_those_that_are_sent() {
    for network in test_networks::all() {
        let backends = backends_of_either_width();
        for (backend, batch) in backends.iter().flat_map(|backend| [(backend, 1), (backend, 21)]) {
            let session = LocalSession::new(backend.as_ref(), &network, batch);
            let plan = backend.plan(&network.architecture, &session.job).unwrap();
            let done = session.run(&[test_networks::images(&network, batch, 3)]).unwrap();
            let sent = |phase: usize| -> u64 {
                let exchanged = done.iter().flat_map(|role| &role.phases[phase].exchanged);
                exchanged.map(|exchanged| exchanged.sent_bytes).sum()
            };
            let name = format!("{} of {}", backend.profile().name, network.architecture.name);
            assert_eq!(predicted(&plan).setup_bytes, Some(sent(0)), "{name}");
            assert_eq!(predicted(&plan).offline_bytes, Some(sent(1)), "{name}");
            assert_eq!(predicted(&plan).online_bytes, Some(sent(2)), "{name}");
        }
    }
}

/// Of the small networks that ship, bits of the widest ring, of activations and of weights, and bytes online under `mpc` and `mpc-fss`, as the reference run measured
/// them.
const SHIPPED: [(&str, [u32; 3], [u64; 2]); 8] = [
    ("malaria-cnn", [48, 15, 18], [229_362, 181_482]),
    ("malaria-cnn-poly", [64, 13, 19], [238_806, 238_806]),
    ("melanoma-lenet", [46, 15, 18], [124_995, 111_243]),
    ("melanoma-lenet-poly", [64, 14, 18], [132_570, 132_570]),
    ("mnist-cnn", [47, 15, 18], [9_918, 8_682]),
    ("mnist-cnn-poly", [64, 16, 18], [12_061, 12_061]),
    ("mnist-mlp", [47, 15, 18], [7_062, 6_678]),
    ("mnist-mlp-poly", [64, 16, 18], [9_174, 9_174]),
];

/// The same under `mpc-beaver`, which has one ring of whole bytes. What changes these makes that run void.
const SHIPPED_IN_BYTES: [(&str, [u32; 3], u64); 8] = [
    ("malaria-cnn", [48, 15, 18], 2_683_930),
    ("malaria-cnn-poly", [64, 13, 19], 1_872_687),
    ("melanoma-lenet", [48, 16, 19], 975_802),
    ("melanoma-lenet-poly", [64, 14, 18], 814_644),
    ("mnist-cnn", [48, 16, 19], 82_841),
    ("mnist-cnn-poly", [64, 16, 18], 68_329),
    ("mnist-mlp", [48, 16, 19], 37_664),
    ("mnist-mlp-poly", [64, 16, 18], 39_708),
];

/// Nothing if the plan for an image of a network has these bits of the ring, of activations and of weights, and predicts so many bytes online.
fn other_than<P: Dealing>(backend: &Mpc<P>, name: &str, bits: [u32; 3], bytes: u64) -> Option<String> {
    let network = zoo::load(name).unwrap();
    let job = LocalSession::new(backend, &network, 1).job;
    let plan = backend.plan(&network.architecture, &job).unwrap();
    let (_, circuit, _) = backend.compile(&network.architecture, &plan).unwrap();
    let format::Parameters { ring_bits, activation_bits, weight_bits, .. } =
        serde_json::from_value(plan.parameters.clone()).unwrap();
    let found = ([ring_bits, activation_bits, weight_bits], predicted(&plan).online_bytes);
    let cost = Cost::of::<P>(&circuit);
    let name = format!("{} of {name}", backend.name);
    println!(
        "{name}: {found:?}, offline {}, rounds {}, {}",
        cost.offline(1).bytes,
        cost.rounds(),
        plan.notes[0]
    );
    (found != (bits, Some(bytes))).then(|| format!("{name}: {found:?}"))
}

#[test]
fn networks_that_ship_have_these_formats_and_bytes() {
    let mut differ = Vec::new();
    for (name, bits, [tree, function]) in SHIPPED {
        differ.extend(other_than(&comparison_tree(), name, bits, tree));
        differ.extend(other_than(&fss(), name, bits, function));
    }
    for (name, bits, bytes) in SHIPPED_IN_BYTES {
        differ.extend(other_than(&beaver(), name, bits, bytes));
    }
    assert!(differ.is_empty(), "{differ:#?}");
}

/// A batch of malaria has all its randomness ahead, and its messages in the rounds of one image.
#[test]
fn a_batch_of_malaria_is_dealt_ahead() {
    let network = zoo::load("malaria-cnn").unwrap();
    for (backend, rounds, most) in [(comparison_tree(), 14, 25_000_000), (fss(), 8, 20_000_000)] {
        let job = Job::new(100, 2, LinkProfile::loopback());
        let plan = backend.plan(&network.architecture, &job).unwrap();
        let (_, circuit, cut) = backend.compile(&network.architecture, &plan).unwrap();
        assert_eq!(cut.ahead(), 100, "{}", backend.name);
        assert_eq!(Cost::of::<Masked>(&circuit).rounds(), rounds);
        let online = predicted(&plan).online_bytes.unwrap();
        println!("{}: {online} bytes online", backend.name);
        assert!(online <= most, "{}: {online} bytes online", backend.name);
    }
}

/// Batches whose randomness does not fit ahead are dealt while online.
#[test]
fn windows_that_are_dealt_late_count_as_online() {
    let network = zoo::load("mnist-mlp").unwrap();
    let job = Job::new(7, 1, LinkProfile::loopback());
    let plan = |ahead: usize| {
        let lowered = lower(&network.architecture).unwrap();
        let (circuit, _) =
            format::choose(&lowered, SignProtocol::Function, Width::Bits, Room::Narrow).unwrap();
        let cost = Cost::of::<Masked>(&circuit);
        let cut = BatchSplit::new(1, ahead);
        let rates = Rates { comparison: 1, square: 1 };
        let gates = cut.gates(&cost);
        let (late, _) =
            Predictor { cost, randomness_bytes: 1, rates, cut, gates, job: &job, in_enclave: false }
                .predict();
        (late.online_bytes.unwrap() as usize, Cost::of::<Masked>(&circuit).offline(1).bytes)
    };
    let ((whole, dealt), (cut, _)) = (plan(7), plan(3));
    // Four images of two windows, before each of which the dealer says which.
    assert_eq!(cut, whole + 4 * dealt + 2 * window_header(&(0..1)).len());
}

#[test]
fn predicted_times_follow_operations_threads_and_links() {
    let dense = |inputs, outputs| Op::Dense(Dense { inputs, outputs });
    let network = |width, depth: usize| {
        let mut ops = vec![dense(784, width)];
        (0..depth).for_each(|_| ops.extend([Op::Relu, dense(width, width)]));
        ops.extend([Op::Relu, dense(width, 10)]);
        test_network("network", Shape::Flat(784), &ops)
    };
    let [small, wide, deep] = [network(10, 0), network(1500, 0), network(10, 20)];
    for backend in backends() {
        let plan = |network: &Network, batch, threads, link| {
            let plan = backend.plan(&network.architecture, &Job::new(batch, threads, link)).unwrap();
            plan.predicted_batch_ns.unwrap()
        };
        let loopback = LinkProfile::loopback;
        let one = plan(&small, 1, 1, loopback());
        assert!(one > 0);
        for more in [
            plan(&wide, 1, 1, loopback()),
            plan(&deep, 1, 1, loopback()),
            plan(&small, 1, 1, LinkProfile::lan()),
            plan(&small, 100, 1, loopback()),
        ] {
            assert!(more > one, "{more} after {one}");
        }
        // Ten messages and more, twenty milliseconds each way.
        assert!(plan(&small, 1, 1, LinkProfile::wan()) > 60_000_000);
        assert!(plan(&wide, 100, 2, loopback()) < plan(&wide, 100, 1, loopback()));
        // A hundred images are far more work than one, and messages of them follow each other.
        let (one, hundred) = (plan(&wide, 1, 1, loopback()), plan(&wide, 100, 1, loopback()));
        assert!(hundred > 40 * one && hundred <= 100 * one, "{hundred} after {one}");
    }
}

#[test]
fn what_an_image_takes_is_told_in_a_unit_that_shows_it() {
    let network = test_network("small", Shape::Flat(4), &[Op::Dense(Dense { inputs: 4, outputs: 2 })]);
    let plan = comparison_tree()
        .plan(&network.architecture, &Job::new(100_000_000, 1, LinkProfile::loopback()))
        .unwrap();
    let note = plan.notes.iter().find(|note| note.starts_with("randomness takes")).unwrap();
    assert!(note.contains(" an image: ") && !note.contains(" 0 ") && !note.contains(" 0.0 "), "{note}");
}
