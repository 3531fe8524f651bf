//! Many sums of ciphertexts times plain numbers, in strips that stay in the cache.

use super::Evaluator;
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use arrayvec::ArrayVec;
use std::ops::Range;
use veilbench_ring::kernels::{GROUP, Kernels, SHORT_TERMS, ShortModulus};
use veilbench_ring::modulus::Modulus;
use veilbench_ring::parallel;
use veilbench_ring::{Ntt, Polynomial};

/// Coefficients of every input that are worked on together: two kilobytes, of which hundreds fit a second-level cache of a megabyte.
const STRIP: usize = 256;

/// Rows whose sums over a strip stay in the second-level cache while all inputs pass: of thousands of rows, every few
/// inputs would read and write them all in memory. A multiple of [`GROUP`].
const TILE: usize = 128;

/// Some rows of a matrix, all of which meet the same ciphertexts.
#[derive(Clone, Debug)]
pub struct WeightedBlock<'a> {
    /// What the rows meet.
    pub ciphertexts: Vec<&'a Ciphertext>,
    /// The rows, one after the other, each of as many weights as there are ciphertexts.
    pub weights: &'a [f64],
}

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
        self.weighted_sums_of_blocks(&[WeightedBlock { ciphertexts: ciphertexts.to_vec(), weights }], scale)
    }

    /// The sums of several blocks, one block after the other. Ciphertexts that several of them meet are read once for all, where the blocks
    /// together meet no more than fit the cache.
    ///
    /// # Errors
    /// As [`Evaluator::weighted_sum`]; all ciphertexts have one level and one scale.
    pub fn weighted_sums_of_blocks(
        &self,
        blocks: &[WeightedBlock<'_>],
        scale: f64,
    ) -> Result<Vec<Ciphertext>> {
        let Some(first) = blocks.first().and_then(|block| block.ciphertexts.first().copied()) else {
            return Err(Error::Shape { reason: "weights for no ciphertexts".into() });
        };
        let integers = blocks.iter().map(|WeightedBlock { ciphertexts, weights }| {
            let columns = ciphertexts.len();
            if columns == 0 || weights.is_empty() || !weights.len().is_multiple_of(columns) {
                let reason = format!("{} weights for {columns} ciphertexts", weights.len());
                return Err(Error::Shape { reason });
            }
            self.scaled_weights(ciphertexts, first, weights, scale)
        });
        let integers = integers.collect::<Result<Vec<_>>>()?;
        let ring = self.context.ring();
        let rows = blocks.iter().map(|block| block.weights.len() / block.ciphertexts.len()).sum();
        let sum = || [(); 2].map(|()| Polynomial::<Ntt>::unspecified(ring, first.limbs()));
        let mut sums: Vec<_> = (0..rows).map(|_| sum()).collect();
        // Threads share limbs and parts, not the rows of weights: every input is read by one of them.
        let mut shares: Vec<Vec<&mut [u64]>> = (0..2 * first.limbs()).map(|_| Vec::new()).collect();
        for (part, sum) in sums.iter_mut().flat_map(|parts| parts.iter_mut().enumerate()) {
            shares
                .iter_mut()
                .skip(part)
                .step_by(2)
                .zip(sum.rows_mut())
                .for_each(|(share, row)| share.push(row));
        }
        let inputs: usize = blocks.iter().map(|block| block.ciphertexts.len()).sum();
        let words = inputs * 2 * first.limbs() * ring.degree();
        parallel::for_each(words, shares.into_iter().enumerate(), |(share, mut outputs)| {
            let (index, part) = (share / 2, share % 2);
            let m = ring.modulus(index);
            let sums = Sums::new(ring.kernels(), m);
            let pieces = blocks.iter().zip(&integers).map(|(block, integers)| Piece {
                inputs: block.ciphertexts.iter().map(|c| c.parts[part].limb(index)).collect(),
                weights: integers.iter().map(|&integer| sums.prepare(m.signed(integer))).collect(),
            });
            self.strips(&sums, &pieces.collect::<Vec<_>>(), &mut outputs);
        });
        let finish = |parts| {
            let mut sum = first.like(parts);
            sum.scale *= scale;
            sum
        };
        Ok(sums.into_iter().map(finish).collect())
    }

    /// One limb of one part of all blocks: `outputs[r] = sum over c of weights[r, c] inputs[c]`.
    fn strips(&self, sums: &Sums, pieces: &[Piece], outputs: &mut [&mut [u64]]) {
        let degree = self.context.ring().degree();
        let mut partial = self.context.tables().scratch.take(GROUP * STRIP);
        for start in (0..degree).step_by(STRIP) {
            let strip = start..(start + STRIP).min(degree);
            let mut rest = &mut outputs[..];
            for piece in pieces {
                let (outputs, behind) = rest.split_at_mut(piece.rows());
                piece.strip(sums, outputs, &strip, &mut partial);
                rest = behind;
            }
        }
    }
}

/// One limb of one part of a block.
struct Piece<'a> {
    inputs: Vec<&'a [u64]>,
    /// As [`Sums::prepare`] makes them.
    weights: Vec<u64>,
}

impl Piece<'_> {
    fn rows(&self) -> usize {
        self.weights.len() / self.inputs.len()
    }

    fn strip(&self, sums: &Sums, outputs: &mut [&mut [u64]], strip: &Range<usize>, partial: &mut [u64]) {
        let Self { inputs, weights } = self;
        for (outputs, weights) in outputs.chunks_mut(TILE).zip(weights.chunks(TILE * inputs.len())) {
            for column in (0..inputs.len()).step_by(sums.terms()) {
                let columns = column..(column + sums.terms()).min(inputs.len());
                let sources: ArrayVec<&[u64], SHORT_TERMS> =
                    inputs[columns.clone()].iter().map(|row| &row[strip.clone()]).collect();
                let row_weights = |row: usize| {
                    &weights[row * inputs.len() + columns.start..row * inputs.len() + columns.end]
                };
                let partial = (column > 0).then_some(&mut *partial);
                sums.add(&sources, row_weights, outputs, strip.clone(), partial);
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
