//! Many sums of the same ciphertexts times plain numbers, in strips that stay in the cache.

use super::Evaluator;
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use arrayvec::ArrayVec;
use std::ops::Range;
use veilbench_ring::kernels::{GROUP, Kernels, SHORT_TERMS, ShortModulus};
use veilbench_ring::modulus::Modulus;
use veilbench_ring::parallel;
use veilbench_ring::{Ntt, Polynomial};

/// Coefficients of every input that are worked on together: a few dozen such pieces fit the second-level cache.
const STRIP: usize = 256;

/// Rows whose sums over a strip stay in the second-level cache while all inputs pass: of thousands of rows, every few
/// inputs would read and write them all in memory. A multiple of [`GROUP`].
const TILE: usize = 128;

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
        let integers = self.scaled_weights(ciphertexts, first, weights, scale)?;
        let ring = self.context.ring();
        let rows = weights.len() / columns;
        let sum = || [(); 2].map(|()| Polynomial::<Ntt>::unspecified(ring, first.limbs()));
        let mut sums: Vec<_> = (0..rows).map(|_| sum()).collect();
        // Threads share the limbs, not the rows of weights: every input is read by one of them.
        let mut limbs: Vec<[Vec<&mut [u64]>; 2]> = (0..first.limbs()).map(|_| Default::default()).collect();
        for (part, sum) in sums.iter_mut().flat_map(|parts| parts.iter_mut().enumerate()) {
            limbs.iter_mut().zip(sum.rows_mut()).for_each(|(limb, row)| limb[part].push(row));
        }
        let words = columns * 2 * first.limbs() * ring.degree();
        parallel::for_each(words, limbs.into_iter().enumerate(), |(index, outputs)| {
            let m = ring.modulus(index);
            let sums = Sums::new(ring.kernels(), m);
            let weights: Vec<u64> = integers.iter().map(|&integer| sums.prepare(m.signed(integer))).collect();
            for (part, mut outputs) in outputs.into_iter().enumerate() {
                let inputs: Vec<&[u64]> = ciphertexts.iter().map(|c| c.parts[part].limb(index)).collect();
                self.strips(&sums, &inputs, &weights, &mut outputs);
            }
        });
        let finish = |parts| {
            let mut sum = first.like(parts);
            sum.scale *= scale;
            sum
        };
        Ok(sums.into_iter().map(finish).collect())
    }

    /// One limb of one part: `outputs[r] = sum over c of weights[r, c] inputs[c]`.
    fn strips(&self, sums: &Sums, inputs: &[&[u64]], weights: &[u64], outputs: &mut [&mut [u64]]) {
        let degree = self.context.ring().degree();
        let mut partial = self.context.tables().scratch.take(GROUP * STRIP);
        for start in (0..degree).step_by(STRIP) {
            let strip = start..(start + STRIP).min(degree);
            for (outputs, weights) in outputs.chunks_mut(TILE).zip(weights.chunks(TILE * inputs.len())) {
                for column in (0..inputs.len()).step_by(sums.terms()) {
                    let columns = column..(column + sums.terms()).min(inputs.len());
                    let sources: ArrayVec<&[u64], SHORT_TERMS> =
                        inputs[columns.clone()].iter().map(|row| &row[strip.clone()]).collect();
                    let row_weights = |row: usize| {
                        &weights[row * inputs.len() + columns.start..row * inputs.len() + columns.end]
                    };
                    let partial = (column > 0).then_some(&mut partial[..]);
                    sums.add(&sources, row_weights, outputs, strip.clone(), partial);
                }
            }
        }
    }
}

/// How weighted sums modulo one prime are computed.
struct Sums<'a> {
    kernels: Kernels,
    modulus: &'a Modulus,
    /// If its kernels serve the prime, and serve it better.
    short: Option<ShortModulus>,
}

impl<'a> Sums<'a> {
    fn new(kernels: Kernels, modulus: &'a Modulus) -> Self {
        let short = kernels.prefers_short().then(|| ShortModulus::new(modulus)).flatten();
        Self { kernels, modulus, short }
    }

    /// Inputs that are summed in one pass.
    fn terms(&self) -> usize {
        if self.short.is_some() { SHORT_TERMS } else { self.kernels.residue_terms(self.modulus) }
    }

    /// A residue in the form that weights have.
    fn prepare(&self, weight: u64) -> u64 {
        self.short.as_ref().map_or_else(|| self.modulus.montgomery(weight), |short| short.prepare(weight))
    }

    /// Adds the products of a few inputs to the sums of every row, by way of `partial`; those of the first inputs, without one, take the place
    /// of whatever is there. `sources` are the strips of the inputs.
    fn add<'w>(
        &self,
        sources: &[&[u64]],
        row_weights: impl Fn(usize) -> &'w [u64],
        outputs: &mut [&mut [u64]],
        strip: Range<usize>,
        mut partial: Option<&mut [u64]>,
    ) {
        let (groups, singles) = outputs.as_chunks_mut::<GROUP>();
        let grouped = groups.len() * GROUP;
        for (group, outputs) in groups.iter_mut().enumerate() {
            let weights = std::array::from_fn(|row| row_weights(group * GROUP + row));
            self.rows::<GROUP>(sources, weights, outputs.each_mut(), strip.clone(), partial.as_deref_mut());
        }
        for (row, output) in singles.iter_mut().enumerate() {
            self.rows(sources, [row_weights(grouped + row)], [output], strip.clone(), partial.as_deref_mut());
        }
    }

    fn rows<const ROWS: usize>(
        &self,
        sources: &[&[u64]],
        weights: [&[u64]; ROWS],
        outputs: [&mut &mut [u64]; ROWS],
        strip: Range<usize>,
        partial: Option<&mut [u64]>,
    ) {
        let outputs = outputs.map(|output| &mut output[strip.clone()]);
        let Some(partial) = partial else { return self.products(sources, weights, outputs) };
        let mut rows = partial.chunks_exact_mut(STRIP);
        let mut out: [&mut [u64]; ROWS] =
            std::array::from_fn(|_| &mut rows.next().unwrap_or_default()[..strip.len()]);
        self.products(sources, weights, out.each_mut().map(|out| &mut **out));
        for (sum, out) in outputs.into_iter().zip(&out) {
            self.kernels.add_assign(self.modulus, sum, out);
        }
    }

    fn products<const ROWS: usize>(
        &self,
        sources: &[&[u64]],
        weights: [&[u64]; ROWS],
        out: [&mut [u64]; ROWS],
    ) {
        match &self.short {
            Some(short) => self.kernels.short_sums(short, sources, weights, out),
            None => self.kernels.residue_sums(self.modulus, sources, weights, out),
        }
    }
}
