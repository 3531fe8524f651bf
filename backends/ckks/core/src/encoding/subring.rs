//! Vectors that repeat through the slots: polynomials in a power of `X`, transformed at the size of their period.
//!
//! A vector of period `P` is encoded by a polynomial in `Y = X^(N / 2P)`, and its values at the roots of `X` are those at the
//! roots of `Y`, each `N / 2P` times in a row (the subring that Gentry, Halevi, Peikert and Smart switch to in "Field switching in
//! BGV-style homomorphic encryption", 2013). Weights of small feature maps so take a fraction of the memory and time.

use crate::context::Context;
use crate::encoding::bit_length;
use crate::encoding::embedding::{ComplexVector, Embedding};
use crate::error::{Error, Result};
use std::fmt;
use veilbench_ring::kernels::{BLOCK, Transforms};

/// The shortest period that is handled apart: a shorter one is repeated up to it.
pub(crate) const MIN_PERIOD: usize = 32;

/// Transforms of vectors with one period, modulo the first primes of a chain.
pub(crate) struct Subring {
    degree: usize,
    embedding: Embedding,
    transforms: Vec<Transforms>,
}

/// Coefficients from here on are refused: their residues are made in one step.
const LARGEST_COEFFICIENT: f64 = (1u64 << 49) as f64;

/// The rounded coefficients of a vector: those of weights fit half a word, those of a skip connection may not.
#[derive(Debug)]
pub(crate) enum Rounded {
    Short(Vec<i32>),
    Long(Vec<i64>),
}

impl Rounded {
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Short(own) => size_of_val(&own[..]),
            Self::Long(own) => size_of_val(&own[..]),
        }
    }
}

impl fmt::Debug for Subring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subring(degree {}, {} primes)", self.degree, self.transforms.len())
    }
}

impl Subring {
    /// Tables for a period, a power of two from [`MIN_PERIOD`] to the slots, modulo the first `limbs` primes.
    ///
    /// # Errors
    /// [`Error::Shape`] for another period, [`Error::Level`] for more primes than there are.
    pub(crate) fn new(context: &Context, period: usize, limbs: usize) -> Result<Self> {
        let slots = context.parameters().slots();
        if !period.is_power_of_two() || !(MIN_PERIOD.min(slots)..=slots).contains(&period) {
            return Err(Error::Shape { reason: format!("a period of {period} in {slots} slots") });
        }
        context.check_level(limbs.saturating_sub(1))?;
        let degree = 2 * period;
        let transforms = (0..limbs).map(|index| transforms(context, index, degree));
        Ok(Self { degree, embedding: Embedding::new(period), transforms: transforms.collect::<Result<_>>()? })
    }

    /// Coefficients of a vector: twice its period.
    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    pub(crate) fn limbs(&self) -> usize {
        self.transforms.len()
    }

    /// The rounded coefficients, in `Y`, of a vector of the period at a scale; `imaginary` may be empty for a real one.
    ///
    /// # Errors
    /// [`Error::TooManyValues`], [`Error::ComplexParts`], [`Error::NotFinite`], and [`Error::Overflow`] if one exceeds 49 bits and its
    /// sign.
    pub(crate) fn encode(&self, real: &[f64], imaginary: &[f64], scale: f64) -> Result<Rounded> {
        let period = self.degree / 2;
        if real.len() != period {
            return Err(Error::TooManyValues { values: real.len(), slots: period });
        }
        if !imaginary.is_empty() && imaginary.len() != period {
            return Err(Error::ComplexParts { real: period, imaginary: imaginary.len() });
        }
        for part in [real, imaginary] {
            if let Some(index) = part.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite { index });
            }
        }
        let mut vector = ComplexVector::zero(period);
        vector.real.copy_from_slice(real);
        vector.imaginary[..imaginary.len()].copy_from_slice(imaginary);
        self.embedding.to_coefficients(&mut vector);
        let coefficients = vector.real.iter().chain(&vector.imaginary).map(|value| (value * scale).round());
        // A NaN can only come of infinities in the transform.
        let largest = coefficients
            .clone()
            .fold(0.0, |most: f64, c| if c.is_nan() { f64::INFINITY } else { most.max(c.abs()) });
        if largest >= LARGEST_COEFFICIENT {
            return Err(Error::Overflow { bits: bit_length(largest), level: self.transforms.len() - 1 });
        }
        if largest <= f64::from(i32::MAX) {
            return Ok(Rounded::Short(coefficients.map(|value| value as i32).collect()));
        }
        Ok(Rounded::Long(coefficients.map(|value| value as i64).collect()))
    }

    /// The residues of coefficients at the roots of prime `index`, in Montgomery form; `buffer` has the length of them.
    pub(crate) fn transform(
        &self,
        context: &Context,
        index: usize,
        coefficients: &Rounded,
        buffer: &mut [i64],
        row: &mut [u64],
    ) {
        let ring = context.ring();
        match coefficients {
            Rounded::Short(own) => {
                buffer.iter_mut().zip(own).for_each(|(out, &value)| *out = i64::from(value));
            }
            Rounded::Long(own) => buffer.copy_from_slice(own),
        }
        let m = ring.modulus(index);
        ring.kernels().reduce_signed(m, buffer, row);
        self.transforms[index].forward(row);
        ring.kernels().scale_assign(m, row, m.radix());
    }
}

/// Transforms of the small degree that go through the powers of the large root in its order.
///
/// # Errors
/// [`Error::TooFewPrimes`], and [`Error::Shape`] if the small root is another one.
fn transforms(context: &Context, index: usize, degree: usize) -> Result<Transforms> {
    let ring = context.ring();
    let m = ring.modulus(index);
    let Some(transforms) = Transforms::new(ring.kernels(), degree, m) else {
        return Err(Error::TooFewPrimes { degree, bits: m.bits() });
    };
    // The first value of `X` is the root it was evaluated at. Roots are square roots of square roots of -1, so that those of two
    // degrees are powers of each other.
    let root = |degree: usize, forward: &dyn Fn(&mut [u64])| {
        let mut x = vec![0; degree];
        x[1] = 1;
        forward(&mut x);
        x[0]
    };
    let large = root(ring.degree(), &|row| ring.forward(index, row));
    let squarings = (ring.degree() / degree).ilog2();
    let wanted = (0..squarings).fold(large, |power, _| m.multiply(power, power));
    if root(degree, &|row| transforms.forward(row)) == wanted {
        return Ok(transforms);
    }
    Err(Error::Shape { reason: format!("degree {degree} has another root than the ring") })
}

/// Puts rows, each value of which stands for `repeat` in a row, side by side in blocks, from position `start` of the ring on: the
/// stream that [`Kernels::dot_picked`](crate::kernels::Kernels::dot_picked) reads.
pub(crate) fn weave(rows: &[u64], row_length: usize, repeat: usize, start: usize, stream: &mut [u64]) {
    let count = rows.len() / row_length;
    for (block, blocks) in stream.as_chunks_mut::<BLOCK>().0.chunks_exact_mut(count).enumerate() {
        let position = start + block * BLOCK;
        for (row, out) in rows.chunks_exact(row_length).zip(blocks) {
            let first = position / repeat;
            match repeat {
                1 => out.copy_from_slice(&row[first..first + BLOCK]),
                2 => *out = std::array::from_fn(|lane| row[first + lane / 2]),
                4 => *out = std::array::from_fn(|lane| row[first + lane / 4]),
                _ => *out = [row[first]; BLOCK],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{ParameterRequest, Parameters};
    use veilbench_ring::kernels::Instructions;

    #[test]
    fn a_repeated_vector_has_the_transform_of_the_whole_vector() {
        let request = ParameterRequest {
            degree: 1024,
            data_prime_bits: &[50, 31, 31],
            special_prime_bits: &[50],
            digits: 3,
        };
        let parameters = Parameters::new_insecure(&request).expect("it is only small");
        for instructions in Instructions::ALL {
            let Some(context) = Context::with_instructions(parameters.clone(), instructions) else {
                continue;
            };
            for period in [32, 64, 128, 256, 512] {
                let subring = Subring::new(&context, period, 3).expect("the period fits");
                let [real, imaginary] = [0.37, 0.53].map(|step| -> Vec<f64> {
                    (0..period).map(|slot| ((slot * slot) as f64 * step).sin()).collect()
                });
                let [whole, whole_imaginary] = [&real, &imaginary].map(|part| part.repeat(512 / period));
                let scale = 2f64.powi(30);
                let expected =
                    context.encode_polynomial(&whole, &whole_imaginary, scale, 2).expect("it is encoded");
                let coefficients = subring.encode(&real, &imaginary, scale).expect("it fits");
                for index in 0..3 {
                    let m = context.ring().modulus(index);
                    let (mut buffer, mut row) = (vec![0; 2 * period], vec![0; 2 * period]);
                    subring.transform(&context, index, &coefficients, &mut buffer, &mut row);
                    let mut stream = vec![0; 1024];
                    weave(&row, 2 * period, 512 / period, 0, &mut stream);
                    let due: Vec<u64> =
                        expected.limb(index).iter().map(|&value| m.montgomery(value)).collect();
                    assert_eq!(stream, due, "{instructions}, period {period}, prime {index}");
                }
            }
        }
    }
}
