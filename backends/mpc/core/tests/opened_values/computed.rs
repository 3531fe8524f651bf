//! What a party can compute of what it sees.

use crate::networks::{BITS, Fixed, image};
use crate::session::{Described, Inference, Quantity, Transcript, body, dealt};
use veilbench_mpc::circuit::{Circuit, Gate};
use veilbench_mpc::linear::LinearMap;
use veilbench_mpc::ring::encode;
use veilbench_mpc::session::Dealing;

fn words(message: &[u8]) -> Vec<u64> {
    message.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

pub(crate) fn quantity(name: &str, bits: u32, values: Vec<u64>) -> Quantity {
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

pub(crate) const GUARD: &str = "answer of the guard";

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
pub(crate) fn known_to<P: Dealing + Described>(
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
