//! A value that depends on the image: a layer's output, seen through a polynomial and a layout.

use super::layout::Layout;
use crate::architecture::limits;
use crate::import::error::Reason;

/// Which layer of the [`Layers`](crate::import::layers::Layers); the first is the input.
pub(crate) type LayerId = usize;

/// A symbolic activation.
#[derive(Clone, Debug)]
pub(crate) struct Activation {
    /// The layer.
    pub(crate) base: LayerId,
    /// What was computed from its output, value by value; `None` is the output itself.
    pub(crate) form: Option<Form>,
    /// How its axes lie in the layer's output.
    pub(crate) layout: Layout,
    /// Name of the node that flattened it.
    pub(crate) flatten: Option<String>,
    /// The operator that turned it into probabilities, after which nothing may be computed.
    pub(crate) end: Option<String>,
}

impl Activation {
    pub(crate) fn of(base: LayerId, layout: Layout) -> Self {
        Self { base, form: None, layout, flatten: None, end: None }
    }

    /// The polynomial, be it `x` itself.
    pub(crate) fn polynomial(&self) -> Polynomial {
        self.form.as_ref().map_or_else(Polynomial::identity, |form| form.polynomial.clone())
    }

    pub(crate) fn with_form(self, name: &str, polynomial: Polynomial) -> Self {
        Self { form: Some(Form { name: name.to_owned(), polynomial }), ..self }
    }
}

/// A polynomial and the node that computed it last.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) polynomial: Polynomial,
}

/// One value for all channels, or one for each.
pub(crate) type Lanes = Vec<f64>;

/// A polynomial for every channel, ascending powers. A power that never appeared is `None`, so that
/// signed zeros and products with one survive exactly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Polynomial {
    powers: Vec<Option<Lanes>>,
}

impl Polynomial {
    pub(crate) fn identity() -> Self {
        Self { powers: vec![None, Some(vec![1.0])] }
    }

    pub(crate) fn constant(lanes: Lanes) -> Self {
        Self { powers: vec![Some(lanes)] }
    }

    pub(crate) fn degree(&self) -> usize {
        self.powers.len() - 1
    }

    /// True of `x` itself.
    pub(crate) fn is_identity(&self) -> bool {
        *self == Self::identity()
    }

    /// Constant and slope, if it is affine and all channels share it.
    pub(crate) fn affine(&self) -> Option<[f64; 2]> {
        let is_affine = self.degree() == 1 && self.is_uniform();
        is_affine.then(|| [0, 1].map(|power| self.coefficient(power, 0)))
    }

    /// True if every coefficient is within a share of itself of the other's.
    pub(crate) fn is_close(&self, other: &Self, share: f64) -> bool {
        let channels = [self, other].iter().flat_map(|own| own.powers.iter().flatten().map(Vec::len)).max();
        (0..=self.degree().max(other.degree())).all(|power| {
            (0..channels.unwrap_or(1)).all(|channel| {
                let (a, b) = (self.coefficient(power, channel), other.coefficient(power, channel));
                (a - b).abs() <= share * a.abs().max(b.abs())
            })
        })
    }

    /// Number of values, for memory accounting.
    pub(crate) fn values(&self) -> usize {
        self.powers.iter().flatten().map(Vec::len).sum()
    }

    /// True if all channels share one polynomial.
    pub(crate) fn is_uniform(&self) -> bool {
        self.powers.iter().flatten().all(|lanes| lanes.len() == 1)
    }

    /// Coefficient of a power in a channel.
    pub(crate) fn coefficient(&self, power: usize, channel: usize) -> f64 {
        let lanes = self.powers.get(power).and_then(Option::as_ref);
        lanes.map_or(0.0, |lanes| lane(lanes, channel))
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        let length = self.powers.len().max(other.powers.len());
        let power = |index: usize| {
            let (a, b) = (self.powers.get(index).cloned(), other.powers.get(index));
            sum(a.flatten(), b.cloned().flatten())
        };
        Self { powers: (0..length).map(power).collect() }
    }

    pub(crate) fn multiply(&self, other: &Self) -> Result<Self, Reason> {
        let degree = self.degree() + other.degree();
        if degree > limits::DEGREE {
            return Err(format!(
                "it makes a polynomial of degree {degree}, at most {} is read",
                limits::DEGREE
            )
            .into());
        }
        let mut powers: Vec<Option<Lanes>> = vec![None; degree + 1];
        for (i, a) in self.powers.iter().enumerate() {
            for (j, b) in other.powers.iter().enumerate() {
                if let (Some(a), Some(b)) = (a, b) {
                    powers[i + j] = sum(powers[i + j].take(), Some(pairwise(a, b, |a, b| a * b)));
                }
            }
        }
        Ok(Self { powers })
    }

    pub(crate) fn power(&self, exponent: usize) -> Result<Self, Reason> {
        let mut product = self.clone();
        for _ in 1..exponent {
            product = product.multiply(self)?;
        }
        Ok(product)
    }

    /// Every coefficient through a function.
    pub(crate) fn map(&self, value: impl Fn(f64) -> f64) -> Self {
        let map = |lanes: &Lanes| lanes.iter().map(|&lane| value(lane)).collect();
        Self { powers: self.powers.iter().map(|power| power.as_ref().map(map)).collect() }
    }

    /// The polynomials of a vector whose feature `i` was in channel `channel(i)`.
    pub(crate) fn spread(&self, features: usize, channel: impl Fn(usize) -> usize) -> Self {
        let spread = |lanes: &Lanes| match lanes.len() {
            1 => lanes.clone(),
            _ => (0..features).map(|feature| lane(lanes, channel(feature))).collect(),
        };
        Self { powers: self.powers.iter().map(|power| power.as_ref().map(spread)).collect() }
    }
}

fn lane(lanes: &Lanes, channel: usize) -> f64 {
    if lanes.len() == 1 { lanes[0] } else { lanes[channel] }
}

fn sum(a: Option<Lanes>, b: Option<Lanes>) -> Option<Lanes> {
    match (a, b) {
        (Some(a), Some(b)) => Some(pairwise(&a, &b, |a, b| a + b)),
        (a, b) => a.or(b),
    }
}

fn pairwise(a: &Lanes, b: &Lanes, value: impl Fn(f64, f64) -> f64) -> Lanes {
    (0..a.len().max(b.len())).map(|channel| value(lane(a, channel), lane(b, channel))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horners_rule_gives_back_its_coefficients_bit_for_bit() {
        let x = Polynomial::identity();
        let constant = |value| Polynomial::constant(vec![value]);
        let scaled = x.multiply(&constant(-0.0)).unwrap().add(&constant(0.3));
        let square = scaled.multiply(&x).unwrap().add(&constant(-0.0));
        let bits = |power| square.coefficient(power, 0).to_bits();
        assert_eq!([bits(0), bits(1), bits(2)], [-0.0_f64, 0.3, -0.0].map(f64::to_bits));
    }

    #[test]
    fn a_square_of_a_sum_has_binomial_coefficients() {
        let sum = Polynomial::identity().add(&Polynomial::constant(vec![3.0]));
        let square = sum.power(2).unwrap();
        assert_eq!([0, 1, 2].map(|power| square.coefficient(power, 5)), [9.0, 6.0, 1.0]);
    }

    #[test]
    fn degrees_are_bounded() {
        let square = Polynomial::identity().power(limits::DEGREE).unwrap();
        assert!(square.multiply(&Polynomial::identity()).is_err());
    }
}
