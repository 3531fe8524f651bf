//! Slots held to the oracle, and how much work a program is.

use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Network, Tensor};

use super::wires;
use crate::deep::lowering::{Origin, Wire};
use crate::deep::planning::approximations;
use crate::deep::program::{MOST_SLOTS, Program};
use crate::planning::packing::NONE;

/// Counts of a whole image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) levels: usize,
    pub(crate) diagonals: usize,
    /// Rotations that share a decomposition with others.
    pub(crate) hoisted: usize,
    /// Rotations and conjugations of their own.
    pub(crate) rotations: usize,
    pub(crate) products: usize,
}

impl Counts {
    fn of(program: &Program) -> Self {
        let mut counts = Self { levels: program.deep.depth(), ..Self::default() };
        for outline in program.outlines.iter().flatten() {
            counts.diagonals += outline.chain.diagonals();
            counts.hoisted += outline.chain.baby_steps();
            counts.rotations += outline.chain.giant_steps() + outline.key_switches();
        }
        let is_product = |wire: &&Wire| matches!(wire.origin, Origin::Product { .. });
        counts.products = program.deep.wires.iter().filter(is_product).count();
        counts
    }
}

/// The logits of images that are computed together, from every slot that holds one; the others must be zero.
fn logits(program: &Program, network: &Network, images: &[f32]) -> Vec<f64> {
    let (Some(last), Some(layout)) = (wires(program, network, images).pop(), program.layouts.last()) else {
        return Vec::new();
    };
    let classes = layout.slots.len();
    let at = |label: usize| last[layout.slot(label / classes, label % classes)];
    for (label, value) in layout.labels(MOST_SLOTS).into_iter().zip(&last) {
        let due = if label == NONE { 0.0 } else { at(label as usize) };
        assert!((value - due).abs() < 1e-9, "{value} where {due} is due");
    }
    (0..layout.values()).map(|label| at(label) * program.deep.logit_unit()).collect()
}

/// Holds the logits to the oracle's, relative to their spread; where functions are approximated, to what that is stated to lead to.
pub(crate) fn check(network: &Network, images: &Tensor) -> Counts {
    check_together(network, images, 1)
}

/// As [`check`], this many images at a time.
pub(crate) fn check_together(network: &Network, images: &Tensor, together: usize) -> Counts {
    let program = Program::new(&network.architecture, together, 1, 10).expect("it is supported");
    let expected = evaluate::<f64>(network, images).expect("it is sound");
    let unit = expected.data().iter().fold(0.0, |most: f64, logit| most.max(logit.abs()));
    let stated = approximations(&program.deep).logit_error;
    for first in (0..images.images()).step_by(together) {
        let found = logits(&program, network, images.slice(first, together).data());
        for (found, due) in found.iter().zip(expected.slice(first, together).data()) {
            assert!((found - due).abs() < 1e-6 * unit + stated, "{found} where the oracle has {due}");
        }
    }
    Counts::of(&program)
}
