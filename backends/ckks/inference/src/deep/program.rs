//! A graph laid out in slots: its transforms, their keys and levels, all of it public.

use std::collections::BTreeMap;

use veilbench_api::Unsupported;
use veilbench_ckks::ChainOutline;
use veilbench_networks::{Architecture, Parameters};

use crate::circuits::map::AffineMap;
use crate::deep::diagonals::{self, Diagonals, Operand};
use crate::deep::layout::{Layout, grid};
use crate::deep::lowering::{Deep, Origin, Term};

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
    /// After the transform, the result is added to itself rotated by each of these.
    pub(crate) folds: Vec<i64>,
    /// After how many slots the diagonals repeat.
    pub(crate) length: usize,
}

/// The circuit, where its values are, and how maps are walked through.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) deep: Deep,
    pub(crate) layouts: Vec<Layout>,
    /// The outline of every wire that a map makes.
    pub(crate) outlines: Vec<Option<Outline>>,
}

impl Program {
    /// Lays out a graph, where a rotation key counts as much as this many halves of a hoisted rotation and smooth activations are
    /// approximated to this many bits.
    ///
    /// # Errors
    /// [`Unsupported`] as [`Deep::new`], and naming the layer that does not fit the slots of the largest ring.
    pub(crate) fn new(architecture: &Architecture, key_cost: usize, bits: u32) -> Result<Self, Unsupported> {
        let (deep, layouts) = lay_out(architecture, bits)?;
        let mut program = Self { outlines: Vec::with_capacity(layouts.len()), deep, layouts };
        for wire in 0..program.layouts.len() {
            let outline = match &program.deep.wires[wire].origin {
                Origin::Map(terms) => Some(program.outline(architecture, wire, terms, key_cost)?),
                _ => None,
            };
            program.outlines.push(outline);
        }
        Ok(program)
    }

    fn outline(
        &self,
        architecture: &Architecture,
        wire: usize,
        terms: &[Term],
        key_cost: usize,
    ) -> Result<Outline, Unsupported> {
        let maps: Vec<AffineMap> =
            terms.iter().map(|term| self.deep.branch(architecture, None, term, 1.0)).collect();
        let (operands, out) = (self.operands(terms, &maps), &self.layouts[wire]);
        let shifts = diagonals::shifts(&operands, out);
        let refuse =
            |reason: String| Err(Unsupported { layer: Some(self.deep.wires[wire].name.clone()), reason });
        if shifts.is_empty() {
            return refuse("it reads nothing but padding; use less padding".into());
        }
        if shifts.len() > MOST_DIAGONALS {
            return refuse(format!(
                "it takes {} vectors of weights, at most {MOST_DIAGONALS} are computed with: use fewer channels or features",
                shifts.len()
            ));
        }
        Ok(Outline {
            chain: ChainOutline::new(&shifts, key_cost),
            folds: diagonals::folds(&operands, out),
            length: diagonals::length(&operands, out),
        })
    }

    fn operands<'a>(&'a self, terms: &[Term], maps: &'a [AffineMap]) -> Vec<Operand<'a>> {
        let operand = |(term, map): (&Term, &'a AffineMap)| Operand { map, layout: &self.layouts[term.wire] };
        terms.iter().zip(maps).map(operand).collect()
    }

    /// The weights of a wire's map as diagonals, and its bias value by value.
    pub(crate) fn weights(
        &self,
        architecture: &Architecture,
        parameters: &[Parameters],
        wire: usize,
        terms: &[Term],
    ) -> (Diagonals, Vec<f64>) {
        let unit = self.deep.wires[wire].unit;
        let branch = |term| self.deep.branch(architecture, Some(parameters), term, unit);
        let maps: Vec<AffineMap> = terms.iter().map(branch).collect();
        let mut bias = vec![0.0; self.deep.wires[wire].shape.len()];
        for map in &maps {
            bias.iter_mut().zip(&map.bias).for_each(|(sum, own)| *sum += own);
        }
        (diagonals::diagonals(&self.operands(terms, &maps), &self.layouts[wire]), bias)
    }

    /// The highest level at which every rotation is used.
    pub(crate) fn rotations(&self) -> BTreeMap<i64, usize> {
        let mut levels: BTreeMap<i64, usize> = BTreeMap::new();
        for (wire, outline) in self.outlines.iter().enumerate() {
            let Some(outline) = outline else { continue };
            let level = self.deep.level(wire) + 1;
            for steps in outline.chain.rotations().into_iter().chain(outline.folds.iter().copied()) {
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

    /// Slots that the widest wire or map takes.
    pub(crate) fn slots(&self) -> usize {
        let lengths = self.outlines.iter().flatten().map(|outline| outline.length);
        self.layouts.iter().map(|layout| layout.period).chain(lengths).max().unwrap_or(1)
    }
}

/// The circuit and the layout of every wire.
///
/// # Errors
/// As [`Program::new`].
pub(crate) fn lay_out(architecture: &Architecture, bits: u32) -> Result<(Deep, Vec<Layout>), Unsupported> {
    let deep = Deep::new(architecture, bits)?;
    let grid = grid(architecture.input);
    let layout = |wire: &crate::deep::lowering::Wire| {
        let refuse = |reason: String| Err(Unsupported { layer: Some(wire.name.clone()), reason });
        match Layout::of(wire.shape, grid) {
            None => {
                refuse(format!("its {} do not lie on the pixels of the image, which is smaller", wire.shape))
            }
            Some(layout) if layout.period > MOST_SLOTS => refuse(format!(
                "its {} take {} slots of one ciphertext, which has {MOST_SLOTS} at most: use fewer channels or smaller images",
                wire.shape, layout.period
            )),
            Some(layout) => Ok(layout),
        }
    };
    let layouts = deep.wires.iter().map(layout).collect::<Result<_, _>>()?;
    Ok((deep, layouts))
}
