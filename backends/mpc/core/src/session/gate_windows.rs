//! Randomness that comes in windows of gates: the same messages and logits, no more held than stated, each window once and in its turn.

use std::sync::Arc;

use super::online::{Online, Step};
use super::reuse::network;
use super::{
    Corrections, DataOwner, DataOwnerBatch, Dealer, DealerBatch, Dealing, ModelOwner, ModelOwnerBatch,
    ModelOwnerReservation, Peer, Reservation,
};
use crate::Error;
use crate::beaver::Beaver;
use crate::circuit::{Circuit, Format, SignProtocol, Width};
use crate::cost::{Cost, GateWindow};
use crate::masked::Masked;
use crate::model::{LayerParameters, Model};
use crate::program::{Operation, Program};
use crate::random::Seed;
use crate::ring::Ring;
use veilbench_networks::Shape;

/// Every role's place of one batch.
struct Batch<P: Dealing> {
    dealer: DealerBatch<P>,
    data_owner: Reservation<P>,
    model_owner: ModelOwnerReservation<P>,
}

impl<P: Dealing> Batch<P> {
    /// Batches of so many images, of one session of fixed seeds.
    fn several<const N: usize>(circuit: &Arc<Circuit>, model: &Model, images: usize) -> [Self; N] {
        let seeds = [1, 2, 3, 4].map(|byte| Seed::from_bytes([byte; 16]));
        let (mut dealer, seeds) = Dealer::<P>::with_insecure_seeds(Arc::clone(circuit), seeds);
        let (mut model_owner, weights) =
            ModelOwner::<P>::new(Arc::clone(circuit), seeds.model_owner, model.clone()).unwrap();
        let mut data_owner = DataOwner::<P>::new(Arc::clone(circuit), seeds.data_owner, &weights).unwrap();
        std::array::from_fn(|_| Self {
            dealer: dealer.batch(images),
            data_owner: data_owner.reserve(images),
            model_owner: model_owner.reserve(images),
        })
    }

    /// Both owners' randomness of a window, complete.
    fn window(&mut self, window: &GateWindow) -> (DataOwnerBatch<P>, ModelOwnerBatch<P>) {
        let end = window.gates.end;
        let (mut client, ahead) = self.data_owner.expand_until(end);
        let mut server = self.model_owner.prepare_until(end);
        for corrections in self.dealer.until(end) {
            server.receive(Peer::Dealer, corrections.to_model_owner()).unwrap();
            if let Some(keys) = corrections.to_data_owner() {
                client.receive(Peer::Dealer, keys).unwrap();
            }
        }
        for message in &ahead {
            server.receive(Peer::DataOwner, message).unwrap();
        }
        (client, server)
    }
}

/// Bytes of randomness of the gates to come.
fn held<P: Dealing>(online: &Online<P>) -> usize {
    let words = online.gates.iter().map(|gate| {
        let keys: usize = gate.keys.iter().map(|keys| keys.seeds.len() + keys.values.len()).sum();
        let shared = gate.bits.len() + gate.values.len() + 2 * gate.roots.len() + keys;
        shared + gate.opening.len() + gate.held.len() + gate.offset.len()
    });
    size_of::<u64>() * words.sum::<usize>()
}

/// What was sent online and the logits, and the most that an owner held of randomness when a window had come.
fn infer<P: Dealing>(
    circuit: &Arc<Circuit>,
    model: &Model,
    pixels: &[f32],
    windows: Vec<GateWindow>,
) -> ((Vec<Vec<u8>>, Vec<u64>), usize) {
    let [mut batch] = Batch::<P>::several(circuit, model, pixels.len() / circuit.inputs());
    let mut windows = windows.into_iter().peekable();
    let (client, server) = batch.window(&windows.next().unwrap());
    let mut server = server.start().unwrap();
    let (mut client, mut message) = client.start(pixels).unwrap();
    let mut most = held(&client).max(held(&server));
    let (mut sent, mut number) = (Vec::new(), 0);
    loop {
        let (Step::Send(answer) | Step::Last(answer)) = server.receive(&message).unwrap() else {
            panic!("the model owner learned the logits")
        };
        let mut step = client.receive(&answer).unwrap();
        sent.extend([message, answer]);
        if let Some(follows) = server.proceed() {
            assert!(matches!(step, Step::Wait));
            step = client.receive(&follows).unwrap();
            sent.push(follows);
        }
        message = match step {
            Step::Send(next) => next,
            Step::Logits(logits) => {
                assert_eq!(windows.next(), None);
                return ((sent, logits), most);
            }
            Step::Last(_) | Step::Wait => panic!("the data owner did not wait for the logits"),
        };
        number += 1;
        if let Some(window) = windows.next_if(|window| window.message == number) {
            let (of_data_owner, of_model_owner) = batch.window(&window);
            of_data_owner.follow(&mut client).unwrap();
            of_model_owner.follow(&mut server).unwrap();
            most = most.max(held(&client)).max(held(&server));
        }
    }
}

/// A network whose wires are read more than once.
fn branched(signs: SignProtocol, width: Width) -> (Arc<Circuit>, Model) {
    let dense = |outputs| Operation::Dense { outputs };
    let operations = vec![
        dense(6),
        Operation::Relu,
        Operation::Keep,
        dense(6),
        Operation::Relu,
        dense(6),
        Operation::Add(0),
        Operation::Relu,
        Operation::Concat(0),
        dense(2),
    ];
    let affine = |inputs: usize, outputs: usize| LayerParameters::Affine {
        weights: (0..inputs * outputs).map(|at| at as f32 % 3.0 / 8.0 - 0.125).collect(),
        bias: vec![0.25; outputs],
    };
    let mut inputs = [4, 6, 6, 12].into_iter();
    let parameters: Vec<LayerParameters> = operations
        .iter()
        .map(|operation| match operation {
            Operation::Dense { outputs } => affine(inputs.next().unwrap(), *outputs),
            _ => LayerParameters::None,
        })
        .collect();
    let program = Program { input: Shape::Flat(4), operations, magnitudes: vec![] };
    let ring = Ring::FULL;
    let format = Format { activation_bits: 10, weight_bits: 10, ring, width, signs, input_magnitude: 1.0 };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters).unwrap();
    (circuit, model)
}

fn windows_change_nothing_but_what_is_held<P: Dealing>(signs: SignProtocol, width: Width) {
    for (circuit, model) in [network(signs, width), branched(signs, width)] {
        are_alike::<P>(&circuit, &model);
    }
}

fn are_alike<P: Dealing>(circuit: &Arc<Circuit>, model: &Model) {
    const IMAGES: usize = 2;
    let cost = Cost::of::<P>(circuit);
    let pixels: Vec<f32> = (0..IMAGES * circuit.inputs()).map(|at| (at % 11) as f32 / 16.0 - 0.25).collect();
    let all = cost.windows(IMAGES, usize::MAX);
    assert_eq!(all, [GateWindow { message: 0, gates: 0..circuit.gates().len() }]);
    let bytes = |window: &GateWindow| cost.window_bytes(window.gates.clone(), IMAGES);
    let (whole, held_whole) = infer::<P>(circuit, model, &pixels, all);
    let smallest = cost.windows(IMAGES, 0);
    assert!(smallest.len() > 2, "{smallest:?}");
    // What is begun between two messages comes together.
    let least = smallest.iter().map(bytes).max().unwrap();
    let gates = (0..circuit.gates().len()).map(|gate| cost.window_bytes(gate..gate + 1, IMAGES));
    let gate = gates.max().unwrap();
    for most in [0, least, held_whole / 3, held_whole / 2] {
        let windows = cost.windows(IMAGES, most);
        let covered: Vec<usize> = windows.iter().flat_map(|window| window.gates.clone()).collect();
        assert_eq!(covered, (0..circuit.gates().len()).collect::<Vec<_>>());
        assert!(windows.iter().all(|window| bytes(window) <= most.max(least)), "{windows:?}");
        let (streamed, held) = infer::<P>(circuit, model, &pixels, windows);
        assert!(streamed == whole, "{most} bytes a window: other messages or logits");
        assert!(held <= most.max(least) + gate, "{held} bytes were held, {most} are a window");
    }
}

#[test]
fn masked_wires_in_windows_send_the_same_and_hold_a_window() {
    for width in [Width::Bytes, Width::Bits] {
        windows_change_nothing_but_what_is_held::<Masked>(SignProtocol::Tree, width);
        windows_change_nothing_but_what_is_held::<Masked>(SignProtocol::Function, width);
    }
}

#[test]
fn beaver_in_windows_sends_the_same_and_holds_a_window() {
    windows_change_nothing_but_what_is_held::<Beaver>(SignProtocol::Tree, Width::Bytes);
}

/// The windows of one image, as many as there can be.
fn windows<P: Dealing>(circuit: &Circuit) -> Vec<GateWindow> {
    Cost::of::<P>(circuit).windows(1, 0)
}

#[test]
fn what_is_dealt_twice_or_before_its_turn_is_refused() {
    let (circuit, model) = network(SignProtocol::Function, Width::Bytes);
    let windows = windows::<Masked>(&circuit);
    let [mut batch, mut other] = Batch::<Masked>::several(&circuit, &model, 1);
    let [first, second] =
        [0, 1].map(|at| batch.dealer.until(windows[at].gates.end).collect::<Vec<Corrections>>());
    assert!(!first.is_empty() && !second.is_empty());
    let later = other.dealer.until(windows[0].gates.end).collect::<Vec<Corrections>>();
    let refuses = |server: &mut ModelOwnerBatch<Masked>, wrong: &Corrections, right: &Corrections| {
        assert!(server.receive(Peer::Dealer, wrong.to_model_owner()).is_err());
        let again = server.receive(Peer::Dealer, right.to_model_owner());
        assert!(matches!(again, Err(Error::OutOfOrder { .. })), "{again:?}");
    };
    let mut server = batch.model_owner.prepare_until(windows[0].gates.end);
    refuses(&mut server, &second[0], &first[0]);
    let mut server = other.model_owner.prepare_until(windows[0].gates.end);
    later.iter().for_each(|message| server.receive(Peer::Dealer, message.to_model_owner()).unwrap());
    refuses(&mut server, &later[0], &later[0]);
    let mut server = batch.model_owner.prepare_until(windows[1].gates.end);
    refuses(&mut server, &first[0], &second[0]);
    // The data owner's messages ahead of a window are of that window.
    drop(batch.data_owner.expand_until(windows[0].gates.end));
    let (_, ahead) = batch.data_owner.expand_until(windows[1].gates.end);
    let mut server = batch.model_owner.prepare_until(windows[2].gates.end);
    assert!(server.receive(Peer::DataOwner, &ahead[0]).is_err());
}

#[test]
fn a_window_follows_the_one_before_it_in_its_own_batch() {
    let (circuit, model) = network(SignProtocol::Tree, Width::Bytes);
    let windows = windows::<Masked>(&circuit);
    let [mut batch, mut other] = Batch::<Masked>::several(&circuit, &model, 1);
    let pixels = vec![0.5; circuit.inputs()];
    let out_of_order = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::OutOfOrder { .. })), "{result:?}");
    };
    let ((client, server), (other_client, other_server)) =
        (batch.window(&windows[0]), other.window(&windows[0]));
    let (mut server, (mut client, mut message)) = (server.start().unwrap(), client.start(&pixels).unwrap());
    out_of_order(other_client.follow(&mut client));
    out_of_order(other_server.follow(&mut server));
    let (of_client, of_server) = other.window(&windows[1]);
    out_of_order(of_client.follow(&mut client));
    out_of_order(of_server.follow(&mut server));
    let (of_client, of_server) = other.window(&windows[2]);
    out_of_order(of_client.start(&pixels).map(|_| ()));
    out_of_order(of_server.start().map(|_| ()));
    let [(second_client, second_server), (third_client, third_server)] =
        [1, 2].map(|at| batch.window(&windows[at]));
    out_of_order(third_client.follow(&mut client));
    out_of_order(third_server.follow(&mut server));
    // Of the right batch and gates, and another owner's.
    out_of_order(second_client.follow(&mut server));
    second_server.follow(&mut server).unwrap();
    // Without its window the data owner goes on as far as it can, and no further.
    let error = loop {
        let Step::Send(answer) = server.receive(&message).unwrap() else { panic!("a window is missing") };
        match client.receive(&answer) {
            Ok(Step::Send(next)) => message = next,
            Ok(_) => panic!("a window is missing"),
            Err(error) => break error,
        }
    };
    out_of_order(Err(error));
    out_of_order(client.receive(&[]).map(|_| ()));
}

#[test]
fn a_window_of_no_gates_starts_nothing() {
    let (circuit, model) = network(SignProtocol::Tree, Width::Bytes);
    let [mut batch] = Batch::<Masked>::several(&circuit, &model, 1);
    let (client, _) = batch.data_owner.expand_until(0);
    let refused = client.start(&vec![0.5; circuit.inputs()]).map(|_| ());
    assert!(matches!(refused, Err(Error::OutOfOrder { call: "start", .. })), "{refused:?}");
}
