//! The backend `mpc-2pc`: the two owners and nobody else. The protocol is in `veilbench-2pc`; here its messages meet links, batches
//! are cut into windows, and costs are predicted.

mod channel;
mod data_owner;
mod model_owner;
mod prediction;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_2pc as core;
use veilbench_2pc::network::Plan as NetworkPlan;
use veilbench_mpc::circuit::{Circuit, SignProtocol, Width};
use veilbench_mpc::cost::Cost;
use veilbench_mpc::masked::Masked;
use veilbench_mpc::ring::Ring;
use veilbench_networks::Architecture;
use veilbench_ot::Depth;

use super::format;
use super::lowering::{Lowered, lower};
use super::planning::batches::BatchSplit;
use super::planning::tolerance::tolerance;
use super::roles::{DataOwner, ModelOwner};
use super::{AFTER_QUERIES, DATA_OWNER, MODEL_OWNER, RING};
use prediction::Predictor;
use veilbench_api::{
    Adversary, Backend, Error, Job, Leakage, Learned, Party, Plan, Profile, Protection, Role, RoleContext,
    Setting, Technology, Unsupported,
};

/// `mpc-2pc`: ring learning with errors for linear layers, oblivious transfer for the others, no dealer.
pub struct TwoParty;

/// Depth of the trees that transfers are extended with.
const DEPTH: Setting = Setting {
    key: "k",
    values: &["8", "4", "2"],
    summary: "depth of the trees of oblivious transfers: 8 sends fewest bytes; those of the transfers, not of linear layers, are twice as many with 4, for an eighth of the cipher blocks, and four times with 2",
};

/// The widest ring of networks whose layers join, in bytes: answers of linear layers are modulo one prime still.
const WIDEST_RING_OF_JOINS: u32 = 6;
/// Memory that a window of images takes at a party while it is prepared, and until it runs, in bytes.
const WINDOW_BYTES: usize = 256 << 20;
/// By the ratings of NIST SP 800-57 for discrete logarithms on Curve25519 (Ristretto, under the base transfers) and for AES-128 (trees, streams and hashes of
/// transfers), and by the table of the Homomorphic Encryption Standard for ring learning with errors.
const SECURITY_BITS: u32 = 128;
/// The part of a plan that both roles make the same of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Parameters {
    format: format::Parameters,
    depth: u32,
}

impl TwoParty {
    /// The network of a plan, which both roles compile for themselves.
    fn compile(architecture: &Architecture, plan: &Plan) -> Result<Compiled, Error> {
        let parameters: Parameters = serde_json::from_value(plan.parameters.clone())
            .map_err(|error| Error::protocol(format!("the plan is not this backend's: {error}")))?;
        let mut lowered = lower(architecture).map_err(|error| Error::protocol(error.to_string()))?;
        lowered.program.magnitudes = parameters.format.magnitudes();
        let circuit = Circuit::compile(&lowered.program, parameters.format.format(SignProtocol::Tree)?)
            .map_err(Error::engine("compiling the network"))?;
        let network = NetworkPlan::new(Arc::new(circuit)).map_err(Error::engine("laying out the network"))?;
        let depth = Depth::new(parameters.depth).map_err(Error::engine("reading the plan"))?;
        Ok(Compiled {
            lowered,
            network: Arc::new(network),
            depth,
            window: parameters.format.images_a_message.max(1),
        })
    }
}

/// What a role has of a plan.
struct Compiled {
    lowered: Lowered,
    network: Arc<NetworkPlan>,
    depth: Depth,
    /// Images that are prepared and run at once.
    window: usize,
}

impl Backend for TwoParty {
    fn profile(&self) -> Profile {
        Profile {
            name: "mpc-2pc".into(),
            summary: "two-party computation without a dealer: RLWE for linear layers, oblivious transfer for activations".into(),
            technology: Technology::Mpc,
            roles: vec![Role::data_owner(), Role::model_owner()],
            protection: Protection {
                label: "semi-honest, two parties".into(),
                adversary: Adversary::SemiHonest,
                colluding: 0,
                trusted: vec![
                    "both parties follow the protocol".into(),
                    "links are confidential and authenticated".into(),
                    "both know the format: of every layer the power of two above its calibrated magnitude, and of the input three \
                     significant bits"
                        .into(),
                    "the data owner learns of groups of activations whether their hidden sum is below a random threshold that it knows, between a \
                     public power of two and its double, and logits rounded at a random threshold that it knows: both are new in every run, so \
                     runs on one image add up"
                        .into(),
                ],
                learns: vec![
                    Leakage {
                        logits: Learned::Yes,
                        weights: Learned::derivable(AFTER_QUERIES),
                        ..Leakage::none(DATA_OWNER)
                    },
                    Leakage::none(MODEL_OWNER),
                ],
                simulated: false,
            },
        }
    }

    fn settings(&self) -> &'static [Setting] {
        &[DEPTH, RING]
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let lowered = lower(architecture)?;
        let (circuit, network, mut notes) = choose(&lowered, job)?;
        notes.extend(lowered.approximations());
        let format = *circuit.format();
        let count = |error: core::Error| unsupported(&error.to_string());
        let depth: u32 = job.setting(&DEPTH).parse().unwrap_or(8);
        let tree = Depth::new(depth).map_err(|error| unsupported(&error.to_string()))?;
        let window = (WINDOW_BYTES / network.image_bytes().map_err(count)?.max(1)).clamp(1, job.batch.max(1));
        if window < job.batch {
            notes.push(format!(
                "{window} images of a batch are prepared offline, the rest while online, as many at a time: with {} MB a party",
                WINDOW_BYTES >> 20
            ));
        }
        if network.has_long_answers() {
            notes.push("answers of linear layers are modulo both primes, twice as long".into());
        }
        notes.push("each party computes on one thread, but for large polynomials".into());
        notes.push(
            "128 bits by the ratings of Curve25519, AES-128 and RLWE; of the hash of 1-of-16 transfers 124 are proved, in evaluations of AES".into(),
        );
        let parameters = Parameters {
            format: format::Parameters {
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
                images_a_message: window,
                images_dealt_ahead: window,
                bytes_dealt_ahead: None,
            },
            depth,
        };
        let predictor = Predictor { network: &network, depth: tree, window, job };
        let times = predictor.times().map_err(count)?;
        notes.push(times.note());
        let weights = Cost::of::<Masked>(&circuit).parameters();
        let reason = |error: serde_json::Error| unsupported(&error.to_string());
        Ok(Plan {
            security_bits: Some(SECURITY_BITS),
            parameters: serde_json::to_value(parameters).map_err(reason)?,
            prediction: Some(predictor.predict(weights).map_err(count)?),
            notes,
            predicted_batch_ns: Some(times.batch_ns()),
            tolerance: tolerance(architecture, lowered.approximation_error()),
            ..Plan::default()
        })
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let compiled = Self::compile(&role.architecture, &role.plan)?;
        let cut = BatchSplit::new(compiled.window, compiled.window);
        match role.index {
            0 => {
                let side = data_owner::DataOwner::join(&mut role, compiled)?;
                Ok(Box::new(DataOwner::new(&role, cut, side)))
            }
            _ => {
                let side = model_owner::ModelOwner::join(&mut role, compiled)?;
                Ok(Box::new(ModelOwner::new(&role, cut, side)))
            }
        }
    }
}

fn unsupported(reason: &str) -> Unsupported {
    Unsupported { layer: None, reason: reason.into() }
}

/// Fractional bits that networks whose layers join go without in the narrow ring: bounds grow from block to block.
const SPARE_BITS_OF_JOINS: u32 = 1;

/// The narrowest rings in which truncations drop the noise of products, each layer's its own where none join. Uncalibrated networks, and those whose ranges or noise
/// ask for it, get a wider one.
fn choose(lowered: &Lowered, job: &Job) -> Result<(Arc<Circuit>, NetworkPlan, Vec<String>), Unsupported> {
    let planned = |(circuit, notes): (Circuit, Vec<String>)| {
        let circuit = Arc::new(circuit);
        NetworkPlan::new(Arc::clone(&circuit)).map(|network| (circuit, network, notes))
    };
    let room = format::Room::new(job.setting(&RING));
    if room == format::Room::Narrow {
        let of_joins = Ring::new(WIDEST_RING_OF_JOINS).map_err(|error| unsupported(&error.to_string()))?;
        let first = match (lowered.joins(), lowered.squares()) {
            (false, _) => Some((Width::Bits, Ring::FULL, 0)),
            (true, false) => Some((Width::Bytes, of_joins, SPARE_BITS_OF_JOINS)),
            (true, true) => None,
        };
        for (width, widest, spare) in first.into_iter().chain([(Width::Bytes, Ring::FULL, 0)]) {
            let found = format::choose_within(lowered, SignProtocol::Tree, width, room, widest, spare);
            if let Some(planned) = found.ok().and_then(|found| planned(found).ok()) {
                return Ok(planned);
            }
        }
    }
    let found = format::choose(lowered, SignProtocol::Tree, Width::Bytes, format::Room::Wide)?;
    planned(found).map_err(|error| unsupported(&error.to_string()))
}

#[cfg(test)]
mod tests;
