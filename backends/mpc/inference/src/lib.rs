//! The secret-sharing backends: `mpc`, `mpc-fss` and `mpc-beaver`, whose randomness a dealer makes, and `mpc-2pc`, whose owners make it
//! themselves. The protocols are in `veilbench-mpc` and `veilbench-2pc`; here their messages meet links, batches are cut into messages, and
//! spans are timed.

mod dealt;
mod lowering;
mod planning;
mod roles;
#[cfg(test)]
mod tests;
mod two_party;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc as core;
use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::{Circuit, SignProtocol, Width};
use veilbench_mpc::cost::{Cost, GateWindow};
use veilbench_mpc::masked::Masked;
use veilbench_mpc::session::Dealing;
use veilbench_networks::Architecture;

use dealt::enclave::{self, DEALT_BY};
use dealt::{data_owner, dealer, model_owner, profile};
use lowering::{Lowered, lower};
use planning::batches::BatchSplit;
use planning::format::{self, Room};
use planning::prediction::{Predictor, Rates};
use planning::tolerance::tolerance;
use roles::{DataOwner, ModelOwner};
pub use two_party::TwoParty;
use veilbench_api::{
    Backend, Error, Job, Party, Plan, Profile, RoleContext, RoleInput, Setting, Settings, Unsupported,
};

/// One protocol as a backend.
pub struct Mpc<P> {
    name: &'static str,
    summary: &'static str,
    signs: SignProtocol,
    /// In how many bits wires are shared and sent, unless all rings are to be as wide as they can be.
    width: Width,
    security_bits: u32,
    settings: &'static [Setting],
    rates: Rates,
    protocol: PhantomData<P>,
}

/// `mpc`: masked wires and a comparison tree of two rounds.
pub fn comparison_tree() -> Mpc<Masked> {
    Mpc {
        name: "mpc",
        summary: "two-party secret sharing with a dealer: masked wires, comparison tree",
        signs: SignProtocol::Tree,
        width: Width::Bits,
        security_bits: 128,
        settings: &[RING_OF_MASKED, DEALT_BY],
        rates: Rates { comparison: 50_000, square: 8_000 },
        protocol: PhantomData,
    }
}

/// `mpc-fss`: masked wires and a distributed comparison function without a message.
pub fn fss() -> Mpc<Masked> {
    Mpc {
        name: "mpc-fss",
        summary: "two-party secret sharing with a dealer: masked wires, function secret sharing for comparisons",
        signs: SignProtocol::Function,
        width: Width::Bits,
        security_bits: core::dcf::Comparison::SECURITY_BITS,
        settings: &[RING_OF_MASKED, DEALT_BY],
        rates: Rates { comparison: 200_000, square: 8_000 },
        protocol: PhantomData,
    }
}

/// `mpc-beaver`: the textbook baseline.
pub fn beaver() -> Mpc<Beaver> {
    Mpc {
        name: "mpc-beaver",
        summary: "two-party secret sharing with a dealer, as in the textbook: Beaver triples, comparison by bits",
        signs: SignProtocol::Tree,
        width: Width::Bytes,
        security_bits: 128,
        settings: &[RING, DEALT_BY],
        rates: Rates { comparison: 90_000, square: 27_000 },
        protocol: PhantomData,
    }
}

/// How wide the ring is.
const RING: Setting = Setting {
    key: "ring",
    values: &["narrow", "wide"],
    summary: "narrow: as calibrated ranges allow, in whole bytes; wide: 64 bits, and fewer fractional ones where these add less than 8 to a narrow one, for weights that a narrow ring refuses",
};

/// The same with masked wires, whose narrow rings are by layer.
const RING_OF_MASKED: Setting = Setting {
    key: "ring",
    values: &["narrow", "wide"],
    summary: "narrow: for each layer as many bits as calibrated ranges allow, of which only those that outlive a truncation are opened and compared; \
              wide: 64 bits for all, and fewer fractional ones where these add less than 8 to a ring of whole bytes, for weights that a narrow ring refuses",
};

const DATA_OWNER: &str = "data-owner";
const MODEL_OWNER: &str = "model-owner";
/// A layer of n inputs is n + 1 unknowns an output: as many exact answers give a network of one layer; deeper ones take more.
const AFTER_QUERIES: &str = "chosen images, one more than a layer has inputs for each layer at least (785 for a dense layer on MNIST), from the logits";
const DEALER: &str = "dealer";

impl<P: Dealing> Mpc<P> {
    /// The circuit of a plan, which every role compiles for itself.
    fn compile(
        &self,
        architecture: &Architecture,
        plan: &Plan,
    ) -> Result<(Lowered, Arc<Circuit>, BatchSplit), Error> {
        let parameters: format::Parameters = serde_json::from_value(plan.parameters.clone())
            .map_err(|error| Error::protocol(format!("the plan is not this backend's: {error}")))?;
        let mut lowered = lower(architecture).map_err(|error| Error::protocol(error.to_string()))?;
        lowered.program.magnitudes = parameters.magnitudes();
        let circuit = Circuit::compile(&lowered.program, parameters.format(self.signs)?)
            .map_err(Error::engine("compiling the network"))?;
        let cut = BatchSplit::new(parameters.images_a_message, parameters.images_dealt_ahead)
            .in_gates_of(parameters.bytes_dealt_ahead);
        Ok((lowered, Arc::new(circuit), cut))
    }
}

impl<P: Dealing> Backend for Mpc<P> {
    fn profile(&self) -> Profile {
        profile::of_process(self.name, self.summary)
    }

    /// A dealer in an enclave is another protection.
    fn profile_under(&self, settings: &Settings) -> Profile {
        match settings.get(DEALT_BY.key) {
            Some(dealer) if dealer == "enclave" => profile::of_enclave(self.name, self.summary),
            _ => self.profile(),
        }
    }

    fn settings(&self) -> &'static [Setting] {
        self.settings
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let lowered = lower(architecture)?;
        let (circuit, mut notes) =
            format::choose(&lowered, self.signs, self.width, Room::new(job.setting(&RING)))?;
        notes.extend(lowered.approximations());
        let in_enclave = enclave::is_asked_for(job);
        if in_enclave {
            notes.push(
                "SIMULATED: the dealer's enclave is a process that is not confined; attestation and sealed messages are measured, no hardware \
                 time is"
                    .into(),
            );
        }
        let cost = Cost::of::<P>(&circuit);
        let randomness = cost.randomness_bytes();
        let cut = BatchSplit::choose(randomness, job);
        let gates = cut.gates(&cost);
        if let [first, .., _] = gates.as_slice() {
            let megabytes = |gates: &GateWindow| cost.window_bytes(gates.gates.clone(), 1) as f64 / 1e6;
            notes.push(format!(
                "randomness takes {:.0} MB an image, too much to be held: it is dealt in {} windows of layers of at most {:.0} MB. Of the first image of a \
                 batch the first window, of {:.0} MB, is dealt offline; all others are dealt while online, and their time and bytes count as online",
                randomness as f64 / 1e6,
                gates.len(),
                gates.iter().map(megabytes).fold(0.0, f64::max),
                megabytes(first)
            ));
        } else if cut.ahead() < job.batch {
            notes.push(format!(
                "randomness takes {} an image: {} images of a batch are dealt offline, the rest while online",
                size(randomness),
                cut.ahead()
            ));
        }
        let format = circuit.format();
        let parameters = format::Parameters {
            ring_bits: format.ring.bits(),
            width_in_bits: format.width == Width::Bits,
            activation_bits: format.activation_bits,
            weight_bits: format.weight_bits,
            input_magnitude: format.input_magnitude,
            magnitudes_log2: lowered
                .program
                .magnitudes
                .iter()
                .map(|magnitude| magnitude.map(format::rounded_up))
                .collect(),
            images_a_message: cut.message(),
            images_dealt_ahead: cut.ahead(),
            bytes_dealt_ahead: cut.gate_bytes(),
        };
        let (prediction, batch_ns) =
            Predictor { cost, randomness_bytes: randomness, rates: self.rates, cut, gates, job, in_enclave }
                .predict();
        let reason = |error: serde_json::Error| Unsupported { layer: None, reason: error.to_string() };
        Ok(Plan {
            security_bits: Some(self.security_bits),
            parameters: serde_json::to_value(parameters).map_err(reason)?,
            prediction: Some(prediction),
            notes,
            predicted_batch_ns: Some(batch_ns),
            tolerance: tolerance(architecture, lowered.approximation_error()),
            ..Plan::default()
        })
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let (lowered, circuit, cut) = self.compile(&role.architecture, &role.plan)?;
        match role.input {
            RoleInput::Images => {
                let side = data_owner::DataOwner::<P>::join(&mut role, self.name, &lowered, circuit, cut)?;
                Ok(Box::new(DataOwner::new(&role, cut, side)))
            }
            RoleInput::Network(_) => {
                let side = model_owner::ModelOwner::<P>::join(&mut role, self.name, &lowered, circuit, cut)?;
                Ok(Box::new(ModelOwner::new(&role, cut, side)))
            }
            RoleInput::Nothing => {
                Ok(Box::new(dealer::Dealer::<P>::join(&mut role, self.name, circuit, cut)?))
            }
        }
    }
}

/// Bytes in the unit that leaves digits of them.
fn size(bytes: usize) -> String {
    match bytes {
        0..1000 => format!("{bytes} bytes"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// What a peer sent does not fit the protocol.
fn from_peer(peer: &'static str) -> impl Fn(core::Error) -> Error {
    move |error| Error::protocol(format!("link to {peer}: {error}"))
}

/// A window in what the dealer says to the data owner before it deals for it: a dealer that is out of step, or whose messages are
/// repeated, is noticed also by a party that needs nothing else of it.
fn window_header(window: &Range<usize>) -> [u8; 16] {
    let words = [window.start, window.end].map(|word| (word as u64).to_le_bytes());
    std::array::from_fn(|at| words[at / 8][at % 8])
}

/// What the dealer says to the data owner before it deals: for which images, and where gates are cut, for which of them.
fn announcement(cut: BatchSplit, images: &Range<usize>, gates: &Range<usize>) -> Vec<u8> {
    match cut.gate_bytes() {
        None => window_header(images).to_vec(),
        Some(_) => [images, gates].map(window_header).concat(),
    }
}

/// A message of a fixed size: a setup seed.
fn exactly<const N: usize>(peer: &'static str, message: &[u8]) -> Result<[u8; N], Error> {
    <[u8; N]>::try_from(message).map_err(|_| {
        Error::protocol(format!("link to {peer}: a setup seed of {N} bytes was due, {} came", message.len()))
    })
}
