//! How far noise takes the logits of a deep network from the clear ones: by drawing it.
//!
//! Formulas for shallow circuits do not hold here. A square doubles an error and multiplies it by its value, and how much of that the next map
//! takes away depends on weights and images. So images are computed twice in the clear, in the units of the circuit: as they are, and
//! with what encryption adds drawn at random for every value of every wire. Normal deviations, as slots see them:
//!
//! - a fresh ciphertext has the error of its encryption;
//! - every input of a map has the rounding that is left of the key switch of its rotation, and where inputs are their own
//!   imaginary parts that of one rotation more, and once more as much noise as they brought: that of the imaginary parts of their slots;
//! - every result of a map has the rounding of its weights, once for each diagonal and as large as typical inputs, and that of its
//!   rescaling. Complex diagonals count eightfold: their inputs have two parts, and the conjugate doubles what they add.
//!   What is folded through the slots is the sum of as many such results;
//! - a product has the rounding of its rescaling, and a series that of its products, which its degree amplifies at most.
//!
//! What is at the scale of products, before a rescaling divides it, is far smaller than what is left after it, and is not modelled.
//! Images are independent and draw from generators of their own, so that the same circuit, weights and images always give the same figures.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use veilbench_api::{LogitNoise, Unsupported};
use veilbench_networks::{Network, Tensor};

use crate::circuits::map::AffineMap;
use crate::deep::lowering::{Origin, Term};
use crate::deep::program::Program;
use crate::planning::precision::{ERROR_DEVIATION, rounding};

/// Images that are computed at most: some seconds for twenty layers of CIFAR-10.
pub(crate) const MOST_IMAGES: usize = 32;

/// What helps a deep network with too much noise.
pub(crate) const FEWER_LAYERS: &str = "use fewer layers, or train it with smaller ranges";

/// The part of the median lead, the distance between the first two logits, that noise may take.
const SHARE: f64 = 0.25;

/// Refuses noise whose largest error of a logit is no finite number, or exceeds [`SHARE`] of the median lead of the images it was drawn for. A single
/// image whose lead is far below the median may get another prediction all the same.
///
/// # Errors
/// [`Unsupported`] with both figures and what to do, the `remedy`.
pub(crate) fn check(drawn: &LogitNoise, remedy: &str) -> Result<(), Unsupported> {
    let LogitNoise { images, largest_error, median_lead } = *drawn;
    if largest_error.is_finite() && largest_error <= SHARE * median_lead {
        return Ok(());
    }
    let reason = format!(
        "noise, drawn for {images} image(s) at hand, takes a logit {largest_error:.1e} from the clear network's, where the first two of an image are \
         {median_lead:.1e} apart in the median and a quarter of that is allowed: {remedy}"
    );
    Err(Unsupported { layer: None, reason })
}

/// Values of a wire for every image: clear, and with noise.
type Values = [Vec<Vec<f64>>; 2];

/// Computes the first of these images both ways.
///
/// # Errors
/// [`Unsupported`] if a clear logit of an image is no finite number.
pub(crate) fn draw(program: &Program, network: &Network, images: &Tensor) -> Result<LogitNoise, Unsupported> {
    let count = images.images().min(MOST_IMAGES);
    let noise = Noise::of(program);
    let mut held: Vec<Values> = Vec::new();
    for (wire, own) in program.deep.wires.iter().enumerate() {
        let values = match &own.origin {
            Origin::Image => {
                let image = |image| images.image(image).iter().map(|&value| f64::from(value)).collect();
                let clear: Vec<Vec<f64>> = (0..count).map(image).collect();
                [clear.clone(), clear]
            }
            &Origin::Product { of, layer } => {
                let shifts = program.deep.shifts(of, layer, &network.parameters);
                let square =
                    |own: &Vec<f64>| own.iter().zip(&shifts).map(|(x, shift)| x * (x + shift)).collect();
                held[of].each_ref().map(|own| own.iter().map(square).collect())
            }
            &Origin::Series { of, series } => {
                let (_, series) = &program.deep.series[series];
                let at = |own: &Vec<f64>| own.iter().map(|&x| series.at(x)).collect();
                held[of].each_ref().map(|own| own.iter().map(at).collect())
            }
            Origin::Map(terms) => mapped(program, network, wire, terms, &held, &noise),
        };
        let [clear, mut noisy] = values;
        let typical = root_mean_square(terms_of(&own.origin).iter().flat_map(|term| &held[term.wire][0]));
        add(&mut noisy, noise.result(program, wire, typical), wire);
        held.push([clear, noisy]);
    }
    let unit = program.deep.logit_unit();
    let drawn = compared(held.pop().unwrap_or_default())?;
    Ok(LogitNoise {
        largest_error: unit * drawn.largest_error,
        median_lead: unit * drawn.median_lead,
        ..drawn
    })
}

/// The same of clear logits that get noise of one deviation.
///
/// # Errors
/// As [`draw`].
pub(crate) fn around(clear: &[Vec<f64>], deviation: f64) -> Result<LogitNoise, Unsupported> {
    let mut noisy = clear.to_vec();
    add(&mut noisy, deviation, 0);
    compared([clear.to_vec(), noisy])
}

fn compared([clear, noisy]: Values) -> Result<LogitNoise, Unsupported> {
    if !clear.iter().flatten().all(|logit| logit.is_finite()) {
        let reason = "a clear logit of an image at hand is no finite number: train it with smaller ranges";
        return Err(Unsupported { layer: None, reason: reason.into() });
    }
    let errors =
        clear.iter().flatten().zip(noisy.iter().flatten()).map(|(clear, noisy)| (clear - noisy).abs());
    // What is no number is as wrong as can be.
    let largest =
        errors.fold(0.0, |most: f64, error| if error.is_nan() { f64::INFINITY } else { most.max(error) });
    let median_lead = median(clear.iter().map(|own| lead(own)).collect());
    Ok(LogitNoise { images: clear.len(), largest_error: largest, median_lead })
}

fn terms_of(origin: &Origin) -> &[Term] {
    if let Origin::Map(terms) = origin { terms } else { &[] }
}

/// The results of a map, whose inputs have the noise of their rotations.
fn mapped(
    program: &Program,
    network: &Network,
    wire: usize,
    terms: &[Term],
    held: &[Values],
    noise: &Noise,
) -> Values {
    let (deep, count) = (&program.deep, held[0][0].len());
    let outputs = deep.wires[wire].shape.len();
    let mut sums = [(); 2].map(|()| vec![vec![0.0; outputs]; count]);
    for (input, term) in terms.iter().enumerate() {
        let map = deep.branch(&network.architecture, Some(&network.parameters), term, deep.wires[wire].unit);
        let mut noisy = held[term.wire][1].clone();
        // Every map rotates its inputs anew.
        let own = if is_complex(program, wire, input) { own_noise(&held[term.wire]) } else { 0.0 };
        let added = noise.input(program, wire, input, term.wire).hypot(own);
        add(&mut noisy, added, (1 + input) * deep.wires.len() + wire);
        for (sums, values) in sums.iter_mut().zip([&held[term.wire][0], &noisy]) {
            sums.par_iter_mut().zip(values).for_each(|(sum, values)| add_mapped(sum, &map, values));
        }
    }
    sums
}

/// Whether an input of a map is its own imaginary part.
fn is_complex(program: &Program, wire: usize, input: usize) -> bool {
    let outline = program.outlines[wire].as_ref();
    outline.and_then(|outline| outline.imaginary.get(input)).is_some_and(Option::is_some)
}

/// The root mean square of the noise of a wire.
fn own_noise([clear, noisy]: &Values) -> f64 {
    let difference = |(clear, noisy): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
        clear.iter().zip(noisy).map(|(clear, noisy)| noisy - clear).collect()
    };
    root_mean_square(clear.iter().zip(noisy).map(difference).collect::<Vec<_>>().iter())
}

fn add_mapped(sum: &mut [f64], map: &AffineMap, values: &[f64]) {
    sum.iter_mut().zip(map.apply(values)).for_each(|(sum, own)| *sum += own);
}

/// Adds normal noise to all values of every image; `stream` names what it is added to.
fn add(images: &mut [Vec<f64>], deviation: f64, stream: usize) {
    images.par_iter_mut().enumerate().for_each(|(image, values)| {
        let mut random = ChaCha8Rng::seed_from_u64((stream * MOST_IMAGES + image) as u64);
        values.iter_mut().for_each(|value| *value += deviation * normal(&mut random));
    });
}

/// A number of the standard normal distribution (Box and Muller, 1958).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let [radius, angle] = [(); 2].map(|()| random.random_range(f64::MIN_POSITIVE..1.0));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

fn root_mean_square<'a>(values: impl Iterator<Item = &'a Vec<f64>>) -> f64 {
    let (count, sum) = values.flatten().fold((0usize, 0.0), |(count, sum), x| (count + 1, sum + x * x));
    (sum / count.max(1) as f64).sqrt()
}

/// The distance between the two largest.
fn lead(logits: &[f64]) -> f64 {
    let mut sorted = logits.to_vec();
    sorted.sort_by(|left, right| right.total_cmp(left));
    if let [first, second, ..] = sorted[..] { first - second } else { f64::INFINITY }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// Deviations of what encryption adds under a scheme.
struct Noise {
    /// `log2` of the scale of every wire.
    scale_bits: Vec<f64>,
    rounding: f64,
    fresh: f64,
}

impl Noise {
    fn of(program: &Program) -> Self {
        let (deep, scheme) = (&program.deep, &program.scheme);
        let mut scale_bits: Vec<f64> = Vec::new();
        for (wire, own) in deep.wires.iter().enumerate() {
            let prime_bits = |wire: usize| f64::from(scheme.data_prime_bits[deep.level(wire)]);
            scale_bits.push(match own.origin {
                Origin::Image => f64::from(scheme.input_scale_bits),
                Origin::Product { of, .. } => 2.0 * scale_bits[of] - prime_bits(of),
                _ if deep.is_read_by_series(wire) => prime_bits(wire),
                _ => f64::from(scheme.map_scale_bits),
            });
        }
        let fresh = ERROR_DEVIATION * (scheme.degree as f64 / 2.0).sqrt();
        Self { scale_bits, rounding: rounding(scheme.degree), fresh }
    }

    /// Of every value that is an input of a map.
    fn input(&self, program: &Program, wire: usize, input: usize, of: usize) -> f64 {
        let switches: f64 = if is_complex(program, wire, input) { 2.0 } else { 1.0 };
        switches.sqrt() * self.rounding / self.scale_bits[of].exp2()
    }

    /// Of every result, given the root mean square of what a map reads.
    fn result(&self, program: &Program, wire: usize, typical: f64) -> f64 {
        let (deep, scheme) = (&program.deep, &program.scheme);
        let rescaled = self.rounding / self.scale_bits[wire].exp2();
        match (&deep.wires[wire].origin, &program.outlines[wire]) {
            (Origin::Image, _) => self.fresh / self.scale_bits[wire].exp2(),
            (&Origin::Series { series, .. }, _) => rescaled * deep.series[series].1.degree() as f64,
            (Origin::Map(terms), Some(outline)) => {
                let prime_bits = f64::from(scheme.data_prime_bits[deep.level(wire) + 1]);
                let product_bits = self.scale_bits[wire] + prime_bits;
                let largest = terms.iter().map(|term| self.scale_bits[term.wire]).fold(0.0, f64::max);
                // The coefficients of a vector that repeats are as many as its period has parts.
                let each = (outline.length.max(32) as f64 / 12.0).sqrt() / (product_bits - largest).exp2();
                let times = if outline.is_complex() { 8.0 } else { 1.0 };
                let added = times * (outline.chain.diagonals() << outline.folds.len()) as f64;
                rescaled.hypot(each * typical * added.sqrt())
            }
            _ => rescaled,
        }
    }
}

#[cfg(test)]
mod tests;
