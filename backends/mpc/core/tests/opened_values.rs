//! What the parties can put together: values that both masked, and what a receiver can compute from its own part.
//!
//! A message that is uniform by itself may open a secret together with the other party's, or with what its receiver knows. So
//! sessions on one image and one model are repeated in which all that one party draws stays the same and all that the others
//! draw is fresh: whatever that party can compute without knowing the image or the weights must then be uniform, and other in
//! every session. The same is asked of batches of one session, where only the batch changes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::Arc;

use session::uniform::{DRAWS, Tally};
use session::{
    Described, Inference, Quantity, SessionOf, Transcript, bent, body, by_bits, by_function, dealt, format,
    parameters,
};
use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::{Circuit, Format, Gate};
use veilbench_mpc::linear::LinearMap;
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::program::{Operation, Program};
use veilbench_mpc::random::Seed;
use veilbench_mpc::ring::encode;
use veilbench_mpc::session::{Corrections, Dealer, HEADER_BYTES, Protocol};
use veilbench_networks::{Conv2d, Shape, Window};

/// Fractional bits.
const BITS: u32 = 10;

/// Every gate of chains, with guards: a convolution, maxima, a rectifier, a mean, a polynomial, products without an activation
/// between them.
fn chain(format: Format) -> (Arc<Circuit>, Model) {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [0; 4] };
    let (layers, magnitudes): (Vec<Operation>, Vec<Option<f64>>) = [
        (Operation::Conv2d(Conv2d { inputs: 1, outputs: 2, groups: 1, dilation: [1; 2], window }), Some(4.0)),
        (Operation::MaxPool(Window::tiles(2)), Some(4.0)),
        (Operation::Relu, Some(4.0)),
        (Operation::AveragePool(Window { kernel: [1, 2], stride: [1, 2], padding: [0; 4] }), Some(4.0)),
        (Operation::Flatten, Some(4.0)),
        (Operation::Dense { outputs: 3 }, Some(0.5)),
        (Operation::Quadratic, Some(0.5)),
        (Operation::Dense { outputs: 4 }, None),
        (Operation::Dense { outputs: 2 }, None),
    ]
    .into_iter()
    .unzip();
    let program = Program { input: Shape::image(1, 6, 6), operations: layers, magnitudes };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 5)).unwrap();
    assert_eq!(circuit.gates().iter().filter(|gate| gate.guard().is_some()).count(), 2);
    (circuit, model)
}

/// Every gate of graphs, with guards: an open wire that a rectifier, a sum and a function of lines read, a held one that a sum and a
/// concatenation read, and sums of either kind.
fn graph(format: Format) -> (Arc<Circuit>, Model) {
    let conv = |inputs, outputs, kernel, padding| {
        let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [padding; 4] };
        Operation::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window })
    };
    let layers = [
        &[conv(1, 2, 3, 0), Operation::Keep, Operation::Relu, Operation::Keep][..],
        &[
            conv(2, 2, 3, 1),
            Operation::Add(0),
            Operation::Relu,
            Operation::Concat(1),
            conv(4, 2, 1, 0),
            Operation::Add(1),
            Operation::Relu,
        ],
        &[Operation::Flatten, Operation::Dense { outputs: 3 }, Operation::Keep, Operation::Recall(0)],
        &bent(2, false),
        &[Operation::Flatten, Operation::Dense { outputs: 3 }, Operation::Add(2)],
    ]
    .concat();
    // Logits of which nothing is known come whole.
    let magnitudes = (1..=layers.len()).map(|count| (count < layers.len()).then_some(4.0)).collect();
    let program = Program { input: Shape::image(1, 4, 3), operations: layers, magnitudes };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 5)).unwrap();
    assert_eq!(circuit.gates().iter().filter(|gate| gate.guard().is_some()).count(), 4);
    (circuit, model)
}

fn image(circuit: &Circuit) -> Vec<f32> {
    (0..circuit.inputs()).map(|at| 1.0 + (at % 7) as f32 / 8.0).collect()
}

/// A protocol, as a network runs in it.
struct Setting<P: Protocol> {
    format: Format,
    protocol: PhantomData<P>,
    network: fn(Format) -> (Arc<Circuit>, Model),
}

impl<P: Protocol> Setting<P> {
    fn of_graph(self) -> Self {
        Self { network: graph, ..self }
    }
}

fn tree() -> Setting<Masked> {
    Setting { format: format(8, BITS), protocol: PhantomData, network: chain }
}

fn function() -> Setting<Masked> {
    Setting { format: by_function(format(8, BITS)), ..tree() }
}

fn tree_by_bits() -> Setting<Masked> {
    Setting { format: by_bits(format(8, BITS)), ..tree() }
}

fn function_by_bits() -> Setting<Masked> {
    Setting { format: by_bits(by_function(format(8, BITS))), ..tree() }
}

fn textbook() -> Setting<Beaver> {
    Setting { format: format(8, BITS), protocol: PhantomData, network: chain }
}

/// What stays the same while all else is drawn anew.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fixed {
    DataOwner,
    ModelOwner,
    /// All but the number of the batch.
    Session,
}

/// Calls `see` with what was sent in every session or batch.
fn repeat<P: Protocol>(setting: &Setting<P>, fixed: Fixed, mut see: impl FnMut(&Circuit, &[u8], &Inference)) {
    let (circuit, model) = (setting.network)(setting.format);
    let image = image(&circuit);
    let mut session = None;
    for _ in 0..DRAWS {
        if fixed != Fixed::Session || session.is_none() {
            let constant = |byte| Seed::from_bytes([byte; 16]);
            let fresh = || Seed::generate().unwrap();
            let data_owner = if fixed == Fixed::DataOwner { constant(1) } else { fresh() };
            let model_owner = if fixed == Fixed::ModelOwner { constant(2) } else { fresh() };
            let seeds = [constant(0), data_owner, model_owner, fresh()];
            let dealt = Dealer::with_insecure_seeds(Arc::clone(&circuit), seeds);
            session = Some(SessionOf::<P>::new(&circuit, &model, dealt));
        }
        let session = session.as_mut().unwrap();
        let (inference, _) = session.prepare(1).attempt(&image);
        see(&circuit, &session.masked_parameters, &inference);
    }
}

fn words(message: &[u8]) -> Vec<u64> {
    message.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

fn quantity(name: &str, bits: u32, values: Vec<u64>) -> Quantity {
    Quantity { name: name.to_owned(), bits, values }
}

/// The first layer under its masked weights, as either party can apply it.
fn masked_layer(circuit: &Circuit, masked_parameters: &[u8], inputs: &[u64]) -> Vec<u64> {
    let Some(Gate::Linear { shape }) = circuit.gates().first() else { panic!("a linear layer comes first") };
    let weights = words(body(masked_parameters))[..shape.weights()].to_vec();
    LinearMap::new(*shape, weights).apply(inputs)
}

fn sum(a: &[u64], b: &[u64]) -> Vec<u64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.wrapping_add(*b)).collect()
}

fn difference(a: &[u64], b: &[u64]) -> Vec<u64> {
    a.iter().zip(b).map(|(a, b)| a.wrapping_sub(*b)).collect()
}

/// The masked sums of every guard without the bits that are not opened: the model owner's answers less its offsets, which are the
/// last of what the dealer sends it for the gate.
fn masked_sums(circuit: &Circuit, transcript: &Transcript, shares: &[Quantity]) -> Vec<Quantity> {
    let guarded = circuit.gates().iter().enumerate().filter(|(_, gate)| gate.guard().is_some());
    let answers = transcript.sent[1].iter().filter(|sent| sent.name.contains(GUARD));
    let sums = guarded.zip(answers).map(|((at, _), answer)| {
        let shares = &named(shares, &format!("gate {at}, shares from the dealer")).values;
        let offsets = &shares[shares.len() - answer.values.len()..];
        let low = u64::MAX >> (64 - answer.bits);
        let sums = difference(&answer.values, offsets).iter().map(|sum| sum & low).collect();
        quantity(&format!("gate {at}, masked sums of the guard"), answer.bits, sums)
    });
    sums.collect()
}

const GUARD: &str = "answer of the guard";

fn named<'a>(quantities: &'a [Quantity], name: &str) -> &'a Quantity {
    quantities.iter().find(|quantity| quantity.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// What each party of the masked protocol can make of the first layer.
struct FirstLayer {
    /// `D + (W + B) x^`, which is `W x` under `p`.
    at_model_owner: Quantity,
    /// `y^ + (W + B) r`, which is `W x^` under `p` and `s`, of which the data owner knows `p`.
    at_data_owner: Quantity,
}

impl FirstLayer {
    fn new(
        circuit: &Circuit,
        masked_parameters: &[u8],
        inference: &Inference,
        transcript: &Transcript,
    ) -> Self {
        let masked_image = &named(&transcript.sent[0], "image, from the data owner").values;
        let output = &named(&transcript.sent[1], "gate 0, output, from the model owner").values;
        let pixels = image(circuit).into_iter().map(|pixel| encode(f64::from(pixel), BITS).unwrap());
        let mask = difference(masked_image, &pixels.collect::<Vec<_>>());
        let layer = |inputs: &[u64]| masked_layer(circuit, masked_parameters, inputs);
        let dropped = circuit.dropped(0);
        let output: Vec<u64> = output.iter().map(|value| value << dropped).collect();
        let products = layer(masked_image);
        let differences = &words(body(&inference.differences))[..products.len()];
        Self {
            at_model_owner: quantity("D + (W + B) x^ of the first layer", 64, sum(differences, &products)),
            at_data_owner: quantity(
                "y^ + (W + B) r of the first layer",
                64 - dropped,
                sum(&output, &layer(&mask)).iter().map(|value| value >> dropped).collect(),
            ),
        }
    }
}

/// `y^ - D` of every linear layer: `W x^`, but for the model owner's `s` and bias, where `x^` is the masked wire that it puts together
/// of its own share and what came. Of the last layer `y^` is what it sends less what it was dealt, and of one that something is added
/// to, the sum. Upper halves only, because the weights of an output may all be even.
fn products_of_masked_wires(
    circuit: &Circuit,
    inference: &Inference,
    transcript: &Transcript,
    shares: &[Quantity],
) -> Vec<Quantity> {
    let mut differences = words(body(&inference.differences));
    let mut products = Vec::new();
    for (at, gate) in circuit.gates().iter().enumerate() {
        if !matches!(gate, Gate::Linear { .. }) {
            continue;
        }
        let sent = |name: String| &named(&transcript.sent[1], &name).values;
        let added = usize::from(matches!(circuit.gates()[at + 1], Gate::Add { .. }));
        let (last, next) = (at + added, at + added + 1);
        let output = if matches!(circuit.gates()[next], Gate::Output { .. }) {
            let masks = &named(shares, &format!("gate {next}, shares from the dealer")).values;
            sum(sent(format!("gate {next}, logits, from the model owner")), masks)
        } else {
            let output = sent(format!("gate {last}, output, from the model owner"));
            output.iter().map(|value| value << circuit.dropped(last)).collect()
        };
        let rest = differences.split_off(output.len());
        let halves = difference(&output, &differences).iter().map(|product| product >> 32).collect();
        products.push(quantity(&format!("gate {at}, y^ - D"), 32, halves));
        differences = rest;
    }
    products
}

/// All that a party that stays the same sees, but what the protocol says it learns, and what it can compute of that. Of a session
/// that stays the same all that either sees and can compute.
fn known_to<P: Protocol + Described>(
    fixed: Fixed,
    circuit: &Circuit,
    masked_parameters: &[u8],
    inference: &Inference,
) -> [Vec<Quantity>; 2] {
    let transcript = Transcript::read::<P>(circuit, inference);
    let [shares, keys] = dealt(circuit, inference);
    let masked_sums = masked_sums(circuit, &transcript, &shares);
    let first_layer = (!inference.differences.is_empty())
        .then(|| FirstLayer::new(circuit, masked_parameters, inference, &transcript));
    let products = first_layer
        .as_ref()
        .map(|_| products_of_masked_wires(circuit, inference, &transcript, &shares))
        .unwrap_or_default();
    let Transcript { sent: [from_data_owner, from_model_owner], opened } = transcript;
    let (mut seen, mut computed) = ([keys, opened].concat(), Vec::new());
    if fixed != Fixed::DataOwner {
        seen.extend([shares, masked_sums, from_data_owner, from_model_owner.clone()].concat());
        if let Some(first_layer) = &first_layer {
            seen.push(quantity("differences", 64, words(body(&inference.differences))));
            computed.push(first_layer.at_model_owner.clone());
            computed.extend(products);
        }
    } else {
        seen.push(quantity("masked parameters", 64, words(body(masked_parameters))));
        let is_learned = |name: &str| name.contains("logits") || name.contains(GUARD);
        seen.extend(from_model_owner.into_iter().filter(|sent| !is_learned(&sent.name)));
        // What it says of what it opened by itself.
        seen.extend(from_data_owner.into_iter().filter(|sent| sent.name.contains("wraps")));
    }
    if let (Some(first_layer), true) = (first_layer, fixed != Fixed::ModelOwner) {
        computed.push(first_layer.at_data_owner);
    }
    [seen, computed]
}

fn is_uniform<P: Protocol + Described>(setting: &Setting<P>, fixed: Fixed) {
    let (mut sights, mut results) = (Tally::default(), Tally::default());
    repeat(setting, fixed, |circuit, masked_parameters, inference| {
        let [seen, computed] = known_to::<P>(fixed, circuit, masked_parameters, inference);
        sights.add(&seen);
        results.add(&computed);
    });
    let mut findings = [sights.findings(), results.findings()].concat();
    // A party that stays the same sends functions of what it receives.
    if fixed == Fixed::Session {
        findings.extend(sights.shared_masks());
    }
    assert!(findings.is_empty(), "with the same {fixed:?}:\n{}", findings.join("\n"));
}

#[test]
fn what_the_model_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree(), Fixed::ModelOwner);
}

#[test]
fn what_the_model_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function(), Fixed::ModelOwner);
}

#[test]
fn what_the_model_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook(), Fixed::ModelOwner);
}

#[test]
fn what_the_data_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree(), Fixed::DataOwner);
}

#[test]
fn what_the_data_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function(), Fixed::DataOwner);
}

#[test]
fn what_the_data_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook(), Fixed::DataOwner);
}

#[test]
fn batches_of_one_session_have_nothing_in_common_with_the_tree() {
    is_uniform(&tree(), Fixed::Session);
}

#[test]
fn batches_of_one_session_have_nothing_in_common_with_the_function() {
    is_uniform(&function(), Fixed::Session);
}

#[test]
fn batches_of_one_session_have_nothing_in_common_with_triples() {
    is_uniform(&textbook(), Fixed::Session);
}

#[test]
fn in_graphs_what_the_model_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree().of_graph(), Fixed::ModelOwner);
}

#[test]
fn in_graphs_what_the_model_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function().of_graph(), Fixed::ModelOwner);
}

#[test]
fn in_graphs_what_the_model_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook().of_graph(), Fixed::ModelOwner);
}

#[test]
fn in_graphs_what_the_data_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree().of_graph(), Fixed::DataOwner);
}

#[test]
fn in_graphs_what_the_data_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function().of_graph(), Fixed::DataOwner);
}

#[test]
fn in_graphs_what_the_data_owner_can_compute_is_uniform_with_triples() {
    is_uniform(&textbook().of_graph(), Fixed::DataOwner);
}

#[test]
fn batches_of_graphs_have_nothing_in_common_with_the_tree() {
    is_uniform(&tree().of_graph(), Fixed::Session);
}

#[test]
fn batches_of_graphs_have_nothing_in_common_with_the_function() {
    is_uniform(&function().of_graph(), Fixed::Session);
}

#[test]
fn batches_of_graphs_have_nothing_in_common_with_triples() {
    is_uniform(&textbook().of_graph(), Fixed::Session);
}

#[test]
fn by_bits_what_the_model_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree_by_bits(), Fixed::ModelOwner);
    is_uniform(&tree_by_bits().of_graph(), Fixed::ModelOwner);
}

#[test]
fn by_bits_what_the_model_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function_by_bits(), Fixed::ModelOwner);
    is_uniform(&function_by_bits().of_graph(), Fixed::ModelOwner);
}

#[test]
fn by_bits_what_the_data_owner_can_compute_is_uniform_with_the_tree() {
    is_uniform(&tree_by_bits(), Fixed::DataOwner);
    is_uniform(&tree_by_bits().of_graph(), Fixed::DataOwner);
}

#[test]
fn by_bits_what_the_data_owner_can_compute_is_uniform_with_the_function() {
    is_uniform(&function_by_bits(), Fixed::DataOwner);
    is_uniform(&function_by_bits().of_graph(), Fixed::DataOwner);
}

#[test]
fn by_bits_batches_of_one_session_have_nothing_in_common_with_the_tree() {
    is_uniform(&tree_by_bits(), Fixed::Session);
    is_uniform(&tree_by_bits().of_graph(), Fixed::Session);
}

#[test]
fn by_bits_batches_of_one_session_have_nothing_in_common_with_the_function() {
    is_uniform(&function_by_bits(), Fixed::Session);
    is_uniform(&function_by_bits().of_graph(), Fixed::Session);
}

#[test]
fn by_bits_neighbours_share_no_mask_and_coins_of_guards_fall_both_ways() {
    for setting in [tree_by_bits(), function_by_bits()] {
        neighbours_share_no_mask(&setting);
        coins_fall_both_ways(&setting);
    }
}

/// More values than are compared side by side, of two equal images in one message: neighbours have masks of their own, and so have images.
fn neighbours_share_no_mask<P: Protocol + Described>(setting: &Setting<P>) {
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
fn coins_fall_both_ways<P: Protocol + Described>(setting: &Setting<P>) {
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

/// What the checks above find where a mask is missing, and that they find nothing in numbers that are uniform.
#[test]
fn constants_biased_bits_and_repetitions_are_found_and_uniform_numbers_are_not() {
    let findings = |number: &dyn Fn(u64) -> u64, bits| {
        let mut tally = Tally::default();
        let mut stream = Seed::from_bytes([3; 16]).stream(0);
        for _ in 0..DRAWS {
            let values = stream.words(1000).into_iter().map(number).collect();
            tally.add(&[quantity("numbers", bits, values)]);
        }
        tally.findings().len()
    };
    assert_eq!(findings(&|word| word, 64), 0);
    assert_eq!(findings(&|word| word & 1, 1), 0);
    assert_eq!(findings(&|_| 7, 64), 1);
    assert_eq!(findings(&|word| word & word >> 1 & 1, 1), 1);
    assert_eq!(findings(&|word| word >> 56, 8), 0);
    assert_eq!(findings(&|word| (word >> 56) * 0x0101_0101_0101_0101, 64), 1);

    let mut tally = Tally::default();
    let mut stream = Seed::from_bytes([4; 16]).stream(0);
    for _ in 0..DRAWS {
        let mask = stream.words(1)[0];
        tally.add(&[quantity("one", 64, vec![mask ^ 5]), quantity("other", 64, vec![mask ^ 9])]);
    }
    assert_eq!((tally.findings().len(), tally.shared_masks().len()), (0, 1));
}
