//! The plan both parties agree on, made from the architecture alone, and what it predicts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use veilbench_networks::{Architecture, Layer, Op};

use crate::circuits::circuit::Circuit;
use crate::circuits::program::PackedCircuit;
use crate::deep::roles::Keys;
use crate::deep::series::is_smooth;
use crate::planning::cost::{Cost, Work};
use crate::planning::memory::{
    CLIENT_BYTES, KEY_COPIES, PROCESS_BYTES, key_bytes, key_memory_bytes, structure_bytes, too_little_memory,
    total_memory_bytes,
};
use crate::planning::pairs::{self, Pairs, Wanted};
use crate::planning::precision::Inputs;
use crate::planning::prediction::{Approximations, LayerPlan, Prediction, three_digits};
use crate::planning::rates::{self, Rates};
use crate::planning::release::{self, Release};
use crate::planning::schedule::Schedule;
use crate::planning::scheme::{Demand, HALVING, RotationKeys, Scheme, lower_input_bits};
use crate::roles::guard::Guard;
use crate::roles::latency::weight_memory_bytes;
use passes::{Plans, deep_pass, plans};
use veilbench_api::{Error, Job, Plan, Reveals, Setting, Unsupported};
use veilbench_results::Tolerance;

/// Largest error of a logit a plan may expect.
const LOGIT_ERROR: f64 = 1.0 / 256.0;

/// Largest ring that is considered.
const LARGEST_DEGREE: usize = 32_768;

/// Where the values of an image are: see [`Layout`].
pub(crate) const LAYOUT: Setting = Setting {
    key: "layout",
    values: &["auto", "latency", "throughput"],
    summary: "an image across the slots (latency), one in every slot (throughput), or whichever is predicted to be faster",
};

/// How close polynomials come to smooth activations: bits of their largest value.
pub(crate) const PRECISION: Setting = Setting {
    key: "precision",
    values: &["10", "6", "8", "12", "14", "16"],
    summary: "bits to which smooth activations are approximated: more take polynomials of higher degrees, and levels",
};

/// The worst precision a plan may expect of a logit, as a share of what it is measured in: a guard tells a wrap from noise.
const LOGIT_SHARE: f64 = 1.0 / 256.0;

/// Of the bytes of an image one in so many must be saved by results in a ring of half the degree.
const LEAST_SAVED: usize = 20;

/// How much longer an image may take if that saves keys.
pub(crate) const SLOWER_FOR_KEYS: f64 = 1.1;

/// What is tried for [`CkksPlan::key_cost`].
pub(crate) const KEY_COSTS: [usize; 5] = [0, 1, 2, 3, 5];

/// Copies of a batch that the data owner has: as read, and the part that fills the slots.
const IMAGE_COPIES: usize = 2;

/// Where the values of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layout {
    /// One image across the slots of few ciphertexts.
    Latency,
    /// Slot `i` of every ciphertext is image `i`, or holds two images.
    Throughput,
    /// One image, or a few of a batch, in one ciphertext, for networks that join branches or are deep: [`crate::deep`].
    Deep,
}

/// All that is agreed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CkksPlan {
    pub(crate) layout: Layout,
    /// Images that a deep circuit computes together, and that there is room for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) images: usize,
    #[serde(skip)]
    pub(crate) room: usize,
    pub(crate) scheme: Scheme,
    /// What a rotation key counts when transforms are laid out, in halves of a hoisted rotation.
    pub(crate) key_cost: usize,
    /// Rotations with keys of their own, by the highest level they are used at.
    pub(crate) rotations: BTreeMap<usize, Vec<i64>>,
    /// Likewise those of products, whose keys have long digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) long_rotations: BTreeMap<usize, Vec<i64>>,
    /// Whether results are taken to a ring of half the degree before they are sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) halved: bool,
    /// The highest level at which ciphertexts are multiplied, where that is not one below the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) products: Option<usize>,
    /// The highest level at which ciphertexts are conjugated, where any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conjugations: Option<usize>,
    /// Bits to which smooth activations are approximated, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) precision: Option<u32>,
    /// What of results may be shown, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<Release>,
    /// What the approximations of smooth activations are, or the noise of results, and how far from the clear network's logits they may lead.
    #[serde(skip)]
    pub(crate) approximations: Approximations,
    #[serde(skip)]
    pub(crate) predicted: Prediction,
    pub(crate) layers: Vec<LayerPlan>,
}

/// A plan for one pass, and the work behind its time on one thread and on two: on the reference machine, by which plans are chosen, and on
/// this one.
#[derive(Clone)]
pub(crate) struct PassPlan {
    plan: CkksPlan,
    work: [Work; 2],
    pub(crate) here: [Work; 2],
    /// Bytes of an image in the clear.
    image_bytes: usize,
}

impl PassPlan {
    /// The plan for this many passes under a job's conditions.
    fn repeated(self, times: usize, job: &Job) -> CkksPlan {
        let Self { mut plan, work, here, image_bytes } = self;
        let predicted = &mut plan.predicted;
        let bytes = [predicted.upload_bytes, predicted.download_bytes];
        let wall_ns =
            |work: [Work; 2]| times as u64 * work[job.threads.clamp(1, 2) - 1].wall_ns(job, bytes) as u64;
        (predicted.reference_ns, predicted.online_wall_ns) = (wall_ns(work), wall_ns(here));
        predicted.upload_bytes *= times;
        predicted.download_bytes *= times;
        predicted.online_bytes = predicted.upload_bytes + predicted.download_bytes;
        predicted.session_peak_rss_bytes += IMAGE_COPIES * job.batch * image_bytes;
        plan
    }
}

impl CkksPlan {
    pub(crate) fn new(architecture: &Architecture, job: &Job) -> Result<Self, Unsupported> {
        let (wanted, memory) = (pairs::wanted(job)?, total_memory_bytes());
        let release = Release::asked_for(job, wanted == Wanted::Pairs)?;
        let plan = match plans(architecture, wanted == Wanted::Pairs, release) {
            Ok(plans) => Self::choose(plans, job, memory)?,
            Err(refused) if wanted == Wanted::Pairs => return Err(pairs::not_for(&refused)),
            Err(refused) if release.is_some() => return Err(release::not_for(&refused)),
            Err(refused) => return Self::deep(architecture, job, refused),
        };
        let is_full = plan.layout == Layout::Throughput && job.batch > plan.scheme.slots();
        if wanted != Wanted::Either || release.is_some() || !is_full {
            return Ok(plan);
        }
        // Beyond one ciphertext of single images, where pairs save passes.
        let pairs = plans(architecture, true, None).and_then(|plans| Self::choose(plans, job, memory));
        let is_faster = |pairs: &Self| pairs.predicted.reference_ns < plan.predicted.reference_ns;
        Ok(pairs.ok().filter(is_faster).unwrap_or(plan))
    }

    /// The plan for a network that the other layouts refuse.
    fn deep(architecture: &Architecture, job: &Job, refused: Unsupported) -> Result<Self, Unsupported> {
        if job.setting(&LAYOUT) == "throughput" {
            return Err(refused);
        }
        let bits = job.setting(&PRECISION);
        let bits = bits.parse().map_err(|_| {
            let reason =
                format!("the setting precision is {bits:?}, not one of {}", PRECISION.values.join(", "));
            Unsupported { layer: None, reason }
        })?;
        let smooth = |layer: &Layer| matches!(layer.op, Op::Activation(kind) if is_smooth(kind));
        let is_own = architecture.first_branch().is_some() || architecture.layers.iter().any(smooth);
        let plan = match deep_pass(architecture, 1, bits) {
            Ok(pass) => Self::together(architecture, job, bits, pass),
            // Of a chain, the other layouts say what is in the way as well.
            Err(own) => return Err(if is_own { own } else { refused }),
        };
        let (needed, memory) = (plan.predicted.session_peak_rss_bytes, total_memory_bytes());
        if needed <= memory { Ok(plan) } else { Err(too_little_memory(needed, memory)) }
    }

    /// The plan for a batch, one image at a time as in this pass, or as many together as there is room for and are needed, whichever is predicted
    /// to be faster.
    fn together(architecture: &Architecture, job: &Job, bits: u32, alone: PassPlan) -> Self {
        let images = job.batch.next_power_of_two().min(alone.plan.room.max(1));
        let alone = alone.repeated(job.batch, job);
        if images == 1 {
            return alone;
        }
        let Ok(pass) = deep_pass(architecture, images, bits) else { return alone };
        let together = pass.repeated(job.batch.div_ceil(images), job);
        let is_faster = together.predicted.reference_ns < alone.predicted.reference_ns;
        let memory = total_memory_bytes();
        let fits = |plan: &Self| plan.predicted.session_peak_rss_bytes <= memory;
        let is_better = is_faster && together.scheme == alone.scheme && (fits(&together) || !fits(&alone));
        if is_better { together } else { alone }
    }

    /// The fastest plan of the wanted layout, or of either, on a machine with so much memory.
    fn choose(plans: Plans, job: &Job, memory: usize) -> Result<Self, Unsupported> {
        let Plans { latency, throughput } = plans;
        let passes = job.batch.div_ceil(throughput.plan.scheme.images());
        let throughput = throughput.repeated(passes, job);
        let latency = latency.map(|latency| latency.repeated(job.batch, job));
        let needed = |plan: &CkksPlan| plan.predicted.session_peak_rss_bytes;
        let reason = |reason: String| Unsupported { layer: None, reason };
        let candidates: Vec<CkksPlan> = match job.setting(&LAYOUT) {
            // Two images in a slot were asked for, which no other layout has.
            "auto" if throughput.scheme.pairs.is_some() => vec![throughput],
            "auto" => latency.into_iter().chain([throughput]).collect(),
            "latency" => latency.into_iter().collect(),
            "throughput" => vec![throughput],
            other => {
                let known = LAYOUT.values.join(", ");
                return Err(reason(format!("the setting layout is {other:?}, not one of {known}")));
            }
        };
        if candidates.is_empty() {
            return Err(reason("this network has no such latency layout: set layout to throughput".into()));
        }
        let least = candidates.iter().map(needed).min().unwrap_or(0);
        let fits = |plan: &CkksPlan| needed(plan) <= memory;
        let fastest = candidates.into_iter().filter(fits).min_by_key(|plan| plan.predicted.reference_ns);
        fastest.ok_or_else(|| too_little_memory(least, memory))
    }

    pub(crate) fn throughput(
        architecture: &Architecture,
        circuit: &Circuit,
        here: &Rates,
        pairs: bool,
        release: Option<Release>,
    ) -> Result<PassPlan, Unsupported> {
        let pairs = pairs.then(|| Pairs::of(circuit));
        let inputs = circuit.inputs();
        let demand = Demand { pairs, ..Self::demand(circuit, &inputs, false, release) };
        let guarded = &circuit.clone().guarded(&Guard::structure(circuit.logits()));
        let schedule = Schedule::new(guarded);
        let held = |scheme: &Scheme| schedule.peak_bytes(guarded, |level| scheme.memory_bytes(level));
        let work = |rates, scheme: &Scheme, threads| {
            Cost::new(rates, scheme, threads).throughput(guarded, &schedule, held(scheme))
        };
        let scheme = Scheme::choose_by(&demand, |scheme| work(rates::reference(), scheme, 1).server_ns)?;
        let (max_logit_error, deviation) =
            (scheme.logit_error(&demand), circuit.logit_deviation(&scheme, false));
        let circuit = guarded;
        let sent: usize = schedule.messages().map(<[u32]>::len).sum();
        let rotations = RotationKeys::default();
        let held = held(&scheme);
        let [work, work_here] =
            [rates::reference(), here].map(|rates| [1, 2].map(|threads| work(rates, &scheme, threads)));
        // Buffers that hold shorter polynomials than they once did are a quarter more.
        let peak_rss_bytes = held / 4 * 5 + key_memory_bytes(&scheme, &rotations) + PROCESS_BYTES;
        let predicted = Prediction {
            online_wall_ns: 0,
            reference_ns: 0,
            online_bytes: 0,
            setup_bytes: key_bytes(&scheme, &rotations) + scheme.public_key_bytes(),
            upload_bytes: sent * scheme.wire_bytes(scheme.depth(), true),
            download_bytes: (architecture.classes() + 1) * scheme.wire_bytes(0, false),
            peak_rss_bytes,
            session_peak_rss_bytes: peak_rss_bytes + CLIENT_BYTES,
            max_logit_error: three_digits(max_logit_error),
            logit_error_deviation: three_digits(deviation),
            logits: architecture.classes(),
        };
        let times = Cost::new(here, &scheme, 1).throughput_layers(circuit, &schedule);
        let layer = |(index, (name, time)): (usize, (String, f64))| LayerPlan {
            layer: name,
            activation: circuit.stages[index]
                .activation
                .as_ref()
                .map_or_else(String::new, |own| own.name.clone()),
            level: scheme.depth() - 2 * index,
            outputs: circuit.stages[index].map.outputs(),
            ciphertexts: circuit.stages[index].map.outputs(),
            weights: circuit.stages[index].map.products(),
            rotations: 0,
            online_ns: time as u64,
        };
        let layers = times.into_iter().enumerate().map(layer).collect();
        let layout = Layout::Throughput;
        let mut plan = Self {
            layout,
            images: 1,
            room: 1,
            key_cost: 0,
            rotations: BTreeMap::new(),
            long_rotations: BTreeMap::new(),
            halved: false,
            products: None,
            conjugations: None,
            precision: None,
            release: None,
            approximations: Approximations::default(),
            predicted,
            layers,
            scheme,
        };
        if let Some(release) = release {
            release.add_to(&mut plan, circuit);
        }
        Ok(PassPlan { plan, work, here: work_here, image_bytes: circuit.image_bytes() })
    }

    /// A plan for one image with the smallest ring that has one: of those a tenth slower than the fastest at most, the
    /// one with the smallest keys.
    pub(crate) fn latency(circuit: &Circuit) -> Option<Self> {
        Self::latency_pass(circuit, rates::here(), None).map(|pass| pass.plan)
    }

    pub(crate) fn latency_pass(
        circuit: &Circuit,
        here: &Rates,
        release: Option<Release>,
    ) -> Option<PassPlan> {
        let candidates = Scheme::candidates(&Self::demand(circuit, &circuit.inputs(), true, release));
        for degree in [4096, 8192, 16_384, LARGEST_DEGREE] {
            let schemes: Vec<&Scheme> = candidates.iter().filter(|scheme| scheme.degree == degree).collect();
            if schemes.is_empty() {
                continue;
            }
            let Some(program) = PackedCircuit::new(circuit, degree / 2) else { continue };
            let programs = KEY_COSTS.map(|key_cost| (key_cost, program.clone().with_key_cost(key_cost)));
            let plans: Vec<PassPlan> = programs
                .iter()
                .flat_map(|program| schemes.iter().map(move |&scheme| (program, scheme.clone())))
                .map(|((key_cost, program), scheme)| {
                    Self::latency_with(circuit, program, scheme, *key_cost, here, release)
                })
                .collect();
            let time = |pass: &PassPlan| pass.work[0].client_ns + pass.work[0].server_ns;
            let fastest = plans.iter().map(time).min_by(f64::total_cmp)?;
            let fast_enough = plans.into_iter().filter(|pass| time(pass) <= SLOWER_FOR_KEYS * fastest);
            return fast_enough.min_by_key(|pass| pass.plan.predicted.setup_bytes);
        }
        None
    }

    fn latency_with(
        circuit: &Circuit,
        program: &PackedCircuit,
        scheme: Scheme,
        key_cost: usize,
        here: &Rates,
        release: Option<Release>,
    ) -> PassPlan {
        let cost = Cost::new(here, &scheme, 1);
        let rotations = scheme.rotation_keys(program.rotations(scheme.depth()));
        let results = program.logits.iter().map(|&(ciphertext, _)| ciphertext + 1).max().unwrap_or(1);
        let keys_sent = key_bytes(&scheme, &rotations);
        let weights = weight_memory_bytes(program, &scheme);
        let upload_bytes = program.input.len() * scheme.wire_bytes(scheme.depth(), true);
        let [folded, half] = [scheme.folded_bytes(program.period), scheme.halved_bytes(program.period)];
        // A key more is sent once, and a key switch more made of every result, whose noise no bound of a release reckons with.
        let saves = results * (folded - half) * LEAST_SAVED >= upload_bytes + results * folded;
        let halved = saves && release.is_none() && scheme.can_halve(program.period);
        let (answer, halving) = if halved { (half, scheme.halving_key_bytes()) } else { (folded, 0) };
        let keys_sent = keys_sent + halving;
        let peak_rss_bytes = key_memory_bytes(&scheme, &rotations)
            + if halved { scheme.key_memory_bytes(HALVING) } else { 0 }
            + keys_sent
            + weights
            + PROCESS_BYTES;
        let predicted = Prediction {
            online_wall_ns: 0,
            reference_ns: 0,
            online_bytes: 0,
            setup_bytes: keys_sent + scheme.public_key_bytes(),
            upload_bytes,
            download_bytes: results * answer,
            peak_rss_bytes,
            session_peak_rss_bytes: peak_rss_bytes
                + CLIENT_BYTES
                + KEY_COPIES * keys_sent
                + structure_bytes(program, &scheme),
            max_logit_error: three_digits(scheme.logit_error(&Self::demand(
                circuit,
                &circuit.inputs(),
                true,
                release,
            ))),
            logit_error_deviation: three_digits(circuit.logit_deviation(&scheme, true)),
            logits: program.logits.len(),
        };
        let layer = |(index, (name, time)): (usize, (String, f64))| {
            let (own, outline) = (&program.layers[index], &program.layers[index].outline);
            let sums = own.inputs * own.pre_rotations.len() + own.diagonals.len() * own.post_rotations.len();
            LayerPlan {
                layer: name,
                activation: circuit.stages[index]
                    .activation
                    .as_ref()
                    .map_or_else(String::new, |own| own.name.clone()),
                level: scheme.depth() - 2 * index,
                outputs: circuit.stages[index].map.outputs(),
                ciphertexts: own.diagonals.len(),
                weights: outline.diagonals(),
                rotations: outline.baby_steps() + outline.giant_steps() + sums,
                online_ns: time as u64,
            }
        };
        let layers = cost.latency_layers(program).into_iter().enumerate().map(layer).collect();
        let [mut levels, mut long_rotations] = [(); 2].map(|()| BTreeMap::<usize, Vec<i64>>::new());
        for (steps, level) in rotations.short {
            levels.entry(level).or_default().push(steps);
        }
        for (steps, level) in rotations.long {
            long_rotations.entry(level).or_default().push(steps);
        }
        let [work, here] = [rates::reference(), here]
            .map(|rates| [1, 2].map(|threads| Cost::new(rates, &scheme, threads).latency(program, halved)));
        let layout = Layout::Latency;
        let mut plan = Self {
            layout,
            images: 1,
            room: 1,
            key_cost,
            rotations: levels,
            long_rotations,
            halved,
            products: None,
            conjugations: None,
            precision: None,
            release: None,
            approximations: Approximations::default(),
            predicted,
            layers,
            scheme,
        };
        if let Some(release) = release {
            release.add_to(&mut plan, circuit);
        }
        PassPlan { plan, work, here, image_bytes: circuit.image_bytes() }
    }

    fn demand<'a>(
        circuit: &Circuit,
        stages: &'a [Inputs],
        vectors: bool,
        release: Option<Release>,
    ) -> Demand<'a> {
        Demand {
            depth: circuit.depth(),
            degree: LARGEST_DEGREE,
            vectors,
            rotations: vectors,
            lower_input_bits: lower_input_bits(circuit.input_magnitude),
            stages,
            logits: circuit.logit_unit(),
            error: LOGIT_ERROR.min(LOGIT_SHARE * circuit.logit_unit()),
            pairs: None,
            room: release.map(|release| release.room(circuit, vectors)),
        }
    }

    /// Bits to which smooth activations are approximated.
    pub(crate) fn precision(&self) -> u32 {
        self.precision.unwrap_or_default()
    }

    pub(crate) fn into_plan(self) -> Result<Plan, Unsupported> {
        let Approximations { notes, logit_error } = self.approximations.clone();
        let tolerance = match notes.is_empty() {
            true => Some(Tolerance::default()),
            false => Tolerance::new(three_digits(Tolerance::default().get() + logit_error)),
        };
        Ok(Plan {
            tolerance: tolerance.unwrap_or_default(),
            notes,
            security_bits: Some(veilbench_ckks::SECURITY_BITS),
            prediction: Some(self.predicted.figures()),
            predicted_batch_ns: Some(self.predicted.reference_ns),
            reveals: self.release.map_or(Reveals::Logits, |release| release.reveals),
            most_images: self.release.map(|release| release.images),
            parameters: serde_json::to_value(self).map_err(unwritten)?,
            ..Plan::default()
        })
    }

    /// The keys of a deep circuit.
    pub(crate) fn deep_keys(&self) -> Keys {
        let levels = self.rotations.iter();
        let rotations = levels.flat_map(|(&level, steps)| steps.iter().map(move |&steps| (steps, level)));
        Keys { products: self.products, conjugations: self.conjugations, rotations: rotations.collect() }
    }

    pub(crate) fn from_plan(plan: &Plan) -> Result<Self, Error> {
        serde_json::from_value(plan.parameters.clone()).map_err(Error::engine("reading the plan"))
    }
}

/// A plan or an architecture that is no JSON: both parties could not agree on it.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(crate) fn unwritten(error: serde_json::Error) -> Unsupported {
    Unsupported { layer: None, reason: format!("its plan cannot be written: {error}") }
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(images: &usize) -> bool {
    *images == 1
}

mod passes;
#[cfg(test)]
mod tests;
