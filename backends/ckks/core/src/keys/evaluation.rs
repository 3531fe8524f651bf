//! Evaluation keys: which a circuit needs, and up to which level.

use super::{
    DigitLength, KeyId, PairKeys, PairSquares, SecretKey, SeededPairKeys, SeededSwitchingKey, SwitchingKey,
};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::parameters::ParameterId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use veilbench_ring::random::Randomness;
use veilbench_ring::{Automorphism, GaloisElement, Polynomial};

/// What keys for sums of squares of pairs are for, in errors.
pub(crate) const PAIR_SUMS: &str = "sums of squares of pairs";

/// Which evaluation keys a circuit needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRequest {
    /// For products of ciphertexts.
    pub relinearisation: bool,
    /// For conjugation.
    pub conjugation: bool,
    /// For these rotations, to the left if positive; modulo the number of slots, and 0 needs no key.
    pub rotations: BTreeSet<i64>,
    /// For squares of pairs, beside the key for products: the conjugation at their level, and what sums of them take.
    pub pair_squares: Option<PairSquares>,
    /// The highest level at which some of the keys are used. Those not named serve every level. Rotations by steps that are equal
    /// modulo the number of slots share one key, and the highest level named for any of them is its level.
    pub levels: KeyLevels,
    /// Keys of long digits.
    pub long: LongDigits,
}

/// Keys that cut ciphertexts into digits of twice as many primes as the [parameters](crate::Parameters::digit_primes) say: half the
/// bytes, and up to half the time.
///
/// What such a key adds is longer than a rounding by as much as a digit is longer than the special primes
/// ([`Context::long_key_switch_noise`]). That is no loss where the scale is a product of two, as before every rescaling: there it is
/// divided by a prime. Fresh and rescaled ciphertexts it may drown. Parameters that [have none](crate::Parameters::has_long_digits)
/// have keys of their usual digits in place of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongDigits {
    /// Whether the key for products has them; not where [pairs](KeyRequest::pair_squares) are summed, which share it.
    pub relinearisation: bool,
    /// Rotations with such a key, by the highest level it is used at. [`Evaluator::rotate`](crate::Evaluator::rotate) and hoisted
    /// rotations do not use it: they may be of fresh ciphertexts.
    pub rotations: BTreeMap<i64, usize>,
}

impl KeyRequest {
    /// The automorphisms that need a key, and of which digits.
    fn elements(&self, context: &Context) -> BTreeSet<(GaloisElement, DigitLength)> {
        let degree = context.parameters().degree();
        let rotations = |steps: &i64| GaloisElement::rotation(degree, *steps);
        let short = self.rotations.iter().map(|steps| (rotations(steps), DigitLength::Short));
        let length = DigitLength::new(context, true);
        let long = self.long.rotations.keys().map(|steps| (rotations(steps), length));
        let mut elements: BTreeSet<_> = short.chain(long).collect();
        elements.retain(|&(element, _)| element != GaloisElement::rotation(degree, 0));
        if self.conjugation || self.pair_squares.is_some() {
            elements.insert((GaloisElement::conjugation(degree), DigitLength::Short));
        }
        elements
    }

    /// The level of every key of an automorphism that has one.
    fn element_levels(&self, context: &Context) -> BTreeMap<(GaloisElement, DigitLength), usize> {
        let degree = context.parameters().degree();
        let mut levels: BTreeMap<_, _> = self
            .levels
            .of_elements(degree)
            .into_iter()
            .map(|(element, level)| ((element, DigitLength::Short), level))
            .collect();
        let length = DigitLength::new(context, true);
        // Where there are no long digits both may be of one key, which serves every level if either does.
        let short = self.rotations.iter().map(|&steps| GaloisElement::rotation(degree, steps));
        let unlimited: BTreeSet<_> = short
            .map(|element| (element, DigitLength::Short))
            .filter(|key| !levels.contains_key(key))
            .collect();
        for (&steps, &level) in &self.long.rotations {
            let key = (GaloisElement::rotation(degree, steps), length);
            if !unlimited.contains(&key) {
                let known = levels.entry(key).or_insert(level);
                *known = level.max(*known);
            }
        }
        let conjugation = (GaloisElement::conjugation(degree), DigitLength::Short);
        match (self.pair_squares, self.conjugation, self.levels.conjugation) {
            (Some(pairs), false, _) => _ = levels.insert(conjugation, pairs.level),
            (Some(pairs), true, Some(level)) => _ = levels.insert(conjugation, level.max(pairs.level)),
            // Without a level of its own it serves every level.
            (Some(_), true, None) | (None, ..) => {}
        }
        levels
    }

    /// The highest level of sums of squares of pairs.
    fn pair_sums(&self) -> Option<usize> {
        self.pair_squares.filter(|pairs| pairs.sums).map(|pairs| pairs.level)
    }

    /// Into which digits the key for products cuts.
    fn product_length(&self, context: &Context) -> DigitLength {
        DigitLength::new(context, self.long.relinearisation && self.pair_sums().is_none())
    }

    /// What an automorphism is for.
    fn name(&self, degree: usize, element: GaloisElement) -> String {
        let mut rotations = self.rotations.iter().chain(self.long.rotations.keys());
        match rotations.find(|&&steps| GaloisElement::rotation(degree, steps) == element) {
            Some(steps) => format!("rotation by {steps}"),
            None if element == GaloisElement::conjugation(degree) => "conjugation".to_owned(),
            None => format!("automorphism {}", element.0),
        }
    }
}

/// Up to which level keys are used: a key for a low level is a fraction of one for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLevels {
    /// Level of the key for products.
    pub relinearisation: Option<usize>,
    /// Level of the key for conjugation.
    pub conjugation: Option<usize>,
    /// Levels of the keys, by rotation.
    pub rotations: BTreeMap<i64, usize>,
}

impl KeyLevels {
    /// Up to which of `highest` levels a key is used whose level is `level`.
    fn limbs(level: Option<usize>, highest: usize) -> usize {
        level.unwrap_or(highest).min(highest) + 1
    }

    /// The level of every rotation that has one.
    fn of_elements(&self, degree: usize) -> BTreeMap<GaloisElement, usize> {
        let mut levels = BTreeMap::new();
        for (&steps, &level) in &self.rotations {
            let known = levels.entry(GaloisElement::rotation(degree, steps)).or_insert(level);
            *known = level.max(*known);
        }
        levels.extend(self.conjugation.map(|level| (GaloisElement::conjugation(degree), level)));
        levels
    }
}

/// Evaluation keys as they are generated and sent: half of each key is a seed.
///
/// They are public: what they are encryptions of is not.
#[derive(Clone, PartialEq, Eq)]
pub struct SeededEvaluationKeys {
    pub(crate) relinearisation: Option<SeededSwitchingKey>,
    pub(crate) galois: Vec<SeededGaloisKey>,
    pub(crate) pairs: Option<SeededPairKeys>,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeededGaloisKey {
    pub(crate) element: GaloisElement,
    pub(crate) switching: SeededSwitchingKey,
}

impl SeededGaloisKey {
    /// What tells it from others.
    pub(crate) fn name(&self) -> (GaloisElement, DigitLength) {
        (self.element, self.switching.length)
    }
}

/// Evaluation keys ready for use.
pub struct EvaluationKeys {
    relinearisation: Option<SwitchingKey>,
    galois: BTreeMap<(GaloisElement, DigitLength), GaloisKey>,
    pairs: Option<PairKeys>,
    key: KeyId,
    parameters: ParameterId,
}

/// The key of an automorphism: it switches to the secret the automorphism takes to ours, so that the
/// automorphism is applied last, to two polynomials instead of to every digit (Bossuat, Mouchet,
/// Troncoso-Pastoriza and Hubaux, "Efficient bootstrapping for approximate homomorphic encryption with
/// non-sparse keys", 2021, section 4).
#[derive(Debug)]
pub(crate) struct GaloisKey {
    pub(crate) automorphism: Automorphism,
    pub(crate) switching: SwitchingKey,
}

impl fmt::Debug for SeededEvaluationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededEvaluationKeys")
            .field("key", &self.key)
            .field("relinearisation", &self.relinearisation.is_some())
            .field("automorphisms", &self.galois.len())
            .field("pairs", &self.pairs.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EvaluationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationKeys")
            .field("key", &self.key)
            .field("relinearisation", &self.relinearisation.is_some())
            .field("automorphisms", &self.galois.len())
            .field("pairs", &self.pairs.is_some())
            .finish_non_exhaustive()
    }
}

impl SeededEvaluationKeys {
    /// Generates exactly the requested keys. A level above the highest counts as the highest.
    pub fn generate(secret: &SecretKey, request: &KeyRequest, random: &mut Randomness) -> Self {
        let context = secret.context();
        let ring = context.ring();
        let highest = context.parameters().max_level();
        let limbs = |level: Option<usize>| KeyLevels::limbs(level, highest);
        let polynomial = secret.polynomial();
        let relinearisation = request.relinearisation.then(|| {
            let mut square = polynomial.clone();
            square.multiply_assign(ring, polynomial);
            let key = SeededSwitchingKey::generate(
                secret,
                [&square, polynomial],
                limbs(request.levels.relinearisation),
                request.product_length(context),
                random,
            );
            square.zeroize();
            key
        });
        let degree = ring.degree();
        let levels = request.element_levels(context);
        let galois = request
            .elements(context)
            .into_iter()
            .map(|(element, length)| {
                let inverse = Automorphism::new(degree, element.inverse(degree));
                let mut target = Polynomial::unspecified(ring, ring.moduli().len());
                for (source, row) in polynomial.rows().zip(target.rows_mut()) {
                    ring.kernels().permute(inverse.blocks(), source, row);
                }
                let switching = SeededSwitchingKey::generate(
                    secret,
                    [polynomial, &target],
                    limbs(levels.get(&(element, length)).copied()),
                    length,
                    random,
                );
                target.zeroize();
                SeededGaloisKey { element, switching }
            })
            .collect();
        let pairs =
            request.pair_sums().map(|level| SeededPairKeys::generate(secret, limbs(Some(level)), random));
        random.erase_past();
        Self { relinearisation, galois, pairs, key: secret.id(), parameters: context.parameters().id() }
    }

    /// The secret key these belong to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Whether every key of a request is there, for its level and of its digits.
    ///
    /// # Errors
    /// [`Error::NoRelinearisationKey`], [`Error::NoGaloisKey`], [`Error::NoPairKeys`], [`Error::KeyLevel`] and [`Error::LongDigits`], naming the first that is not;
    /// [`Error::ForeignParameters`].
    pub fn check_covers(&self, context: &Context, request: &KeyRequest) -> Result<()> {
        context.check_parameters(self.parameters)?;
        let (degree, highest) = (context.parameters().degree(), context.parameters().max_level());
        let serves = |key: &SeededSwitchingKey, level: Option<usize>, length, operation: String| {
            let limbs = KeyLevels::limbs(level, highest);
            if key.length != length {
                return Err(Error::LongDigits { operation });
            }
            let wrong = Error::KeyLevel { operation, level: limbs - 1, max: key.limbs - 1 };
            if key.limbs >= limbs { Ok(()) } else { Err(wrong) }
        };
        if request.relinearisation {
            let key = self.relinearisation.as_ref().ok_or(Error::NoRelinearisationKey)?;
            serves(key, request.levels.relinearisation, request.product_length(context), "products".into())?;
        }
        let levels = request.element_levels(context);
        for named @ (element, length) in request.elements(context) {
            let automorphism = request.name(degree, element);
            match self.galois.iter().find(|key| key.name() == named) {
                None => return Err(Error::NoGaloisKey { automorphism }),
                Some(key) => serves(&key.switching, levels.get(&named).copied(), length, automorphism)?,
            }
        }
        if let Some(level) = request.pair_sums() {
            for key in self.pairs.as_ref().ok_or(Error::NoPairKeys)?.each() {
                serves(key, Some(level), DigitLength::Short, PAIR_SUMS.into())?;
            }
        }
        Ok(())
    }

    /// Whether no key is there that a request does not ask for, and none for a higher level: what came from a peer is
    /// checked before [`expand`](Self::expand) makes several times as many bytes of it.
    ///
    /// # Errors
    /// [`Error::UnrequestedKey`], naming the first such key; [`Error::ForeignParameters`].
    pub fn check_no_more(&self, context: &Context, request: &KeyRequest) -> Result<()> {
        context.check_parameters(self.parameters)?;
        let (degree, highest) = (context.parameters().degree(), context.parameters().max_level());
        let within =
            |key: &SeededSwitchingKey, level: Option<usize>| key.limbs <= KeyLevels::limbs(level, highest);
        let unrequested = |operation: String| Err(Error::UnrequestedKey { operation });
        if let Some(key) = &self.relinearisation
            && !(request.relinearisation && within(key, request.levels.relinearisation))
        {
            return unrequested(format!("products at level {}", key.limbs - 1));
        }
        let (elements, levels) = (request.elements(context), request.element_levels(context));
        for key in &self.galois {
            let named = key.name();
            if !(elements.contains(&named) && within(&key.switching, levels.get(&named).copied())) {
                let name = request.name(degree, key.element);
                return unrequested(format!("{name} at level {}", key.switching.limbs - 1));
            }
        }
        for key in self.pairs.iter().flat_map(SeededPairKeys::each) {
            if !request.pair_sums().is_some_and(|level| within(key, Some(level))) {
                return unrequested(format!("{PAIR_SUMS} at level {}", key.limbs - 1));
            }
        }
        Ok(())
    }

    /// Expands the seeds.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn expand(self, context: &Context) -> Result<EvaluationKeys> {
        context.check_parameters(self.parameters)?;
        let degree = context.parameters().degree();
        let galois = self.galois.into_iter().map(|key| {
            let automorphism = Automorphism::new(degree, key.element);
            (key.name(), GaloisKey { automorphism, switching: key.switching.expand(context) })
        });
        Ok(EvaluationKeys {
            galois: galois.collect(),
            relinearisation: self.relinearisation.map(|key| key.expand(context)),
            pairs: self.pairs.map(|keys| keys.expand(context)),
            key: self.key,
            parameters: self.parameters,
        })
    }
}

impl EvaluationKeys {
    /// Takes in other keys of the same secret: keys may come one by one.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`], [`Error::ForeignKey`].
    pub fn extend(&mut self, other: Self) -> Result<()> {
        if other.parameters != self.parameters {
            return Err(Error::ForeignParameters { expected: self.parameters, found: other.parameters });
        }
        self.key.check(other.key)?;
        self.relinearisation = other.relinearisation.or(self.relinearisation.take());
        self.galois.extend(other.galois);
        self.pairs = other.pairs.or(self.pairs.take());
        Ok(())
    }

    /// The secret key these belong to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    pub(crate) fn parameters(&self) -> ParameterId {
        self.parameters
    }

    /// The key for products at a level.
    pub(crate) fn relinearisation(&self, level: usize) -> Result<&SwitchingKey> {
        let key = self.relinearisation.as_ref().ok_or(Error::NoRelinearisationKey)?;
        key.check_level(level, || "products".into())?;
        Ok(key)
    }

    /// The key for a rotation at a level.
    pub(crate) fn rotation(&self, degree: usize, steps: i64, level: usize) -> Result<&GaloisKey> {
        self.galois_key(GaloisElement::rotation(degree, steps), level, || format!("rotation by {steps}"))
    }

    /// The key for a rotation of a product, before it is rescaled: of long digits if there is one for the level.
    pub(crate) fn rotation_of_product(&self, degree: usize, steps: i64, level: usize) -> Result<&GaloisKey> {
        let element = GaloisElement::rotation(degree, steps);
        let Some(long) = self.galois.get(&(element, DigitLength::Long)) else {
            return self.rotation(degree, steps, level);
        };
        match long.switching.check_level(level, || format!("rotation by {steps}")) {
            Ok(()) => Ok(long),
            Err(too_low) => self.rotation(degree, steps, level).map_err(|_| too_low),
        }
    }

    /// The key for conjugation at a level.
    pub(crate) fn conjugation(&self, degree: usize, level: usize) -> Result<&GaloisKey> {
        self.galois_key(GaloisElement::conjugation(degree), level, || "conjugation".into())
    }

    /// The keys for sums of squares of pairs at a level.
    pub(crate) fn pairs(&self, level: usize) -> Result<&PairKeys> {
        let keys = self.pairs.as_ref().ok_or(Error::NoPairKeys)?;
        keys.each().into_iter().try_for_each(|key| key.check_level(level, || PAIR_SUMS.into()))?;
        Ok(keys)
    }

    fn galois_key(
        &self,
        element: GaloisElement,
        level: usize,
        name: impl Fn() -> String,
    ) -> Result<&GaloisKey> {
        let key = self
            .galois
            .get(&(element, DigitLength::Short))
            .ok_or_else(|| Error::NoGaloisKey { automorphism: name() })?;
        key.switching.check_level(level, name)?;
        Ok(key)
    }
}
