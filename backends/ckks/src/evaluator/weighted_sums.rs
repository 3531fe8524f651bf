use super::{Evaluator, same_level, same_scale};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::kernels::{GROUP, LAZY_TERMS};
use crate::modulus::Modulus;
use crate::parallel;
use crate::ring::{Ntt, Polynomial};
use arrayvec::ArrayVec;

/// Coefficients of every input that are worked on together: a few dozen such pieces fit the second-level cache.
const STRIP: usize = 256;

impl Evaluator {
    /// A plaintext matrix times a vector of ciphertexts, [`Evaluator::weighted_sum`] for every row of `weights`
    /// (row-major, as many columns as ciphertexts): the inputs are read once, strip by strip, for all rows.
    ///
    /// # Errors
    /// As [`Evaluator::weighted_sum`].
    pub fn weighted_sums(
        &self,
        ciphertexts: &[&Ciphertext],
        weights: &[f64],
        scale: f64,
    ) -> Result<Vec<Ciphertext>> {
        let columns = ciphertexts.len();
        let (Some(first), true) =
            (ciphertexts.first(), !weights.is_empty() && weights.len().is_multiple_of(columns.max(1)))
        else {
            return Err(Error::Shape {
                reason: format!("{} weights for {columns} ciphertexts", weights.len()),
            });
        };
        for ciphertext in ciphertexts {
            self.check(ciphertext)?;
            same_level(first.level(), ciphertext.level())?;
            same_scale(first.scale, ciphertext.scale)?;
        }
        self.context.check_scale(first.scale * scale, first.level())?;
        let integers = weights
            .iter()
            .map(|&weight| self.scaled_integer(weight, scale, first.level()))
            .collect::<Result<Vec<i128>>>()?;
        let ring = self.context.ring();
        let rows = weights.len() / columns;
        let zero = || [(); 2].map(|()| Polynomial::<Ntt>::zero(ring, first.limbs()));
        let mut sums: Vec<_> = (0..rows).map(|_| zero()).collect();
        // Threads share the limbs, not the rows of weights: every input is read by one of them.
        let mut limbs: Vec<[Vec<&mut [u64]>; 2]> = (0..first.limbs()).map(|_| Default::default()).collect();
        for (part, sum) in sums.iter_mut().flat_map(|parts| parts.iter_mut().enumerate()) {
            limbs.iter_mut().zip(sum.rows_mut()).for_each(|(limb, row)| limb[part].push(row));
        }
        let words = columns * 2 * first.limbs() * ring.degree();
        parallel::for_each(words, limbs.into_iter().enumerate(), |(index, outputs)| {
            let m = ring.modulus(index);
            let weights: Vec<u64> = integers.iter().map(|&integer| m.montgomery(m.signed(integer))).collect();
            for (part, mut outputs) in outputs.into_iter().enumerate() {
                let inputs: Vec<&[u64]> = ciphertexts.iter().map(|c| c.parts[part].limb(index)).collect();
                self.strips(m, &inputs, &weights, &mut outputs);
            }
        });
        let finish = |parts| {
            let mut sum = first.like(parts);
            sum.scale *= scale;
            sum
        };
        Ok(sums.into_iter().map(finish).collect())
    }

    /// One limb of one part: `outputs[r] = sum over c of weights[r, c] inputs[c]`; outputs come in as zeros.
    fn strips(&self, m: &Modulus, inputs: &[&[u64]], weights: &[u64], outputs: &mut [&mut [u64]]) {
        let kernels = self.context.ring().kernels();
        let degree = self.context.ring().degree();
        let mut partial = self.context.tables().scratch.take(GROUP * STRIP);
        for start in (0..degree).step_by(STRIP) {
            let strip = start..(start + STRIP).min(degree);
            for column in (0..inputs.len()).step_by(LAZY_TERMS) {
                let columns = column..(column + LAZY_TERMS).min(inputs.len());
                let sources: ArrayVec<&[u64], LAZY_TERMS> =
                    inputs[columns.clone()].iter().map(|row| &row[strip.clone()]).collect();
                let row_weights = |row: usize| {
                    &weights[row * inputs.len() + columns.start..row * inputs.len() + columns.end]
                };
                let (groups, singles) = outputs.as_chunks_mut::<GROUP>();
                let grouped = groups.len() * GROUP;
                for (group, outputs) in groups.iter_mut().enumerate() {
                    let weights = std::array::from_fn(|row| row_weights(group * GROUP + row));
                    let mut rows = partial.chunks_exact_mut(STRIP);
                    let mut out: [&mut [u64]; GROUP] =
                        std::array::from_fn(|_| &mut rows.next().unwrap_or_default()[..strip.len()]);
                    kernels.combine_group(
                        &sources,
                        [m; GROUP],
                        weights,
                        out.each_mut().map(|out| &mut **out),
                    );
                    for (sum, out) in outputs.iter_mut().zip(&out) {
                        kernels.add_assign(m, &mut sum[strip.clone()], out);
                    }
                }
                for (row, sum) in singles.iter_mut().enumerate() {
                    let out = &mut partial[..strip.len()];
                    kernels.combine(m, &sources, row_weights(grouped + row), out);
                    kernels.add_assign(m, &mut sum[strip.clone()], out);
                }
            }
        }
    }
}
