//! Linear maps from several encrypted vectors to several others.

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluator::{Evaluator, Extended, same_level, same_scale, switch};
use crate::linear::outline::TransformOutline;
use crate::parameters::ParameterId;
use aligned_vec::AVec;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use veilbench_ring::kernels::{BLOCK, Stream, pack};
use veilbench_ring::parallel;
use veilbench_ring::scratch::Scratch;
use veilbench_ring::{Ntt, Polynomial, zeroed};

/// The diagonals of one output: of which input, shifted left by how much, times which vector.
pub type Diagonals = BTreeMap<(usize, i64), Vec<f64>>;

/// A plaintext linear map, encoded for one level:
/// `out_o[t] = sum over (i, k) of diagonal_o(i, k)[t] in_i[t + k]`.
///
/// Baby-step giant-step with hoisted baby steps (Halevi and Shoup, 2014 and 2018): rotations of inputs are shared by all
/// outputs, giant steps by all inputs, and one division by the special primes serves all giant steps of an output that
/// are not [chained](TransformOutline::is_chained).
pub struct Transform {
    parameters: ParameterId,
    scale: f64,
    inputs: usize,
    level: usize,
    outline: TransformOutline,
    outputs: Vec<Vec<Giant>>,
}

/// The diagonals of one giant step of one output. For each prime their residues are one stream, block by block, in the
/// [width](veilbench_ring::kernels::Kernels::stream_width) in which
/// [`Kernels::dot_picked`](veilbench_ring::kernels::Kernels::dot_picked) reads them: dozens of separate rows at distances
/// of a power of two would share a few cache sets.
struct Giant {
    shift: i64,
    picks: Vec<usize>,
    rows: Vec<AVec<u64>>,
}

/// Rotations of the inputs, a stream for each prime.
pub(crate) struct Babies<'a> {
    pub(crate) terms: usize,
    pub(crate) rows: Vec<Scratch<'a>>,
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform")
            .field("level", &self.level)
            .field("outline", &self.outline)
            .finish_non_exhaustive()
    }
}

impl Transform {
    /// Encodes the diagonals of every output at a scale and level; those shorter than the slots end in zeros.
    ///
    /// # Errors
    /// [`Error::Shape`] if an output has no diagonals or an input is out of range, [`Error::NoLevelLeft`] at level
    /// 0, and as [`Context::encode`].
    pub fn new(
        context: &Context,
        inputs: usize,
        outputs: &[Diagonals],
        scale: f64,
        level: usize,
    ) -> Result<Self> {
        let keys: Vec<BTreeSet<(usize, i64)>> =
            outputs.iter().map(|diagonals| diagonals.keys().copied().collect()).collect();
        Self::with_outline(context, inputs, outputs, TransformOutline::new(&keys), scale, level)
    }

    /// As [`Transform::new`], walking through the diagonals as an outline of theirs says.
    ///
    /// # Errors
    /// As [`Transform::new`], and [`Error::Shape`] if the outline is of other diagonals.
    pub fn with_outline(
        context: &Context,
        inputs: usize,
        outputs: &[Diagonals],
        outline: TransformOutline,
        scale: f64,
        level: usize,
    ) -> Result<Self> {
        let slots = context.parameters().slots();
        if level == 0 {
            return Err(Error::NoLevelLeft);
        }
        if outputs.is_empty() || outputs.iter().any(BTreeMap::is_empty) {
            return Err(Error::Shape { reason: "an output without a diagonal".into() });
        }
        if outputs.iter().flat_map(BTreeMap::keys).any(|&(input, _)| input >= inputs) {
            return Err(Error::Shape {
                reason: format!("a diagonal of an input beyond the {inputs} there are"),
            });
        }
        let keys: Vec<BTreeSet<(usize, i64)>> =
            outputs.iter().map(|diagonals| diagonals.keys().copied().collect()).collect();
        if !outline.is_of(&keys) {
            return Err(Error::Shape { reason: "an outline of other diagonals".into() });
        }
        let mut transform = Self {
            parameters: context.parameters().id(),
            scale,
            inputs,
            level,
            outputs: Vec::with_capacity(outputs.len()),
            outline,
        };
        for diagonals in outputs {
            let mut giants: BTreeMap<i64, Vec<(usize, &Vec<f64>)>> = BTreeMap::new();
            for (&(input, shift), diagonal) in diagonals {
                if diagonal.len() > slots {
                    return Err(Error::TooManyValues { values: diagonal.len(), slots });
                }
                let baby = shift.rem_euclid(transform.outline.step);
                let pick = transform.outline.babies.partition_point(|&known| known < (input, baby));
                giants.entry(shift - baby).or_default().push((pick, diagonal));
            }
            let giants = giants
                .into_iter()
                .map(|(shift, diagonals)| Giant::new(context, shift, &diagonals, scale, level));
            transform.outputs.push(giants.collect::<Result<_>>()?);
        }
        Ok(transform)
    }

    /// What is public about it.
    pub fn outline(&self) -> &TransformOutline {
        &self.outline
    }

    /// The bytes the encoded diagonals take in memory.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.outputs.iter().flatten().flat_map(|giant| &giant.rows);
        rows.map(|row| size_of_val(&row[..])).sum()
    }
}

impl Giant {
    fn new(
        context: &Context,
        shift: i64,
        diagonals: &[(usize, &Vec<f64>)],
        scale: f64,
        level: usize,
    ) -> Result<Self> {
        let ring = context.ring();
        let slots = context.parameters().slots();
        let radices: Vec<_> = ring.moduli().iter().map(|m| m.radix()).collect();
        let width = |index| ring.kernels().stream_width(ring.modulus(index).bits());
        let words = |index| diagonals.len() * ring.degree() / BLOCK * width(index);
        let mut rows: Vec<_> = (0..=level).map(|index| zeroed(words(index))).collect();
        for (position, (_, diagonal)) in diagonals.iter().enumerate() {
            let mut rotated = (*diagonal).clone();
            rotated.resize(slots, 0.0);
            rotated.rotate_right(shift.rem_euclid(slots as i64) as usize);
            let mut polynomial = context.encode_polynomial(&rotated, &[], scale, level)?;
            polynomial.scale(ring, &radices);
            for (index, (row, limb)) in rows.iter_mut().zip(polynomial.rows()).enumerate() {
                let places = row.chunks_exact_mut(width(index)).skip(position).step_by(diagonals.len());
                for (place, block) in places.zip(limb.as_chunks::<BLOCK>().0) {
                    pack(block, 8 * width(index), place);
                }
            }
        }
        Ok(Self { shift, picks: diagonals.iter().map(|(pick, _)| *pick).collect(), rows })
    }
}

/// Puts a row into place `position` of `count` in every block of a stream.
fn interleave(row: &[u64], stream: &mut [u64], position: usize, count: usize) {
    let places = stream.as_chunks_mut::<BLOCK>().0.iter_mut().skip(position).step_by(count);
    for (place, block) in places.zip(row.as_chunks::<BLOCK>().0) {
        *place = *block;
    }
}

impl Evaluator {
    /// Applies a transform. The scales multiply; sums of rotations of the results are best made before they are
    /// rescaled, while the noise of key switches is far below the scale.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of ciphertexts, [`Error::LevelMismatch`] unless they are at the level of
    /// the transform, [`Error::ScaleMismatch`], [`Error::Scale`], [`Error::NoGaloisKey`], [`Error::ForeignKey`],
    /// [`Error::ForeignParameters`]. Partial sums are rotated as by [`Evaluator::rotate_product`].
    pub fn transform(&self, transform: &Transform, inputs: &[Ciphertext]) -> Result<Vec<Ciphertext>> {
        self.context().check_parameters(transform.parameters)?;
        let (Some(first), true) = (inputs.first(), inputs.len() == transform.inputs) else {
            return Err(Error::Shape {
                reason: format!("{} ciphertexts for a transform of {}", inputs.len(), transform.inputs),
            });
        };
        for input in inputs {
            self.check(input)?;
            same_level(input.level(), transform.level)?;
            same_scale(input.scale, first.scale)?;
        }
        let scale = first.scale * transform.scale;
        self.context().check_scale(scale, transform.level)?;
        let babies = self.rotated_inputs(&transform.outline.babies, inputs)?;
        let output = |giants: &Vec<Giant>| -> Result<Ciphertext> {
            let mut sum = match transform.outline.chained {
                true => self.chain_of_giants(giants, first, &babies)?,
                false => self.sum_of_giants(giants, first, &babies)?,
            };
            sum.scale = scale;
            Ok(sum)
        };
        let words = babies.terms * (transform.level + 1) * self.context().ring().degree();
        parallel::map(words, &transform.outputs, output).into_iter().collect()
    }

    /// The inputs rotated by these `(input, shift)`, which are in order.
    pub(crate) fn rotated_inputs(
        &self,
        babies: &[(usize, i64)],
        inputs: &[Ciphertext],
    ) -> Result<Babies<'_>> {
        let context = self.context();
        let terms = babies.len();
        let limbs = inputs.first().map_or(0, Ciphertext::limbs);
        let mut rows: Vec<Scratch<'_>> =
            (0..limbs).map(|_| context.tables().scratch.take(2 * terms * context.ring().degree())).collect();
        let mut keep = |position: usize, rotated: &Ciphertext| {
            for (index, stream) in rows.iter_mut().enumerate() {
                for (part, polynomial) in rotated.parts.iter().enumerate() {
                    interleave(polynomial.limb(index), stream, 2 * position + part, 2 * terms);
                }
            }
        };
        let mut position = 0;
        for babies in babies.chunk_by(|left, right| left.0 == right.0) {
            let input = &inputs[babies[0].0];
            if babies.iter().all(|&(_, shift)| shift == 0) {
                keep(position, input);
                position += 1;
                continue;
            }
            let hoisted = self.hoist(input)?;
            // As many at a time as there are threads: all of them would take memory of their own.
            for babies in babies.chunks(parallel::threads()) {
                let words = 8 * limbs * context.ring().degree() * babies.len();
                for rotated in parallel::map(words, babies, |&(_, shift)| hoisted.rotate(shift)) {
                    keep(position, &rotated?);
                    position += 1;
                }
            }
        }
        Ok(Babies { terms, rows })
    }

    /// The giant with the largest shift first, rotated by the distance to the next, and so on down to none.
    fn chain_of_giants(
        &self,
        giants: &[Giant],
        like: &Ciphertext,
        babies: &Babies<'_>,
    ) -> Result<Ciphertext> {
        let (ring, limbs) = (self.context().ring(), like.limbs());
        let mut sum = like.like([(); 2].map(|()| Polynomial::zero(ring, limbs)));
        let mut partial = [(); 2].map(|()| Polynomial::<Ntt>::unspecified(ring, limbs));
        let below = giants.iter().rev().skip(1).map(|giant| giant.shift).chain([0]);
        for (giant, next) in giants.iter().rev().zip(below) {
            self.giant(giant, babies, &mut partial);
            for (part, addend) in sum.parts.iter_mut().zip(&partial) {
                part.add_assign(ring, addend);
            }
            if giant.shift != next {
                sum = self.rotate_product(&sum, giant.shift - next)?;
            }
        }
        Ok(sum)
    }

    /// The rotated inputs times the diagonals of one giant step.
    fn giant(&self, giant: &Giant, babies: &Babies<'_>, out: &mut [Polynomial<Ntt>; 2]) {
        let ring = self.context().ring();
        for (index, (diagonals, rotations)) in giant.rows.iter().zip(&babies.rows).enumerate() {
            let [first, second] = out.each_mut().map(|part| part.limb_mut(index));
            let diagonals = (Stream::of(diagonals, giant.picks.len() * ring.degree()), &giant.picks[..]);
            ring.kernels().dot_picked(
                ring.modulus(index),
                diagonals,
                (&rotations[..], babies.terms),
                first,
                second,
            );
        }
    }

    fn sum_of_giants(&self, giants: &[Giant], like: &Ciphertext, babies: &Babies<'_>) -> Result<Ciphertext> {
        let context = self.context();
        let (ring, limbs) = (context.ring(), like.limbs());
        let mut sum = like.like([(); 2].map(|()| Polynomial::zero(ring, limbs)));
        let mut switched = Extended::zero(context, limbs);
        let mut partial = [(); 2].map(|()| Polynomial::<Ntt>::zero(ring, limbs));
        let mut permuted = context.tables().scratch.take(ring.degree());
        for (position, giant) in giants.iter().enumerate() {
            let stays = self.is_identity(giant.shift);
            let target = if stays { &mut sum.parts } else { &mut partial };
            let mut kept = (stays && position > 0).then(|| target.clone());
            self.giant(giant, babies, target);
            if stays {
                // The giants before this one have left their parts here.
                for (part, kept) in sum.parts.iter_mut().zip(kept.iter_mut().flatten()) {
                    part.add_assign(ring, kept);
                }
                continue;
            }
            let key = self.keys().rotation_of_product(ring.degree(), giant.shift, like.level())?;
            switched.add_permuted(&switch(context, &partial[1], &key.switching), &key.automorphism);
            for (index, row) in sum.parts[0].rows_mut().enumerate() {
                ring.kernels().permute(key.automorphism.blocks(), partial[0].limb(index), &mut permuted);
                ring.kernels().add_assign(ring.modulus(index), row, &permuted);
            }
        }
        if giants.iter().any(|giant| !self.is_identity(giant.shift)) {
            switched.add_quotient(&mut sum.parts);
        }
        Ok(sum)
    }
}
