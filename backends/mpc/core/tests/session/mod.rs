//! A whole session in one thread, with everything that was sent, and networks with random weights.
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "a part of tests and benches, each of which uses some of it"
)]

mod geometry;
mod transcript;
pub(crate) mod uniform;

pub(crate) use geometry::*;
pub(crate) use transcript::*;

use std::sync::Arc;

use veilbench_mpc::Error;
use veilbench_mpc::circuit::{Circuit, Format, SignProtocol, Width};
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::ring::Ring;
use veilbench_mpc::session::{
    Corrections, DataOwner, DataOwnerBatch, Dealer, Dealing, HEADER_BYTES, ModelOwner, Online, Peer,
    SetupSeeds, Step,
};

/// All three parties of a session.
pub(crate) struct SessionOf<P: Dealing> {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) dealer: Dealer<P>,
    pub(crate) data_owner: DataOwner<P>,
    pub(crate) model_owner: ModelOwner<P>,
    /// The model owner's message of the setup phase.
    pub(crate) masked_parameters: Vec<u8>,
}

pub(crate) type Session = SessionOf<Masked>;

/// What was sent for one batch, in order, and the logits.
pub(crate) struct Inference {
    pub(crate) corrections: Vec<Corrections>,
    pub(crate) differences: Vec<u8>,
    pub(crate) to_model_owner: Vec<Vec<u8>>,
    pub(crate) to_data_owner: Vec<Vec<u8>>,
    /// Messages to the data owner that another follows at once.
    pub(crate) ahead: usize,
    pub(crate) logits: Vec<u64>,
}

impl Inference {
    fn new(
        corrections: Vec<Corrections>,
        differences: Vec<u8>,
        [to_model_owner, to_data_owner]: [Vec<Vec<u8>>; 2],
        ahead: usize,
    ) -> Self {
        Self { corrections, differences, to_model_owner, to_data_owner, ahead, logits: Vec::new() }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.messages() - self.ahead
    }

    pub(crate) fn messages(&self) -> usize {
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

impl<P: Dealing> SessionOf<P> {
    pub(crate) fn new(circuit: &Arc<Circuit>, model: &Model, dealt: (Dealer<P>, SetupSeeds)) -> Self {
        let (dealer, SetupSeeds { data_owner, model_owner }) = dealt;
        let (model_owner, masked_parameters) =
            ModelOwner::<P>::new(Arc::clone(circuit), model_owner, model.clone()).unwrap();
        let data_owner = DataOwner::<P>::new(Arc::clone(circuit), data_owner, &masked_parameters).unwrap();
        Self { circuit: Arc::clone(circuit), dealer, data_owner, model_owner, masked_parameters }
    }

    pub(crate) fn fresh(circuit: &Arc<Circuit>, model: &Model) -> Self {
        Self::new(circuit, model, Dealer::<P>::new(Arc::clone(circuit)).unwrap())
    }

    pub(crate) fn infer(&mut self, images: &[f32]) -> Inference {
        self.prepare(images.len() / self.circuit.inputs()).run(images)
    }

    pub(crate) fn prepare(&mut self, count: usize) -> Prepared<P> {
        let corrections: Vec<Corrections> = self.dealer.batch(count).collect();
        let (mut client, differences) = self.data_owner.prepare(count);
        let mut batch = self.model_owner.prepare(count);
        for correction in &corrections {
            batch.receive(Peer::Dealer, correction.to_model_owner()).unwrap();
            if let Some(keys) = correction.to_data_owner() {
                client.receive(Peer::Dealer, keys).unwrap();
            }
        }
        for differences in &differences {
            batch.receive(Peer::DataOwner, differences).unwrap();
        }
        let differences = differences.concat();
        Prepared { corrections, differences, client, server: batch.start().unwrap() }
    }
}

/// A batch whose offline phase is over.
pub(crate) struct Prepared<P: Dealing> {
    corrections: Vec<Corrections>,
    differences: Vec<u8>,
    client: DataOwnerBatch<P>,
    server: Online<P>,
}

impl<P: Dealing> Prepared<P> {
    pub(crate) fn run(self, images: &[f32]) -> Inference {
        let (mut inference, logits) = self.attempt(images);
        inference.logits = logits.unwrap();
        inference
    }

    /// What was sent, without logits, and what the data owner makes of it.
    pub(crate) fn attempt(self, images: &[f32]) -> (Inference, Result<Vec<u64>, Error>) {
        let Prepared { corrections, differences, client, mut server } = self;
        let (mut client, mut message) = client.start(images).unwrap();
        let (mut to_model_owner, mut to_data_owner, mut ahead) = (Vec::new(), Vec::new(), 0);
        let logits = loop {
            to_model_owner.push(message);
            let answer = match server.receive(to_model_owner.last().unwrap()).unwrap() {
                Step::Send(answer) | Step::Last(answer) => answer,
                Step::Logits(_) | Step::Wait => panic!("the model owner learned the logits"),
            };
            to_data_owner.push(answer);
            let mut step = client.receive(to_data_owner.last().unwrap());
            let follows = server.proceed();
            assert_eq!(matches!(step, Ok(Step::Wait)), follows.is_some());
            if let Some(follows) = follows {
                ahead += 1;
                to_data_owner.push(follows);
                step = client.receive(to_data_owner.last().unwrap());
            }
            match step {
                Ok(Step::Send(next)) => message = next,
                Ok(Step::Logits(logits)) => break Ok(logits),
                Ok(Step::Last(_) | Step::Wait) => panic!("the data owner did not wait for the logits"),
                Err(error) => break Err(error),
            }
        };
        let sent = [to_model_owner, to_data_owner];
        let inference = Inference::new(corrections, differences, sent, ahead);
        (inference, logits)
    }
}

pub(crate) fn format(ring_bytes: u32, bits: u32) -> Format {
    let ring = Ring::new(ring_bytes).unwrap();
    let signs = SignProtocol::Tree;
    let width = Width::Bytes;
    Format { activation_bits: bits, weight_bits: bits, ring, width, signs, input_magnitude: 4.0 }
}

pub(crate) fn by_function(format: Format) -> Format {
    Format { signs: SignProtocol::Function, ..format }
}

pub(crate) fn by_bits(format: Format) -> Format {
    Format { width: Width::Bits, ..format }
}

pub(crate) fn compile(name: &str, format: Format) -> (Arc<Circuit>, Model) {
    let program = program(name);
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
    (circuit, model)
}

/// Values like those of normalised images.
pub(crate) fn images(circuit: &Circuit, count: usize, seed: u8) -> Vec<f32> {
    uniform(count * circuit.inputs(), seed).into_iter().map(|value| 2.0 * value).collect()
}
