//! Results that may be shown: how much noise hides what their errors tell of the key, and whether there is room for it.
//!
//! What is hidden is what encryption adds; the rounding of images and of weights belongs to what is computed. The flooding
//! ([`Flooding`]) is as large as the noise of a result and the number of results ask for, so the noise has to be bounded from
//! the architecture alone: independent errors grow on their way through a map by at most its *gain*, the largest
//! root of a sum of squares of the weights of one result, and through a square by twice the value. Plans allow for gains
//! ([`Map::allowed`]); the model owner, who has the weights, computes its own and refuses if they may lead to more noise ([`check`]).

use serde::{Deserialize, Serialize};
use veilbench_api::{Error, ImagesAtHand, Job, LogitNoise, Reveals, Setting, Unsupported};
use veilbench_ckks::Flooding;
use veilbench_networks::Network;
use veilbench_networks::evaluate::evaluate;

use crate::circuits::circuit::{Circuit, Stage};
use crate::circuits::program::PackedCircuit;
use crate::deep::monte_carlo;
use crate::planning::plan::{CkksPlan, Layout};
use crate::planning::precision::{ERROR_DEVIATION, rounding};
use crate::planning::prediction::{Approximations, three_digits};
use crate::planning::scheme::{Demand, Scheme};

/// What of decrypted results may be shown.
pub(crate) const RELEASE: Setting = Setting {
    key: "release",
    values: &["no", "logits", "labels"],
    summary: "what may be shown to others, the model owner included: nothing, or logits, or labels alone, of results that are hidden in noise",
};

/// How many images' results may be shown.
pub(crate) const RELEASE_IMAGES: Setting = Setting {
    key: "release-images",
    values: &["64", "1", "16", "256", "1024"],
    summary: "of how many images a session may show results (release): more take more noise, and no more are answered",
};

/// Statistical security of what is shown, in bits.
const BITS: u32 = 30;

/// Gain of a map that plans allow for. Those of the networks that ship are 4.1 at most, and 2.8 in their geometric mean.
const GAIN: f64 = 3.0;

/// Likewise of the first map, for images whose values have a magnitude of one: theirs are 0.8 at most.
const FIRST_GAIN: f64 = 0.8;

/// Spread that plans allow for where an image is in every slot, as by pools of four values, and where it is across the slots, as by eight copies
/// of those.
const SPREADS: [f64; 2] = [2.0, 8.0];

/// Slope of the square of a value that is as far beyond its range as logits may be.
const SLOPE: f64 = 2.5;

/// Key switches at the scale of values before a map, as roundings.
const SWITCHES: f64 = 2.0;

/// Deviations of the flooding that no result is expected beyond: one of `2^15` is, once in ten million times.
const DEVIATIONS: f64 = 7.0;

/// The largest share of the range of logits that flooding may take.
const LARGEST_SHARE: f64 = 1.0 / 16.0;

/// What may be shown of a session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// Whose results are hidden well enough.
    pub(crate) images: usize,
    pub(crate) reveals: Reveals,
}

/// What a scheme has to leave room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Results that may be shown.
    values: usize,
    /// Maps.
    stages: usize,
    /// Of the values of an image.
    magnitude: f64,
    /// An image is across the slots.
    vectors: bool,
}

/// What a map does to the noise of what it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    /// The largest root of a sum of squares of the weights of one result.
    gain: f64,
    /// By how much rounding squares counts more, since it is in every term of a pool and in slots that hold zeros, which copies add up.
    spread: f64,
}

impl Map {
    /// What plans allow for.
    fn allowed(room: &Room, stage: usize) -> Self {
        // The first map brings values to their unit.
        let gain = if stage == 0 { FIRST_GAIN / room.magnitude } else { GAIN };
        Self { gain, spread: SPREADS[usize::from(room.vectors)] }
    }
}

impl Release {
    /// What a job asks for; `None` if results stay with the data owner.
    ///
    /// # Errors
    /// [`Unsupported`] for values that are none, and with two images in a slot.
    pub(crate) fn asked_for(job: &Job, pairs: bool) -> Result<Option<Self>, Unsupported> {
        let refused = |reason: String| Err(Unsupported { layer: None, reason });
        let none = |setting: &Setting| {
            let (key, value, known) = (setting.key, job.setting(setting), setting.values.join(", "));
            refused(format!("the setting {key} is {value:?}, not one of {known}"))
        };
        let reveals = match job.setting(&RELEASE) {
            "no" => return Ok(None),
            "logits" => Reveals::Logits,
            "labels" => Reveals::Labels,
            _ => return none(&RELEASE),
        };
        if pairs {
            return refused(
                "results of two images in a slot are not flooded: leave out slots or release".into(),
            );
        }
        match job.setting(&RELEASE_IMAGES).parse::<usize>() {
            Ok(images) if images > 0 && job.batch > images => refused(format!(
                "a batch has {} images, where results of {images} may be shown: ask for smaller batches, or for more (--set ckks.release-images)",
                job.batch
            )),
            Ok(images) if images > 0 => Ok(Some(Self { images, reveals })),
            _ => none(&RELEASE_IMAGES),
        }
    }

    /// What it asks of the scheme of a circuit.
    pub(crate) fn room(self, circuit: &Circuit, vectors: bool) -> Room {
        let values = self.images.saturating_mul(circuit.logits());
        Room { values, stages: circuit.stages.len(), magnitude: circuit.input_magnitude, vectors }
    }

    /// The flooding of results, in their units.
    ///
    /// # Errors
    /// [`Error::Engine`] for a plan that asks for what cannot be: plans come from the harness, but are not believed.
    pub(crate) fn flooding(
        self,
        circuit: &Circuit,
        scheme: &Scheme,
        vectors: bool,
    ) -> Result<Flooding, Error> {
        let room = self.room(circuit, vectors);
        Flooding::new(BITS, room.values, room.noise(scheme)).map_err(Error::engine("flooding results"))
    }

    /// Adds the flooding of results to the plan of a circuit.
    pub(crate) fn add_to(self, plan: &mut CkksPlan, circuit: &Circuit) {
        let room = self.room(circuit, plan.layout == Layout::Latency);
        let deviation = three_digits(room.deviation(&plan.scheme) * circuit.logit_unit());
        let predicted = &mut plan.predicted;
        predicted.logit_error_deviation = three_digits(predicted.logit_error_deviation.hypot(deviation));
        predicted.max_logit_error = three_digits(predicted.max_logit_error + DEVIATIONS * deviation);
        plan.approximations = self.approximations(deviation);
        plan.release = Some(self);
    }

    /// What a plan says of it, if the flooding has this deviation.
    fn approximations(self, deviation: f64) -> Approximations {
        let what = match self.reveals {
            Reveals::Logits => "logits",
            Reveals::Labels => "labels",
        };
        let note = format!(
            "released: {what} of up to {} images a session may be shown to anyone; noise of deviation {deviation:.2e} was added to every logit, \
             for {BITS} bits of statistical security",
            self.images
        );
        Approximations { notes: vec![note], logit_error: DEVIATIONS * deviation }
    }
}

impl Room {
    /// The largest standard deviation of the noise of a result that plans allow for, in units.
    fn noise(self, scheme: &Scheme) -> f64 {
        noise(scheme, (0..self.stages).map(|stage| Map::allowed(&self, stage)), self.vectors)
    }

    /// The deviation of the flooding, in units; infinite if there is no such flooding.
    fn deviation(self, scheme: &Scheme) -> f64 {
        Flooding::new(BITS, self.values, self.noise(scheme)).map_or(f64::INFINITY, |own| own.deviation())
    }

    /// Whether a scheme leaves so much room, and as much more as `margin` says.
    pub(crate) fn fits(self, scheme: &Scheme, margin: f64) -> bool {
        DEVIATIONS * self.deviation(scheme) <= LARGEST_SHARE / margin
    }
}

/// Standard deviation of what encryption adds to a result, in units, by way of such maps.
fn noise(scheme: &Scheme, maps: impl Iterator<Item = Map>, vectors: bool) -> f64 {
    let unit = |bits: u32| f64::from(bits).exp2();
    let (rescaling, rounding) = (scheme.rescaling_noise(), rounding(scheme.degree));
    let switches = if vectors { SWITCHES * rounding } else { 0.0 };
    let fresh = ERROR_DEVIATION * (scheme.degree as f64 / 2.0).sqrt();
    let result = scheme.result_noise() / unit(scheme.map_scale_bits);
    maps.enumerate().fold(0.0, |before: f64, (stage, map)| {
        let brought = match stage {
            0 => fresh.hypot(switches) / unit(scheme.input_scale_bits),
            _ => (SLOPE * before)
                .hypot(map.spread * rescaling.hypot(switches) / unit(scheme.square_scale_bits())),
        };
        (map.gain * brought).hypot(result)
    })
}

/// The maps of a circuit with its weights.
fn maps(circuit: &Circuit, program: Option<&PackedCircuit>) -> Vec<Map> {
    let map = |(index, stage): (usize, &Stage)| {
        let blocks = stage.map.blocks.iter().filter(|block| !block.inputs.is_empty());
        let rows = blocks.flat_map(|block| block.weights.chunks_exact(block.inputs.len()));
        let largest =
            rows.map(|row| row.iter().map(|weight| weight * weight).sum::<f64>()).fold(0.0, f64::max);
        let before = index.checked_sub(1).and_then(|before| circuit.stages[before].activation.as_ref());
        let terms = before.map_or(1, |activation| activation.terms);
        // Every sum of a ciphertext and a rotation of it has the noise of both.
        let sums = program.map_or(0, |program| program.layers[index].pre_rotations.len());
        Map { gain: largest.sqrt(), spread: (terms as f64 * (sums as f64).exp2()).sqrt() }
    };
    circuit.stages.iter().enumerate().map(map).collect()
}

/// Whether the noise of results stays within what a plan allows for, with the weights of a network.
///
/// # Errors
/// [`Error::Input`] with both.
pub(crate) fn check(
    release: Release,
    circuit: &Circuit,
    program: Option<&PackedCircuit>,
    scheme: &Scheme,
) -> Result<(), Error> {
    let vectors = program.is_some();
    let (own, allowed) = (
        noise(scheme, maps(circuit, program).into_iter(), vectors),
        release.room(circuit, vectors).noise(scheme),
    );
    if own <= allowed {
        return Ok(());
    }
    Err(Error::Input(format!(
        "weights of this network may amplify noise to {own:.1e} of a logit's range where flooding hides {allowed:.1e}: its results cannot be \
         released; leave the setting release out, or train with smaller weights"
    )))
}

/// How far noise of this deviation takes the logits of images at hand.
///
/// # Errors
/// [`Unsupported`] as [`monte_carlo::check`].
pub(crate) fn draw_noise(
    deviation: f64,
    network: &Network,
    images: ImagesAtHand<'_>,
) -> Result<Option<LogitNoise>, Unsupported> {
    let Some(images) = images(monte_carlo::MOST_IMAGES) else { return Ok(None) };
    let evaluated = evaluate::<f64>(network, &images);
    let logits = evaluated.map_err(|error| Unsupported { layer: None, reason: error.to_string() })?;
    let logits: Vec<Vec<f64>> = (0..logits.images()).map(|image| logits.image(image).to_vec()).collect();
    let drawn = monte_carlo::around(&logits, deviation)?;
    monte_carlo::check(
        &drawn,
        "release fewer images (--set ckks.release-images), or leave the setting release out",
    )?;
    Ok(Some(drawn))
}

/// The refusal of a demand that no scheme has room for, with what the most precise one would take.
pub(crate) fn no_room(demand: &Demand, room: Room) -> Unsupported {
    let share =
        Scheme::all(demand).map(|scheme| DEVIATIONS * room.deviation(&scheme)).fold(f64::INFINITY, f64::min);
    let takes = match share.is_finite() {
        true => format!("takes {:.0} % of the range of logits even with the longest primes", 100.0 * share),
        false => "is more than any parameters leave room for".to_owned(),
    };
    Unsupported {
        layer: None,
        reason: format!(
            "noise that hides what {} released results tell of the key {takes}, of {:.0} % at most: release fewer images \
             (release-images), use a shallower network, or leave the setting release out",
            room.values,
            100.0 * LARGEST_SHARE
        ),
    }
}

/// The refusal of a release for a network that has neither layout.
pub(crate) fn not_for(refused: &Unsupported) -> Unsupported {
    let reason = format!(
        "{}; results are released in the layouts latency and throughput alone: without the setting release they stay with the data owner",
        refused.reason
    );
    Unsupported { layer: refused.layer.clone(), reason }
}

#[cfg(test)]
mod tests;
