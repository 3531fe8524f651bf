//! Values side by side have masks of their own, messages of narrow rings are uniform, and coins of guards fall both ways.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::computed::{GUARD, quantity};
use crate::networks::{
    Fixed, Setting, function, function_by_bits, image, repeat, textbook, tree, tree_by_bits,
};
use crate::session::uniform::{DRAWS, Tally};
use crate::session::{Described, SessionOf, Transcript, body, parameters};
use veilbench_mpc::circuit::{Circuit, Format};
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::program::{Operation, Program};
use veilbench_mpc::session::{Corrections, Dealing, HEADER_BYTES};
use veilbench_networks::{Conv2d, Shape, Window};

#[test]
fn by_bits_neighbours_share_no_mask_and_coins_of_guards_fall_both_ways() {
    for setting in [tree_by_bits(), function_by_bits()] {
        neighbours_share_no_mask(&setting);
        coins_fall_both_ways(&setting);
    }
}

/// More values than are compared side by side, of two equal images in one message: neighbours have masks of their own, and so have images.
fn neighbours_share_no_mask<P: Dealing + Described>(setting: &Setting<P>) {
    let window = Window { kernel: [1; 2], stride: [1; 2], padding: [0; 4] };
    let conv = Operation::Conv2d(Conv2d { inputs: 1, outputs: 1, groups: 1, dilation: [1; 2], window });
    let layers = vec![conv, Operation::Relu, Operation::Dense { outputs: 1 }];
    let program = Program { input: Shape::image(1, 9, 9), operations: layers, magnitudes: vec![] };
    let circuit = Arc::new(Circuit::compile(&program, setting.format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 5)).unwrap();
    let mut session = SessionOf::<P>::fresh(&circuit, &model);
    let mut tally = Tally::default();
    for _ in 0..DRAWS {
        let (inference, _) = session.prepare(2).attempt(&image(&circuit).repeat(2));
        tally.add(&Transcript::of_batch::<P>(&circuit, &inference, 2).opened);
    }
    let findings = [tally.findings(), tally.shared_masks()].concat();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn neighbours_share_no_mask_with_the_tree() {
    neighbours_share_no_mask(&tree());
}

#[test]
fn neighbours_share_no_mask_with_triples() {
    neighbours_share_no_mask(&textbook());
}

/// Layers in rings of their own, of bits that are no whole bytes: all that is sent and opened is uniform bit by bit, and under a mask of its own.
fn messages_of_narrow_rings_are_uniform(setting: &Setting<Masked>) {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [0; 4] };
    let layers = vec![
        Operation::Conv2d(Conv2d { inputs: 1, outputs: 2, groups: 1, dilation: [1; 2], window }),
        Operation::Relu,
        Operation::AveragePool(Window::tiles(2)),
        Operation::Flatten,
        Operation::Dense { outputs: 8 },
        Operation::Relu,
        Operation::Dense { outputs: 8 },
    ];
    let magnitudes = vec![Some(4.0); layers.len()];
    let program = Program { input: Shape::image(1, 6, 6), operations: layers, magnitudes };
    let ring = Circuit::compile(&program, setting.format).unwrap().calibrated_ring().unwrap();
    let circuit = Arc::new(Circuit::compile(&program, Format { ring, ..setting.format }).unwrap());
    let rings: HashSet<u32> = (0..circuit.gates().len()).map(|gate| circuit.ring_of(gate).bits()).collect();
    assert!(rings.len() > 1 && rings.iter().all(|bits| bits % 8 != 0), "{rings:?}");
    let model = Model::encode(&circuit, &parameters(&program, 5)).unwrap();
    let mut session = SessionOf::<Masked>::fresh(&circuit, &model);
    let mut tally = Tally::default();
    for _ in 0..DRAWS {
        let (inference, _) = session.prepare(1).attempt(&image(&circuit));
        let Transcript { sent: [from_data_owner, from_model_owner], opened } =
            Transcript::read::<Masked>(&circuit, &inference);
        // The last byte of shares ends with zeros; of products eight numbers and more fill theirs.
        let corrections = inference.corrections.iter().filter_map(|correction| match correction {
            Corrections::Shares(message) => Some(message[HEADER_BYTES..message.len() - 1].to_vec()),
            Corrections::Keys(_) => None,
        });
        let offline = corrections.chain([body(&inference.differences)[..].to_vec()]).enumerate();
        let offline = offline.map(|(at, bytes)| {
            let whole = bytes.into_iter().map(u64::from).collect();
            quantity(&format!("message {at} of the offline phase"), 8, whole)
        });
        tally.add(&[from_data_owner, from_model_owner, opened, offline.collect()].concat());
    }
    let findings = [tally.findings(), tally.shared_masks()].concat();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn messages_of_narrow_rings_are_uniform_with_the_tree() {
    messages_of_narrow_rings_are_uniform(&tree_by_bits());
}

#[test]
fn messages_of_narrow_rings_are_uniform_with_the_function() {
    messages_of_narrow_rings_are_uniform(&function_by_bits());
}

/// The data owner learns the quotient of a sum rounded by a coin. A data owner that knew the whole mask would know the coin, and with
/// its own part of the mask the same in all sessions it would fall the same way in all of them.
fn coins_fall_both_ways<P: Dealing + Described>(setting: &Setting<P>) {
    let mut answers: Vec<HashMap<u64, usize>> = Vec::new();
    repeat(setting, Fixed::DataOwner, |circuit, _, inference| {
        let transcript = Transcript::read::<P>(circuit, inference);
        let sent = transcript.sent[1].iter().filter(|sent| sent.name.contains(GUARD));
        let here: Vec<u64> = sent.flat_map(|sent| sent.values.clone()).collect();
        answers.resize_with(here.len(), HashMap::new);
        for (answer, counts) in here.iter().zip(&mut answers) {
            *counts.entry(*answer).or_default() += 1;
        }
    });
    // The sums are 0.4 to 0.6 of their bounds: either answer is rarer than one in twenty with a probability below 1e-40 (Hoeffding).
    for (guard, counts) in answers.iter().enumerate() {
        assert_eq!(counts.len(), 2, "guard {guard}: answers {counts:?}");
        assert!(counts.values().all(|count| *count >= DRAWS / 20), "guard {guard}: answers {counts:?}");
    }
}

#[test]
fn coins_of_guards_fall_both_ways_with_the_tree() {
    coins_fall_both_ways(&tree());
}

#[test]
fn coins_of_guards_fall_both_ways_with_the_function() {
    coins_fall_both_ways(&function());
}

#[test]
fn coins_of_guards_fall_both_ways_with_triples() {
    coins_fall_both_ways(&textbook());
}
