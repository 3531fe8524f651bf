//! Polynomials in Chebyshev's basis, of encrypted values between -1 and 1: coefficients of the powers of `x` would be far
//! larger than the values.

use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use std::collections::BTreeMap;

/// Largest degree that is evaluated.
pub const MAX_CHEBYSHEV_DEGREE: usize = 255;

/// `log2` of the smallest scale a coefficient is encoded at: rounding it is off by no more than `2^-13`.
const MIN_LOG2_COEFFICIENT_SCALE: u32 = 12;

/// How many levels [`Chebyshev::evaluate`] consumes for a series of this degree: as few as there can be.
pub fn chebyshev_depth(degree: usize) -> usize {
    (degree + 1).next_power_of_two().trailing_zeros() as usize
}

/// For every product of two ciphertexts that a series of this degree takes, how many levels below `x` its factors are.
pub fn chebyshev_products(degree: usize) -> Vec<usize> {
    let mut products = Vec::new();
    let mut needed = BTreeMap::new();
    count(degree, chebyshev_depth(degree), &mut products, &mut needed);
    products.extend(needed.into_values());
    products
}

/// As [`Chebyshev::series`] computes a series of a degree within so many levels below `x`.
fn count(degree: usize, levels: usize, products: &mut Vec<usize>, needed: &mut BTreeMap<usize, usize>) {
    if let Some(direct) = direct(degree, levels) {
        direct.iter().for_each(|&power| need(power, needed));
        return;
    }
    let split = split(degree);
    need(split, needed);
    count(degree - split, levels - 1, products, needed);
    count(split - 1, levels, products, needed);
    products.push(levels - 1);
}

/// Notes a basis polynomial and those that it is made of, with the level of the product that makes it.
fn need(power: usize, needed: &mut BTreeMap<usize, usize>) {
    if power < 2 || needed.contains_key(&power) {
        return;
    }
    needed.insert(power, power_depth(power) - 1);
    need(power.next_power_of_two() / 2, needed);
}

fn power_depth(power: usize) -> usize {
    power.next_power_of_two().trailing_zeros() as usize
}

/// The largest power of two within the degree.
fn split(degree: usize) -> usize {
    1 << degree.ilog2()
}

/// The basis polynomials that a short series is a weighted sum of, if this many levels are enough for that.
fn direct(degree: usize, levels: usize) -> Option<Vec<usize>> {
    (degree < 4 && (degree == 0 || power_depth(degree) < levels)).then(|| (1..=degree).collect())
}

/// The values of Chebyshev polynomials of a ciphertext, each computed when it is first needed.
#[derive(Debug)]
pub struct Chebyshev<'a> {
    evaluator: &'a Evaluator,
    /// By degree, each at the highest level it can have.
    powers: BTreeMap<usize, Ciphertext>,
}

impl Evaluator {
    /// Begins with a ciphertext of values between -1 and 1. Its scale is best that of the prime of its level: that of a polynomial of
    /// degree `2^k` is further from its prime by the `2^k`-th power of what the scale is now.
    ///
    /// # Errors
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn chebyshev(&self, input: &Ciphertext) -> Result<Chebyshev<'_>> {
        self.check(input)?;
        Ok(Chebyshev { evaluator: self, powers: BTreeMap::from([(1, input.clone())]) })
    }
}

impl Chebyshev<'_> {
    /// `sum of coefficients[k] T_k(x)` in every slot, [`chebyshev_depth`] levels lower and at exactly this scale: constants are encoded
    /// at whatever scale makes up for the primes. A series is split by `T_(m+k) = 2 T_m T_k - T_(m-k)` as in the recursion of Paterson and
    /// Stockmeyer.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no coefficients or more than one above [`MAX_CHEBYSHEV_DEGREE`], [`Error::NoLevelLeft`] if the input has
    /// too few levels, [`Error::CoefficientScale`] if scales are so far from the primes that coefficients would lose their precision, and
    /// as [`Evaluator::multiply`].
    pub fn evaluate(&mut self, coefficients: &[f64], scale: f64) -> Result<Ciphertext> {
        let Some(degree) = coefficients.len().checked_sub(1) else {
            return Err(Error::Shape { reason: "a series without coefficients".into() });
        };
        if degree > MAX_CHEBYSHEV_DEGREE {
            let reason = format!("a series of degree {degree} above {MAX_CHEBYSHEV_DEGREE}");
            return Err(Error::Shape { reason });
        }
        let depth = chebyshev_depth(degree);
        let level = self.powers[&1].level().checked_sub(depth).ok_or(Error::NoLevelLeft)?;
        self.series(coefficients, depth, level, scale)
    }

    /// The Chebyshev polynomial of degree `2^log2`, each time it doubles computed from the one before at the lowest level from which
    /// `level` can be reached.
    ///
    /// # Errors
    /// [`Error::NoLevelLeft`] if the input has too few levels, and as [`Evaluator::multiply`].
    pub fn doubled(&mut self, log2: usize, level: usize) -> Result<Ciphertext> {
        let known = (0..=log2).rev().find(|bits| self.powers.contains_key(&(1 << bits))).unwrap_or(0);
        let mut power = self.powers[&(1 << known)].clone();
        if power.level() < level + log2 - known {
            return Err(Error::NoLevelLeft);
        }
        for missing in (1..=log2 - known).rev() {
            let low = self.evaluator.drop_to_level(&power, level + missing)?;
            power = self.double(&low)?;
        }
        self.evaluator.drop_to_level(&power, level)
    }

    /// `2 T^2 - 1`.
    fn double(&self, power: &Ciphertext) -> Result<Ciphertext> {
        let square = self.evaluator.square(power)?;
        let doubled = self.evaluator.add(&square, &square)?;
        self.evaluator.rescale(&self.evaluator.add_scalar(&doubled, -1.0)?)
    }

    fn get(&mut self, power: usize) -> Result<Ciphertext> {
        if let Some(known) = self.powers.get(&power) {
            return Ok(known.clone());
        }
        let half = self.get(power.next_power_of_two() / 2)?;
        let result = if power.is_power_of_two() {
            self.double(&half)?
        } else {
            // T_3 = x (2 T_2 - 1).
            let factor = self.evaluator.add_scalar(&self.evaluator.add(&half, &half)?, -1.0)?;
            let x = self.evaluator.drop_to_level(&self.powers[&1], factor.level())?;
            self.evaluator.rescale(&self.evaluator.multiply(&x, &factor)?)?
        };
        self.powers.insert(power, result.clone());
        Ok(result)
    }

    fn prime(&self, level: usize) -> f64 {
        self.evaluator.context().parameters().data_primes()[level] as f64
    }

    /// The series, which has this many levels down to this one, at exactly this scale.
    fn series(
        &mut self,
        coefficients: &[f64],
        levels: usize,
        level: usize,
        scale: f64,
    ) -> Result<Ciphertext> {
        let degree = coefficients.len() - 1;
        if let Some(powers) = direct(degree, levels) {
            return self.direct(coefficients, &powers, level, scale);
        }
        let split = split(degree);
        let power = self.get(split)?;
        let power = self.evaluator.drop_to_level(&power, level + 1)?;
        let (low, high) = coefficients.split_at(split);
        let (mut low, mut high) = (low.to_vec(), high.to_vec());
        for (distance, coefficient) in high.iter_mut().enumerate().skip(1) {
            low[split - distance] -= *coefficient;
            *coefficient *= 2.0;
        }
        let wanted = scale * self.prime(level + 1) / power.scale;
        let high = self.series(&high, levels - 1, level + 1, wanted)?;
        let mut product = self.evaluator.rescale(&self.evaluator.multiply(&high, &power)?)?;
        product.scale = scale;
        let low = self.series(&low, levels, level, scale)?;
        self.evaluator.add_assign(&mut product, &low)?;
        Ok(product)
    }

    fn direct(
        &mut self,
        coefficients: &[f64],
        powers: &[usize],
        level: usize,
        scale: f64,
    ) -> Result<Ciphertext> {
        if powers.is_empty() {
            // A constant has no ciphertext of its own: zero times the input.
            let input = self.evaluator.drop_to_level(&self.powers[&1], level)?;
            let mut zero = self.evaluator.multiply_scalar(&input, 0.0, 1.0)?;
            zero.scale = scale;
            return self.evaluator.add_scalar(&zero, coefficients[0]);
        }
        let wanted = scale * self.prime(level + 1);
        let mut sum: Option<Ciphertext> = None;
        for &power in powers {
            let term = self.get(power)?;
            let term = self.evaluator.drop_to_level(&term, level + 1)?;
            let own = coefficient_scale(wanted / term.scale)?;
            let mut term = self.evaluator.multiply_scalar(&term, coefficients[power], own)?;
            term.scale = wanted;
            match &mut sum {
                None => sum = Some(term),
                Some(sum) => self.evaluator.add_assign(sum, &term)?,
            }
        }
        let sum = sum.ok_or(Error::Shape { reason: "a series without terms".into() })?;
        let mut result = self.evaluator.rescale(&self.evaluator.add_scalar(&sum, coefficients[0])?)?;
        result.scale = scale;
        Ok(result)
    }
}

fn coefficient_scale(scale: f64) -> Result<f64> {
    let log2_scale = scale.log2();
    if log2_scale >= f64::from(MIN_LOG2_COEFFICIENT_SCALE) {
        return Ok(scale);
    }
    Err(Error::CoefficientScale { log2_scale, min_log2_scale: MIN_LOG2_COEFFICIENT_SCALE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_takes_as_few_levels_as_there_can_be() {
        let depths = [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (15, 4), (31, 5), (127, 7)];
        for (degree, depth) in depths {
            assert_eq!(chebyshev_depth(degree), depth, "degree {degree}");
        }
    }

    #[test]
    fn products_are_counted_by_level() {
        assert_eq!(chebyshev_products(1), []);
        assert_eq!(chebyshev_products(3), [1, 0], "a product with T_2, and T_2");
        for degree in 1..=127 {
            let products = chebyshev_products(degree);
            assert!(products.iter().all(|&below| below < chebyshev_depth(degree)), "{degree}: {products:?}");
            assert!(products.len() <= degree, "{degree}: {products:?}");
        }
    }
}
