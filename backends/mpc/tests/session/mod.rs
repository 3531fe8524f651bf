//! A whole session in one thread, with everything that was sent, and networks with random weights.
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "a part of tests and benches, each of which uses some of it"
)]

mod geometry;

pub(crate) use geometry::*;

use std::sync::Arc;

use veilbench_mpc::circuit::{Circuit, Format, SignProtocol};
use veilbench_mpc::masked::{
    Corrections, DataOwner, DataOwnerBatch, Dealer, HEADER_BYTES, Invitations, ModelOwner, Online, Turn,
};
use veilbench_mpc::model::Model;
use veilbench_mpc::ring::Ring;

pub(crate) struct Session {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) dealer: Dealer,
    pub(crate) data_owner: DataOwner,
    pub(crate) model_owner: ModelOwner,
}

/// What was sent for one batch, in order, and the logits.
pub(crate) struct Inference {
    pub(crate) corrections: Vec<Corrections>,
    pub(crate) differences: Vec<u8>,
    pub(crate) to_model_owner: Vec<Vec<u8>>,
    pub(crate) to_data_owner: Vec<Vec<u8>>,
    pub(crate) logits: Vec<u64>,
}

impl Inference {
    pub(crate) fn rounds(&self) -> usize {
        self.to_model_owner.len() + self.to_data_owner.len()
    }
}

pub(crate) fn to_parties(corrections: &[Corrections]) -> Vec<Vec<u8>> {
    let both =
        |gate: &Corrections| [Some(gate.to_model_owner().to_vec()), gate.to_data_owner().map(Vec::from)];
    corrections.iter().flat_map(both).flatten().collect()
}

/// What follows the header of a message of the offline phase.
pub(crate) fn body(message: &[u8]) -> &[u8] {
    &message[HEADER_BYTES..]
}

pub(crate) fn bytes(messages: &[Vec<u8>]) -> usize {
    messages.iter().map(Vec::len).sum()
}

impl Session {
    pub(crate) fn new(circuit: &Arc<Circuit>, model: &Model, dealt: (Dealer, Invitations)) -> Self {
        let (dealer, Invitations { data_owner, model_owner }) = dealt;
        let (model_owner, masked) = ModelOwner::new(Arc::clone(circuit), model_owner, model.clone()).unwrap();
        let data_owner = DataOwner::new(Arc::clone(circuit), data_owner, &masked).unwrap();
        Self { circuit: Arc::clone(circuit), dealer, data_owner, model_owner }
    }

    pub(crate) fn fresh(circuit: &Arc<Circuit>, model: &Model) -> Self {
        Self::new(circuit, model, Dealer::new(Arc::clone(circuit)).unwrap())
    }

    pub(crate) fn infer(&mut self, images: &[f32]) -> Inference {
        self.prepare(images.len() / self.circuit.inputs()).run(images)
    }

    pub(crate) fn prepare(&mut self, count: usize) -> Prepared {
        let corrections: Vec<Corrections> = self.dealer.batch(count).collect();
        let (mut client, differences) = self.data_owner.prepare(count);
        let mut batch = self.model_owner.prepare(count);
        for correction in &corrections {
            batch.receive_from_dealer(correction.to_model_owner()).unwrap();
            if let Some(keys) = correction.to_data_owner() {
                client.receive_from_dealer(keys).unwrap();
            }
        }
        batch.receive_from_data_owner(&differences).unwrap();
        Prepared { corrections, differences, client, server: batch.start().unwrap() }
    }
}

/// A batch whose offline phase is over.
pub(crate) struct Prepared {
    corrections: Vec<Corrections>,
    differences: Vec<u8>,
    client: DataOwnerBatch,
    server: Online,
}

impl Prepared {
    pub(crate) fn run(self, images: &[f32]) -> Inference {
        let Prepared { corrections, differences, client, mut server } = self;
        let (mut client, mut message) = client.start(images).unwrap();
        let (mut to_model_owner, mut to_data_owner) = (Vec::new(), Vec::new());
        loop {
            to_model_owner.push(message);
            let answer = match server.receive(to_model_owner.last().unwrap()).unwrap() {
                Turn::Send(answer) | Turn::Last(answer) => answer,
                Turn::Logits(_) => panic!("the model owner learned the logits"),
            };
            to_data_owner.push(answer);
            match client.receive(to_data_owner.last().unwrap()).unwrap() {
                Turn::Send(next) => message = next,
                Turn::Logits(logits) => {
                    return Inference { corrections, differences, to_model_owner, to_data_owner, logits };
                }
                Turn::Last(_) => panic!("the data owner did not wait for the logits"),
            }
        }
    }
}

pub(crate) fn format(ring_bytes: u32, bits: u32) -> Format {
    let ring = Ring::new(ring_bytes).unwrap();
    let signs = SignProtocol::Tree;
    Format { activation_bits: bits, weight_bits: bits, ring, signs, input_magnitude: 4.0 }
}

pub(crate) fn by_function(format: Format) -> Format {
    Format { signs: SignProtocol::Function, ..format }
}

pub(crate) fn compile(name: &str, format: Format) -> (Arc<Circuit>, Model) {
    let architecture = architecture(name);
    let circuit = Arc::new(Circuit::compile(&architecture, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&architecture, 1)).unwrap();
    (circuit, model)
}

/// Values like those of normalised images.
pub(crate) fn images(circuit: &Circuit, count: usize, seed: u8) -> Vec<f32> {
    uniform(count * circuit.inputs(), seed).into_iter().map(|value| 2.0 * value).collect()
}
