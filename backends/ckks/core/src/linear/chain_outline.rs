//! How a streamed transform walks through its diagonals, and which rotation keys that takes.

use std::collections::BTreeSet;

/// What steps cost, in halves of a hoisted rotation. A giant step decomposes a polynomial and divides by the special primes.
const BABY_COST: usize = 2;
const GIANT_COST: usize = 5;

/// Distances of giant steps that are tried: odd multiples below this of every power of two.
const LARGEST_ODD: usize = 64;

/// Which diagonals a streamed transform has, and how it walks through them: public, unlike the weights.
///
/// A diagonal of shift `k` is met by its input rotated by the *baby* shift `k mod step`; the sums over all diagonals with one
/// *giant* shift `k - k mod step` are rotated by the distance to the next smaller one and added to it, as in Horner's rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainOutline {
    pub(super) step: i64,
    /// `(input, baby shift)`, in the order rotations are kept.
    pub(super) babies: Vec<(usize, i64)>,
    /// In ascending order.
    pub(super) giants: Vec<i64>,
    diagonals: usize,
}

impl ChainOutline {
    /// The outline for diagonals of these inputs and shifts, 0 or larger, that costs least, where a rotation key counts as much as
    /// this many halves of a hoisted rotation.
    pub fn new(shifts: &BTreeSet<(usize, i64)>, key_cost: usize) -> Self {
        let reach = shifts.iter().map(|&(_, shift)| shift).max().unwrap_or(0).max(1);
        let odd = || (1..LARGEST_ODD).step_by(2);
        let steps = (0..62).flat_map(|bits| odd().map(move |odd| (odd as i64) << bits));
        let least = steps
            .take_while(|&step| step <= 64 * reach)
            .filter(|&step| step <= 2 * reach)
            .min_by_key(|&step| Self::with_step(shifts, step).cost(key_cost));
        Self::with_step(shifts, least.unwrap_or(1))
    }

    pub(super) fn with_step(shifts: &BTreeSet<(usize, i64)>, step: i64) -> Self {
        let mut babies: Vec<(usize, i64)> =
            shifts.iter().map(|&(input, shift)| (input, shift.rem_euclid(step))).collect();
        let mut giants: Vec<i64> = shifts.iter().map(|&(_, shift)| shift - shift.rem_euclid(step)).collect();
        babies.sort_unstable();
        babies.dedup();
        giants.sort_unstable();
        giants.dedup();
        Self { step, babies, giants, diagonals: shifts.len() }
    }

    fn cost(&self, key_cost: usize) -> usize {
        BABY_COST * self.babies.len() + GIANT_COST * self.giant_steps() + key_cost * self.rotations().len()
    }

    /// The rotations that need keys.
    pub fn rotations(&self) -> BTreeSet<i64> {
        let babies = self.babies.iter().map(|&(_, shift)| shift);
        babies.chain(self.giant_rotations()).filter(|&shift| shift != 0).collect()
    }

    fn giant_rotations(&self) -> impl Iterator<Item = i64> {
        let gaps = self.giants.windows(2).map(|pair| pair[1] - pair[0]);
        self.giants.first().copied().into_iter().chain(gaps)
    }

    /// Hoisted rotations of inputs.
    pub fn baby_steps(&self) -> usize {
        self.babies.iter().filter(|&&(_, shift)| shift != 0).count()
    }

    /// Rotations of partial sums.
    pub fn giant_steps(&self) -> usize {
        self.giant_rotations().filter(|&shift| shift != 0).count()
    }

    /// Plaintext vectors.
    pub fn diagonals(&self) -> usize {
        self.diagonals
    }

    /// Vectors that are in memory at a time, one per baby step and input.
    pub fn rotated_inputs(&self) -> usize {
        self.babies.len()
    }
}
