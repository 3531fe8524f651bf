//! The plan of the layout in which an image is across the slots, and what it predicts.

use std::sync::OnceLock;

use veilbench_networks::Architecture;

use super::{IMAGES_TOGETHER, PackedPlan, RoundPlan, rotations};
use crate::circuits::circuit::Stage;
use crate::circuits::program::PackedCircuit;
use crate::client_aided::rounds::Round;
use crate::client_aided::steps::{kept_values, rounds, steps};
use crate::client_aided::{AidedPlan, DEPTH, IMAGE_COPIES, LOGIT_ERROR, PROTOCOL};
use crate::planning::cost::{Cost, Exchange};
use crate::planning::memory::{CLIENT_BYTES, KEY_COPIES, key_bytes, key_memory_bytes, too_little_memory};
use crate::planning::plan::{KEY_COSTS, SLOWER_FOR_KEYS, unwritten};
use crate::planning::precision::{Inputs, WORST, logit_deviation};
use crate::planning::prediction::{Prediction, three_digits};
use crate::planning::rates::{self, Rates};
use crate::planning::remembered::{Known, remembered};
use crate::planning::scheme::{Demand, Scheme};
use crate::roles::latency::weight_memory_bytes;
use veilbench_api::{Job, LinkProfile, Plan, Unsupported};

/// Memory of the model owner's process beside ciphertexts, keys and weights: less than that of whole circuits, whose rings are larger.
const PROCESS_BYTES: usize = 20 << 20;

/// Rings that are considered, of which the two smallest that suit a network are compared.
const DEGREES: [usize; 4] = [4096, 8192, 16_384, 32_768];

/// A plan, and what it takes: of one image unless said otherwise.
#[derive(Clone)]
struct Candidate {
    plan: AidedPlan,
    setup_bytes: usize,
    /// Of the model owner.
    peak_rss_bytes: usize,
    /// Of the data owner, without images.
    client_bytes: usize,
    /// What the data owner has of an image.
    image_bytes: usize,
    max_logit_error: f64,
    logit_error_deviation: f64,
    /// The rounds on the reference machine and on this one, on one thread and on two.
    exchanges: [[Vec<Exchange>; 2]; 2],
}

/// What all candidates for a network have in common.
struct Structure {
    stages: Vec<Stage>,
    demand: Demand<'static>,
    /// What a unit of the logits is worth.
    logit_unit: f64,
    image_bytes: usize,
}

/// The plan for a machine with so much memory: with the ring whose image is predicted to be there first.
pub(in super::super) fn plan(
    architecture: &Architecture,
    job: &Job,
    memory: usize,
) -> Result<Plan, Unsupported> {
    static KNOWN: Known<Vec<Candidate>> = OnceLock::new();
    let known = remembered(&KNOWN, &(architecture, rates::are_adopted()), || candidates(architecture))?;
    let least = known.iter().map(|own| own.session_bytes(job)).min().unwrap_or(0);
    known
        .into_iter()
        .filter(|own| own.session_bytes(job) <= memory)
        .min_by_key(|own| own.wall_ns(0, job))
        .ok_or_else(|| too_little_memory(least, memory))?
        .into_plan(architecture, job)
}

fn candidates(architecture: &Architecture) -> Result<Vec<Candidate>, Unsupported> {
    let structure = Structure::new(architecture)?;
    Scheme::choose(&structure.demand)?;
    let schemes = Scheme::candidates(&structure.demand);
    let (mut found, mut refused) = (Vec::new(), None);
    let too_large =
        || "it has too many values for one image across the slots: set layout to slots".to_owned();
    let inexact = || {
        format!(
            "its results are sums of so many products that a logit may be further off than {LOGIT_ERROR:.1e} with one image across \
             the slots: set layout to slots"
        )
    };
    for degree in DEGREES {
        let schemes: Vec<&Scheme> = schemes.iter().filter(|scheme| scheme.degree == degree).collect();
        if schemes.is_empty() || found.len() == 2 {
            continue;
        }
        match structure.programs(degree / 2) {
            Ok(programs) => match structure.cheapest(&programs, &schemes) {
                Some(own) => found.push(own),
                None => refused = structure.least_exact(&programs).map(|layer| (layer, inexact())),
            },
            Err(layer) => refused = Some((layer, too_large())),
        }
    }
    if found.is_empty() {
        let (layer, reason) = refused.map_or((None, inexact()), |(layer, reason)| (Some(layer), reason));
        return Err(Unsupported { layer, reason });
    }
    Ok(found)
}

impl Structure {
    fn new(architecture: &Architecture) -> Result<Self, Unsupported> {
        let steps = steps(architecture, None)?;
        let values = kept_values(architecture, &steps) + IMAGE_COPIES * architecture.input.len();
        let rounds: Vec<Round> = rounds(steps).collect();
        let largest = rounds.iter().map(|round| round.units[1]).fold(1.0, f64::max);
        Ok(Self {
            demand: Demand {
                depth: DEPTH,
                degree: 32_768,
                vectors: true,
                rotations: true,
                lower_input_bits: 0,
                stages: &[],
                logits: largest * (rounds.len() as f64).sqrt(),
                error: LOGIT_ERROR,
                pairs: None,
                room: None,
            },
            logit_unit: rounds.last().map_or(0.0, |round| round.units[1]),
            image_bytes: values * size_of::<f32>(),
            stages: rounds.into_iter().map(Round::into_stage).collect(),
        })
    }

    /// The program of every round, without weights, or the name of one that does not suit so many slots.
    fn programs(&self, slots: usize) -> Result<Vec<PackedCircuit>, String> {
        let program = |stage: &Stage| {
            let program = PackedCircuit::round(stage, slots).map(PackedCircuit::without_weights);
            program.ok_or_else(|| stage.name.clone())
        };
        self.stages.iter().map(program).collect()
    }

    /// The name of the layer whose results are sums of the most products.
    fn least_exact(&self, programs: &[PackedCircuit]) -> Option<String> {
        let own = self.stages.iter().zip(programs).max_by_key(|(_, program)| program.terms());
        own.map(|(stage, _)| stage.name.clone())
    }

    /// Of the candidates a tenth slower than the fastest at most, the one with the smallest keys; `None` if no scheme keeps
    /// the largest error that is stated within [`LOGIT_ERROR`].
    fn cheapest(&self, programs: &[PackedCircuit], schemes: &[&Scheme]) -> Option<Candidate> {
        let under = |key_cost: usize| -> Vec<Candidate> {
            let programs: Vec<PackedCircuit> =
                programs.iter().map(|program| program.clone().with_key_cost(key_cost)).collect();
            schemes.iter().map(|&scheme| self.candidate(&programs, scheme.clone(), key_cost)).collect()
        };
        let known: Vec<Candidate> =
            KEY_COSTS.into_iter().flat_map(under).filter(|own| own.max_logit_error <= LOGIT_ERROR).collect();
        let alone = Job::new(1, 1, LinkProfile::loopback());
        let time = |own: &Candidate| own.wall_ns(0, &alone) as f64;
        let fastest = known.iter().map(time).min_by(f64::total_cmp)?;
        let fast_enough = known.into_iter().filter(|own| time(own) <= SLOWER_FOR_KEYS * fastest);
        fast_enough.min_by_key(|own| own.setup_bytes)
    }

    fn candidate(&self, programs: &[PackedCircuit], scheme: Scheme, key_cost: usize) -> Candidate {
        let rotations = rotations(programs, &scheme);
        let keys_sent = key_bytes(&scheme, &rotations);
        let weights: usize = programs.iter().map(|program| weight_memory_bytes(program, &scheme)).sum();
        let diagonals = |program: &PackedCircuit| -> usize {
            program.layers.iter().map(|layer| layer.outline.diagonals()).sum()
        };
        // Before they are encoded, those of one round at a time.
        let numbers = programs.iter().map(diagonals).max().unwrap_or(0) * scheme.slots() * size_of::<f64>();
        let ciphertexts = |program: &PackedCircuit| {
            let results = program.layers.iter().map(|layer| layer.diagonals.len()).sum::<usize>();
            program.input.len() * scheme.memory_bytes(DEPTH)
                + IMAGES_TOGETHER * results * scheme.folded_bytes(program.period)
        };
        let held = programs.iter().map(ciphertexts).max().unwrap_or(0);
        let exchanges = |rates: &Rates| {
            [1, 2].map(|threads| {
                let cost = Cost::new(rates, &scheme, threads);
                programs.iter().map(|program| cost.across(program)).collect()
            })
        };
        let here = Cost::new(rates::here(), &scheme, 1);
        let round = |program: &PackedCircuit| {
            let layer = program.layers.first()?;
            let around =
                layer.inputs * layer.pre_rotations.len() + layer.diagonals.len() * layer.post_rotations.len();
            Some(RoundPlan {
                layer: layer.name.clone(),
                inputs: program.input.len(),
                results: layer.diagonals.len(),
                weights: layer.outline.diagonals(),
                rotations: layer.outline.baby_steps() + layer.outline.giant_steps() + around,
                online_ns: here.latency_layers(program).first()?.1 as u64,
            })
        };
        let reads = |program: &PackedCircuit| Inputs { count: program.terms(), magnitude: 1.0, fresh: true };
        let reads: Vec<Inputs> = programs.iter().map(reads).collect();
        let deviation = logit_deviation(&scheme, &reads, true, self.logit_unit);
        Candidate {
            setup_bytes: keys_sent + scheme.public_key_bytes(),
            peak_rss_bytes: key_memory_bytes(&scheme, &rotations)
                + keys_sent
                + weights
                + numbers
                + held
                + PROCESS_BYTES,
            client_bytes: CLIENT_BYTES + KEY_COPIES * keys_sent + numbers,
            image_bytes: self.image_bytes,
            max_logit_error: three_digits(scheme.logit_error(&self.demand).max(WORST * deviation)),
            logit_error_deviation: three_digits(deviation),
            exchanges: [rates::reference(), rates::here()].map(exchanges),
            plan: AidedPlan {
                protocol: PROTOCOL.into(),
                rounds: programs.len(),
                packed: Some(PackedPlan { key_cost, rounds: programs.iter().filter_map(round).collect() }),
                scheme,
            },
        }
    }
}

impl Candidate {
    /// Peaks of both parties.
    fn session_bytes(&self, job: &Job) -> usize {
        self.peak_rss_bytes + self.client_bytes + job.batch * self.image_bytes
    }

    /// Wall time of a batch on the reference machine, 0, or on this one, 1.
    fn wall_ns(&self, machine: usize, job: &Job) -> u64 {
        let rounds = &self.exchanges[machine][job.threads.clamp(1, 2) - 1];
        let pass = |images: usize| -> f64 { rounds.iter().map(|round| round.images_ns(job, images)).sum() };
        let (full, rest) = (job.batch / IMAGES_TOGETHER, job.batch % IMAGES_TOGETHER);
        let rest_ns = if rest > 0 { pass(rest) } else { 0.0 };
        (full as f64 * pass(IMAGES_TOGETHER) + rest_ns) as u64
    }

    fn into_plan(self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let rounds = &self.exchanges[0][0];
        let upload_bytes = job.batch * rounds.iter().map(|round| round.up_bytes).sum::<usize>();
        let download_bytes = job.batch * rounds.iter().map(|round| round.down_bytes).sum::<usize>();
        let reference_ns = self.wall_ns(0, job);
        let predicted = Prediction {
            online_wall_ns: self.wall_ns(1, job),
            reference_ns,
            setup_bytes: self.setup_bytes,
            online_bytes: upload_bytes + download_bytes,
            upload_bytes,
            download_bytes,
            peak_rss_bytes: self.peak_rss_bytes,
            session_peak_rss_bytes: self.session_bytes(job),
            max_logit_error: self.max_logit_error,
            logit_error_deviation: self.logit_error_deviation,
            logits: architecture.classes(),
        };
        Ok(Plan {
            security_bits: Some(veilbench_ckks::SECURITY_BITS),
            parameters: serde_json::to_value(self.plan).map_err(unwritten)?,
            prediction: Some(predicted.figures()),
            notes: vec!["the data owner sees every activation".into()],
            predicted_batch_ns: Some(reference_ns),
            ..Plan::default()
        })
    }
}
