//! Attacks that a review found, each of which now fails.

mod session;

use std::sync::Arc;

use session::{Session, body, compile, format, images, parameters, program};
use veilbench_mpc::Error;
use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::{LayerParameters, Model};
use veilbench_mpc::session::{Corrections, DataOwner, Dealer, ModelOwner, Peer, SetupSeeds, Step};

/// A dealer makes one setup seed for each party, and joining consumes it. Whoever joins anew needs another dealer, whose masks
/// have nothing to do with the first one's: neither images nor weights show in differences.
#[test]
fn two_sessions_on_one_image_and_one_model_share_no_mask() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let image = images(&circuit, 1, 1);
    let sent = || {
        let (_, SetupSeeds { data_owner, model_owner }) =
            Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
        let (_, weights) =
            ModelOwner::<Masked>::new(Arc::clone(&circuit), model_owner, model.clone()).unwrap();
        let mut data_owner = DataOwner::<Masked>::new(Arc::clone(&circuit), data_owner, &weights).unwrap();
        let (_, input) = data_owner.prepare(1).0.start(&image).unwrap();
        (body(&weights).to_vec(), input)
    };
    let (first, second) = (sent(), sent());
    for (first, second) in [(first.0, second.0), (first.1, second.1)] {
        let same = first.chunks_exact(8).zip(second.chunks_exact(8)).filter(|(a, b)| a == b).count();
        assert_eq!(same, 0);
    }
}

fn refused<T>(result: Result<T, Error>, by: &str) -> bool {
    matches!(result.map(|_| ()), Err(Error::WrongRandomness { what, .. }) if what == by)
}

/// A correction says which gate it is for: one replayed for another gate of the same size would open bits under one mask
/// twice.
#[test]
fn a_correction_replayed_for_another_gate_is_refused() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let mut session = Session::fresh(&circuit, &model);
    let corrections: Vec<Corrections> = session.dealer.batch(1).collect();
    assert_eq!(corrections[0].to_model_owner().len(), corrections[1].to_model_owner().len());
    let mut server = session.model_owner.prepare(1);
    server.receive(Peer::Dealer, corrections[0].to_model_owner()).unwrap();
    assert!(refused(server.receive(Peer::Dealer, corrections[0].to_model_owner()), "gate"));
}

#[test]
fn messages_of_another_session_are_refused_in_every_phase() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let (mut session, mut other) = (Session::fresh(&circuit, &model), Session::fresh(&circuit, &model));
    let correction = other.dealer.batch(1).next().unwrap();
    let (_, differences) = other.data_owner.prepare(1);
    let (mut first, mut second) = (session.model_owner.prepare(1), session.model_owner.prepare(1));
    assert!(refused(first.receive(Peer::Dealer, correction.to_model_owner()), "session"));
    assert!(refused(second.receive(Peer::DataOwner, &differences[0]), "session"));

    let (_, seeds) = Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
    let (_, weights) = ModelOwner::<Masked>::new(Arc::clone(&circuit), seeds.model_owner, model).unwrap();
    let (_, seeds) = Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
    assert!(refused(DataOwner::<Masked>::new(circuit, seeds.data_owner, &weights), "session"));
}

/// Fractional bits moved from weights to activations change no length and no shape.
#[test]
fn a_party_that_compiled_another_circuit_is_noticed() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    let other = veilbench_mpc::circuit::Format { activation_bits: 15, weight_bits: 17, ..format(8, 16) };
    let (other, _) = compile("mnist-mlp", other);
    let (_, SetupSeeds { data_owner, model_owner }) = Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
    let (_, weights) = ModelOwner::<Masked>::new(circuit, model_owner, model).unwrap();
    assert!(refused(DataOwner::<Masked>::new(other, data_owner, &weights), "a circuit with the fingerprint"));
}

/// BatchSplit where one item ends, or empty: either is an error, and the party refuses to go on.
#[test]
fn a_message_cut_between_two_items_and_an_empty_one_end_the_run() {
    let (circuit, model) = compile("mnist-mlp", format(8, 16));
    for empty in [true, false] {
        let mut session = Session::fresh(&circuit, &model);
        let (client, differences) = session.data_owner.prepare(1);
        let mut server = session.model_owner.prepare(1);
        for correction in session.dealer.batch(1) {
            server.receive(Peer::Dealer, correction.to_model_owner()).unwrap();
        }
        server.receive(Peer::DataOwner, &differences[0]).unwrap();
        let mut server = server.start().unwrap();
        let (mut client, message) = client.start(&images(&circuit, 1, 1)).unwrap();
        let over = |turn| matches!(turn, Err(Error::OutOfOrder { .. }));
        if empty {
            assert!(matches!(server.receive(&[]), Err(Error::Length { expected: 6272, actual: 0, .. })));
            assert!(over(server.receive(&message)));
        } else {
            let Step::Send(answer) = server.receive(&message).unwrap() else { panic!("an answer") };
            let linear = 128 * 8;
            let refused = client.receive(&answer[..linear]);
            assert!(matches!(refused, Err(Error::Length { expected: 1248, actual: 1024, .. })));
            assert!(over(client.receive(&answer)));
        }
    }
}

#[test]
fn a_model_of_another_circuit_with_as_many_gates_is_refused() {
    let (circuit, _) = compile("mnist-mlp", format(8, 16));
    let mut wider = program("mnist-mlp");
    wider.input = veilbench_networks::Shape::image(1, 27, 28);
    let same = program("mnist-mlp");
    for (other, format) in [(wider, format(8, 16)), (same, format(8, 15))] {
        let other_circuit = Circuit::compile(&other, format).unwrap();
        let model = Model::encode(&other_circuit, &parameters(&other, 1)).unwrap();
        let (_, seeds) = Dealer::<Masked>::new(Arc::clone(&circuit)).unwrap();
        let joined = ModelOwner::<Masked>::new(Arc::clone(&circuit), seeds.model_owner, model).map(|_| ());
        assert_eq!(joined, Err(Error::OtherCircuit));
    }
}

#[test]
fn neither_errors_nor_debug_print_what_is_secret() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    let mut session = Session::fresh(&circuit, &model);
    let mut image = vec![0.0; circuit.inputs()];
    image[3] = 4.125;
    let error = session.data_owner.prepare(1).0.start(&image).map(|_| ()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("4.125") && error.to_string().contains("input value 3"));
    let mut huge = parameters(&program("ends-in-a-pool"), 1);
    let LayerParameters::Affine { weights, .. } = &mut huge[0] else { panic!("a convolution") };
    weights[5] = 7.25e30;
    let error = Model::encode(&circuit, &huge).map(|_| ()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("7.25") && error.to_string().contains("parameter 5"));
    let weights = LayerParameters::Affine { weights: vec![0.7125], bias: vec![] };
    assert_eq!(format!("{weights:?}"), "Affine(1 weights, 0 biases)");
    assert_eq!(format!("{:?}", Step::Logits(vec![81_985_529])), "Logits(1 values)");
    let analysis = veilbench_mpc::oracle::analyse(&circuit, &model).unwrap();
    assert_eq!(format!("{analysis:?}"), "Analysis(..)");
}
