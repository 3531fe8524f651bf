//! Which ring, primes and scales a circuit is computed with.
//!
//! Every map ends at the scale `2^map_scale_bits` exactly, whatever the primes: its weights are encoded at the scale
//! that makes up for them. A square then has the square of that scale over one prime. A scale a few bits above
//! the primes' puts the rounding noise of a map and that of its weights in balance.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use veilbench_ckks::{
    Ciphertext, Context, KeyLevels, KeyRequest, LongDigits, PairSquares, ParameterRequest, Parameters,
    max_modulus_bits, packed_bytes,
};

use crate::planning::pairs::Pairs;
use crate::planning::precision::{ERROR_DEVIATION, Inputs, largest, logit_deviation, rounding};
use crate::planning::release::{self, Room};
use veilbench_api::{Error, Unsupported};

/// Largest prime of the engine.
pub(crate) const PRIME_BITS: u32 = 50;

/// Bits the last prime has above the scale of the logits: a sign and room for values up to [`crate::roles::guard::LIMIT`].
pub(crate) const HEADROOM_BITS: u32 = 2;

/// The level at which answers are re-randomised: before the last rescaling, which divides the noise that adds.
pub(crate) const FRESH_LEVEL: usize = 1;

/// Relative difference of two scales that count as one.
const SCALE_TOLERANCE: f64 = 1e-9;

/// By how much the worst of a test set's logits exceeds the deviation of a single map's error, where it is not known what is summed:
/// deviations of the worst of many, and what squares and dense layers amplify. Measured on the networks that ship.
const WORST_OF_MAPS: f64 = 20.0;

/// How many times better than demanded a scheme is chosen if that is free.
const AMPLE: f64 = 16.0;

/// Rings that are considered.
const DEGREES: [usize; 4] = [4096, 8192, 16_384, 32_768];

/// Most primes of a digit.
const MOST_DIGIT_PRIMES: usize = 6;

/// How large the noise of long digits may be, as a share of the rounding of a rescaling: it then adds a thirtieth to it.
const MOST_OF_ROUNDING: f64 = 0.25;

/// Lengths of the primes that squares are rescaled by.
const STEPS: RangeInclusive<u32> = 20..=42;

/// Likewise where results are flooded, up to what the engine has.
const LONGER_STEPS: RangeInclusive<u32> = 20..=45;

/// A rotation that a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) steps: i64,
    pub(crate) level: usize,
    /// Whether it is of a value, and not of a product with weights before it is rescaled: the scale of products is large enough for
    /// long digits.
    pub(crate) of_values: bool,
}

/// The rotations that have keys, with the highest level each is used at: see [`Scheme::rotation_keys`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RotationKeys {
    /// Of usual digits.
    pub(crate) short: BTreeMap<i64, usize>,
    /// Of long digits.
    pub(crate) long: BTreeMap<i64, usize>,
}

/// The size of a switching key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeySize {
    /// The highest level it is used at.
    pub(crate) level: usize,
    /// Whether its digits are long.
    pub(crate) is_long: bool,
}

/// One of so many coefficients of a result is read at most where it is taken to a ring of half the degree.
const HALVED_SHARE: usize = 16;

/// Size of the key that takes results to a ring of half the degree.
pub(crate) const HALVING: KeySize = KeySize { level: 0, is_long: false };

/// Parameters and scales.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scheme {
    pub(crate) degree: usize,
    pub(crate) data_prime_bits: Vec<u32>,
    pub(crate) special_prime_bits: Vec<u32>,
    pub(crate) digits: usize,
    /// Whether keys for products, and for rotations of products with weights, have long digits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) long_digits: bool,
    /// Scale of every map's result.
    pub(crate) map_scale_bits: u32,
    /// Scale of fresh ciphertexts.
    pub(crate) input_scale_bits: u32,
    /// Set if every slot holds two images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pairs: Option<Pairs>,
}

/// What a circuit asks of a scheme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand<'a> {
    /// Levels.
    pub(crate) depth: usize,
    /// Largest degree to consider.
    pub(crate) degree: usize,
    /// Weights are whole vectors, and rounded as such.
    pub(crate) vectors: bool,
    /// Ciphertexts are rotated: key switches happen at the scale of the values.
    pub(crate) rotations: bool,
    /// By how many bits fresh ciphertexts are below the scale of squares, so that the first weights have as many more:
    /// [`lower_input_bits`] for inputs that are squared later.
    pub(crate) lower_input_bits: i32,
    /// What every stage reads; none if that depends on how values are laid out.
    pub(crate) stages: &'a [Inputs],
    /// Magnitude of the logits.
    pub(crate) logits: f64,
    /// Largest error of a logit.
    pub(crate) error: f64,
    /// Set if every slot holds two images.
    pub(crate) pairs: Option<Pairs>,
    /// Set if results are flooded.
    pub(crate) room: Option<Room>,
}

/// As for pixels from 0 to 64; larger ones have as much less precision.
const MOST_LOWER_BITS: f64 = 8.0;

/// By how many bits the scale of fresh ciphertexts of values of such a magnitude is below that of squares, which are
/// within one.
///
/// The rounding of weights counts once for each input, and as much as the input is large; four times the magnitude makes
/// the noise of fresh ciphertexts about as large as it. That holds for inputs whose typical size is not far below the
/// magnitude: beyond [`MOST_LOWER_BITS`] the noise would count for others too much.
pub(crate) fn lower_input_bits(magnitude: f64) -> i32 {
    (4.0 * magnitude).log2().round().clamp(-16.0, MOST_LOWER_BITS) as i32
}

/// What a scheme is searched in.
#[derive(Clone, Copy)]
struct Shape {
    degree: usize,
    digit_primes: usize,
    long_digits: bool,
}

impl Scheme {
    /// All secure and precise enough schemes for a circuit, the smallest degree and then the fewest digits first; of
    /// those alike the shortest that leaves an ample margin, or the most precise.
    pub(crate) fn candidates(demand: &Demand) -> Vec<Self> {
        let mut found = Vec::new();
        for shape in Self::shapes(demand) {
            let precise = |scheme: &Self, margin: f64| {
                scheme.logit_error(demand) <= demand.error / margin
                    && demand.room.is_none_or(|room| room.fits(scheme, margin))
            };
            let all = || Self::of_shape(shape, demand);
            let ample = all().find(|scheme| precise(scheme, AMPLE));
            let best = ample.or_else(|| all().next_back().filter(|scheme| precise(scheme, 1.0)));
            found.extend(best);
        }
        found
    }

    /// All secure schemes for a circuit, however precise.
    pub(crate) fn all(demand: &Demand) -> impl Iterator<Item = Self> {
        Self::shapes(demand).flat_map(move |shape| Self::of_shape(shape, demand))
    }

    /// The smallest degree and then the fewest digits first.
    fn shapes(demand: &Demand) -> impl Iterator<Item = Shape> {
        let degrees = DEGREES.into_iter().filter(move |&degree| degree <= demand.degree);
        let digit_primes = (1..=MOST_DIGIT_PRIMES.min(demand.depth + 1)).rev();
        let of_degree = move |degree| {
            digit_primes.clone().flat_map(move |digit_primes| {
                [false, true].map(|long_digits| Shape { degree, digit_primes, long_digits })
            })
        };
        degrees.flat_map(of_degree)
    }

    /// Those with the shortest primes first.
    fn of_shape(shape: Shape, demand: &Demand) -> impl DoubleEndedIterator<Item = Self> {
        let steps = if demand.room.is_some() { LONGER_STEPS } else { STEPS };
        steps.filter_map(move |step| Self::with_step(shape, step, demand))
    }

    /// One scheme for a demand, or why there is none.
    ///
    /// # Errors
    /// [`Unsupported`] if no secure degree has room for the depth and precision.
    pub(crate) fn choose(demand: &Demand) -> Result<Self, Unsupported> {
        Self::choose_by(demand, |scheme| scheme.logit_error(demand).max(demand.error / AMPLE))
    }

    /// Of the candidates with the smallest degree the one that costs least.
    ///
    /// # Errors
    /// As [`Scheme::choose`].
    pub(crate) fn choose_by(demand: &Demand, cost: impl Fn(&Self) -> f64) -> Result<Self, Unsupported> {
        let candidates = Self::candidates(demand);
        let smallest = candidates.first().map(|scheme| scheme.degree);
        let alike = candidates.into_iter().filter(|scheme| Some(scheme.degree) == smallest);
        alike.min_by(|left, right| cost(left).total_cmp(&cost(right))).ok_or_else(|| match demand.room {
            Some(room) => release::no_room(demand, room),
            None => Unsupported {
                layer: None,
                reason: format!(
                    "no parameters with 128 bits of security up to ring degree {} have {} levels for logits of magnitude \
                     {:.0} with an error of at most {:.1e}: the network is too deep, or its values too large",
                    demand.degree, demand.depth, demand.logits, demand.error
                ),
            },
        })
    }

    /// The length of the primes maps are rescaled by.
    fn map_prime_bits(&self) -> u32 {
        self.data_prime_bits.last().copied().unwrap_or(0)
    }

    /// Scale of a square: that of maps, squared, over a prime a bit shorter than those of maps. Of pairs it is doubled.
    pub(crate) fn square_scale_bits(&self) -> u32 {
        2 * self.map_scale_bits + 1 + u32::from(self.pairs.is_some()) - self.map_prime_bits()
    }

    /// By how much the noise of an image exceeds that of a part of its slot: of pairs it is the sum or difference of two.
    pub(crate) fn noise_factor(&self) -> f64 {
        if self.pairs.is_some() { std::f64::consts::SQRT_2 } else { 1.0 }
    }

    /// Bits of weights after the point, as encoded to meet values of such a scale.
    pub(crate) fn weight_bits(&self, scale_bits: u32) -> u32 {
        (self.map_scale_bits + self.map_prime_bits()).saturating_sub(scale_bits)
    }

    fn with_step(shape: Shape, step: u32, demand: &Demand) -> Option<Self> {
        let Shape { degree, digit_primes, long_digits } = shape;
        let gain = if demand.vectors { 3 } else { 5 };
        let map_scale_bits = step + gain;
        let base = map_scale_bits + HEADROOM_BITS;
        // The primes maps are rescaled by are a bit longer than those of squares: weights keep a bit more.
        let prime = |level: usize| step + u32::from((demand.depth - level).is_multiple_of(2));
        let data: Vec<u32> = std::iter::once(base).chain((1..=demand.depth).map(prime)).collect();
        let digits = data.len().div_ceil(digit_primes);
        let budget = max_modulus_bits(degree)?;
        let used: u32 = data.iter().sum();
        let digit: u32 = data[..digit_primes.min(data.len())].iter().sum();
        let switches_values = demand.rotations || demand.pairs.is_some_and(Pairs::conjugates_values);
        let wanted = if switches_values { digit + 4 } else { digit };
        // Long digits are as far above the special primes as noise allows: one prime has what room there is.
        let wanted = if long_digits { wanted.max(PRIME_BITS) } else { wanted };
        let special_bits = wanted.min(budget.checked_sub(used)?);
        if special_bits < digit || base > PRIME_BITS {
            return None;
        }
        let count = special_bits.div_ceil(PRIME_BITS);
        let special: Vec<u32> = (0..count).map(|index| (special_bits + index) / count).rev().collect();
        let scheme = Self {
            degree,
            data_prime_bits: data,
            special_prime_bits: special,
            digits,
            long_digits,
            map_scale_bits,
            input_scale_bits: (step + 2 * gain).checked_add_signed(-demand.lower_input_bits)?,
            pairs: demand.pairs,
        };
        let parameters = scheme.parameters().ok()?;
        let has_them = || parameters.has_long_digits() && scheme.drowns_long_digits(step, demand);
        (!long_digits || has_them()).then_some(scheme)
    }

    /// Whether what key switches of long digits add to a product is little beside the rounding of its rescaling, by a prime of `step` bits.
    /// Every doubling of a sum of rotations adds what came before to itself, slots apart: as many independent parts as there are
    /// slots, at most twice as many with those of the last.
    fn drowns_long_digits(&self, step: u32, demand: &Demand) -> bool {
        let parts = if demand.rotations { 2.0 * self.slots() as f64 } else { 1.0 };
        let noise = self.key_noise(2 * self.digit_primes()) * parts.sqrt() / f64::from(step).exp2();
        demand.pairs.is_none() && noise <= MOST_OF_ROUNDING * rounding(self.degree)
    }

    /// The checked parameters: 128 bits of security or an error.
    pub(crate) fn parameters(&self) -> veilbench_ckks::Result<Parameters> {
        Parameters::new(&ParameterRequest {
            degree: self.degree,
            data_prime_bits: &self.data_prime_bits,
            special_prime_bits: &self.special_prime_bits,
            digits: self.digits,
        })
    }

    /// Everything computed from the parameters.
    ///
    /// # Errors
    /// If they are not secure: plans come from the harness, but are not believed.
    pub(crate) fn context(&self) -> Result<Context, Error> {
        Ok(Context::new(self.parameters().map_err(Error::engine("choosing parameters"))?))
    }

    pub(crate) fn slots(&self) -> usize {
        self.degree / 2
    }

    /// Images that a ciphertext holds where slots are images.
    pub(crate) fn images(&self) -> usize {
        self.slots() * if self.pairs.is_some() { 2 } else { 1 }
    }

    pub(crate) fn depth(&self) -> usize {
        self.data_prime_bits.len() - 1
    }

    pub(crate) fn input_scale(&self) -> f64 {
        f64::from(self.input_scale_bits).exp2()
    }

    /// At which the weights meet a ciphertext, so that the rescaled product has the scale of maps.
    pub(crate) fn weight_scale(&self, context: &Context, ciphertext: &Ciphertext) -> f64 {
        let prime = context.parameters().data_primes()[ciphertext.level()];
        f64::from(self.map_scale_bits).exp2() * prime as f64 / ciphertext.scale()
    }

    /// Whether the chain of primes is as long as a circuit of such a depth needs.
    ///
    /// # Errors
    /// [`Error::Protocol`]: plans come from the harness, but are not believed.
    pub(crate) fn check_depth(&self, depth: usize) -> Result<(), Error> {
        if self.data_prime_bits.len() == depth + 1 {
            return Ok(());
        }
        let primes = self.data_prime_bits.len();
        Err(Error::protocol(format!(
            "the plan has {primes} primes for a network of {depth} levels: plan it anew"
        )))
    }

    /// Whether an answer is at the last level and at the scale of maps: at another scale it would decode to other numbers.
    ///
    /// # Errors
    /// [`Error::Protocol`] with what was agreed.
    pub(crate) fn check_answer(&self, ciphertext: &Ciphertext) -> Result<(), Error> {
        if ciphertext.level() == 0 && self.is_scale_of_maps(ciphertext.scale()) {
            return Ok(());
        }
        Err(Error::protocol(format!(
            "the model owner's answer is at level {} and scale 2^{:.3} where level 0 and scale 2^{} were agreed",
            ciphertext.level(),
            ciphertext.scale().log2(),
            self.map_scale_bits
        )))
    }

    /// Whether an answer that repeats after so many slots and is at such a scale does so after the period that was agreed and is at the
    /// scale of maps.
    ///
    /// # Errors
    /// [`Error::Protocol`] with what was agreed.
    pub(crate) fn check_folded(&self, (found, scale): (usize, f64), period: usize) -> Result<(), Error> {
        if found == period && self.is_scale_of_maps(scale) {
            return Ok(());
        }
        Err(Error::protocol(format!(
            "the model owner's answer repeats after {found} slots and is at scale 2^{:.3} where {period} slots and scale 2^{} were agreed",
            scale.log2(),
            self.map_scale_bits
        )))
    }

    fn is_scale_of_maps(&self, scale: f64) -> bool {
        (scale / f64::from(self.map_scale_bits).exp2() - 1.0).abs() <= SCALE_TOLERANCE
    }

    /// What results are known modulo, in units.
    pub(crate) fn period(&self, context: &Context) -> f64 {
        context.period(0, f64::from(self.map_scale_bits).exp2())
    }

    /// Standard deviation of what a rescaling adds in a slot, with what key switches of long digits leave after it.
    pub(crate) fn rescaling_noise(&self) -> f64 {
        let switched = if self.long_digits { MOST_OF_ROUNDING } else { 0.0 };
        rounding(self.degree) * 1f64.hypot(switched)
    }

    /// Standard deviation of what is added in a slot to the result of a map: by its rescaling, and where it is conjugated before
    /// it is squared, by that key switch. Its noise is that of its key, divided by the special primes with a rounding as of a rescaling.
    pub(crate) fn result_noise(&self) -> f64 {
        let rounding = self.noise_factor() * self.rescaling_noise();
        if !self.pairs.is_some_and(Pairs::conjugates_values) {
            return rounding;
        }
        rounding.hypot(rounding).hypot(self.key_noise(self.digit_primes()))
    }

    /// Standard deviation of what the key of a switch at the highest level adds in a slot, with digits of so many primes: they are
    /// uniform, and each meets an error of the key.
    fn key_noise(&self, digit_primes: usize) -> f64 {
        let special_bits = f64::from(self.special_prime_bits.iter().sum::<u32>());
        let size = |digit: &[u32]| (f64::from(digit.iter().sum::<u32>()) - special_bits).exp2();
        let sizes = self.data_prime_bits.chunks(digit_primes).map(size).fold(0.0, f64::hypot);
        self.noise_factor() * ERROR_DEVIATION * sizes * self.degree as f64 / 24f64.sqrt()
    }

    /// Primes of a digit.
    fn digit_primes(&self) -> usize {
        self.data_prime_bits.len().div_ceil(self.digits)
    }

    /// Standard deviation of the error of a map's result, in units of its range: of rounding after the map, of
    /// rounding its weights, and of the input.
    fn map_error(&self, demand: &Demand) -> f64 {
        let to_slot = self.noise_factor() * (self.degree as f64 / 2.0).sqrt();
        let rounding = self.noise_factor() * rounding(self.degree);
        let scale_bits = self.square_scale_bits();
        let weight_bits = self.weight_bits(scale_bits);
        let weight = (1.0f64 / 12.0).sqrt() * if demand.vectors { to_slot } else { 1.0 };
        let switching = if demand.rotations { 2.0 * rounding } else { 0.0 };
        let fresh = ERROR_DEVIATION * to_slot;
        (self.result_noise() / f64::from(self.map_scale_bits).exp2())
            .hypot(weight / f64::from(weight_bits).exp2())
            .hypot(rounding.hypot(fresh).hypot(switching) / f64::from(scale_bits).exp2())
    }

    /// The largest error of a logit to be expected over some ten thousand.
    pub(crate) fn logit_error(&self, demand: &Demand) -> f64 {
        if !demand.stages.is_empty() {
            let deviation = logit_deviation(self, demand.stages, demand.vectors, demand.logits);
            return largest(deviation, demand.stages.len());
        }
        WORST_OF_MAPS * demand.logits * self.map_error(demand) * (demand.depth as f64 / 2.0).sqrt()
    }

    /// Bytes of a ciphertext at a level in memory.
    pub(crate) fn memory_bytes(&self, level: usize) -> usize {
        2 * (level + 1) * self.degree * size_of::<u64>()
    }

    /// Bytes of a ciphertext at a level as sent; half if its uniform part is a seed.
    pub(crate) fn wire_bytes(&self, level: usize, seeded: bool) -> usize {
        let bits: u32 = self.data_prime_bits[..=level].iter().sum();
        let parts = if seeded { 1 } else { 2 };
        let header = if seeded { 79 } else { 47 };
        parts * self.degree / 8 * bits as usize + header
    }

    /// Bytes of a result that repeats after a period, as sent.
    pub(crate) fn folded_bytes(&self, period: usize) -> usize {
        (self.degree + 2 * period) / 8 * self.data_prime_bits[0] as usize + 47
    }

    /// The same in a ring of half the degree.
    pub(crate) fn halved_bytes(&self, period: usize) -> usize {
        (self.degree / 2 + 2 * period) / 8 * self.data_prime_bits[0] as usize + 47
    }

    /// Whether results that repeat after a period can be taken to a ring of half the degree. Of the noise that is reckoned with in all
    /// coefficients so few are read then that the key switch adds next to nothing to it.
    pub(crate) fn can_halve(&self, period: usize) -> bool {
        let parameters = self.parameters();
        HALVED_SHARE * period <= self.slots()
            && parameters.is_ok_and(|parameters| parameters.has_half_secrets())
    }

    /// Bytes of the key to a secret of half the degree, as sent.
    pub(crate) fn halving_key_bytes(&self) -> usize {
        self.key_bytes(HALVING) + 54
    }

    /// Bytes of the public key that answers are re-randomised with, as sent.
    pub(crate) fn public_key_bytes(&self) -> usize {
        let bits: u32 = self.data_prime_bits.iter().take(FRESH_LEVEL + 1).sum();
        self.degree / 8 * bits as usize + 71
    }

    /// Digits of a ciphertext at a level, where it is a product before it is rescaled, or else a value.
    pub(crate) fn digits(&self, level: usize, is_product: bool) -> usize {
        let primes = if is_product && self.long_digits { 2 } else { 1 } * self.digit_primes();
        (level + 1).div_ceil(primes)
    }

    /// A key for each rotation, at the highest level it is used at; steps that are equal modulo the slots share one under the name of
    /// the first, and what changes nothing has none. Where there are long digits, products have keys of their own.
    pub(crate) fn rotation_keys(&self, rotations: impl IntoIterator<Item = Rotation>) -> RotationKeys {
        let mut distinct: BTreeMap<(bool, i64), (i64, usize)> = BTreeMap::new();
        for Rotation { steps, level, of_values } in rotations {
            let is_long = self.long_digits && !of_values;
            let steps_around = steps.rem_euclid(self.slots() as i64);
            if steps_around != 0 {
                let (_, known) = distinct.entry((is_long, steps_around)).or_insert((steps, level));
                *known = level.max(*known);
            }
        }
        let [short, long] = [false, true].map(|is_long| {
            distinct.iter().filter(|((own, _), _)| *own == is_long).map(|(_, &key)| key).collect()
        });
        RotationKeys { short, long }
    }

    /// The evaluation keys of a circuit whose products are at the level below the first and below, and of these rotations.
    pub(crate) fn key_request(&self, rotations: &RotationKeys) -> KeyRequest {
        KeyRequest {
            relinearisation: self.depth() > 1,
            rotations: rotations.short.keys().copied().collect(),
            levels: KeyLevels {
                relinearisation: Some(self.square_level()),
                rotations: rotations.short.clone(),
                ..KeyLevels::default()
            },
            pair_squares: self.pair_squares(),
            long: LongDigits { relinearisation: self.long_digits, rotations: rotations.long.clone() },
            ..KeyRequest::default()
        }
    }

    fn pair_squares(&self) -> Option<PairSquares> {
        let pairs = self.pairs.filter(|_| self.depth() > 1)?;
        Some(PairSquares { level: self.square_level(), sums: pairs.has_sums() })
    }

    /// How many keys for conjugations there are.
    pub(crate) fn conjugations(&self) -> usize {
        usize::from(self.pair_squares().is_some())
    }

    /// The sizes of all keys that [`Scheme::key_request`] asks for.
    pub(crate) fn key_sizes<'a>(&'a self, rotations: &'a RotationKeys) -> impl Iterator<Item = KeySize> + 'a {
        let sizes = |levels: &'a BTreeMap<i64, usize>, is_long| {
            levels.values().map(move |&level| KeySize { level, is_long })
        };
        let level = self.square_level();
        let products = (self.depth() > 1).then_some(KeySize { level, is_long: self.long_digits });
        let of_pairs = self.pair_squares().map_or(0, |pairs| if pairs.sums { 3 } else { 1 });
        let pairs = std::iter::repeat_n(KeySize { level, is_long: false }, of_pairs);
        sizes(&rotations.short, false).chain(sizes(&rotations.long, true)).chain(products).chain(pairs)
    }

    /// The highest level at which anything is squared: below the first map.
    fn square_level(&self) -> usize {
        self.depth().saturating_sub(1)
    }

    /// Bytes of a switching key as sent.
    pub(crate) fn key_bytes(&self, KeySize { level, is_long }: KeySize) -> usize {
        let bits: u32 = self.data_prime_bits[..=level].iter().chain(&self.special_prime_bits).sum();
        self.digits(level, is_long) * self.degree / 8 * bits as usize + 33
    }

    /// Bytes of a switching key in memory.
    pub(crate) fn key_memory_bytes(&self, KeySize { level, is_long }: KeySize) -> usize {
        let special: usize = self.special_prime_bits.iter().map(|&bits| packed_bytes(bits)).sum();
        2 * self.digits(level, is_long) * (self.degree * special + self.diagonal_memory_bytes(level))
    }

    /// Bytes of a diagonal of a linear map, encoded at a level, in memory.
    pub(crate) fn diagonal_memory_bytes(&self, level: usize) -> usize {
        self.degree * self.data_prime_bits[..=level].iter().map(|&bits| packed_bytes(bits)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
