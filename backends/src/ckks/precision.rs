//! How far logits will be from the clear network's, from the variances of what encryption adds.
//!
//! Every stage adds three independent errors, in units of the range of its results: the rounding of its results, which
//! rescaling leaves behind; the rounding of its weights, once for each product; and what its inputs
//! brought along, fresh noise and the noise of key switches. `HEAAN` (Cheon et al., 2017, section 3) has the variances.

use super::scheme::Scheme;

/// Standard deviation of errors of fresh encryptions.
pub(super) const ERROR_DEVIATION: f64 = 3.2;

/// The root mean square of encrypted values, as a share of the calibrated range: about as much for normal values
/// whose range is that of some thousand.
const TYPICAL: f64 = 0.3;

/// What an error of a stage is multiplied by on its way through the square and the next map. A square has the
/// slope of twice the value, and a map whose results fill their range about makes up for it.
const AMPLIFICATION: f64 = 1.0;

/// The deviation of the error that rounding a polynomial leaves in a slot.
pub(super) fn rounding(degree: usize) -> f64 {
    let degree = degree as f64;
    ((1.0 + degree * 2.0 / 3.0) / 12.0).sqrt() * (degree / 2.0).sqrt()
}

/// The standard deviation of the error of logits of at most `magnitude`, after stages whose results each read as many
/// values as `fan_ins` says. `vectors` if weights are rounded as whole vectors and values rotate.
pub(super) fn logit_deviation(scheme: &Scheme, fan_ins: &[usize], vectors: bool, magnitude: f64) -> f64 {
    let to_slot = (scheme.degree as f64 / 2.0).sqrt();
    let rounding = rounding(scheme.degree);
    let unit = |bits: u32| f64::from(bits).exp2();
    let weight = (1.0f64 / 12.0).sqrt() * if vectors { to_slot } else { 1.0 } / unit(scheme.weight_bits());
    let switching = if vectors { 2.0 * rounding } else { 0.0 };
    let input = rounding.hypot(ERROR_DEVIATION * to_slot).hypot(switching) / unit(scheme.input_scale_bits);
    let result = rounding / unit(scheme.map_scale_bits);
    let stage = |fan_in: usize| result.hypot(weight * TYPICAL * (fan_in as f64).sqrt()).hypot(input).powi(2);
    let variance = fan_ins.iter().fold(0.0, |before, &fan_in| before * AMPLIFICATION.powi(2) + stage(fan_in));
    magnitude * variance.sqrt()
}
