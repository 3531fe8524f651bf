//! The diagonals of a map between layouts.

use std::collections::{BTreeMap, BTreeSet};

use crate::circuits::map::AffineMap;
use crate::deep::layout::Layout;

/// A branch of a map, and where its inputs are.
pub(crate) struct Operand<'a> {
    pub(crate) map: &'a AffineMap,
    pub(crate) layout: &'a Layout,
}

/// Diagonals by input and shift: vectors of [`length`].
pub(crate) type Diagonals = BTreeMap<(usize, i64), Vec<f64>>;

/// After how many slots the diagonals repeat.
pub(crate) fn length(operands: &[Operand<'_>], out: &Layout) -> usize {
    operands.iter().map(|operand| operand.layout.period).fold(out.period, usize::max)
}

/// By how much the results are rotated and added to themselves, in turn: flat ones are partial sums.
pub(crate) fn folds(operands: &[Operand<'_>], out: &Layout) -> Vec<i64> {
    let doubled = std::iter::successors(Some(out.period), |fold| Some(2 * fold));
    let length = if out.is_flat { length(operands, out) } else { 0 };
    doubled.take_while(|&fold| fold < length).map(|fold| fold as i64).collect()
}

/// Calls `visit(shift, slot, weight)` for every product of one operand that there is in the first `length` slots.
fn products(operand: &Operand<'_>, out: &Layout, length: usize, mut visit: impl FnMut(usize, usize, f64)) {
    let Operand { map, layout } = operand;
    for block in &map.blocks {
        let columns = block.inputs.len();
        for (row, &output) in block.outputs.iter().enumerate() {
            let at = out.slots[output as usize] as usize;
            for (&input, &weight) in block.inputs.iter().zip(&block.weights[row * columns..]) {
                let from = layout.slots[input as usize] as usize;
                if out.is_flat {
                    // Any slot of this output will do, as all of them are summed: the one just before the input.
                    let shift = (from + out.period - at) % out.period;
                    visit(shift, (from + length - shift) % length, weight);
                    continue;
                }
                for slot in (at..length).step_by(out.period) {
                    visit((from + length - slot) % layout.period, slot, weight);
                }
            }
        }
    }
}

/// Which diagonals there are.
pub(crate) fn shifts(operands: &[Operand<'_>], out: &Layout) -> BTreeSet<(usize, i64)> {
    let length = length(operands, out);
    let mut found = BTreeSet::new();
    for (input, operand) in operands.iter().enumerate() {
        let mut seen = vec![false; length];
        products(operand, out, length, |shift, _, _| seen[shift] = true);
        found.extend(
            seen.iter().enumerate().filter(|(_, seen)| **seen).map(|(shift, _)| (input, shift as i64)),
        );
    }
    found
}

/// The diagonals themselves.
pub(crate) fn diagonals(operands: &[Operand<'_>], out: &Layout) -> Diagonals {
    let length = length(operands, out);
    let mut found = Diagonals::new();
    for (input, operand) in operands.iter().enumerate() {
        let mut of_shift: Vec<Vec<f64>> = vec![Vec::new(); length];
        products(operand, out, length, |shift, slot, weight| {
            let diagonal = &mut of_shift[shift];
            diagonal.resize(length, 0.0);
            diagonal[slot] += weight;
        });
        let own = of_shift.into_iter().enumerate().filter(|(_, diagonal)| !diagonal.is_empty());
        found.extend(own.map(|(shift, diagonal)| ((input, shift as i64), diagonal)));
    }
    found
}
