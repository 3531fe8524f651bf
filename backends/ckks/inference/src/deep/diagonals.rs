//! The diagonals of a map between layouts, with real slots or with imaginary ones.
//!
//! **Real slots.** Slot `t` of the result is the sum over shifts `k` of `d_k[t] x[t + k]`.
//!
//! **Imaginary slots.** All values are real, and those of an input `x` repeat after its period `p`, in every slot that there is. So
//! does `z = x + i rot(x, h)` with `h = p / 2`, whose slot `t + k` is `x[t + k] + i x[t + k + h]`, and
//!
//! ```text
//! Re((a - i b)[t] z[t + k]) = a[t] x[t + k] + b[t] x[t + k + h]
//! ```
//!
//! With `a = d_k` and `b = d_(k+h)` for every `k` below `h`, all shifts from 0 to `p` are made of half as many, and of half as many
//! products. The real part is half of the sum `y` of all products and its conjugate. That half is in the diagonals: `y + conj(y)` is the
//! result, at the scale that `y` has, and its imaginary part is zero but for noise. Inputs that stay real add to `y` as well, with diagonals that
//! are halved too: a real vector is half of itself and its conjugate. No level is spent: `i` times a ciphertext is exact and keeps its
//! scale. What it costs are two key switches, a rotation by `h` for each such input and the conjugation.
//!
//! Rounding a complex diagonal adds an error to either part, and its conjugate doubles what reaches the result, so that the error that weights bring
//! is twice that of real slots. It is the price of a bit of their scale. The imaginary parts of the slots of `x` are zero but for noise, which
//! `z` adds to what real slots would drop: the noise that inputs bring counts `sqrt(2)` times.
//!
//! Results that are folded through the slots (flat ones) keep real slots: all their shifts are below the length of the result.

use std::collections::BTreeSet;

use veilbench_ckks::Diagonals;

use crate::circuits::map::AffineMap;
use crate::deep::layout::Layout;

/// A branch of a map, and where its inputs are.
pub(crate) struct Operand<'a> {
    pub(crate) map: &'a AffineMap,
    pub(crate) layout: &'a Layout,
    /// By how much the input is rotated to be its own imaginary part; `None` if it stays real.
    pub(crate) imaginary: Option<i64>,
}

/// By how much an input is rotated to be its own imaginary part, where that halves the shifts of a map to `out`.
pub(crate) fn half(input: &Layout, out: &Layout) -> Option<i64> {
    (!out.is_flat && input.period > 1).then_some(input.period as i64 / 2)
}

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

/// Calls `visit(shift, slot, weight)`, shifts of real slots, for every product of one operand that there is in the first `length` slots.
fn products(operand: &Operand<'_>, out: &Layout, length: usize, mut visit: impl FnMut(usize, usize, f64)) {
    let Operand { map, layout, .. } = operand;
    for (block, image) in map.blocks.iter().flat_map(|block| (0..out.images).map(move |image| (block, image)))
    {
        let columns = block.inputs.len();
        for (row, &output) in block.outputs.iter().enumerate() {
            let at = out.slot(image, output as usize);
            for (&input, &weight) in block.inputs.iter().zip(&block.weights[row * columns..]) {
                let from = layout.slot(image, input as usize);
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

/// Which diagonals there are with real slots.
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

/// The shifts that are left of those of real slots, by input.
pub(crate) fn paired(shifts: &BTreeSet<(usize, i64)>, imaginary: &[Option<i64>]) -> BTreeSet<(usize, i64)> {
    let left = |&(input, shift): &(usize, i64)| (input, imaginary[input].map_or(shift, |half| shift % half));
    shifts.iter().map(left).collect()
}

/// The real and the imaginary parts of the diagonals, which have a [`length`]; real ones have no imaginary part.
pub(crate) fn diagonals(operands: &[Operand<'_>], out: &Layout) -> [Diagonals; 2] {
    let length = length(operands, out);
    let factor = if operands.iter().any(|operand| operand.imaginary.is_some()) { 0.5 } else { 1.0 };
    let mut found = [Diagonals::new(), Diagonals::new()];
    for (input, operand) in operands.iter().enumerate() {
        let mut of_shift = [vec![Vec::new(); length], vec![Vec::new(); length]];
        products(operand, out, length, |shift, slot, weight| {
            let half = operand.imaginary.map(|half| half as usize).filter(|&half| shift >= half);
            let (part, shift, weight) = half.map_or((0, shift, weight), |half| (1, shift - half, -weight));
            // An imaginary part has a real one beside it, if only of zeros.
            for own in &mut of_shift[..=part] {
                own[shift].resize(length, 0.0);
            }
            of_shift[part][shift][slot] += factor * weight;
        });
        for (found, of_shift) in found.iter_mut().zip(of_shift) {
            let own = of_shift.into_iter().enumerate().filter(|(_, diagonal)| !diagonal.is_empty());
            found.extend(own.map(|(shift, diagonal)| ((input, shift as i64), diagonal)));
        }
    }
    found
}
