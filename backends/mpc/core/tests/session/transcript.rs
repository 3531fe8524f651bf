//! What stands where in the messages of one image, from the circuit and the protocols' description alone.

use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::{Circuit, Gate, SignProtocol, Slot, Width};
use veilbench_mpc::dcf::GROUP;
use veilbench_mpc::masked::Masked;
use veilbench_mpc::ring::Ring;
use veilbench_mpc::session::{Corrections, HEADER_BYTES};

use super::Inference;

/// Which word of a header names the gate.
const GATE: usize = 5;

/// Numbers of one kind that stand together in a transcript, each of so many bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) name: String,
    pub(crate) bits: u32,
    pub(crate) values: Vec<u64>,
}

/// Who sends an item.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sender {
    DataOwner,
    ModelOwner,
    /// Each a share of what is opened.
    Both,
}

#[derive(Clone, Copy)]
enum Form {
    /// So many numbers of so many bits, each of which takes so many over the wire, where they stand side by side.
    Numbers { count: usize, bits: u32, sent: u32 },
    /// So many bits of each of so many lanes.
    Planes { planes: usize, lanes: usize },
}

impl Form {
    fn times(self, images: usize) -> Self {
        match self {
            Form::Numbers { count, bits, sent } => Form::Numbers { count: count * images, bits, sent },
            Form::Planes { planes, lanes } => Form::Planes { planes, lanes: lanes * images },
        }
    }
}

/// A part of the online messages.
pub(crate) struct Item {
    name: String,
    pub(crate) sender: Sender,
    form: Form,
}

/// A protocol whose messages can be told apart.
pub(crate) trait Described {
    /// The parts of the online messages of one image, in the order in which either party writes its own.
    fn items(circuit: &Circuit) -> Vec<Item>;
}

/// An item of a gate that ends with these words.
fn item(gate: usize, what: &str, sender: Sender, form: Form) -> Item {
    Item { name: format!("gate {gate}, {what}"), sender, form }
}

fn elements(ring: Ring, count: usize) -> Form {
    Form::Numbers { count, bits: ring.bits(), sent: ring.bits() }
}

/// Numbers of the last message.
fn narrow(circuit: &Circuit, count: usize, bits: u32) -> Form {
    let sent = if circuit.format().width == Width::Bits { bits } else { bits.next_multiple_of(8) };
    Form::Numbers { count, bits, sent }
}

fn compared(gate: &Gate) -> usize {
    match gate {
        Gate::Relu { units, .. } => *units,
        Gate::Max { slots, .. } => slots.iter().filter(|slot| matches!(slot, Slot::Larger(..))).count(),
        _ => 0,
    }
}

fn sums(circuit: &Circuit, at: usize, gate: &Gate) -> Option<Item> {
    let guard = gate.guard()?;
    let form = elements(circuit.ring_of_shares(at), guard.groups());
    Some(item(at, "sums for the guard", Sender::DataOwner, form))
}

/// Logits, and what the data owner learns of each guard.
fn answers(circuit: &Circuit, at: usize, units: usize) -> Vec<Item> {
    let bits = circuit.ring_of(at).bits() - circuit.output_shift();
    let mut items = vec![item(at, "logits", Sender::ModelOwner, narrow(circuit, units, bits))];
    for (at, guard) in circuit.gates().iter().enumerate().filter_map(|(at, gate)| Some((at, gate.guard()?))) {
        let form = narrow(circuit, guard.groups(), circuit.ring_of_shares(at).bits() - guard.shift);
        items.push(item(at, "answer of the guard", Sender::ModelOwner, form));
    }
    items
}

fn image(circuit: &Circuit) -> Item {
    Item {
        name: "image".to_owned(),
        sender: Sender::DataOwner,
        form: elements(circuit.ring_of(0), circuit.inputs()),
    }
}

impl Described for Masked {
    fn items(circuit: &Circuit) -> Vec<Item> {
        let is_by_bits = circuit.format().width == Width::Bits;
        let mut items = vec![image(circuit)];
        for (at, gate) in circuit.gates().iter().enumerate() {
            let lanes = compared(gate);
            let is_by_tree = circuit.format().signs == SignProtocol::Tree;
            if lanes > 0 && is_by_tree {
                let leaf = if is_by_bits { 7 } else { 8 };
                let planes = 2 * ((circuit.compared_bits(at) - 1).div_ceil(leaf) as usize - 1);
                items.push(item(at, "factors of a comparison", Sender::Both, Form::Planes { planes, lanes }));
            }
            if lanes > 0 && (is_by_tree || is_by_bits) {
                items.push(item(at, "signs", Sender::Both, Form::Planes { planes: 1, lanes }));
            }
            let written = elements(circuit.ring_behind(at), gate.outputs());
            let held = item(at, "held wire", Sender::DataOwner, written);
            match gate {
                Gate::Linear { .. } | Gate::Add { .. }
                    if matches!(
                        circuit.gates().get(at + 1),
                        Some(Gate::Output { .. } | Gate::Add { .. })
                    ) => {}
                Gate::Linear { .. } | Gate::Add { .. } => {
                    let bits = circuit.ring_of(at).bits() - circuit.dropped(at);
                    let form = Form::Numbers { count: gate.outputs(), bits, sent: bits };
                    items.push(item(at, "output", Sender::ModelOwner, form));
                }
                Gate::Max { .. } if lanes > 0 => {
                    items.push(item(at, "maxima", Sender::Both, elements(circuit.ring_of(at), lanes)));
                }
                Gate::Relu { .. } => {
                    items.extend([Some(held), sums(circuit, at, gate)].into_iter().flatten());
                }
                Gate::Quadratic { .. } => {
                    let form = elements(circuit.ring_of_shares(at), gate.outputs());
                    if is_by_bits {
                        let planes = Form::Planes { planes: 1, lanes: gate.outputs() };
                        items.push(item(at, "polynomial", Sender::ModelOwner, form));
                        items.push(item(at, "wraps", Sender::DataOwner, planes));
                    } else {
                        items.push(item(at, "polynomial", Sender::Both, form));
                    }
                    items.extend([Some(held), sums(circuit, at, gate)].into_iter().flatten());
                }
                Gate::Truncate { .. } => items.push(held),
                Gate::Output { units, .. } => items.extend(answers(circuit, at, *units)),
                Gate::Max { .. }
                | Gate::Sum(_)
                | Gate::Spread { .. }
                | Gate::Keep { .. }
                | Gate::Recall { .. }
                | Gate::Concat { .. } => {}
            }
        }
        items
    }
}

impl Described for Beaver {
    fn items(circuit: &Circuit) -> Vec<Item> {
        let elements = |count| elements(circuit.ring(), count);
        let mut items = vec![image(circuit)];
        for (at, gate) in circuit.gates().iter().enumerate() {
            let lanes = compared(gate);
            let inputs = elements(gate.inputs());
            if lanes > 0 {
                items.push(item(at, "values", Sender::Both, elements(lanes)));
                let mut spans = circuit.ring().bits() as usize - 1;
                while spans > 1 {
                    let planes = 2 * (2 * (spans / 2) - 1);
                    let form = Form::Planes { planes, lanes };
                    items.push(item(at, &format!("factors of {spans} spans"), Sender::Both, form));
                    spans = spans.div_ceil(2);
                }
                items.push(item(at, "signs", Sender::Both, Form::Planes { planes: 1, lanes }));
                items.push(item(at, "factors of the selection", Sender::Both, elements(2 * lanes)));
                items.extend(sums(circuit, at, gate));
            }
            match gate {
                Gate::Linear { .. } => items.push(item(at, "inputs", Sender::Both, inputs)),
                Gate::Truncate { .. } => items.push(item(at, "values", Sender::Both, inputs)),
                Gate::Quadratic { .. } => {
                    for what in ["values", "values to be squared", "squares"] {
                        items.push(item(at, what, Sender::Both, inputs));
                    }
                    items.extend(sums(circuit, at, gate));
                    items.push(item(at, "polynomial", Sender::Both, elements(gate.outputs())));
                }
                Gate::Output { units, .. } => items.extend(answers(circuit, at, *units)),
                Gate::Relu { .. }
                | Gate::Max { .. }
                | Gate::Sum(_)
                | Gate::Spread { .. }
                | Gate::Keep { .. }
                | Gate::Recall { .. }
                | Gate::Add { .. }
                | Gate::Concat { .. } => {}
            }
        }
        items
    }
}

/// Takes numbers of so many bits, side by side, off the front of a message.
pub(crate) fn numbers(message: &mut &[u8], count: usize, bits: u32) -> Vec<u64> {
    let (here, rest) = message.split_at((count * bits as usize).div_ceil(8));
    *message = rest;
    let bit = |at: usize| u64::from(here[at / 8] >> (at % 8) & 1);
    let number = |number: usize| {
        (0..bits as usize).fold(0, |value, at| value | bit(number * bits as usize + at) << at)
    };
    (0..count).map(number).collect()
}

/// Takes an item off the front of a message; bits that pad a byte are left out.
fn take(message: &mut &[u8], form: Form) -> (u32, Vec<u64>) {
    match form {
        Form::Numbers { count, bits, sent } => (bits, numbers(message, count, sent)),
        Form::Planes { planes, lanes } => {
            let mut values = Vec::new();
            for group in (0..lanes).step_by(64) {
                let lanes = (lanes - group).min(64);
                let words = numbers(message, planes, lanes.next_multiple_of(8) as u32);
                values.extend(words.iter().flat_map(|word| (0..lanes).map(move |lane| word >> lane & 1)));
            }
            (1, values)
        }
    }
}

/// What the messages of one image say.
pub(crate) struct Transcript {
    /// What the data owner sent, and what the model owner sent.
    pub(crate) sent: [Vec<Quantity>; 2],
    /// Sums (of bits: exclusive or) of what both sent.
    pub(crate) opened: Vec<Quantity>,
}

impl Transcript {
    /// Reads the online messages of one image.
    pub(crate) fn read<P: Described>(circuit: &Circuit, inference: &Inference) -> Self {
        Self::of_batch::<P>(circuit, inference, 1)
    }

    /// Reads the online messages of several images, whose numbers of one kind stand together.
    pub(crate) fn of_batch<P: Described>(circuit: &Circuit, inference: &Inference, images: usize) -> Self {
        let streams = [inference.to_model_owner.concat(), inference.to_data_owner.concat()];
        let [mut from_data_owner, mut from_model_owner] = [streams[0].as_slice(), streams[1].as_slice()];
        let mut transcript = Self { sent: [Vec::new(), Vec::new()], opened: Vec::new() };
        for Item { name, sender, form } in P::items(circuit) {
            let form = form.times(images);
            let parts = [
                (sender != Sender::ModelOwner).then(|| take(&mut from_data_owner, form)),
                (sender != Sender::DataOwner).then(|| take(&mut from_model_owner, form)),
            ];
            if let [Some((bits, first)), Some((_, second))] = &parts {
                let open = |(a, b): (&u64, &u64)| {
                    if *bits == 1 { a ^ b } else { a.wrapping_add(*b) & u64::MAX >> (64 - bits) }
                };
                let values = first.iter().zip(second).map(open).collect();
                transcript.opened.push(Quantity { name: format!("{name}, opened"), bits: *bits, values });
            }
            for ((sent, part), from) in
                transcript.sent.iter_mut().zip(parts).zip(["data owner", "model owner"])
            {
                if let Some((bits, values)) = part {
                    sent.push(Quantity { name: format!("{name}, from the {from}"), bits, values });
                }
            }
        }
        assert!(
            from_data_owner.is_empty() && from_model_owner.is_empty(),
            "a message has more than is known"
        );
        transcript
    }
}

/// The dealer's shares for the model owner and comparison keys for both, in a ring of 64 bits.
pub(crate) fn dealt(circuit: &Circuit, inference: &Inference) -> [Vec<Quantity>; 2] {
    assert_eq!(circuit.ring().bytes(), 8, "shares are read as words");
    let [mut shares, mut keys] = [Vec::new(), Vec::new()];
    for correction in &inference.corrections {
        let (mut header, mut message) = correction.to_model_owner().split_at(HEADER_BYTES);
        let gate = numbers(&mut header, HEADER_BYTES / 8, 64)[GATE];
        let words = message.len() / 8;
        let words = numbers(&mut message, words, 64);
        let quantity = |what: &str, bits, values: &[u64]| Quantity {
            name: format!("gate {gate}, {what}"),
            bits,
            values: values.to_vec(),
        };
        match correction {
            Corrections::Keys(_) if circuit.format().width == Width::Bits => {
                let (_, mut message) = correction.to_model_owner().split_at(HEADER_BYTES);
                let levels = circuit.compared_bits(gate as usize) - 8;
                let words = 2 * (levels as usize + 1);
                // Of a key: two words a level and two for the leaf; then three bits a level.
                let bytes_of = |count: usize| 8 * count * words + (3 * count * levels as usize).div_ceil(8);
                let count = (0..).find(|count| bytes_of(*count) >= message.len()).unwrap_or(0);
                assert_eq!(bytes_of(count), message.len());
                keys.push(quantity("seeds of keys", 64, &numbers(&mut message, count * words, 64)));
                let bits = numbers(&mut message, 3 * count, levels);
                keys.push(quantity("bits of keys", levels, &bits));
            }
            Corrections::Shares(_) => shares.push(quantity("shares from the dealer", 64, &words)),
            Corrections::Keys(_) => {
                let compared = circuit.ring().bits() - 1;
                // Of a key: two words a level, two of control bits; then as many of payloads.
                let count = words.len() / (4 * (compared as usize + 1));
                assert!(count <= GROUP, "control bits stand at the end of every group");
                let controls = 2 * count;
                let (seeds, values) = words.split_at(words.len() / 2);
                let (seeds, bits) = seeds.split_at(seeds.len() - controls);
                keys.extend([
                    quantity("seeds of keys", 64, seeds),
                    quantity("control bits of keys", compared, bits),
                    quantity("payloads of keys", 64, values),
                ]);
            }
        }
    }
    [shares, keys]
}
