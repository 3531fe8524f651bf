//! The backend `mpc-2pc`: the two owners and nobody else. The protocol is in `veilbench-2pc`; here its messages meet links, and batches
//! are cut into windows.

mod channel;
mod data_owner;
mod model_owner;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_2pc as core;
use veilbench_2pc::network::{Plan as NetworkPlan, setup_bytes};
use veilbench_mpc::circuit::{Circuit, SignProtocol};
use veilbench_mpc::ring::Ring;
use veilbench_networks::Architecture;
use veilbench_ot::Depth;
use veilbench_results::Predicted;

use super::format;
use super::lowering::{Lowered, lower};
use super::{AFTER_QUERIES, DATA_OWNER, MODEL_OWNER};
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
    summary: "depth of the trees of oblivious transfers: 8 sends fewest bytes, 4 twice as many with an eighth of the cipher blocks, 2 four times",
};

/// What networks are refused with that are uncalibrated, or too wide.
const RANGES: &str = "ciphertexts hold shares of at most 49 bits: state calibrated ranges, or smaller ones";
/// What polynomials are refused with.
const SQUARES: &str = "polynomials leave what follows them too little room in shares of 49 bits to prove that no image overflows; mpc has 64";
/// The widest ring of whole bytes whose shares fit a ciphertext.
const WIDEST_RING_BYTES: u32 = 6;
/// Memory of what a window of images takes while it is prepared, in bytes.
const WINDOW_BYTES: usize = 256 << 20;
/// Bytes of a transfer while it is extended, and of what is kept of it.
const BYTES_EXTENDED: usize = 64;
const BYTES_KEPT: usize = 8;
/// By the ratings of NIST SP 800-57 for discrete logarithms on Curve25519 (Ristretto, under the base transfers) and for AES-128 (trees, streams and hashes of
/// transfers), and by the table of the Homomorphic Encryption Standard for ring learning with errors.
const SECURITY_BITS: u32 = 128;
/// Time for a transfer, offline and online, and for a ciphertext, in nanoseconds: within a factor of a few.
const NS_PER_TRANSFER: u64 = 100;
const NS_PER_CIPHERTEXT: u64 = 500_000;

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
            summary: "two-party computation without a dealer: RLWE for linear layers, oblivious transfer for ReLUs".into(),
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
        &[DEPTH]
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let lowered = lower(architecture)?;
        if lowered.squares() {
            return Err(unsupported(SQUARES));
        }
        let widest = Ring::new(WIDEST_RING_BYTES).map_err(|error| unsupported(&error.to_string()))?;
        let (circuit, mut notes) =
            format::choose_within(&lowered, SignProtocol::Tree, format::Room::Narrow, widest)?;
        notes.extend(lowered.approximations());
        let format = *circuit.format();
        let network = NetworkPlan::new(Arc::new(circuit)).map_err(|error| match error {
            core::Error::RingBits { .. } => unsupported(RANGES),
            other => unsupported(&other.to_string()),
        })?;
        let depth: u32 = job.setting(&DEPTH).parse().unwrap_or(8);
        let tree = Depth::new(depth).map_err(|error| unsupported(&error.to_string()))?;
        let count = |error: core::Error| unsupported(&error.to_string());
        let [transfers, most] = network.transfers().map_err(count)?;
        let of_image = transfers * BYTES_KEPT + most * BYTES_EXTENDED + network.numbers() * size_of::<u64>();
        let window = (WINDOW_BYTES / of_image.max(1)).clamp(1, job.batch.max(1));
        if window < job.batch {
            notes.push(format!("{window} images of a batch are prepared offline, the rest while online"));
        }
        let offline = network.offline_bytes(window, tree).map_err(count)?;
        notes.push(format!("{offline} bytes are sent offline"));
        notes.push("each party computes on one thread, but for large polynomials".into());
        notes.push(
            "128 bits by the ratings of Curve25519, AES-128 and RLWE; of the hash of 1-of-16 transfers 124 are proved, in evaluations of AES".into(),
        );
        let parameters = Parameters {
            format: format::Parameters {
                ring_bits: format.ring.bits(),
                ring_by_layer: false,
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
            },
            depth,
        };
        let online = online_bytes(&network, job.batch, window, tree).map_err(count)?;
        let ciphertexts: usize = network.layouts().flat_map(|layout| layout.ciphertexts()).sum();
        let of_image_ns = (transfers + network.multiplied()) as u64 * NS_PER_TRANSFER
            + ciphertexts as u64 * NS_PER_CIPHERTEXT;
        let reason = |error: serde_json::Error| unsupported(&error.to_string());
        Ok(Plan {
            security_bits: Some(SECURITY_BITS),
            parameters: serde_json::to_value(parameters).map_err(reason)?,
            prediction: Some(Predicted {
                setup_bytes: Some(setup_bytes(tree) as u64),
                online_bytes: Some(online as u64),
                ..Predicted::default()
            }),
            notes,
            predicted_batch_ns: Some(of_image_ns.saturating_mul(job.batch as u64)),
            ..Plan::default()
        })
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let compiled = Self::compile(&role.architecture, &role.plan)?;
        match role.index {
            0 => Ok(Box::new(data_owner::DataOwner::join(&mut role, compiled)?)),
            _ => Ok(Box::new(model_owner::ModelOwner::join(&mut role, compiled)?)),
        }
    }
}

fn unsupported(reason: &str) -> Unsupported {
    Unsupported { layer: None, reason: reason.into() }
}

/// Bytes of the online phase of a batch: that of all its windows, and the preparation of all but the first.
fn online_bytes(
    network: &NetworkPlan,
    batch: usize,
    window: usize,
    depth: Depth,
) -> Result<usize, core::Error> {
    let (whole, rest) = (batch / window, batch % window);
    let mut bytes = whole * network.online_bytes(window)?
        + whole.saturating_sub(1) * network.offline_bytes(window, depth)?;
    if rest > 0 {
        bytes += network.online_bytes(rest)?;
        if whole > 0 {
            bytes += network.offline_bytes(rest, depth)?;
        }
    }
    Ok(bytes)
}

/// The windows of a batch.
fn windows(images: usize, window: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..images).step_by(window).map(move |start| start..images.min(start + window))
}

#[cfg(test)]
mod tests;
