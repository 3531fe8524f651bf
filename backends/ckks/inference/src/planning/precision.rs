//! How far logits will be from the clear network's, from the variances of what encryption adds.
//!
//! Every stage adds three independent errors, in units of the range of its results: the rounding of its results, which
//! rescaling leaves behind; the rounding of its weights, once for each product; and what its inputs
//! brought along, fresh noise and the noise of key switches. `HEAAN` (Cheon et al., 2017, section 3) has the variances.

use crate::planning::scheme::Scheme;

pub(crate) use veilbench_ckks::ERROR_DEVIATION;

/// The root mean square of encrypted values, as a share of the calibrated range: about as much for normal values
/// whose range is that of some thousand.
const TYPICAL: f64 = 0.3;

/// What an error of a stage is multiplied by on its way through the square and the next map. A square has the
/// slope of twice the value, and a map whose results fill their range about makes up for it.
const AMPLIFICATION: f64 = 1.0;

/// No logit is expected to be further off than so many predicted deviations: of ten thousand one is within five, and networks
/// have been seen whose layers make twice as much of the errors of those before as is reckoned with.
pub(crate) const WORST: f64 = 10.0;

/// How many stages that holds for, and by how much each further one may make more of the errors of all before: squares have slopes of about
/// 0.6, and maps of the networks that ship gains of 2.8 in their geometric mean, 1.7 together.
const FEW_STAGES: usize = 3;
const GROWTH: f64 = 1.5;

/// The largest error of a logit that is expected, of such a predicted deviation after so many stages.
pub(crate) fn largest(deviation: f64, stages: usize) -> f64 {
    WORST * GROWTH.powi(stages.saturating_sub(FEW_STAGES) as i32) * deviation
}

/// The deviation of the error that rounding a polynomial leaves in a slot.
pub(crate) fn rounding(degree: usize) -> f64 {
    let degree = degree as f64;
    ((1.0 + degree * 2.0 / 3.0) / 12.0).sqrt() * (degree / 2.0).sqrt()
}

/// What the results of a stage read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs {
    /// The most values of one result.
    pub(crate) count: usize,
    pub(crate) magnitude: f64,
    /// Whether the data owner has just encrypted them; else they are squares.
    pub(crate) fresh: bool,
}

/// The standard deviation of the error of logits of at most `magnitude`, after stages with such inputs. `vectors` if
/// weights are rounded as whole vectors and values rotate.
pub(crate) fn logit_deviation(scheme: &Scheme, stages: &[Inputs], vectors: bool, magnitude: f64) -> f64 {
    let to_slot = (scheme.degree as f64 / 2.0).sqrt();
    let rounding = scheme.noise_factor() * rounding(scheme.degree);
    let unit = |bits: u32| f64::from(bits).exp2();
    let result = scheme.result_noise() / unit(scheme.map_scale_bits);
    let weight = (1.0f64 / 12.0).sqrt() * if vectors { to_slot } else { 1.0 };
    let switching = if vectors { 2.0 * rounding } else { 0.0 };
    let fresh = scheme.noise_factor() * ERROR_DEVIATION * to_slot;
    let noise = rounding.hypot(fresh).hypot(switching);
    let stage = |inputs: &Inputs| {
        let scale_bits = if inputs.fresh { scheme.input_scale_bits } else { scheme.square_scale_bits() };
        let typical = TYPICAL * inputs.magnitude;
        let weights = weight / unit(scheme.weight_bits(scale_bits)) * typical * (inputs.count as f64).sqrt();
        result.hypot(weights).hypot(noise / unit(scale_bits) / inputs.magnitude).powi(2)
    };
    let variance = stages.iter().fold(0.0, |before, inputs| before * AMPLIFICATION.powi(2) + stage(inputs));
    magnitude * variance.sqrt()
}
