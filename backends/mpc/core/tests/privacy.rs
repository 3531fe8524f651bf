//! What a party sees: uniform bytes, lengths that say nothing, nothing twice.

mod session;

use std::collections::HashSet;
use std::sync::Arc;

use session::{Inference, Session, body, by_function, compile, format, images, to_parties};
use veilbench_mpc::Error;
use veilbench_mpc::random::Seed;
use veilbench_mpc::session::{Corrections, Dealer, Peer, Step};

/// Chi-square over the 256 byte values, as standard deviations from its mean.
fn chi_square_deviation(counts: &[u64; 256]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / 256.0;
    let chi_square: f64 = counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
    (chi_square - 255.0) / 510f64.sqrt()
}

fn count(counts: &mut [u64; 256], messages: &[Vec<u8>]) {
    for byte in messages.iter().flatten() {
        counts[usize::from(*byte)] += 1;
    }
}

/// Comparison keys are left out: one bit of every correction is always zero.
#[test]
fn each_partys_transcript_is_uniform_though_the_input_never_changes() {
    for (name, format) in [
        ("mnist-cnn", format(8, 12)),
        ("mnist-cnn-poly", format(8, 12)),
        ("max-pools", format(6, 12)),
        ("ends-in-a-pool", by_function(format(8, 12))),
        ("residual", format(8, 12)),
        ("residual-poly", format(8, 12)),
    ] {
        let (circuit, model) = compile(name, format);
        let images = vec![0.0; circuit.inputs()];
        let (mut at_model_owner, mut at_data_owner) = ([0; 256], [0; 256]);
        let mut session = Session::fresh(&circuit, &model);
        for _ in 0..300 {
            let inference = session.infer(&images);
            count(&mut at_model_owner, &inference.to_model_owner);
            count(&mut at_model_owner, &[body(&inference.differences).to_vec()]);
            for correction in &inference.corrections {
                if let Corrections::Shares(message) = correction {
                    count(&mut at_model_owner, &[body(message).to_vec()]);
                }
            }
            count(&mut at_data_owner, &inference.to_data_owner);
        }
        for counts in [at_model_owner, at_data_owner] {
            let deviation = chi_square_deviation(&counts);
            assert!(deviation.abs() < 5.0, "{name}: {deviation} standard deviations");
        }
    }
}

/// The same position of the transcript over many sessions: a mask that is constant or reused would show.
#[test]
fn every_single_position_is_uniform_over_many_runs() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    let images = vec![1.0; circuit.inputs()];
    let mut session = Session::fresh(&circuit, &model);
    let runs = 4096;
    let transcripts: Vec<Vec<u8>> = (0..runs)
        .map(|_| {
            let inference = session.infer(&images);
            [inference.to_model_owner.concat(), inference.to_data_owner.concat()].concat()
        })
        .collect();
    let positions = transcripts[0].len();
    let mut worst = 0f64;
    for position in 0..positions {
        for bit in 0..8 {
            let ones = transcripts.iter().filter(|bytes| bytes[position] >> bit & 1 == 1).count();
            let deviation = (ones as f64 - runs as f64 / 2.0).abs() / (runs as f64 / 4.0).sqrt();
            worst = worst.max(deviation);
        }
    }
    assert!(worst < 6.0, "{worst} standard deviations at some bit of {positions} bytes");
}

fn lengths(inference: &Inference) -> Vec<usize> {
    let corrections = to_parties(&inference.corrections);
    let all = [&corrections, &inference.to_model_owner, &inference.to_data_owner];
    all.into_iter().flatten().map(Vec::len).chain([inference.differences.len()]).collect()
}

#[test]
fn lengths_and_counts_do_not_depend_on_the_image() {
    let (circuit, model) = compile("max-pools", format(8, 16));
    let mut session = Session::fresh(&circuit, &model);
    let zeros = lengths(&session.infer(&vec![0.0; circuit.inputs()]));
    for seed in 0..5 {
        assert_eq!(lengths(&session.infer(&images(&circuit, 1, seed))), zeros);
    }
}

#[test]
fn two_runs_on_one_image_share_nothing() {
    for name in ["mnist-cnn", "residual"] {
        let (circuit, model) = compile(name, format(8, 16));
        let images = images(&circuit, 1, 1);
        let mut session = Session::fresh(&circuit, &model);
        let mut seen: HashSet<[u8; 16]> = HashSet::new();
        for _ in 0..3 {
            let inference = session.infer(&images);
            let online = [inference.to_model_owner, inference.to_data_owner].concat();
            let offline = [to_parties(&inference.corrections), vec![inference.differences]].concat();
            let bodies = online.iter().map(Vec::as_slice).chain(offline.iter().map(|message| body(message)));
            for block in bodies.flat_map(|message| message.chunks_exact(16)) {
                assert!(seen.insert(block.try_into().unwrap()), "{name}: sixteen bytes came twice");
            }
        }
    }
}

#[test]
fn sessions_with_fixed_seeds_repeat_and_others_do_not() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    let images = images(&circuit, 1, 1);
    let fixed = || {
        let seeds = [0, 1, 2, 3].map(|byte| Seed::from_bytes([byte; 16]));
        let dealt = Dealer::with_insecure_seeds(Arc::clone(&circuit), seeds);
        Session::new(&circuit, &model, dealt).infer(&images)
    };
    assert_eq!(fixed().to_model_owner, fixed().to_model_owner);
    assert_ne!(fixed().to_model_owner, Session::fresh(&circuit, &model).infer(&images).to_model_owner);
}

#[test]
fn a_message_of_another_length_is_an_error_and_ends_the_run() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    for change in [-1isize, 1] {
        for victim in 0..4 {
            let mut session = Session::fresh(&circuit, &model);
            let (prepared, differences) = session.data_owner.prepare(1);
            let mut batch = session.model_owner.prepare(1);
            for correction in session.dealer.batch(1) {
                batch.receive(Peer::Dealer, correction.to_model_owner()).unwrap();
            }
            batch.receive(Peer::DataOwner, &differences[0]).unwrap();
            let mut server = batch.start().unwrap();
            let (mut client, mut message) = prepared.start(&vec![0.5; circuit.inputs()]).unwrap();
            for turn in 0.. {
                let receiver = if turn % 2 == 0 { &mut server } else { &mut client };
                if turn == victim {
                    message.resize(message.len().strict_add_signed(change), 0);
                    assert!(matches!(receiver.receive(&message), Err(Error::Length { .. })));
                    assert!(matches!(receiver.receive(&message), Err(Error::OutOfOrder { .. })));
                    break;
                }
                match receiver.receive(&message).unwrap() {
                    Step::Send(next) | Step::Last(next) => message = next,
                    Step::Logits(_) | Step::Wait => panic!("message {victim} was never reached"),
                }
            }
        }
    }
}

#[test]
fn a_message_of_the_offline_phase_that_is_refused_is_the_last_one() {
    let (circuit, model) = compile("ends-in-a-pool", by_function(format(8, 16)));
    let over = |error| matches!(error, Err(Error::OutOfOrder { .. }));
    for (change, of_dealer) in [(-1isize, true), (1, true), (-1, false), (1, false)] {
        let mut session = Session::fresh(&circuit, &model);
        let corrections: Vec<Corrections> = session.dealer.batch(1).collect();
        let (correction, keys) = (&corrections[0], corrections[1].to_data_owner().unwrap());
        let (mut client, differences) = session.data_owner.prepare(1);
        let differences = differences.concat();
        let mut batch = session.model_owner.prepare(1);
        let wrong = |message: &[u8]| {
            let mut wrong = message.to_vec();
            wrong.resize(message.len().strict_add_signed(change), 0);
            wrong
        };
        if of_dealer {
            let refused = batch.receive(Peer::Dealer, &wrong(correction.to_model_owner()));
            assert!(matches!(refused, Err(Error::Length { from: "dealer", .. })));
            assert!(matches!(client.receive(Peer::Dealer, &wrong(keys)), Err(Error::Length { .. })));
            assert!(over(client.receive(Peer::Dealer, keys)));
            assert!(over(client.start(&vec![0.0; circuit.inputs()]).map(|_| ())));
        } else {
            let refused = batch.receive(Peer::DataOwner, &wrong(&differences));
            assert!(matches!(refused, Err(Error::Length { from: "data owner", .. })));
        }
        assert!(over(batch.receive(Peer::Dealer, correction.to_model_owner())));
        assert!(over(batch.receive(Peer::DataOwner, &differences)));
        assert!(over(batch.start().map(|_| ())));
    }
}

#[test]
fn comparison_keys_out_of_order_or_twice_are_refused_by_both() {
    let (circuit, model) = compile("mnist-cnn", by_function(format(8, 16)));
    for due in [0usize, 1] {
        for wrong in [0usize, 1, 2].into_iter().filter(|wrong| *wrong != due) {
            let mut session = Session::fresh(&circuit, &model);
            let corrections: Vec<Corrections> = session.dealer.batch(1).take(4).collect();
            let keys: Vec<&[u8]> = corrections.iter().filter_map(Corrections::to_data_owner).collect();
            let mut client = session.data_owner.prepare(1).0;
            let mut server = session.model_owner.prepare(1);
            server.receive(Peer::Dealer, corrections[0].to_model_owner()).unwrap();
            for keys in &keys[..due] {
                client.receive(Peer::Dealer, keys).unwrap();
                server.receive(Peer::Dealer, keys).unwrap();
            }
            let refused =
                [client.receive(Peer::Dealer, keys[wrong]), server.receive(Peer::Dealer, keys[wrong])];
            for refused in refused {
                assert!(matches!(refused, Err(Error::WrongRandomness { .. } | Error::Length { .. })));
            }
            assert!(matches!(client.receive(Peer::Dealer, keys[due]), Err(Error::OutOfOrder { .. })));
            assert!(matches!(server.receive(Peer::Dealer, keys[due]), Err(Error::OutOfOrder { .. })));
        }
    }
}

#[test]
fn randomness_of_another_batch_is_refused() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    let mut session = Session::fresh(&circuit, &model);
    let old: Vec<Corrections> = session.dealer.batch(1).collect();
    let (_, old_differences) = session.data_owner.prepare(1);
    drop(session.model_owner.prepare(1));
    let (mut first, mut batch) = (session.model_owner.prepare(1), session.model_owner.prepare(1));
    assert!(matches!(
        batch.receive(Peer::Dealer, old[0].to_model_owner()),
        Err(Error::WrongRandomness { what: "batch", .. })
    ));
    assert!(matches!(
        first.receive(Peer::DataOwner, &old_differences[0]),
        Err(Error::WrongRandomness { .. })
    ));
    assert!(matches!(batch.start(), Err(Error::OutOfOrder { .. })));
}

#[test]
fn an_input_beyond_the_agreed_magnitude_is_refused() {
    let (circuit, model) = compile("ends-in-a-pool", format(8, 16));
    for wrong in [5.0, -5.0, f32::NAN, f32::INFINITY] {
        let mut session = Session::fresh(&circuit, &model);
        let (prepared, _) = session.data_owner.prepare(1);
        let mut image = vec![0.0; circuit.inputs()];
        image[3] = wrong;
        assert!(matches!(prepared.start(&image), Err(Error::NotRepresentable { .. })));
    }
}
