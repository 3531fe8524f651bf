//! Polynomials of encrypted values.

use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use std::collections::BTreeMap;

/// Powers below this are summed directly; those above split off a power of two.
const DIRECT_DEGREE: usize = 4;

/// Degrees above this are refused: in powers of `x`, doubles do not carry more.
const MAX_DEGREE: usize = 255;

/// `log2` of the smallest scale a coefficient is encoded at: rounding it is off by no more than `2^-17`.
const MIN_LOG2_COEFFICIENT_SCALE: u32 = 16;

/// How many levels [`Evaluator::evaluate_polynomial`] consumes for a polynomial of this degree.
pub fn polynomial_depth(degree: usize) -> usize {
    match degree {
        0 => 0,
        _ if degree < DIRECT_DEGREE => power_depth(degree) + 1,
        _ => {
            let split = split_power(degree);
            // The lower part, of degree `split - 1`, is no deeper than the power.
            polynomial_depth(degree - split).max(power_depth(split)) + 1
        }
    }
}

fn power_depth(power: usize) -> usize {
    power.next_power_of_two().trailing_zeros() as usize
}

/// The largest power of two within the degree.
fn split_power(degree: usize) -> usize {
    1 << degree.ilog2()
}

impl Evaluator {
    /// `sum of coefficients[k] x^k` in every slot, by the recursion of Paterson and Stockmeyer. The result has
    /// exactly the scale of the input: constants are encoded at whatever scale makes up for the primes.
    ///
    /// A quadratic is cheaper with its square completed: one [`Evaluator::square`] and
    /// [`Evaluator::add_scalar`], the factor folded into the next layer.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no coefficients or more than 256, [`Error::NoLevelLeft`] if the input has
    /// fewer levels than [`polynomial_depth`], [`Error::CoefficientScale`] if the input's scale is so far from
    /// the primes' that the coefficients would lose their precision, and as [`Evaluator::multiply`].
    pub fn evaluate_polynomial(&self, input: &Ciphertext, coefficients: &[f64]) -> Result<Ciphertext> {
        let Some(degree) =
            coefficients.iter().rposition(|&c| c != 0.0).or((!coefficients.is_empty()).then_some(0))
        else {
            return Err(Error::Shape { reason: "a polynomial without coefficients".into() });
        };
        if degree > MAX_DEGREE {
            return Err(Error::Shape {
                reason: format!("a polynomial of degree {degree} above {MAX_DEGREE}"),
            });
        }
        self.check(input)?;
        let level = input.level().checked_sub(polynomial_depth(degree)).ok_or(Error::NoLevelLeft)?;
        let mut powers = Powers { evaluator: self, computed: BTreeMap::from([(1, input.clone())]) };
        powers.evaluate(&coefficients[..=degree], level, input.scale)
    }
}

/// Powers of the input, computed when first needed, each at the highest level it can have.
struct Powers<'a> {
    evaluator: &'a Evaluator,
    computed: BTreeMap<usize, Ciphertext>,
}

impl Powers<'_> {
    fn get(&mut self, power: usize) -> Result<Ciphertext> {
        if let Some(known) = self.computed.get(&power) {
            return Ok(known.clone());
        }
        let high = power.next_power_of_two() / 2;
        let product = if power == 2 * high {
            let half = self.get(high)?;
            self.evaluator.square(&half)?
        } else {
            let (left, right) = (self.get(high)?, self.get(power - high)?);
            let level = left.level().min(right.level());
            let left = self.evaluator.drop_to_level(&left, level)?;
            self.evaluator.multiply(&left, &self.evaluator.drop_to_level(&right, level)?)?
        };
        let rescaled = self.evaluator.rescale(&product)?;
        self.computed.insert(power, rescaled.clone());
        Ok(rescaled)
    }

    fn prime(&self, level: usize) -> f64 {
        self.evaluator.context().parameters().data_primes()[level] as f64
    }

    /// The polynomial at exactly this level and scale.
    fn evaluate(&mut self, coefficients: &[f64], level: usize, scale: f64) -> Result<Ciphertext> {
        let degree = coefficients.len() - 1;
        if degree < DIRECT_DEGREE {
            return self.direct(coefficients, level, scale);
        }
        let split = split_power(degree);
        let (low, high) = coefficients.split_at(split);
        let power = self.get(split)?;
        let power = self.evaluator.drop_to_level(&power, level + 1)?;
        let wanted = scale * self.prime(level + 1) / power.scale;
        let high = self.evaluate(high, level + 1, wanted)?;
        let mut product = self.evaluator.multiply(&high, &power)?;
        product = self.evaluator.rescale(&product)?;
        product.scale = scale;
        let low = self.evaluate(low, level, scale)?;
        self.evaluator.add_assign(&mut product, &low)?;
        Ok(product)
    }

    fn direct(&mut self, coefficients: &[f64], level: usize, scale: f64) -> Result<Ciphertext> {
        // A constant has no ciphertext of its own: zero times the input.
        let terms = coefficients.iter().enumerate().skip(1).filter(|&(_, &c)| c != 0.0);
        let terms: Vec<(usize, f64)> = terms.map(|(power, &c)| (power, c)).collect();
        let terms = if terms.is_empty() { vec![(1, 0.0)] } else { terms };
        if self.computed[&1].level() == level {
            // Only a constant needs no level, and then the input may have none to give.
            let zero = self.evaluator.multiply_scalar(&self.computed[&1], 0.0, 1.0)?;
            return self.evaluator.add_scalar(&Ciphertext { scale, ..zero }, coefficients[0]);
        }
        let wanted = scale * self.prime(level + 1);
        let mut sum: Option<Ciphertext> = None;
        for (power, coefficient) in terms {
            let power = self.get(power)?;
            let power = self.evaluator.drop_to_level(&power, level + 1)?;
            let mut term = self.evaluator.multiply_scalar(
                &power,
                coefficient,
                coefficient_scale(wanted / power.scale)?,
            )?;
            term.scale = wanted;
            match &mut sum {
                None => sum = Some(term),
                Some(sum) => self.evaluator.add_assign(sum, &term)?,
            }
        }
        let sum = sum.ok_or(Error::Shape { reason: "a polynomial without terms".into() })?;
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
