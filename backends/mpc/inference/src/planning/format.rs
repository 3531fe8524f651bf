//! The fixed-point format of a session, from calibrated ranges that are rounded up to powers of two: all that a role but the
//! model owner is told of them.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use veilbench_mpc::circuit::{Circuit, Format, Gate, SignProtocol, Width};
use veilbench_mpc::ring::Ring;

use crate::lowering::Lowered;
use veilbench_api::{Error, Unsupported};

/// Fractional bits of activations that are sought, and those without which nothing is gained by going on.
const BITS: RangeInclusive<u32> = 12..=17;
/// So many are enough: a narrower ring is worth more.
const ENOUGH_BITS: u32 = 15;
/// Weights have so many more: their rounding errs in one direction for a whole session, that of activations evens out.
const EXTRA_WEIGHT_BITS: &[u32] = &[3];
/// The same where squares need room for the bits of activations twice: the first that fits. Errors of activations outweigh those of
/// weights there, so that a bit more for activations is worth two fewer for weights, as long as these keep
/// [`LEAST_WEIGHT_BITS_OF_SQUARES`].
const EXTRA_WEIGHT_BITS_OF_SQUARES: &[u32] = &[6, 5, 4, 3, 2];
/// With 17 bits the rounding of weights puts logits of `malaria-cnn-poly` off by 5e-3.
const LEAST_WEIGHT_BITS_OF_SQUARES: u32 = 18;
/// Fractional bits without calibration, for ReLU networks and for polynomials: the ring is as wide as it can be, and
/// values grow by the weights' norms, squares by more.
const UNCALIBRATED_BITS: [u32; 2] = [14, 11];
/// Normalised images stay within this, if nothing is known about them.
const UNCALIBRATED_MAGNITUDE: f64 = 16.0;
/// Significant bits of the magnitude above which inputs are refused: the calibrated one is rounded up, and one step is added.
const INPUT_SIGNIFICANT_BITS: i32 = 3;
/// Bits that the widest ring has to add to a narrow one before fractional bits are given up for room.
const WIDE_HEADROOM: u32 = 8;
/// Exponents a magnitude is rounded to.
const EXPONENTS: RangeInclusive<i32> = -60..=60;

/// The part of a plan that every role compiles the same circuit from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    pub(crate) ring_bits: u32,
    /// Whether rings are as wide as is needed in bits, each layer's its own where that holds, rather than in whole bytes for all.
    #[serde(default, alias = "ring_by_layer", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) width_in_bits: bool,
    pub(crate) activation_bits: u32,
    pub(crate) weight_bits: u32,
    pub(crate) input_magnitude: f64,
    /// Powers of two that the layers' calibrated magnitudes were rounded up to.
    pub(crate) magnitudes_log2: Vec<Option<i32>>,
    pub(crate) images_a_message: usize,
    pub(crate) images_dealt_ahead: usize,
    /// Bytes of randomness of a window of gates, if not all gates of an image are dealt at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_dealt_ahead: Option<usize>,
}

impl Parameters {
    /// The magnitudes that the circuit is compiled with.
    pub(crate) fn magnitudes(&self) -> Vec<Option<f64>> {
        self.magnitudes_log2
            .iter()
            .map(|power| power.filter(|power| EXPONENTS.contains(power)).map(|power| f64::from(power).exp2()))
            .collect()
    }

    pub(crate) fn format(&self, signs: SignProtocol) -> Result<Format, Error> {
        let (ring, width) = match self.width_in_bits {
            true => (Ring::of_bits(self.ring_bits), Width::Bits),
            false => (Ring::new(self.ring_bits / 8), Width::Bytes),
        };
        let ring = ring.map_err(Error::engine("reading the plan"))?;
        let Self { activation_bits, weight_bits, input_magnitude, .. } = *self;
        Ok(Format { activation_bits, weight_bits, ring, width, signs, input_magnitude })
    }
}

/// The smallest power of two that is no less than a magnitude.
pub(crate) fn rounded_up(magnitude: f64) -> i32 {
    let power = magnitude.max(f64::MIN_POSITIVE).log2().ceil() as i32;
    power.clamp(*EXPONENTS.start(), *EXPONENTS.end())
}

/// What inputs are refused above: so coarse that it says of the calibration images what their preprocessing says anyway.
fn input_bound(magnitude: f64) -> f64 {
    let step = f64::from(rounded_up(magnitude) - INPUT_SIGNIFICANT_BITS).exp2();
    ((magnitude / step).ceil() + 1.0) * step
}

/// How wide the ring is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// As calibrated ranges allow.
    Narrow,
    /// All there is, in whole bytes, at the price of fractional bits.
    Wide,
}

impl Room {
    /// By the setting's value.
    pub(crate) fn new(setting: &str) -> Self {
        if setting == "wide" { Self::Wide } else { Self::Narrow }
    }
}

/// The narrowest ring of a width, or for each layer its own, that holds all calibrated values with enough fractional bits, and as many of those as it holds.
///
/// # Errors
/// If the protocols cannot run a layer, or no ring is wide enough.
pub(crate) fn choose(
    lowered: &Lowered,
    signs: SignProtocol,
    width: Width,
    room: Room,
) -> Result<(Circuit, Vec<String>), Unsupported> {
    choose_within(lowered, signs, width, room, Ring::FULL, 0)
}

/// The same where wires, but for the values of polynomials, fit rings of no more bits than `widest` has, at the price of fractional bits, and would do so with
/// `spare` fractional bits more. Networks without ranges get the widest of all rings nevertheless.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_within(
    lowered: &Lowered,
    signs: SignProtocol,
    width: Width,
    room: Room,
    widest: Ring,
    spare: u32,
) -> Result<(Circuit, Vec<String>), Unsupported> {
    let input_magnitude = lowered.input_magnitude.map_or(UNCALIBRATED_MAGNITUDE, input_bound);
    let extra_bits = if lowered.squares() { EXTRA_WEIGHT_BITS_OF_SQUARES } else { EXTRA_WEIGHT_BITS };
    let width = if room == Room::Wide { Width::Bytes } else { width };
    let compile = |bits, weight_bits, ring| {
        let format = Format { activation_bits: bits, weight_bits, ring, width, signs, input_magnitude };
        Circuit::compile(&lowered.program, format).map_err(|error| lowered.unsupported(&error))
    };
    if !lowered.calibrated() {
        let bits = UNCALIBRATED_BITS[usize::from(lowered.squares())];
        let circuit = compile(bits, bits + extra_bits[0], Ring::FULL)?;
        let note = format!(
            "the network states no ranges: 64-bit ring, {bits} fractional bits, inputs up to {input_magnitude}; the model \
             owner refuses weights that could overflow"
        );
        return Ok((circuit, vec![note]));
    }
    let mut best: Option<(Ring, u32, u32)> = None;
    for bits in BITS.rev() {
        let mut fitting = None;
        for extra in extra_bits {
            if lowered.squares() && bits + extra < LEAST_WEIGHT_BITS_OF_SQUARES {
                continue;
            }
            let circuit = compile(bits, bits + extra, Ring::FULL)?;
            let finer = compile(bits + spare, bits + spare + extra, Ring::FULL)?;
            let wires = finer.calibrated_rings().map(|[wires, _]| wires.bits());
            if wires.is_some_and(|wires| wires <= widest.bits()) {
                fitting = fitting.or(circuit.calibrated_ring().map(|ring| (ring, bits, bits + extra)));
            }
        }
        let Some(found) = fitting else { continue };
        let narrower = best.is_none_or(|best| found.0.bits() < best.0.bits());
        if best.is_none() || (bits >= ENOUGH_BITS && narrower) {
            best = Some(found);
        }
    }
    let Some((mut ring, mut bits, mut weight_bits)) = best else {
        return Err(Unsupported {
            layer: None,
            reason: format!(
                "its calibrated ranges do not fit a {}-bit ring with {} fractional bits; scale its activations down",
                widest.bits(),
                BITS.start()
            ),
        });
    };
    if room == Room::Wide {
        if ring.bits() + WIDE_HEADROOM > Ring::FULL.bits() {
            (bits, weight_bits) = (*BITS.start(), BITS.start() + extra_bits[0]);
        }
        ring = Ring::FULL;
    }
    let mut circuit = compile(bits, weight_bits, ring)?;
    let whole = ring.in_whole_bytes();
    if whole != ring && !circuit.is_by_layer() {
        // Bounds widen along branches too, and what whole bytes leave over is the room for that.
        circuit = compile(bits, weight_bits, whole)?;
    }
    let note = format!(
        "ring of {} bits, {bits} fractional bits of activations and {weight_bits} of weights, from calibrated ranges rounded up to powers of \
         two; images that drive values further than the ring can tell are refused",
        rings(&circuit)
    );
    Ok((circuit, vec![note]))
}

/// Bits of the ring of each layer, once if all have the same.
fn rings(circuit: &Circuit) -> String {
    let gates = circuit.gates().iter().enumerate();
    let layers = gates.filter(|(_, gate)| matches!(gate, Gate::Linear { .. } | Gate::Quadratic { .. }));
    let bits: Vec<u32> = layers.map(|(index, _)| circuit.ring_of_parameters(index).bits()).collect();
    if bits.iter().all(|bits| *bits == circuit.ring().bits()) {
        return circuit.ring().bits().to_string();
    }
    let bits: Vec<String> = bits.iter().map(u32::to_string).collect();
    bits.join(", ")
}
