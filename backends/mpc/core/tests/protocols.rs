//! What holds for every protocol, run through the interface all of them share.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use std::sync::Arc;

use session::{compile, format, images};
use veilbench_mpc::Error;
use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::oracle::evaluate;
use veilbench_mpc::ring::encode;
use veilbench_mpc::session::{DataOwner, Dealer, Dealing, ModelOwner, Peer, SetupSeeds, Step};

/// What a message is changed to on its way.
type Change<'a> = &'a dyn Fn(usize, &mut Vec<u8>);

/// The logits of two images, if the change of a message of the online phase is not noticed.
fn run<P: Dealing>(
    circuit: &Arc<Circuit>,
    model: &Model,
    images: &[f32],
    change: Change<'_>,
) -> Result<Vec<u64>, Error> {
    let count = images.len() / circuit.inputs();
    let (mut dealer, SetupSeeds { data_owner, model_owner }) = Dealer::<P>::new(Arc::clone(circuit))?;
    let (mut model_owner, weights) = ModelOwner::<P>::new(Arc::clone(circuit), model_owner, model.clone())?;
    let mut data_owner = DataOwner::<P>::new(Arc::clone(circuit), data_owner, &weights)?;
    let (mut client, differences) = data_owner.prepare(count);
    let mut server = model_owner.prepare(count);
    for corrections in dealer.batch(count) {
        server.receive(Peer::Dealer, corrections.to_model_owner())?;
        if let Some(keys) = corrections.to_data_owner() {
            client.receive(Peer::Dealer, keys)?;
        }
    }
    for differences in &differences {
        server.receive(Peer::DataOwner, differences)?;
    }
    let mut server = server.start()?;
    let (mut client, mut message) = client.start(images)?;
    for turn in 0.. {
        let receiver = if turn % 2 == 0 { &mut server } else { &mut client };
        change(turn, &mut message);
        match receiver.receive(&message) {
            Ok(Step::Send(next) | Step::Last(next)) => message = next,
            Ok(Step::Wait) => panic!("with trees no message follows another"),
            Ok(Step::Logits(logits)) => return Ok(logits),
            Err(error) => {
                let again = receiver.receive(&message).map(|_| ());
                assert!(matches!(again, Err(Error::OutOfOrder { .. })), "{again:?} after {error}");
                return Err(error);
            }
        }
    }
    unreachable!("a run ends")
}

fn logits_are_the_oracles<P: Dealing>() {
    for (name, ring_bytes, bits) in [
        ("mnist-mlp", 8, 14),
        ("mnist-cnn", 8, 12),
        ("mnist-cnn-poly", 8, 12),
        ("max-pools", 6, 14),
        ("no-activation", 8, 16),
        ("ends-in-a-pool", 7, 16),
        ("ends-in-a-pool-poly", 8, 13),
        ("residual", 8, 14),
        ("residual", 6, 13),
        ("residual-poly", 8, 12),
    ] {
        let (circuit, model) = compile(name, format(ring_bytes, bits));
        let images = images(&circuit, 2, 3);
        let encoded: Vec<u64> = images.iter().map(|&value| encode(f64::from(value), bits).unwrap()).collect();
        let logits = run::<P>(&circuit, &model, &images, &|_, _| {}).unwrap();
        for (logit, expected) in logits.iter().zip(evaluate(&circuit, &model, &encoded)) {
            let error = circuit.decode(*logit) - circuit.decode(expected);
            assert!(error.abs() < 2f64.powi(6 - bits as i32), "{name}: off by {error}");
        }
    }
}

/// Every message of the online phase, a byte shorter, a byte longer, empty, and cut to any half.
fn other_lengths_end_the_run<P: Dealing>() {
    for name in ["ends-in-a-pool", "ends-in-a-pool-poly", "max-pools", "residual"] {
        let (circuit, model) = compile(name, format(8, 13));
        let images = images(&circuit, 1, 3);
        let turns = std::cell::Cell::new(0);
        run::<P>(&circuit, &model, &images, &|turn, _| turns.set(turn + 1)).unwrap();
        for victim in 0..turns.get() {
            for length in [|length| length - 1, |length| length + 1, |_| 0, |length: usize| length / 16 * 8] {
                let change = |turn, message: &mut Vec<u8>| {
                    if turn == victim {
                        message.resize(length(message.len()), 0);
                    }
                };
                let error = run::<P>(&circuit, &model, &images, &change).unwrap_err();
                assert!(matches!(error, Error::Length { .. }), "{name}, message {victim}: {error}");
            }
        }
    }
}

#[test]
fn masked_wires_agree_with_the_oracle() {
    logits_are_the_oracles::<Masked>();
}

#[test]
fn beaver_agrees_with_the_oracle() {
    logits_are_the_oracles::<Beaver>();
}

#[test]
fn masked_wires_end_at_a_message_of_another_length() {
    other_lengths_end_the_run::<Masked>();
}

#[test]
fn beaver_ends_at_a_message_of_another_length() {
    other_lengths_end_the_run::<Beaver>();
}
