//! One linear map from several encrypted vectors to one, for deep circuits: its weights are kept as rounded coefficients and
//! transformed when they are used, inputs may have scales of their own, and few rotation keys serve it.
//!
//! Diagonals may be complex. Where only the real part of the result is wanted, an input of real vectors `x + i rot(x, h)` meets
//! `a - i b` as two real diagonals `h` apart, for the work of one (the real part is half of the result and its conjugate).
//!
//! Encoded for 30 levels the weights of a ResNet take thirty times the memory of their coefficients. Vectors that repeat
//! through the slots are handled in the subring of their period.

use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::subring::{MIN_PERIOD, Rounded, Subring, weave};
use crate::error::{Error, Result};
use crate::evaluator::{Evaluator, same_level, same_scale};
use crate::linear::chain_outline::ChainOutline;
use crate::linear::transform::{Babies, Diagonals};
use crate::parameters::ParameterId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use veilbench_ring::kernels::{BLOCK, Stream};
use veilbench_ring::parallel;
use veilbench_ring::{Ntt, Polynomial};

/// Positions of the ring whose weights are put side by side at a time: with the inputs they meet they stay in the cache.
const STRIP: usize = 512;

/// Tables of subrings, made when they are first needed and shared by transforms.
#[derive(Debug)]
pub struct Subrings {
    context: Context,
    known: Mutex<BTreeMap<usize, Arc<Subring>>>,
}

impl Subrings {
    /// None yet.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), known: Mutex::default() }
    }

    fn get(&self, period: usize, limbs: usize) -> Result<Arc<Subring>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subring) = known.get(&period).filter(|subring| subring.limbs() >= limbs) {
            return Ok(Arc::clone(subring));
        }
        let subring = Arc::new(Subring::new(&self.context, period, limbs)?);
        known.insert(period, Arc::clone(&subring));
        Ok(subring)
    }
}

/// The weights of a linear map, `out[t] = sum over (i, k) of diagonal(i, k)[t] in_i[t + k]`, as rounded coefficients.
pub struct StreamedTransform {
    parameters: ParameterId,
    /// At which the diagonals of every input are encoded.
    scales: Vec<f64>,
    level: usize,
    outline: ChainOutline,
    subring: Arc<Subring>,
    giants: Vec<Giant>,
}

/// The diagonals of one giant step.
struct Giant {
    shift: i64,
    picks: Vec<usize>,
    coefficients: Vec<Rounded>,
}

impl fmt::Debug for StreamedTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedTransform")
            .field("level", &self.level)
            .field("outline", &self.outline)
            .finish_non_exhaustive()
    }
}

impl StreamedTransform {
    /// Rounds real diagonals, which all have one length and repeat through the slots, for a level; `scales` has one scale for
    /// every input. An outline of other diagonals is refused.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no diagonals, an input or a shift is out of range, a length is no power of two or the outline
    /// is not theirs; [`Error::NoLevelLeft`] at level 0; [`Error::Level`], [`Error::Scale`], [`Error::NotFinite`]; and
    /// [`Error::Overflow`] if a coefficient exceeds 49 bits and its sign.
    pub fn new(
        subrings: &Subrings,
        diagonals: &Diagonals,
        outline: ChainOutline,
        scales: &[f64],
        level: usize,
    ) -> Result<Self> {
        Self::with_imaginary(subrings, [diagonals, &Diagonals::new()], outline, scales, level)
    }

    /// As [`StreamedTransform::new`], from the real and the imaginary parts of the diagonals; those without an imaginary part are real.
    ///
    /// # Errors
    /// As [`StreamedTransform::new`], and [`Error::Shape`] for an imaginary part without a real one of its length.
    pub fn with_imaginary(
        subrings: &Subrings,
        [diagonals, imaginary]: [&Diagonals; 2],
        outline: ChainOutline,
        scales: &[f64],
        level: usize,
    ) -> Result<Self> {
        let context = &subrings.context;
        let slots = context.parameters().slots();
        let shape = |reason: &str| Err(Error::Shape { reason: reason.into() });
        if level == 0 {
            return Err(Error::NoLevelLeft);
        }
        for &scale in scales {
            context.check_scale(scale, level)?;
        }
        let Some(length) = diagonals.values().next().map(Vec::len) else {
            return shape("a transform without a diagonal");
        };
        let mut lengths = diagonals.values().chain(imaginary.values()).map(Vec::len);
        if !length.is_power_of_two() || length > slots || lengths.any(|own| own != length) {
            return shape("diagonals of different lengths, or of one that does not repeat through the slots");
        }
        if !imaginary.keys().all(|at| diagonals.contains_key(at)) {
            return shape("an imaginary part of a diagonal that is not there");
        }
        let within =
            |&(input, shift): &(usize, i64)| input < scales.len() && (0..slots as i64).contains(&shift);
        if !diagonals.keys().all(within) {
            return shape("a diagonal of an input or a shift beyond those there are");
        }
        if ChainOutline::with_step(&diagonals.keys().copied().collect(), outline.step) != outline {
            return shape("an outline of other diagonals");
        }
        let period = length.max(MIN_PERIOD).min(slots);
        let subring = subrings.get(period, level + 1)?;
        let mut giants: Vec<Giant> = outline
            .giants
            .iter()
            .map(|&shift| Giant { shift, picks: Vec::new(), coefficients: Vec::new() })
            .collect();
        for (&(input, shift), real) in diagonals {
            let baby = shift.rem_euclid(outline.step);
            let giant = &mut giants[outline.giants.partition_point(|&known| known < shift - baby)];
            giant.picks.push(outline.babies.partition_point(|&known| known < (input, baby)));
            let rotated = |part: &Vec<f64>| {
                let mut rotated = part.repeat(period / length);
                rotated.rotate_right((giant.shift as usize) % period);
                rotated
            };
            let imaginary = imaginary.get(&(input, shift)).map_or_else(Vec::new, rotated);
            giant.coefficients.push(subring.encode(&rotated(real), &imaginary, scales[input])?);
        }
        let parameters = context.parameters().id();
        Ok(Self { parameters, scales: scales.to_vec(), level, outline, subring, giants })
    }

    /// What is public about it.
    pub fn outline(&self) -> &ChainOutline {
        &self.outline
    }

    /// The bytes that the weights take in memory.
    pub fn memory_bytes(&self) -> usize {
        self.giants.iter().flat_map(|giant| &giant.coefficients).map(Rounded::memory_bytes).sum()
    }
}

impl Evaluator {
    /// Applies a streamed transform. The scale of every input times that of its diagonals is the scale of the result, which is
    /// not rescaled.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of ciphertexts, [`Error::LevelMismatch`] unless they are at the level of the transform,
    /// [`Error::ScaleMismatch`] unless all products have one scale, [`Error::Scale`], [`Error::NoGaloisKey`], [`Error::KeyLevel`],
    /// [`Error::ForeignKey`], [`Error::ForeignParameters`].
    pub fn streamed_transform(
        &self,
        transform: &StreamedTransform,
        inputs: &[Ciphertext],
    ) -> Result<Ciphertext> {
        let context = self.context();
        context.check_parameters(transform.parameters)?;
        let (Some(first), Some(first_scale), true) =
            (inputs.first(), transform.scales.first(), inputs.len() == transform.scales.len())
        else {
            return Err(Error::Shape {
                reason: format!("{} ciphertexts for a transform of {}", inputs.len(), transform.scales.len()),
            });
        };
        let scale = first.scale * first_scale;
        for (input, own) in inputs.iter().zip(&transform.scales) {
            self.check(input)?;
            same_level(input.level(), transform.level)?;
            same_scale(input.scale * own, scale)?;
        }
        context.check_scale(scale, transform.level)?;
        let (ring, limbs) = (context.ring(), first.limbs());
        let babies = self.rotated_inputs(&transform.outline.babies, inputs)?;
        let mut sum = first.like([(); 2].map(|()| Polynomial::zero(ring, limbs)));
        let mut partial = [(); 2].map(|()| Polynomial::<Ntt>::unspecified(ring, limbs));
        let below = transform.giants.iter().rev().skip(1).map(|giant| giant.shift).chain([0]);
        for (giant, next) in transform.giants.iter().rev().zip(below) {
            self.streamed_giant(&transform.subring, giant, &babies, &mut partial);
            for (part, addend) in sum.parts.iter_mut().zip(&partial) {
                part.add_assign(ring, addend);
            }
            if giant.shift != next {
                sum = self.rotate(&sum, giant.shift - next)?;
            }
        }
        sum.scale = scale;
        Ok(sum)
    }

    /// The rotated inputs times the diagonals of one giant step, whose weights are transformed prime by prime.
    fn streamed_giant(
        &self,
        subring: &Subring,
        giant: &Giant,
        babies: &Babies<'_>,
        out: &mut [Polynomial<Ntt>; 2],
    ) {
        let context = self.context();
        let (ring, scratch) = (context.ring(), &context.tables().scratch);
        let (degree, small, count) = (ring.degree(), subring.degree(), giant.picks.len());
        let repeat = degree / small;
        let strip = STRIP.max(BLOCK * repeat).min(degree);
        let words = (2 * count + 8) * babies.rows.len() * degree;
        let [first, second] = out.each_mut().map(|part| part.rows_mut());
        let rows = babies.rows.iter().zip(first.zip(second)).enumerate();
        parallel::for_each(words, rows, |(index, (rotations, (first, second)))| {
            let mut buffer = vec![0i64; small];
            let mut weights = scratch.take(count * small);
            for (coefficients, row) in giant.coefficients.iter().zip(weights.chunks_exact_mut(small)) {
                subring.transform(context, index, coefficients, &mut buffer, row);
            }
            let mut stream = scratch.take(count * strip);
            let strips = first.chunks_exact_mut(strip).zip(second.chunks_exact_mut(strip));
            for ((start, rotations), (first, second)) in
                (0..degree).step_by(strip).zip(rotations.chunks_exact(2 * babies.terms * strip)).zip(strips)
            {
                weave(&weights, small, repeat, start, &mut stream);
                ring.kernels().dot_picked(
                    ring.modulus(index),
                    (Stream::plain(&stream), &giant.picks),
                    (rotations, babies.terms),
                    first,
                    second,
                );
            }
        });
    }
}
