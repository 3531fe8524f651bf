//! A graph laid out in slots: its transforms, their keys and levels, all of it public.

use std::collections::{BTreeMap, BTreeSet};

use veilbench_api::Unsupported;
use veilbench_ckks::{ChainOutline, Diagonals};
use veilbench_networks::{Architecture, Parameters, Shape};

use crate::circuits::map::AffineMap;
use crate::deep::diagonals::{self, Operand};
use crate::deep::layout::{Layout, grid};
use crate::deep::lowering::{Deep, Origin, Term};
use crate::deep::scheme;
use crate::planning::cost::Cost;
use crate::planning::rates;
use crate::planning::scheme::Scheme;
use crate::roles::guard::enough_spare;

/// Slots of the largest ring.
pub(crate) const MOST_SLOTS: usize = 32_768;

/// Most plaintext vectors of a transform.
const MOST_DIAGONALS: usize = 4096;

/// The level at which what watches series is summed over the slots, and meets the logits before their last rescaling.
pub(crate) const WATCH_LEVEL: usize = 1;

/// How the map of a wire is walked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) chain: ChainOutline,
    /// By how much each input is rotated to be its own imaginary part; `None` where it stays real.
    pub(crate) imaginary: Vec<Option<i64>>,
    /// After the transform, the result is added to itself rotated by each of these.
    pub(crate) folds: Vec<i64>,
    /// After how many slots the diagonals repeat.
    pub(crate) length: usize,
}

impl Outline {
    /// Whether the result is half of what the transform makes, and its conjugate.
    pub(crate) fn is_complex(&self) -> bool {
        self.imaginary.iter().any(Option::is_some)
    }

    /// Key switches of whole ciphertexts beside those of the transform: inputs that are rotated, the conjugation, and folds.
    pub(crate) fn key_switches(&self) -> usize {
        self.imaginary.iter().flatten().count() + usize::from(self.is_complex()) + self.folds.len()
    }

    /// What it takes at a level, with the rescaling, in nanoseconds.
    pub(crate) fn ns(&self, cost: &Cost<'_>, level: usize) -> f64 {
        cost.streamed(&self.chain, self.length, self.imaginary.len(), level)
            + self.key_switches() as f64 * cost.rotate(level, false)
            + self.imaginary.iter().flatten().count() as f64 * cost.multiply_by_i(level)
            + cost.rescale(level)
    }
}

/// The circuit, where its values are, and how maps are walked through.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) deep: Deep,
    pub(crate) layouts: Vec<Layout>,
    /// The outline of every wire that a map makes.
    pub(crate) outlines: Vec<Option<Outline>>,
    /// What it is computed with, and its costs were predicted for.
    pub(crate) scheme: Scheme,
}

impl Program {
    /// Lays out a graph for this many images at a time, where a rotation key counts as much as this many halves of a hoisted rotation and smooth activations are
    /// approximated to this many bits.
    ///
    /// # Errors
    /// [`Unsupported`] as [`Deep::new`], and naming the layer that does not fit the slots of the largest ring, or that no level is left for.
    pub(crate) fn new(
        architecture: &Architecture,
        images: usize,
        key_cost: usize,
        bits: u32,
    ) -> Result<Self, Unsupported> {
        let (deep, layouts) = lay_out(architecture, images, bits)?;
        let slots = slots(&layouts);
        let scheme = scheme::choose(&deep, slots)?;
        let mut program = Self { outlines: Vec::with_capacity(layouts.len()), deep, layouts, scheme };
        for wire in 0..program.layouts.len() {
            let outline = match &program.deep.wires[wire].origin {
                Origin::Map(terms) => Some(program.outline(architecture, wire, terms, key_cost)?),
                _ => None,
            };
            program.outlines.push(outline);
        }
        Ok(program)
    }

    /// The outline of a map, with imaginary slots for those inputs where they are predicted to make it faster on the reference machine.
    fn outline(
        &self,
        architecture: &Architecture,
        wire: usize,
        terms: &[Term],
        key_cost: usize,
    ) -> Result<Outline, Unsupported> {
        let maps: Vec<AffineMap> =
            terms.iter().map(|term| self.deep.branch(architecture, None, term, 1.0)).collect();
        let real = vec![None; terms.len()];
        let (operands, out) = (self.operands(terms, &maps, &real), &self.layouts[wire]);
        let shifts = diagonals::shifts(&operands, out);
        let refuse =
            |reason: String| Err(Unsupported { layer: Some(self.deep.wires[wire].name.clone()), reason });
        if shifts.is_empty() {
            return refuse("it reads nothing but padding; use less padding".into());
        }
        let outline = |imaginary: &[Option<i64>]| Outline {
            chain: ChainOutline::new(&diagonals::paired(&shifts, imaginary), key_cost),
            imaginary: imaginary.to_vec(),
            folds: diagonals::folds(&operands, out),
            length: diagonals::length(&operands, out),
        };
        let cost = Cost::new(rates::reference(), &self.scheme, 1);
        let ns = |outline: &Outline| outline.ns(&cost, self.deep.level(wire) + 1);
        let mut best = outline(&real);
        for imaginary in self.halved(terms, out, &shifts) {
            let tried = outline(&imaginary);
            if ns(&tried) < ns(&best) {
                best = tried;
            }
        }
        if best.chain.diagonals() > MOST_DIAGONALS {
            return refuse(format!(
                "it takes {} vectors of weights, at most {MOST_DIAGONALS} are computed with: use fewer channels or features",
                best.chain.diagonals()
            ));
        }
        Ok(best)
    }

    /// Imaginary slots for one input more at a time, those first that save most diagonals.
    fn halved(&self, terms: &[Term], out: &Layout, shifts: &BTreeSet<(usize, i64)>) -> Vec<Vec<Option<i64>>> {
        let half = |input: usize| diagonals::half(&self.layouts[terms[input].wire], out);
        let mut saved: Vec<(usize, usize)> = (0..terms.len())
            .map(|input| {
                let own: BTreeSet<_> = shifts.iter().copied().filter(|at| at.0 == input).collect();
                let mut alone = vec![None; terms.len()];
                alone[input] = half(input);
                (own.len() - diagonals::paired(&own, &alone).len(), input)
            })
            .filter(|&(saved, _)| saved > 0)
            .collect();
        saved.sort_unstable_by_key(|&(saved, input)| (std::cmp::Reverse(saved), input));
        let mut imaginary = vec![None; terms.len()];
        let next = |(_, input): (usize, usize)| {
            imaginary[input] = half(input);
            imaginary.clone()
        };
        saved.into_iter().map(next).collect()
    }

    fn operands<'a>(
        &'a self,
        terms: &[Term],
        maps: &'a [AffineMap],
        imaginary: &[Option<i64>],
    ) -> Vec<Operand<'a>> {
        let operand = |((term, map), &imaginary): ((&Term, &'a AffineMap), &Option<i64>)| Operand {
            map,
            layout: &self.layouts[term.wire],
            imaginary,
        };
        terms.iter().zip(maps).zip(imaginary).map(operand).collect()
    }

    /// The weights of a wire's map as diagonals, their real and imaginary parts, and its bias value by value.
    pub(crate) fn weights(
        &self,
        architecture: &Architecture,
        parameters: &[Parameters],
        wire: usize,
        terms: &[Term],
    ) -> ([Diagonals; 2], Vec<f64>) {
        let unit = self.deep.wires[wire].unit;
        let branch = |term| self.deep.branch(architecture, Some(parameters), term, unit);
        let maps: Vec<AffineMap> = terms.iter().map(branch).collect();
        let mut bias = vec![0.0; self.deep.wires[wire].shape.len()];
        for map in &maps {
            bias.iter_mut().zip(&map.bias).for_each(|(sum, own)| *sum += own);
        }
        let imaginary = self.outlines[wire].as_ref().map_or(&[][..], |outline| &outline.imaginary);
        (diagonals::diagonals(&self.operands(terms, &maps, imaginary), &self.layouts[wire]), bias)
    }

    /// The highest level at which every rotation is used.
    pub(crate) fn rotations(&self) -> BTreeMap<i64, usize> {
        let mut levels: BTreeMap<i64, usize> = BTreeMap::new();
        for (wire, outline) in self.outlines.iter().enumerate() {
            let Some(outline) = outline else { continue };
            let level = self.deep.level(wire) + 1;
            let beside = outline.folds.iter().chain(outline.imaginary.iter().flatten()).copied();
            for steps in outline.chain.rotations().into_iter().chain(beside) {
                let known = levels.entry(steps).or_insert(level);
                *known = level.max(*known);
            }
        }
        for steps in self.watch_folds() {
            levels.entry(steps).or_insert(WATCH_LEVEL);
        }
        levels
    }

    /// By how much what watches a series is rotated and added to itself, in turn, until every slot holds the sum of all.
    pub(crate) fn watch_folds(&self) -> Vec<i64> {
        let period = self.deep.series_of_wires().map(|(of, _)| self.layouts[of].period).max().unwrap_or(1);
        std::iter::successors(Some(1), |fold| Some(2 * fold))
            .take_while(|&fold| fold < period as i64)
            .collect()
    }

    /// The highest level at which two ciphertexts are multiplied, if any are.
    pub(crate) fn product_level(&self) -> Option<usize> {
        let of = |wire: &crate::deep::lowering::Wire| match wire.origin {
            Origin::Product { of, .. } | Origin::Series { of, .. } => Some(self.deep.level(of)),
            _ => None,
        };
        self.deep.wires.iter().filter_map(of).max()
    }

    /// Images that there is room for beside each other in the slots, a power of two.
    pub(crate) fn room(&self) -> usize {
        self.scheme.slots() / slots(&self.layouts) * self.images()
    }

    /// Images that are computed together.
    pub(crate) fn images(&self) -> usize {
        self.layouts.first().map_or(1, |layout| layout.images)
    }

    /// The highest level at which a ciphertext is conjugated, if any is.
    pub(crate) fn conjugation_level(&self) -> Option<usize> {
        let complex =
            |outline: &Option<Outline>| outline.as_ref().is_some_and(|outline| outline.is_complex());
        let wires = self.outlines.iter().enumerate().filter(|(_, outline)| complex(outline));
        wires.map(|(wire, _)| self.deep.level(wire) + 1).max()
    }
}

/// Slots that the widest values take.
pub(crate) fn slots(layouts: &[Layout]) -> usize {
    layouts.iter().map(|layout| layout.period).max().unwrap_or(1)
}

/// The circuit and the layout of every wire, for this many images at a time.
///
/// # Errors
/// As [`Program::new`], and naming a last layer whose results leave too few slots free to tell whether they are the results.
pub(crate) fn lay_out(
    architecture: &Architecture,
    images: usize,
    bits: u32,
) -> Result<(Deep, Vec<Layout>), Unsupported> {
    if !images.is_power_of_two() || images > MOST_SLOTS {
        let reason = format!(
            "the plan computes {images} images together, which is no power of two up to {MOST_SLOTS}: plan it anew"
        );
        return Err(Unsupported { layer: None, reason });
    }
    let deep = Deep::new(architecture, bits)?;
    let grid = grid(architecture.input);
    let layout = |wire: &crate::deep::lowering::Wire| {
        let refuse = |reason: String| Err(Unsupported { layer: Some(wire.name.clone()), reason });
        let values = wire.shape.len().saturating_mul(images);
        if values > MOST_SLOTS {
            return refuse(too_wide(wire.shape, values));
        }
        match Layout::of(wire.shape, grid, images) {
            None => {
                refuse(format!("its {} do not lie on the pixels of the image, which is smaller", wire.shape))
            }
            Some(layout) if layout.period > MOST_SLOTS => refuse(too_wide(wire.shape, layout.period)),
            Some(layout) => Ok(layout),
        }
    };
    let layouts: Vec<Layout> = deep.wires.iter().map(layout).collect::<Result<_, _>>()?;
    if let (Some(last), Some(wire)) = (layouts.last(), deep.wires.last()) {
        let spare = last.period - last.values();
        if !enough_spare(spare, last.period) {
            let reason = format!(
                "its {} are the result and leave {spare} of {} slots free, too few to tell whether a coefficient exceeded the modulus: end the network \
                 with a dense layer or global pooling, or with a quarter fewer channels",
                wire.shape, last.period
            );
            return Err(Unsupported { layer: Some(wire.name.clone()), reason });
        }
    }
    Ok((deep, layouts))
}

fn too_wide(shape: Shape, slots: usize) -> String {
    format!(
        "its {shape} take {slots} slots of one ciphertext, which has {MOST_SLOTS} at most: use fewer channels or smaller images"
    )
}

#[cfg(test)]
mod tests;
