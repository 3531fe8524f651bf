//! The fixed-point format of a session, from public ranges alone.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use veilbench_mpc::circuit::{Circuit, Format, SignProtocol};
use veilbench_mpc::ring::Ring;

use super::lowering::Lowered;
use crate::{Error, Unsupported};

/// Fractional bits of activations that are sought, and those without which nothing is gained by going on.
const BITS: RangeInclusive<u32> = 12..=17;
/// So many are enough: a narrower ring is worth more.
const ENOUGH_BITS: u32 = 16;
/// Weights have so many more: their rounding errs in one direction for a whole session, that of activations evens out.
const EXTRA_WEIGHT_BITS: u32 = 3;
/// The same where squares, which need room for the bits of activations twice, leave fewer than [`ENOUGH_BITS`] for those.
const EXTRA_WEIGHT_BITS_OF_SQUARES: u32 = 6;
/// Fractional bits without calibration, for ReLU networks and for polynomials: the ring is as wide as it can be, and
/// values grow by the weights' norms, squares by more.
const UNCALIBRATED_BITS: [u32; 2] = [14, 11];
/// Normalised images stay within this, if nothing is known about them.
const UNCALIBRATED_MAGNITUDE: f64 = 16.0;
/// No image is expected to exceed the calibration images by more than this factor.
const INPUT_MARGIN: f64 = 2.0;

/// The part of a plan that every role compiles the same circuit from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Parameters {
    pub(super) ring_bits: u32,
    pub(super) activation_bits: u32,
    pub(super) weight_bits: u32,
    pub(super) input_magnitude: f64,
    pub(super) images_a_message: usize,
    pub(super) images_dealt_ahead: usize,
}

impl Parameters {
    pub(super) fn format(&self, signs: SignProtocol) -> Result<Format, Error> {
        let ring = Ring::new(self.ring_bits / 8).map_err(Error::engine("reading the plan"))?;
        let Self { activation_bits, weight_bits, input_magnitude, .. } = *self;
        Ok(Format { activation_bits, weight_bits, ring, signs, input_magnitude })
    }
}

/// The narrowest ring that holds all calibrated values with enough fractional bits, and as many of those as it holds.
///
/// # Errors
/// If the protocols cannot run a layer, or no ring is wide enough.
pub(super) fn choose(lowered: &Lowered, signs: SignProtocol) -> Result<(Circuit, Vec<String>), Unsupported> {
    let input_magnitude =
        lowered.input_magnitude.map_or(UNCALIBRATED_MAGNITUDE, |magnitude| INPUT_MARGIN * magnitude);
    let weight_bits = |bits: u32| {
        let short = lowered.squares() && bits < ENOUGH_BITS;
        bits + if short { EXTRA_WEIGHT_BITS_OF_SQUARES } else { EXTRA_WEIGHT_BITS }
    };
    let compile = |bits, ring| {
        let weight_bits = weight_bits(bits);
        let format = Format { activation_bits: bits, weight_bits, ring, signs, input_magnitude };
        Circuit::compile(&lowered.architecture, format).map_err(|error| lowered.unsupported(&error))
    };
    if !lowered.calibrated() {
        let bits = UNCALIBRATED_BITS[usize::from(lowered.squares())];
        let circuit = compile(bits, Ring::FULL)?;
        let note = format!(
            "the network states no ranges: 64-bit ring, {bits} fractional bits, inputs up to {input_magnitude}; the model \
             owner refuses weights that could overflow"
        );
        return Ok((circuit, vec![note]));
    }
    let mut best: Option<(Ring, u32)> = None;
    for bits in BITS.rev() {
        let Some(ring) = compile(bits, Ring::FULL)?.calibrated_ring() else { continue };
        let narrower = best.is_none_or(|(narrowest, _)| ring.bytes() < narrowest.bytes());
        if best.is_none() || (bits >= ENOUGH_BITS && narrower) {
            best = Some((ring, bits));
        }
    }
    let Some((ring, bits)) = best else {
        return Err(Unsupported {
            layer: None,
            reason: format!(
                "its calibrated ranges do not fit a 64-bit ring with {} fractional bits; scale its activations down",
                BITS.start()
            ),
        });
    };
    let note = format!(
        "ring of {} bits, {bits} fractional bits of activations and {} of weights, from calibrated ranges with a margin of 4",
        ring.bits(),
        weight_bits(bits)
    );
    Ok((compile(bits, ring)?, vec![note]))
}
