//! A protocol is not bound to a dealer, to one message ahead of the images, or to turns: one that has none of them runs in a session as any
//! other. It protects nothing.

use std::ops::Range;
use std::sync::Arc;

use super::online::{Evaluation, Known, Online, Stage};
use super::preparation::{HeldMasks, Preparation};
use super::randomness::Randomness;
use super::randomness::masks::Role;
use super::randomness::secrets::SessionSecrets;
use super::randomness::setup_seed::SetupSeeds;
use super::schedule::{Transfer, last_message};
use super::sizes::Sizes;
use super::{DataOwner, ModelOwner, ModelOwnerBatch, Peer, Protocol, Reservation, Step};
use crate::circuit::parameters::GateParameters;
use crate::circuit::{Circuit, Format, Gate, SignProtocol, Width};
use crate::cost::{Cost, Traffic};
use crate::linear::LinearMap;
use crate::model::{LayerParameters, Model};
use crate::oracle::add_per_channel;
use crate::program::{Operation, Program};
use crate::ring::Ring;
use crate::session::message::Reader;
use crate::{Error, oracle, ring};
use veilbench_networks::Shape;
use veilbench_ring::wiped::Wiped;

/// The image goes to the model owner as it is, in two messages in a row behind two that go ahead of it.
struct Plain;

/// Messages ahead of the images.
const AHEAD: [&[u8]; 2] = [&[1; 3], &[2; 5]];

impl Preparation for Plain {
    type Own = Option<(LinearMap, Vec<u64>)>;

    const RINGS_BY_LAYER: bool = false;

    fn ahead(_: &Circuit, _: Range<usize>, _: usize) -> Vec<usize> {
        AHEAD.map(<[u8]>::len).to_vec()
    }

    fn own(gate: &Gate, secret: GateParameters, _: Vec<u64>) -> Self::Own {
        match (gate, secret) {
            (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                Some((LinearMap::new(*shape, weights), bias))
            }
            _ => None,
        }
    }

    fn complete(
        _: &Reservation<Self>,
        _: &mut HeldMasks,
        _: &Wiped<u64>,
        _: Range<usize>,
        _: &mut [Randomness],
    ) -> Vec<Vec<u8>> {
        AHEAD.map(<[u8]>::to_vec).to_vec()
    }

    fn take_ahead(_: &mut ModelOwnerBatch<Self>, number: usize, message: &[u8]) -> Result<(), Error> {
        if AHEAD[number] == message {
            return Ok(());
        }
        Err(Error::OutOfOrder { call: "receive", expected: "the message whose turn it is" })
    }
}

/// Values of the image that have come, and that come next.
type Awaited = [usize; 2];

impl Evaluation for Plain {
    type Awaited = Awaited;

    fn image(_: &Circuit, count: usize) -> Awaited {
        [0, count / 2]
    }

    fn start(online: &mut Online<Self>, mut images: Vec<u64>, _: &[u64]) -> Result<Vec<u8>, Error> {
        online.wire = images.split_off(images.len() / 2);
        online.writer.elements(images.into_iter());
        Ok(online.writer.take())
    }

    fn proceed(online: &mut Online<Self>) {
        if online.role == Role::DataOwner {
            let rest = std::mem::take(&mut online.wire);
            online.writer.elements(rest.into_iter());
        }
    }

    fn begin(online: &mut Online<Self>, circuit: &Circuit, index: usize, _: Randomness) {
        match (&online.parameters, &circuit.gates[index]) {
            (Known::ModelOwner(parameters), _) => {
                if let Some((map, bias)) = &parameters[index] {
                    online.wire = map.apply(&online.wire);
                    add_per_channel(&mut online.wire, bias, 1);
                }
            }
            (Known::DataOwner(_), Gate::Output { .. }) => {
                online.stage = Stage::Logits(vec![0; online.header.images * circuit.outputs()].into());
            }
            (Known::DataOwner(_), _) => {}
        }
    }

    fn resume(
        online: &mut Online<Self>,
        circuit: &Circuit,
        [came, count]: Awaited,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        online.wire.extend(reader.elements(count, "image")?);
        let left = online.header.images * circuit.inputs - came - count;
        if left > 0 {
            online.stage = Stage::Awaits([came + count, left]);
        }
        Ok(())
    }

    fn logits(wire: Vec<u64>, circuit: &Circuit, _: &Gate, _: &Randomness) -> Vec<u64> {
        wire.into_iter().map(|word| circuit.ring().reduce(word) >> circuit.output_shift).collect()
    }
}

impl Protocol for Plain {
    fn sizes(_: usize, _: &Circuit, _: usize) -> Sizes {
        Sizes::default()
    }

    fn transfers(circuit: &Circuit, images: usize) -> Vec<Transfer> {
        let values = images * circuit.inputs;
        let halves = [values / 2, values - values / 2].map(|count| count * circuit.ring().bytes());
        vec![
            Transfer::ToModelOwner(halves[0]),
            Transfer::Ahead(Role::DataOwner),
            Transfer::ToModelOwner(halves[1]),
            Transfer::ToDataOwner(last_message(circuit, images)),
        ]
    }
}

fn circuit() -> (Arc<Circuit>, Model) {
    let program = Program {
        input: Shape::Flat(5),
        operations: vec![Operation::Dense { outputs: 2 }],
        magnitudes: vec![],
    };
    let format = Format {
        activation_bits: 12,
        weight_bits: 12,
        ring: Ring::FULL,
        width: Width::Bytes,
        signs: SignProtocol::Tree,
        input_magnitude: 8.0,
    };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let weights = (0..10).map(|at| at as f32 / 8.0 - 0.5).collect();
    let layer = LayerParameters::Affine { weights, bias: vec![0.25, -1.0] };
    let model = Model::encode(&circuit, &[layer]).unwrap();
    (circuit, model)
}

#[test]
fn a_protocol_without_a_dealer_sends_what_it_likes_ahead_and_twice_in_a_row() {
    let (circuit, model) = circuit();
    let images = [1.0, -2.0, 3.0, 0.5, 7.0, 0.0, 1.0, 0.0, -1.0, 0.25];
    let encoded: Vec<u64> = images.iter().map(|&value| ring::encode(f64::from(value), 12).unwrap()).collect();
    let expected = oracle::evaluate(&circuit, &model, &encoded);
    // The owners draw their seeds themselves.
    let secrets = SessionSecrets::new(SessionSecrets::draw().unwrap());
    let seeds = SetupSeeds::new(secrets.session, &secrets.data_owner, &secrets.model_owner);
    let (mut model_owner, weights) =
        ModelOwner::<Plain>::new(Arc::clone(&circuit), seeds.model_owner, model).unwrap();
    let mut data_owner = DataOwner::<Plain>::new(Arc::clone(&circuit), seeds.data_owner, &weights).unwrap();

    let (client, ahead) = data_owner.prepare(2);
    let mut server = model_owner.prepare(2);
    assert_eq!(client.awaits(), None);
    for message in &ahead {
        assert_eq!(server.awaits(), Some(Peer::DataOwner));
        server.receive(Peer::DataOwner, message).unwrap();
    }
    assert_eq!(server.awaits(), None);
    let mut server = server.start().unwrap();
    let (mut client, first) = client.start(&images).unwrap();
    let second = client.proceed().unwrap();
    assert!(matches!(server.receive(&first).unwrap(), Step::Wait));
    let Step::Last(last) = server.receive(&second).unwrap() else { panic!("logits are the last message") };
    let Step::Logits(logits) = client.receive(&last).unwrap() else { panic!("logits come last") };
    assert_eq!(logits.len(), expected.len());
    for (logit, expected) in logits.into_iter().zip(expected) {
        assert!((circuit.decode(logit) - circuit.decode(expected)).abs() < 1e-3);
    }

    let cost = Cost::of::<Plain>(&circuit);
    assert_eq!(cost.dealt(2), Traffic::default());
    assert_eq!(cost.offline(2), Traffic { bytes: 8, messages: 2 });
    let bytes = first.len() + second.len() + last.len();
    assert_eq!((cost.online(2), cost.rounds()), (Traffic { bytes, messages: 3 }, 2));
}

#[test]
fn messages_ahead_in_another_order_and_one_too_many_are_refused() {
    let (circuit, model) = circuit();
    let secrets = SessionSecrets::new(SessionSecrets::draw().unwrap());
    let seeds = SetupSeeds::new(secrets.session, &secrets.data_owner, &secrets.model_owner);
    let (mut model_owner, _) =
        ModelOwner::<Plain>::new(Arc::clone(&circuit), seeds.model_owner, model).unwrap();
    let mut batch = model_owner.prepare(1);
    assert!(batch.receive(Peer::DataOwner, AHEAD[1]).is_err());
    let mut batch = model_owner.prepare(1);
    AHEAD.iter().for_each(|message| batch.receive(Peer::DataOwner, message).unwrap());
    let refused = batch.receive(Peer::DataOwner, AHEAD[1]);
    assert!(matches!(refused, Err(Error::OutOfOrder { call: "receive", .. })), "{refused:?}");
    assert!(matches!(batch.start().map(|_| ()), Err(Error::OutOfOrder { call: "start", .. })));
}
