//! The canonical embedding: slot values to real coefficients and back, by an FFT over the powers of 5.
//!
//! Slot `j` is the value at `exp(i pi 5^j / N)` (Cheon, Kim, Kim and Song, "Homomorphic encryption for
//! arithmetic of approximate numbers", 2017), so that `X -> X^5` rotates the slots.

use std::f64::consts::TAU;
use zeroize::Zeroize;

/// Complex numbers, real and imaginary parts apart. They are wiped when dropped: of an image its coefficients are as
/// secret as its pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComplexVector {
    pub(crate) real: Vec<f64>,
    pub(crate) imaginary: Vec<f64>,
}

impl Drop for ComplexVector {
    fn drop(&mut self) {
        self.real.zeroize();
        self.imaginary.zeroize();
    }
}

impl ComplexVector {
    pub(crate) fn zero(length: usize) -> Self {
        Self { real: vec![0.0; length], imaginary: vec![0.0; length] }
    }
}

/// The roots of unity of every stage of the transform.
#[derive(Debug)]
pub(crate) struct Embedding {
    slots: usize,
    /// The stage that joins halves of `h` values keeps its roots at `h..2h`.
    roots: ComplexVector,
}

impl Embedding {
    pub(crate) fn new(slots: usize) -> Self {
        let mut roots = ComplexVector::zero(slots);
        let mut half = 1;
        while half < slots {
            let order = 8 * half;
            let mut exponent = 1;
            for j in 0..half {
                let (sin, cos) = (TAU * exponent as f64 / order as f64).sin_cos();
                roots.real[half + j] = cos;
                roots.imaginary[half + j] = sin;
                exponent = exponent * 5 % order;
            }
            half *= 2;
        }
        Self { slots, roots }
    }

    /// From `N / 2` slots to coefficients: coefficient `k` in the real part, `k + N / 2` in the imaginary one.
    pub(crate) fn to_coefficients(&self, values: &mut ComplexVector) {
        let mut half = self.slots / 2;
        while half > 0 {
            self.stage(values, half, |re, im, cos, sin| {
                let ([a_re, b_re], [a_im, b_im]) = (re, im);
                let (d_re, d_im) = (a_re - b_re, a_im - b_im);
                ([a_re + b_re, d_re * cos + d_im * sin], [a_im + b_im, d_im * cos - d_re * sin])
            });
            half /= 2;
        }
        bit_reverse(values);
        let scale = 1.0 / self.slots as f64;
        for part in values.real.iter_mut().chain(&mut values.imaginary) {
            *part *= scale;
        }
    }

    /// The inverse of [`Embedding::to_coefficients`].
    pub(crate) fn to_slots(&self, values: &mut ComplexVector) {
        bit_reverse(values);
        let mut half = 1;
        while half < self.slots {
            self.stage(values, half, |re, im, cos, sin| {
                let ([a_re, b_re], [a_im, b_im]) = (re, im);
                let (t_re, t_im) = (b_re * cos - b_im * sin, b_re * sin + b_im * cos);
                ([a_re + t_re, a_re - t_re], [a_im + t_im, a_im - t_im])
            });
            half *= 2;
        }
    }

    #[inline(always)]
    fn stage(
        &self,
        values: &mut ComplexVector,
        half: usize,
        butterfly: impl Fn([f64; 2], [f64; 2], f64, f64) -> ([f64; 2], [f64; 2]),
    ) {
        let (cos, sin) = (&self.roots.real[half..2 * half], &self.roots.imaginary[half..2 * half]);
        let pairs = values.real.chunks_exact_mut(2 * half).zip(values.imaginary.chunks_exact_mut(2 * half));
        for (real, imaginary) in pairs {
            let ((a_re, b_re), (a_im, b_im)) = (real.split_at_mut(half), imaginary.split_at_mut(half));
            for j in 0..half {
                let (re, im) = butterfly([a_re[j], b_re[j]], [a_im[j], b_im[j]], cos[j], sin[j]);
                [a_re[j], b_re[j]] = re;
                [a_im[j], b_im[j]] = im;
            }
        }
    }
}

fn bit_reverse(values: &mut ComplexVector) {
    let length = values.real.len();
    let shift = usize::BITS - length.trailing_zeros();
    for i in 0..length {
        let j = i.reverse_bits().checked_shr(shift).unwrap_or(0);
        if i < j {
            values.real.swap(i, j);
            values.imaginary.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn values(slots: usize) -> ComplexVector {
        ComplexVector {
            real: (0..slots).map(|j| (j as f64 * 0.7).sin()).collect(),
            imaginary: (0..slots).map(|j| (j as f64 * 1.3).cos()).collect(),
        }
    }

    #[test]
    fn slots_are_the_values_at_the_powers_of_five() {
        for slots in [8, 64] {
            let degree = 2 * slots;
            let mut coefficients = values(slots);
            let expected = coefficients.clone();
            let embedding = Embedding::new(slots);
            embedding.to_coefficients(&mut coefficients);
            let mut power = 1;
            for j in 0..slots {
                let (mut real, mut imaginary) = (0.0, 0.0);
                for k in 0..degree {
                    let c = if k < slots { coefficients.real[k] } else { coefficients.imaginary[k - slots] };
                    let angle = PI * (power * k % (2 * degree)) as f64 / degree as f64;
                    real += c * angle.cos();
                    imaginary += c * angle.sin();
                }
                assert!((real - expected.real[j]).abs() < 1e-12);
                assert!((imaginary - expected.imaginary[j]).abs() < 1e-12);
                power = power * 5 % (2 * degree);
            }
        }
    }

    #[test]
    fn the_round_trip_keeps_fifty_bits_at_full_size() {
        for slots in [4096, 8192, 16_384] {
            let embedding = Embedding::new(slots);
            let mut result = values(slots);
            embedding.to_coefficients(&mut result);
            embedding.to_slots(&mut result);
            let expected = values(slots);
            let parts = result.real.iter().zip(&expected.real);
            let worst = parts
                .chain(result.imaginary.iter().zip(&expected.imaginary))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            assert!(worst < 2f64.powi(-48), "{worst}");
        }
    }
}
