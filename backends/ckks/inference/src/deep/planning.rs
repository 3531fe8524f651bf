//! The plan for a deep circuit, from the architecture alone, and what it predicts.

use std::collections::BTreeMap;

use veilbench_api::{Tolerance, Unsupported};
use veilbench_ckks::{SECURITY_BITS, chebyshev_products};
use veilbench_networks::Architecture;

use crate::deep::lowering::{Deep, Origin};
use crate::deep::program::{Outline, Program, WATCH_LEVEL};
use crate::deep::roles::{Keys, key_bytes};
use crate::planning::cost::{Cost, Work};
use crate::planning::memory::{CLIENT_BYTES, KEY_COPIES, PROCESS_BYTES};
use crate::planning::plan::{CkksPlan, Layout};
use crate::planning::precision::{Inputs, logit_deviation};
use crate::planning::prediction::{Approximations, LayerPlan, Prediction, three_digits};
use crate::planning::rates::{self, Rates};
use crate::planning::scheme::Scheme;

/// How many times larger errors of deep circuits are than the formula for shallow ones says: squares of large values amplify what
/// came before them. By how much depends on weights, which neither a plan nor the data owner knows: where they are known,
/// [`monte_carlo`](crate::deep::monte_carlo) finds out.
const DEEPER: f64 = 8.0;

/// By how much the worst of many logits' errors exceeds their deviation.
const WORST: f64 = 5.0;

/// By how much an error of an activation, as a share of its range, may be larger as a share of that of logits.
const AMPLIFIED: f64 = 4.0;

/// Memory for buffers that are kept from layer to layer, as a share of what the widest layer takes.
const KEPT: f64 = 2.0;

/// A plan for images that are computed together, the work behind its time on one thread and on two, by the reference's rates and by this machine's, and the bytes of
/// an image in the clear.
pub(crate) type DeepPass = (CkksPlan, [[Work; 2]; 2], usize);

/// What is tried for what a rotation key counts: the dearer keys are, the fewer there are, and the longer an image takes.
const KEY_COSTS: [usize; 4] = [1, 2, 4, 16];

/// Memory of both parties that keys are saved for.
const AMPLE_MEMORY: usize = 14 << 30;

/// The plan for a network and this many images at a time: the fastest of those that need no more than ample memory, or else the one with the fewest keys.
///
/// # Errors
/// [`Unsupported`], naming the layer that no ciphertext can compute, that does not fit the slots, or that no level is left for.
pub(crate) fn plan(
    architecture: &Architecture,
    images: usize,
    bits: u32,
    here: &Rates,
) -> Result<DeepPass, Unsupported> {
    let mut last = None;
    for key_cost in KEY_COSTS {
        let pass = plan_with(architecture, images, key_cost, bits, here)?;
        let fits = pass.0.predicted.session_peak_rss_bytes <= AMPLE_MEMORY;
        last = Some(pass);
        if fits {
            break;
        }
    }
    last.ok_or_else(|| Unsupported { layer: None, reason: "no plan was tried".into() })
}

fn plan_with(
    architecture: &Architecture,
    images: usize,
    key_cost: usize,
    bits: u32,
    here: &Rates,
) -> Result<DeepPass, Unsupported> {
    let program = Program::new(architecture, images, key_cost, bits)?;
    if program.deep.depth() < 2 || program.product_level().is_none() {
        let reason =
            format!("it has no activation, and nothing that {SECURITY_BITS} bits of security are spent on");
        return Err(Unsupported { layer: None, reason });
    }
    let (scheme, keys) = (program.scheme.clone(), Keys::of(&program));
    let mut rotations: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for (&steps, &level) in &keys.rotations {
        rotations.entry(level).or_default().push(steps);
    }
    let times = |cost: &Cost<'_>| -> Vec<f64> {
        (0..program.outlines.len()).map(|wire| cost.whole_layer(wire_ns(cost, &program, wire))).collect()
    };
    let works = [rates::reference(), here].map(|rates| {
        [1, 2].map(|threads| {
            let cost = Cost::new(rates, &scheme, threads);
            let server_ns = cost.receive() + cost.limbs_shared(times(&cost).iter().sum());
            Work { client_ns: cost.encrypt() + cost.decrypt(), server_ns, streamed: None }
        })
    });
    let mut predicted = predict(architecture, &program, &scheme, &keys);
    check_precision(predicted.max_logit_error, program.deep.logit_unit())?;
    let approximations = approximations(&program.deep);
    check_approximations(&approximations, program.deep.logit_unit(), bits)?;
    predicted.max_logit_error = three_digits(predicted.max_logit_error + approximations.logit_error);
    let layers = layers(&program, &times(&Cost::new(here, &scheme, 1)));
    let image_bytes = architecture.input.len() * size_of::<f32>();
    let plan = CkksPlan {
        layout: Layout::Deep,
        images,
        room: program.room(),
        key_cost,
        rotations,
        long_rotations: BTreeMap::new(),
        halved: false,
        products: keys.products,
        conjugations: keys.conjugations,
        precision: (!program.deep.series.is_empty()).then_some(bits),
        release: None,
        approximations,
        predicted,
        layers,
        scheme,
    };
    Ok((plan, works, image_bytes))
}

/// What series stand for, one note for each that is alike. A map whose results fill their range hands on about what its inputs bring, as a share
/// of their ranges, and up to [`AMPLIFIED`] times as much where values cancel and errors do not: weights are not known here.
pub(crate) fn approximations(deep: &Deep) -> Approximations {
    let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
    for (layer, series) in &deep.series {
        let text = series.to_string();
        match alike.iter_mut().find(|(own, _)| *own == text) {
            Some((_, layers)) => layers.push(layer),
            None => alike.push((text, vec![layer.as_str()])),
        }
    }
    let note = |(text, layers): (String, Vec<&str>)| {
        format!(
            "approximated: {text}; images with values clearly beyond are refused (layers: {})",
            layers.join(", ")
        )
    };
    let shares = deep.series.iter().map(|(_, series)| series.error / series.unit);
    Approximations {
        notes: alike.into_iter().map(note).collect(),
        logit_error: AMPLIFIED * shares.sum::<f64>() * deep.logit_unit(),
    }
}

/// The largest share of their magnitude that approximations may move logits by: beyond it, answers that are wrong could be within the
/// tolerance.
const MOST_APPROXIMATED: f64 = 1.0 / 8.0;

/// Refuses a circuit whose approximations say little about its logits.
fn check_approximations(approximations: &Approximations, unit: f64, bits: u32) -> Result<(), Unsupported> {
    let share = approximations.logit_error / unit;
    if share <= MOST_APPROXIMATED {
        return Ok(());
    }
    let reason = format!(
        "approximated activations may move its logits by {:.0} % of their range: ask for more precision (--set ckks.precision=BITS, \
         of which there are {bits}), or for fewer such layers",
        100.0 * share
    );
    Err(Unsupported { layer: None, reason })
}

/// Refuses a circuit that noise may take further from the clear network than a backend is allowed to be; `unit` is the
/// magnitude of logits.
fn check_precision(largest: f64, unit: f64) -> Result<(), Unsupported> {
    let allowed = Tolerance::default().get() * unit.min(1.0);
    if largest <= allowed {
        return Ok(());
    }
    let reason = format!(
        "its logits may be off by {largest:.1e} at this depth, where {allowed:.1e} is allowed: use fewer layers, or calibrate it on images with \
         smaller ranges"
    );
    Err(Unsupported { layer: None, reason })
}

/// The deviation of a logit's error, in its unit.
pub(crate) fn deviation(deep: &Deep, scheme: &Scheme) -> f64 {
    let mut stages: Vec<Inputs> = deep
        .wires
        .iter()
        .filter_map(|wire| match &wire.origin {
            Origin::Map(terms) => {
                let fresh = terms.iter().any(|term| term.wire == 0);
                let count =
                    terms.iter().map(|term| deep.wires[term.wire].shape.channels()).sum::<usize>() * 9;
                Some(Inputs { count, magnitude: if fresh { deep.input_magnitude } else { 1.0 }, fresh })
            }
            _ => None,
        })
        .collect();
    // A series adds about what a map does, times its slope; what it computes with has the scale of the primes, not that of squares.
    let prime_bits = scheme.data_prime_bits.last().copied().unwrap_or_default();
    let coarser = f64::from(scheme.square_scale_bits().saturating_sub(prime_bits)).exp2();
    stages.extend(deep.series_of_wires().map(|(_, series)| Inputs {
        count: series.degree(),
        magnitude: 1.0 / (coarser * series.slope.max(1.0)),
        fresh: false,
    }));
    DEEPER * logit_deviation(scheme, &stages, true, 1.0)
}

fn predict(architecture: &Architecture, program: &Program, scheme: &Scheme, keys: &Keys) -> Prediction {
    let messages = key_bytes(keys, scheme);
    let unit = program.deep.logit_unit();
    let deviation = deviation(&program.deep, scheme) * unit;
    let outlines =
        || program.outlines.iter().enumerate().filter_map(|(wire, own)| Some((wire, own.as_ref()?)));
    let weights: usize = outlines()
        .map(|(_, outline)| 2 * outline.length.max(32) * outline.chain.diagonals() * size_of::<i32>())
        .sum();
    let widest = outlines()
        .map(|(wire, Outline { chain, .. })| {
            chain.rotated_inputs() * scheme.memory_bytes(program.deep.level(wire) + 1)
        })
        .max()
        .unwrap_or(0);
    // Wires that wait for a join, and what a rotation takes.
    let held = 24 * scheme.memory_bytes(scheme.depth());
    let peak_rss_bytes =
        keys.memory_bytes(scheme) + weights + (KEPT * widest as f64) as usize + held + PROCESS_BYTES;
    let largest = messages.iter().copied().max().unwrap_or(0);
    Prediction {
        online_wall_ns: 0,
        reference_ns: 0,
        online_bytes: 0,
        setup_bytes: messages.iter().sum::<usize>() + scheme.public_key_bytes(),
        upload_bytes: scheme.wire_bytes(scheme.depth(), true),
        download_bytes: scheme.folded_bytes(scheme.slots()),
        peak_rss_bytes,
        session_peak_rss_bytes: peak_rss_bytes + CLIENT_BYTES + 2 * KEY_COPIES * largest + held / 4,
        max_logit_error: three_digits(WORST * deviation),
        logit_error_deviation: three_digits(deviation),
        logits: architecture.classes(),
    }
}

fn layers(program: &Program, times: &[f64]) -> Vec<LayerPlan> {
    let wires = program.deep.wires.iter().zip(&program.outlines).enumerate();
    let layer = |(wire, (own, outline)): (usize, (&crate::deep::lowering::Wire, &Option<Outline>))| {
        let is_product = matches!(own.origin, Origin::Product { .. } | Origin::Series { .. });
        let chain = outline.as_ref().map(|outline| &outline.chain);
        LayerPlan {
            layer: own.name.clone(),
            activation: if is_product { own.name.clone() } else { String::new() },
            level: program.deep.level(wire) + 1,
            outputs: own.shape.len(),
            ciphertexts: 1,
            weights: chain.map_or(0, |chain| chain.diagonals()),
            rotations: chain.map_or(0, |chain| chain.baby_steps() + chain.giant_steps())
                + outline.as_ref().map_or(0, Outline::key_switches),
            online_ns: times[wire] as u64,
        }
    };
    wires.skip(1).map(layer).collect()
}

/// What a wire takes on one thread, in nanoseconds.
fn wire_ns(cost: &Cost<'_>, program: &Program, wire: usize) -> f64 {
    let level = program.deep.level(wire) + 1;
    match (&program.deep.wires[wire].origin, &program.outlines[wire]) {
        (Origin::Product { .. }, _) => cost.product(level),
        (&Origin::Series { of, series }, _) => {
            let (start, (_, series)) = (program.deep.level(of), &program.deep.series[series]);
            let products: f64 =
                chebyshev_products(series.degree()).iter().map(|below| cost.product(start - below)).sum();
            // Those that watch are at levels as low as can be.
            let watch: f64 = (series.depth()..series.watch())
                .map(|done| cost.product(WATCH_LEVEL + series.watch() - done))
                .sum();
            products + watch + program.watch_folds().len() as f64 * cost.rotate(WATCH_LEVEL, false)
        }
        (Origin::Map(_), Some(outline)) => outline.ns(cost, level),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_that_noise_drowns_is_refused() {
        assert_eq!(check_precision(1e-5, 0.3), Ok(()));
        assert_eq!(check_precision(3e-3, 20.0), Ok(()));
        // Small logits are held to a share of themselves, large ones to what every backend is.
        for (largest, unit) in [(1e-4, 1e-2), (5e-3, 20.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)] {
            let refused = check_precision(largest, unit).expect_err("it is too noisy");
            assert!(refused.reason.contains("fewer layers"), "{refused}");
        }
    }
}
