//! What a review found, each as a run that shows it. These hold as long as the finding is open.

mod session;

use std::sync::Arc;

use session::{Session, architecture, compile, format, images, parameters};
use veilbench_mpc::Error;
use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::masked::{Corrections, DataOwner, Dealer, ModelOwner, Turn};
use veilbench_mpc::model::{LayerParameters, Model};
use veilbench_mpc::oracle::evaluate;
use veilbench_mpc::random::Seed;
use veilbench_mpc::ring::encode;

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// A dealer hands the same seed to whoever asks: a data owner that joins again masks its next image with the first one's mask.
#[test]
fn a_second_data_owner_of_one_dealer_reuses_every_mask() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let dealer = Dealer::new(Arc::clone(&circuit)).unwrap();
    let seed = Seed::from_bytes(dealer.seed_for_model_owner());
    let (_, masked) = ModelOwner::new(Arc::clone(&circuit), seed, model).unwrap();
    let [first, second] = [1, 2].map(|image| {
        let seed = Seed::from_bytes(dealer.seed_for_data_owner());
        let mut data_owner = DataOwner::new(Arc::clone(&circuit), seed, &masked).unwrap();
        let image = images(&circuit, 1, image);
        let (_, message) = data_owner.prepare(1).0.start(&image).unwrap();
        (image, words(&message))
    });
    for at in 0..circuit.inputs() {
        let leaked = first.1[at].wrapping_sub(second.1[at]) as i64 as f64 / 65536.0;
        assert!((leaked - f64::from(first.0[at] - second.0[at])).abs() < 3e-5);
    }
}

/// Likewise a model owner: the difference of two models is in the clear at the data owner.
#[test]
fn a_second_model_under_one_seed_shows_the_difference_of_the_weights() {
    let architecture = architecture("mnist-mlp");
    let (circuit, _) = compile("mnist-mlp", format(8, 16));
    let dealer = Dealer::new(Arc::clone(&circuit)).unwrap();
    let [first, second] = [1, 2].map(|seed| {
        let parameters = parameters(&architecture, seed);
        let model = Model::encode(&circuit, &parameters).unwrap();
        let seed = Seed::from_bytes(dealer.seed_for_model_owner());
        let LayerParameters::Affine { weights, .. } = parameters[1].clone() else { panic!("a dense layer") };
        (weights, words(&ModelOwner::new(Arc::clone(&circuit), seed, model).unwrap().1))
    });
    for at in 0..first.0.len() {
        let leaked = first.1[at].wrapping_sub(second.1[at]) as i64 as f64 / 65536.0;
        assert!((leaked - f64::from(first.0[at] - second.0[at])).abs() < 3e-5);
    }
}

/// A correction says its batch but not its gate: one replayed for another gate of the same size is taken. Both comparisons
/// then open bits under the same masks, and their difference tells the data owner, for every byte of every mask `r'` of the
/// first layer, whether it lies between two bytes it knows; with `y + r'` that is information on hidden activations.
#[test]
fn a_correction_replayed_for_another_gate_is_taken_and_its_masks_open_twice() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let image = images(&circuit, 1, 1);
    let mut session = Session::fresh(&circuit, &model);
    let seed = Seed::from_bytes(session.dealer.seed_for_data_owner());
    let corrections: Vec<Corrections> = session.dealer.batch(1).collect();
    let (client, differences) = session.data_owner.prepare(1);
    let mut server = session.model_owner.prepare(1);
    server.receive_from_data_owner(&differences).unwrap();
    for replayed in [0, 0, 2] {
        server.receive_from_dealer(&corrections[replayed].to_model_owner).unwrap();
    }
    let mut server = server.start().unwrap();
    let (mut client, mut message) = client.start(&image).unwrap();
    let mut to_data_owner = Vec::new();
    loop {
        let (Turn::Send(answer) | Turn::Last(answer)) = server.receive(&message).unwrap() else {
            panic!("the model owner has no logits")
        };
        to_data_owner.push(answer);
        match client.receive(to_data_owner.last().unwrap()).unwrap() {
            Turn::Send(next) => message = next,
            Turn::Logits(_) => break,
            Turn::Last(_) => panic!("the data owner sends no last message"),
        }
    }

    // What the data owner has: both layers' y + r', the model owner's masked bits, and its own tables of gate 1.
    let opened = [&to_data_owner[0], &to_data_owner[2]];
    let tables = seed.derive(0).stream(1 << 3).words(128 * 8 * 4);
    let seen = |message: &[u8], lane: usize, byte: usize| {
        let value = usize::from(message[8 * lane + byte]);
        let bits = words(&message[1024..]);
        let sent = bits[lane / 64 * 14 + 7 + byte] >> (lane % 64) & 1;
        let table = tables[(lane * 8 + byte) * 4 + value / 64] >> (value % 64) & 1;
        sent ^ table ^ u64::from(value == 255)
    };
    // What it must not learn anything about.
    let mut first_layer = architecture("mnist-mlp");
    first_layer.layers.truncate(2);
    let first = Circuit::compile(&first_layer, format(8, 16)).unwrap();
    let first_model = Model::encode(&first, &parameters(&first_layer, 1)).unwrap();
    let input: Vec<u64> = image.iter().map(|&value| encode(f64::from(value), 16).unwrap()).collect();
    let hidden = evaluate(&first, &first_model, &input);
    let masked = words(&opened[0][..1024]);
    let mut between = 0;
    for lane in 0..128 {
        let mask = masked[lane].wrapping_sub(hidden[lane]).to_le_bytes();
        for byte in 0..7 {
            let [a, b] = opened.map(|message| message[8 * lane + byte] < mask[byte]);
            assert_eq!(seen(opened[0], lane, byte) ^ seen(opened[1], lane, byte), u64::from(a != b));
            between += usize::from(a != b);
        }
    }
    assert!(between > 200, "{between} of 896 bytes of masks are known to lie in a part of their range");
}

/// A message cut where one item ends is no error: the party answers and the run goes on out of step. A party that was
/// given an empty message reports an error and goes on all the same.
#[test]
fn a_message_cut_between_two_items_is_answered_and_an_empty_one_does_not_end_the_run() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let mut session = Session::fresh(&circuit, &model);
    let (client, differences) = session.data_owner.prepare(1);
    let mut server = session.model_owner.prepare(1);
    for correction in session.dealer.batch(1) {
        server.receive_from_dealer(&correction.to_model_owner).unwrap();
    }
    server.receive_from_data_owner(&differences).unwrap();
    let mut server = server.start().unwrap();
    let (mut client, message) = client.start(&images(&circuit, 1, 1)).unwrap();
    assert!(matches!(server.receive(&[]), Err(Error::Length { .. })));
    let Turn::Send(answer) = server.receive(&message).unwrap() else { panic!("an answer") };
    let linear = 128 * 8;
    let Turn::Send(early) = client.receive(&answer[..linear]).unwrap() else { panic!("an answer") };
    assert_eq!(early.len(), 14 * 16, "the first round of the comparison alone");
}

/// `Error::Shape` is promised for a model of another circuit.
#[test]
fn a_model_of_another_circuit_with_as_many_gates_panics() {
    let (circuit, _) = compile("mnist-mlp", format(8, 16));
    let mut other = architecture("mnist-mlp");
    other.input = veilbench_mpc::network::Shape::image(1, 27, 28);
    let other_circuit = Circuit::compile(&other, format(8, 16)).unwrap();
    let model = Model::encode(&other_circuit, &parameters(&other, 1)).unwrap();
    let joined =
        std::panic::catch_unwind(|| ModelOwner::new(circuit, Seed::from_bytes([1; 16]), model).map(|_| ()));
    assert!(joined.is_err());
}

/// Errors and `Debug` carry what is secret.
#[test]
fn a_pixel_and_a_weight_are_printed() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    let mut session = Session::fresh(&circuit, &model);
    let mut image = vec![0.0; circuit.inputs()];
    image[3] = 4.125;
    let error = session.data_owner.prepare(1).0.start(&image).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("4.125"));
    let weights = LayerParameters::Affine { weights: vec![0.7125], bias: vec![] };
    assert!(format!("{weights:?}").contains("0.7125"));
    assert!(format!("{:?}", Turn::Logits(vec![81_985_529])).contains("81985529"));
}
