//! Products of plaintext matrices and encrypted vectors.

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluator::{Evaluator, Extended, same_level, switch};
use crate::parameters::ParameterId;
use aligned_vec::AVec;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use veilbench_ring::kernels::BLOCK;
use veilbench_ring::parallel;
use veilbench_ring::scratch::Scratch;
use veilbench_ring::{Ntt, Polynomial, zeroed};

/// What a giant step costs in baby steps: it decomposes a polynomial of its own.
const GIANT_COST: usize = 2;

/// A plaintext matrix by its diagonals, encoded for one level: `out[t] = sum over k of diagonal_k[t] in[t + k]`.
///
/// Baby-step giant-step with hoisted baby steps (Halevi and Shoup, 2014 and 2018), and one division by the
/// special primes for all giant steps together.
pub struct Matrix {
    parameters: ParameterId,
    scale: f64,
    /// The diagonals of shift `giant + baby`, rotated right by `giant` and in Montgomery form.
    giants: Vec<Giant>,
    post_rotations: Vec<i64>,
}

/// The diagonals of one giant step. For each prime their residues are one stream, block by block, as
/// [`Kernels::dot_picked`](veilbench_ring::kernels::Kernels::dot_picked) reads them: dozens of separate rows at distances
/// of a power of two would share a few cache sets.
struct Giant {
    shift: usize,
    babies: Vec<usize>,
    rows: Vec<AVec<u64>>,
}

impl Giant {
    fn new(context: &Context, shift: usize, diagonals: &[(usize, Polynomial<Ntt>)]) -> Self {
        let ring = context.ring();
        let row = |index: usize| {
            let mut row = zeroed(diagonals.len() * ring.degree());
            for (position, (_, diagonal)) in diagonals.iter().enumerate() {
                interleave(diagonal.limb(index), &mut row, position, diagonals.len());
            }
            row
        };
        Self {
            shift,
            babies: diagonals.iter().map(|(baby, _)| *baby).collect(),
            rows: (0..diagonals.first().map_or(0, |(_, diagonal)| diagonal.limbs())).map(row).collect(),
        }
    }
}

/// Rotations of the input: for each prime one stream, for every block the first and second parts of all of them.
struct Babies<'a> {
    shifts: Vec<usize>,
    rows: Vec<Scratch<'a>>,
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matrix")
            .field("level", &self.level())
            .field("diagonals", &self.giants.iter().map(|giant| giant.babies.len()).sum::<usize>())
            .field("rotations", &self.rotations())
            .finish_non_exhaustive()
    }
}

impl Matrix {
    /// A matrix of `rows` times `columns` weights, row after row.
    ///
    /// The input vector repeats through the slots with period `columns` rounded up to a power of two (what lies
    /// between is ignored), the output with period `rows` rounded up, zero in between. `level` and `scale` are
    /// those the weights are encoded at; with the prime of that level as scale the product has the scale of
    /// its input.
    ///
    /// # Errors
    /// [`Error::Shape`] if the matrix is empty, does not fit the slots or has another number of weights, and
    /// as [`Context::encode`].
    pub fn from_rows(
        context: &Context,
        rows: usize,
        columns: usize,
        weights: &[f64],
        scale: f64,
        level: usize,
    ) -> Result<Self> {
        let slots = context.parameters().slots();
        if rows == 0 || columns == 0 || rows > slots || columns > slots || weights.len() != rows * columns {
            return Err(Error::Shape {
                reason: format!("{} weights as {rows} x {columns} in {slots} slots", weights.len()),
            });
        }
        let (height, width) = (rows.next_power_of_two(), columns.next_power_of_two());
        let weight = |row: usize, column: usize| {
            if row < rows && column < columns { weights[row * columns + column] } else { 0.0 }
        };
        let count = height.min(width);
        let diagonals = (0..count)
            .map(|k| (k, (0..slots).map(|t| weight(t % height, (t + k) % width)).collect()))
            .filter(|(_, diagonal): &(usize, Vec<f64>)| diagonal.iter().any(|&weight| weight != 0.0))
            .collect();
        let post_rotations: Vec<i64> = std::iter::successors(Some(count as i64), |fold| Some(2 * fold))
            .take_while(|&fold| (fold as usize) < width)
            .collect();
        Self::from_diagonals(context, &diagonals, &post_rotations, scale, level)
    }

    /// A matrix by its diagonals: the key is the shift, below the number of slots; diagonals shorter than the
    /// slots end in zeros. After the product and its rescaling, the result is added to itself rotated by each
    /// of `post_rotations` in turn.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no diagonals or a shift is too large, [`Error::NoLevelLeft`] at level 0,
    /// and as [`Context::encode`].
    pub fn from_diagonals(
        context: &Context,
        diagonals: &BTreeMap<usize, Vec<f64>>,
        post_rotations: &[i64],
        scale: f64,
        level: usize,
    ) -> Result<Self> {
        let slots = context.parameters().slots();
        let Some((&largest, _)) = diagonals.last_key_value() else {
            return Err(Error::Shape { reason: "a matrix without a diagonal that is not zero".into() });
        };
        if largest >= slots {
            return Err(Error::Shape { reason: format!("a diagonal with shift {largest} in {slots} slots") });
        }
        if level == 0 {
            return Err(Error::NoLevelLeft);
        }
        let ring = context.ring();
        let radices: Vec<_> = ring.moduli().iter().map(|m| m.radix()).collect();
        let step = baby_steps(&diagonals.keys().copied().collect::<Vec<_>>(), slots);
        let mut giants: Vec<Giant> = Vec::new();
        let mut pending: Vec<(usize, Polynomial<Ntt>)> = Vec::new();
        let mut diagonals = diagonals.iter().peekable();
        while let Some((&shift, diagonal)) = diagonals.next() {
            if diagonal.len() > slots {
                return Err(Error::TooManyValues { values: diagonal.len(), slots });
            }
            let (baby, giant) = (shift % step, shift - shift % step);
            let mut rotated = diagonal.clone();
            rotated.resize(slots, 0.0);
            rotated.rotate_right(giant);
            let mut polynomial = context.encode_polynomial(&rotated, &[], scale, level)?;
            polynomial.scale(ring, &radices);
            pending.push((baby, polynomial));
            if diagonals.peek().is_none_or(|(next, _)| **next - **next % step != giant) {
                giants.push(Giant::new(context, giant, &pending));
                pending.clear();
            }
        }
        Ok(Self {
            parameters: context.parameters().id(),
            scale,
            giants,
            post_rotations: post_rotations.to_vec(),
        })
    }

    /// The level the input must have; the output is one lower.
    pub fn level(&self) -> usize {
        self.giants[0].rows.len() - 1
    }

    /// The rotations [`Evaluator::multiply_matrix`] needs keys for.
    pub fn rotations(&self) -> BTreeSet<i64> {
        let babies = self.giants.iter().flat_map(|giant| giant.babies.iter().map(|&baby| baby as i64));
        let giants = self.giants.iter().map(|giant| giant.shift as i64);
        babies.chain(giants).chain(self.post_rotations.iter().copied()).filter(|&steps| steps != 0).collect()
    }

    /// The bytes the encoded diagonals take in memory.
    pub fn memory_bytes(&self) -> usize {
        self.giants.iter().flat_map(|giant| &giant.rows).map(|row| size_of_val(&row[..])).sum()
    }
}

/// Puts a row into place `position` of `count` in every block of a stream.
pub(crate) fn interleave(row: &[u64], stream: &mut [u64], position: usize, count: usize) {
    let places = stream.as_chunks_mut::<BLOCK>().0.iter_mut().skip(position).step_by(count);
    for (place, block) in places.zip(row.as_chunks::<BLOCK>().0) {
        *place = *block;
    }
}

/// The distance of giant steps, a power of two, that makes the fewest key switches.
fn baby_steps(shifts: &[usize], slots: usize) -> usize {
    let cost = |step: usize| {
        let babies: BTreeSet<usize> = shifts.iter().map(|shift| shift % step).filter(|&b| b != 0).collect();
        let giants: BTreeSet<usize> = shifts.iter().map(|shift| shift / step).filter(|&g| g != 0).collect();
        babies.len() + GIANT_COST * giants.len()
    };
    (0..=slots.ilog2()).map(|bits| 1 << bits).min_by_key(|&step| cost(step)).unwrap_or(1)
}

impl Evaluator {
    /// The product of a matrix and an encrypted vector, rescaled and folded.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] unless the ciphertext is at the level of the matrix, [`Error::Scale`],
    /// [`Error::NoGaloisKey`], [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn multiply_matrix(&self, matrix: &Matrix, input: &Ciphertext) -> Result<Ciphertext> {
        self.check(input)?;
        self.context().check_parameters(matrix.parameters)?;
        same_level(input.level(), matrix.level())?;
        let scale = input.scale * matrix.scale;
        self.context().check_scale(scale, input.level())?;
        let rotated = self.baby_rotations(matrix, input)?;
        let mut product = self.giant_sum(matrix, input, &rotated)?;
        product.scale = scale;
        let mut result = self.rescale(&product)?;
        for &fold in &matrix.post_rotations {
            let rotated = self.rotate(&result, fold)?;
            self.add_assign(&mut result, &rotated)?;
        }
        Ok(result)
    }

    fn baby_rotations(&self, matrix: &Matrix, input: &Ciphertext) -> Result<Babies<'_>> {
        let shifts: BTreeSet<usize> = matrix.giants.iter().flat_map(|giant| giant.babies.clone()).collect();
        let shifts: Vec<usize> = shifts.into_iter().collect();
        let length = 2 * shifts.len() * self.context().ring().degree();
        let mut rows: Vec<Scratch<'_>> =
            (0..input.limbs()).map(|_| self.context().tables().scratch.take(length)).collect();
        let mut keep = |position: usize, rotated: &Ciphertext| {
            let words = 4 * rotated.limbs() * self.context().ring().degree();
            parallel::for_each(words, rows.iter_mut().enumerate(), |(index, stream)| {
                for (part, polynomial) in rotated.parts.iter().enumerate() {
                    interleave(polynomial.limb(index), stream, 2 * position + part, 2 * shifts.len());
                }
            });
        };
        if shifts == [0] {
            keep(0, input);
        } else {
            let hoisted = self.hoist(input)?;
            // As many at a time as there are threads: all of them would take memory of their own.
            let at_once = parallel::threads();
            for (chunk, shifts) in shifts.chunks(at_once).enumerate() {
                let rotated = parallel::map(length, shifts, |&shift| hoisted.rotate(shift as i64));
                for (position, rotated) in rotated.into_iter().enumerate() {
                    keep(chunk * at_once + position, &rotated?);
                }
            }
        }
        Ok(Babies { shifts, rows })
    }

    fn giant_sum(&self, matrix: &Matrix, input: &Ciphertext, babies: &Babies<'_>) -> Result<Ciphertext> {
        let context = self.context();
        let (ring, limbs) = (context.ring(), input.limbs());
        let mut sum = input.like([(); 2].map(|()| Polynomial::zero(ring, limbs)));
        let mut switched = Extended::zero(context, limbs);
        let mut permuted = context.tables().scratch.take(ring.degree());
        let words = 8 * limbs * ring.degree();
        for giants in matrix.giants.chunks(parallel::threads()) {
            let partials = parallel::map(words * giants.len(), giants, |giant| {
                let parts = self.giant_step(giant, limbs, babies);
                if giant.shift == 0 {
                    return Ok::<_, Error>((parts, None));
                }
                let key = self.keys().rotation(ring.degree(), giant.shift as i64, limbs - 1)?;
                let product = switch(context, &parts[1], &key.switching);
                Ok((parts, Some((product, &key.automorphism))))
            });
            for partial in partials {
                let (parts, product) = partial?;
                let Some((product, automorphism)) = product else {
                    sum.parts = parts;
                    continue;
                };
                switched.add_permuted(&product, automorphism);
                for (index, row) in sum.parts[0].rows_mut().enumerate() {
                    ring.kernels().permute(automorphism.blocks(), parts[0].limb(index), &mut permuted);
                    ring.kernels().add_assign(ring.modulus(index), row, &permuted);
                }
            }
        }
        if matrix.giants.iter().any(|giant| giant.shift != 0) {
            switched.add_quotient(&mut sum.parts);
        }
        Ok(sum)
    }

    /// The baby rotations times the diagonals of one giant step.
    fn giant_step(&self, giant: &Giant, limbs: usize, babies: &Babies<'_>) -> [Polynomial<Ntt>; 2] {
        let ring = self.context().ring();
        let position = |baby: &usize| babies.shifts.partition_point(|shift| shift < baby);
        let picks: Vec<usize> = giant.babies.iter().map(position).collect();
        let mut parts = [(); 2].map(|()| Polynomial::<Ntt>::unspecified(ring, limbs));
        let [first, second] = parts.each_mut().map(|part| part.rows_mut());
        let rows = giant.rows.iter().zip(&babies.rows).zip(first.zip(second)).enumerate();
        let words = (picks.len() + 2) * limbs * ring.degree();
        parallel::for_each(words, rows, |(index, ((diagonals, rotations), (first, second)))| {
            let rotations = (&rotations[..], babies.shifts.len());
            ring.kernels().dot_picked(ring.modulus(index), (diagonals, &picks), rotations, first, second);
        });
        parts
    }
}
